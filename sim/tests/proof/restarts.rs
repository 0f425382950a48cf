//! Crashes, restarts and cut streams do what they say, no less and no more.

use std::sync::Arc;

use crate::load;
use heck_core::effects::Phase;
use heck_core::id::{Boot, Name};
use heck_core::input::Command;
use heck_core::node::View;
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use heck_sim::engine::disk::DiskLoss;
use heck_sim::engine::world::World;
use heck_sim::protocol::heck::{Heck, HeckCommand};
use heck_sim::run::faults::Faults;
use heck_sim::run::setup::Setup;
use heck_sim::run::{Options, one};
use heck_sim::scenario::{Disk, Event, EventKind, Scenario, ScenarioFile};
use heck_sim::units::Fraction;

const NODES: u32 = 6;

/// A small fleet whose faults the test gives itself.
struct Fleet<'a> {
    world: World<Heck>,
    faults: Faults<'a>,
}

fn scenario(sets: &[&str]) -> ScenarioFile {
    load("restarts", &[&["cluster.nodes=6", "fault=[]", "churn.nodes=[0]", "network.loss=0%"], sets].concat())
}

fn setup(scenario: &Scenario) -> Setup {
    Setup::new(scenario, scenario.cluster.protocol.config().expect("good settings"))
}

impl<'a> Fleet<'a> {
    fn new(scenario: &'a Scenario, setup: &'a Setup) -> Self {
        let seed = Seed(1);
        // A world keeps records only where something will restart.
        let restart = Event { at: Time::ZERO, kind: EventKind::Restart { nodes: Vec::new() } };
        let world = one::world(scenario, setup, seed, &Options::default(), &[restart]).expect("a world");
        Self { world, faults: Faults::new(scenario, setup, seed).expect("good faults") }
    }

    fn pass_ms(&mut self, ms: u64) {
        let until = self.world.now() + Span::from_ms(ms);
        self.world.run_until(until, &mut ()).expect("nothing halts it");
    }

    fn apply(&mut self, kind: EventKind) -> Vec<(u32, DiskLoss)> {
        let begun = self.faults.apply(&Event { at: self.world.now(), kind }, &mut self.world);
        begun.into_iter().map(|begun| (begun.node, begun.loss)).collect()
    }

    fn crash(&mut self, node: u32, disk: Disk) {
        self.apply(EventKind::Crash { nodes: vec![node], disk });
    }

    fn restart(&mut self, node: u32) {
        let begun = self.apply(EventKind::Restart { nodes: vec![node] });
        assert_eq!(begun.len(), 1, "it was down");
    }

    /// Cuts a node off from all others, and them from it; the rule's number heals it again.
    fn isolate(&mut self, node: u32) {
        let others: Vec<u32> = (0..NODES).filter(|&other| other != node).collect();
        let links = vec![(vec![node], others.clone()), (others, vec![node])];
        self.apply(EventKind::Loss { rule: 0, links, fraction: Fraction::ONE });
    }

    fn put(&mut self, node: u32, key: &str) {
        let value: Arc<[u8]> = key.as_bytes().into();
        let command = Command::PutKey { name: name(key), value };
        self.world.command_at(self.world.now(), node, 9, HeckCommand::Client(command));
        self.pass_ms(1);
        assert!(self.has(node, key), "the write was refused");
    }

    fn view(&self, node: u32) -> View<'_> {
        self.world.node(node).expect("it runs").node().view()
    }

    fn has(&self, node: u32, key: &str) -> bool {
        self.view(node).key(&name(key)).is_some()
    }

    fn agrees(&self) -> bool {
        let mut hashes = self.world.running().map(|(_, heck)| heck.node().view().hash());
        let first = hashes.next();
        hashes.all(|hash| Some(hash) == first)
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("short")
}

#[test]
fn a_write_that_was_neither_synced_nor_sent_is_gone_for_good() {
    let file = scenario(&["cluster.disk_sync=5s"]);
    let setup = setup(&file.scenario);
    let mut fleet = Fleet::new(&file.scenario, &setup);
    fleet.isolate(2);
    fleet.put(2, "lonely");
    fleet.pass_ms(2_000);
    fleet.crash(2, Disk::Synced);
    fleet.apply(EventKind::End { rule: 0 });
    fleet.restart(2);
    fleet.pass_ms(20_000);
    assert!(fleet.agrees());
    assert!((0..NODES).all(|node| !fleet.has(node, "lonely")));
}

#[test]
fn a_write_that_was_sent_but_not_synced_comes_back_from_its_peers() {
    let file = scenario(&["cluster.disk_sync=5s"]);
    let setup = setup(&file.scenario);
    let mut fleet = Fleet::new(&file.scenario, &setup);
    fleet.put(2, "told");
    fleet.pass_ms(2_000);
    fleet.crash(2, Disk::Synced);
    assert!(fleet.has(3, "told"));
    fleet.restart(2);
    assert!(!fleet.has(2, "told"), "it was not on disk yet");
    fleet.pass_ms(10_000);
    assert!(fleet.has(2, "told") && fleet.agrees());
    let writer = fleet.view(2).key(&name("told")).expect("it is back").dot.lane.writer;
    assert_eq!(
        (writer.boot, fleet.view(2).writer().boot),
        (Boot(1), Boot(2)),
        "it belongs to the earlier life"
    );
}

