//! Messages, and that they have arrived.

use heck_core::hash::mix;

use crate::engine::protocol::Message;
use crate::protocol::baseline::{Id, Item};
use crate::protocol::bytes::{ID_BYTES, Reader, id_word, item_len, item_word, put, put_id, put_item};

/// What a node sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// Messages: new ones, or reminders.
    Items(Vec<Item>),
    /// The sender has these.
    Confirmed(Vec<Id>),
}

impl Packet {
    /// Bytes of its kind.
    pub const HEADER: u32 = 4;
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        Self::HEADER
            + match self {
                Self::Items(items) => items.iter().map(item_len).sum(),
                Self::Confirmed(ids) => ids.len() as u32 * ID_BYTES,
            }
    }

    fn content_word(&self) -> u64 {
        match self {
            Self::Items(items) => items.iter().fold(1, |word, item| mix(word, item_word(item))),
            Self::Confirmed(ids) => ids.iter().fold(2, |word, id| mix(word, id_word(*id))),
        }
    }

    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Items(items) => {
                put(into, &[0]);
                items.iter().for_each(|item| put_item(into, item));
            }
            Self::Confirmed(ids) => {
                put(into, &[1]);
                ids.iter().for_each(|&id| put_id(into, id));
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        Ok(match reader.number()? {
            0 => Self::Items(reader.rest(Reader::item)?),
            1 => Self::Confirmed(reader.rest(Reader::id)?),
            kind => return Err(format!("{kind} is no kind of packet; 0 and 1 are")),
        })
    }
}
