//! Whole nodes that ask others before they call an origin down.

use crate::common::{Cluster, Weather, addr, name};
use crate::law::{Law, Trial};
use crate::owners::{UP, node, origin, settings, warm, weigh};
use heck_core::config::Config;
use heck_core::effects::Event;
use heck_core::entry::{Confirmation, HealthState, OriginSpec, Scope};
use heck_core::input::Command;
use heck_core::limits::Limits;
use heck_core::probe::{Failure, Reply};
use heck_core::settings::{Scoping, Settings};
use heck_core::state::Change;
use heck_core::time::Span;
use proptest::prelude::*;
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

#[test]
fn many_that_their_owner_alone_cannot_reach_stay_healthy() {
    MANY_ARE_ASKED_ABOUT.hold();
}

#[test]
fn only_who_can_be_asked_is_waited_for() {
    ONLY_WHO_CAN_BE_ASKED.hold();
}
