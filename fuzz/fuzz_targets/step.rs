//! A node that checks origins is fed with inputs of any kind, at any times: it does not panic, and what it holds for itself stays
//! bounded by what arrived.
#![no_main]

use arbitrary::Arbitrary;
use heck_core::Node;
use heck_core::codec::decode_input;
use heck_core::config::Config;
use heck_core::effects::Effects;
use heck_core::id::{Addr, Boot, Name};
use heck_core::input::Input;
use heck_core::limits::Limits;
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

/// Time passes, and then this arrives.
#[derive(Arbitrary, Debug)]
struct Step {
    after_ms: u16,
    input: Vec<u8>,
}

fn node() -> Node {
    let name = |text| Name::new(text).expect("neither empty nor long");
    let members = ["victim", "peer", "third"].map(|text| Member::new(name(text), Addr::default()));
    let base = Base { members: Members::new(members.to_vec()), formed: true, ..Base::default() };
    let identity = Identity::new(name("victim"), Boot(1), Addr::default());
    let config = Config { checks: Some(Limits::default()), ..Config::default() };
    Node::new(identity, Arc::new(config), &Arc::new(base), None, Seed(1), Time(1_000_000))
}

fuzz_target!(|steps: Vec<Step>| {
    let (mut node, mut effects, mut now) = (node(), Effects::default(), Time(1_000_000));
    let mut arrived = 0;
    for Step { after_ms, input } in &steps {
        let until = now + Span::from_ms((*after_ms).into());
        // A driver wakes the node when it asks for that; a few times, as a fuzzer would make it days.
        for _ in 0..8 {
            let (wake, _) = node.next_wake();
            if wake > until {
                break;
            }
            now = now.max(wake);
            node.step(now, Input::Timeout, &mut effects);
            effects.clear();
        }
        now = until;
        if let Ok(input) = decode_input(input) {
            node.step(now, input.as_input(), &mut effects);
            effects.clear();
        }
        arrived += input.len();
    }
    let held: usize = node.view().private_sizes().into_iter().sum();
    assert!(held <= 1_000 + 8 * arrived, "{held} pieces of {arrived} bytes");
});
