//! Whatever the decoder lets through, a step takes: odd peers are counted, never a reason to panic.

mod values;

use std::sync::Arc;

use heck_core::Node;
use heck_core::config::Config;
use heck_core::effects::Effects;
use heck_core::entry::OriginSpec;
use heck_core::id::{Addr, Boot, Name};
use heck_core::input::{Command, Input, OwnedInput};
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn victim() -> Node {
    let name = |text| Name::new(text).expect("a valid name");
    let members = ["victim", "peer"].map(|text| Member::new(name(text), Addr::default()));
    let base = Base { members: Members::new(members.to_vec()), formed: true, ..Base::default() };
    let identity = Identity { name: name("victim"), boot: Boot(1), addr: Addr::default() };
    Node::new(identity, Arc::new(Config::default()), &Arc::new(base), None, Seed(1), Time(1_000_000))
}

fn write(node: &mut Node, now: Time, effects: &mut Effects) {
    let name = Name::new("a").expect("a valid name");
    let origin = Command::PutOrigin { name: name.clone(), spec: OriginSpec::new("t"), source: name.clone() };
    let key = Command::PutKey { name, value: now.0.to_le_bytes().as_slice().into() };
    for command in [&origin, &key] {
        node.step(now, Input::Command { token: 1, command }, effects);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_decoded_packet_makes_a_step_panic(
        packets in prop::collection::vec((values::packet(), any::<bool>(), any::<bool>()), 1..12),
        inputs in prop::collection::vec(values::input(), 0..6),
    ) {
        let mut node = victim();
        let members: Vec<_> = node.view().members().iter().map(|member| member.node).collect();
        let me = node.view().writer();
        let mut now = Time(1_000_000);
        let mut effects = Effects::default();
        write(&mut node, now, &mut effects);
        let others = inputs.iter().map(OwnedInput::as_input);
        let mut inputs: Vec<(Input<'_>, bool)> = others.map(|input| (input, false)).collect();
        let packets: Vec<_> = packets
            .into_iter()
            .map(|(mut packet, known, own)| {
                if known {
                    packet.sender = members[0];
                }
                if own {
                    // As if it had lived before: the worst that a peer can say of a node is what it wrote itself.
                    packet.answer_lanes.iter_mut().for_each(|answer| answer.lane.writer.node = me.node);
                }
                packet
            })
            .collect();
        inputs.extend(packets.iter().map(|packet| (Input::Datagram { from: Addr::default(), packet }, true)));
        for (input, writes) in inputs {
            node.step(now, input, &mut effects);
            effects.clear();
            if writes {
                write(&mut node, now, &mut effects);
            }
            now += Span::from_ms(700);
            node.step(now, Input::Timeout, &mut effects);
            effects.clear();
            let state = node.view().state();
            for shard in 0..=u8::MAX {
                let shard = heck_core::id::Shard(shard);
                prop_assert_eq!(state.recomputed_shard_hash(shard), state.context().shard_hash(shard));
            }
        }
    }
}
