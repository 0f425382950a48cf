//! What an origin is called: asked before it is buried, damped when it flaps, kept when it moves.

use crate::clinic::{Clinic, DOWN, FINE, INTERVAL, origin, policy};
use crate::law::{Law, Trial};
use heck_core::entry::{Admin, HealthState, Hold};
use heck_core::id::NodeId;
use heck_core::limits::Limits;
use heck_core::mutant::Planted;
use heck_core::policy::{Policy, Rule};
use heck_core::probe::{Failure, Reply};
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

pub const CONFIRMED: Law = Law {
    name: "an origin is called down only when more than half of those who voted say so: the owner and whoever answered \
           by the end, or by then so many that the others change nothing",
    seed: 108,
    cases: 150,
    check: confirmed,
};

fn confirmed(trial: &Trial) -> Result<(), String> {
    // Of each of four confirmers: whether it finds the origin down, when it answers, and how often.
    let answers = proptest::collection::vec((any::<bool>(), 1_u64..4_000, 0_usize..3), 4);
    trial.for_all(&answers, |answers, planted| {
        let mut clinic = Clinic::new(&Limits::default(), planted, |_, _| DOWN);
        clinic.checker.set_view(5, 5, 4);
        clinic.gain([origin(0)], HealthState::Healthy);
        let mut asked = None;
        while asked.is_none() && clinic.record.claims.iter().all(|(_, f)| f.state != HealthState::Unhealthy) {
            clinic.run(Span::from_ms(100));
            asked = clinic.record.asks.first().cloned();
        }
        prop_assert!(asked.is_some(), "called down without a question");
        let Some((at, name, round, count)) = asked else { return Ok(()) };
        prop_assert_eq!(count, 4);
        for (from, (down, after_ms, times)) in answers.iter().enumerate() {
            for nth in 0..*times {
                let arrives = clinic.now + Span::from_ms(after_ms + 7 * nth as u64);
                let answer = (name.clone(), round, NodeId(from as u64), *down);
                clinic.answers.insert((arrives, (from * 10 + nth) as u64), answer);
            }
        }
        let arrivals: Vec<(Time, bool)> = answers
            .iter()
            .filter(|(_, _, times)| *times > 0)
            .map(|(down, after_ms, _)| (clinic.now + Span::from_ms(*after_ms), *down))
            .collect();
        let deadline = at + Span::from_secs(3);
        clinic.run(deadline.since(clinic.now) + Span::from_ms(1));
        let votes = |until: Time, down: bool| {
            arrivals.iter().filter(|(at, says)| *at <= until && *says == down).count()
        };
        let called = clinic.record.claims.iter().find(|(_, finding)| finding.state == HealthState::Unhealthy);
        let expected = 1 + votes(deadline, true) > votes(deadline, false);
        prop_assert_eq!(called.is_some(), expected, "{:?}", arrivals);
        if let Some((at, finding)) = called {
            let (down, up) = (1 + votes(*at, true), votes(*at, false));
            let missing = if *at >= deadline { 0 } else { 4 - (down - 1) - up };
            prop_assert!(down > up + missing, "{} say down, {} up, {} nothing yet", down, up, missing);
            let confirmation = finding.confirmation;
            prop_assert_eq!(usize::from(confirmation.agreed), down - 1);
            prop_assert_eq!(usize::from(confirmation.answered), down - 1 + up);
            prop_assert_eq!(confirmation.asked, 4);
            prop_assert_eq!(finding.cause, Some(Reply::Failed(Failure::Connect)));
        }
        let mut others = clinic.record.claims.iter().filter(|(_, found)| found.state == HealthState::Healthy);
        prop_assert!(others.all(|(_, found)| found.cause.is_none()));
        Ok(())
    })
}

#[test]
fn the_majority_confirms() {
    CONFIRMED.hold();
}

#[test]
fn an_owner_whose_own_path_is_broken_asks_ever_more_rarely() {
    let mut clinic = Clinic::new(&Limits::default(), Planted::NONE, |_, _| DOWN);
    clinic.checker.set_view(3, 3, 2);
    clinic.gain([origin(0)], HealthState::Healthy);
    let answered = contradict(&mut clinic, Span::from_secs(3_600));
    assert_eq!(standing(&clinic), Some((HealthState::Healthy, Hold::Held)));
    // 10, 20, 40, 80 s between the first questions, then 160 s.
    assert!((20..=30).contains(&answered), "{answered} questions in an hour");
    let probes = clinic.record.starts.len();
    assert!(probes < 760, "{probes} probes in an hour: it hurries though others contradict");
}

