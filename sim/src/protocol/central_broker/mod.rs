//! Version 1 of the talk (slides 18-35): every message goes by TCP to one broker, and from there by TCP to every node.
//!
//! Node 0 is the broker, and an edge node like all others beside. The others hold one connection each to it; what is
//! published goes to the broker in order, and from there to all others in order: [`tcp`] says what of TCP is
//! modelled. A sender keeps what is not acknowledged and sends it again on the next connection, as rsyslog does with
//! RELP; a broker that crashes loses what it holds, and so does an edge node. Who hears
//! nothing probes the connection every 5 s, opens a new one when it is gone or three probes in a row found no answer, and
//! tries again every 30 s at the latest, as rsyslog does by default. Queues are in memory and unbounded, and measured. In
//! its favour: no congestion window, no delayed acknowledgements, and connections stand when a run begins.

mod packet;
pub mod tcp;

use std::collections::{BTreeMap, BTreeSet};

use heck_core::time::{Span, Time};

use super::baseline::{Baseline, Command, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start};
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Never, Protocol};
pub use packet::{Body, Packet};
use tcp::{Receiver, Sender};

/// The node that is the broker.
pub const BROKER: u32 = 0;
/// How often an idle connection is probed: a tenth of what rsyslog's own keep-alive is usually set to.
const KEEP_ALIVE: Span = Span::from_secs(5);
/// After so many probes without an answer the connection is given up.
const SILENT_PROBES: u32 = 3;
/// The longest wait between two attempts to connect: rsyslog's `action.resumeInterval`.
const RETRY_MAX: Span = Span::from_secs(30);

/// One end of a connection.
#[derive(Clone, Debug)]
struct Link {
    /// Names the connection; chosen by whoever opens it, and never twice.
    epoch: u32,
    /// Whether the other end has agreed to it.
    is_open: bool,
    sender: Sender,
    receiver: Receiver,
    /// What the alarm clock of the node rings for.
    alarm: Time,
    /// When something last came from the other end, or an alarm for silence went off.
    heard: Time,
    /// Probes since something came from the other end.
    silent_probes: u32,
}

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct CentralBroker {
    node: u32,
    nodes: u32,
    lane: Lane,
    published: u32,
    duplicate_acks: u32,
    links: BTreeMap<u32, Link>,
    alarms: BTreeSet<(Time, u32)>,
    /// What was delivered here: what comes again on a new connection is not delivered again.
    seen: BTreeSet<Id>,
}

impl CentralBroker {
    fn new_link(&self, epoch: u32, is_open: bool, now: Time) -> Link {
        let sender = Sender::new(self.duplicate_acks);
        let (receiver, alarm) = (Receiver::default(), Time::NEVER);
        Link { epoch, is_open, sender, receiver, alarm, heard: now, silent_probes: 0 }
    }

    /// Delivers an item here, and passes it on where that is the broker's work.
    fn take(&mut self, item: Item, from: u32, now: Time, out: &mut Outbox<Self>) {
        if !self.seen.insert(item.id) {
            return;
        }
        out.report(Event::Delivered { index: item.index });
        let to: Vec<u32> = if self.node == BROKER {
            (1..self.nodes).filter(|&node| node != from && node != item.id.lane.node).collect()
        } else {
            Vec::new()
        };
        for peer in to {
            self.push(peer, item, now, out);
        }
    }

    /// Sends an item to a peer as soon as there is a connection.
    fn push(&mut self, peer: u32, item: Item, now: Time, out: &mut Outbox<Self>) {
        if !self.links.contains_key(&peer) {
            // The broker cannot call its clients: what is for them waits until they call again.
            let link = self.new_link(0, false, now);
            self.links.insert(peer, link);
        }
        let Some(link) = self.links.get_mut(&peer) else { return };
        let sequence = link.sender.push(item, now);
        if link.is_open {
            out.send(peer, Packet { epoch: link.epoch, body: Body::Data { sequence, item } });
        }
        self.set_alarm(peer, now);
    }

    /// Whether this node is the one that opens the connection.
    const fn is_client(&self) -> bool {
        self.node != BROKER
    }

    fn set_alarm(&mut self, peer: u32, now: Time) {
        let is_client = self.is_client();
        let Some(link) = self.links.get_mut(&peer) else { return };
        let resend = if link.is_open || is_client { link.sender.deadline() } else { Time::NEVER };
        let probe = if is_client && link.is_open { link.heard + KEEP_ALIVE } else { Time::NEVER };
        let alarm = resend.min(probe).max(now);
        if alarm != link.alarm {
            self.alarms.remove(&(link.alarm, peer));
            link.alarm = alarm;
            if alarm < Time::NEVER {
                self.alarms.insert((alarm, peer));
            }
        }
    }

