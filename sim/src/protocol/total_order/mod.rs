//! Total order by consensus, as the posts propose with etcd: five voters agree on one log, and everybody follows it.
//!
//! The voters run the `omnipaxos` library (Sequence Paxos with ballot leader election), stepped without I/O; they are
//! spread evenly over the nodes. Every node has a voter that it proposes to and that sends it what is decided; it
//! asks every 200 ms for what it lacks, proposes again with each question until the log has its message, and turns to the
//! next voter when it hears nothing for a second. Nothing is delivered before it is decided, not even where it was published,
//! and everybody delivers in the order of the log. Voters speak by streams, as etcd's do, since the library stops where
//! datagrams are lost; a stream on which nothing was heard for 5 s is closed and opened anew. The library's clock ticks
//! every 100 ms and elections time out after a second, which are etcd's defaults. Those streams know no fast
//! retransmission: under heavy loss they are slower than TCP is at its best. In its favour: five voters however large the
//! fleet, no writes to disks, and everybody knows the voters at no cost. A voter that crashes loses its memory and so must
//! never vote again: it comes back as a follower.

mod memory;
mod packet;

use std::collections::{BTreeMap, BTreeSet};

use heck_core::time::{Span, Time};
use omnipaxos::messages::Message as Spoken;
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, ServerConfig};

use super::baseline::{
    Baseline, Command, DATAGRAM_BYTES, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start, first_round,
};
use super::bytes::item_len;
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Protocol};
use memory::Memory;
pub use packet::{Packet, Proposal};

/// Enough to lose two.
const VOTERS: u32 = 5;
const TICK: Span = Span::from_ms(100);
const ELECTION_TICKS: u64 = 10;
const RESEND_TICKS: u64 = 10;
const ASK: Span = Span::from_ms(200);
const PATIENCE: Span = Span::from_secs(1);
/// Bytes of decided messages that one question brings at most.
const ANSWER_BYTES: u32 = 64 << 10;

/// After so much silence a stream is taken for dead: its retransmissions may wait for minutes by then.
const SILENCE: Span = Span::from_secs(5);
/// A voter puts a message forward again after so long: a stream loses nothing, but a leader that has lost its lead may.
const REPEAT: Span = Span::from_secs(5);

/// A voter's part.
struct Voter {
    paxos: OmniPaxos<Proposal, Memory>,
    next_tick: Time,
    /// Who follows, and when each was last heard of.
    followers: BTreeMap<u32, Time>,
    log: Vec<Item>,
    spoken: Vec<Spoken<Proposal>>,
    /// Open streams to other voters.
    streams: BTreeMap<u32, u64>,
    /// Voters that this one is opening a stream to.
    opening: BTreeMap<u32, u64>,
    /// When each other voter was last heard of by stream, or a stream to it was last begun.
    heard: BTreeMap<u32, Time>,
    /// What it has put forward since a stream was last opened, and when last.
    proposed: BTreeMap<Id, Time>,
}

/// A node. See the module's text.
pub struct TotalOrder {
    node: u32,
    lane: Lane,
    published: u32,
    voters: Vec<u32>,
    voter: Option<Box<Voter>>,
    /// The position of the voter that this node follows.
    follows: usize,
    heard: Time,
    next_ask: Time,
    /// What this node published and the log does not have, with the time of the last proposal.
    pending: BTreeMap<Id, (Item, Time)>,
    /// The next position of the log to deliver.
    next: u32,
    /// What is decided beyond it.
    early: BTreeMap<u32, Item>,
    /// What was delivered: a message that was proposed twice may stand in the log twice.
    seen: BTreeSet<Id>,
}

/// The nodes that vote.
#[must_use]
pub fn voters(nodes: u32) -> Vec<u32> {
    let count = VOTERS.min(nodes);
    (0..count).map(|place| (u64::from(place) * u64::from(nodes) / u64::from(count)) as u32).collect()
}

impl Voter {
    fn new(node: u32, voters: &[u32], now: Time) -> Option<Self> {
        let pid = u64::from(node) + 1;
        let nodes = voters.iter().map(|&voter| u64::from(voter) + 1).collect();
        let cluster = ClusterConfig { configuration_id: 1, nodes, flexible_quorum: None };
        let server = ServerConfig {
            pid,
            election_tick_timeout: ELECTION_TICKS,
            resend_message_tick_timeout: RESEND_TICKS,
            ..ServerConfig::default()
        };
        let paxos = cluster.build_for_server(server, Memory::default()).ok()?;
        Some(Self {
            paxos,
            next_tick: now,
            followers: BTreeMap::new(),
            log: Vec::new(),
            spoken: Vec::new(),
            streams: BTreeMap::new(),
            opening: BTreeMap::new(),
            heard: BTreeMap::new(),
            proposed: BTreeMap::new(),
        })
    }

