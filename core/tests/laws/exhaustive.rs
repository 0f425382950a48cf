//! Every history of a few steps of three replicas, not a sample of them: each write, each delivery in each order, each
//! answer whole or cut short, each restart and fence. Histories that lead to the same states are followed once.
//!
//! `HECK_EXHAUSTIVE_STEPS=8 cargo test --release -p heck-core --test laws exhaustive -- --nocapture` goes deeper and prints
//! how many histories and states there were.

use crate::deltas::{excused, expected, expected_claims, held};
use crate::fleet::{Fleet, KEEP_ALL, Op, REPLICAS, content, fingerprints_fit};
use crate::law::{Law, Trial};
use heck_core::id::{Dot, Store};
use heck_core::mutant::Planted;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// How many steps a history has unless more are asked for: nine planted bugs show within them.
const STEPS: usize = 4;

/// What can happen: the kinds of steps that are combined, and how many writes a history has at most.
struct Alphabet {
    name: &'static str,
    writes: &'static [Op],
    most_writes: usize,
}

/// Two writers and a remover of one key.
const KEYS: Alphabet = Alphabet {
    name: "a key",
    writes: &[
        Op::PutKey { at: 0, name: 0, value: 0 },
        Op::PutKey { at: 1, name: 0, value: 1 },
        Op::Remove { at: 0, origin: false, name: 0 },
        Op::Remove { at: 2, origin: false, name: 0 },
    ],
    most_writes: 3,
};

/// An origin that is added, edited and removed while two replicas claim its health.
const CLAIMS: Alphabet = Alphabet {
    name: "an origin and its claims",
    writes: &[
        Op::PutOrigin { at: 0, name: 0, value: 0 },
        Op::PutOrigin { at: 1, name: 0, value: 1 },
        Op::Remove { at: 1, origin: true, name: 0 },
        Op::Claim { at: 1, name: 0, healthy: true },
        Op::Claim { at: 2, name: 0, healthy: false },
    ],
    most_writes: 3,
};

/// A writer that restarts and puts its past life behind a fence.
const FENCES: Alphabet = Alphabet {
    name: "lives and fences",
    writes: &[
        Op::PutKey { at: 0, name: 0, value: 0 },
        Op::PutKey { at: 1, name: 0, value: 1 },
        Op::Restart { at: 0 },
        Op::Fence { at: 0 },
    ],
    most_writes: 4,
};

/// How many histories were followed, and to how many different states they led.
#[derive(Default)]
struct Count {
    histories: u64,
    states: u64,
}

/// Whatever spreads entries: each delivery of one entry, each answer for each shard, whole or without its entries, and
/// each stream.
fn spreads(fleet: &Fleet) -> Vec<Op> {
    let replicas = 0..REPLICAS as u8;
    let pairs = || replicas.clone().flat_map(|from| (0..REPLICAS as u8).map(move |to| (from, to)));
    let mut ops = Vec::new();
    for (from, to) in pairs().filter(|(from, to)| from != to) {
        for shard in 0..fleet.shards().len() as u8 {
            ops.extend([0, u8::MAX].map(|arrive| Op::Answer { from, to, shard, arrive }));
        }
        ops.push(Op::Join { from, to });
    }
    for entry in 0..fleet.minted.len() as u16 {
        ops.extend(replicas.clone().map(|to| Op::Deliver { to, entry }));
    }
    ops
}

/// A number for all that the replicas are, and that tells what can become of them.
fn print(fleet: &Fleet) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (state, writer) in fleet.states.iter().zip(&fleet.writers) {
        format!("{:?}{writer:?}", (content(state), state.context())).hash(&mut hasher);
    }
    let minted: BTreeSet<Dot> = fleet.minted.iter().map(|minted| minted.entry.dot).collect();
    minted.hash(&mut hasher);
    hasher.finish()
}

/// What must hold in every state: fingerprints are those of the content, and what counts as seen is accounted for.
fn is_sound(fleet: &Fleet) -> TestCaseResult {
    for (at, state) in fleet.states.iter().enumerate() {
        fingerprints_fit(state)?;
        for minted in &fleet.minted {
            let accounted = !state.context().has_seen(&minted.entry.dot)
                || state.entry(&minted.entry.dot).is_some()
                || state.context().is_fenced(minted.entry.dot.lane.writer)
                || excused(fleet, state, minted);
            prop_assert!(accounted, "replica {} claims to know {:?}", at, minted.entry);
        }
    }
    Ok(())
}

/// From every state quiet leads to agreement about exactly what nobody replaced.
fn heals(fleet: &Fleet) -> TestCaseResult {
    let mut quiet = fleet.clone();
    quiet.quiet()?;
    let expected = expected(&quiet);
    for state in &quiet.states {
        prop_assert_eq!(content(state), content(&quiet.states[0]));
        prop_assert_eq!(&held(state), &expected);
        let claims: BTreeSet<Dot> = state.entries_of(Store::Health).map(|entry| entry.dot).collect();
        prop_assert_eq!(claims, expected_claims(&quiet, state));
    }
    Ok(())
}

/// Follows every history of the alphabet, breadth first, so that the first that fails is a shortest one.
fn explore(alphabet: &Alphabet, steps: usize, planted: Planted) -> Result<Count, String> {
    let mut known = BTreeSet::new();
    let mut count = Count::default();
    let mut front = vec![(Fleet::new(planted, KEEP_ALL), Vec::new())];
    for _ in 0..steps {
        let mut next = Vec::new();
        for (fleet, history) in &front {
            let written = history.iter().filter(|op| !spreads_only(op)).count();
            let writes = if written < alphabet.most_writes { alphabet.writes } else { &[] };
            for op in writes.iter().cloned().chain(spreads(fleet)) {
                let mut after = fleet.clone();
                after.apply(&op);
                count.histories += 1;
                if !known.insert(print(&after)) {
                    continue;
                }
                count.states += 1;
                let history: Vec<Op> = history.iter().cloned().chain([op]).collect();
                let told = |failure| format!("{}: after {history:?}: {failure}", alphabet.name);
                is_sound(&after).and_then(|()| heals(&after)).map_err(told)?;
                next.push((after, history));
            }
        }
        front = next;
    }
    Ok(count)
}

const fn spreads_only(op: &Op) -> bool {
    matches!(op, Op::Deliver { .. } | Op::Answer { .. } | Op::Join { .. })
}

pub const EVERY_HISTORY: Law = Law {
    name: "every short history of three replicas is sound and heals",
    seed: 0,
    cases: 0,
    check: every_history,
};

fn every_history(trial: &Trial) -> Result<(), String> {
    let asked = std::env::var("HECK_EXHAUSTIVE_STEPS").ok().and_then(|steps| steps.parse().ok());
    for alphabet in [KEYS, CLAIMS, FENCES] {
        let steps = asked.unwrap_or(STEPS);
        let Count { histories, states } = explore(&alphabet, steps, trial.planted)?;
        if asked.is_some() {
            println!("{}: {steps} steps, {histories} histories, {states} states", alphabet.name);
        }
    }
    Ok(())
}

#[test]
fn every_short_history_of_three_replicas_is_sound_and_heals() {
    EVERY_HISTORY.hold();
}
