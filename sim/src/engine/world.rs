//! The world: nodes of one protocol, the network between them, and the loop that lets time pass.
//!
//! [`World::run_until`] takes the earliest event, steps the node that it happens to, and turns what the node
//! wants done into later events. Nothing else moves time. The rest of the world lies beside this file: what
//! becomes of a step's effects in `effects.rs`, crashes and other faults in `faults.rs`.

use std::collections::BTreeMap;

use heck_core::rng::Seed;
use heck_core::time::Time;

use super::clock::Clocks;
use super::disk::{DiskConfig, Disks};
use super::draw::Dice;
use super::effects::Flight;
use super::event::{Event, Kind, NEVER_US};
use super::network::{Losses, Network};
use super::node::{Condition, Node, Traffic};
use super::observer::{Commands, Observer, Scheduled, Step};
use super::outbox::Outbox;
use super::protocol::{Input, Message, Protocol};
use super::queue::{CalendarQueue, EventQueue};
use super::slab::Slab;
use super::stalls::Stalls;
use super::stream::{News, StreamConfig, Streams, Surroundings};
use super::trace::Trace;
use super::wire;

/// What a world is made of.
#[derive(Debug)]
pub struct WorldConfig {
    /// The source of all its randomness.
    pub seed: Seed,
    /// The network.
    pub network: Network,
    /// The disks.
    pub disk: DiskConfig,
    /// The streams.
    pub stream: StreamConfig,
    /// Whether each packet and frame is encoded and decoded on its way. The trace hash must be the same.
    pub wire: bool,
    /// How many datagrams wait for a paused or stalled node before further ones are dropped.
    pub receive_queue: u32,
}

impl WorldConfig {
    /// A seed and a network; the rest as usual.
    #[must_use]
    pub fn new(seed: Seed, network: Network) -> Self {
        Self {
            seed,
            network,
            disk: DiskConfig::default(),
            stream: StreamConfig::default(),
            wire: false,
            // Linux' default receive buffer of 208 KiB holds about this many small datagrams.
            receive_queue: 256,
        }
    }
}

/// Why a run ended before its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Halt {
    /// The observer asked for it.
    Observer,
    /// A message did not survive its encoding (wire mode).
    Wire {
        /// World time.
        time: Time,
        /// The node that was to receive it.
        node: u32,
        /// What is wrong.
        problem: String,
    },
}

/// Worlds of fewer nodes stay in the cache by themselves.
const FETCH_NODES_MIN: usize = 1 << 13;

/// How many events [`World::fetch_upcoming`] looks ahead.
const FETCH_EVENTS: usize = 32;

/// What waits for a paused or stalled node.
#[derive(Default, Debug)]
pub(super) struct Held {
    pub events: Vec<Event>,
    pub datagrams: u32,
}

/// A simulated world. See the module's text.
pub struct World<P: Protocol, Q: EventQueue = CalendarQueue> {
    pub(super) now: Time,
    pub(super) queue: Q,
    pub(super) nodes: Vec<Node>,
    /// `None` while a node is down.
    pub(super) protocols: Vec<Option<P>>,
    pub(super) flights: Slab<Flight<P::Packet>>,
    pub(super) commands: Slab<(u64, P::Command)>,
    pub(super) network: Network,
    pub(super) streams: Streams<P::Frame>,
    pub(super) disks: Disks<P::Record>,
    pub(super) dice: Dice,
    pub(super) clocks: Clocks,
    pub(super) held: BTreeMap<u32, Held>,
    /// When starved nodes get the processor, be they up or down.
    pub(super) starved: BTreeMap<u32, Stalls>,
    pub(super) receive_queue: u32,
    pub(super) trace: Trace,
    pub(super) outbox: Outbox<P>,
    observed: Commands<P>,
    /// The buffer that messages are encoded into, in wire mode.
    wire: Option<Vec<u8>>,
    halt: Option<Halt>,
}

