//! The segments of a connection.

use heck_core::hash::mix;

use crate::engine::protocol::Message;
use crate::protocol::baseline::Item;
use crate::protocol::bytes::{Reader, item_len, item_word, put, put_item};

/// A segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// The connection that it belongs to.
    pub epoch: u32,
    /// What it is.
    pub body: Body,
}

/// What a segment is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// A connection is wanted.
    Open,
    /// It stands.
    Opened,
    /// There is no such connection.
    Gone,
    /// Are you there?
    Probe,
    /// A message.
    Data {
        /// Its number in this direction.
        sequence: u32,
        /// The message.
        item: Item,
    },
    /// What has arrived.
    Acknowledged {
        /// Everything below this.
        below: u32,
        /// And these, first and last.
        ranges: Vec<(u32, u32)>,
    },
}

/// The connection and the kind.
const HEADER: u32 = 8;

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        HEADER
            + match &self.body {
                Body::Open | Body::Opened | Body::Gone | Body::Probe => 0,
                Body::Data { item, .. } => 4 + item_len(item),
                Body::Acknowledged { ranges, .. } => 4 + 8 * ranges.len() as u32,
            }
    }

    fn content_word(&self) -> u64 {
        let word = match &self.body {
            Body::Open => 0,
            Body::Opened => 1,
            Body::Gone => 2,
            Body::Probe => 3,
            Body::Data { sequence, item } => mix(item_word(item), u64::from(*sequence)),
            Body::Acknowledged { below, ranges } => ranges
                .iter()
                .fold(u64::from(*below) << 3, |word, (a, b)| mix(word, u64::from(*a) << 32 | u64::from(*b))),
        };
        mix(word, u64::from(self.epoch))
    }

    fn encode(&self, into: &mut Vec<u8>) {
        let kind = match self.body {
            Body::Open => 0,
            Body::Opened => 1,
            Body::Gone => 2,
            Body::Probe => 3,
            Body::Data { .. } => 4,
            Body::Acknowledged { .. } => 5,
        };
        put(into, &[kind, self.epoch]);
        match &self.body {
            Body::Data { sequence, item } => {
                put(into, &[*sequence]);
                put_item(into, item);
            }
            Body::Acknowledged { below, ranges } => {
                put(into, &[*below]);
                ranges.iter().for_each(|(first, last)| put(into, &[*first, *last]));
            }
            _ => {}
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        let (kind, epoch) = (reader.number()?, reader.number()?);
        let body = match kind {
            0 => Body::Open,
            1 => Body::Opened,
            2 => Body::Gone,
            3 => Body::Probe,
            4 => Body::Data { sequence: reader.number()?, item: reader.item()? },
            5 => Body::Acknowledged {
                below: reader.number()?,
                ranges: reader.rest(|reader| Ok((reader.number()?, reader.number()?)))?,
            },
            kind => return Err(format!("{kind} is no kind of segment; 0 to 5 are")),
        };
        Ok(Self { epoch, body })
    }
}
