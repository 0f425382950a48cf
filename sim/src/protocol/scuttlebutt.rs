//! Scuttlebutt (van Renesse et al. 2008, as in Cassandra): the greatest version of each source is all that is compared.
//!
//! Each round a node sends a random other one, for every node of the cluster, the greatest version that it has of it; the
//! other sends what is newer there, in the order of versions, and says of what it is behind; the first sends that. What
//! has arrived of a source is always everything up to a version, so nothing can be taken out of order: writes are not
//! broadcast, and a lost packet makes those after it useless. Digests name all nodes, in as many datagrams as it takes.
//! The round is that of heck's repair; sources that are furthest behind come first ("scuttle depth"); an exchange brings
//! 64 KiB at most. In its favour: everybody knows all nodes at no cost, and no heartbeats are gossiped.

use std::collections::BTreeMap;

use heck_core::hash::mix;
use heck_core::rng::Stream;
use heck_core::time::{Span, Time};

use super::baseline::{
    Baseline, Command, DATAGRAM_BYTES, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start, first_round,
    random_peer,
};
use super::bytes::{Reader, id_word, item_len, item_word, put, put_item};
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Message, Never, Protocol};

const HEADER: u32 = 4;
const VERSION_BYTES: u32 = 12;
const VERSIONS_MAX: u32 = (DATAGRAM_BYTES - HEADER - 8) / VERSION_BYTES;
const RUN_BYTES: u32 = 16;
const ANSWER_BYTES: u32 = 64 << 10;

/// Items of one source, in the order of its versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Whose.
    pub lane: Lane,
    /// They are all that there is after this version.
    pub after: u32,
    /// The items; each one's version is its sequence.
    pub items: Vec<Item>,
}

/// What a node sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// The greatest versions that the sender has of nodes.
    Digest {
        /// The first node.
        first: u32,
        /// One after the last node.
        end: u32,
        /// Those of which it has something; of the others it has version 0.
        versions: Vec<Id>,
    },
    /// The same of sources of which the sender is behind.
    Behind(Vec<Id>),
    /// What the receiver lacks.
    Runs(Vec<Run>),
}

/// What is held of one source.
#[derive(Clone, Debug)]
struct Source {
    life: u32,
    version: u32,
    /// By version. A later write of a key takes the place of an earlier one.
    items: BTreeMap<u32, Item>,
    keys: BTreeMap<u32, u32>,
}

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct Scuttlebutt {
    node: u32,
    nodes: u32,
    lane: Lane,
    stream: Stream,
    round: Span,
    next_round: Time,
    sources: BTreeMap<u32, Source>,
    bytes: u64,
}

impl Scuttlebutt {
    fn version(&self, lane: Lane) -> u32 {
        self.sources.get(&lane.node).filter(|held| held.life == lane.life).map_or(0, |held| held.version)
    }

    fn take(&mut self, item: Item, out: &mut Outbox<Self>) {
        let Id { lane, sequence } = item.id;
        let new = || Source { life: lane.life, version: 0, items: BTreeMap::new(), keys: BTreeMap::new() };
        let source = self.sources.entry(lane.node).or_insert_with(new);
        if source.life < lane.life {
            let held = source.items.values().map(|item| u64::from(item.bytes) + RECORD_BYTES);
            self.bytes -= held.sum::<u64>();
            *source = new();
        }
        if source.life > lane.life || source.version >= sequence {
            return;
        }
        source.version = sequence;
        if let Some(old) = source.keys.insert(item.key, sequence).and_then(|old| source.items.remove(&old)) {
            self.bytes -= u64::from(old.bytes) + RECORD_BYTES;
        }
        source.items.insert(sequence, item);
        self.bytes += u64::from(item.bytes) + RECORD_BYTES;
        out.report(Event::Delivered { index: item.index });
    }

    fn gossip(&mut self, out: &mut Outbox<Self>) {
        self.next_round += self.round;
        let peer = random_peer(&mut self.stream, self.node, self.nodes);
        if peer == self.node {
            return;
        }
        for first in (0..self.nodes).step_by(VERSIONS_MAX as usize) {
            let end = (first + VERSIONS_MAX).min(self.nodes);
            let versions = self
                .sources
                .range(first..end)
                .map(|(&node, held)| Id { lane: Lane { node, life: held.life }, sequence: held.version });
            out.send(peer, Packet::Digest { first, end, versions: versions.collect() });
        }
    }

