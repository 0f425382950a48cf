//! The simulated protocol and the analytic maps tell the same story. That theory and Monte-Carlo agree with the
//! published figures is held by the tests of `heck_sim::theory` themselves.

use crate::{load, run_planted};
use heck_core::mutant::{Mutant, Planted};
use heck_sim::report::outcome::UpdateOutcome;
use heck_sim::run::Options;
use heck_sim::theory::maps::Map;
use rayon::prelude::*;

const LOSS: f64 = 0.5;
const NODES: u32 = 1_000;

/// The updates of eight runs of `pull`: repair alone, without rumours.
fn updates(sets: &[&str], planted: Planted) -> Vec<UpdateOutcome> {
    let file = load("pull", sets);
    let run = |seed| {
        let run = run_planted(&file, seed, planted, &Options::default());
        assert_eq!(run.violations, []);
        run.updates
    };
    (1..=8_u64).into_par_iter().flat_map(run).collect()
}

/// Rounds from `start` missing until all but one in a thousand have an update, the source included; mean over
/// updates.
fn mean_rounds(updates: &[UpdateOutcome], start: f64) -> f64 {
    let reached = |update: &UpdateOutcome, missing: f64| {
        let wanted = (f64::from(NODES) * (1.0 - missing)).ceil() as usize;
        update.reached_us[wanted - 2] as f64 / 1e6
    };
    let rounds = updates.iter().map(|update| reached(update, 0.001) - reached(update, start));
    rounds.sum::<f64>() / updates.len() as f64
}

/// The map of pull for nodes that ask each at its own time of the round: an update is handed on in the round in
/// which it came. So many slots make up a round; what the nodes of one slot miss shrinks when their time comes.
fn asynchronous_rounds(start: f64, target: f64) -> f64 {
    const SLOTS: usize = 200;
    let survival = (1.0 - LOSS) * (1.0 - LOSS);
    let mut missing = [start; SLOTS];
    let mut mean = start;
    let mut slots = 0;
    while mean > target {
        let slot = &mut missing[slots % SLOTS];
        let after = *slot * (1.0 - survival * (1.0 - mean));
        mean += (after - *slot) / SLOTS as f64;
        *slot = after;
        slots += 1;
    }
    slots as f64 / SLOTS as f64
}

/// The map lets a share of a node be missing. Of whole nodes that each get through with the same chance in a round,
/// the second to last gets there, on the mean, when the map has come down to e^(1 - 0.5772) nodes: of k that are
/// missing, 1/k + ... + 1/2 is the time to the last one, not ln k.
const WHOLE_NODES: f64 = 1.526;

#[track_caller]
fn assert_near(simulated: f64, start: f64, published: u32) {
    assert_eq!(Map::Pull { loss: LOSS }.rounds_to(start, 0.001), Some(published), "the map itself");
    let analytic = asynchronous_rounds(start, 0.001 * WHOLE_NODES);
    let (off, most) = ((simulated - analytic).abs() / analytic, 0.05);
    assert!(
        off < most,
        "simulated {simulated}, analytic {analytic}, published for rounds in step {published}"
    );
}

#[test]
fn after_a_broadcast_repair_alone_is_as_fast_as_the_map_says() {
    let updates = updates(&[], Planted::NONE);
    let holders = updates.iter().map(|update| update.holders_at(100_000) as f64).sum::<f64>();
    let share = holders / f64::from(NODES) / updates.len() as f64;
    assert!((share - LOSS).abs() < 0.03, "the broadcast reached {share} of the nodes");
    assert_near(mean_rounds(&updates, 1.0 - share), LOSS, 25);
}

#[test]
fn from_one_node_repair_alone_is_as_fast_as_the_map_says_or_faster() {
    let sets = ["cluster.protocol.broadcast=none"];
    // The published figure starts where one node in a hundred has the update. The map asks at random; heck asks a
    // peer next that is known to be ahead, unless that is taken away.
    let at_random = mean_rounds(&updates(&sets, Planted::new(Mutant::IgnoreAhead)), 0.99);
    assert_near(at_random, 0.99, 45);
    let heck = mean_rounds(&updates(&sets, Planted::NONE), 0.99);
    assert!(heck < at_random, "{heck} rounds, and {at_random} at random");
}