#[test]
fn what_was_synced_survives_failed_power_and_what_was_written_a_killed_process() {
    for (sync, disk) in [("1ms", Disk::Synced), ("5s", Disk::Kept)] {
        let sync = format!("cluster.disk_sync={sync}");
        let file = scenario(&[&sync]);
        let setup = setup(&file.scenario);
        let mut fleet = Fleet::new(&file.scenario, &setup);
        fleet.isolate(2);
        fleet.put(2, "kept");
        fleet.pass_ms(100);
        fleet.crash(2, disk);
        fleet.restart(2);
        assert!(fleet.has(2, "kept"), "{disk:?}");
        assert_eq!(fleet.view(2).phase(), Phase::Serving);
        fleet.apply(EventKind::End { rule: 0 });
        fleet.pass_ms(10_000);
        assert!((0..NODES).all(|node| fleet.has(node, "kept")), "{disk:?}");
    }
}

#[test]
fn what_the_second_life_had_not_synced_is_lost_though_the_first_had_synced_more() {
    let file = scenario(&["cluster.disk_sync=500ms"]);
    let setup = setup(&file.scenario);
    let mut fleet = Fleet::new(&file.scenario, &setup);
    fleet.isolate(2);
    for key in ["a", "b", "c", "d"] {
        fleet.put(2, key);
    }
    fleet.pass_ms(2_000);
    fleet.crash(2, Disk::Synced);
    fleet.restart(2);
    fleet.put(2, "late");
    fleet.crash(2, Disk::Synced);
    fleet.restart(2);
    assert!(fleet.has(2, "a") && fleet.has(2, "d") && !fleet.has(2, "late"));
}

#[test]
fn boots_rise_and_each_life_writes_under_its_own() {
    let file = scenario(&["cluster.disk_sync=5s"]);
    let setup = setup(&file.scenario);
    let mut fleet = Fleet::new(&file.scenario, &setup);
    let mut dots = Vec::new();
    for (life, disk) in [(1, Disk::Synced), (2, Disk::Lost), (3, Disk::Kept), (4, Disk::Synced)] {
        let key = format!("life-{life}");
        fleet.pass_ms(3_000);
        fleet.put(2, &key);
        let dot = fleet.view(2).key(&name(&key)).expect("just written").dot;
        assert_eq!(dot.lane.writer.boot, Boot(life));
        dots.push((dot.lane.writer, dot.lane.shard, dot.counter));
        fleet.crash(2, disk);
        fleet.pass_ms(500);
        fleet.restart(2);
    }
    dots.sort_unstable();
    dots.dedup();
    assert_eq!(dots.len(), 4);
    fleet.pass_ms(20_000);
    assert!(fleet.agrees());
}

#[test]
fn a_node_without_its_disk_joins_before_it_serves_and_then_has_everything() {
    let file = scenario(&[]);
    let setup = setup(&file.scenario);
    let mut fleet = Fleet::new(&file.scenario, &setup);
    fleet.crash(2, Disk::Lost);
    fleet.put(0, "meanwhile");
    fleet.pass_ms(1_000);
    fleet.restart(2);
    assert_eq!((fleet.view(2).phase(), fleet.view(2).state().live_len()), (Phase::Joining, 0));
    fleet.pass_ms(5_000);
    assert_eq!(fleet.view(2).phase(), Phase::Serving);
    assert!(fleet.has(2, "meanwhile") && fleet.agrees());

    // What the lost disk held stays lost: with the next crash it has only what it wrote since.
    let held = fleet.view(2).state().live_len();
    fleet.crash(2, Disk::Kept);
    fleet.restart(2);
    assert_eq!((fleet.view(2).phase(), fleet.view(2).state().live_len()), (Phase::Serving, held));
}

#[test]
fn a_node_that_crashes_in_its_first_join_joins_again() {
    let sets = ["cluster.start=cold", "cluster.origins=300", "cluster.protocol.frame_bytes=4KiB"];
    let file = scenario(&[&sets[..], &["network.bandwidth=1Mbit/s", "cluster.disk_sync=1ms"]].concat());
    let setup = setup(&file.scenario);
    let mut fleet = Fleet::new(&file.scenario, &setup);
    while fleet.view(2).state().live_len() < 50 {
        fleet.pass_ms(10);
    }
    fleet.crash(2, Disk::Kept);
    fleet.restart(2);
    let held = fleet.view(2).state().live_len();
    assert!((50..600).contains(&held), "{held}");
    assert_eq!(fleet.view(2).phase(), Phase::Joining, "a part of the state is none to serve from");
    fleet.pass_ms(60_000);
    assert_eq!(fleet.view(2).phase(), Phase::Serving);
    assert!(fleet.agrees());
}

#[test]
fn what_goes_by_stream_waits_until_streams_hold() {
    let file = scenario(&["workload.value_size=40KiB"]);
    let setup = setup(&file.scenario);
    let mut fleet = Fleet::new(&file.scenario, &setup);
    let value: Arc<[u8]> = vec![7; 40 * 1024].into();
    let command = Command::PutKey { name: name("large"), value };
    fleet.world.command_at(fleet.world.now(), 0, 9, HeckCommand::Client(command));
    // Streams need a round trip to open, and longer for this value; they break every 20 ms.
    for _ in 0..500 {
        fleet.apply(EventKind::CutStreams { nodes: (0..NODES).collect() });
        fleet.pass_ms(20);
    }
    assert!(fleet.has(0, "large") && (1..NODES).all(|node| !fleet.has(node, "large")));
    fleet.pass_ms(30_000);
    assert!((0..NODES).all(|node| fleet.has(node, "large")) && fleet.agrees());
}