    /// Sends what is newer here than in a digest of these nodes, and says what is older here.
    fn reconcile(&self, to: u32, range: std::ops::Range<u32>, versions: &[Id], out: &mut Outbox<Self>) {
        let theirs: BTreeMap<u32, Id> = versions.iter().map(|id| (id.lane.node, *id)).collect();
        let newer = self.sources.range(range).filter_map(|(&node, held)| {
            let lane = Lane { node, life: held.life };
            let known = theirs.get(&node).map_or(0, |id| match id.lane.life.cmp(&held.life) {
                std::cmp::Ordering::Equal => id.sequence,
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Greater => u32::MAX,
            });
            (held.version > known).then_some(Id { lane, sequence: known })
        });
        let newer: Vec<Id> = newer.collect();
        let is_older = |id: &&Id| {
            let held = self.sources.get(&id.lane.node);
            held.is_none_or(|held| (held.life, held.version) < (id.lane.life, id.sequence))
        };
        let older: Vec<Id> = versions.iter().filter(is_older).copied().collect();
        self.send_newer(to, newer, out);
        if !older.is_empty() {
            let mine = older.into_iter().map(|id| Id { sequence: self.version(id.lane), ..id });
            out.send(to, Packet::Behind(mine.collect()));
        }
    }

    fn send_newer(&self, to: u32, mut known: Vec<Id>, out: &mut Outbox<Self>) {
        let version = |id: &Id| self.version(id.lane);
        known.sort_by_key(|id| (std::cmp::Reverse(version(id).saturating_sub(id.sequence)), *id));
        let (mut runs, mut len, mut sum): (Vec<Run>, _, _) = (Vec::new(), HEADER, 0);
        for Id { lane, sequence } in known {
            let Some(source) = self.sources.get(&lane.node).filter(|held| held.life == lane.life) else {
                continue;
            };
            let mut after = sequence;
            let mut is_open = false;
            let newer = source.items.range(sequence.saturating_add(1)..);
            for (&version, item) in newer {
                sum += item_len(item);
                if sum > ANSWER_BYTES {
                    break;
                }
                let more = item_len(item) + if is_open { 0 } else { RUN_BYTES };
                if len + more > DATAGRAM_BYTES {
                    out.send(to, Packet::Runs(std::mem::take(&mut runs)));
                    (len, is_open) = (HEADER, false);
                }
                len += item_len(item) + if is_open { 0 } else { RUN_BYTES };
                match runs.last_mut().filter(|_| is_open) {
                    Some(run) => run.items.push(*item),
                    None => runs.push(Run { lane, after, items: vec![*item] }),
                }
                (is_open, after) = (true, version);
            }
        }
        if !runs.is_empty() {
            out.send(to, Packet::Runs(runs));
        }
    }
}

impl Protocol for Scuttlebutt {
    type Packet = Packet;
    type Frame = Never;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, _: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => self.gossip(out),
            Input::Command { command: Command::Publish { index, key, bytes, .. }, .. } => {
                let id = Id { lane: self.lane, sequence: self.version(self.lane) + 1 };
                self.take(Item { id, index, key, bytes }, out);
            }
            Input::Datagram { from, packet } => match packet {
                Packet::Digest { first, end, versions } => {
                    self.reconcile(from, *first..*end, versions, out);
                }
                Packet::Behind(known) => self.send_newer(from, known.clone(), out),
                Packet::Runs(runs) => {
                    for Run { lane, after, items } in runs {
                        // What came before it was lost: taking it would hide that for ever.
                        if self.version(*lane) >= *after {
                            items.iter().for_each(|&item| self.take(item, out));
                        }
                    }
                }
            },
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.next_round
    }
}

