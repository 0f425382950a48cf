//! The ping workload: each second each node pings a random peer, which answers. It measures the engine.

use heck_core::rng::Seed;
use heck_core::time::{Span, Time};

use crate::engine::draw::{Dice, Purpose};
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Message, Never, Protocol};

/// How often each node pings.
pub const PERIOD: Span = Span::from_secs(1);

/// A node that pings.
#[derive(Clone, Debug)]
pub struct Ping {
    dice: Dice,
    node: u32,
    nodes: u32,
    rounds: u32,
    acks: u32,
    next_ping: Time,
}

/// Ping or ack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Whether it answers.
    pub ack: bool,
    /// The round of the node that asks.
    pub round: u32,
}

impl Ping {
    /// Node `node` of `nodes`, which first pings at a random moment of the first second.
    #[must_use]
    pub fn new(seed: Seed, node: u32, nodes: u32) -> Self {
        let dice = Dice::new(seed);
        let phase = dice.draw(Purpose::Protocol, node, 0).word(1);
        let next_ping = Time((u64::from(phase) * PERIOD.0) >> 32);
        Self { dice, node, nodes, rounds: 0, acks: 0, next_ping }
    }

    /// How many pings it sent.
    #[must_use]
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// How many of them were answered.
    #[must_use]
    pub const fn acks(&self) -> u32 {
        self.acks
    }

    /// Any node but this one, each equally likely.
    fn random_peer(&self) -> u32 {
        let word = self.dice.draw(Purpose::Protocol, self.node, u64::from(self.rounds)).word(0);
        let peer = ((u64::from(word) * u64::from(self.nodes.saturating_sub(1))) >> 32) as u32;
        peer + u32::from(peer >= self.node)
    }
}

impl Protocol for Ping {
    type Packet = Packet;
    type Frame = Never;
    type Record = ();
    type Command = ();
    type Event = ();
    type Scratch = ();

    fn step(&mut self, _: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => {
                self.rounds += 1;
                self.next_ping += PERIOD;
                out.send(self.random_peer(), Packet { ack: false, round: self.rounds });
            }
            Input::Datagram { from, packet: Packet { ack: false, round } } => {
                out.send(from, Packet { ack: true, round: *round });
            }
            Input::Datagram { packet: Packet { ack: true, .. }, .. } => self.acks += 1,
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.next_ping
    }
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        5
    }

    fn content_word(&self) -> u64 {
        (u64::from(self.ack) << 32) | u64::from(self.round)
    }

    fn encode(&self, into: &mut Vec<u8>) {
        into.push(u8::from(self.ack));
        into.extend_from_slice(&self.round.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        match bytes {
            [kind @ (0 | 1), round @ ..] => {
                let round = round.try_into().map_err(|_| format!("a round of {} bytes", round.len()))?;
                Ok(Self { ack: *kind == 1, round: u32::from_le_bytes(round) })
            }
            _ => Err("a ping begins with 0, an ack with 1".into()),
        }
    }
}
