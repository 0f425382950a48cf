//! From an outcome to the rows of its CSV files.

use super::agreement;
use super::decimal::Decimal;
use super::outcome::{
    EVERYONE, MILESTONES, Milestone, ModelParameters, Outcome, PointOutcome, RunOutcome, UpdateOutcome,
};
use super::rows::{AgreementRow, CheckRow, CurveRow, RunRow, SummaryRow};
use crate::stats::{Sample, zero_of_n_bound};
use crate::theory::{bounds, maps::Map};

/// Everything that the CSV files hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tables {
    /// Rows of `curve.csv`.
    pub curve: Vec<CurveRow>,
    /// Rows of `runs.csv`.
    pub runs: Vec<RunRow>,
    /// Rows of `summary.csv`.
    pub summary: Vec<SummaryRow>,
    /// Rows of `checks.csv`.
    pub checks: Vec<CheckRow>,
    /// Rows of `agreement.csv`.
    pub agreement: Vec<AgreementRow>,
}

impl Tables {
    /// The rows of an outcome: points in order, kinds in order of appearance.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let mut tables = Self::default();
        for point in &outcome.points {
            let times_us = moments(horizon_us(point), point.repair_interval_us, point.resolution_us);
            for kind in point.kinds() {
                tables.curve.extend(curve_rows(point, kind, &times_us));
                tables.summary.extend(MILESTONES.map(|milestone| summary_row(point, kind, milestone)));
            }
            let rows = |run| point_run_rows(point, run);
            tables.runs.extend(point.runs.iter().flat_map(rows));
            tables.checks.extend(point.runs.iter().filter_map(|run| check_row(point, run)));
        }
        tables.agreement = agreement::rows(outcome);
        tables
    }
}

/// Seconds to a milestone, one value per seed: the mean over the seed's updates of that kind, +∞ if one of them
/// never got there or none was made.
#[must_use]
pub fn seconds_to(point: &PointOutcome, kind: &str, milestone: Milestone) -> Sample {
    Sample::new(point.runs.iter().map(|run| {
        let seconds = |update: &UpdateOutcome| update.time_to_us(milestone).map_or(f64::INFINITY, seconds);
        mean_over_updates(run, kind, seconds).unwrap_or(f64::INFINITY)
    }))
}

