//! Streams: reliable, ordered frames between two nodes, as TCP gives them.
//!
//! A frame is cut into segments; each is lost as a datagram would be. Lost segments are sent again after a
//! timeout that doubles, and what follows waits behind them. After too many attempts in vain the stream is
//! cut and both ends hear of it; so a partition delays a stream, and ends it when it lasts. What is not
//! modelled: congestion control, fast retransmission, lost acknowledgements.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::draw::{Dice, Draw, Purpose};
use super::network::Network;
use super::node::{Condition, Node};
use super::protocol::Message;
use super::slab::Slab;

/// How streams behave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamConfig {
    /// The first retransmission timeout.
    pub timeout_us: u64,
    /// The timeout doubles up to this.
    pub timeout_max_us: u64,
    /// So many attempts in a row without success cut the stream.
    pub attempts_max: u32,
    /// Payload bytes of a segment.
    pub segment_bytes: u32,
}

impl Default for StreamConfig {
    /// Linux' defaults: 200 ms, doubling up to 120 s, 15 retransmissions (about 13 minutes), 1,448 bytes.
    fn default() -> Self {
        Self { timeout_us: 200_000, timeout_max_us: 120_000_000, attempts_max: 15, segment_bytes: 1_448 }
    }
}

impl StreamConfig {
    fn timeout_us(self, failures: u32) -> u64 {
        let doubled = self.timeout_us.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX));
        doubled.min(self.timeout_max_us)
    }
}

/// One direction of a stream, from the end that sends.
#[derive(Debug)]
struct Direction<F> {
    waiting: VecDeque<Item<F>>,
    /// Segments of the first waiting item that have not got through; 0 before its first attempt.
    segments: u32,
    /// Attempts in a row that left segments behind.
    failures: u32,
    /// When the last item arrives that got through; no later one arrives before.
    arrived_us: u64,
    /// Whether the sender may send: it has been told that the stream is open.
    open: bool,
    /// Whether a retransmission is scheduled.
    retrying: bool,
    /// Whether the sender has ended the stream and hears nothing more of it.
    ended: bool,
}

/// What travels on a stream.
#[derive(Debug)]
pub(super) enum Item<F> {
    Opened,
    Frame { frame: F, len_bytes: u32 },
    Ended,
}

#[derive(Debug)]
struct Stream<F> {
    /// The opener and the accepter.
    ends: [u32; 2],
    /// Their lives when the stream was opened.
    lives: [u32; 2],
    /// By sender.
    directions: [Direction<F>; 2],
}

/// A stream's event that waits in the queue.
#[derive(Debug)]
enum Moment<F> {
    /// The opener tries (again) to connect.
    Connect { stream: u64, failures: u32 },
    /// An end tries (again) to send its first waiting item.
    Retry { stream: u64, side: usize },
    /// An item arrives at an end.
    Arrive { stream: u64, side: usize, item: Item<F> },
    /// An end hears that the stream was cut; the stream itself is gone.
    Cut { stream: u64, life: u32 },
}

/// What an end hears of a stream.
#[derive(Debug)]
pub(super) enum News<F> {
    Opened { stream: u64, peer: u32, ours: bool },
    Frame { stream: u64, frame: F, len_bytes: u32 },
    Ended { stream: u64 },
}

/// All streams of a world.
#[derive(Debug)]
pub(super) struct Streams<F> {
    config: StreamConfig,
    dice: Dice,
    streams: BTreeMap<u64, Stream<F>>,
    moments: Slab<Moment<F>>,
    /// Nodes whose streams do not come about.
    broken: BTreeSet<u32>,
    /// Segments that each node has sent: numbers their draws.
    segments_sent: Vec<u64>,
    /// What is to be queued: (time, node, slot). The world collects it after each call.
    pub scheduled: Vec<(u64, u32, u32)>,
}

/// What streams need of the world.
pub(super) struct Surroundings<'a> {
    pub now_us: u64,
    pub network: &'a mut Network,
    pub nodes: &'a [Node],
}

impl<F> Direction<F> {
    const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            segments: 0,
            failures: 0,
            arrived_us: 0,
            open: false,
            retrying: false,
            ended: false,
        }
    }
}

impl<F: Message> Streams<F> {
    pub fn new(config: StreamConfig, dice: Dice) -> Self {
        Self {
            config,
            dice,
            streams: BTreeMap::new(),
            moments: Slab::default(),
            broken: BTreeSet::new(),
            segments_sent: Vec::new(),
            scheduled: Vec::new(),
        }
    }

