//! Version 2 of the talk (slides 41-54): UDP to all, and a graph that says who sees to it that whom gets everything.
//!
//! A node sends what is published to every other in one datagram each. Whoever gets it confirms that to those who are
//! responsible for it. Whoever has a message and no confirmation from one for whom it is responsible reminds that one
//! every round, with the message, until it confirms. Queues are unbounded, as the slides say, and measured: a node that
//! is gone makes those who are responsible for it remember everything. [`graph`] builds the graph, and [`cut`] finds what splits
//! it. Reminders come once a round of heck's repair, the first one a round after the message, and pack as many messages
//! into a datagram as fit, 64 KiB at most each round. In its favour: everybody knows all nodes at no cost.

pub mod cut;
pub mod graph;
mod packet;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heck_core::interval::IntervalSet;
use heck_core::time::{Span, Time};

use super::baseline::{
    Baseline, Command, DATAGRAM_BYTES, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start, first_round, others,
};
use super::bytes::item_len;
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Never, Protocol};
pub use packet::Packet;

/// Bytes of reminders that one node is sent in a round at most.
const REMINDER_BYTES: u32 = 64 << 10;

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct ResponsibilityGraph {
    node: u32,
    nodes: u32,
    lane: Lane,
    published: u32,
    round: Span,
    next_round: Time,
    /// Who is responsible for whom, of all nodes.
    responsible_for: Arc<Vec<Vec<u32>>>,
    /// Who is responsible for this node.
    by: Vec<u32>,
    seen: BTreeMap<Lane, IntervalSet>,
    /// What some of those for whom this node is responsible have not confirmed, with the round it came in.
    kept: BTreeMap<Id, (Item, Time)>,
    /// By node, what it has not confirmed.
    unconfirmed: BTreeMap<u32, BTreeSet<Id>>,
    /// What was confirmed before it reached this node itself.
    confirmed_early: BTreeSet<(u32, Id)>,
    bytes: u64,
}

impl ResponsibilityGraph {
    fn take(&mut self, item: Item, now: Time, out: &mut Outbox<Self>) {
        let id = item.id;
        if !self.seen.entry(id.lane).or_default().insert(u64::from(id.sequence)) {
            return;
        }
        out.report(Event::Delivered { index: item.index });
        let mut is_kept = false;
        for &child in &self.responsible_for[self.node as usize] {
            if child != id.lane.node && !self.confirmed_early.remove(&(child, id)) {
                is_kept |= self.unconfirmed.entry(child).or_default().insert(id);
            }
        }
        if is_kept {
            self.kept.insert(id, (item, now));
            self.bytes += u64::from(item.bytes) + RECORD_BYTES;
        }
    }

    /// One for whom this node is responsible has these.
    fn confirmed(&mut self, child: u32, ids: &[Id]) {
        for &id in ids {
            let is_new = self.unconfirmed.get_mut(&child).is_some_and(|waiting| waiting.remove(&id));
            let has_it = self.seen.get(&id.lane).is_some_and(|seen| seen.contains(u64::from(id.sequence)));
            if !has_it {
                self.confirmed_early.insert((child, id));
            } else if is_new && !self.unconfirmed.values().any(|waiting| waiting.contains(&id)) {
                self.forget(id);
            }
        }
    }

    fn forget(&mut self, id: Id) {
        if let Some((item, _)) = self.kept.remove(&id) {
            self.bytes -= u64::from(item.bytes) + RECORD_BYTES;
        }
    }

    fn remind(&mut self, now: Time, out: &mut Outbox<Self>) {
        self.next_round += self.round;
        for (&child, waiting) in &self.unconfirmed {
            let (mut packed, mut len, mut sum) = (Vec::new(), Packet::HEADER, 0);
            for (item, at) in waiting.iter().filter_map(|id| self.kept.get(id)) {
                if now.since(*at) < self.round {
                    continue;
                }
                sum += item_len(item);
                if sum > REMINDER_BYTES {
                    break;
                }
                if len + item_len(item) > DATAGRAM_BYTES {
                    out.send(child, Packet::Items(std::mem::take(&mut packed)));
                    len = Packet::HEADER;
                }
                len += item_len(item);
                packed.push(*item);
            }
            if !packed.is_empty() {
                out.send(child, Packet::Items(packed));
            }
        }
    }
}

impl Protocol for ResponsibilityGraph {
    type Packet = Packet;
    type Frame = Never;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => self.remind(now, out),
            Input::Command { command: Command::Publish { index, key, bytes, .. }, .. } => {
                self.published += 1;
                let item = Item { id: Id { lane: self.lane, sequence: self.published }, index, key, bytes };
                self.take(item, now, out);
                out.send_to_all(others(self.node, self.nodes), Packet::Items(vec![item]));
            }
            Input::Datagram { from, packet } => match packet {
                Packet::Items(items) => {
                    items.iter().for_each(|&item| self.take(item, now, out));
                    // A reminder may come because the confirmation was lost: it is confirmed again.
                    let ids = items.iter().map(|item| item.id).collect();
                    out.send_to_all(self.by.iter().copied(), Packet::Confirmed(ids));
                }
                Packet::Confirmed(ids) => self.confirmed(from, ids),
            },
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.next_round
    }
}

impl Baseline for ResponsibilityGraph {
    fn begin(start: &Start) -> Self {
        let round = start.settings.round;
        let next_round = first_round(&mut start.stream(), start.now, round);
        let responsible_for = start.settings.responsible_for.clone();
        let by = (0..).zip(responsible_for.iter()).filter(|(_, children)| children.contains(&start.node));
        Self {
            node: start.node,
            nodes: start.nodes,
            lane: start.lane(),
            published: 0,
            round,
            next_round,
            by: by.map(|(node, _)| node).collect(),
            responsible_for,
            seen: BTreeMap::new(),
            kept: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            confirmed_early: BTreeSet::new(),
            bytes: 0,
        }
    }

    fn gauge(&self) -> Gauge {
        let queue = self.unconfirmed.values().map(|waiting| waiting.len() as u64).sum();
        Gauge { queue, memory_bytes: self.bytes + RECORD_BYTES * queue }
    }
}