impl<P: Protocol, Q: EventQueue> World<P, Q> {
    /// A world without nodes, at time 0.
    #[must_use]
    pub fn new(config: WorldConfig) -> Self {
        let WorldConfig { seed, mut network, disk, stream, wire, receive_queue } = config;
        let dice = Dice::new(seed);
        network.use_dice(dice);
        Self {
            now: Time::ZERO,
            queue: Q::default(),
            nodes: Vec::new(),
            protocols: Vec::new(),
            flights: Slab::default(),
            commands: Slab::default(),
            network,
            streams: Streams::new(stream, dice),
            disks: Disks::new(disk, dice),
            dice,
            clocks: Clocks::default(),
            held: BTreeMap::new(),
            starved: BTreeMap::new(),
            receive_queue,
            trace: Trace::default(),
            outbox: Outbox::default(),
            observed: Commands::default(),
            wire: wire.then(Vec::new),
            halt: None,
        }
    }

    /// Adds a node in a zone, running from now on; gives its index. Nodes are numbered from 0.
    pub fn add_node(&mut self, zone: u16, protocol: P) -> u32 {
        let index = self.nodes.len() as u32;
        self.nodes.push(Node::new());
        self.network.add_node(zone);
        self.protocols.push(Some(protocol));
        self.arm(index, self.now);
        index
    }

    /// Adds a node that is down, as one that has yet to be installed; [`restart`](Self::restart) starts it.
    pub fn add_absent_node(&mut self, zone: u16) -> u32 {
        let index = self.nodes.len() as u32;
        self.nodes.push(Node { condition: Condition::Crashed, ..Node::new() });
        self.network.add_node(zone);
        self.protocols.push(None);
        index
    }

    /// Gives a node a command at a world time, or now if that has passed. A node that is down misses it.
    pub fn command_at(&mut self, time: Time, node: u32, token: u64, command: P::Command) {
        if node as usize >= self.nodes.len() {
            return;
        }
        let slot = self.commands.insert((token, command));
        self.queue.push(Event::new(time.max(self.now).0, node, Kind::Command, slot));
    }

    /// Lets everything happen up to and including `until`, and time pass until then.
    ///
    /// # Errors
    /// When the run halts early; it may be continued.
    pub fn run_until<O: Observer<P>>(&mut self, until: Time, observer: &mut O) -> Result<(), Halt> {
        let fetches = self.nodes.len() >= FETCH_NODES_MIN;
        let mut fetched = 0;
        while let Some(event) = self.queue.pop_until(until.0) {
            if fetches {
                fetched = if fetched == 0 { self.fetch_upcoming() } else { fetched - 1 };
            }
            self.now = Time(event.time_us);
            self.dispatch(event, observer);
            if let Some(halt) = self.halt.take() {
                return Err(halt);
            }
        }
        if until.0 < NEVER_US {
            self.now = self.now.max(until);
        }
        Ok(())
    }

    /// Reads what the next events will need, so that the processor loads all of it into its cache at once instead of
    /// waiting for one node after the other. Tells for how many events.
    fn fetch_upcoming(&self) -> usize {
        let upcoming = self.queue.upcoming();
        let upcoming = &upcoming[..upcoming.len().min(FETCH_EVENTS)];
        let mut read = 0;
        for event in upcoming {
            let index = event.target as usize;
            read += self.nodes[index].condition as usize;
            read += usize::from(self.protocols[index].is_some());
            if event.kind() == Kind::Datagram {
                read += usize::from(self.flights.get(event.slot()).is_some());
            }
        }
        std::hint::black_box(read);
        upcoming.len()
    }

    #[inline]
    pub(super) fn dispatch<O: Observer<P>>(&mut self, event: Event, observer: &mut O) {
        if self.nodes[event.target as usize].condition != Condition::Running && !self.admits(event) {
            return;
        }
        match event.kind() {
            Kind::Datagram => self.deliver(event, observer),
            Kind::Timer => self.fire_timer(event, observer),
            Kind::Command => self.give_command(event, observer),
            Kind::Persisted => self.confirm_persisted(event, observer),
            Kind::Stream => self.advance_stream(event, observer),
            Kind::Turn => self.take_turn(event, observer),
            Kind::Fault => {}
        }
    }

    pub(super) fn fire_timer<O: Observer<P>>(&mut self, event: Event, observer: &mut O) {
        let index = event.target as usize;
        if self.nodes[index].timer_us != event.time_us {
            return;
        }
        self.nodes[index].timer_us = NEVER_US;
        let local = self.clocks.local(event.target, self.now);
        let Some(protocol) = &mut self.protocols[index] else { return };
        if protocol.next_wake() > local {
            // The wake-up was put off after this event was queued.
            self.arm(event.target, self.now);
            return;
        }
        self.trace.fold(event.time_us, event.target, Kind::Timer, 0, 0);
        self.step(event.target, Input::Timeout, observer);
    }

