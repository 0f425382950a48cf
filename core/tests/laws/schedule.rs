//! When checks start: spread, on time, within budgets.

use crate::clinic::{Clinic, DOWN, FINE, INTERVAL, TIMEOUT, origin, policy, word};
use crate::law::{Law, Trial};
use heck_core::check::{Action, Checker, Inquiry};
use heck_core::entry::{Admin, HealthState, Hold, Minted, Scope};
use heck_core::id::{Name, NodeId};
use heck_core::limits::Limits;
use heck_core::mutant::Planted;
use heck_core::ownership::{Candidate, owner};
use heck_core::policy::{Policy, Rule, StatusSet};
use heck_core::probe::{Failure, ProbeId, Reply};
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn roomy() -> Limits {
    Limits { probes_per_s: 1_000_000, ..Limits::default() }
}

pub const SPREAD: Law = Law {
    name: "no 100 ms see more than twice the mean of probes: at a cold start, when many origins are added, when \
           another node's come here, after a pause",
    seed: 101,
    cases: 12,
    check: spread,
};

fn spread(trial: &Trial) -> Result<(), String> {
    let counts = prop_oneof![Just(1_000_usize), Just(10_000), 1_000_usize..4_000];
    trial.for_all(&(counts, 0_usize..4_000, 0_u64..9_000), |(first, added, pause_ms), planted| {
        let mut clinic = Clinic::new(&roomy(), planted, |_, _| FINE);
        let mut held = 0;
        for count in [first, added] {
            let from = clinic.now;
            clinic.gain((held..held + count).map(origin), HealthState::Unknown);
            held += count;
            clinic.run(INTERVAL.times(2));
            prop_assert_eq!(crowded(&clinic, from, held), None, "{} added to {}", count, held - count);
            let early =
                clinic.record.starts.iter().filter(|(at, _)| *at <= from + INTERVAL + Span::from_ms(50));
            let checked: BTreeSet<&Name> = early.map(|(_, name)| name).collect();
            prop_assert_eq!(checked.len(), held, "first checks within one interval");
        }
        clinic.sleep(Span::from_ms(pause_ms));
        clinic.run(Span::from_ms(pause_ms));
        let from = clinic.now;
        clinic.run(INTERVAL.times(3));
        prop_assert_eq!(crowded(&clinic, from, held), None, "after a pause of {} ms", pause_ms);
        Ok(())
    })
}

/// The fullest 100 ms since `from`, where it has more than twice the mean of `held` origins.
fn crowded(clinic: &Clinic, from: Time, held: usize) -> Option<usize> {
    let most = clinic.bins(from).into_iter().max()?;
    (most > 2 * held / 50).then_some(most)
}

#[test]
fn probes_are_spread_however_origins_come() {
    SPREAD.hold();
}

#[test]
fn what_moves_here_when_a_node_is_lost_is_spread_among_what_is_here() {
    let nodes: Vec<Name> = (0..20).map(|at| Name::new(&format!("node-{at}")).unwrap()).collect();
    let all: Vec<Candidate<'_>> = nodes.iter().map(Candidate::new).collect();
    let owned = |candidates: &[Candidate<'_>]| -> BTreeSet<usize> {
        let is_mine = |number: &usize| {
            owner(&origin(*number), Scope::CLUSTER, candidates).map(|at| candidates[at].name)
                == Some(&nodes[0])
        };
        (0..25_000).filter(is_mine).collect()
    };
    // Half of the nodes are lost one after the other, each with 1,250 origins and more.
    let mut clinic = Clinic::new(&roomy(), Planted::NONE, |_, _| FINE);
    let mut held = BTreeSet::new();
    for left in [20, 19, 18, 10] {
        let from = clinic.now;
        let now = owned(&all[..left]);
        assert!(held.is_subset(&now), "what was here stays");
        clinic.gain(now.difference(&held).copied().map(origin), HealthState::Healthy);
        held = now;
        clinic.run(INTERVAL.times(2));
        assert_eq!(crowded(&clinic, from, held.len()), None, "{left} nodes left");
    }
}

