//! The join of two states is a least upper bound.

use crate::fleet::{Fleet, KEEP_ALL, Op, content, fingerprints_fit, history};
use crate::law::{Law, Trial};
use heck_core::id::Shard;
use heck_core::mutant::Planted;
use heck_core::state::State;
use heck_core::time::Time;
use proptest::prelude::*;

const LATER: Time = Time(2_000_000);

fn joined(left: &State, right: &State) -> State {
    let mut state = left.clone();
    state.join(right, LATER, &mut Vec::new());
    state
}

pub const COMMUTES: Law = Law { name: "join is commutative", seed: 1, cases: 250, check: commutes };

fn commutes(trial: &Trial) -> Result<(), String> {
    trial.for_all(&history(80), |history, planted| {
        let fleet = Fleet::after(&history, planted);
        let [a, b, ..] = &fleet.states[..] else { unreachable!("a fleet has more than two replicas") };
        prop_assert_eq!(content(&joined(a, b)), content(&joined(b, a)));
        Ok(())
    })
}

pub const ASSOCIATES: Law = Law { name: "join is associative", seed: 2, cases: 250, check: associates };

fn associates(trial: &Trial) -> Result<(), String> {
    trial.for_all(&history(80), |history, planted| {
        let fleet = Fleet::after(&history, planted);
        let [a, b, c, ..] = &fleet.states[..] else { unreachable!("a fleet has more than two replicas") };
        let left = joined(&joined(a, b), c);
        prop_assert_eq!(content(&left), content(&joined(a, &joined(b, c))));
        fingerprints_fit(&left)
    })
}

pub const IDEMPOTENT: Law =
    Law { name: "join is idempotent and absorbs", seed: 3, cases: 250, check: idempotent };

fn idempotent(trial: &Trial) -> Result<(), String> {
    trial.for_all(&history(80), |history, planted| {
        let fleet = Fleet::after(&history, planted);
        let [a, b, ..] = &fleet.states[..] else { unreachable!("a fleet has more than two replicas") };
        prop_assert_eq!(content(&joined(a, a)), content(a));
        let both = joined(a, b);
        prop_assert_eq!(content(&joined(&both, a)), content(&both));
        prop_assert_eq!(content(&joined(b, &both)), content(&both));
        Ok(())
    })
}

pub const INFLATES: Law = Law {
    name: "join is inflationary: it forgets no dot that either side saw",
    seed: 4,
    cases: 250,
    check: inflates,
};

fn inflates(trial: &Trial) -> Result<(), String> {
    trial.for_all(&history(80), |history, planted| {
        let fleet = Fleet::after(&history, planted);
        let [a, b, ..] = &fleet.states[..] else { unreachable!("a fleet has more than two replicas") };
        let both = joined(a, b);
        for side in [a, b] {
            for (lane, seen) in (0..=u8::MAX).flat_map(|shard| side.context().lanes_of(Shard(shard))) {
                let fenced = both.context().is_fenced(lane.writer);
                let held = both.context().lane(lane).is_some_and(|all| all.is_superset(seen));
                prop_assert!(fenced || held, "{:?} lost some of {:?}", lane, seen);
            }
        }
        Ok(())
    })
}

#[test]
fn join_is_commutative() {
    COMMUTES.hold();
}

#[test]
fn join_is_associative() {
    ASSOCIATES.hold();
}

#[test]
fn join_is_idempotent_and_absorbs() {
    IDEMPOTENT.hold();
}

#[test]
fn join_is_inflationary() {
    INFLATES.hold();
}

#[test]
fn a_join_takes_out_what_was_replaced_by_an_entry_that_never_came() {
    let mut fleet = Fleet::new(Planted::NONE, KEEP_ALL);
    let put = |value| Op::PutKey { at: 0, name: 0, value };
    [put(0), put(1), put(2)].iter().for_each(|op| fleet.apply(op));
    // The second replica has the first version and the third, which names the second as replaced; the third
    // replica has the first two. Neither side has seen a dot that the other lacks but for the third version.
    for (to, entry) in [(1, 0), (1, 2), (2, 0), (2, 1)] {
        fleet.apply(&Op::Deliver { to, entry });
    }
    let [_, b, c] = &fleet.states[..] else { unreachable!("a fleet has three replicas") };
    assert_eq!(b.live_len(), 2);
    assert_eq!(joined(b, c).live_len(), 1);
    assert_eq!(content(&joined(b, c)), content(&joined(c, b)));
}
