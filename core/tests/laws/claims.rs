//! Health claims: no writer goes back, the owner's word ends up standing, and clocks do not matter.

use crate::fleet::{Fleet, KEEP_ALL, NAMES, Op, REPLICAS, history, replica, rivalry};
use crate::law::{Law, Trial};
use heck_core::entry::{Ballot, HealthState, Scope};
use heck_core::id::{Boot, NodeId, Store, Writer};
use heck_core::ownership::{Candidate, owner};
use heck_core::state::Change;
use proptest::prelude::*;
use std::collections::BTreeMap;

pub const NO_REGRESS: Law = Law {
    name: "what a replica shows of an origin's life never goes back to a lesser claim",
    seed: 21,
    cases: 250,
    check: no_regress,
};

fn no_regress(trial: &Trial) -> Result<(), String> {
    trial.for_all(&rivalry(60), |history, planted| {
        let fleet = Fleet::after(&history, planted);
        for changes in &fleet.changes {
            let mut greatest: BTreeMap<_, Ballot> = BTreeMap::new();
            for change in changes {
                let Change::Learned(entry) = change else { continue };
                let Some(claim) = entry.claim() else { continue };
                let key = (claim.scope, claim.origin.clone(), claim.generation);
                let before = greatest.insert(key, claim.ballot);
                prop_assert!(before.is_none_or(|before| before < claim.ballot), "{:?} gave way", before);
            }
        }
        Ok(())
    })
}

pub const OWNER_WINS: Law = Law {
    name: "after claims under divergent views, one claim of the owner stands everywhere",
    seed: 22,
    cases: 250,
    check: owner_wins,
};

/// Which replicas are up in the view that all come to share; at least one.
fn up() -> impl Strategy<Value = Vec<usize>> {
    proptest::sample::subsequence((0..REPLICAS).collect::<Vec<_>>(), 1..=REPLICAS)
}

fn owner_wins(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(rivalry(40), up(), rivalry(30)), |(divergent, up, after), planted| {
        // Every claim of the history is one by a replica that, in its own view, owns the origin.
        let mut fleet = Fleet::after(&divergent, planted);
        let origin = &NAMES[0];
        let names: Vec<_> = up.iter().map(|&at| replica(at)).collect();
        let candidates: Vec<_> = names.iter().map(Candidate::new).collect();
        let owner = up[owner(origin, Scope::CLUSTER, &candidates).expect("someone is up")];
        fleet.apply(&Op::PutOrigin { at: owner as u8, name: 0, value: 7 });
        fleet.quiet()?;
        for at in 0..REPLICAS as u8 {
            fleet.apply(&Op::Claim { at, name: 0, healthy: at % 2 == 0 });
        }
        for op in after.iter().filter(|op| matches!(op, Op::Deliver { .. } | Op::Answer { .. })) {
            fleet.apply(op);
        }
        // The views have come together: the owner sees what is held and claims once.
        fleet.quiet()?;
        fleet.claim(owner, origin, HealthState::Degraded);
        fleet.quiet()?;
        for state in &fleet.states {
            let claim = state.claim(Scope::default(), origin).expect("the origin is registered and claimed");
            prop_assert_eq!(claim.ballot.writer, fleet.writers[owner]);
            prop_assert_eq!(claim.state, HealthState::Degraded);
        }
        Ok(())
    })
}

pub const SKEW_CHANGES_NOTHING: Law = Law {
    name: "the same history under other clocks ends with the same entries",
    seed: 23,
    cases: 250,
    check: skew_changes_nothing,
};

fn skew_changes_nothing(trial: &Trial) -> Result<(), String> {
    let skews = proptest::array::uniform3(0..100_000_000_u64);
    trial.for_all(&(history(80), skews), |(history, skews), planted| {
        let run = |skews: [u64; REPLICAS]| {
            let mut fleet = Fleet::skewed(planted, KEEP_ALL, skews);
            history.iter().for_each(|op| fleet.apply(op));
            let shown = |fleet: &Fleet, at: usize| {
                let state = &fleet.states[at];
                (state.hash(), state.entries().map(|entry| entry.dot).collect::<Vec<_>>())
            };
            (0..REPLICAS).map(|at| shown(&fleet, at)).collect::<Vec<_>>()
        };
        prop_assert_eq!(run([0; REPLICAS]), run(skews));
        Ok(())
    })
}

pub const TAKEOVER_CARRIES_STATE: Law = Law {
    name: "an origin that changes hands keeps its state and since when",
    seed: 24,
    cases: 100,
    check: takeover_carries_state,
};

fn takeover_carries_state(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(history(60), 0..REPLICAS), |(history, at), planted| {
        let mut fleet = Fleet::after(&history, planted);
        let origin = &NAMES[0];
        let Some(held) = fleet.states[at].claim(Scope::default(), origin).cloned() else { return Ok(()) };
        fleet.writers[at] = Writer { node: NodeId(7), boot: Boot(1) };
        fleet.claim(at, origin, held.state);
        let claim = fleet.states[at].claim(Scope::default(), origin).expect("it was just made");
        prop_assert_eq!((claim.state, claim.previous, claim.since), (held.state, held.previous, held.since));
        let generation = fleet.states[at].read(Store::Registry, origin).map(|entry| entry.dot.counter);
        prop_assert_eq!(Some(claim.generation.counter), generation);
        Ok(())
    })
}

#[test]
fn no_claim_gives_way_to_a_lesser_one() {
    NO_REGRESS.hold();
}

#[test]
fn the_claim_of_the_converged_owner_stands() {
    OWNER_WINS.hold();
}

#[test]
fn clocks_decide_nothing() {
    SKEW_CHANGES_NOTHING.hold();
}

#[test]
fn a_takeover_carries_the_state() {
    TAKEOVER_CARRIES_STATE.hold();
}
