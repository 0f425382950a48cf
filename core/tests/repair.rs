//! What one exchange repairs.

mod common;

use common::{addr, name};
use heck_core::config::Config;
use heck_core::effects::Effects;
use heck_core::entry::{
    Ballot, Body, Claim, Confirmation, Entry, HealthState, Hold, Minted, OriginSpec, Replaced, Scope,
    Superseded,
};
use heck_core::id::{Boot, NodeId, Writer};
use heck_core::input::Input;
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity, Node};
use heck_core::packet::{Carried, Packet, PacketKind};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use std::sync::Arc;

const WRITER: &str = "writer";

/// Two nodes that know each other and the writer of all entries.
struct Pair {
    nodes: [Node; 2],
    now: Time,
}

impl Pair {
    fn new() -> Self {
        let names = ["asking", "asked", WRITER];
        let members = names.iter().zip(0..).map(|(text, at)| Member::new(name(text), addr(at)));
        let members = Members::new(members.collect());
        let base = Arc::new(Base { members, formed: true, ..Base::default() });
        let nodes = [0, 1].map(|at| {
            let identity = Identity::new(name(names[at]), Boot(1), addr(at));
            Node::new(identity, Arc::new(Config::default()), &base, None, Seed(1), Time::ZERO)
        });
        Self { nodes, now: Time::ZERO }
    }

    fn push(&mut self, to: usize, entry: &Arc<Entry>) {
        let mut packet = Packet::default();
        packet.reset(PacketKind::Push, NodeId::of(&name(WRITER)));
        packet.entries.push(Carried { entry: entry.clone(), age: Span::ZERO });
        let input = Input::Datagram { from: addr(2), packet: &packet };
        self.nodes[to].step(self.now, input, &mut Effects::default());
    }

    fn agree(&self) -> bool {
        self.nodes[0].view().hash() == self.nodes[1].view().hash()
    }

    /// The first node asks, until it has asked the second, which answers.
    fn exchange(&mut self) {
        for _ in 0..32 {
            self.now = self.nodes[0].next_wake().0;
            let mut effects = Effects::default();
            self.nodes[0].step(self.now, Input::Timeout, &mut effects);
            for datagram in &effects.datagrams {
                let to = &effects.targets[datagram.to.start as usize..datagram.to.end as usize];
                if datagram.packet.kind != PacketKind::Request || to != [addr(1)] {
                    continue;
                }
                let mut answer = Effects::default();
                let input = Input::Datagram { from: addr(0), packet: &datagram.packet };
                self.nodes[1].step(self.now, input, &mut answer);
                let reply = answer.datagrams.iter().find(|sent| sent.packet.kind == PacketKind::Reply);
                let reply = &reply.expect("a request is answered").packet;
                let input = Input::Datagram { from: addr(1), packet: reply };
                return self.nodes[0].step(self.now, input, &mut Effects::default());
            }
        }
        panic!("the first node never asks the second");
    }
}

fn entry(counter: u64, serial: u64, supersedes: Superseded, body: Body) -> Arc<Entry> {
    let writer = Writer { node: NodeId::of(&name(WRITER)), boot: Boot(1) };
    Arc::new(Entry::new(writer, counter, serial, supersedes, body))
}

/// The `counter`-th write of a key, which replaces the one before.
fn write(counter: u64) -> Arc<Entry> {
    let writer = Writer { node: NodeId::of(&name(WRITER)), boot: Boot(1) };
    let before = (counter > 1).then(|| {
        let minted = Minted { writer, counter: counter - 1 };
        Replaced { minted, serial: counter - 1 }
    });
    let body = Body::Key { name: name("key"), value: [counter as u8].as_slice().into() };
    entry(counter, counter, before.into_iter().collect(), body)
}

fn origin() -> Arc<Entry> {
    let (name, source) = (name("origin"), name("test"));
    entry(1, 1, Superseded::new(), Body::Origin { name, spec: OriginSpec::new("http://a/"), source })
}

/// The `counter`-th claim for the origin.
fn claim(counter: u64) -> Arc<Entry> {
    let origin = origin();
    let writer = origin.dot.lane.writer;
    let body = Body::Claim(Claim {
        confirmation: Confirmation::default(),
        cause: None,
        scope: Scope::default(),
        origin: name("origin"),
        generation: Minted::from(origin.dot),
        ballot: Ballot { epoch: 1, rank: 0, writer, sequence: counter },
        hold: Hold::Held,
        state: HealthState::Healthy,
        previous: HealthState::Unknown,
        since: Time::ZERO,
    });
    entry(counter, counter, Superseded::new(), body)
}

#[test]
fn one_exchange_brings_what_an_entry_took_out_that_was_replaced_before_it_came() {
    let mut pair = Pair::new();
    for (node, writes) in [(0, [1, 3].as_slice()), (1, &[1, 2, 3])] {
        writes.iter().for_each(|&counter| pair.push(node, &write(counter)));
    }
    assert_eq!(pair.nodes[0].view().state().live_len(), 2, "nobody told it that the first write is replaced");
    assert!(!pair.agree());
    pair.exchange();
    assert!(pair.agree());
    assert_eq!(pair.nodes[0].view().state().live_len(), 1);
}

#[test]
fn one_exchange_brings_the_claims_that_greater_ones_overtook() {
    let mut pair = Pair::new();
    for (node, claims) in [(0, [1, 4].as_slice()), (1, &[1, 2, 3, 4])] {
        pair.push(node, &origin());
        claims.iter().for_each(|&counter| pair.push(node, &claim(counter)));
    }
    let live = |pair: &Pair, node: usize| pair.nodes[node].view().state().live_len();
    assert_eq!((live(&pair, 0), live(&pair, 1)), (2, 2), "both show the same");
    assert!(!pair.agree(), "a gap in the writer's claims keeps its heartbeats from counting");
    pair.exchange();
    assert!(pair.agree());
}