    /// A node opens a stream. A peer that does not exist, or is the node itself, refuses.
    pub fn open(&mut self, around: &mut Surroundings<'_>, stream: u64, opener: u32, accepter: u32) {
        let nodes = around.nodes;
        let life = nodes[opener as usize].life;
        let Some(peer) = nodes.get(accepter as usize).filter(|_| accepter != opener) else {
            return self.schedule(around.now_us, opener, Moment::Cut { stream, life });
        };
        let mut directions = [Direction::new(), Direction::new()];
        directions[0].waiting.push_back(Item::Opened);
        let stream_state = Stream { ends: [opener, accepter], lives: [life, peer.life], directions };
        self.streams.insert(stream, stream_state);
        self.connect(around, stream, 0);
    }

    /// A node sends a frame.
    pub fn send(&mut self, around: &mut Surroundings<'_>, stream: u64, sender: u32, frame: F) {
        let len_bytes = frame.wire_len();
        self.push(around, stream, sender, Item::Frame { frame, len_bytes });
    }

    /// A node ends a stream.
    pub fn end(&mut self, around: &mut Surroundings<'_>, stream: u64, ender: u32) {
        let Some(side) = self.streams.get(&stream).and_then(|stream| stream.side(ender)) else { return };
        if side == 0 && !self.streams[&stream].directions[0].open {
            // Nobody else knows of it yet.
            self.streams.remove(&stream);
            return;
        }
        self.push(around, stream, ender, Item::Ended);
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.directions[side].ended = true;
        }
    }

    fn push(&mut self, around: &mut Surroundings<'_>, stream: u64, sender: u32, item: Item<F>) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Some(side) = state.side(sender) else { return };
        let direction = &mut state.directions[side];
        if direction.ended {
            return;
        }
        direction.waiting.push_back(item);
        if direction.open && !direction.retrying {
            self.transmit(around, stream, side);
        }
    }

    /// Cuts a stream; both ends hear of it now.
    pub fn cut(&mut self, now_us: u64, stream: u64) -> bool {
        let Some(state) = self.streams.remove(&stream) else { return false };
        for side in 0..2 {
            // An accepter that has not heard of the stream need not hear of its end.
            let unheard = side == 1 && !state.directions[1].open;
            if !state.directions[side].ended && !unheard {
                let life = state.lives[side];
                self.schedule(now_us, state.ends[side], Moment::Cut { stream, life });
            }
        }
        true
    }

    /// Cuts all streams of a node now; while `broken`, new ones break as soon as they would be open.
    pub fn break_all(&mut self, now_us: u64, node: u32, broken: bool) {
        if !broken {
            self.broken.remove(&node);
            return;
        }
        self.broken.insert(node);
        for stream in self.of_node(node) {
            self.cut(now_us, stream);
        }
    }

    fn of_node(&self, node: u32) -> Vec<u64> {
        let its = self.streams.iter().filter(|(_, state)| state.side(node).is_some());
        its.map(|(&stream, _)| stream).collect()
    }

    /// Cuts all streams of a node that crashes; their other ends hear of it one latency later.
    pub fn crash(&mut self, around: &mut Surroundings<'_>, node: u32) {
        for stream in self.of_node(node) {
            let Some(state) = self.streams.remove(&stream) else { continue };
            let Some(side) = state.side(node) else { continue };
            let other = 1 - side;
            let unheard = other == 1 && !state.directions[1].open;
            if state.directions[other].ended || unheard {
                continue;
            }
            let (to, life) = (state.ends[other], state.lives[other]);
            let word = self.draw(node).word(1);
            let delay_us = around.network.path_between(node, to).latency.sample_us(word);
            self.schedule(around.now_us.saturating_add(delay_us), to, Moment::Cut { stream, life });
        }
    }

    /// The numbers of all streams that are open or opening, with both ends.
    pub fn list(&self) -> impl Iterator<Item = (u64, [u32; 2])> {
        self.streams.iter().map(|(&stream, state)| (stream, state.ends))
    }

    /// Whether a waiting event is a node's own doing, which goes on while its process stands still.
    pub fn is_retransmission(&self, slot: u32) -> bool {
        matches!(self.moments.get(slot), Some(Moment::Connect { .. } | Moment::Retry { .. }))
    }

    /// Lets happen what was scheduled under a slot; gives what the node hears.
    pub fn happen(&mut self, around: &mut Surroundings<'_>, slot: u32, life: u32) -> Option<News<F>> {
        match self.moments.remove(slot)? {
            Moment::Connect { stream, failures } => {
                self.connect(around, stream, failures);
                None
            }
            Moment::Retry { stream, side } => {
                self.streams.get_mut(&stream)?.directions[side].retrying = false;
                self.transmit(around, stream, side);
                None
            }
            Moment::Arrive { stream, side, item } => self.arrive(around, stream, side, item),
            Moment::Cut { stream, life: then } => (then == life).then_some(News::Ended { stream }),
        }
    }

    fn arrive(
        &mut self,
        around: &mut Surroundings<'_>,
        stream: u64,
        side: usize,
        item: Item<F>,
    ) -> Option<News<F>> {
        let state = self.streams.get_mut(&stream)?;
        let ended = state.directions[side].ended;
        let news = match item {
            Item::Opened => {
                state.directions[side].open = true;
                let peer = state.ends[1 - side];
                self.transmit(around, stream, side);
                News::Opened { stream, peer, ours: side == 0 }
            }
            Item::Frame { frame, len_bytes } => News::Frame { stream, frame, len_bytes },
            Item::Ended => {
                self.streams.remove(&stream);
                News::Ended { stream }
            }
        };
        (!ended).then_some(news)
    }

    /// One attempt at a handshake: there and back again.
    fn connect(&mut self, around: &mut Surroundings<'_>, stream: u64, failures: u32) {
        let Some(Stream { ends: [opener, accepter], lives, .. }) = self.streams.get(&stream) else { return };
        let (opener, accepter, lives) = (*opener, *accepter, *lives);
        let there_us = self.transmit_segment(around, opener, accepter, 0);
        let back_us = there_us.and_then(|_| self.transmit_segment(around, accepter, opener, 0));
        let (Some(there_us), Some(back_us)) = (there_us, back_us) else {
            if failures >= self.config.attempts_max {
                self.cut(around.now_us, stream);
            } else {
                let at_us = around.now_us.saturating_add(self.config.timeout_us(failures));
                self.schedule(at_us, opener, Moment::Connect { stream, failures: failures + 1 });
            }
            return;
        };
        let at_us = around.now_us.saturating_add(there_us).saturating_add(back_us);
        let peer = &around.nodes[accepter as usize];
        let broken = [opener, accepter].iter().any(|end| self.broken.contains(end));
        if peer.condition == Condition::Crashed || peer.life != lives[1] || broken {
            self.streams.remove(&stream);
            self.schedule(at_us, opener, Moment::Cut { stream, life: lives[0] });
        } else {
            self.schedule(at_us, opener, Moment::Arrive { stream, side: 0, item: Item::Opened });
        }
    }

    /// Sends what waits in one direction until something is lost or nothing is left.
    fn transmit(&mut self, around: &mut Surroundings<'_>, stream: u64, side: usize) {
        while let Some(state) = self.streams.get_mut(&stream) {
            let (from, to) = (state.ends[side], state.ends[1 - side]);
            let direction = &mut state.directions[side];
            let Some(first) = direction.waiting.front() else { return };
            let mut len_bytes = 0;
            if let Item::Frame { len_bytes: of_frame, .. } = first {
                len_bytes = *of_frame;
            }
            let segment_bytes = self.config.segment_bytes.max(1);
            let segments = match direction.segments {
                0 => len_bytes.div_ceil(segment_bytes).max(1),
                left => left,
            };
            let (mut lost, mut arrived_us) = (0, around.now_us.max(direction.arrived_us));
            for _ in 0..segments {
                match self.transmit_segment(around, from, to, len_bytes.min(segment_bytes)) {
                    Some(delay_us) => arrived_us = arrived_us.max(around.now_us.saturating_add(delay_us)),
                    None => lost += 1,
                }
            }
            let Some(state) = self.streams.get_mut(&stream) else { return };
            let direction = &mut state.directions[side];
            direction.segments = lost;
            direction.arrived_us = arrived_us;
            if lost > 0 {
                return self.retry(around.now_us, stream, side);
            }
            direction.failures = 0;
            let Some(item) = direction.waiting.pop_front() else { return };
            self.schedule(arrived_us, to, Moment::Arrive { stream, side: 1 - side, item });
        }
    }

    fn retry(&mut self, now_us: u64, stream: u64, side: usize) {
        let config = self.config;
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let sender = state.ends[side];
        let direction = &mut state.directions[side];
        if direction.failures >= config.attempts_max {
            self.cut(now_us, stream);
            return;
        }
        let at_us = now_us.saturating_add(config.timeout_us(direction.failures));
        direction.failures += 1;
        direction.retrying = true;
        self.schedule(at_us, sender, Moment::Retry { stream, side });
    }

    fn transmit_segment(
        &mut self,
        around: &mut Surroundings<'_>,
        from: u32,
        to: u32,
        len_bytes: u32,
    ) -> Option<u64> {
        let mut draw = self.draw(from);
        around.network.transmit(around.now_us, from, to, len_bytes, &mut draw)
    }

    fn draw(&mut self, node: u32) -> Draw {
        let index = node as usize;
        if index >= self.segments_sent.len() {
            self.segments_sent.resize(index + 1, 0);
        }
        let number = self.segments_sent[index];
        self.segments_sent[index] += 1;
        self.dice.draw(Purpose::Stream, node, number)
    }

    fn schedule(&mut self, at_us: u64, node: u32, moment: Moment<F>) {
        let slot = self.moments.insert(moment);
        self.scheduled.push((at_us, node, slot));
    }
}

impl<F> Stream<F> {
    fn side(&self, node: u32) -> Option<usize> {
        self.ends.iter().position(|&end| end == node)
    }
}
