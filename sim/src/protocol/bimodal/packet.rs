//! The three messages of a repair, and the broadcast, which looks like its last one.

use heck_core::hash::mix;

use crate::engine::protocol::Message;
use crate::protocol::baseline::{DATAGRAM_BYTES, Id, Item, Lane};
use crate::protocol::bytes::{ID_BYTES, Reader, id_word, item_len, item_word, put, put_id, put_item};

/// What a node sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// Messages, published just now or asked for.
    Items(Vec<Item>),
    /// What the sender holds.
    Digest(Digest),
    /// What the sender lacks.
    Ask(Digest),
}

/// Names messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Digest {
    /// One by one.
    List(Vec<Id>),
    /// Those without a hole between them together.
    Ranges(Vec<Stretch>),
}

/// Messages of one lane without a hole between them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stretch {
    /// Whose.
    pub lane: Lane,
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

const STRETCH_BYTES: u32 = 16;

impl Stretch {
    /// Its messages one by one.
    pub fn ids(self) -> impl Iterator<Item = Id> {
        (self.first..=self.last).map(move |sequence| Id { lane: self.lane, sequence })
    }
}

impl Digest {
    /// So many ids fit into a datagram.
    pub const IDS_MAX: usize = ((DATAGRAM_BYTES - Packet::HEADER) / ID_BYTES) as usize;
    /// So many ranges do.
    pub const STRETCHES_MAX: usize = ((DATAGRAM_BYTES - Packet::HEADER) / STRETCH_BYTES) as usize;

    /// What it names, as ranges.
    pub fn stretches(&self) -> impl Iterator<Item = Stretch> {
        let (ids, ranges): (&[Id], &[Stretch]) = match self {
            Self::List(ids) => (ids, &[]),
            Self::Ranges(ranges) => (&[], ranges),
        };
        let one = |id: &Id| Stretch { lane: id.lane, first: id.sequence, last: id.sequence };
        ids.iter().map(one).chain(ranges.iter().copied())
    }

    fn len(&self) -> u32 {
        match self {
            Self::List(ids) => ids.len() as u32 * ID_BYTES,
            Self::Ranges(ranges) => ranges.len() as u32 * STRETCH_BYTES,
        }
    }

    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::List(ids) => ids.iter().for_each(|&id| put_id(into, id)),
            Self::Ranges(ranges) => {
                for Stretch { lane, first, last } in ranges {
                    put(into, &[lane.node, lane.life, *first, *last]);
                }
            }
        }
    }
}

impl Packet {
    /// Bytes of its kind.
    pub const HEADER: u32 = 4;

    /// Its encoded length in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> u32 {
        Self::HEADER
            + match self {
                Self::Items(items) => items.iter().map(item_len).sum(),
                Self::Digest(digest) | Self::Ask(digest) => digest.len(),
            }
    }
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        self.encoded_len()
    }

    fn content_word(&self) -> u64 {
        let word = |word, stretch: Stretch| {
            let first = Id { lane: stretch.lane, sequence: stretch.first };
            mix(mix(word, id_word(first)), u64::from(stretch.last))
        };
        match self {
            Self::Items(items) => items.iter().fold(1, |sum, item| mix(sum, item_word(item))),
            Self::Digest(digest) => digest.stretches().fold(2, word),
            Self::Ask(digest) => digest.stretches().fold(3, word),
        }
    }

    fn encode(&self, into: &mut Vec<u8>) {
        let kind = match self {
            Self::Items(_) => 0,
            Self::Digest(Digest::List(_)) => 1,
            Self::Digest(Digest::Ranges(_)) => 2,
            Self::Ask(Digest::List(_)) => 3,
            Self::Ask(Digest::Ranges(_)) => 4,
        };
        put(into, &[kind]);
        match self {
            Self::Items(items) => items.iter().for_each(|item| put_item(into, item)),
            Self::Digest(digest) | Self::Ask(digest) => digest.encode(into),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        let stretch = |reader: &mut Reader<'_>| {
            let lane = Lane { node: reader.number()?, life: reader.number()? };
            Ok(Stretch { lane, first: reader.number()?, last: reader.number()? })
        };
        Ok(match reader.number()? {
            0 => Self::Items(reader.rest(Reader::item)?),
            1 => Self::Digest(Digest::List(reader.rest(Reader::id)?)),
            2 => Self::Digest(Digest::Ranges(reader.rest(stretch)?)),
            3 => Self::Ask(Digest::List(reader.rest(Reader::id)?)),
            4 => Self::Ask(Digest::Ranges(reader.rest(stretch)?)),
            kind => return Err(format!("{kind} is no kind of packet; 0 to 4 are")),
        })
    }
}