    /// Closes what streams are silent, and opens what are missing. Of two voters the lower one opens.
    fn connect(&mut self, node: u32, voters: &[u32], now: Time, out: &mut Outbox<TotalOrder>) {
        let is_silent = |peer: &u32| self.heard.get(peer).is_some_and(|heard| now.since(*heard) >= SILENCE);
        for peer in voters.iter().filter(|peer| is_silent(peer)) {
            let streams = [self.streams.remove(peer), self.opening.remove(peer)];
            streams.into_iter().flatten().for_each(|stream| out.close_stream(stream));
        }
        for &peer in voters.iter().filter(|&&peer| peer > node) {
            if !self.streams.contains_key(&peer) && !self.opening.contains_key(&peer) {
                self.opening.insert(peer, out.open_stream(peer));
                self.heard.insert(peer, now);
            }
        }
    }

    fn propose(&mut self, item: Item, now: Time) {
        let is_due = |at: &Time| now.since(*at) >= REPEAT;
        if self.proposed.get(&item.id).is_none_or(is_due) {
            self.proposed.insert(item.id, now);
            // Refused only after a change of voters, which never comes.
            let _ = self.paxos.append(Proposal(item));
        }
    }

    /// Takes what was decided since the last time.
    fn decided(&mut self) -> Vec<Item> {
        let suffix = self.paxos.read_decided_suffix(self.log.len()).unwrap_or_default();
        let items = suffix.into_iter().filter_map(|entry| match entry {
            LogEntry::Decided(proposal) => Some(proposal.0),
            _ => None,
        });
        let items: Vec<Item> = items.collect();
        self.log.extend(&items);
        items
    }
}

impl TotalOrder {
    fn propose(&mut self, item: Item, now: Time, out: &mut Outbox<Self>) {
        self.pending.insert(item.id, (item, now));
        if let Some(voter) = &mut self.voter {
            voter.propose(item, now);
            self.pump(now, out);
        } else {
            out.send(self.voters[self.follows], Packet::Propose(item));
        }
    }

    /// Sends what the library has to say, and passes on what it has decided.
    fn pump(&mut self, now: Time, out: &mut Outbox<Self>) {
        let Some(voter) = &mut self.voter else { return };
        let mut spoken = std::mem::take(&mut voter.spoken);
        voter.paxos.take_outgoing_messages(&mut spoken);
        for message in spoken.drain(..) {
            let to = message.get_receiver().saturating_sub(1) as u32;
            // Without a stream it is lost; the library says it again when there is one.
            if let Some(&stream) = voter.streams.get(&to) {
                out.send_frame(stream, Packet::Spoken(message));
            }
        }
        voter.spoken = spoken;
        let first = voter.log.len() as u32;
        let items = voter.decided();
        if items.is_empty() {
            return;
        }
        voter.followers.retain(|_, heard| now.since(*heard) <= PATIENCE.times(5));
        let followers: Vec<u32> = voter.followers.keys().copied().collect();
        for (at, item) in (first..).zip(items) {
            out.send_to_all(followers.iter().copied(), Packet::Decided { first: at, items: vec![item] });
            self.early.insert(at, item);
        }
        self.deliver(out);
    }

    fn deliver(&mut self, out: &mut Outbox<Self>) {
        while let Some(item) = self.early.remove(&self.next) {
            self.next += 1;
            self.pending.remove(&item.id);
            if self.seen.insert(item.id) {
                out.report(Event::Delivered { index: item.index });
            }
        }
    }

    /// Sends a follower what it lacks; with nothing to send, that nothing is lacking.
    fn answer(&mut self, to: u32, next: u32, now: Time, out: &mut Outbox<Self>) {
        let Some(voter) = &mut self.voter else { return };
        voter.followers.insert(to, now);
        let (mut first, mut items, mut len, mut sum) = (next, Vec::new(), Packet::HEADER, 0);
        for (at, &item) in (next..).zip(voter.log.iter().skip(next as usize)) {
            sum += item_len(&item);
            if sum > ANSWER_BYTES {
                break;
            }
            if len + item_len(&item) > DATAGRAM_BYTES {
                out.send(to, Packet::Decided { first, items: std::mem::take(&mut items) });
                (first, len) = (at, Packet::HEADER);
            }
            len += item_len(&item);
            items.push(item);
        }
        out.send(to, Packet::Decided { first, items });
    }

