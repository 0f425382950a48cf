//! A warm node allocates nothing for the messages that it exchanges day in, day out.

mod common;

use std::collections::VecDeque;
use std::sync::Arc;

use common::{addr, name};
use heck_core::Node;
use heck_core::check::{Action, Checker};
use heck_core::config::Config;
use heck_core::effects::Effects;
use heck_core::entry::{Admin, HealthState, OriginSpec};
use heck_core::id::{Boot, NodeId};
use heck_core::input::{Command, Input};
use heck_core::limits::Limits;
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity};
use heck_core::packet::Packet;
use heck_core::policy::Policy;
use heck_core::probe::{Probe, ProbeId, ProbeOutcome, Reply};
use heck_core::recording::Scribe;
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};

/// Two nodes that talk to each other without loss or delay, and nothing else.
struct Pair {
    nodes: [Node; 2],
    effects: Effects,
    under_way: VecDeque<(usize, Packet)>,
    /// Probes that have ended; origins answer at once.
    ended: VecDeque<(usize, ProbeOutcome)>,
    now: Time,
    steps: u64,
    probes: u64,
    /// Writes down what the first node does, if it is set.
    scribe: Option<Scribe>,
    written: usize,
    bytes: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let members =
            (0..2).map(|n| Member::new(name(&format!("node-{n}")), addr(n)).in_life(Boot(1))).collect();
        let base = Arc::new(Base { members: Members::new(members), formed: true, ..Base::default() });
        let config = Arc::new(Config::default());
        let node = |n: usize| {
            let identity = Identity::new(name(&format!("node-{n}")), Boot(1), addr(n));
            Node::new(identity, config.clone(), &base, None, Seed(1), Time::ZERO)
        };
        let nodes = [node(0), node(1)];
        let (effects, under_way) = (Effects::default(), VecDeque::new());
        let ended = VecDeque::new();
        let (now, bytes) = (Time::ZERO, Vec::new());
        Self { nodes, effects, under_way, ended, now, steps: 0, probes: 0, scribe: None, written: 0, bytes }
    }

    /// Steps a node; every datagram reaches the other one at once, and what that one answers comes back.
    fn step(&mut self, at: usize, input: Input<'_>) {
        self.take(at, input);
        while let Some((to, packet)) = self.under_way.pop_front() {
            self.take(to, Input::Datagram { from: addr(1 - to), packet: &packet });
            self.effects.recycle(packet);
        }
        while let Some((at, outcome)) = self.ended.pop_front() {
            self.probes += 1;
            self.step(at, Input::Probe(outcome));
        }
    }

    fn take(&mut self, at: usize, input: Input<'_>) {
        self.steps += 1;
        self.nodes[at].step(self.now, input, &mut self.effects);
        if let Some(scribe) = self.scribe.as_mut().filter(|_| at == 0) {
            self.bytes.clear();
            scribe.begin_step(self.now, input);
            scribe.end_step(&self.effects, &mut self.bytes);
            self.written += self.bytes.len();
        }
        let sent = self.effects.datagrams.drain(..).map(|datagram| (1 - at, datagram.packet));
        self.under_way.extend(sent);
        let ended = self.effects.probes.drain(..).map(|Probe { probe, .. }| {
            (at, ProbeOutcome { probe, reply: Reply::Status(200), took: Span::from_ms(20) })
        });
        self.ended.extend(ended);
        self.effects.clear();
    }

    fn run_for(&mut self, span: Span) {
        let until = self.now + span;
        loop {
            let (at, wake) = (0..2)
                .map(|n| (n, self.nodes[n].next_wake().0))
                .min_by_key(|(_, wake)| *wake)
                .expect("there are two nodes");
            if wake > until {
                break;
            }
            self.now = self.now.max(wake);
            self.step(at, Input::Timeout);
        }
        self.now = until;
    }
}

