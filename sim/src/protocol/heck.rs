//! heck's own node in the simulator: the unmodified `heck_core::Node`, with the core's effects carried over.

use heck_core::effects::{Effects, Event, Record, StreamEffect};
use heck_core::entry::Minted;
use heck_core::hash::mix;
use heck_core::id::{Addr, Boot, StreamId};
use heck_core::input::{self, Verdict};
use heck_core::node::Node;
use heck_core::packet::Packet;
use heck_core::probe::ProbeOutcome;
use heck_core::time::Time;
use heck_core::{codec, node};

use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Message, Protocol};

/// A node of heck under simulation.
#[derive(Debug)]
pub struct Heck {
    node: Node,
    /// Streams that were asked for and are not open yet: if one ends now, it was refused.
    opening: Vec<(u64, u32)>,
}

/// What a workload asks of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeckCommand {
    /// What a client asks.
    Client(input::Command),
    /// Somebody beside the node has checked an origin.
    Verdict(Verdict),
    /// A probe that the node asked for in this life has ended.
    Probe {
        /// How.
        outcome: ProbeOutcome,
        /// The life.
        boot: Boot,
    },
}

/// The address of the node with this index.
#[must_use]
pub const fn addr_of(node: u32) -> Addr {
    let mut ip = [0; 16];
    let index = node.to_be_bytes();
    // An address of the documentation prefix 2001:db8::/32, which no real host has.
    (ip[0], ip[1], ip[2], ip[3]) = (0x20, 0x01, 0x0d, 0xb8);
    (ip[12], ip[13], ip[14], ip[15]) = (index[0], index[1], index[2], index[3]);
    Addr { ip, port: 7400 }
}

const fn node_at(addr: Addr) -> u32 {
    u32::from_be_bytes([addr.ip[12], addr.ip[13], addr.ip[14], addr.ip[15]])
}

impl Heck {
    /// Puts a node under simulation.
    #[must_use]
    pub const fn new(node: Node) -> Self {
        Self { node, opening: Vec::new() }
    }

    /// The node.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Changes what the node is a difference of; see `Node::rebase`.
    pub fn rebase(&mut self, base: &std::sync::Arc<node::Base>) {
        self.node.rebase(base);
    }

    fn carry_over(&mut self, effects: &mut Effects, out: &mut Outbox<Self>) {
        for datagram in effects.datagrams.drain(..) {
            let to = &effects.targets[datagram.to.start as usize..datagram.to.end as usize];
            out.send_to_all(to.iter().map(|&addr| node_at(addr)), datagram.packet);
        }
        for effect in effects.streams.drain(..) {
            match effect {
                StreamEffect::Open { peer } => {
                    let stream = out.open_stream(node_at(peer));
                    self.opening.push((stream, node_at(peer)));
                }
                StreamEffect::Frame { stream, packet } => out.send_frame(stream.0, packet),
                StreamEffect::Close { stream } => out.close_stream(stream.0),
            }
        }
        for (sequence, record) in effects.records.drain(..) {
            out.persist(sequence, record);
        }
        for event in effects.events.drain(..) {
            out.report(event);
        }
        // Probes stay in the effects until the next step, for whoever observes this one to carry them out.
        let probes = std::mem::take(&mut effects.probes);
        effects.clear();
        effects.probes = probes;
    }
}

impl Protocol for Heck {
    type Packet = Packet;
    type Frame = Box<Packet>;
    type Record = Record;
    type Command = HeckCommand;
    type Event = Event;
    type Scratch = Effects;

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        let mut effects = std::mem::take(&mut out.scratch);
        effects.probes.clear();
        while let Some(packet) = out.recycled.pop() {
            effects.recycle(packet);
        }
        let node_boot = self.node.view().writer().boot;
        let node = &mut self.node;
        let effects_ref = &mut effects;
        let mut step = |input: input::Input<'_>| node.step(now, input, effects_ref);
        match input {
            Input::Timeout => step(input::Input::Timeout),
            Input::Datagram { from, packet } => {
                step(input::Input::Datagram { from: addr_of(from), packet });
            }
            Input::StreamOpened { stream, peer, ours } => {
                if ours {
                    self.opening.retain(|(opening, _)| *opening != stream);
                }
                step(input::Input::StreamOpened { stream: StreamId(stream), peer: addr_of(peer), ours });
            }
            Input::StreamFrame { stream, frame } => {
                step(input::Input::StreamFrame { stream: StreamId(stream), packet: frame });
            }
            Input::StreamClosed { stream } => {
                match self.opening.iter().position(|(opening, _)| *opening == stream) {
                    Some(at) => {
                        let (_, peer) = self.opening.swap_remove(at);
                        step(input::Input::StreamRefused { peer: addr_of(peer) });
                    }
                    None => step(input::Input::StreamClosed { stream: StreamId(stream) }),
                }
            }
            Input::Persisted { up_to } => step(input::Input::Persisted { up_to }),
            Input::Command { token, command: HeckCommand::Client(command) } => {
                step(input::Input::Command { token, command: &command });
            }
            Input::Command { command: HeckCommand::Verdict(verdict), .. } => {
                step(input::Input::Verdict(&verdict));
            }
            Input::Command { command: HeckCommand::Probe { outcome, boot }, .. } => {
                let is_asked = boot == node_boot;
                step(if is_asked { input::Input::Probe(outcome) } else { input::Input::Timeout });
            }
        }
        self.carry_over(&mut effects, out);
        out.scratch = effects;
    }

    fn next_wake(&self) -> Time {
        self.node.next_wake().0
    }
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        codec::packet_len(self) as u32
    }

    fn content_word(&self) -> u64 {
        let mut word = mix(self.hash, u64::from(self.nonce) << 8 | self.kind as u64);
        word = mix(word, self.sender.0 ^ self.mismatch);
        for carried in &self.entries {
            let dot = carried.entry.dot;
            word = mix(word, dot.lane.writer.node.0 ^ dot.counter.rotate_left(32) ^ carried.age.as_us());
        }
        for beat in &self.beats {
            word = mix(word, beat.writer.node.0 ^ u64::from(beat.number).rotate_left(32) ^ beat.age.as_us());
        }
        if let Some(question) = &self.question {
            word = mix(word, question.origin.hash() ^ u64::from(question.down));
            if let Some(Minted { writer, counter }) = question.generation {
                word = mix(mix(word, writer.node.0 ^ writer.boot.0), counter);
            }
        }
        word = self.overdue.iter().fold(word ^ u64::from(self.joins), |word, node| mix(word, node.0));
        let sizes = [self.filter.len(), self.window_lanes.len(), self.answer_lanes.len()];
        sizes.iter().fold(word, |word, &size| mix(word, size as u64))
    }

    fn encode(&self, into: &mut Vec<u8>) {
        codec::encode_packet(self, into);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut packet = Self::default();
        codec::decode_packet(bytes, &mut packet).map_err(|error| error.to_string())?;
        Ok(packet)
    }
}

impl Message for Box<Packet> {
    fn wire_len(&self) -> u32 {
        self.as_ref().wire_len()
    }

    fn content_word(&self) -> u64 {
        self.as_ref().content_word()
    }

    fn encode(&self, into: &mut Vec<u8>) {
        self.as_ref().encode(into);
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        Packet::decode(bytes).map(Self::new)
    }
}