    fn tick(&mut self, now: Time, out: &mut Outbox<Self>) {
        if let Some(voter) = &mut self.voter
            && now >= voter.next_tick
        {
            voter.next_tick += TICK;
            voter.connect(self.node, &self.voters, now, out);
            voter.paxos.tick();
            self.pump(now, out);
        }
        if now < self.next_ask {
            return;
        }
        self.next_ask += ASK;
        if self.voter.is_none() {
            if now.since(self.heard) > PATIENCE {
                self.follows = (self.follows + 1) % self.voters.len();
                self.heard = now;
            }
            out.send(self.voters[self.follows], Packet::Ask { next: self.next });
        }
        let waiting = self.pending.values().filter(|(_, at)| now.since(*at) >= ASK);
        let again: Vec<Item> = waiting.map(|(item, _)| *item).collect();
        again.into_iter().for_each(|item| self.propose(item, now, out));
    }

    fn hear(&mut self, from: u32, packet: &Packet, now: Time, out: &mut Outbox<Self>) {
        match packet {
            Packet::Spoken(message) => {
                if let Some(voter) = &mut self.voter {
                    voter.paxos.handle_incoming(message.clone());
                    self.pump(now, out);
                }
            }
            Packet::Propose(item) => {
                if let Some(voter) = &mut self.voter {
                    voter.propose(*item, now);
                    self.pump(now, out);
                }
            }
            Packet::Ask { next } => self.answer(from, *next, now, out),
            Packet::Decided { first, items } => {
                if self.voters.get(self.follows) == Some(&from) {
                    self.heard = now;
                }
                self.early.extend((*first..).zip(items.iter().copied()).filter(|(at, _)| *at >= self.next));
                self.deliver(out);
            }
        }
    }
}

impl Protocol for TotalOrder {
    type Packet = Packet;
    type Frame = Packet;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => self.tick(now, out),
            Input::Command { command: Command::Publish { index, key, bytes, .. }, .. } => {
                self.published += 1;
                let id = Id { lane: self.lane, sequence: self.published };
                self.propose(Item { id, index, key, bytes }, now, out);
            }
            Input::Datagram { from, packet } => self.hear(from, packet, now, out),
            // Only voters speak by stream, and what they say names the sender.
            Input::StreamFrame { stream, frame } => {
                if let (Some(voter), Packet::Spoken(message)) = (&mut self.voter, frame) {
                    let from = message.get_sender().saturating_sub(1) as u32;
                    // What still comes on a stream that was given up is older than what the new one brings.
                    if voter.streams.get(&from) != Some(&stream) {
                        return;
                    }
                    voter.heard.insert(from, now);
                }
                self.hear(self.node, frame, now, out);
            }
            Input::StreamOpened { stream, peer, .. } => {
                if let Some(voter) = &mut self.voter {
                    voter.opening.remove(&peer);
                    voter.streams.insert(peer, stream);
                    voter.heard.insert(peer, now);
                    // What was put forward on the stream before may have gone down with it.
                    voter.proposed.clear();
                    voter.paxos.reconnected(u64::from(peer) + 1);
                    self.pump(now, out);
                }
            }
            Input::StreamClosed { stream } => {
                if let Some(voter) = &mut self.voter {
                    voter.opening.retain(|_, opening| *opening != stream);
                    voter.streams.retain(|_, open| *open != stream);
                }
            }
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.voter.as_ref().map_or(self.next_ask, |voter| voter.next_tick.min(self.next_ask))
    }
}

impl Baseline for TotalOrder {
    fn begin(start: &Start) -> Self {
        let voters = voters(start.nodes);
        let votes = start.life == 1 && voters.len() > 1 && voters.contains(&start.node);
        let voter = votes.then(|| Voter::new(start.node, &voters, start.now)).flatten();
        let follows = u64::from(start.node) * voters.len() as u64 / u64::from(start.nodes.max(1));
        Self {
            node: start.node,
            lane: start.lane(),
            published: 0,
            voter: voter.map(Box::new),
            follows: follows as usize,
            voters,
            heard: start.now,
            next_ask: first_round(&mut start.stream(), start.now, ASK),
            pending: BTreeMap::new(),
            next: 0,
            early: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    fn gauge(&self) -> Gauge {
        let queue = (self.pending.len() + self.early.len()) as u64;
        let size = |item: &Item| u64::from(item.bytes) + RECORD_BYTES;
        let waiting = self.pending.values().map(|(item, _)| size(item)).chain(self.early.values().map(size));
        let log = self.voter.iter().flat_map(|voter| voter.log.iter().map(size));
        Gauge { queue, memory_bytes: waiting.chain(log).sum() }
    }
}