impl Baseline for Scuttlebutt {
    fn begin(start: &Start) -> Self {
        let mut stream = start.stream();
        let round = start.settings.round;
        let next_round = first_round(&mut stream, start.now, round);
        Self {
            node: start.node,
            nodes: start.nodes,
            lane: start.lane(),
            stream,
            round,
            next_round,
            sources: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn gauge(&self) -> Gauge {
        Gauge { queue: 0, memory_bytes: self.bytes + RECORD_BYTES * u64::from(self.nodes) }
    }
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        HEADER
            + match self {
                Self::Digest { first, end, .. } => 8 + (end - first) * VERSION_BYTES,
                Self::Behind(versions) => versions.len() as u32 * VERSION_BYTES,
                Self::Runs(runs) => {
                    runs.iter().map(|run| RUN_BYTES + run.items.iter().map(item_len).sum::<u32>()).sum()
                }
            }
    }

    fn content_word(&self) -> u64 {
        let ids = |start, ids: &[Id]| ids.iter().fold(start, |word, id| mix(word, id_word(*id)));
        match self {
            Self::Digest { first, versions, .. } => ids(u64::from(*first) << 2, versions),
            Self::Behind(versions) => ids(1, versions),
            Self::Runs(runs) => runs.iter().fold(2, |word, run| {
                let word = mix(word, id_word(Id { lane: run.lane, sequence: run.after }));
                run.items.iter().fold(word, |word, item| mix(word, item_word(item)))
            }),
        }
    }

    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Digest { first, end, versions } => {
                put(into, &[0, *first, *end]);
                let mut versions = versions.iter().peekable();
                for node in *first..*end {
                    let held = versions.next_if(|id| id.lane.node == node);
                    put(into, &held.map_or([node, 0, 0], |id| [node, id.lane.life, id.sequence]));
                }
            }
            Self::Behind(versions) => {
                put(into, &[1]);
                versions.iter().for_each(|id| put(into, &[id.lane.node, id.lane.life, id.sequence]));
            }
            Self::Runs(runs) => {
                put(into, &[2]);
                for Run { lane, after, items } in runs {
                    put(into, &[lane.node, lane.life, *after, items.len() as u32]);
                    items.iter().for_each(|item| put_item(into, item));
                }
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        Ok(match reader.number()? {
            0 => {
                let (first, end) = (reader.number()?, reader.number()?);
                let mut versions = reader.rest(Reader::id)?;
                versions.retain(|id| id.lane.life > 0);
                Self::Digest { first, end, versions }
            }
            1 => Self::Behind(reader.rest(Reader::id)?),
            2 => Self::Runs(reader.rest(|reader| {
                let lane = Lane { node: reader.number()?, life: reader.number()? };
                let (after, count) = (reader.number()?, reader.number()?);
                let items = (0..count).map(|_| reader.item()).collect::<Result<_, _>>()?;
                Ok(Run { lane, after, items })
            })?),
            kind => return Err(format!("{kind} is no kind of packet; 0 to 2 are")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::baseline::Settings;
    use heck_core::rng::Seed;
    use std::sync::Arc;

    fn node(node: u32) -> Scuttlebutt {
        let settings = Settings {
            round: Span::from_secs(1),
            broadcasts: true,
            duplicate_acks: 3,
            stamps: Span(1),
            responsible_for: Arc::default(),
            origins: 0,
            check_interval: Span::from_secs(5),
            fast_interval: Span::from_secs(1),
            fall: 3,
            rise: 2,
        };
        let (life, now, seed) = (1, Time::ZERO, Seed(1));
        Scuttlebutt::begin(&Start { node, nodes: 3, life, now, seed, settings: settings.into() })
    }

    fn run(after: u32, versions: std::ops::RangeInclusive<u32>) -> Packet {
        let lane = Lane { node: 0, life: 1 };
        let item = |sequence| Item { id: Id { lane, sequence }, index: sequence, key: sequence, bytes: 8 };
        Packet::Runs(vec![Run { lane, after, items: versions.map(item).collect() }])
    }

    #[test]
    fn what_follows_a_lost_run_is_not_taken() {
        let (mut node, mut out) = (node(1), Outbox::default());
        let mut take = |node: &mut Scuttlebutt, packet: &Packet| {
            node.step(Time::ZERO, Input::Datagram { from: 0, packet }, &mut out);
        };
        take(&mut node, &run(3, 4..=6));
        assert!(node.sources.is_empty(), "versions 1 to 3 are missing");
        take(&mut node, &run(0, 1..=3));
        take(&mut node, &run(3, 4..=6));
        assert_eq!(node.sources[&0].version, 6);
    }
}