#[test]
fn a_file_of_edited_origins_is_no_herd_and_its_origins_are_claimed_anew() {
    let mut clinic = Clinic::new(&roomy(), Planted::NONE, |_, _| FINE);
    clinic.gain((0..5_000).map(origin), HealthState::Healthy);
    clinic.run(Span::from_ms(12_345));
    let (from, claims) = (clinic.now, clinic.record.claims.len());
    clinic.gain((0..5_000).map(origin), HealthState::Healthy);
    clinic.run(INTERVAL.times(2) + Span::from_ms(100));
    assert_eq!(crowded(&clinic, from, 5_000), None);
    assert_eq!(clinic.record.claims.len(), claims + 5_000);
}

pub const SHORTENED: Law = Law {
    name: "origins whose interval becomes shorter at the same time are spread over the shorter one",
    seed: 117,
    cases: 3,
    check: shortened,
};

fn shortened(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(10_u64..3_600, 0_u64..60_000), |(before_s, after_ms), planted| {
        let mut clinic = Clinic::new(&roomy(), planted, |_, _| FINE);
        let slow = Arc::new(Policy { interval: Span::from_secs(before_s), ..Policy::clone(&policy()) });
        for number in 0..3_000 {
            clinic.checker.gain(&origin(number), &slow, Admin::Enabled, HealthState::Healthy, clinic.now);
        }
        clinic.run(Span::from_ms(after_ms));
        let from = clinic.now;
        clinic.gain((0..3_000).map(origin), HealthState::Healthy);
        // The pace spreads what starts. What is due at one time shows in how late some start, against the others.
        let due = |number: usize| clinic.checker.status(&origin(number)).map(|status| status.due);
        let dues: BTreeSet<Time> = (0..3_000).filter_map(due).collect();
        prop_assert!(dues.len() > 2_900, "{} origins are due at {} times", 3_000, dues.len());
        prop_assert!(dues.last().is_some_and(|last| *last <= from + INTERVAL));
        clinic.run(INTERVAL.times(4));
        prop_assert_eq!(crowded(&clinic, from, 3_000), None);
        Ok(())
    })
}

#[test]
fn what_is_checked_more_often_is_spread() {
    SHORTENED.hold();
}

pub const ON_TIME: Law = Law {
    name: "every origin is checked once in each interval, within a hundredth of it of its time, whatever becomes of \
           the others",
    seed: 102,
    cases: 8,
    check: on_time,
};

fn on_time(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(1_000_usize..5_000, any::<u64>()), |(count, seed), planted| {
        let is_hole = move |name: &Name| word(seed, name, Time::ZERO).is_multiple_of(5);
        let from_s = 1_020;
        let hole_opens = Time(from_s * 1_000_000);
        let mut clinic =
            Clinic::new(
                &roomy(),
                planted,
                move |name, now| {
                    if now >= hole_opens && is_hole(name) { TIMEOUT } else { FINE }
                },
            );
        clinic.gain((0..count).map(origin), HealthState::Healthy);
        clinic.run(INTERVAL.times(20));
        for (name, starts) in clinic.starts_by_origin() {
            if is_hole(name) {
                continue;
            }
            prop_assert!((19..=20).contains(&starts.len()), "{} checks", starts.len());
            for (nth, at) in starts.iter().enumerate() {
                let due = starts[0] + INTERVAL.times(nth as u64);
                let off = at.since(due).max(due.since(*at));
                prop_assert!(off <= Span::from_ms(50), "{} started {:?} off its time", name, off);
            }
        }
        Ok(())
    })
}

#[test]
fn each_origin_is_checked_once_an_interval_and_on_time() {
    ON_TIME.hold();
}

pub const BUDGET: Law = Law {
    name: "a node starts no more probes than its budget allows, whatever it owns and however it fares, and one \
           origin is probed no faster than its fast interval",
    seed: 103,
    cases: 12,
    check: budget,
};

