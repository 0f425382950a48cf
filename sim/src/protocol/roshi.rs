//! Roshi (SoundCloud, named by the posts): last write wins, by the wall clock of the node that takes the write.
//!
//! A write is stamped with its writer's clock and broadcast; a node keeps the greatest stamp of each key, and of two
//! equal ones that which came first, as Roshi's script does. Its walker repairs: each round a node sends a random other
//! one keys with stamps, as many as fit into a datagram, beginning where the last ones ended; what is newer comes back,
//! and what the other lacks is asked for. The round is that of heck's repair. All nodes come to agree; but a clock that
//! runs behind makes writes that lose against older ones, and nobody is told. In its favour: everybody knows all nodes
//! at no cost.

use std::collections::BTreeMap;
use std::ops::Bound;

use heck_core::hash::mix;
use heck_core::rng::Stream;
use heck_core::time::{Span, Time};

use super::baseline::{
    Baseline, Command, DATAGRAM_BYTES, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start, first_round,
    others, random_peer,
};
use super::bytes::{Reader, item_len, item_word, put, put_item};
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Message, Never, Protocol};

const STAMP_BYTES: u32 = 8;
const KEY_BYTES: u32 = 12;
const HEADER: u32 = 4;
const KEYS_MAX: usize = ((DATAGRAM_BYTES - HEADER) / KEY_BYTES) as usize;

/// A write with the time on its writer's clock, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamped {
    /// What is written.
    pub item: Item,
    /// When, by that clock.
    pub stamp_us: u64,
}

/// What a node sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// Writes.
    Writes(Vec<Stamped>),
    /// Keys with the stamps that the sender has; 0 for none.
    Stamps(Vec<(u32, u64)>),
}

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct Roshi {
    node: u32,
    nodes: u32,
    lane: Lane,
    published: u32,
    stream: Stream,
    round: Span,
    next_round: Time,
    values: BTreeMap<u32, Stamped>,
    /// The key that the walker read last.
    walked: u32,
}

impl Roshi {
    fn take(&mut self, write: Stamped, out: &mut Outbox<Self>) {
        let held = self.values.get(&write.item.key);
        if held.is_none_or(|held| held.stamp_us < write.stamp_us) {
            self.values.insert(write.item.key, write);
            out.report(Event::Delivered { index: write.item.index });
        }
    }

    fn walk(&mut self, out: &mut Outbox<Self>) {
        self.next_round += self.round;
        let peer = random_peer(&mut self.stream, self.node, self.nodes);
        let after = self.values.range((Bound::Excluded(self.walked), Bound::Unbounded));
        let around = after.chain(self.values.range(..=self.walked));
        let stamps: Vec<_> = around.map(|(&key, held)| (key, held.stamp_us)).take(KEYS_MAX).collect();
        if let Some((last, _)) = stamps.last()
            && peer != self.node
        {
            self.walked = *last;
            out.send(peer, Packet::Stamps(stamps));
        }
    }

    /// Sends what is newer here, and asks for what is newer there by saying what stands here.
    fn compare(&self, to: u32, stamps: &[(u32, u64)], out: &mut Outbox<Self>) {
        let mut older = Vec::new();
        let (mut packed, mut len) = (Vec::new(), HEADER);
        for &(key, stamp_us) in stamps {
            let held = self.values.get(&key);
            match held {
                Some(held) if held.stamp_us > stamp_us => {
                    let more = STAMP_BYTES + item_len(&held.item);
                    if len + more > DATAGRAM_BYTES {
                        out.send(to, Packet::Writes(std::mem::take(&mut packed)));
                        len = HEADER;
                    }
                    len += more;
                    packed.push(*held);
                }
                _ if held.is_none_or(|held| held.stamp_us < stamp_us) => {
                    older.push((key, held.map_or(0, |held| held.stamp_us)));
                }
                _ => {}
            }
        }
        if !packed.is_empty() {
            out.send(to, Packet::Writes(packed));
        }
        if !older.is_empty() {
            out.send(to, Packet::Stamps(older));
        }
    }
}

