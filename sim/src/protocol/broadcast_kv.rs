//! The posts' first exercise: a key-value store in which each write is broadcast, and nothing else.
//!
//! Seed: "create a simple broadcast key-value store with every update on one node broadcasts to others". A write goes to
//! every node in one datagram each, and whatever arrives last is the value. Nothing is repaired: what is lost stays
//! lost, and where two writes pass each other on their way, nodes differ for ever. It has no settings. In its favour:
//! everybody knows all nodes at no cost.

use std::collections::{BTreeMap, BTreeSet};

use heck_core::time::Time;

use super::baseline::{Baseline, Command, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start, Write, others};
use super::bytes::{Reader, item_len, put_write, write_word};
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Message, Never, Protocol};

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct BroadcastKv {
    node: u32,
    nodes: u32,
    lane: Lane,
    published: u32,
    values: BTreeMap<u32, Item>,
    /// Which writes were seen here, for the measures alone: a duplicated datagram is one delivery.
    seen: BTreeSet<u32>,
}

/// A write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet(pub Write);

impl BroadcastKv {
    fn take(&mut self, write: Write, out: &mut Outbox<Self>) {
        let Item { key, index, .. } = write.item;
        if write.removes {
            self.values.remove(&key);
        } else {
            self.values.insert(key, write.item);
        }
        if self.seen.insert(index) {
            out.report(Event::Delivered { index });
        }
    }
}

impl Protocol for BroadcastKv {
    type Packet = Packet;
    type Frame = Never;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, _: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Command { command: Command::Publish { index, key, bytes, removes }, .. } => {
                self.published += 1;
                let item = Item { id: Id { lane: self.lane, sequence: self.published }, index, key, bytes };
                let write = Write { item, removes };
                self.take(write, out);
                out.send_to_all(others(self.node, self.nodes), Packet(write));
            }
            Input::Datagram { packet, .. } => self.take(packet.0, out),
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        Time::NEVER
    }
}

impl Baseline for BroadcastKv {
    const IS_STORE: bool = true;

    fn begin(start: &Start) -> Self {
        Self {
            node: start.node,
            nodes: start.nodes,
            lane: start.lane(),
            published: 0,
            values: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    fn gauge(&self) -> Gauge {
        let payloads: u64 = self.values.values().map(|item| u64::from(item.bytes)).sum();
        Gauge { queue: 0, memory_bytes: payloads + RECORD_BYTES * self.values.len() as u64 }
    }

    fn value(&self, key: u32) -> Option<u32> {
        self.values.get(&key).map(|item| item.index)
    }
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        item_len(&self.0.item)
    }

    fn content_word(&self) -> u64 {
        write_word(&self.0)
    }

    fn encode(&self, into: &mut Vec<u8>) {
        put_write(into, &self.0);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        Reader(bytes).write().map(Self)
    }
}
