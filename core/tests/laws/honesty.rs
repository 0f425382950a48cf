//! The checker's fault is never the origin's, and it says when it is behind.

use crate::clinic::{Clinic, FINE, INTERVAL, origin, word};
use crate::law::{Law, Trial};
use heck_core::check::Finding;
use heck_core::entry::{HealthState, Hold};
use heck_core::id::Name;
use heck_core::limits::Limits;
use heck_core::mutant::Planted;
use heck_core::probe::{Failure, Reply};
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub const NO_BLAME: Law = Law {
    name: "a checker that is paused, or gets outcomes late, never calls a healthy origin anything else",
    seed: 105,
    cases: 60,
    check: no_blame,
};

/// Pauses, each after a time of work, in milliseconds.
fn pauses() -> impl Strategy<Value = Vec<(u64, u64)>> {
    proptest::collection::vec((200_u64..9_000, 300_u64..12_000), 1..12)
}

fn no_blame(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(pauses(), any::<u64>(), 1_usize..40), |(pauses, seed, count), planted| {
        // Each probe is answered in 20 ms. Where the outcome is later than the timeout, it looks like one.
        let mut clinic = Clinic::new(&Limits::default(), planted, move |name, now| {
            let draw = word(seed, name, now);
            let is_late = draw.is_multiple_of(3);
            let lag = Span::from_ms(2_000 + 300 + (draw >> 8) % 6_000);
            if is_late { Some((Reply::Failed(Failure::Timeout), Span::from_secs(2), lag)) } else { FINE }
        });
        clinic.gain((0..count).map(origin), HealthState::Healthy);
        for (work_ms, pause_ms) in pauses {
            clinic.run(Span::from_ms(work_ms));
            clinic.sleep(Span::from_ms(pause_ms));
        }
        clinic.run(Span::from_secs(30));
        let blamed = clinic.record.claims.iter().find(|(_, finding)| finding.state != HealthState::Healthy);
        prop_assert_eq!(blamed, None);
        Ok(())
    })
}

#[test]
fn late_outcomes_blame_nobody() {
    NO_BLAME.hold();
}

pub const NO_BLAME_WHILE_PAUSED: Law = Law {
    name: "timeouts of probes that were under way while the checker slept tell nothing",
    seed: 106,
    cases: 60,
    check: no_blame_while_paused,
};

fn no_blame_while_paused(trial: &Trial) -> Result<(), String> {
    // Sleeps shorter than the grace on top of the timeout: the outcome is not late, the checker was.
    let sleeps = proptest::collection::vec(300_u64..1_200, 10..60);
    trial.for_all(&sleeps, |sleeps, planted| {
        let mut clinic = Clinic::new(&Limits::default(), planted, |_, _| {
            Some((Reply::Failed(Failure::Timeout), Span::from_ms(1_000), Span::ZERO))
        });
        // So many that something is due in every sleep.
        clinic.gain((0..200).map(origin), HealthState::Healthy);
        for sleep in sleeps {
            clinic.sleep(Span::from_ms(sleep));
            clinic.run(Span::from_ms(sleep + 1));
        }
        let blamed = clinic.record.claims.iter().find(|(_, finding)| finding.state != HealthState::Healthy);
        prop_assert_eq!(blamed, None);
        Ok(())
    })
}

#[test]
fn a_sleeping_checker_blames_nobody() {
    NO_BLAME_WHILE_PAUSED.hold();
}

pub const OVERLOADED: Law = Law {
    name: "a machine that cannot keep up calls origins late and never bad; one that can calls them neither",
    seed: 111,
    cases: 24,
    check: overloaded,
};

fn overloaded(trial: &Trial) -> Result<(), String> {
    let loads = prop_oneof![20_u64..500, 100_u64..112];
    trial.for_all(&(loads, 50_usize..200), |(load_percent, count), planted| {
        let mut clinic = Clinic::new(&Limits::default(), planted, |_, _| FINE);
        // As much work as fills this share of the machine.
        clinic.work = Span(INTERVAL.as_us() / count as u64 * load_percent / 100);
        clinic.gain((0..count).map(origin), HealthState::Healthy);
        for _ in 0..120 {
            clinic.run(Span::from_secs(1));
            vouches_rightly(&clinic).map_err(TestCaseError::fail)?;
        }
        let claims = &clinic.record.claims;
        let blamed = claims.iter().find(|(_, finding)| finding.state != HealthState::Healthy);
        prop_assert_eq!(blamed, None, "at {} % load", load_percent);
        let late = claims.iter().filter(|(_, finding)| finding.hold == Hold::Late).count();
        if load_percent <= 80 {
            prop_assert_eq!(late, 0, "late at {} % load", load_percent);
        }
        if load_percent >= 150 {
            let last: BTreeMap<&Name, Hold> =
                claims.iter().map(|(_, finding)| (&finding.origin, finding.hold)).collect();
            let held = last.values().filter(|hold| **hold == Hold::Held).count();
            prop_assert_eq!(held, 0, "held at {} % load", load_percent);
            prop_assert!(claims.len() <= 3 * count, "{} claims of {} origins", claims.len(), count);
        }
        Ok(())
    })
}

