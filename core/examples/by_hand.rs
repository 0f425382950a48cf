//! Two nodes driven by hand: a clock that jumps from event to event, a network that loses half of what is sent, a disk that is
//! never slow, and an origin that goes down. `cargo run -p heck-core --example by_hand`

use heck_core::Node;
use heck_core::config::Config;
use heck_core::effects::{Effects, Event, StreamEffect};
use heck_core::entry::{OriginSpec, Scope};
use heck_core::id::{Addr, Boot, Name};
use heck_core::input::{Command, OwnedInput};
use heck_core::node::Identity;
use heck_core::probe::{Failure, ProbeOutcome, Reply};
use heck_core::rng::{Seed, Stream};
use heck_core::state::Change;
use heck_core::time::{Span, Time};
use std::sync::Arc;

const NAMES: [&str; 2] = ["one", "two"];
const ADDRS: [Addr; 2] = [Addr { ip: [1; 16], port: 7400 }, Addr { ip: [2; 16], port: 7400 }];
const UNTIL: Time = Time(60_000_000);

/// What is to happen when, to which node.
type Agenda = Vec<(Time, usize, OwnedInput)>;

fn name(text: &str) -> Name {
    Name::new(text).expect("neither empty nor long")
}

fn main() {
    let config = Arc::new(Config { heartbeat: Some(Span::from_secs(1)), ..Config::default() });
    let mut nodes = [0, 1].map(|at| {
        let identity = Identity::new(name(NAMES[at]), Boot(1), ADDRS[at]);
        Node::new(identity, config.clone(), &Arc::default(), None, Seed(1), Time::ZERO)
    });
    let command = |command| OwnedInput::Command { token: 1, command };
    let spec = OriginSpec::new("http://10.0.0.7/");
    let mut agenda: Agenda = vec![
        (Time::ZERO, 0, command(Command::Join { peers: [].into() })),
        (Time::ZERO, 1, command(Command::Join { peers: [ADDRS[0]].into() })),
        (Time(10_000_000), 0, command(Command::PutOrigin { name: name("web"), spec, source: name("me") })),
    ];
    let (mut dice, mut effects) = (Stream::new(Seed(1), 7), Effects::default());
    loop {
        // Whatever comes first: what is on the agenda, or when a node wants to be woken.
        let woken = (0..2).map(|at| (nodes[at].next_wake().0, at)).min().expect("there are two");
        let (now, at, input) = match (0..agenda.len()).min_by_key(|&item| agenda[item].0) {
            Some(first) if agenda[first].0 <= woken.0 => agenda.remove(first),
            _ => (woken.0, woken.1, OwnedInput::Timeout),
        };
        if now > UNTIL {
            break;
        }
        nodes[at].step(now, input.as_input(), &mut effects);
        carry_out(&mut effects, at, now, &mut dice, &mut agenda);
    }
    for node in &nodes {
        let health = node.view().health(Scope::CLUSTER, &name("web"), UNTIL).expect("both know it by now");
        let age_ms = health.age.map_or(0, |age| age.as_us() / 1_000);
        println!("{}: {:?}, {age_ms} ms old", node.view().name(), health.state);
    }
}

/// Does what a step wants done, and leaves nothing of it behind.
fn carry_out(effects: &mut Effects, at: usize, now: Time, dice: &mut Stream, agenda: &mut Agenda) {
    for sent in effects.datagrams.drain(..) {
        for to in &effects.targets[sent.to.start as usize..sent.to.end as usize] {
            let arrives = |_: &usize| dice.below(2) == 0;
            if let Some(to) = ADDRS.iter().position(|addr| addr == to).filter(arrives) {
                let packet = Box::new(sent.packet.clone());
                let input = OwnedInput::Datagram { from: ADDRS[at], packet };
                agenda.push((now + Span::from_ms(20), to, input));
            }
        }
    }
    effects.targets.clear();
    // There are no streams here. What they would bring comes by datagrams, more slowly.
    for stream in effects.streams.drain(..) {
        if let StreamEffect::Open { peer } = stream {
            agenda.push((now, at, OwnedInput::StreamRefused { peer }));
        }
    }
    if let Some((up_to, _)) = effects.records.last() {
        agenda.push((now, at, OwnedInput::Persisted { up_to: *up_to }));
    }
    effects.records.clear();
    for probe in effects.probes.drain(..) {
        let is_up = now < Time(30_000_000);
        let reply = if is_up { Reply::Status(200) } else { Reply::Failed(Failure::Connect) };
        let outcome = ProbeOutcome { probe: probe.probe, reply, took: Span::from_ms(5) };
        agenda.push((now + outcome.took, at, OwnedInput::Probe(outcome)));
    }
    for event in effects.events.drain(..) {
        if let Event::Changed(Change::Learned(entry)) = event
            && let Some(claim) = entry.claim()
        {
            let ms = now.0 / 1_000;
            println!("{ms:6} ms  {} learns that {} is {:?}", NAMES[at], claim.origin, claim.state);
        }
    }
}
