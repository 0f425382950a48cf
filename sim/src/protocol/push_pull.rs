//! Hashicorp's memberlist as a carrier of messages: queues of broadcasts, and now and then the full state by TCP.
//!
//! What is new is queued; five times a second a node sends three random others what it has queued, that which was sent
//! least first, and forgets what was sent 4·⌈log₁₀(n + 1)⌉ times. Every 30 s, less often in clusters above 32, it opens a
//! stream to a random node and the two exchange everything that they hold: a record of every member and all messages.
//! These are memberlist's defaults for a network between hosts, `DefaultLANConfig` (`GossipInterval` 200 ms, `GossipNodes`
//! 3, `RetransmitMult` 4, `PushPullInterval` 30 s and its scaling); it ships a faster set for one host alone. In its favour: no failure detection is sent.

use std::collections::{BTreeMap, BTreeSet};

use heck_core::hash::mix;
use heck_core::rng::Stream;
use heck_core::time::{Span, Time};

use super::baseline::{
    Baseline, Command, DATAGRAM_BYTES, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start, first_round,
    random_peer,
};
use super::bytes::{ITEM_HEADER, Reader, item_len, item_word, put, put_item};
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Message, Protocol};

const GOSSIP_INTERVAL: Span = Span::from_ms(200);
const GOSSIP_NODES: u32 = 3;
const RETRANSMIT_MULT: u32 = 4;
const PUSH_PULL_INTERVAL: Span = Span::from_secs(30);
/// Above so many nodes push-pull becomes rarer.
const SCALE_THRESHOLD: u32 = 32;
/// Bytes of a member in the full state: name, address, port, incarnation, state, versions.
const MEMBER_BYTES: u32 = 40;
const HEADER: u32 = 4;

/// Messages, some or all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet(pub Vec<Item>);

/// Everything that a node holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// How many members it lists.
    pub members: u32,
    /// All messages.
    pub items: Vec<Item>,
}

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct PushPull {
    node: u32,
    nodes: u32,
    lane: Lane,
    published: u32,
    stream: Stream,
    next_gossip: Time,
    next_push_pull: Time,
    held: BTreeMap<Id, Item>,
    bytes: u64,
    /// What is still to be sent, by how often it was.
    queue: BTreeSet<(u32, Id)>,
    /// Streams that this node opened.
    opened: BTreeSet<u64>,
}

/// How often memberlist sends a broadcast in a cluster of so many nodes.
#[must_use]
pub fn retransmit_limit(nodes: u32) -> u32 {
    let (mut digits, mut reach) = (0, 1_u64);
    while reach < u64::from(nodes) + 1 {
        (digits, reach) = (digits + 1, reach * 10);
    }
    RETRANSMIT_MULT * digits
}

/// How long memberlist waits between two exchanges of full state in a cluster of so many nodes.
#[must_use]
pub fn push_pull_interval(nodes: u32) -> Span {
    let (mut times, mut reach) = (1, u64::from(SCALE_THRESHOLD));
    while reach < u64::from(nodes) {
        (times, reach) = (times + 1, reach * 2);
    }
    PUSH_PULL_INTERVAL.times(times)
}

impl PushPull {
    fn take(&mut self, item: Item, out: &mut Outbox<Self>) {
        if self.held.insert(item.id, item).is_none() {
            self.bytes += u64::from(item.bytes) + RECORD_BYTES;
            self.queue.insert((0, item.id));
            out.report(Event::Delivered { index: item.index });
        }
    }

    fn gossip(&mut self, out: &mut Outbox<Self>) {
        self.next_gossip += GOSSIP_INTERVAL;
        let limit = retransmit_limit(self.nodes);
        let mut peers = BTreeSet::new();
        while peers.len() < GOSSIP_NODES.min(self.nodes - 1) as usize {
            peers.insert(random_peer(&mut self.stream, self.node, self.nodes));
        }
        for peer in peers {
            let (mut packed, mut chosen, mut len) = (Vec::new(), Vec::new(), HEADER);
            for &(sent, id) in &self.queue {
                let item = self.held[&id];
                if len + ITEM_HEADER > DATAGRAM_BYTES {
                    break;
                }
                if len + item_len(&item) <= DATAGRAM_BYTES {
                    len += item_len(&item);
                    packed.push(item);
                    chosen.push((sent, id));
                }
            }
            for (sent, id) in chosen {
                self.queue.remove(&(sent, id));
                if sent + 1 < limit {
                    self.queue.insert((sent + 1, id));
                }
            }
            if !packed.is_empty() {
                out.send(peer, Packet(packed));
            }
        }
    }

