//! How the messages of baselines look as bytes: little-endian numbers, and payloads of zeros.

use heck_core::hash::mix;

use super::baseline::{Id, Item, Lane, Write};

/// Bytes of an item before its payload.
pub const ITEM_HEADER: u32 = 24;
/// Stands for the length of the payload where a write takes a key out.
const REMOVES: u32 = u32::MAX;
/// Bytes of an id.
pub const ID_BYTES: u32 = 12;

/// The encoded length of an item.
#[must_use]
pub const fn item_len(item: &Item) -> u32 {
    ITEM_HEADER + item.bytes
}

/// Appends numbers.
pub fn put(into: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        into.extend_from_slice(&number.to_le_bytes());
    }
}

/// Appends an id.
pub fn put_id(into: &mut Vec<u8>, id: Id) {
    put(into, &[id.lane.node, id.lane.life, id.sequence]);
}

/// Appends an item with its payload.
pub fn put_item(into: &mut Vec<u8>, item: &Item) {
    put_id(into, item.id);
    put(into, &[item.index, item.key, item.bytes]);
    into.resize(into.len() + item.bytes as usize, 0);
}

/// Appends a write of a store, which is as long as its item.
pub fn put_write(into: &mut Vec<u8>, write: &Write) {
    if write.removes {
        let Item { id, index, key, .. } = write.item;
        put_id(into, id);
        put(into, &[index, key, REMOVES]);
    } else {
        put_item(into, &write.item);
    }
}

/// A word that differs for different writes of stores.
#[must_use]
pub fn write_word(write: &Write) -> u64 {
    let word = item_word(&write.item);
    if write.removes { !word } else { word }
}

/// A word that differs for different items.
#[must_use]
pub fn item_word(item: &Item) -> u64 {
    mix(id_word(item.id), u64::from(item.index) << 32 | u64::from(item.key))
}

/// A word that differs for different ids.
#[must_use]
pub fn id_word(id: Id) -> u64 {
    mix(u64::from(id.lane.node) << 32 | u64::from(id.lane.life), u64::from(id.sequence))
}

/// Reads what [`put`] and its like have written.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// The next number.
    ///
    /// # Errors
    /// When the bytes end before.
    pub fn number(&mut self) -> Result<u32, String> {
        let (number, rest) = self.0.split_first_chunk().ok_or("the bytes end within a number")?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*number))
    }

    /// The next id.
    ///
    /// # Errors
    /// When the bytes end before.
    pub fn id(&mut self) -> Result<Id, String> {
        let lane = Lane { node: self.number()?, life: self.number()? };
        Ok(Id { lane, sequence: self.number()? })
    }

    /// The next item.
    ///
    /// # Errors
    /// When the bytes end before.
    pub fn item(&mut self) -> Result<Item, String> {
        let item = self.header()?;
        self.payload(item)
    }

    /// The next write of a store.
    ///
    /// # Errors
    /// When the bytes end before.
    pub fn write(&mut self) -> Result<Write, String> {
        let item = self.header()?;
        if item.bytes == REMOVES {
            return Ok(Write { item: Item { bytes: 0, ..item }, removes: true });
        }
        Ok(Write { item: self.payload(item)?, removes: false })
    }

    fn header(&mut self) -> Result<Item, String> {
        let id = self.id()?;
        Ok(Item { id, index: self.number()?, key: self.number()?, bytes: self.number()? })
    }

    fn payload(&mut self, item: Item) -> Result<Item, String> {
        self.0 = self.0.get(item.bytes as usize..).ok_or("the bytes end within a payload")?;
        Ok(item)
    }

    /// Everything that is left, one after the other.
    ///
    /// # Errors
    /// When the bytes end within one.
    pub fn rest<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        while !self.0.is_empty() {
            all.push(one(self)?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_as_long_as_it_says_and_reads_back() {
        let id = Id { lane: Lane { node: 7, life: 2 }, sequence: 9 };
        let item = Item { id, index: 3, key: 5, bytes: 100 };
        let mut bytes = Vec::new();
        put_item(&mut bytes, &item);
        assert_eq!(bytes.len(), item_len(&item) as usize);
        assert_eq!(Reader(&bytes).item(), Ok(item));
        assert!(Reader(&bytes[..bytes.len() - 1]).item().is_err());
        assert!(Reader(&bytes[..ITEM_HEADER as usize - 1]).item().is_err());
    }

    #[test]
    fn a_write_is_as_long_as_its_item_and_reads_back_whether_it_removes_or_not() {
        let id = Id { lane: Lane { node: 7, life: 2 }, sequence: 9 };
        for (removes, payload) in [(false, 100), (false, 0), (true, 0)] {
            let write = Write { item: Item { id, index: 3, key: 5, bytes: payload }, removes };
            let mut bytes = Vec::new();
            put_write(&mut bytes, &write);
            assert_eq!(bytes.len(), item_len(&write.item) as usize);
            assert_eq!(Reader(&bytes).write(), Ok(write));
            assert!(Reader(&bytes[..bytes.len() - 1]).write().is_err());
        }
    }
}
