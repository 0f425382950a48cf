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

fn main() {
    let name = |text: &str| Name::new(text).expect("neither empty nor long");
    let config = Arc::new(Config { heartbeat: Some(Span::from_secs(1)), ..Config::default() });
    let addrs = [1, 2].map(|at| Addr { ip: [at; 16], port: 7400 });
    let mut nodes = [0, 1].map(|at| {
        let identity = Identity::new(name(NAMES[at]), Boot(1), addrs[at]);
        Node::new(identity, config.clone(), &Arc::default(), None, Seed(1), Time::ZERO)
    });
    let command = |command| OwnedInput::Command { token: 1, command };
    let origin = Command::PutOrigin {
        name: name("web"),
        spec: OriginSpec::new("http://10.0.0.7/"),
        source: name("me"),
    };
    // What is to happen when, to which node.
    let mut agenda: Vec<(Time, usize, OwnedInput)> = vec![
        (Time::ZERO, 0, command(Command::Join { peers: [].into() })),
        (Time::ZERO, 1, command(Command::Join { peers: [addrs[0]].into() })),
        (Time(10_000_000), 0, command(origin)),
    ];
    let (mut dice, mut effects) = (Stream::new(Seed(1), 7), Effects::default());
    let until = Time(60_000_000);
    loop {
        // Whatever comes first: what is on the agenda, or when a node wants to be woken.
        let woken = (0..2).map(|at| (nodes[at].next_wake().0, at)).min().expect("there are two");
        let (now, at, input) = match (0..agenda.len()).min_by_key(|&item| agenda[item].0) {
            Some(first) if agenda[first].0 <= woken.0 => agenda.remove(first),
            _ => (woken.0, woken.1, OwnedInput::Timeout),
        };
        if now > until {
            break;
        }
        nodes[at].step(now, input.as_input(), &mut effects);
        for sent in effects.datagrams.drain(..) {
            for to in &effects.targets[sent.to.start as usize..sent.to.end as usize] {
                if let Some(to) = addrs.iter().position(|addr| addr == to).filter(|_| dice.below(2) == 0) {
                    let packet = Box::new(sent.packet.clone());
                    agenda.push((
                        now + Span::from_ms(20),
                        to,
                        OwnedInput::Datagram { from: addrs[at], packet },
                    ));
                }
            }
        }
        // There are no streams here. What they would bring comes by datagrams, more slowly.
        for stream in effects.streams.drain(..) {
            if let StreamEffect::Open { peer } = stream {
                agenda.push((now, at, OwnedInput::StreamRefused { peer }));
            }
        }
        if let Some((up_to, _)) = effects.records.drain(..).last() {
            agenda.push((now, at, OwnedInput::Persisted { up_to }));
        }
        for probe in effects.probes.drain(..) {
            let reply =
                if now < Time(30_000_000) { Reply::Status(200) } else { Reply::Failed(Failure::Connect) };
            let took = Span::from_ms(5);
            agenda.push((
                now + took,
                at,
                OwnedInput::Probe(ProbeOutcome { probe: probe.probe, reply, took }),
            ));
        }
        effects.targets.clear();
        for event in effects.events.drain(..) {
            if let Event::Changed(Change::Learned(entry)) = event
                && let Some(claim) = entry.claim()
            {
                let secs = now.0 as f64 / 1e6;
                println!("{secs:7.3} s  {} learns that {} is {:?}", NAMES[at], claim.origin, claim.state);
            }
        }
    }
    for node in &nodes {
        let health = node.view().health(Scope::CLUSTER, &name("web"), until).expect("both know it by now");
        println!(
            "{}: {:?}, {} ms old",
            node.view().name(),
            health.state,
            health.age.map_or(0, |age| age.as_us() / 1_000)
        );
    }
}