fn budget(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(50_u32..600, 100_usize..4_000, 0_u64..4, 0_u64..8_000), |input, planted| {
        let (probes_per_s, count, bad, pause_ms) = input;
        let limits = Limits { probes_per_s, ..Limits::default() };
        let mut clinic =
            Clinic::new(
                &limits,
                planted,
                move |name, _| {
                    if word(7, name, Time::ZERO) % 4 < bad { DOWN } else { FINE }
                },
            );
        clinic.gain((0..count).map(origin), HealthState::Healthy);
        clinic.run(Span::from_secs(20));
        clinic.sleep(Span::from_ms(pause_ms));
        for round in 0..40 {
            // Others ask about more than can be probed.
            let asked = (round * 997) as usize % (2 * probes_per_s as usize);
            for number in 0..asked {
                clinic.ask(number as u64 % 3, round, &origin(10_000 + number));
            }
            clinic.run(Span::from_ms(500));
        }
        let starts = &clinic.record.starts;
        let allowed = probes_per_s as usize + (probes_per_s as usize / 25).max(8);
        for (at, (from, _)) in starts.iter().enumerate() {
            let within = starts[at..].iter().take_while(|(at, _)| *at < *from + Span::from_secs(1)).count();
            prop_assert!(within <= allowed, "{} probes in a second, allowed are {}", within, allowed);
        }
        for (name, starts) in clinic.starts_by_origin() {
            let least = starts.windows(3).map(|three| three[2].since(three[0])).min();
            prop_assert!(
                least.is_none_or(|least| least > Span::from_secs(1)),
                "{} three times in a second",
                name
            );
        }
        Ok(())
    })
}

#[test]
fn no_budget_is_exceeded() {
    BUDGET.hold();
}

#[test]
fn questions_about_many_origins_are_answered_in_time_or_not_at_all_and_stay_within_the_budget() {
    let limits = Limits { probes_per_s: 100, ..Limits::default() };
    let mut clinic = Clinic::new(&limits, Planted::NONE, |_, _| FINE);
    clinic.gain((0..250).map(|number| origin(5_000 + number)), HealthState::Healthy);
    clinic.run(INTERVAL);
    let asked = clinic.now;
    for number in 0..1_000 {
        clinic.ask(1, number as u32, &origin(number));
    }
    clinic.run(Span::from_secs(60));
    // A burst of eight, and what starts in a second, in turns with own checks.
    let answers = &clinic.record.answers;
    assert!((50..=60).contains(&answers.len()), "{} answers", answers.len());
    let last = answers.iter().map(|(at, ..)| at.since(asked)).max();
    assert!(last <= Some(Span::from_ms(1_100)), "{last:?}");
    let most = clinic.bins(Time(1_000_000_000)).into_iter().max();
    assert!(most <= Some(8 + 10), "{most:?} in 100 ms");
}

pub const COLLAPSE: Law = Law {
    name: "a node that sees few of those that it knows checks each origin as rarely as all of them together may, and \
           does not claim to be on schedule; when they come back it is soon on schedule again",
    seed: 104,
    cases: 20,
    check: collapse,
};

fn collapse(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(20_u32..1_000, 1_u32..3, 100_usize..500), |(known, alive, count), planted| {
        let mut clinic = Clinic::new(&Limits::default(), planted, |_, _| FINE);
        clinic.checker.set_view(known, alive, 0);
        clinic.gain((0..count).map(origin), HealthState::Healthy);
        let stretched = Span(INTERVAL.as_us() * u64::from(known) / u64::from(alive) / 4);
        clinic.run(stretched.times(3) + INTERVAL);
        for (name, starts) in clinic.starts_by_origin() {
            prop_assert!(starts.len() <= 4, "{} checked {} times in three intervals", name, starts.len());
        }
        if stretched > INTERVAL.times(2) {
            let held = clinic.record.claims.iter().find(|(_, finding)| finding.hold == Hold::Held);
            prop_assert_eq!(held, None);
        }
        let healed = clinic.now;
        clinic.checker.set_view(known, known, 2);
        clinic.tick();
        clinic.run(INTERVAL.times(2));
        let after = clinic.record.starts.iter().filter(|(at, _)| *at >= healed);
        let checked: BTreeSet<&Name> = after.map(|(_, name)| name).collect();
        prop_assert_eq!(checked.len(), count, "checked within two intervals of the healing");
        Ok(())
    })
}

