//! A slab: values under small numbers that are reused.

use super::event::SLOTS_MAX;

/// Values under slot numbers; the slot that was freed last is taken first, so that a warm slab neither
/// allocates nor leaves the cache.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Stores a value and tells its slot.
    ///
    /// # Panics
    /// When more values than an event's payload can name are pending at once (2²⁸); memory ends earlier.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.entries[slot as usize] = Some(value);
            return slot;
        }
        assert!(self.entries.len() < SLOTS_MAX, "more than {SLOTS_MAX} things are pending at once");
        self.entries.push(Some(value));
        self.entries.len() as u32 - 1
    }

    /// The value in a slot, if the slot is taken.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&T> {
        self.entries.get(slot as usize).and_then(Option::as_ref)
    }

    /// The value in a slot, if the slot is taken.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.entries.get_mut(slot as usize).and_then(Option::as_mut)
    }

    /// Takes the value out and frees its slot.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.entries.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    /// How many slots are taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether no slot is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_slot_is_the_next_one_taken() {
        let mut slab = Slab::default();
        let (a, b) = (slab.insert("a"), slab.insert("b"));
        assert_eq!(slab.remove(a), Some("a"));
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.insert("c"), a);
        assert_eq!(slab.get(b), Some(&"b"));
        assert_eq!(slab.len(), 2);
    }
}
