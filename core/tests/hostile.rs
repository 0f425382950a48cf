//! Whatever the decoder lets through, a step takes: odd peers are counted, never a reason to panic.

mod values;

use std::sync::Arc;

use heck_core::Node;
use heck_core::codec::{NUMBER_LIMIT, decode_packet, encode_packet};
use heck_core::config::Config;
use heck_core::effects::Effects;
use heck_core::entry::OriginSpec;
use heck_core::id::{Addr, Boot, Lane, Name, NodeId, Shard, Store};
use heck_core::input::{Command, Input, OwnedInput};
use heck_core::interval::IntervalSet;
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity};
use heck_core::packet::{Carried, LaneAnswer, LaneSeen, Packet, PacketKind, Window};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn addr_of(text: &str) -> Addr {
    Addr { port: text.len() as u16, ..Addr::default() }
}

fn victim() -> Node {
    let name = |text| Name::new(text).expect("a valid name");
    let members = ["victim", "peer", "third"].map(|text| Member::new(name(text), addr_of(text)));
    let base = Base { members: Members::new(members.to_vec()), formed: true, ..Base::default() };
    let identity = Identity::new(name("victim"), Boot(1), Addr::default());
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
                let shard = Shard(shard);
                prop_assert_eq!(state.recomputed_shard_hash(shard), state.context().shard_hash(shard));
            }
        }
    }
}

fn from_peer(kind: PacketKind) -> Packet {
    let mut packet = Packet::default();
    packet.reset(kind, NodeId::of(&Name::new("peer").expect("a valid name")));
    packet
}

#[test]
fn a_serial_that_it_has_not_reached_makes_a_node_begin_a_new_life() {
    let mut node = victim();
    let (mut effects, now) = (Effects::default(), Time(1_000_000));
    write(&mut node, now, &mut effects);
    let me = node.view().writer();
    let lane = Lane {
        shard: Shard::of_name(&Name::new("a").expect("a valid name")),
        store: Store::Keys,
        writer: me,
    };
    let mut packet = from_peer(PacketKind::Push);
    packet.answers.push(lane.shard);
    let seen = IntervalSet::range(1, 1);
    packet.answer_lanes.push(LaneAnswer { lane, seen: seen.clone(), live: seen, serial: NUMBER_LIMIT });
    effects.clear();
    node.step(now, Input::Datagram { from: Addr::default(), packet: &packet }, &mut effects);
    assert!(node.view().writer().boot > me.boot);
    write(&mut node, Time(1_000_001), &mut effects);
    let mut told = from_peer(PacketKind::Push);
    told.entries
        .extend(node.view().state().entries().map(|entry| Carried { entry: entry.clone(), age: Span::ZERO }));
    let mut bytes = Vec::new();
    encode_packet(&told, &mut bytes);
    assert_eq!(decode_packet(&bytes, &mut Packet::default()), Ok(()), "peers can still read what it says");
    packet.answer_lanes[0].serial += 1;
    bytes.clear();
    encode_packet(&packet, &mut bytes);
    assert!(decode_packet(&bytes, &mut Packet::default()).is_err(), "no greater serial is read at all");
}

#[test]
fn a_peer_that_always_knows_more_does_not_take_all_requests() {
    let mut node = victim();
    let (mut effects, mut now) = (Effects::default(), Time(1_000_000));
    let writer = heck_core::id::Writer { node: NodeId(5), boot: Boot(1) };
    let lane = Lane { shard: Shard(3), store: Store::Keys, writer };
    let (mut to_peer, mut requests) = (0, 0);
    for _ in 0..100 {
        let mut packet = from_peer(PacketKind::Request);
        packet.has_digest = true;
        packet.windows.push(Window { shard: lane.shard, live: 0 });
        packet.window_lanes.push(LaneSeen { lane, seen: IntervalSet::range(1, 1) });
        node.step(now, Input::Datagram { from: Addr::default(), packet: &packet }, &mut effects);
        effects.clear();
        now = node.next_wake().0.max(now);
        node.step(now, Input::Timeout, &mut effects);
        for datagram in effects.datagrams.iter().filter(|sent| sent.packet.kind == PacketKind::Request) {
            let to = &effects.targets[datagram.to.start as usize..datagram.to.end as usize];
            requests += to.len();
            to_peer += to.iter().filter(|addr| **addr == addr_of("peer")).count();
        }
        effects.clear();
    }
    // Every second request follows it, and half of the others go to it by chance.
    assert!((requests / 2..requests * 7 / 8).contains(&to_peer), "{to_peer} of {requests}");
}
