//! However entries travel, the states come out equal, and nothing is lost, claimed too much or brought back.

use crate::fleet::{Fleet, Minted, NAMES, REPLICAS, content, fingerprints_fit, history};
use crate::law::{Law, Trial};
use heck_core::entry::{Claim, Scope};
use heck_core::id::{Dot, Store};
use heck_core::packet::Carried;
use heck_core::state::{Applied, State};
use heck_core::time::Span;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub const DELTAS_ARE_THE_STATE: Law = Law {
    name: "all deltas in any order are the full state",
    seed: 11,
    cases: 250,
    check: deltas_are_the_state,
};

fn deltas_are_the_state(trial: &Trial) -> Result<(), String> {
    let orders = proptest::collection::vec(any::<prop::sample::Index>(), 0..120);
    trial.for_all(&(history(60), orders), |(history, order), planted| {
        let fleet = Fleet::after(&history, planted);
        let mut full = fleet.empty();
        fleet.states.iter().for_each(|state| full.join(state, fleet.now, &mut Vec::new()));

        let mut fed = fleet.empty();
        let mut offer = |minted: &Minted| {
            let carried = Carried { entry: minted.entry.clone(), age: Span::ZERO };
            fed.apply(&carried, fleet.now, &mut Vec::new())
        };
        if !fleet.minted.is_empty() {
            order.iter().for_each(|at| _ = offer(at.get(&fleet.minted)));
        }
        // Then everything comes once more, newest first; claims and fences that are refused come again.
        for _ in 0..3 {
            fleet.minted.iter().rev().for_each(|minted| _ = offer(minted));
        }
        prop_assert!(fleet.minted.iter().all(|minted| offer(minted) != Applied::Refused));
        prop_assert_eq!(content(&fed), content(&full));
        fingerprints_fit(&fed)
    })
}

/// The writes that a state holds.
pub fn held(state: &State) -> BTreeSet<Dot> {
    let writes = state.entries().filter(|entry| entry.dot.lane.store.is_add_wins());
    writes.map(|entry| entry.dot).collect()
}

/// What a state must hold once all have seen everything: the writes that no later write saw.
pub fn expected(fleet: &Fleet) -> BTreeSet<Dot> {
    let is_replaced = |dot: &Dot| fleet.minted.iter().any(|later| later.saw.contains(dot));
    let writes = fleet
        .minted
        .iter()
        .filter(|Minted { entry, .. }| entry.dot.lane.store.is_add_wins() && !entry.body.is_removal());
    writes.map(|minted| minted.entry.dot).filter(|dot| !is_replaced(dot)).collect()
}

/// The claims that a state must hold then: for each origin that it holds the greatest.
pub fn expected_claims(fleet: &Fleet, state: &State) -> BTreeSet<Dot> {
    let mut claims: BTreeMap<_, (&Claim, Dot)> = BTreeMap::new();
    for Minted { entry, .. } in &fleet.minted {
        let Some(claim) = entry.claim() else { continue };
        let key = (claim.scope, claim.origin.clone(), claim.generation);
        if claims.get(&key).is_none_or(|(held, _)| held.ballot < claim.ballot) {
            claims.insert(key, (claim, entry.dot));
        }
    }
    let lives = |claim: &Claim, dot: &Dot| {
        state.entry(&claim.generation.dot(dot.lane.shard, Store::Registry)).is_some()
    };
    claims.into_values().filter(|(claim, dot)| lives(claim, dot)).map(|(_, dot)| dot).collect()
}

pub const QUIET_AGREES: Law = Law {
    name: "after loss, doubling, delay and truncation, quiet leaves exactly what nobody replaced",
    seed: 12,
    cases: 250,
    check: quiet_agrees,
};

fn quiet_agrees(trial: &Trial) -> Result<(), String> {
    trial.for_all(&history(80), |history, planted| {
        let mut fleet = Fleet::after(&history, planted);
        fleet.quiet()?;
        let expected = expected(&fleet);
        for state in &fleet.states {
            fingerprints_fit(state)?;
            prop_assert_eq!(content(state), content(&fleet.states[0]));
            prop_assert_eq!(&held(state), &expected);
            let claims: BTreeSet<Dot> = state.entries_of(Store::Health).map(|entry| entry.dot).collect();
            prop_assert_eq!(claims, expected_claims(&fleet, state));
        }
        Ok(())
    })
}

/// Whether it is right that a seen entry is not held any more.
pub fn excused(fleet: &Fleet, state: &State, minted: &Minted) -> bool {
    let entry = &minted.entry;
    if let Some(claim) = entry.claim() {
        let generation = claim.generation.dot(entry.dot.lane.shard, Store::Registry);
        let mut rivals = state.claims(claim.scope, &claim.origin);
        return state.entry(&generation).is_none()
            || rivals.any(|held| held.generation == claim.generation && held.ballot > claim.ballot);
    }
    if entry.body.map_name().is_none() || entry.body.is_removal() {
        // Removals and fences leave nothing, and messages expire.
        return true;
    }
    let replaced =
        |later: &Minted| later.saw.contains(&entry.dot) && state.context().has_seen(&later.entry.dot);
    fleet.minted.iter().any(replaced)
}