/// Lets `span` pass while every question is answered at once by all who were asked: the origin is not down. How many
/// questions there were.
fn contradict(clinic: &mut Clinic, span: Span) -> usize {
    let (until, mut answered) = (clinic.now + span, 0);
    while clinic.now < until {
        clinic.run(Span::from_ms(100));
        for (_, name, round, count) in std::mem::take(&mut clinic.record.asks) {
            for from in 0..u64::from(count) {
                let answer = (name.clone(), round, NodeId(from), false);
                clinic.answers.insert((clinic.now, from), answer);
            }
            answered += 1;
        }
    }
    answered
}

pub const EDITS_ASK_ANEW: Law = Law {
    name: "an origin that is checked in another way is asked about anew, however often others contradicted before, and \
           whoever is contradicted asks again within an hour, or at the interval",
    seed: 118,
    cases: 3,
    check: edits_ask_anew,
};

fn edits_ask_anew(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(600_u64..3_600), |interval_s, planted| {
        let interval = Span::from_secs(interval_s);
        let slow = Arc::new(Policy { interval, ..Policy::clone(&policy()) });
        let mut clinic = Clinic::new(&Limits::default(), planted, |_, _| DOWN);
        clinic.checker.set_view(3, 3, 2);
        let gain = |clinic: &mut Clinic, policy: &Arc<Policy>| {
            clinic.checker.gain(&origin(0), policy, Admin::Enabled, HealthState::Healthy, clinic.now);
        };
        gain(&mut clinic, &slow);
        let questions = contradict(&mut clinic, Span::from_secs(8 * 3_600));
        prop_assert!((6..=9).contains(&questions), "{} questions in eight hours", questions);
        gain(&mut clinic, &policy());
        let questions = contradict(&mut clinic, Span::from_secs(60));
        prop_assert!(questions > 0, "no question in a minute");
        Ok(())
    })
}

#[test]
fn an_edited_origin_is_asked_about_anew() {
    EDITS_ASK_ANEW.hold();
}

pub const FINE_SINCE: Law = Law {
    name: "an origin that was fine since others contradicted is asked about as soon as it looks down again",
    seed: 124,
    cases: 4,
    check: fine_since,
};

fn fine_since(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(300_u64..3_000), |bad_s, planted| {
        let calm = Time(1_000_000_000 + bad_s * 1_000_000);
        let down_again = calm + Span::from_secs(20);
        let is_fine = move |now: Time| now >= calm && now < down_again;
        let mut clinic =
            Clinic::new(&Limits::default(), planted, move |_, now| if is_fine(now) { FINE } else { DOWN });
        clinic.checker.set_view(3, 3, 2);
        clinic.gain([origin(0)], HealthState::Healthy);
        contradict(&mut clinic, Span::from_secs(bad_s + 20));
        // Three checks of which the second and the third come fast.
        let questions = contradict(&mut clinic, Span::from_secs(8));
        prop_assert!(questions > 0, "no question");
        Ok(())
    })
}

#[test]
fn what_was_fine_since_is_asked_about_at_once() {
    FINE_SINCE.hold();
}

#[test]
fn all_who_ask_about_an_origin_share_one_probe_and_it_is_probed_for_others_once_a_second_at_most() {
    let mut clinic = Clinic::new(&Limits::default(), Planted::NONE, |_, _| DOWN);
    for round in 0..100 {
        clinic.ask(u64::from(round % 5), round, &origin(0));
        clinic.run(Span::from_ms(100));
    }
    let starts = clinic.record.starts.len();
    assert!((9..=11).contains(&starts), "{starts} probes in ten seconds");
    assert_eq!(clinic.record.answers.len(), 100);
    assert!(clinic.record.answers.iter().all(|(_, _, _, down)| *down));
}

#[test]
fn a_confirmer_whose_own_outcome_is_late_does_not_answer() {
    let mut clinic = Clinic::new(&Limits::default(), Planted::NONE, |_, _| {
        Some((Reply::Failed(Failure::Timeout), Span::from_secs(2), Span::from_ms(400)))
    });
    clinic.ask(1, 1, &origin(0));
    clinic.run(Span::from_secs(10));
    assert_eq!(clinic.record.answers, []);
}

pub const DAMPED: Law = Law {
    name: "whatever an origin does, it changes its state no more than sixty times an hour",
    seed: 109,
    cases: 6,
    check: damped,
};

