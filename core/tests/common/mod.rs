//! A small cluster for tests: nodes, a lossy network and disks, driven by one seeded loop.
//!
//! It is deliberately naive (one sorted map of events) so that it can be read in a minute; the simulator has
//! the fast one. It lives here so that the core proves its laws without depending on anything that uses it.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use heck_core::config::Config;
use heck_core::effects::{Effects, Event, Record, StreamEffect};
use heck_core::id::{Addr, Boot, Dot, Name, Shard, Store, StreamId};
use heck_core::input::{Command, Input, Verdict};
use heck_core::journal::Snapshot;
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity, Node};
use heck_core::packet::Packet;
use heck_core::probe::{Failure, Probe, ProbeOutcome, Reply};
use heck_core::rng::{Seed, Stream};
use heck_core::state::State;
use heck_core::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A valid name.
pub fn name(text: &str) -> Name {
    Name::new(text).expect("a test uses valid names")
}

/// The address of the node with this index.
pub fn addr(index: usize) -> Addr {
    let mut ip = [0; 16];
    ip[8..].copy_from_slice(&(index as u64).to_be_bytes());
    Addr { ip, port: 7400 }
}

fn index(addr: Addr) -> usize {
    u64::from_be_bytes(addr.ip[8..].try_into().unwrap()) as usize
}

#[derive(Debug)]
enum Happening {
    Wake,
    Datagram { from: usize, packet: Arc<Packet> },
    Opened { stream: StreamId, peer: usize, ours: bool },
    Frame { stream: StreamId, packet: Arc<Packet> },
    Closed { stream: StreamId },
    Synced { up_to: u64 },
    Probed { outcome: ProbeOutcome, asked: u64 },
}

/// How a probe by a node at a time ends: the reply and how long it takes. Nothing for one that is lost.
type Origins = dyn Fn(usize, &Probe, Time) -> Option<(Reply, Span)>;

/// Whether a packet from the first to the second node that is sent at a time arrives.
type Passes = dyn Fn(usize, usize, &Packet, Time) -> bool;

/// What becomes of a packet between two nodes, where they do not speak the same version. None where nothing arrives.
type Translates = dyn Fn(usize, usize, &Packet) -> Option<Packet>;

/// What sees each step of each node: the node after it, the input, and what it wants. It may put another in its place.
type Watch = dyn FnMut(usize, &mut Node, Time, Input<'_>, &Effects);

/// Settings of the network.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Parts of 1,000 of the datagrams that are lost, each direction by itself.
    pub loss_permille: u32,
    /// Parts of 1,000 that arrive twice.
    pub duplicate_permille: u32,
    /// One-way times are uniform in this range: a wide one reorders.
    pub latency_us: (u32, u32),
    /// How long a record takes to reach the disk.
    pub sync: Span,
}

impl Default for Weather {
    fn default() -> Self {
        Self { loss_permille: 0, duplicate_permille: 0, latency_us: (5_000, 40_000), sync: Span::from_ms(5) }
    }
}

struct Disk {
    synced: Vec<Record>,
    unsynced: Vec<(u64, Record)>,
}

/// A cluster under test.
pub struct Cluster {
    pub now: Time,
    pub nodes: Vec<Option<Node>>,
    pub weather: Weather,
    pub events: Vec<(Time, usize, Event)>,
    pub datagrams: u64,
    pub bytes: u64,
    pub largest: usize,
    /// Whether a datagram from the first to the second node passes.
    pub reachable: Box<dyn Fn(usize, usize) -> bool>,
    /// Whether a datagram or a frame passes, by what is in it.
    pub passes: Box<Passes>,
    /// What becomes of each datagram and frame. It arrives as it was sent unless set.
    pub translates: Option<Box<Translates>>,
    /// A node that is so much farther away from all others, each way.
    pub far: Option<(usize, Span)>,
    /// Nodes that stand still until then; what reaches them waits.
    pub paused: BTreeMap<usize, Time>,
    /// What probes meet. Nothing answers unless set.
    pub origins: Box<Origins>,
    /// What sees each step of each node.
    pub watch: Box<Watch>,
    /// All probes: when, by whom, of which origin.
    pub probes: Vec<(Time, usize, Name)>,
    base: Arc<Base>,
    config: Arc<Config>,
    seed: Seed,
    rng: Stream,
    queue: BTreeMap<(Time, u64), (usize, Happening)>,
    sequence: u64,
    wakes: Vec<Time>,
    disks: Vec<Disk>,
    boots: Vec<u64>,
    streams: BTreeMap<StreamId, (usize, usize)>,
    /// Offset of each node's clock from the world's.
    pub skews: Vec<Span>,
}