    #[inline]
    fn deliver<O: Observer<P>>(&mut self, event: Event, observer: &mut O) {
        let index = event.target as usize;
        let slot = event.slot();
        let Some(flight) = self.flights.get(slot) else { return };
        let Flight { from, len_bytes, mut content, .. } = *flight;
        let mut decoded = None;
        if let Some(buffer) = &mut self.wire {
            match wire::recode(&flight.packet, len_bytes, buffer) {
                Ok(packet) => {
                    content = packet.content_word();
                    decoded = Some(packet);
                }
                Err(problem) => {
                    self.halt = Some(Halt::Wire { time: self.now, node: event.target, problem });
                    return;
                }
            }
        }
        self.trace.fold(event.time_us, event.target, Kind::Datagram, len_bytes, content);
        let node = &mut self.nodes[index];
        node.traffic.received += 1;
        node.traffic.received_bytes += u64::from(len_bytes);
        self.outbox.next_stream = node.next_stream(event.target);
        let local = self.clocks.local(event.target, self.now);
        if let Some(protocol) = &mut self.protocols[index] {
            let packet = decoded.as_ref().unwrap_or(&flight.packet);
            protocol.step(local, Input::Datagram { from, packet }, &mut self.outbox);
        }
        self.land(slot);
        self.finish_step(event.target, self.now, observer);
    }

    fn give_command<O: Observer<P>>(&mut self, event: Event, observer: &mut O) {
        let Some((token, command)) = self.commands.remove(event.slot()) else { return };
        self.trace.fold(event.time_us, event.target, Kind::Command, 0, token);
        self.step(event.target, Input::Command { token, command }, observer);
    }

    fn confirm_persisted<O: Observer<P>>(&mut self, event: Event, observer: &mut O) {
        let life = self.nodes[event.target as usize].life;
        let Some(up_to) = self.disks.sync(event.target, life, event.slot()) else { return };
        self.trace.fold(event.time_us, event.target, Kind::Persisted, 0, up_to);
        self.step(event.target, Input::Persisted { up_to }, observer);
    }

    fn advance_stream<O: Observer<P>>(&mut self, event: Event, observer: &mut O) {
        let node = event.target;
        let life = self.nodes[node as usize].life;
        let news = self.with_streams(|streams, around| streams.happen(around, event.slot(), life));
        let mut fold = |len_bytes, content| {
            self.trace.fold(event.time_us, node, Kind::Stream, len_bytes, content);
        };
        match news {
            None => {}
            Some(News::Opened { stream, peer, ours }) => {
                fold(0, stream);
                self.step(node, Input::StreamOpened { stream, peer, ours }, observer);
            }
            Some(News::Frame { stream, frame, len_bytes }) => {
                let mut frame = frame;
                if let Some(buffer) = &mut self.wire {
                    match wire::recode(&frame, len_bytes, buffer) {
                        Ok(decoded) => frame = decoded,
                        Err(problem) => {
                            self.halt = Some(Halt::Wire { time: self.now, node, problem });
                            return;
                        }
                    }
                }
                self.trace.fold(event.time_us, node, Kind::Stream, len_bytes, frame.content_word());
                self.step(node, Input::StreamFrame { stream, frame: &frame }, observer);
            }
            Some(News::Ended { stream }) => {
                fold(0, !stream);
                self.step(node, Input::StreamClosed { stream }, observer);
            }
        }
    }

    /// Steps a node with an input that the world does not hold on to.
    fn step<O: Observer<P>>(&mut self, node: u32, input: Input<'_, P>, observer: &mut O) {
        let index = node as usize;
        let timeout = matches!(input, Input::Timeout);
        self.outbox.next_stream = self.nodes[index].next_stream(node);
        let local = self.clocks.local(node, self.now);
        let Some(protocol) = &mut self.protocols[index] else { return };
        protocol.step(local, input, &mut self.outbox);
        // Real time passes between two time-outs; so does simulated time, lest a node that always wants to be
        // woken at once stop the world.
        let not_before = if timeout { Time(self.now.0 + 1) } else { self.now };
        self.finish_step(node, not_before, observer);
    }