pub const NO_OVER_CLAIM: Law = Law {
    name: "a dot that counts as seen is held, or what replaced it is known, or its origin is gone",
    seed: 13,
    cases: 250,
    check: no_over_claim,
};

fn no_over_claim(trial: &Trial) -> Result<(), String> {
    trial.for_all(&history(60), |history, planted| {
        let mut fleet = Fleet::new(planted, crate::fleet::KEEP_ALL);
        for op in &history {
            fleet.apply(op);
        }
        for (at, state) in fleet.states.iter().enumerate() {
            for minted in &fleet.minted {
                let accounted = !state.context().has_seen(&minted.entry.dot)
                    || state.entry(&minted.entry.dot).is_some()
                    || excused(&fleet, state, minted);
                prop_assert!(accounted, "replica {} claims to know {:?}", at, minted.entry);
            }
        }
        Ok(())
    })
}

pub const NO_RESURRECTION: Law = Law {
    name: "an origin that is removed and added again has no health until it is checked again",
    seed: 14,
    cases: 250,
    check: no_resurrection,
};

fn no_resurrection(trial: &Trial) -> Result<(), String> {
    let scenario = (history(40), 0..REPLICAS as u8, 0..NAMES.len() as u8, history(30));
    trial.for_all(&scenario, |(before, at, name, after), planted| {
        use crate::fleet::Op;
        let mut fleet = Fleet::after(&before, planted);
        let origin = &NAMES[usize::from(name)];
        fleet.apply(&Op::PutOrigin { at, name, value: 0 });
        fleet.apply(&Op::Claim { at, name, healthy: false });
        fleet.quiet()?;
        fleet.apply(&Op::Remove { at, origin: true, name });
        fleet.apply(&Op::PutOrigin { at, name, value: 1 });
        let reborn = fleet.minted.len();
        prop_assert_eq!(fleet.states[usize::from(at)].claim(Scope::default(), origin), None);
        // Whatever of the past still travels, nobody shows the old life's health for the new one.
        for op in
            after.iter().filter(|op| matches!(op, Op::Deliver { .. } | Op::Answer { .. } | Op::Join { .. }))
        {
            fleet.apply(op);
        }
        fleet.quiet()?;
        prop_assert_eq!(fleet.minted.len(), reborn);
        for state in &fleet.states {
            prop_assert!(state.read(Store::Registry, origin).is_some());
            prop_assert_eq!(state.claim(Scope::default(), origin), None);
            prop_assert_eq!(state.claims(Scope::default(), origin).count(), 0);
        }
        Ok(())
    })
}

pub const WRITES_REPLACE: Law = Law {
    name: "a write replaces every version that its writer saw, and a removal mints a dot",
    seed: 15,
    cases: 150,
    check: writes_replace,
};

fn writes_replace(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(history(40), 0..REPLICAS, any::<bool>()), |(history, at, remove), planted| {
        let mut fleet = Fleet::after(&history, planted);
        let (state, me, name) = (&mut fleet.states[at], fleet.writers[at], &NAMES[0]);
        state.put_key(me, name, [9].as_slice().into(), fleet.now, &mut Vec::new());
        prop_assert_eq!(state.versions(Store::Keys, name).count(), 1);
        if remove {
            let seen = state.context().progress(me, Store::Keys).count;
            state.remove(me, Store::Keys, name, fleet.now, &mut Vec::new());
            prop_assert_eq!(state.versions(Store::Keys, name).count(), 0);
            prop_assert_eq!(state.context().progress(me, Store::Keys).count, seen + 1);
        }
        Ok(())
    })
}

pub const SAME_ENTRY_MINTS_NO_DOT: Law =
    Law { name: "an equal origin entry mints no dot", seed: 16, cases: 100, check: same_entry_mints_no_dot };

fn same_entry_mints_no_dot(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(history(40), 0..REPLICAS as u8, 0..3_u8), |(history, at, value), planted| {
        use crate::fleet::Op;
        let mut fleet = Fleet::after(&history, planted);
        let again = Op::PutOrigin { at, name: 0, value };
        fleet.apply(&again);
        let before = (fleet.minted.len(), fleet.states[usize::from(at)].hash());
        fleet.apply(&again);
        prop_assert_eq!((fleet.minted.len(), fleet.states[usize::from(at)].hash()), before);
        Ok(())
    })
}

#[test]
fn all_deltas_in_any_order_are_the_full_state() {
    DELTAS_ARE_THE_STATE.hold();
}

#[test]
fn quiet_leaves_exactly_what_nobody_replaced() {
    QUIET_AGREES.hold();
}

#[test]
fn a_seen_dot_is_held_or_accounted_for() {
    NO_OVER_CLAIM.hold();
}

#[test]
fn an_origin_that_comes_back_has_fresh_health() {
    NO_RESURRECTION.hold();
}

#[test]
fn a_write_replaces_what_its_writer_saw() {
    WRITES_REPLACE.hold();
}

#[test]
fn an_equal_origin_entry_mints_no_dot() {
    SAME_ENTRY_MINTS_NO_DOT.hold();
}