impl Cluster {
    /// `count` nodes that know each other and serve from the start.
    pub fn formed(count: usize, config: Config, weather: Weather, seed: u64) -> Self {
        Self::new(count, config, weather, seed, true)
    }

    /// `count` nodes that know each other's addresses; each must be told to join.
    pub fn cold(count: usize, config: Config, weather: Weather, seed: u64) -> Self {
        Self::new(count, config, weather, seed, false)
    }

    fn new(count: usize, config: Config, weather: Weather, seed: u64, formed: bool) -> Self {
        config.validate().expect("a test uses a valid config");
        let members =
            (0..count).map(|n| Member::new(name(&format!("node-{n}")), addr(n)).in_life(Boot(1))).collect();
        let base = Arc::new(Base { members: Members::new(members), formed, ..Base::default() });
        let mut cluster = Self {
            now: Time::ZERO,
            nodes: (0..count).map(|_| None).collect(),
            weather,
            events: Vec::new(),
            datagrams: 0,
            bytes: 0,
            largest: 0,
            reachable: Box::new(|_, _| true),
            passes: Box::new(|_, _, _, _| true),
            translates: None,
            far: None,
            paused: BTreeMap::new(),
            origins: Box::new(|_, _, _| None),
            watch: Box::new(|_, _, _, _, _| {}),
            probes: Vec::new(),
            base,
            config: Arc::new(config),
            seed: Seed(seed),
            rng: Stream::new(Seed(seed), u64::MAX),
            queue: BTreeMap::new(),
            sequence: 0,
            wakes: vec![Time::NEVER; count],
            disks: (0..count).map(|_| Disk { synced: Vec::new(), unsynced: Vec::new() }).collect(),
            boots: vec![0; count],
            streams: BTreeMap::new(),
            skews: vec![Span::ZERO; count],
        };
        for node in 0..count {
            cluster.start(node, false);
        }
        cluster
    }

    /// Starts a node, with what its disk holds or without, in a life of its own.
    pub fn start(&mut self, node: usize, with_disk: bool) {
        self.boots[node] += 1;
        let boot = Boot(self.boots[node]);
        self.start_as(node, with_disk, boot);
    }

    /// Starts a node in a given life.
    pub fn start_as(&mut self, node: usize, with_disk: bool, boot: Boot) {
        let snapshot = with_disk.then(|| Snapshot { records: self.disks[node].synced.clone() });
        let base = self.base.clone();
        self.build(node, snapshot, boot, &base);
    }

    /// Starts another node's name from a copy of its disk at this place, in a given life.
    pub fn start_copy(&mut self, node: usize, of: usize, boot: Boot) {
        let records = self.disks[of].synced.clone();
        self.disks[node] = Disk { synced: records.clone(), unsynced: Vec::new() };
        let base = self.base.clone();
        self.build_named(node, of, Some(Snapshot { records }), boot, &base);
    }

    /// Starts a node that knows nobody, from its disk if it has one, and has it join through peers if there are any.
    pub fn start_stranger(&mut self, node: usize, through: &[usize]) {
        self.boots[node] += 1;
        let records = self.disks[node].synced.clone();
        let base = Arc::new(Base::default());
        self.build(node, Some(Snapshot { records }), Boot(self.boots[node]), &base);
        if !through.is_empty() {
            self.command(node, &Command::Join { peers: through.iter().map(|&peer| addr(peer)).collect() });
        }
    }

    /// Empties the disk of a node that is down.
    pub fn forget_disk(&mut self, node: usize) {
        self.disks[node] = Disk { synced: Vec::new(), unsynced: Vec::new() };
    }

