//! Slow disks, drifting clocks and starved nodes do to whole nodes what they say.

use heck_core::mutant::Planted;
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use heck_sim::checker::Check;
use heck_sim::engine::world::World;
use heck_sim::protocol::heck::Heck;
use heck_sim::report::outcome::{RunOutcome, UpdateOutcome};
use heck_sim::run::faults::Faults;
use heck_sim::run::setup::Setup;
use heck_sim::run::{Options, one};
use heck_sim::scenario::{Event, EventKind, ScenarioFile};

use crate::{load, run_planted};

/// The world of a scenario's first seed with the clocks that its faults give it at this second.
fn clocks_at(file: &ScenarioFile, secs: u64) -> Vec<u64> {
    let scenario = &file.scenario;
    let setup = Setup::new(scenario, scenario.cluster.protocol.config().expect("good settings"));
    let mut world: World<Heck> =
        one::world(scenario, &setup, Seed(1), &Options::default(), &[]).expect("a world");
    let mut faults = Faults::new(scenario, &setup, Seed(1)).expect("good faults");
    let end = Time::ZERO + Span::from_secs(secs);
    for event in scenario.schedule(Seed(1)).iter().filter(|event| event.at <= end) {
        world.run_until(event.at, &mut ()).expect("nothing halts it");
        faults.apply(event, &mut world);
    }
    world.run_until(end, &mut ()).expect("nothing halts it");
    (0..scenario.cluster.nodes).map(|node| world.clock(node).0).collect()
}

#[test]
fn a_drift_that_ends_uncovers_the_one_before_and_then_the_right_pace() {
    let faults = "fault=[{ at = \"10s\", clock_drift = { nodes = [0, 1], ppm = 100000, lasts = \"30s\" } }, \
                  { at = \"20s\", clock_drift = { nodes = [1], ppm = -100000, lasts = \"10s\" } }]";
    let file = load("drift", &[faults]);
    let first = |secs| clocks_at(&file, secs)[..3].to_vec();
    assert_eq!(first(20), [21_000_000, 21_000_000, 20_000_000]);
    assert_eq!(first(30), [32_000_000, 30_000_000, 30_000_000]);
    assert_eq!(first(40), [43_000_000, 41_000_000, 40_000_000]);
    assert_eq!(first(60), [63_000_000, 61_000_000, 60_000_000]);
}

fn drift_run(seed: u64, sets: &[&str]) -> RunOutcome {
    run_planted(&load("drift", sets), seed, Planted::NONE, &Options::default())
}

fn understates(run: &RunOutcome) -> bool {
    run.violations.iter().any(|violation| violation.check == Check::Fresh.name())
}

#[test]
fn ages_with_their_bound_never_understate_while_clocks_drift_within_it() {
    for seed in 1..=4 {
        assert_eq!(drift_run(seed, &[]).violations, [], "seed {seed}");
        // All of them too slow at once, as much as the bound allows: the worst case.
        let all_slow = "fault=[{ at = \"1s\", clock_drift = { nodes = \"all\", ppm = -200 } }]";
        assert_eq!(drift_run(seed, &[all_slow]).violations, [], "seed {seed}");
    }
    let wide = ["cluster.protocol.clock_drift_ppm=900000", "fault.0.clock_drift.ppm=-900000"];
    assert_eq!(drift_run(1, &wide).violations, [], "one tenth of the right pace");
}

#[test]
fn the_checker_of_ages_fails_where_clocks_drift_beyond_the_bound() {
    for sets in [
        ["fault=[{ at = \"1s\", clock_drift = { nodes = \"all\", ppm = -220 } }]"].as_slice(),
        &["cluster.protocol.clock_drift_ppm=0"],
        &["fault.0.clock_drift.ppm=-5000"],
    ] {
        assert!(understates(&drift_run(1, sets)), "{sets:?}");
    }
    // A fast clock overstates, which is no lie.
    let all_fast = "fault=[{ at = \"1s\", clock_drift = { nodes = \"all\", ppm = 5000 } }]";
    assert_eq!(drift_run(1, &[all_fast]).violations, []);
}

