//! A cluster that is being upgraded: nodes of a later version, of this one, and of one that lacks what came last.

use crate::common::{Cluster, Weather, addr, name};
use crate::newer::{LATER, newer_packet};
use heck_core::codec::{DecodeError, decode_packet, encode_packet};
use heck_core::config::Config;
use heck_core::entry::{Entry, HealthState, Hold, OriginSpec, Scope};
use heck_core::id::{NodeId, Store};
use heck_core::input::{Command, Verdict};
use heck_core::packet::{Packet, PacketKind};
use heck_core::time::Span;
use std::collections::BTreeSet;

const NODES: usize = 6;
/// Which nodes are of a later version, and which of an earlier one.
const NEWER: [usize; 2] = [0, 3];
const OLDER: [usize; 2] = [1, 4];

fn id(node: usize) -> NodeId {
    NodeId::of(&name(&format!("node-{node}")))
}

fn is_of_a_newer_node(entry: &Entry) -> bool {
    NEWER.iter().any(|&node| entry.dot.lane.writer.node == id(node))
}

/// What an earlier version neither says nor understands: lists of members, wishes, questions, and answers about writes.
fn without_what_came_last(packet: &Packet) -> Option<Packet> {
    let is_known = packet.kind <= PacketKind::Ack;
    let mut packet = packet.clone();
    (packet.question, packet.dot) = (None, None);
    (packet.member_mask, packet.member_filter) = (0, Vec::new());
    packet.overdue.clear();
    packet.joins = false;
    is_known.then_some(packet)
}

fn between_versions(from: usize, to: usize, packet: &Packet) -> Option<Packet> {
    let mut packet = packet.clone();
    if NEWER.contains(&from) {
        let mut read = Packet::default();
        decode_packet(&newer_packet(&packet, is_of_a_newer_node), &mut read).expect("it can be read");
        packet = read;
    }
    if OLDER.contains(&from) || OLDER.contains(&to) { without_what_came_last(&packet) } else { Some(packet) }
}

fn write(cluster: &mut Cluster, node: usize, round: usize) {
    let (origin, key) = (name(&format!("origin-{node}")), name(&format!("key-{}", (node + round) % 4)));
    let spec =
        OriginSpec::new("http://a/").with(|policy| policy.interval = Span::from_secs(5 + round as u64));
    cluster.command(node, &Command::PutOrigin { name: origin.clone(), spec, source: name("test") });
    cluster.command(node, &Command::PutKey { name: key, value: vec![node as u8, round as u8].into() });
    cluster.command(node, &Command::Publish { topic: name("t"), payload: vec![node as u8; 20].into() });
    cluster.run_for(Span::from_secs(2));
    let state = if round.is_multiple_of(2) { HealthState::Unhealthy } else { HealthState::Healthy };
    cluster.tell((node + 1) % NODES, &Verdict { scope: Scope::default(), origin, state, hold: Hold::Held });
}

#[test]
fn nodes_of_three_versions_agree_and_lose_nothing_of_what_the_newest_says() {
    let seed = 41;
    let weather = Weather { loss_permille: 300, duplicate_permille: 50, ..Weather::default() };
    let mut cluster = Cluster::cold(NODES, Config::default(), weather, seed);
    cluster.translates = Some(Box::new(between_versions));
    cluster.command(0, &Command::Join { peers: [].into() });
    for node in 1..NODES {
        cluster.command(node, &Command::Join { peers: [addr(0)].into() });
    }
    cluster.run_for(Span::from_secs(30));
    for round in 0..3 {
        for node in 0..NODES {
            write(&mut cluster, node, round);
        }
        if round == 1 {
            cluster.crash(2);
            cluster.run_for(Span::from_secs(5));
            cluster.start(2, true);
        }
    }
    cluster.run_until_agreed(Span::from_secs(120)).unwrap_or_else(|| panic!("seed {seed}: they differ"));
    let lists: BTreeSet<_> = (0..NODES).map(|at| cluster.node(at).view().members().len()).collect();
    assert_eq!(lists, BTreeSet::from([NODES]), "seed {seed}: everyone knows everyone");
    for at in 0..NODES {
        let state = cluster.node(at).view().state();
        for store in [Store::Registry, Store::Keys, Store::Health, Store::Log] {
            assert!(state.entries_of(store).count() >= 4, "seed {seed}: {store:?}");
        }
        for entry in state.entries().filter(|entry| entry.dot.lane.writer.node != id(at)) {
            let says = entry.appended().ends_with(LATER);
            assert_eq!(says, is_of_a_newer_node(entry), "seed {seed}: node {at} holds {entry:?}");
        }
    }
}

#[test]
fn a_packet_of_another_version_or_an_unknown_kind_is_refused_whole() {
    let mut bytes = Vec::new();
    encode_packet(&Packet::default(), &mut bytes);
    assert_eq!(decode_packet(&bytes, &mut Packet::default()), Ok(()));
    for version in [0, 2, 255] {
        bytes[0] = version;
        assert_eq!(decode_packet(&bytes, &mut Packet::default()), Err(DecodeError::Version(version)));
    }
    (bytes[0], bytes[1]) = (1, 13);
    assert_eq!(decode_packet(&bytes, &mut Packet::default()), Err(DecodeError::BadValue("kind", 13)));
}