    /// Starts a node of another name at a place, without a disk, and has it join through a peer.
    pub fn start_other(&mut self, node: usize, other: &str, through: usize) {
        self.disks[node] = Disk { synced: Vec::new(), unsynced: Vec::new() };
        let identity = Identity::new(name(other), Boot(1), addr(node));
        let (config, base, now) = (self.config.clone(), Arc::new(Base::default()), self.local(node));
        self.nodes[node] = Some(Node::new(identity, config, &base, None, self.seed, now));
        self.reschedule(node);
        self.command(node, &Command::Join { peers: [addr(through)].into() });
    }

    /// Starts a node whose disk is gone, in a given life: it knows nothing and must join.
    pub fn start_empty(&mut self, node: usize, boot: Boot) {
        self.disks[node] = Disk { synced: Vec::new(), unsynced: Vec::new() };
        let base = Base { members: self.base.members.clone(), formed: false, ..Base::default() };
        self.build(node, None, boot, &Arc::new(base));
        let peers: Vec<Addr> = (0..self.nodes.len()).filter(|&other| other != node).map(addr).collect();
        self.command(node, &Command::Join { peers: peers.into() });
    }

    fn build(&mut self, node: usize, snapshot: Option<Snapshot>, boot: Boot, base: &Arc<Base>) {
        self.build_named(node, node, snapshot, boot, base);
    }

    fn build_named(
        &mut self,
        node: usize,
        named: usize,
        snapshot: Option<Snapshot>,
        boot: Boot,
        base: &Arc<Base>,
    ) {
        let identity = Identity::new(name(&format!("node-{named}")), boot, addr(node));
        let now = self.local(node);
        self.nodes[node] = Some(Node::new(identity, self.config.clone(), base, snapshot, self.seed, now));
        self.reschedule(node);
    }

    /// Nodes that start from now on have these settings.
    pub fn reconfigure(&mut self, config: Config) {
        self.config = Arc::new(config);
    }

