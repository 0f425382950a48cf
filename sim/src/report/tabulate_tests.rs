use super::*;
use crate::report::example;

#[test]
fn moments_start_at_zero_rise_and_pass_the_horizon() {
    for horizon_us in [0, 1, 999, 80_000, 2_000_000, 2_000_001, 33_000_000, 4_000_000_000] {
        for interval_us in [1, 7, 100_000, 1_000_000] {
            let times = moments(horizon_us, interval_us, 5_000);
            assert_eq!(times[0], 0);
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{horizon_us} {interval_us} {times:?}");
            assert!(*times.last().expect("a moment") >= horizon_us);
            assert!(times.len() <= 700, "{horizon_us} {interval_us}: {}", times.len());
        }
    }
}

#[test]
fn a_curve_ends_with_every_node_when_every_seed_gets_there() {
    let tables = Tables::of(&example::outcome(200, 8));
    for rows in tables.curve.chunk_by(|a, b| a.kind == b.kind) {
        assert_eq!(rows.last().expect("a row").share_p05.0, 1.0);
        assert!(rows.iter().all(|row| row.share_p05 <= row.share_p50 && row.share_p50 <= row.share_p95));
        assert!(rows.windows(2).all(|pair| pair[0].share_p50 <= pair[1].share_p50));
        assert!(rows.windows(2).all(|pair| pair[0].analytic <= pair[1].analytic));
        assert!(rows.iter().all(|row| row.analytic <= row.bound), "no map beats the bound");
    }
}

#[test]
fn one_seed_that_never_gets_there_shows_in_every_file() {
    let mut outcome = example::outcome(200, 8);
    outcome.points[0].runs[3].updates[1].reached_us.pop();
    let tables = Tables::of(&outcome);
    let everyone = |kind| {
        let row = tables.summary.iter().find(|row| row.kind == kind && row.milestone == "100");
        row.expect("a row")
    };
    let (hit, spared) = (everyone("origin added"), everyone("health flip"));
    assert_eq!((hit.n, hit.censored, spared.censored), (8, 1, 0));
    assert_eq!((hit.mean_rounds.0, hit.p95_rounds.0), (f64::INFINITY, f64::INFINITY));
    assert!(hit.median_rounds.0.is_finite() && hit.never_bound.is_none());
    assert_eq!(spared.never_bound, Some(Decimal(zero_of_n_bound(8))));
    let censored: Vec<_> = tables.runs.iter().filter(|row| row.censored == Some(true)).collect();
    assert_eq!(censored.len(), 1);
    assert_eq!((censored[0].seed, censored[0].reached, censored[0].nodes), (4, Some(199), 200));
    assert_eq!(censored[0].time_100_s, Some(Decimal(f64::INFINITY)));
    let last = tables.curve.iter().rfind(|row| row.kind == "origin added").expect("a row");
    assert_eq!(last.time_us, 60_000_000, "the curve goes on until the run that never got there ended");
}

#[test]
fn a_seed_without_the_update_counts_as_never() {
    let mut outcome = example::outcome(50, 3);
    outcome.points[0].runs[1].updates.clear();
    let sample = seconds_to(&outcome.points[0], "key written", EVERYONE);
    assert_eq!((sample.count(), sample.censored()), (3, 1));
}

#[test]
fn two_updates_of_a_kind_in_one_run_are_one_value() {
    let mut outcome = example::outcome(3, 1);
    let update = |reached_us| UpdateOutcome {
        kind: "key written".to_owned(),
        population: 2,
        reached_us,
        ..UpdateOutcome::default()
    };
    outcome.points[0].runs[0].updates = vec![update(vec![1, 1_000_000]), update(vec![1, 3_000_000])];
    let sample = seconds_to(&outcome.points[0], "key written", EVERYONE);
    assert_eq!((sample.count(), sample.mean()), (1, 2.0));
    assert_eq!(Tables::of(&outcome).runs.len(), 2);
}

#[test]
fn rates_divide_by_all_nodes_and_by_the_window() {
    let mut outcome = example::outcome(100, 1);
    let run = &mut outcome.points[0].runs[0];
    run.measured_us = 10_000_000;
    run.traffic = crate::report::outcome::Traffic {
        push: crate::report::outcome::Sent { count: 2_000, bytes: 300_000 },
        stream: crate::report::outcome::Sent { count: 1, bytes: 100_000 },
        ..Default::default()
    };
    let row = &Tables::of(&outcome).runs[0];
    assert_eq!((row.datagrams_per_node_s.0, row.bytes_per_node_s.0), (2.0, 400.0));
    assert_eq!((row.push_bytes_per_node_s.0, row.stream_bytes_per_node_s.0), (300.0, 100.0));
}

#[test]
fn a_run_without_followed_updates_has_one_row_with_its_traffic() {
    let mut outcome = example::outcome(50, 3);
    outcome.points[0].runs.iter_mut().for_each(|run| run.updates.clear());
    let tables = Tables::of(&outcome);
    assert_eq!((tables.curve.len(), tables.summary.len(), tables.runs.len()), (0, 0, 3));
    for row in &tables.runs {
        assert!(row.kind.is_empty() && row.reached.is_none() && row.rounds_100.is_none());
        assert!(row.bytes_per_node_s.0 > 0.0 && row.nodes == 50);
    }
}
