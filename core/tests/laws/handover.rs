//! What happens to an origin, or to a node, while origins change hands.

use crate::common::{Cluster, Weather, name};
use crate::law::{Law, Trial};
use crate::owners::{origin, owned_once, settings, warm, weigh};
use heck_core::entry::{Admin, OriginSpec};
use heck_core::input::Command;
use heck_core::time::Span;
use proptest::prelude::*;

const QUICK: Weather =
    Weather { loss_permille: 0, duplicate_permille: 0, latency_us: (5_000, 5_000), sync: Span::from_ms(5) };

fn put(cluster: &mut Cluster, at: usize, number: usize, spec: OriginSpec) {
    cluster.command(at, &Command::PutOrigin { name: origin(number), spec, source: name("test") });
}

pub const SWITCHED_WHILE_HANDED: Law = Law {
    name: "an origin that is switched off and on while it is handed over, and then comes back, is checked",
    seed: 117,
    cases: 2,
    check: switched_while_handed,
};

fn switched_while_handed(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let mut cluster = warm(3, 0, QUICK, seed, &settings(planted));
        let slow = || OriginSpec::new("http://a/").with(|policy| policy.interval = Span::from_secs(20));
        (0..12).for_each(|number| put(&mut cluster, 0, number, slow()));
        cluster.run_for(Span::from_secs(40));
        owned_once(&cluster, 12, &[])?;
        let moment = Span::from_ms(300);
        weigh(&mut cluster, 1, 60_000);
        cluster.run_for(moment);
        for admin in [Admin::Disabled, Admin::Enabled] {
            (0..12).for_each(|number| put(&mut cluster, 0, number, OriginSpec { admin, ..slow() }));
            cluster.run_for(moment);
        }
        weigh(&mut cluster, 1, 1);
        cluster.run_for(Span::from_secs(120));
        owned_once(&cluster, 12, &[])
    })
}

pub const RELEASED_WHILE_HANDED: Law = Law {
    name: "an origin whose new owner claims it, leaves, and is heard of again only by its release is claimed by the old owner",
    seed: 118,
    cases: 2,
    check: released_while_handed,
};

fn released_while_handed(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let mut cluster = warm(3, 12, QUICK, seed, &settings(planted));
        weigh(&mut cluster, 1, 60_000);
        cluster.run_for(Span::from_ms(300));
        cluster.reachable = Box::new(|a, b| a != 1 && b != 1);
        cluster.run_for(Span::from_ms(5_200));
        cluster.reachable = Box::new(|_, _| true);
        cluster.command(1, &Command::Leave);
        cluster.run_for(Span::from_secs(60));
        owned_once(&cluster, 12, &[1])
    })
}

#[test]
fn what_is_switched_off_and_on_while_it_is_handed_over_is_checked() {
    SWITCHED_WHILE_HANDED.hold();
}

#[test]
fn what_is_released_while_it_is_handed_over_is_claimed_again() {
    RELEASED_WHILE_HANDED.hold();
}