fn damped(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(2_u64..40, 0_u64..3), |(period, kind), planted| {
        // Up and down in turns, of so many checks each; mostly up; or always the opposite of what is claimed.
        let shown = Rc::new(Cell::new(HealthState::Healthy));
        let (claimed, mut checks) = (shown.clone(), 0);
        let mut clinic = Clinic::new(&Limits::default(), planted, move |_, _| {
            checks += 1;
            let is_up = match kind {
                0 => (checks / period) % 2 == 0,
                1 => checks % period >= 3,
                _ => claimed.get() != HealthState::Healthy,
            };
            if is_up { FINE } else { DOWN }
        });
        clinic.gain([origin(0)], HealthState::Healthy);
        let seen = |clinic: &Clinic| {
            shown.set(clinic.record.claims.last().map_or(HealthState::Healthy, |(_, finding)| finding.state));
            Ok(())
        };
        clinic.run_watched(Span::from_secs(3_600), seen).map_err(TestCaseError::fail)?;
        let changes = clinic.record.claims.len();
        prop_assert!(changes <= 60, "{} claims in an hour", changes);
        Ok(())
    })
}

#[test]
fn flapping_is_damped() {
    DAMPED.hold();
}

pub const CARRIED: Law = Law {
    name: "an origin that changes hands keeps its state until its new owner's findings change it, though the owner takes \
           another boot before its first check",
    seed: 110,
    cases: 60,
    check: carried,
};

fn carried(trial: &Trial) -> Result<(), String> {
    let states =
        prop_oneof![Just(HealthState::Healthy), Just(HealthState::Unhealthy), Just(HealthState::Degraded)];
    trial.for_all(&(states, any::<bool>(), any::<bool>()), |(state, is_up, is_reborn), planted| {
        let mut clinic =
            Clinic::new(&Limits::default(), planted, move |_, _| if is_up { FINE } else { DOWN });
        clinic.gain([origin(0)], state);
        prop_assert!(clinic.record.claims.is_empty(), "nobody vouches for hearsay");
        if is_reborn {
            clinic.checker.contested(&origin(0), HealthState::Unknown, Hold::Released, clinic.now);
        }
        clinic.run(INTERVAL + Span::from_ms(100));
        let first = clinic.record.claims.first().map(|(_, finding)| (finding.state, finding.hold));
        prop_assert_eq!(first, Some((state, Hold::Held)), "one finding changes nothing");
        Ok(())
    })
}

#[test]
fn a_moved_origin_keeps_its_state() {
    CARRIED.hold();
}

/// The state and hold that are claimed last.
fn standing(clinic: &Clinic) -> Option<(HealthState, Hold)> {
    clinic.record.claims.last().map(|(_, finding)| (finding.state, finding.hold))
}

#[test]
fn an_origin_that_is_drained_says_so_unless_it_is_down() {
    let mut clinic =
        Clinic::new(
            &Limits::default(),
            Planted::NONE,
            |_, now| {
                if now < Time(1_060_000_000) { FINE } else { DOWN }
            },
        );
    clinic.checker.gain(&origin(0), &policy(), Admin::Draining, HealthState::Degraded, clinic.now);
    clinic.run(Span::from_secs(30));
    assert_eq!(standing(&clinic), Some((HealthState::Draining, Hold::Held)));
    clinic.run(Span::from_secs(60));
    assert_eq!(standing(&clinic), Some((HealthState::Unhealthy, Hold::Held)));
    clinic.checker.gain(&origin(0), &policy(), Admin::Disabled, HealthState::Unhealthy, clinic.now);
    clinic.run(Span::from_secs(1));
    assert_eq!(standing(&clinic), Some((HealthState::Unhealthy, Hold::Released)));
    assert!(clinic.checker.is_empty());
}

#[test]
fn what_is_down_at_its_first_check_is_claimed_once_and_held() {
    let mut clinic = Clinic::new(&Limits::default(), Planted::NONE, |_, _| DOWN);
    let strict = Policy { rule: Rule::Streaks { rise: 1, fall: 1 }, ..Policy::clone(&policy()) };
    clinic.checker.gain(&origin(0), &Arc::new(strict), Admin::Enabled, HealthState::Unknown, clinic.now);
    clinic.run(Span::from_secs(60));
    assert_eq!(clinic.record.claims.len(), 1);
    assert_eq!(standing(&clinic), Some((HealthState::Unhealthy, Hold::Held)));
    assert!(clinic.record.starts.len() <= 13, "what is down and stays down is checked at its interval");
}
