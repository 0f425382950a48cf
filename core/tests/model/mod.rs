//! Whole nodes against a plain model. Bytes are read as what happens to two to four nodes: writes, datagrams that arrive in any
//! order, twice or never, time, disks, crashes and restarts. Beside them stands what the rules of the replicated state
//! promise (`ARCHITECTURE.md`, Invariants): a list of all writes, each with those that its writer saw.
//!
//! Tests feed it with random bytes and the fuzz target `step_model` with those that a fuzzer makes up, so it needs nothing but the core.

mod expect;

use heck_core::Node;
use heck_core::config::{Broadcast, Config};
use heck_core::effects::{Effects, Event, Record, StreamEffect};
use heck_core::id::{Addr, Boot, Dot, Name, NodeId, Shard, Store};
use heck_core::input::{Command, Input};
use heck_core::journal::Snapshot;
use heck_core::member::{Member, Members};
use heck_core::mutant::Planted;
use heck_core::node::{Base, Identity};
use heck_core::packet::Packet;
use heck_core::rng::Seed;
use heck_core::state::Change;
use heck_core::time::{Span, Time};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Keys that are written to; two of them may well share a shard.
const KEYS: usize = 3;
/// Datagrams that can be on their way; of more, the oldest is lost.
const IN_FLIGHT: usize = 64;
/// How long nodes may take to agree once nothing is lost any more.
const PATIENCE: Span = Span::from_secs(120);

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Op {
    Put,
    Delete,
    Publish,
    /// A datagram arrives, out of turn perhaps.
    Deliver,
    /// A datagram arrives, and will again.
    Duplicate,
    Lose,
    /// A node is woken at the time that it asked for, or later.
    Tick,
    /// What was handed to the disk is on it.
    Sync,
    /// A node stops at once, and what is not on its disk is lost; or it starts again.
    Turn,
}

/// The low four bits of a byte.
const OPS: [Op; 16] = [
    Op::Put,
    Op::Put,
    Op::Delete,
    Op::Publish,
    Op::Deliver,
    Op::Deliver,
    Op::Deliver,
    Op::Deliver,
    Op::Deliver,
    Op::Duplicate,
    Op::Lose,
    Op::Tick,
    Op::Tick,
    Op::Tick,
    Op::Sync,
    Op::Turn,
];

/// A write as its client asked for it.
struct Write {
    dot: Dot,
    key: usize,
    is_put: bool,
    /// The versions of the key that the writer showed then: what it replaces.
    saw: Vec<Dot>,
}

/// A node, its disk, and what is known of its present life.
#[derive(Default)]
struct Place {
    node: Option<Node>,
    boot: u64,
    synced: Vec<Record>,
    unsynced: Vec<(u64, Record)>,
    /// What clients were told to be safe here, in any life.
    acknowledged: Vec<Dot>,
    /// Messages that this life has heard of.
    heard: BTreeSet<Dot>,
    /// Entries that this life has seen to be replaced or removed.
    dropped: BTreeSet<Dot>,
}

struct World {
    now: Time,
    places: Vec<Place>,
    in_flight: Vec<(usize, usize, Packet)>,
    writes: Vec<Write>,
    messages: Vec<Dot>,
    last_token: u64,
    base: Arc<Base>,
    config: Arc<Config>,
}

fn name(text: &str) -> Name {
    Name::new(text).expect("neither empty nor long")
}

fn key(number: usize) -> Name {
    name(["a", "b", "c"][number])
}

fn node_name(at: usize) -> Name {
    name(&format!("node-{at}"))
}

fn addr(at: usize) -> Addr {
    Addr { port: at as u16, ..Addr::default() }
}

