//! Whole nodes that ask others before they call an origin down.

use crate::common::{Weather, addr};
use crate::law::{Law, Trial};
use crate::owners::{node, origin, settings, warm};
use heck_core::config::Config;
use heck_core::entry::{Confirmation, HealthState, Scope};
use heck_core::input::Command;
use heck_core::probe::{Failure, Reply};
use heck_core::settings::{Scoping, Settings};
use heck_core::time::Span;
use proptest::prelude::*;

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

#[test]
fn only_who_can_be_asked_is_waited_for() {
    ONLY_WHO_CAN_BE_ASKED.hold();
}