fn mean_over_updates(run: &RunOutcome, kind: &str, value: impl Fn(&UpdateOutcome) -> f64) -> Option<f64> {
    let values: Vec<f64> = run.updates.iter().filter(|update| update.kind == kind).map(value).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// When the slowest update of the point was done: everyone had it, or the run ended.
fn horizon_us(point: &PointOutcome) -> u64 {
    let updates = point.runs.iter().flat_map(|run| &run.updates);
    let done = updates.map(|update| {
        let last = update.reached_us.last().copied().unwrap_or_default();
        update.time_to_us(EVERYONE).unwrap_or_else(|| update.observed_us.max(last))
    });
    done.max().unwrap_or_default()
}

/// The moments of a curve: at first the resolution apart, later a thirty-second of the time that has passed, but at
/// most a fifth of a round or a hundredth of the whole. The last one is `horizon_us` itself.
fn moments(horizon_us: u64, interval_us: u64, resolution_us: u64) -> Vec<u64> {
    let finest_us = resolution_us.max(1);
    let longest_us = (interval_us / 5).max(horizon_us / 100).max(finest_us);
    let mut times = vec![0];
    let mut last_us = 0;
    while last_us < horizon_us.max(1) {
        last_us += (last_us / 32).clamp(finest_us, longest_us);
        last_us = last_us.min(horizon_us.max(1));
        times.push(last_us);
    }
    times
}

fn curve_rows(point: &PointOutcome, kind: &str, times_us: &[u64]) -> Vec<CurveRow> {
    let rows = times_us.iter().map(|&time_us| {
        let shares = Sample::new(point.runs.iter().map(|run| {
            let share = |update: &UpdateOutcome| update.holders_at(time_us) as f64 / update.nodes() as f64;
            mean_over_updates(run, kind, share).unwrap_or_default()
        }));
        let at = |q| Decimal(shares.quantile(q));
        let round = time_us as f64 / point.repair_interval_us.max(1) as f64;
        CurveRow {
            point: point.label.clone(),
            kind: kind.to_owned(),
            time_us,
            round: Decimal(round),
            share_p05: at(0.05),
            share_p25: at(0.25),
            share_p50: at(0.5),
            share_p75: at(0.75),
            share_p95: at(0.95),
            analytic: Decimal(analytic_share(&point.model, point.nodes, round)),
            bound: Decimal(bounds::greatest_share(&point.model, point.nodes, round)),
        }
    });
    rows.collect()
}

/// The share of nodes that have it by the large-N map; between two rounds the missing share falls
/// exponentially, as it does when nodes' rounds are spread evenly.
fn analytic_share(model: &ModelParameters, nodes: u32, round: f64) -> f64 {
    let whole = round as u32;
    let missing = Map::PullAndPush(*model).missing(model.missing_at_start(nodes), whole + 1);
    let (before, after) = (missing[whole as usize], missing[whole as usize + 1]);
    if before == 0.0 {
        return 1.0;
    }
    1.0 - before * libm::pow(after / before, round - f64::from(whole))
}

fn summary_row(point: &PointOutcome, kind: &str, milestone: Milestone) -> SummaryRow {
    let times = seconds_to(point, kind, milestone);
    let interval_s = seconds(point.repair_interval_us.max(1));
    let rounds = |seconds: f64| Decimal(seconds / interval_s);
    let (mean, median) = (times.mean_interval(), times.quantile_interval(0.5));
    let (count, censored) = (times.count() as u64, times.censored() as u64);
    SummaryRow {
        point: point.label.clone(),
        kind: kind.to_owned(),
        milestone: milestone.percent.to_owned(),
        n: count,
        censored,
        never_bound: (censored == 0).then(|| Decimal(zero_of_n_bound(count))),
        mean_rounds: rounds(times.mean()),
        mean_low_rounds: rounds(mean.low),
        mean_high_rounds: rounds(mean.high),
        median_rounds: rounds(times.median()),
        median_low_rounds: rounds(median.low),
        median_high_rounds: rounds(median.high),
        p05_rounds: rounds(times.quantile(0.05)),
        p95_rounds: rounds(times.quantile(0.95)),
        mean_s: Decimal(times.mean()),
        median_s: Decimal(times.median()),
        p05_s: Decimal(times.quantile(0.05)),
        p95_s: Decimal(times.quantile(0.95)),
    }
}

fn point_run_rows(point: &PointOutcome, run: &RunOutcome) -> Vec<RunRow> {
    let of_run = run_row(point, run);
    if run.updates.is_empty() {
        return vec![of_run];
    }
    run.updates.iter().map(|update| update_row(of_run.clone(), point, update)).collect()
}

/// What a run has to say without regard to any update.
fn run_row(point: &PointOutcome, run: &RunOutcome) -> RunRow {
    let node_seconds = f64::from(point.nodes) * seconds(run.measured_us);
    let rate = |total: u64| if node_seconds > 0.0 { total as f64 / node_seconds } else { 0.0 };
    let traffic = &run.traffic;
    RunRow {
        point: point.label.clone(),
        seed: run.seed,
        trace_hash: hex(run.trace_hash),
        events: run.events,
        nodes: point.nodes.into(),
        datagrams_per_node_round: Decimal(run.datagrams_per_node_round),
        datagrams_per_node_s: Decimal(rate(traffic.datagrams())),
        bytes_per_node_s: Decimal(rate(traffic.bytes())),
        push_datagrams_per_node_s: Decimal(rate(traffic.push.count)),
        push_bytes_per_node_s: Decimal(rate(traffic.push.bytes)),
        request_datagrams_per_node_s: Decimal(rate(traffic.request.count)),
        request_bytes_per_node_s: Decimal(rate(traffic.request.bytes)),
        reply_datagrams_per_node_s: Decimal(rate(traffic.reply.count)),
        reply_bytes_per_node_s: Decimal(rate(traffic.reply.bytes)),
        probe_datagrams_per_node_s: Decimal(rate(traffic.probe.count)),
        probe_bytes_per_node_s: Decimal(rate(traffic.probe.bytes)),
        beat_datagrams_per_node_s: Decimal(rate(traffic.beat.count)),
        beat_bytes_per_node_s: Decimal(rate(traffic.beat.bytes)),
        stream_bytes_per_node_s: Decimal(rate(traffic.stream.bytes)),
        largest_datagram: run.largest_datagram,
        agreement_s: run.agreement_us.map(|us| Decimal(seconds(us))),
        suspicions: run.opinions.suspicions,
        false_deaths: run.opinions.false_deaths,
        healthy_deaths: run.opinions.healthy_deaths,
        healthy_deaths_at_healthy: run.opinions.healthy_deaths_at_healthy,
        left_deaths: run.opinions.left_deaths,
        refutations: run.opinions.refutations,
        lists_right_s: run.lists_right_us.map(|us| Decimal(seconds(us))),
        list_lengths: run.list_lengths,
        peak_overlay: run.peak_overlay,
        removed: run.removed,
        removed_since_s: run.removed_since_us.map(|us| Decimal(seconds(us))),
        violations: run.violations.len() as u32,
        ..RunRow::default()
    }
}

/// The row of a run, completed by what became of one of its updates.
fn update_row(of_run: RunRow, point: &PointOutcome, update: &UpdateOutcome) -> RunRow {
    let interval_s = seconds(point.repair_interval_us.max(1));
    let times = MILESTONES.map(|milestone| update.time_to_us(milestone).map_or(f64::INFINITY, seconds));
    let [time_50_s, time_90_s, time_99_s, time_99_9_s, time_100_s] =
        times.map(|time_s| Some(Decimal(time_s)));
    let [rounds_50, rounds_90, rounds_99, rounds_99_9, rounds_100] =
        times.map(|time_s| Some(Decimal(time_s / interval_s)));
    RunRow {
        kind: update.kind.clone(),
        source: Some(update.node),
        nodes: update.nodes(),
        reached: Some(update.reached_us.len() as u64 + 1),
        censored: Some(update.time_to_us(EVERYONE).is_none()),
        observed_s: Some(Decimal(seconds(update.observed_us))),
        time_50_s,
        time_90_s,
        time_99_s,
        time_99_9_s,
        time_100_s,
        rounds_50,
        rounds_90,
        rounds_99,
        rounds_99_9,
        rounds_100,
        delivery_ratio_p95: update.delivery_ratio_p95.map(Decimal),
        ..of_run
    }
}

fn check_row(point: &PointOutcome, run: &RunOutcome) -> Option<CheckRow> {
    let checks = run.checks?;
    let answers = &run.answers;
    Some(CheckRow {
        point: point.label.clone(),
        seed: run.seed,
        checks_per_interval: Decimal(checks.checks_per_interval),
        probes: checks.probes,
        confirming_probes: checks.confirming,
        greatest_load: checks.greatest_load,
        unchecked_s: Decimal(seconds(checks.unchecked_us)),
        checked_twice_s: Decimal(seconds(checks.twice_us)),
        moved: Decimal(checks.moved),
        claims: checks.claims,
        late_claims: checks.late_claims,
        false_unhealthy: checks.false_unhealthy,
        answers: answers.looked_at(),
        stale_share: answers.stale_share().map(Decimal),
        age_p50_s: answers.age_s(0.5).map(Decimal),
        age_p99_s: answers.age_s(0.99).map(Decimal),
        age_max_s: answers.age_s(1.0).map(Decimal),
    })
}

/// A 64-bit hash as files show it.
#[must_use]
pub fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

#[cfg(test)]
#[path = "tabulate_tests.rs"]
mod tests;