/// Lets happen what `bytes` say, and then nothing but repair. Says what was not as it has to be.
pub fn run(bytes: &[u8], planted: Planted) -> Result<(), String> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(()) };
    let mut world = World::new(2 + usize::from(first % 3), planted);
    for (number, pair) in rest.chunks_exact(2).enumerate() {
        let (op, at) = (OPS[usize::from(pair[0] & 15)], usize::from(pair[0] >> 4) % world.places.len());
        world
            .happen(op, at, usize::from(pair[1]))
            .map_err(|wrong| format!("step {number}, {op:?}: {wrong}"))?;
    }
    world.quiet().map_err(|wrong| format!("in the quiet time: {wrong}"))
}

impl World {
    fn new(count: usize, planted: Planted) -> Self {
        let members = (0..count).map(|at| Member::new(node_name(at), addr(at)).in_life(Boot(1))).collect();
        let base = Base { members: Members::new(members), formed: true, ..Base::default() };
        // Small enough that little is said at once, so that answers are cut short.
        let config = Config {
            membership: None,
            broadcast: Broadcast::All,
            rumour_bytes: 60,
            recent_limit: 16,
            reply_bytes: 300,
            entry_datagram_limit: 200,
            planted,
            ..Config::default()
        };
        config.validate().expect("valid settings");
        let mut world = Self {
            now: Time(1_000_000),
            places: (0..count).map(|_| Place::default()).collect(),
            in_flight: Vec::new(),
            writes: Vec::new(),
            messages: Vec::new(),
            last_token: 0,
            base: Arc::new(base),
            config: Arc::new(config),
        };
        (0..count).for_each(|at| world.start(at));
        world
    }

    fn start(&mut self, at: usize) {
        let place = &mut self.places[at];
        place.boot += 1;
        (place.heard, place.dropped) = Default::default();
        let identity = Identity::new(node_name(at), Boot(place.boot), addr(at));
        let snapshot = Some(Snapshot { records: place.synced.clone() });
        let node = Node::new(identity, self.config.clone(), &self.base, snapshot, Seed(at as u64), self.now);
        place.node = Some(node);
    }

    fn happen(&mut self, op: Op, at: usize, number: usize) -> Result<(), String> {
        match op {
            Op::Put => {
                let value = self.writes.len().to_le_bytes().as_slice().into();
                self.write(at, number % KEYS, &Command::PutKey { name: key(number % KEYS), value })
            }
            Op::Delete => self.write(at, number % KEYS, &Command::DeleteKey { name: key(number % KEYS) }),
            Op::Publish => {
                // What fits no datagram needs a stream.
                let payload = vec![7; number / 2].into();
                self.command(at, &Command::Publish { topic: name("t"), payload }).map(|_| ())
            }
            Op::Deliver | Op::Duplicate | Op::Lose => {
                let Some(which) = number.checked_rem(self.in_flight.len()) else { return Ok(()) };
                let datagram = self.in_flight[which].clone();
                if !matches!(op, Op::Duplicate) {
                    self.in_flight.remove(which);
                }
                if matches!(op, Op::Lose) { Ok(()) } else { self.deliver(&datagram) }
            }
            Op::Tick => {
                let Some(node) = &self.places[at].node else { return Ok(()) };
                let (wake, _) = node.next_wake();
                // Nobody sleeps for longer than that: a day without anything would be a day of steps in the end.
                let wake = wake.min(self.now + Span::from_secs(5)) + Span::from_ms(number as u64);
                self.now = self.now.max(wake);
                self.step(at, Input::Timeout)
            }
            Op::Sync => self.sync(at),
            Op::Turn if self.places[at].node.is_none() => {
                self.start(at);
                self.check(at)
            }
            Op::Turn => {
                self.places[at].node = None;
                self.places[at].unsynced.clear();
                Ok(())
            }
        }
    }

    fn deliver(&mut self, (from, to, packet): &(usize, usize, Packet)) -> Result<(), String> {
        self.step(*to, Input::Datagram { from: addr(*from), packet })
    }

    fn sync(&mut self, at: usize) -> Result<(), String> {
        let place = &mut self.places[at];
        let Some(&(up_to, _)) = place.unsynced.last() else { return Ok(()) };
        place.synced.extend(place.unsynced.drain(..).map(|(_, record)| record));
        self.step(at, Input::Persisted { up_to })
    }