#[test]
fn a_collapsed_view_stretches_intervals_and_is_late() {
    COLLAPSE.hold();
}

pub const PROGRESS: Law = Law {
    name: "whatever comes, with whatever settings, a tick leaves nothing that is due now",
    seed: 112,
    cases: 300,
    check: progress,
};

/// A policy from anywhere, valid or not.
fn odd_policy() -> impl Strategy<Value = Policy> {
    let span = || prop_oneof![Just(0), Just(u64::MAX), 0_u64..10_000_000].prop_map(Span);
    let rule = prop_oneof![
        (any::<u16>(), any::<u16>()).prop_map(|(rise, fall)| Rule::Streaks { rise, fall }),
        any::<(u8, u8, u8)>().prop_map(|(size, threshold, initial)| Rule::Window {
            size,
            threshold,
            initial
        }),
    ];
    let expected = StatusSet::default();
    (span(), span(), span(), rule, proptest::option::of(span())).prop_map(
        move |(interval, fast_interval, timeout, rule, slow)| Policy {
            confirmers: None,
            interval,
            fast_interval,
            timeout,
            rule,
            slow,
            expected,
        },
    )
}

fn progress(trial: &Trial) -> Result<(), String> {
    let op = (0_u8..9, 0_usize..6, any::<u32>(), 0_u64..3_000_000);
    let ops = proptest::collection::vec(op, 1..120);
    let limits = (1_u32..50, 1_u32..5);
    trial.for_all(
        &(proptest::collection::vec(odd_policy(), 6), ops, limits),
        |(policies, ops, limits), planted| {
            let (probes_per_s, claims_per_s) = limits;
            let limits = Limits { probes_per_s, claims_per_s, planted, ..Limits::default() };
            let mut now = Time(1_000_000);
            let mut checker = Checker::new(NodeId(1), limits, now);
            let policies: Vec<Arc<Policy>> = policies.into_iter().map(Arc::new).collect();
            let (mut actions, mut probes) = (Vec::new(), vec![ProbeId(u64::MAX), ProbeId(3)]);
            for (kind, at, word, pass_us) in ops {
                let (name, policy) = (origin(at), &policies[at]);
                let probe = probes[word as usize % probes.len()];
                match kind {
                    0 | 1 => checker.gain(&name, policy, Admin::Enabled, HealthState::Healthy, now),
                    2 => checker.lose(&name),
                    3 => checker.set_view(word, at as u32, word as u8 % 4),
                    4 => {
                        let (from, generation) = (NodeId(at as u64), Minted::default());
                        let inquiry = Inquiry { from, round: word, origin: &name, generation, policy };
                        checker.asked(&inquiry, now, &mut actions);
                    }
                    5 => checker.answer(&name, word % 8, NodeId(at as u64), word > 9, now, &mut actions),
                    6 => checker.outcome(probe, Reply::Status(200), Span(9), now, &mut actions),
                    7 => {
                        let failed = Reply::Failed(Failure::Connect);
                        checker.outcome(probe, failed, Span(9), now, &mut actions);
                    }
                    _ => now += Span(pass_us),
                }
                checker.tick(now, &mut actions);
                prop_assert!(checker.next_wake() > now, "something is due at {:?}", now);
                for action in actions.drain(..) {
                    if let Action::Probe { probe, .. } = action {
                        probes.push(probe);
                    }
                }
            }
            Ok(())
        },
    )
}

#[test]
fn a_tick_leaves_nothing_due() {
    PROGRESS.hold();
}

#[test]
fn the_same_inputs_give_the_same_actions() {
    let run = || {
        let mut clinic = Clinic::new(&Limits::default(), Planted::NONE, |name, now| {
            if word(3, name, now).is_multiple_of(3) { DOWN } else { FINE }
        });
        clinic.gain((0..500).map(origin), HealthState::Unknown);
        clinic.run(Span::from_secs(60));
        (clinic.record.starts, clinic.record.claims)
    };
    assert!(run() == run());
}