    fn ring(&mut self, now: Time, out: &mut Outbox<Self>) {
        while let Some(&(at, peer)) = self.alarms.first().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, peer));
            let Some(link) = self.links.get_mut(&peer) else { continue };
            link.alarm = Time::NEVER;
            if !link.is_open {
                link.sender.knock(now, RETRY_MAX);
                out.send(peer, Packet { epoch: link.epoch, body: Body::Open });
            } else if link.sender.deadline() <= now {
                let epoch = link.epoch;
                for (sequence, item) in link.sender.timed_out(now) {
                    out.send(peer, Packet { epoch, body: Body::Data { sequence, item } });
                }
            } else if link.silent_probes >= SILENT_PROBES {
                self.reopen(peer, now, out);
            } else {
                link.heard = now;
                link.silent_probes += 1;
                out.send(peer, Packet { epoch: link.epoch, body: Body::Probe });
            }
            self.set_alarm(peer, now);
        }
    }

    /// Calls the broker anew; what was not acknowledged goes first.
    fn reopen(&mut self, peer: u32, now: Time, out: &mut Outbox<Self>) {
        let duplicate_acks = self.duplicate_acks;
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.epoch += 1;
        link.is_open = false;
        link.receiver = Receiver::default();
        link.sender.restart(duplicate_acks, now);
        link.sender.knock(now, RETRY_MAX);
        out.send(peer, Packet { epoch: link.epoch, body: Body::Open });
        self.set_alarm(peer, now);
    }

    /// The connection stands: everything that waits leaves.
    fn opened(&mut self, peer: u32, now: Time, out: &mut Outbox<Self>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.is_open = true;
        (link.heard, link.silent_probes) = (now, 0);
        let epoch = link.epoch;
        for (sequence, item) in link.sender.send_all(now) {
            out.send(peer, Packet { epoch, body: Body::Data { sequence, item } });
        }
        self.set_alarm(peer, now);
    }

    fn called(&mut self, peer: u32, epoch: u32, now: Time, out: &mut Outbox<Self>) {
        let known = self.links.get(&peer).map(|link| (link.epoch, link.is_open));
        if known.is_some_and(|(held, _)| held > epoch) || self.is_client() {
            return;
        }
        out.send(peer, Packet { epoch, body: Body::Opened });
        if known == Some((epoch, true)) {
            return;
        }
        let duplicate_acks = self.duplicate_acks;
        let fresh = self.new_link(epoch, false, now);
        let link = self.links.entry(peer).or_insert(fresh);
        link.epoch = epoch;
        link.receiver = Receiver::default();
        link.sender.restart(duplicate_acks, now);
        self.opened(peer, now, out);
    }

    fn heard(&mut self, from: u32, packet: &Packet, now: Time, out: &mut Outbox<Self>) {
        let Packet { epoch, body } = packet;
        if matches!(body, Body::Open) {
            return self.called(from, *epoch, now, out);
        }
        let is_ours = self.links.get(&from).is_some_and(|link| link.epoch == *epoch);
        if !is_ours {
            if !self.is_client() && !matches!(body, Body::Gone) {
                out.send(from, Packet { epoch: *epoch, body: Body::Gone });
            }
            return;
        }
        let Some(link) = self.links.get_mut(&from) else { return };
        (link.heard, link.silent_probes) = (now, 0);
        let mut delivered = Vec::new();
        match body {
            Body::Open => {}
            Body::Opened if !link.is_open => return self.opened(from, now, out),
            Body::Opened => {}
            Body::Gone if self.node != BROKER => return self.reopen(from, now, out),
            Body::Gone => {}
            Body::Probe => out.send(from, Packet { epoch: *epoch, body: link.receiver.acknowledgement() }),
            Body::Data { sequence, item } => {
                delivered = link.receiver.take(*sequence, *item);
                out.send(from, Packet { epoch: *epoch, body: link.receiver.acknowledgement() });
            }
            Body::Acknowledged { below, ranges } => {
                for (sequence, item) in link.sender.acknowledged(*below, ranges, now) {
                    out.send(from, Packet { epoch: *epoch, body: Body::Data { sequence, item } });
                }
            }
        }
        self.set_alarm(from, now);
        for item in delivered {
            self.take(item, from, now, out);
        }
    }
}

impl Protocol for CentralBroker {
    type Packet = Packet;
    type Frame = Never;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => self.ring(now, out),
            Input::Command { command: Command::Publish { index, key, bytes, .. }, .. } => {
                self.published += 1;
                let item = Item { id: Id { lane: self.lane, sequence: self.published }, index, key, bytes };
                self.take(item, self.node, now, out);
                if self.is_client() {
                    self.push(BROKER, item, now, out);
                }
            }
            Input::Datagram { from, packet } => self.heard(from, packet, now, out),
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.alarms.first().map_or(Time::NEVER, |(at, _)| *at)
    }
}

impl Baseline for CentralBroker {
    fn begin(start: &Start) -> Self {
        let mut node = Self {
            node: start.node,
            nodes: start.nodes,
            lane: start.lane(),
            published: 0,
            duplicate_acks: start.settings.duplicate_acks,
            links: BTreeMap::new(),
            alarms: BTreeSet::new(),
            seen: BTreeSet::new(),
        };
        let is_first = start.life == 1;
        let peers = if node.is_client() { BROKER..BROKER + 1 } else { 1..node.nodes };
        for peer in peers.filter(|_| is_first || node.node != BROKER) {
            // The connections of the first life stand; an edge node that comes back calls at once.
            let mut link = node.new_link(start.life << 16, is_first, start.now);
            if !is_first {
                link.sender.call_at(start.now);
            }
            node.links.insert(peer, link);
        }
        let peers: Vec<u32> = node.links.keys().copied().collect();
        peers.into_iter().for_each(|peer| node.set_alarm(peer, start.now));
        node
    }

    fn gauge(&self) -> Gauge {
        let mut gauge = Gauge { queue: 0, memory_bytes: RECORD_BYTES * self.links.len() as u64 };
        for Link { sender, receiver, .. } in self.links.values() {
            gauge.queue += sender.waiting() + receiver.waiting();
            gauge.memory_bytes += sender.bytes() + receiver.bytes();
        }
        gauge
    }
}
