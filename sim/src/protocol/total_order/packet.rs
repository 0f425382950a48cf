//! What voters say to each other, and to those who follow them.

use omnipaxos::messages::Message as Spoken;
use omnipaxos::storage::{Entry, NoSnapshot};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::protocol::Message;
use crate::protocol::baseline::{Id, Item, Lane};
use crate::protocol::bytes::{Reader, item_len, put, put_item};

/// A message as an entry of the log. Its encoding brings the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "Encoded", from = "Encoded")]
pub struct Proposal(pub Item);

/// How an entry looks among the messages of the library.
#[derive(Serialize, Deserialize)]
struct Encoded {
    node: u32,
    life: u32,
    sequence: u32,
    index: u32,
    key: u32,
    payload: Vec<u8>,
}

impl From<Proposal> for Encoded {
    fn from(Proposal(Item { id, index, key, bytes }): Proposal) -> Self {
        let Id { lane: Lane { node, life }, sequence } = id;
        Self { node, life, sequence, index, key, payload: vec![0; bytes as usize] }
    }
}

impl From<Encoded> for Proposal {
    fn from(Encoded { node, life, sequence, index, key, payload }: Encoded) -> Self {
        let id = Id { lane: Lane { node, life }, sequence };
        Self(Item { id, index, key, bytes: payload.len() as u32 })
    }
}

impl Entry for Proposal {
    type Snapshot = NoSnapshot;
}

/// What a node sends.
#[derive(Clone, Debug)]
pub enum Packet {
    /// A voter to a voter: what the library says, in its own encoding.
    Spoken(Spoken<Proposal>),
    /// To a voter: put this into the log.
    Propose(Item),
    /// To a voter: what is there from this position on?
    Ask {
        /// The position.
        next: u32,
    },
    /// From a voter: this is decided.
    Decided {
        /// The position of the first.
        first: u32,
        /// The messages.
        items: Vec<Item>,
    },
}

impl Packet {
    /// Bytes before the messages, of those that bring any.
    pub const HEADER: u32 = 8;

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes
    }
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        match self {
            Self::Spoken(_) => self.bytes().len() as u32,
            Self::Propose(item) => 4 + item_len(item),
            Self::Ask { .. } => Self::HEADER,
            Self::Decided { items, .. } => Self::HEADER + items.iter().map(item_len).sum::<u32>(),
        }
    }

    fn content_word(&self) -> u64 {
        xxh3_64(&self.bytes())
    }

    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Spoken(message) => {
                put(into, &[0]);
                // Nothing in these messages is of a kind that the format lacks.
                into.extend(postcard::to_allocvec(message).unwrap_or_default());
            }
            Self::Propose(item) => {
                put(into, &[1]);
                put_item(into, item);
            }
            Self::Ask { next } => put(into, &[2, *next]),
            Self::Decided { first, items } => {
                put(into, &[3, *first]);
                items.iter().for_each(|item| put_item(into, item));
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        Ok(match reader.number()? {
            0 => Self::Spoken(postcard::from_bytes(reader.0).map_err(|error| error.to_string())?),
            1 => Self::Propose(reader.item()?),
            2 => Self::Ask { next: reader.number()? },
            3 => Self::Decided { first: reader.number()?, items: reader.rest(Reader::item)? },
            kind => return Err(format!("{kind} is no kind of packet; 0 to 3 are")),
        })
    }
}