impl Protocol for Roshi {
    type Packet = Packet;
    type Frame = Never;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => self.walk(out),
            Input::Command { command: Command::Publish { index, key, bytes }, .. } => {
                self.published += 1;
                let item = Item { id: Id { lane: self.lane, sequence: self.published }, index, key, bytes };
                let write = Stamped { item, stamp_us: now.0 };
                self.take(write, out);
                out.send_to_all(others(self.node, self.nodes), Packet::Writes(vec![write]));
            }
            Input::Datagram { from, packet } => match packet {
                Packet::Writes(writes) => writes.iter().for_each(|&write| self.take(write, out)),
                Packet::Stamps(stamps) => self.compare(from, stamps, out),
            },
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.next_round
    }
}

impl Baseline for Roshi {
    const IS_STORE: bool = true;

    fn begin(start: &Start) -> Self {
        let mut stream = start.stream();
        let round = start.settings.round;
        let next_round = first_round(&mut stream, start.now, round);
        Self {
            node: start.node,
            nodes: start.nodes,
            lane: start.lane(),
            published: 0,
            stream,
            round,
            next_round,
            values: BTreeMap::new(),
            walked: 0,
        }
    }

    fn gauge(&self) -> Gauge {
        let payloads: u64 = self.values.values().map(|held| u64::from(held.item.bytes)).sum();
        Gauge { queue: 0, memory_bytes: payloads + RECORD_BYTES * self.values.len() as u64 }
    }

    fn value(&self, key: u32) -> Option<u32> {
        self.values.get(&key).map(|held| held.item.index)
    }
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        HEADER
            + match self {
                Self::Writes(writes) => writes.iter().map(|write| STAMP_BYTES + item_len(&write.item)).sum(),
                Self::Stamps(stamps) => stamps.len() as u32 * KEY_BYTES,
            }
    }

    fn content_word(&self) -> u64 {
        match self {
            Self::Writes(writes) => {
                writes.iter().fold(1, |word, write| mix(mix(word, write.stamp_us), item_word(&write.item)))
            }
            Self::Stamps(stamps) => {
                stamps.iter().fold(2, |word, (key, stamp)| mix(mix(word, u64::from(*key)), *stamp))
            }
        }
    }

    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Writes(writes) => {
                put(into, &[0]);
                for Stamped { item, stamp_us } in writes {
                    into.extend_from_slice(&stamp_us.to_le_bytes());
                    put_item(into, item);
                }
            }
            Self::Stamps(stamps) => {
                put(into, &[1]);
                for (key, stamp_us) in stamps {
                    put(into, &[*key]);
                    into.extend_from_slice(&stamp_us.to_le_bytes());
                }
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        let stamp = |reader: &mut Reader<'_>| -> Result<u64, String> {
            Ok(u64::from(reader.number()?) | u64::from(reader.number()?) << 32)
        };
        Ok(match reader.number()? {
            0 => Self::Writes(reader.rest(|reader| {
                let stamp_us = stamp(reader)?;
                Ok(Stamped { item: reader.item()?, stamp_us })
            })?),
            1 => Self::Stamps(reader.rest(|reader| Ok((reader.number()?, stamp(reader)?)))?),
            kind => return Err(format!("{kind} is no kind of packet; 0 and 1 are")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_stamp_stays_whatever_arrives_later_and_of_two_equal_ones_the_first() {
        let id = Id { lane: Lane { node: 0, life: 1 }, sequence: 1 };
        let write = |index, stamp_us| Stamped { item: Item { id, index, key: 7, bytes: 8 }, stamp_us };
        let stream = Stream::new(heck_core::rng::Seed(1), 1);
        let (round, values) = (Span::from_secs(1), BTreeMap::new());
        let (lane, next_round) = (id.lane, Time::ZERO);
        let mut node =
            Roshi { node: 0, nodes: 2, lane, published: 0, stream, round, next_round, values, walked: 0 };
        let mut out = Outbox::default();
        for (index, stamp_us, read) in [(1, 50, 1), (2, 40, 1), (3, 50, 1), (4, 51, 4), (5, 1, 4)] {
            node.take(write(index, stamp_us), &mut out);
            assert_eq!(node.value(7), Some(read), "after {index}");
        }
    }
}
