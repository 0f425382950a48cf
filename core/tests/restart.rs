//! What a node finds on its disk is what it had: no less, and nothing that was gone.

mod common;

use common::{Cluster, Weather, addr, name};
use heck_core::config::Config;
use heck_core::effects::{Effects, Phase, Record};
use heck_core::entry::{Body, Covered, Entry, Fence, Minted, Replaced, Superseded};
use heck_core::id::{Boot, NodeId, Writer};
use heck_core::input::{Command, Input};
use heck_core::interval::IntervalSet;
use heck_core::journal::Snapshot;
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity, Node};
use heck_core::packet::{Carried, LaneAnswer, Packet, PacketKind};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use std::sync::Arc;

/// The `counter`-th write of a key by the member `peer`, which saw the write before it.
fn write(counter: u64) -> Arc<Entry> {
    let writer = Writer { node: NodeId::of(&name("peer")), boot: Boot(1) };
    let body = Body::Key { name: name("key"), value: [counter as u8].as_slice().into() };
    let before = (counter > 1).then(|| {
        let minted = Minted { writer, counter: counter - 1 };
        Replaced { minted, serial: counter - 1 }
    });
    Arc::new(Entry::new(writer, counter, counter, before.into_iter().collect::<Superseded>(), body))
}

fn node(boot: u64, records: Vec<Record>, now: Time) -> Node {
    let members = ["node", "peer"].iter().zip(0..).map(|(text, at)| Member::new(name(text), addr(at)));
    let members = Members::new(members.collect());
    let base = Arc::new(Base { members, formed: true, ..Base::default() });
    let identity = Identity::new(name("node"), Boot(boot), addr(0));
    Node::new(identity, Arc::new(Config::default()), &base, Some(Snapshot { records }), Seed(1), now)
}

#[test]
fn what_a_late_write_took_out_stays_out_after_a_restart() {
    let mut effects = Effects::default();
    let mut records = Vec::new();
    let mut before = node(1, Vec::new(), Time::ZERO);
    // The third write arrives before the second, which alone says that the first is replaced.
    for (counter, at) in [(1, 10), (3, 20), (2, 30)] {
        let mut packet = Packet::default();
        packet.reset(PacketKind::Push, NodeId::of(&name("peer")));
        packet.entries.push(Carried { entry: write(counter), age: Span::ZERO });
        let input = Input::Datagram { from: addr(1), packet: &packet };
        before.step(Time::ZERO + Span::from_ms(at), input, &mut effects);
        records.extend(effects.records.drain(..).map(|(_, record)| record));
        effects.clear();
    }
    let after = node(2, records, Time::ZERO + Span::from_ms(40));
    for node in [before, after] {
        let live: Vec<u64> = node.view().state().entries().map(|entry| entry.dot.counter).collect();
        assert_eq!(live, [3], "in life {}", node.view().writer().boot.0);
    }
}

#[test]
fn what_was_replaced_before_it_came_stays_known_after_a_restart() {
    let mut effects = Effects::default();
    let mut take = |node: &mut Node, counter| {
        let mut packet = Packet::default();
        packet.reset(PacketKind::Push, NodeId::of(&name("peer")));
        packet.entries.push(Carried { entry: write(counter), age: Span::ZERO });
        node.step(Time(counter), Input::Datagram { from: addr(1), packet: &packet }, &mut effects);
        let records: Vec<Record> = effects.records.drain(..).map(|(_, record)| record).collect();
        effects.clear();
        records
    };
    let mut before = node(1, Vec::new(), Time::ZERO);
    let records = [3, 2].into_iter().flat_map(|counter| take(&mut before, counter)).collect();
    let mut after = node(2, records, Time(50));
    assert_eq!(after.view().hash(), before.view().hash());
    take(&mut after, 1);
    let live: Vec<u64> = after.view().state().entries().map(|entry| entry.dot.counter).collect();
    assert_eq!(live, [3], "the second write says that the first is replaced");
}