    fn state(&self) -> Frame {
        Frame { members: self.nodes, items: self.held.values().copied().collect() }
    }
}

impl Protocol for PushPull {
    type Packet = Packet;
    type Frame = Frame;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => {
                if now >= self.next_gossip {
                    self.gossip(out);
                }
                if now >= self.next_push_pull {
                    self.next_push_pull += push_pull_interval(self.nodes);
                    let peer = random_peer(&mut self.stream, self.node, self.nodes);
                    if peer != self.node {
                        let stream = out.open_stream(peer);
                        self.opened.insert(stream);
                        out.send_frame(stream, self.state());
                    }
                }
            }
            Input::Command { command: Command::Publish { index, key, bytes, .. }, .. } => {
                self.published += 1;
                let id = Id { lane: self.lane, sequence: self.published };
                self.take(Item { id, index, key, bytes }, out);
            }
            Input::Datagram { packet, .. } => packet.0.iter().for_each(|&item| self.take(item, out)),
            Input::StreamFrame { stream, frame } => {
                if self.opened.remove(&stream) {
                    out.close_stream(stream);
                } else {
                    out.send_frame(stream, self.state());
                }
                frame.items.iter().for_each(|&item| self.take(item, out));
            }
            Input::StreamClosed { stream } => {
                self.opened.remove(&stream);
            }
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.next_gossip.min(self.next_push_pull)
    }
}

impl Baseline for PushPull {
    fn begin(start: &Start) -> Self {
        let mut stream = start.stream();
        let next_gossip = first_round(&mut stream, start.now, GOSSIP_INTERVAL);
        let next_push_pull = first_round(&mut stream, start.now, push_pull_interval(start.nodes));
        Self {
            node: start.node,
            nodes: start.nodes,
            lane: start.lane(),
            published: 0,
            stream,
            next_gossip,
            next_push_pull,
            held: BTreeMap::new(),
            bytes: 0,
            queue: BTreeSet::new(),
            opened: BTreeSet::new(),
        }
    }

    fn gauge(&self) -> Gauge {
        let members = RECORD_BYTES * u64::from(self.nodes);
        Gauge { queue: self.queue.len() as u64, memory_bytes: self.bytes + members }
    }
}

fn items_word(start: u64, items: &[Item]) -> u64 {
    items.iter().fold(start, |word, item| mix(word, item_word(item)))
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        HEADER + self.0.iter().map(item_len).sum::<u32>()
    }

    fn content_word(&self) -> u64 {
        items_word(1, &self.0)
    }

    fn encode(&self, into: &mut Vec<u8>) {
        put(into, &[0]);
        self.0.iter().for_each(|item| put_item(into, item));
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        reader.number()?;
        reader.rest(Reader::item).map(Self)
    }
}

impl Message for Frame {
    fn wire_len(&self) -> u32 {
        HEADER + self.members * MEMBER_BYTES + self.items.iter().map(item_len).sum::<u32>()
    }

    fn content_word(&self) -> u64 {
        items_word(u64::from(self.members), &self.items)
    }

    fn encode(&self, into: &mut Vec<u8>) {
        put(into, &[self.members]);
        into.resize(into.len() + (self.members * MEMBER_BYTES) as usize, 0);
        self.items.iter().for_each(|item| put_item(into, item));
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        let members = reader.number()?;
        let rest = reader.0.get((members * MEMBER_BYTES) as usize..);
        reader.0 = rest.ok_or("the bytes end within the members")?;
        Ok(Self { members, items: reader.rest(Reader::item)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_intervals_are_those_of_memberlist() {
        // retransmitLimit(4, n) = 4 · ceil(log10(n + 1)); pushPullScale: ceil(log2(n) - log2(32)) + 1 above 32 nodes.
        for (nodes, limit) in [(1, 4), (9, 4), (10, 8), (99, 8), (100, 12), (1_000, 16)] {
            assert_eq!(retransmit_limit(nodes), limit, "{nodes}");
        }
        for (nodes, secs) in [(32, 30), (33, 60), (64, 60), (65, 90), (1_000, 180)] {
            assert_eq!(push_pull_interval(nodes), Span::from_secs(secs), "{nodes}");
        }
    }
}