    /// A client writes to a key or deletes it.
    fn write(&mut self, at: usize, number: usize, command: &Command) -> Result<(), String> {
        let saw = self.places[at].node.as_ref().map(|node| expect::shown(node, number)).unwrap_or_default();
        let is_put = matches!(command, Command::PutKey { .. });
        let minted = self.command(at, command)?;
        match minted {
            Some(dot) => {
                self.writes.push(Write { dot, key: number, is_put, saw });
                self.check(at)
            }
            None if self.places[at].node.is_some() && (is_put || !saw.is_empty()) => {
                Err(format!("node {at} minted nothing for {command:?} and {saw:?}"))
            }
            None => Ok(()),
        }
    }

    /// Gives a node a command and tells which dot it minted.
    fn command(&mut self, at: usize, command: &Command) -> Result<Option<Dot>, String> {
        self.last_token += 1;
        let known: BTreeSet<Dot> = self.own(at).collect();
        self.step_without_check(at, Input::Command { token: self.last_token, command })?;
        let minted = self.own(at).find(|dot| !known.contains(dot));
        Ok(minted)
    }

    /// What a node has minted in this life.
    fn own(&self, at: usize) -> impl Iterator<Item = Dot> + '_ {
        let node = self.places[at].node.as_ref();
        node.into_iter().flat_map(|node| {
            let (me, context) = (node.view().writer(), node.view().state().context());
            let lanes = (0..=u8::MAX).flat_map(|shard| context.lanes_of(Shard(shard)));
            let own = lanes.filter(move |(lane, _)| lane.writer == me);
            own.flat_map(|(lane, seen)| {
                let counters = seen.ranges().iter().flat_map(|range| range.first..=range.last);
                counters.map(|counter| Dot { lane: *lane, counter })
            })
        })
    }

    fn step(&mut self, at: usize, input: Input<'_>) -> Result<(), String> {
        self.step_without_check(at, input)?;
        self.check(at)
    }

    fn step_without_check(&mut self, at: usize, input: Input<'_>) -> Result<(), String> {
        let Some(node) = &mut self.places[at].node else { return Ok(()) };
        let mut effects = Effects::default();
        node.step(self.now, input, &mut effects);
        for datagram in &effects.datagrams {
            for to in &effects.targets[datagram.to.start as usize..datagram.to.end as usize] {
                self.in_flight.push((at, usize::from(to.port), datagram.packet.clone()));
            }
        }
        let too_many = self.in_flight.len().saturating_sub(IN_FLIGHT);
        self.in_flight.drain(..too_many);
        self.places[at].unsynced.append(&mut effects.records);
        for event in effects.events {
            self.note(at, event)?;
        }
        // Nothing here needs a stream, and where none opens datagrams have to do.
        for effect in effects.streams {
            if let StreamEffect::Open { peer } = effect {
                self.step_without_check(at, Input::StreamRefused { peer })?;
            }
        }
        Ok(())
    }

    /// What a node tells its driver.
    fn note(&mut self, at: usize, event: Event) -> Result<(), String> {
        let place = &mut self.places[at];
        match event {
            Event::Changed(Change::Learned(entry)) if entry.dot.lane.store == Store::Log => {
                if !place.heard.insert(entry.dot) {
                    return Err(format!("node {at} tells of {:?} twice", entry.dot));
                }
                if entry.dot.lane.writer.node == NodeId::of(&node_name(at)) {
                    self.messages.push(entry.dot);
                }
            }
            Event::Changed(Change::Dropped(entry)) => _ = place.dropped.insert(entry.dot),
            Event::Changed(Change::Gap { .. }) => {
                return Err(format!("node {at}: a gap, though all is kept"));
            }
            Event::Done { dot: Some(dot), .. } => place.acknowledged.push(dot),
            Event::NewBoot(boot) => place.boot = place.boot.max(boot.0),
            _ => {}
        }
        Ok(())
    }
}