    /// Stops a node at once. What was not synced is lost.
    pub fn crash(&mut self, node: usize) {
        self.nodes[node] = None;
        self.disks[node].unsynced.clear();
        self.queue
            .retain(|_, (to, happening)| *to != node || matches!(happening, Happening::Datagram { .. }));
        let gone: Vec<StreamId> = self
            .streams
            .iter()
            .filter(|(_, ends)| ends.0 == node || ends.1 == node)
            .map(|(id, _)| *id)
            .collect();
        for stream in gone {
            self.cut(stream);
        }
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Cuts every open stream.
    pub fn cut_streams(&mut self) {
        for stream in self.streams.keys().copied().collect::<Vec<_>>() {
            self.cut(stream);
        }
    }

    fn cut(&mut self, stream: StreamId) {
        if let Some((a, b)) = self.streams.remove(&stream) {
            self.push(self.now, a, Happening::Closed { stream });
            self.push(self.now, b, Happening::Closed { stream });
        }
    }

    /// What a node that restarted now from its journal, or from a snapshot, would not know as this one does.
    pub fn forgets(&self, at: usize, by_snapshot: bool) -> Option<String> {
        let (node, now) = (self.nodes[at].as_ref()?, self.local(at));
        let disk = &self.disks[at];
        let unsynced = disk.unsynced.iter().map(|(_, record)| record);
        let journal = || disk.synced.iter().chain(unsynced).cloned().collect();
        let records = if by_snapshot { node.snapshot(now).records } else { journal() };
        let identity = Identity::new(name(&format!("node-{at}")), Boot(1 << 40), addr(at));
        let base = Arc::new(Base { members: self.base.members.clone(), ..Base::default() });
        let again =
            Node::new(identity, self.config.clone(), &base, Some(Snapshot { records }), self.seed, now);
        let (is, was) = (again.view().state(), node.view().state());
        let differing = (0..=255).map(Shard).find(|&shard| {
            let lanes = |state: &State| -> Vec<_> {
                state.context().lanes_of(shard).map(|(lane, seen)| (*lane, seen.clone())).collect()
            };
            let live = |state: &State| -> Vec<_> {
                let lasting = state.entries_in(shard).filter(|entry| entry.dot.lane.store != Store::Log);
                lasting.map(|entry| entry.dot).collect()
            };
            let progress = |state: &State| -> Vec<_> {
                let lanes = was.context().lanes_of(shard).map(|(lane, _)| *lane);
                lanes.map(|lane| state.context().progress(lane.writer, lane.store)).collect()
            };
            lanes(is) != lanes(was) || live(is) != live(was) || progress(is) != progress(was)
        });
        differing.map(|shard| format!("node {at}, by snapshot: {by_snapshot}, {shard:?}"))
    }

    /// Whether an entry is on the disk of a node.
    pub fn has_on_disk(&self, at: usize, dot: &Dot) -> bool {
        let is_it =
            |record: &Record| matches!(record, Record::Entry { carried, .. } if carried.entry.dot == *dot);
        self.disks[at].synced.iter().any(is_it)
    }

    /// The node with this index, which must be running.
    pub fn node(&self, node: usize) -> &Node {
        self.nodes[node].as_ref().expect("the node runs")
    }

    /// The nodes that run.
    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    fn local(&self, node: usize) -> Time {
        self.now + self.skews[node]
    }

    fn push(&mut self, at: Time, node: usize, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), (node, happening));
    }

    fn latency(&mut self) -> Span {
        let (low, high) = self.weather.latency_us;
        Span(u64::from(low + self.rng.below(high - low + 1)))
    }

    /// Gives a node a command. The token is 0.
    pub fn command(&mut self, node: usize, command: &Command) {
        self.command_as(node, 0, command);
    }

    /// Gives a node a command with a token.
    pub fn command_as(&mut self, node: usize, token: u64, command: &Command) {
        self.step(node, Input::Command { token, command });
    }

    /// Has a datagram arrive at a node now.
    pub fn datagram(&mut self, from: usize, to: usize, packet: &Packet) {
        let from = addr(from);
        self.step(to, Input::Datagram { from, packet });
    }

    /// Tells a node what somebody else found of an origin.
    pub fn tell(&mut self, node: usize, verdict: &Verdict) {
        self.step(node, Input::Verdict(verdict));
    }

    fn step(&mut self, at: usize, input: Input<'_>) {
        let now = self.local(at);
        let Some(node) = &mut self.nodes[at] else { return };
        let mut effects = Effects::default();
        node.step(now, input, &mut effects);
        (self.watch)(at, node, now, input, &effects);
        self.carry_out(at, effects);
        self.reschedule(at);
    }

    fn reschedule(&mut self, at: usize) {
        let Some(node) = &self.nodes[at] else { return };
        let (wake, _) = node.next_wake();
        self.wakes[at] = wake;
        if wake < Time::NEVER {
            let world = (wake - self.skews[at]).max(self.now);
            self.push(world, at, Happening::Wake);
        }
    }

    fn carry_out(&mut self, from: usize, mut effects: Effects) {
        for datagram in effects.datagrams.drain(..) {
            let size = heck_core::codec::packet_len(&datagram.packet);
            let packet = Arc::new(datagram.packet);
            for &to in &effects.targets[datagram.to.start as usize..datagram.to.end as usize] {
                self.datagrams += 1;
                self.bytes += size as u64;
                self.largest = self.largest.max(size);
                self.deliver(from, index(to), &packet);
            }
        }
        for effect in effects.streams.drain(..) {
            match effect {
                StreamEffect::Open { peer } => {
                    let (stream, peer) = (StreamId(self.sequence), index(peer));
                    if self.nodes[peer].is_none() || !(self.reachable)(from, peer) {
                        continue;
                    }
                    self.streams.insert(stream, (from, peer));
                    let at = self.now + self.latency();
                    self.push(at, from, Happening::Opened { stream, peer, ours: true });
                    self.push(at, peer, Happening::Opened { stream, peer: from, ours: false });
                }
                StreamEffect::Frame { stream, packet } => {
                    if let Some(&(a, b)) = self.streams.get(&stream) {
                        let to = if a == from { b } else { a };
                        let at = self.now + Span(u64::from(self.weather.latency_us.1));
                        if (self.passes)(from, to, &packet, self.now)
                            && let Some(packet) = self.translated(from, to, Arc::new(*packet))
                        {
                            self.push(at, to, Happening::Frame { stream, packet });
                        }
                    }
                }
                StreamEffect::Close { stream } => {
                    if let Some((a, b)) = self.streams.remove(&stream) {
                        let to = if a == from { b } else { a };
                        let at = self.now + Span(u64::from(self.weather.latency_us.1));
                        self.push(at, to, Happening::Closed { stream });
                    }
                }
            }
        }
        if let Some(&(up_to, _)) = effects.records.last() {
            self.disks[from].unsynced.append(&mut effects.records);
            let at = self.now + self.weather.sync;
            self.push(at, from, Happening::Synced { up_to });
        }
        for probe in effects.probes.drain(..) {
            if let Some((reply, took)) = (self.origins)(from, &probe, self.now) {
                let late = took > probe.timeout;
                let (reply, took) =
                    if late { (Reply::Failed(Failure::Timeout), probe.timeout) } else { (reply, took) };
                let outcome = ProbeOutcome { probe: probe.probe, reply, took };
                self.push(self.now + took, from, Happening::Probed { outcome, asked: self.boots[from] });
            }
            self.probes.push((self.now, from, probe.origin));
        }
        let now = self.now;
        self.events.extend(effects.events.drain(..).map(|event| (now, from, event)));
    }

    fn deliver(&mut self, from: usize, to: usize, packet: &Arc<Packet>) {
        if !(self.reachable)(from, to) || self.rng.below(1_000) < self.weather.loss_permille {
            return;
        }
        if !(self.passes)(from, to, packet, self.now) {
            return;
        }
        let Some(packet) = self.translated(from, to, packet.clone()) else { return };
        let copies = 1 + u32::from(self.rng.below(1_000) < self.weather.duplicate_permille);
        for _ in 0..copies {
            let detour = self.far.filter(|(far, _)| *far == from || *far == to);
            let at = self.now + self.latency() + detour.map_or(Span::ZERO, |(_, detour)| detour);
            self.push(at, to, Happening::Datagram { from, packet: packet.clone() });
        }
    }

    fn translated(&self, from: usize, to: usize, packet: Arc<Packet>) -> Option<Arc<Packet>> {
        match &self.translates {
            Some(translates) => translates(from, to, &packet).map(Arc::new),
            None => Some(packet),
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Span) {
        let until = self.now + span;
        while let Some((&(at, sequence), _)) = self.queue.first_key_value() {
            if at > until {
                break;
            }
            let (to, happening) = self.queue.remove(&(at, sequence)).expect("it was there");
            self.now = at;
            self.happen(to, happening);
        }
        self.now = until;
    }

    fn happen(&mut self, to: usize, happening: Happening) {
        if let Some(&until) = self.paused.get(&to)
            && self.now < until
        {
            self.push(until, to, happening);
            return;
        }
        match happening {
            Happening::Wake => {
                if self.wakes[to] - self.skews[to] <= self.now {
                    self.step(to, Input::Timeout);
                }
            }
            Happening::Probed { outcome, asked } => {
                if self.boots[to] == asked {
                    self.step(to, Input::Probe(outcome));
                }
            }
            Happening::Datagram { from, packet } => {
                self.step(to, Input::Datagram { from: addr(from), packet: &packet });
            }
            Happening::Opened { stream, peer, ours } => {
                self.step(to, Input::StreamOpened { stream, peer: addr(peer), ours });
            }
            Happening::Frame { stream, packet } => {
                self.step(to, Input::StreamFrame { stream, packet: &packet });
            }
            Happening::Closed { stream } => self.step(to, Input::StreamClosed { stream }),
            Happening::Synced { up_to } => {
                let disk = &mut self.disks[to];
                let count = disk.unsynced.partition_point(|(number, _)| *number <= up_to);
                disk.synced.extend(disk.unsynced.drain(..count).map(|(_, record)| record));
                self.step(to, Input::Persisted { up_to });
            }
        }
    }

    /// Whether all running nodes have the same state.
    pub fn agrees(&self) -> bool {
        let mut hashes = self.running().map(|node| node.view().hash());
        hashes.next().is_none_or(|first| hashes.all(|hash| hash == first))
    }

    /// Lets time pass until all running nodes agree; gives the time that it took.
    pub fn run_until_agreed(&mut self, longest: Span) -> Option<Span> {
        let start = self.now;
        while !self.agrees() {
            if self.now.since(start) >= longest {
                return None;
            }
            self.run_for(Span::from_ms(100));
        }
        Some(self.now.since(start))
    }
}
