//! Interval sets are sorted, disjoint and not adjacent, and hold what a plain set holds.

use crate::fleet::{Fleet, Minted, history};
use crate::law::{Law, Trial};
use heck_core::id::Shard;
use proptest::prelude::*;

pub const WELL_FORMED: Law = Law {
    name: "the ranges of every lane are sorted, disjoint and not adjacent",
    seed: 51,
    cases: 200,
    check: well_formed,
};

fn well_formed(trial: &Trial) -> Result<(), String> {
    trial.for_all(&history(80), |history, planted| {
        let mut fleet = Fleet::after(&history, planted);
        for state in &fleet.states {
            for (lane, seen) in (0..=u8::MAX).flat_map(|shard| state.context().lanes_of(Shard(shard))) {
                let ranges = seen.ranges();
                prop_assert!(!ranges.is_empty() && ranges[0].first >= 1, "{:?} {:?}", lane, seen);
                prop_assert!(ranges.iter().all(|range| range.first <= range.last), "{:?} {:?}", lane, seen);
                let apart = ranges.windows(2).all(|pair| pair[0].last + 1 < pair[1].first);
                prop_assert!(apart, "{:?} {:?}", lane, seen);
            }
        }
        // Once everything has arrived there are no holes: each lane costs one range.
        fleet.quiet()?;
        for Minted { entry, .. } in &fleet.minted {
            if fleet.states[0].context().is_fenced(entry.dot.lane.writer) {
                continue;
            }
            let seen = fleet.states[0].context().lane(&entry.dot.lane).map(|seen| seen.ranges().len());
            prop_assert_eq!(seen, Some(1));
        }
        Ok(())
    })
}

#[test]
fn ranges_are_sorted_disjoint_and_not_adjacent() {
    WELL_FORMED.hold();
}