#[test]
fn a_fence_that_came_to_nothing_does_not_keep_a_node_from_fencing_its_past() {
    let (mut effects, mut node) = (Effects::default(), node(1_000, Vec::new(), Time::ZERO));
    let me = node.view().writer().node;
    let in_life = |boot| Writer { node: me, boot: Boot(boot) };
    let entry = |boot, body| Arc::new(Entry::new(in_life(boot), 1, 1, Superseded::new(), body));
    let fence = |boot, covered| Body::Fence(Arc::new(Fence { boot: Boot(boot), covered }));
    let past = entry(12, Body::Key { name: name("key"), value: [1].as_slice().into() });
    // One of its old fences waits here for a life of which nothing is known; another, which reaches further, counts.
    let waiting = entry(10, fence(2, vec![Covered { boot: Boot(2), serials: [0, 5, 0, 0] }]));
    let lane = waiting.dot.lane;
    let mut first = Packet::default();
    first.reset(PacketKind::Push, NodeId::of(&name("peer")));
    first.entries.extend([&past, &waiting].map(|entry| Carried { entry: entry.clone(), age: Span::ZERO }));
    let mut second = Packet::default();
    second.reset(PacketKind::Push, NodeId::of(&name("peer")));
    second.entries.push(Carried { entry: entry(8, fence(7, Vec::new())), age: Span::ZERO });
    // And a peer tells that it has seen the one that waits, and that it says nothing any more.
    second.answers.push(lane.shard);
    let seen = IntervalSet::range(1, 1);
    second.answer_lanes.push(LaneAnswer { lane, seen, live: IntervalSet::new(), serial: 1 });
    for packet in [&first, &second] {
        node.step(Time(10), Input::Datagram { from: addr(1), packet }, &mut effects);
        effects.clear();
    }
    for times in 1..=5 {
        let now = Time::ZERO + Config::default().fence_after.times(times) + Span::from_secs(1);
        node.step(now, Input::Timeout, &mut effects);
        effects.clear();
    }
    assert_eq!(node.view().state().context().fence_of(me), Some(Boot(12)));
}

#[test]
fn a_node_that_crashed_in_its_first_join_joins_again() {
    let config = Config { frame_bytes: 4_096, ..Config::default() };
    let mut cluster = Cluster::cold(2, config, Weather::default(), 1);
    cluster.command(0, &Command::Join { peers: [].as_slice().into() });
    for key in 0..2_000 {
        let (name, value) = (name(&format!("key-{key}")), [0; 64].as_slice().into());
        cluster.command(0, &Command::PutKey { name, value });
    }
    let join = Command::Join { peers: [addr(0)].as_slice().into() };
    cluster.command(1, &join);
    while cluster.node(1).view().state().live_len() < 100 {
        cluster.run_for(Span::from_ms(10));
    }
    cluster.run_for(Span::from_ms(10));
    assert_eq!(cluster.node(1).view().phase(), Phase::Joining, "the test crashes it too late");
    cluster.crash(1);
    cluster.start(1, true);
    assert!((100..2_000).contains(&cluster.node(1).view().state().live_len()));
    assert_eq!(cluster.node(1).view().phase(), Phase::Joining);
    cluster.command(1, &join);
    cluster.run_until_agreed(Span::from_secs(20)).expect("agrees");
    cluster.run_for(Span::from_secs(1));
    assert_eq!(cluster.node(1).view().phase(), Phase::Serving);

    // A join that was complete is not made again.
    cluster.crash(1);
    cluster.start(1, true);
    assert_eq!(cluster.node(1).view().phase(), Phase::Serving);
    assert_eq!(cluster.node(1).view().state().live_len(), 2_000);
    let compacted = cluster.node(1).snapshot(cluster.now);
    assert!(compacted.records.contains(&Record::Member));
}