    /// Shows a step to the observer, carries out its effects and sets the node's timer.
    #[inline]
    fn finish_step<O: Observer<P>>(&mut self, node: u32, not_before: Time, observer: &mut O) {
        let Some(protocol) = &self.protocols[node as usize] else { return };
        let cause = self.trace.last();
        let step = Step { time: self.now, node, cause, protocol, outbox: &self.outbox };
        if observer.after_step(&step, &mut self.observed).is_break() {
            self.halt = Some(Halt::Observer);
        }
        if !self.observed.waiting.is_empty() {
            let mut waiting = std::mem::take(&mut self.observed.waiting);
            for Scheduled { time, node, token, command } in waiting.drain(..) {
                self.command_at(time, node, token, command);
            }
            self.observed.waiting = waiting;
        }
        self.carry_out(node);
        self.arm(node, not_before);
    }

    /// Makes sure that the node's next wake-up is queued.
    #[inline]
    pub(super) fn arm(&mut self, node: u32, not_before: Time) {
        let Some(protocol) = &self.protocols[node as usize] else { return };
        let wake = protocol.next_wake();
        if wake.0 >= NEVER_US {
            return;
        }
        let at_us = self.clocks.world(node, wake).max(not_before).0;
        let timer_us = &mut self.nodes[node as usize].timer_us;
        // A timer that is queued already fires earlier, finds nothing to do, and comes back here.
        if at_us < *timer_us {
            *timer_us = at_us;
            self.queue.push(Event::new(at_us, node, Kind::Timer, 0));
        }
    }

    /// Lets streams do something, and queues what comes of it.
    pub(super) fn with_streams<T>(
        &mut self,
        act: impl FnOnce(&mut Streams<P::Frame>, &mut Surroundings<'_>) -> T,
    ) -> T {
        let mut around = Surroundings { now_us: self.now.0, network: &mut self.network, nodes: &self.nodes };
        let result = act(&mut self.streams, &mut around);
        for (at_us, node, slot) in self.streams.scheduled.drain(..) {
            self.queue.push(Event::new(at_us, node, Kind::Stream, slot));
        }
        result
    }

    /// World time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// How many nodes there are, running or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node's protocol, unless the node is down or does not exist.
    #[must_use]
    pub fn node(&self, node: u32) -> Option<&P> {
        self.protocols.get(node as usize)?.as_ref()
    }

    /// The protocols of all nodes that are not down, with their indices.
    pub fn running(&self) -> impl Iterator<Item = (u32, &P)> {
        (0..).zip(&self.protocols).filter_map(|(index, protocol)| Some((index, protocol.as_ref()?)))
    }

    /// Whether a node runs; `None` if it does not exist.
    #[must_use]
    pub fn condition(&self, node: u32) -> Option<Condition> {
        self.nodes.get(node as usize).map(|node| node.condition)
    }

    /// What a node sent and received so far.
    #[must_use]
    pub fn traffic(&self, node: u32) -> Traffic {
        self.nodes.get(node as usize).map_or_else(Traffic::default, |node| node.traffic)
    }

    /// What all nodes together sent and received so far; the largest datagram of all.
    #[must_use]
    pub fn total_traffic(&self) -> Traffic {
        self.nodes.iter().fold(Traffic::default(), |sum, node| sum.plus(node.traffic))
    }

    /// What the network lost so far, and why.
    #[must_use]
    pub const fn losses(&self) -> Losses {
        self.network.losses()
    }

    /// The network, to change its paths, partitions and limits from now on.
    pub const fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The disks.
    #[must_use]
    pub const fn disks(&self) -> &Disks<P::Record> {
        &self.disks
    }

    /// The disks, to compact them.
    pub const fn disks_mut(&mut self) -> &mut Disks<P::Record> {
        &mut self.disks
    }

    /// The numbers of all streams that are open or opening, with opener and accepter.
    pub fn streams(&self) -> impl Iterator<Item = (u64, [u32; 2])> {
        self.streams.list()
    }

    /// The trace of all events so far.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How many events are pending, and how many packets are under way.
    #[must_use]
    pub fn pending(&self) -> (usize, usize) {
        (self.queue.len(), self.flights.len())
    }
}