#[test]
fn an_overloaded_checker_is_late_and_blames_nobody() {
    OVERLOADED.hold();
}

pub const VOUCHED: Law = Law {
    name: "whenever a checker vouches, each origin that it claims to hold was checked within two intervals, a timeout \
           and the grace, and is still its own",
    seed: 107,
    cases: 60,
    check: vouched,
};

fn vouched(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(pauses(), any::<u64>(), 1_usize..60, 1_u32..40), |input, planted| {
        let (pauses, seed, count, claims_per_s) = input;
        // Half of all outcomes get lost, for some of the time.
        let limits = Limits { claims_per_s, ..Limits::default() };
        let mut clinic = Clinic::new(&limits, planted, move |name, now| {
            let is_lossy = word(seed, name, Time(now.0 / 20_000_000)).is_multiple_of(2);
            let is_lost = is_lossy && !word(seed, name, now).is_multiple_of(4);
            if is_lost { None } else { FINE }
        });
        clinic.gain((0..count).map(origin), HealthState::Healthy);
        for (lost, (work_ms, pause_ms)) in pauses.into_iter().enumerate() {
            clinic.run_watched(Span::from_ms(work_ms), vouches_rightly).map_err(TestCaseError::fail)?;
            clinic.checker.lose(&origin(lost));
            clinic.sleep(Span::from_ms(pause_ms));
        }
        clinic.run_watched(Span::from_secs(30), vouches_rightly).map_err(TestCaseError::fail)?;
        Ok(())
    })
}

/// Nothing that is claimed to be held is older than it may be, by the clinic's own record.
fn vouches_rightly(clinic: &Clinic) -> Result<(), String> {
    let mut checker = clinic.checker.clone();
    let mut actions = Vec::new();
    checker.tick(clinic.now, &mut actions);
    if !actions.is_empty() || !checker.vouches() {
        return Ok(());
    }
    let last: BTreeMap<&Name, &Finding> =
        clinic.record.claims.iter().map(|(_, finding)| (&finding.origin, finding)).collect();
    for (name, finding) in last.into_iter().filter(|(_, finding)| finding.hold == Hold::Held) {
        if checker.status(name).is_none() {
            return Err(format!("{name} is held by nobody"));
        }
        let told = clinic.record.told.get(name).ok_or(format!("{name} was never checked"))?;
        let age = clinic.now.since(*told);
        if age > INTERVAL.times(2) + Span::from_secs(2) + Span::from_ms(250) {
            return Err(format!("{name}, {:?}, was last checked {age:?} ago", finding.state));
        }
    }
    Ok(())
}

#[test]
fn heartbeats_vouch_for_what_is_on_schedule_alone() {
    VOUCHED.hold();
}

#[test]
fn releases_are_paced_and_dropped_for_what_has_come_back_and_was_checked() {
    let limits = Limits { claims_per_s: 100, ..Limits::default() };
    let mut clinic = Clinic::new(&limits, Planted::NONE, |_, _| FINE);
    clinic.gain((0..3_000).map(origin), HealthState::Healthy);
    clinic.run(INTERVAL.times(2));
    clinic.checker.lose_all();
    clinic.tick();
    assert!(!clinic.checker.vouches());
    clinic.gain((2_900..3_000).map(origin), HealthState::Healthy);
    clinic.run(Span::from_secs(60));
    assert!(clinic.checker.vouches());
    let released: Vec<Time> = clinic
        .record
        .claims
        .iter()
        .filter(|(_, finding)| finding.hold == Hold::Released)
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(released.len(), 2_900);
    let most = released.windows(106).map(|some| some[105].since(some[0])).min();
    assert!(most.is_some_and(|span| span >= Span::from_secs(1)), "106 releases within {most:?}");
}
