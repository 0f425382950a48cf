//! How old answers are where nothing is wrong.

use crate::common::Weather;
use crate::law::{Law, Trial};
use crate::owners::{node, origin, warm};
use heck_core::config::Config;
use heck_core::entry::Scope;
use heck_core::time::Span;
use proptest::prelude::*;

const ORIGINS: usize = 12;

pub const ANSWERS_STAY_FRESH: Law = Law {
    name: "in a calm cluster no answer is older than two periods of heartbeats and the time that one takes to get around",
    seed: 131,
    cases: 4,
    check: answers_stay_fresh,
};

fn answers_stay_fresh(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 3..16_usize, 0..50_u32), |(seed, nodes, loss_permille), planted| {
        let config = Config { planted, ..Config::default() };
        let limit = config.heartbeat_period(nodes).times(2) + Span::from_secs(5);
        let weather = Weather { loss_permille, ..Weather::default() };
        let mut cluster = warm(nodes, ORIGINS, weather, seed, &config);
        for _ in 0..180 {
            cluster.run_for(Span::from_secs(1));
            for view in cluster.running().map(|node| node.view()) {
                for number in 0..ORIGINS {
                    let health = view.health(Scope::CLUSTER, &origin(number), cluster.now).expect("claimed");
                    let age = health.age.unwrap_or(Span(u64::MAX));
                    prop_assert!(
                        age <= limit && !health.is_stale,
                        "{} of {} nodes: origin {} is {:?} old",
                        view.name(),
                        nodes,
                        number,
                        age
                    );
                }
            }
        }
        Ok(())
    })
}

#[test]
fn answers_stay_fresh_in_a_calm_cluster() {
    ANSWERS_STAY_FRESH.hold();
}

#[test]
fn a_node_that_restarts_is_vouched_for_everywhere_within_seconds_of_its_first_checks() {
    let mut cluster = warm(5, 40, Weather::default(), 3, &Config::default());
    cluster.crash(2);
    cluster.start(2, true);
    // First checks spread over an interval of five seconds; then the heartbeat has to get around.
    cluster.run_for(Span::from_secs(5 + 6));
    for view in cluster.running().map(|node| node.view()) {
        for number in 0..40 {
            let health = view.health(Scope::CLUSTER, &origin(number), cluster.now).expect("claimed");
            assert!(!health.is_stale, "{} at {}: {health:?}", origin(number), view.name());
        }
    }
    let own = (0..40).filter(|number| {
        let health = cluster.node(0).view().health(Scope::CLUSTER, &origin(*number), cluster.now);
        health.is_some_and(|health| health.writer.node == node(2) && health.writer.boot.0 == 2)
    });
    assert!(own.count() > 0, "the restarted node claims none");
}

#[test]
fn what_a_node_checks_itself_is_as_old_as_its_last_check() {
    let cluster = warm(1, 3, Weather::default(), 5, &Config::default());
    for number in 0..3 {
        let health = cluster.node(0).view().health(Scope::CLUSTER, &origin(number), cluster.now);
        let health = health.expect("claimed");
        let checked =
            cluster.probes.iter().filter(|(.., of)| *of == origin(number)).map(|(at, ..)| *at).max();
        // The answer comes 20 ms after the probe.
        let truth = cluster.now.since(checked.expect("checked"));
        assert_eq!(health.age, Some(Span(truth.as_us().saturating_sub(20_000))));
        assert_eq!(health.age_bound, Span::ZERO);
    }
}
