//! The message log: each message reaches each replica once, as itself or as a gap, and the log stays small.

use crate::fleet::{Fleet, REPLICAS, history};
use crate::law::{Law, Trial};
use heck_core::entry::Body;
use heck_core::id::Dot;
use heck_core::state::{Change, Retention};
use heck_core::time::Span;
use proptest::prelude::*;

const SHORT: Retention = Retention { age: Span::from_ms(700), bytes: 100 };

fn deliveries(changes: &[Change], dot: &Dot) -> (usize, usize) {
    let learned = |change: &&Change| matches!(change, Change::Learned(entry) if entry.dot == *dot);
    let lost = |change: &&Change| match change {
        Change::Gap { lane, first, last } => *lane == dot.lane && (*first..=*last).contains(&dot.counter),
        _ => false,
    };
    (changes.iter().filter(learned).count(), changes.iter().filter(lost).count())
}

pub const ONCE_OR_GAP: Law = Law {
    name: "every message reaches every replica exactly once, as itself or as a gap",
    seed: 31,
    cases: 200,
    check: once_or_gap,
};

fn once_or_gap(trial: &Trial) -> Result<(), String> {
    let skews = proptest::array::uniform3(0..100_000_000_u64);
    trial.for_all(&(history(100), skews), |(history, skews), planted| {
        let mut fleet = Fleet::skewed(planted, SHORT, skews);
        history.iter().for_each(|op| fleet.apply(op));
        fleet.quiet()?;
        let messages = fleet.minted.iter().filter(|minted| matches!(minted.entry.body, Body::Message { .. }));
        for minted in messages {
            for at in 0..REPLICAS {
                let (learned, lost) = deliveries(&fleet.changes[at], &minted.entry.dot);
                prop_assert_eq!(learned + lost, 1, "replica {}: {} times, {} gaps", at, learned, lost);
            }
        }
        Ok(())
    })
}

pub const LOG_IS_BOUNDED: Law = Law {
    name: "no message is kept beyond its time, nor more bytes than configured",
    seed: 32,
    cases: 200,
    check: log_is_bounded,
};

fn log_is_bounded(trial: &Trial) -> Result<(), String> {
    let skews = proptest::array::uniform3(0..100_000_000_u64);
    trial.for_all(&(history(100), skews), |(history, skews), planted| {
        let mut fleet = Fleet::skewed(planted, SHORT, skews);
        for op in &history {
            fleet.apply(op);
            for at in 0..REPLICAS {
                let now = fleet.local(at);
                fleet.states[at].expire(now);
                let state = &fleet.states[at];
                prop_assert!(state.log_size().0 <= SHORT.bytes, "{} bytes", state.log_size().0);
                for minted in &fleet.minted {
                    let is_held = state.entry(&minted.entry.dot).is_some();
                    let is_message = matches!(minted.entry.body, Body::Message { .. });
                    let age = fleet.now.since(minted.at);
                    prop_assert!(!is_held || !is_message || age < SHORT.age, "kept for {:?}", age);
                }
                prop_assert!(state.next_expiry().is_none_or(|expiry| expiry > now));
            }
        }
        Ok(())
    })
}

#[test]
fn a_message_arrives_once_or_as_a_gap() {
    ONCE_OR_GAP.hold();
}

#[test]
fn the_log_is_bounded_by_age_and_bytes() {
    LOG_IS_BOUNDED.hold();
}