#[test]
fn a_warm_exchange_allocates_nothing() {
    let mut pair = Pair::new();
    for n in 0..100 {
        let command = Command::PutKey { name: name(&format!("key-{n}")), value: [0; 32].as_slice().into() };
        pair.step(n % 2, Input::Command { token: 0, command: &command });
        pair.run_for(Span::from_ms(500));
    }
    pair.run_for(Span::from_secs(120));
    assert_eq!(pair.nodes[0].view().hash(), pair.nodes[1].view().hash());
    let before = pair.steps;
    let counted = allocation_counter::measure(|| pair.run_for(Span::from_secs(3_600)));
    let steps = pair.steps - before;
    assert!(steps > 10_000, "an hour has over 10,000 steps, not {steps}");
    assert_eq!(counted.count_total, 0, "{steps} steps of ping, ack and heartbeats");
}

#[test]
fn nodes_that_check_origins_on_schedule_allocate_nothing() {
    let mut pair = Pair::new();
    for n in 0..200 {
        let origin = name(&format!("origin-{n}"));
        let spec = OriginSpec::new("http://10.0.0.7/");
        let command = Command::PutOrigin { name: origin, spec, source: name("test") };
        pair.step(n % 2, Input::Command { token: 0, command: &command });
        pair.run_for(Span::from_ms(100));
    }
    pair.run_for(Span::from_secs(120));
    let before = pair.probes;
    let counted = allocation_counter::measure(|| pair.run_for(Span::from_secs(600)));
    let probes = pair.probes - before;
    assert_eq!(probes, 200 * 120);
    assert_eq!(counted.count_total, 0, "{probes} probes");
}

/// A checker whose probes all end after 20 ms; one in seven is bad, so that checks hurry and slow down again.
struct Checks {
    checker: Checker,
    actions: Vec<Action>,
    under_way: VecDeque<(Time, ProbeId)>,
    now: Time,
    probes: u64,
}

impl Checks {
    fn run_for(&mut self, span: Span) {
        let until = self.now + span;
        loop {
            let ends = self.under_way.front().map_or(Time::NEVER, |(at, _)| *at);
            let wake = self.checker.next_wake();
            if ends.min(wake) > until {
                self.now = until;
                return;
            }
            self.now = self.now.max(ends.min(wake));
            if ends <= wake {
                let Some((_, probe)) = self.under_way.pop_front() else { return };
                let reply = Reply::Status(if self.probes.is_multiple_of(7) { 500 } else { 200 });
                self.checker.outcome(probe, reply, Span::from_ms(20), self.now, &mut self.actions);
            } else {
                self.checker.tick(self.now, &mut self.actions);
            }
            for action in self.actions.drain(..) {
                if let Action::Probe { probe, .. } = action {
                    self.probes += 1;
                    self.under_way.push_back((self.now + Span::from_ms(20), probe));
                }
            }
        }
    }
}

#[test]
fn a_warm_checker_of_10_000_origins_allocates_nothing() {
    let mut checks = Checks {
        checker: Checker::new(NodeId(1), Limits::default(), Time::ZERO),
        actions: Vec::new(),
        under_way: VecDeque::new(),
        now: Time::ZERO,
        probes: 0,
    };
    let policy = Arc::new(Policy::default());
    for n in 0..10_000 {
        let origin = name(&format!("origin-{n}"));
        checks.checker.gain(&origin, &policy, Admin::Enabled, HealthState::Healthy, Time::ZERO);
    }
    checks.run_for(Span::from_secs(30));
    let before = checks.probes;
    let counted = allocation_counter::measure(|| checks.run_for(Span::from_secs(20)));
    let probes = checks.probes - before;
    assert!(probes > 40_000, "20 s have over 40,000 probes, not {probes}");
    assert_eq!(counted.count_total, 0, "{probes} probes");
}

#[test]
fn writing_down_a_warm_exchange_allocates_nothing() {
    let mut pair = Pair::new();
    let (mut scribe, mut bytes) = (Scribe::new(1), Vec::new());
    scribe.begin_file(&pair.nodes[0], pair.now, &mut bytes);
    pair.scribe = Some(scribe);
    pair.run_for(Span::from_secs(120));
    let before = pair.written;
    let counted = allocation_counter::measure(|| pair.run_for(Span::from_secs(600)));
    let written = pair.written - before;
    assert!(written > 50_000, "{written} bytes");
    assert_eq!(counted.count_total, 0);
}
