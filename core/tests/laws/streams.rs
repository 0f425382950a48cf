//! Streams: a serving node neither floods a slow peer nor waits for a silent one for ever.

use crate::common::{addr, name};
use crate::law::{Law, Trial};
use heck_core::config::Config;
use heck_core::effects::{Effects, Phase, StreamEffect};
use heck_core::id::{Boot, StreamId};
use heck_core::input::{Command, Input};
use heck_core::member::{Member, Members};
use heck_core::mutant::Planted;
use heck_core::node::{Base, Identity, Node};
use heck_core::packet::{Packet, PacketKind};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

const STREAM: StreamId = StreamId(1);
const STREAM_TIMEOUT: Span = Span::from_secs(10);

/// A node that serves a stream, and one that joins by it.
struct Ends {
    server: Node,
    joiner: Node,
    now: Time,
    to_joiner: VecDeque<Packet>,
    to_server: VecDeque<Packet>,
    /// Answers that were sent and not confirmed.
    unconfirmed: usize,
    most_unconfirmed: usize,
    closed: bool,
}

impl Ends {
    fn new(keys: u32, planted: Planted) -> Self {
        let members = (0..2).map(|at| Member::new(name(&format!("{at}")), addr(at))).collect();
        let base = Arc::new(Base { members: Members::new(members), ..Base::default() });
        let config = Config {
            membership: None,
            frame_bytes: 4_096,
            stream_timeout: STREAM_TIMEOUT,
            planted,
            ..Config::default()
        };
        let node = |at| {
            let identity = Identity::new(name(&format!("{at}")), Boot(1), addr(at));
            Node::new(identity, Arc::new(config.clone()), &base, None, Seed(1), Time::ZERO)
        };
        let mut ends = Self {
            server: node(0),
            joiner: node(1),
            now: Time::ZERO,
            to_joiner: VecDeque::new(),
            to_server: VecDeque::new(),
            unconfirmed: 0,
            most_unconfirmed: 0,
            closed: false,
        };
        ends.command(0, &Command::Join { peers: [].as_slice().into() });
        for key in 0..keys {
            let value = vec![7; 150].into();
            ends.command(0, &Command::PutKey { name: name(&format!("key-{key}")), value });
        }
        ends.command(1, &Command::Join { peers: [addr(0)].as_slice().into() });
        ends.step(0, Input::StreamOpened { stream: STREAM, peer: addr(1), ours: false });
        ends.step(1, Input::StreamOpened { stream: STREAM, peer: addr(0), ours: true });
        ends
    }

    fn command(&mut self, at: usize, command: &Command) {
        self.step(at, Input::Command { token: 1, command });
    }

    fn step(&mut self, at: usize, input: Input<'_>) {
        let mut effects = Effects::default();
        let node = if at == 0 { &mut self.server } else { &mut self.joiner };
        node.step(self.now, input, &mut effects);
        for effect in effects.streams {
            match effect {
                StreamEffect::Frame { packet, .. } if at == 0 => {
                    self.unconfirmed += usize::from(packet.kind == PacketKind::SyncAnswer);
                    self.most_unconfirmed = self.most_unconfirmed.max(self.unconfirmed);
                    self.to_joiner.push_back(*packet);
                }
                StreamEffect::Frame { packet, .. } => self.to_server.push_back(*packet),
                StreamEffect::Close { .. } => self.closed = true,
                StreamEffect::Open { .. } => {}
            }
        }
    }

    /// Brings the next frame to one of the ends.
    fn deliver(&mut self, at: usize) {
        let queue = if at == 0 { &mut self.to_server } else { &mut self.to_joiner };
        let Some(packet) = queue.pop_front() else { return };
        if at == 0 && packet.windows.is_empty() {
            self.unconfirmed -= 1;
        }
        self.step(at, Input::StreamFrame { stream: STREAM, packet: &packet });
    }
}

pub const STREAMS_ARE_PACED: Law = Law {
    name: "a stream has a bounded number of frames under way, brings everything, and ends when its peer falls silent",
    seed: 66,
    cases: 24,
    check: streams_are_paced,
};

fn streams_are_paced(trial: &Trial) -> Result<(), String> {
    let order = proptest::collection::vec(0..2_usize, 0..40);
    trial.for_all(&(200..700_u32, order, any::<bool>()), |(keys, order, falls_silent), planted| {
        let mut ends = Ends::new(keys, planted);
        order.into_iter().for_each(|at| ends.deliver(at));
        if falls_silent && !ends.closed {
            ends.now += STREAM_TIMEOUT;
            ends.step(0, Input::Timeout);
            prop_assert!(ends.closed, "the stream of a silent peer stays open");
        } else {
            while !ends.to_server.is_empty() || !ends.to_joiner.is_empty() {
                ends.deliver(0);
                ends.deliver(1);
            }
            prop_assert_eq!(ends.joiner.view().phase(), Phase::Serving);
            prop_assert_eq!(ends.joiner.view().hash(), ends.server.view().hash());
        }
        prop_assert!(ends.most_unconfirmed <= 3, "{} frames under way", ends.most_unconfirmed);
        Ok(())
    })
}

#[test]
fn a_stream_goes_no_faster_than_its_peer_confirms() {
    STREAMS_ARE_PACED.hold();
}
