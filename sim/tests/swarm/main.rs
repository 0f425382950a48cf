//! The swarm: what it draws, and what it finds.

// Hundreds of scenarios take too long unoptimised: `cargo test --release -p heck-sim --test swarm`.
#[cfg(not(debug_assertions))]
mod planted;

use std::collections::BTreeSet;

use heck_sim::scenario::{Fault, ScenarioFile};
use heck_sim::swarm::{Coverage, draw};

#[test]
fn whatever_is_drawn_is_a_scenario_and_all_kinds_of_faults_are_drawn() {
    let mut coverage = Coverage::default();
    for seed in 1..=2_000 {
        let file = draw(seed);
        if let Err(report) = ScenarioFile::parse("drawn.toml", &file.to_string(), &[]) {
            panic!("seed {seed}: {report}");
        }
        assert_eq!(draw(seed), file, "seed {seed} draws the same twice");
        coverage.add_file(&file);
    }
    let never: Vec<_> = coverage.never().collect();
    assert_eq!(never, []);
    let faults: BTreeSet<&str> =
        coverage.rows().filter(|(kind, ..)| *kind == "fault").map(|(_, name, _)| name).collect();
    let known: BTreeSet<&str> = Fault::KINDS.iter().copied().collect();
    assert!(faults.is_subset(&known), "{faults:?}");
}