/// The one followed update of a run with these faults and no loss.
fn followed(faults: &str) -> UpdateOutcome {
    let sets = ["run.duration=60s", "network.loss=0%", "measure.quiet=20s", faults];
    let follow = "workload.follow={ kinds = [\"key_written\"], at = \"10s\", from = [0] }";
    let file = load("weather", &[&sets[..], &[follow]].concat());
    let mut run = run_planted(&file, 1, Planted::NONE, &Options::default());
    assert_eq!(run.violations, []);
    run.updates.remove(0)
}

#[test]
fn starved_nodes_have_an_update_when_their_stall_ends_and_all_others_at_once() {
    let calm = followed("fault=[]");
    assert!(calm.reached_us[16] < 50_000, "{calm:?}");
    let starved = followed(
        "fault=[{ at = \"9900ms\", starve = { nodes = \"9..18\", run = \"1ms\", stall = \"4s\", lasts = \"20s\" } }]",
    );
    let (fast, slow) = starved.reached_us.split_at(8);
    assert!(fast.iter().all(|&us| us < 50_000) && slow.iter().all(|&us| us > 2_500_000), "{starved:?}");
    let spread = slow[8] - slow[0];
    assert!(spread < 1_000, "stalls of equal length end together: {spread} µs");
    let random = followed(
        "fault=[{ at = \"9900ms\", starve = { nodes = \"9..18\", stall = { uniform = { min = \"1s\", max = \"9s\" } } } }]",
    );
    let spread = random.reached_us[16] - random.reached_us[8];
    assert!(spread > 1_000_000, "random stalls do not: {random:?}");
}

#[test]
fn a_slow_disk_loses_in_a_crash_what_a_fast_one_has_kept() {
    let kept = |faults: &str| {
        let file = load("weather", &["cluster.disk_sync=1ms", faults]);
        let scenario = &file.scenario;
        let setup = Setup::new(scenario, scenario.cluster.protocol.config().expect("good settings"));
        let restart = Event { at: Time::ZERO, kind: EventKind::Restart { nodes: Vec::new() } };
        let mut world: World<Heck> =
            one::world(scenario, &setup, Seed(1), &Options::default(), &[restart]).expect("a world");
        let mut state = Faults::new(scenario, &setup, Seed(1)).expect("good faults");
        let plan = heck_sim::run::plan::Plan::new(scenario, &setup, Seed(1)).expect("a plan");
        for planned in plan.commands {
            world.command_at(planned.at, planned.node, 1, planned.command);
        }
        for event in scenario.schedule(Seed(1)) {
            world.run_until(event.at, &mut ()).expect("nothing halts it");
            state.apply(&event, &mut world);
        }
        [0, 1].map(|node| world.disks().records(node).len())
    };
    let crash = "{ at = \"12s\", crash = { nodes = [0, 1] } }";
    let [fast, also_fast] = kept(&format!("fault=[{crash}]"));
    assert!(fast > 10 && also_fast > 10);
    let slow = format!("fault=[{{ at = \"5s\", slow_disk = {{ nodes = [1], sync = \"20s\" }} }}, {crash}]");
    let [fast_again, slow] = kept(&slow);
    assert!(slow < also_fast / 2 && fast_again == fast, "{slow} of {also_fast}");
    let over = "fault=[{ at = \"1s\", slow_disk = { nodes = [1], sync = \"2s\", lasts = \"1s\" } }, \
                { at = \"12s\", crash = { nodes = [0, 1] } }]";
    assert!(kept(over)[1] > 10, "its disk was slow for a second only");
}

#[test]
fn an_update_that_is_followed_to_some_nodes_counts_them_and_its_source_alone() {
    let follow = "workload.follow={ kinds = [\"key_written\"], at = \"10s\", from = [0], to = [0, 4, 9] }";
    let file = load("weather", &["fault=[{ at = \"9s\", crash = { nodes = [4, 5] } }]", follow]);
    let run = run_planted(&file, 1, Planted::NONE, &Options::default());
    let update = &run.updates[0];
    assert_eq!(
        (update.population, update.reached_us.len()),
        (2, 1),
        "node 4 is down, and nobody asks after 5"
    );
}
