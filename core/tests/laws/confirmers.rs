//! Whole nodes that ask others before they call an origin down.

use crate::common::{Cluster, Weather, addr, name};
use crate::law::{Law, Trial};
use crate::owners::{UP, node, origin, settings, warm, weigh};
use heck_core::config::Config;
use heck_core::effects::Event;
use heck_core::entry::{Confirmation, HealthState, OriginSpec, Scope};
use heck_core::id::Store;
use heck_core::input::Command;
use heck_core::limits::Limits;
use heck_core::packet::{Carried, PacketKind};
use heck_core::probe::{Failure, Reply};
use heck_core::settings::{Scoping, Settings};
use heck_core::state::Change;
use heck_core::time::Span;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;

const DOWN: Option<(Reply, Span)> = Some((Reply::Failed(Failure::Connect), Span::from_ms(5)));

pub const ONLY_WHO_CAN_BE_ASKED: Law = Law {
    name: "a node that is alone in its zone calls an origin down at once and says that nobody was asked",
    seed: 122,
    cases: 3,
    check: only_who_can_be_asked,
};

fn only_who_can_be_asked(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let ownership = Settings { scoping: Scoping::Zones, ..Settings::default() };
        let config = Config { ownership, ..settings(planted) };
        let mut cluster = warm(4, 10, Weather::default(), seed, &config);
        cluster.command(3, &Command::Describe { addr: addr(3), zone: Scope(7), weight: 100 });
        cluster.run_for(Span::from_secs(30));
        cluster.origins = Box::new(|_, _, _| DOWN);
        // A check within an interval, and two more at one second each.
        cluster.run_for(Span::from_ms(5_000 + 2_000 + 500));
        for number in 0..10 {
            let claim = cluster.node(3).view().claim(Scope(7), &origin(number)).expect("there is a claim");
            prop_assert_eq!(claim.ballot.writer.node, node(3));
            prop_assert_eq!(claim.state, HealthState::Unhealthy);
            prop_assert_eq!(claim.confirmation, Confirmation::default());
        }
        Ok(())
    })
}

pub const MANY_ARE_ASKED_ABOUT: Law = Law {
    name: "hundreds of origins that their owner alone cannot reach stay healthy, however little time confirmers have",
    seed: 123,
    cases: 6,
    check: many_are_asked_about,
};

fn many_are_asked_about(trial: &Trial) -> Result<(), String> {
    // What the owner and the others may start in a second; how much more the owner has to do; how it is broken.
    let budgets =
        prop_oneof![Just((5_000_u32, 5_000_u32)), Just((5_000, 20)), (100..1_000_u32, 100..1_000_u32)];
    let input = (any::<u16>(), budgets, prop_oneof![Just(100_u16), Just(10_000)], any::<bool>());
    trial.for_all(&input, |(seed, (own, others), weight, is_slow), planted| {
        let with = |probes_per_s| {
            let limits = Limits { probes_per_s, ..Limits::default() };
            Config { checks: Some(limits), ..settings(planted) }
        };
        let mut cluster = warm(3, 0, Weather::default(), seed, &with(own));
        cluster.reconfigure(with(others));
        for at in [1, 2] {
            cluster.crash(at);
            cluster.start(at, true);
        }
        weigh(&mut cluster, 0, weight);
        for number in 0..600 {
            let (spec, source) = (OriginSpec::new("http://a/"), name("test"));
            cluster.command(0, &Command::PutOrigin { name: origin(number), spec, source });
        }
        cluster.run_for(Span::from_secs(60));
        let owned = |cluster: &Cluster| cluster.node(0).view().check_sizes()[0];
        prop_assert!(owned(&cluster) > 100, "the owner has {} origins", owned(&cluster));
        let failing = if is_slow {
            (Reply::Failed(Failure::Timeout), Span::from_secs(2))
        } else {
            DOWN.expect("an answer")
        };
        cluster.origins = Box::new(move |by, _, _| if by == 0 { Some(failing) } else { UP });
        cluster.events.clear();
        cluster.run_for(Span::from_secs(60));
        let mut down = BTreeSet::new();
        for (_, _, event) in &cluster.events {
            if let Event::Changed(Change::Learned(entry)) = event
                && let Some(claim) = entry.claim().filter(|claim| claim.state == HealthState::Unhealthy)
            {
                down.insert(claim.origin.clone());
            }
        }
        prop_assert_eq!(down.len(), 0, "of {} origins", owned(&cluster));
        Ok(())
    })
}

pub const ANSWERS_FIT_QUESTIONS: Law = Law {
    name: "where the owner and its confirmers differ about an edit, what others find of one target says nothing of the other",
    seed: 124,
    cases: 8,
    check: answers_fit_questions,
};

fn answers_fit_questions(trial: &Trial) -> Result<(), String> {
    let input = (any::<u16>(), any::<bool>(), 0..1_500_u64);
    trial.for_all(&input, |(seed, is_owner_ahead, late_ms), planted| {
        let mut cluster = warm(4, 10, Weather::default(), seed, &settings(planted));
        let owner = (0..4).find(|&at| cluster.node(at).view().check(&origin(4)).is_some());
        let owner = owner.expect("somebody checks it");
        // The old target is down for everybody, the new one for the owner alone.
        cluster.origins = Box::new(move |by, probe, _| {
            let is_down = probe.origin == origin(4) && (&*probe.target == "http://a/" || by == owner);
            if is_down { DOWN } else { UP }
        });
        // The edit does not spread: where the owner has it until shortly after it asks about it.
        let asked = Cell::new(None);
        cluster.passes = Box::new(move |from, to, packet, now| {
            let tells = |carried: &Carried| {
                let is_it = carried.entry.body.map_name() == Some(&origin(4));
                is_it && carried.entry.dot.lane.store == Store::Registry
            };
            let crosses = from == owner || to == owner;
            if from == owner && packet.kind == PacketKind::Confirm {
                asked.set(asked.get().or(Some(now)));
            }
            let is_over =
                is_owner_ahead && asked.get().is_some_and(|asked| now >= asked + Span::from_ms(late_ms));
            !crosses || is_over || !packet.entries.iter().any(tells)
        });
        cluster.events.clear();
        let editor = if is_owner_ahead { owner } else { (owner + 1) % 4 };
        let (spec, source) = (OriginSpec::new("http://b/"), name("test"));
        cluster.command(editor, &Command::PutOrigin { name: origin(4), spec, source });
        cluster.run_for(Span::from_secs(15));
        let down: Vec<Confirmation> = cluster
            .events
            .iter()
            .filter_map(|(_, at, event)| match event {
                Event::Changed(Change::Learned(entry)) if *at == owner => {
                    let claim = entry.claim().filter(|claim| claim.state == HealthState::Unhealthy);
                    claim.map(|claim| claim.confirmation)
                }
                _ => None,
            })
            .collect();
        prop_assert!(down.iter().all(|confirmation| confirmation.agreed == 0), "{:?}", down);
        prop_assert!(is_owner_ahead || !down.is_empty(), "what is down is called healthy");
        Ok(())
    })
}

#[test]
fn what_is_said_of_another_generation_does_not_count() {
    ANSWERS_FIT_QUESTIONS.hold();
}

#[test]
fn many_that_their_owner_alone_cannot_reach_stay_healthy() {
    MANY_ARE_ASKED_ABOUT.hold();
}

#[test]
fn only_who_can_be_asked_is_waited_for() {
    ONLY_WHO_CAN_BE_ASKED.hold();
}
