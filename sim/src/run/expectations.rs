//! The limits of `[expect]`, held against what was measured.

use std::fmt::Display;

use super::certainty;
use super::deaths::{CRASH, JOIN, LEAVE};
use super::turns::CHANGES;
use crate::report::agreement;
use crate::report::answers::Answers;
use crate::report::outcome::{
    CheckOutcome, EVERYONE, Expectation, MILESTONES, Opinions, Outcome, PointOutcome, RealFacts, RunOutcome,
    Traffic, UpdateOutcome, Verdict,
};
use crate::report::rows::AgreementRow;
use crate::scenario::{Expect, Limits, Missed, Scenario, ScenarioFile};
use crate::stats::Sample;

/// Holds every point against the limits of its scenario, and lists the aims that are missed.
#[must_use]
pub fn judge(file: &ScenarioFile, outcome: &Outcome) -> Vec<Expectation> {
    let mut judge = Judge { found: Vec::new() };
    for (point, measured) in file.points.iter().zip(&outcome.points) {
        let prefix = if point.label.is_empty() { String::new() } else { format!("{}: ", point.label) };
        judge.point(&prefix, &point.scenario, measured);
    }
    if let Some((first, others)) = outcome.points.split_first() {
        for (point, measured) in file.points.iter().skip(1).zip(others) {
            judge.against(&format!("{}: ", point.label), &point.scenario.expect, first, measured);
        }
    }
    if let Some(facts) = &outcome.real {
        judge.real(&file.scenario.expect, facts, &agreement::rows(outcome));
    }
    judge.missed(&file.scenario.missed);
    judge.found
}

struct Judge {
    found: Vec<Expectation>,
}

impl Judge {
    fn at_most(&mut self, what: &str, measured: f64, limit: f64, show: impl Fn(f64) -> String) {
        self.note(format!("{what} <= {}", show(limit)), show(measured), measured <= limit);
    }

    fn at_least(&mut self, what: &str, measured: f64, limit: f64, show: impl Fn(f64) -> String) {
        self.note(format!("{what} >= {}", show(limit)), show(measured), measured >= limit);
    }

    fn note(&mut self, limit: String, measured: String, holds: bool) {
        let verdict = if holds { Verdict::Met } else { Verdict::Failed };
        self.found.push(Expectation { limit, measured, certainty: String::new(), verdict });
    }

    /// Says of what was just held against its limit how far it can be trusted.
    fn trust(&mut self, certainty: String) {
        if let Some(last) = self.found.last_mut() {
            last.certainty = certainty;
        }
    }

    fn missed(&mut self, missed: &[Missed]) {
        for Missed { aim, bar, reason } in missed {
            let limit = format!("{aim} = {}", bar.label());
            self.found.push(Expectation {
                limit,
                measured: reason.clone(),
                certainty: String::new(),
                verdict: Verdict::AimMissed,
            });
        }
    }

    fn point(&mut self, prefix: &str, scenario: &Scenario, point: &PointOutcome) {
        let expect = &scenario.expect;
        self.traffic(prefix, expect, point);
        self.deaths(prefix, scenario, point);
        self.checks(prefix, expect, point);
        for follow in &scenario.workload.follow.0 {
            for &kind in &follow.kinds {
                let of_kind = expect.limits(kind);
                let limits = follow.limits.as_ref().map_or_else(|| of_kind.clone(), |own| own.or(&of_kind));
                self.curve(prefix, &follow.curve(kind), &limits, point);
            }
        }
        if scenario.measure.quiet.as_us() > 0 {
            let disagreeing = point.runs.iter().filter(|run| run.agreement_us.is_none()).count();
            let what = format!("{prefix}runs that do not agree after quiet");
            self.at_most(&what, disagreeing as f64, 0.0, plain(0));
            self.trust(certainty::of_all(disagreeing as u64, point.runs.len() as u64, "runs", None));
        }
    }

    /// Holds what real processes did against what the simulator did.
    fn real(&mut self, expect: &Expect, facts: &RealFacts, rows: &[AgreementRow]) {
        if let Some(limit) = expect.beyond_spread_max {
            for row in rows {
                let what = format!("real, {}: beyond the spread over seeds", row.kind);
                self.at_most(&what, row.beyond_spread.0, limit.as_f64(), percent);
                self.trust(format!(
                    "of {} simulated runs and {} real ones",
                    row.simulated_runs, row.real_runs
                ));
            }
        }
        let Some(limit) = expect.traffic_apart_max else { return };
        let both = [
            ("datagrams", facts.datagrams_per_node_round),
            ("bytes of datagrams", facts.datagram_bytes_per_node_s),
        ];
        for (what, both) in both {
            self.at_most(&format!("real, {what}: apart"), both.apart(), limit.as_f64(), percent);
        }
    }

    fn traffic(&mut self, prefix: &str, expect: &Expect, point: &PointOutcome) {
        if let Some(limit) = expect.datagrams_per_node_round_max {
            let sample = Sample::new(point.runs.iter().map(|run| run.datagrams_per_node_round));
            let what = format!("{prefix}datagrams per node and round");
            self.at_most(&what, sample.mean(), limit.as_f64(), plain(3));
            self.trust(certainty::of_mean(&sample, plain(3)));
        }
        let limits = [
            ("bytes", expect.bytes_per_node_second_max, Traffic::bytes as fn(&Traffic) -> u64),
            ("bytes of repair", expect.repair_bytes_per_node_second_max, Traffic::repair_bytes),
        ];
        for (what, limit, bytes) in limits {
            let Some(limit) = limit else { continue };
            let node_seconds =
                |run: &RunOutcome| f64::from(point.nodes) * run.measured_us.max(1) as f64 / 1e6;
            let per_second = |run: &RunOutcome| bytes(&run.traffic) as f64 / node_seconds(run);
            let sample = Sample::new(point.runs.iter().map(per_second));
            let what = format!("{prefix}{what} per node and second");
            self.at_most(&what, sample.mean(), limit.as_u64() as f64, plain(1));
            self.trust(certainty::of_mean(&sample, plain(1)));
        }
        if let Some(limit) = expect.largest_datagram_max {
            let largest = point.runs.iter().map(|run| run.largest_datagram).max().unwrap_or(0);
            self.at_most(&format!("{prefix}largest datagram"), largest.into(), limit.as_u64() as f64, bytes);
        }
    }

    fn deaths(&mut self, prefix: &str, scenario: &Scenario, point: &PointOutcome) {
        let expect = &scenario.expect;
        let crashes: Vec<&UpdateOutcome> = point.updates_of(CRASH).map(|(_, update)| update).collect();
        let missing = |crash: &UpdateOutcome| u64::from(crash.population) - crash.reached_us.len() as u64;
        let last = |crash: &&UpdateOutcome| match crash.reached_us.last() {
            Some(&us) if missing(crash) == 0 => us as f64 / 1e6,
            _ => f64::INFINITY,
        };
        let middle = |crash: &&UpdateOutcome| {
            let reached = crash.reached_us.get(crash.population as usize / 2);
            reached.map_or(f64::INFINITY, |&us| us as f64 / 1e6)
        };
        let last_known: Vec<f64> = crashes.iter().map(last).collect();
        let known = || {
            let times = crashes.iter().flat_map(|crash| crash.reached_us.iter().map(|&us| us as f64 / 1e6));
            let never = crashes.iter().map(|crash| missing(crash)).sum::<u64>() as usize;
            Sample::new(times.chain(std::iter::repeat_n(f64::INFINITY, never)))
        };
        let spread = || {
            let ends = crashes
                .iter()
                .filter_map(|crash| Some((crash.reached_us.first()?, crash.reached_us.last()?)));
            Sample::new(ends.map(|(first, last)| (last - first) as f64 / 1e6))
        };
        for (what, limit, quantile) in [
            ("a crash is known after, median", expect.crash_known_p50_max, 0.5),
            ("a crash is known after, 99th percentile", expect.crash_known_p99_max, 0.99),
            ("a crash is known after, greatest", expect.crash_known_max, 1.0),
        ] {
            if let Some(limit) = limit {
                self.at_most(
                    &format!("{prefix}{what}"),
                    known().quantile(quantile),
                    limit.as_us() as f64 / 1e6,
                    in_seconds,
                );
                // What nodes know of one crash is no independent news, so each crash counts once: by the node in the middle.
                let beyond =
                    last_known.iter().filter(|&&last| last > limit.as_us() as f64 / 1e6).count() as u64;
                self.trust(if quantile < 1.0 {
                    certainty::of_quantile(
                        &Sample::new(crashes.iter().map(middle)),
                        quantile,
                        "crashes",
                        in_seconds,
                    )
                } else {
                    certainty::of_all(beyond, last_known.len() as u64, "crashes", None)
                });
            }
        }
        if let Some(limit) = expect.crash_spread_p50_max {
            let what = format!("{prefix}from the first to the last node that knows of a crash, median");
            self.at_most(&what, spread().median(), limit.as_us() as f64 / 1e6, in_seconds);
            self.trust(certainty::of_quantile(&spread(), 0.5, "crashes", in_seconds));
        }
        self.comings_and_goings(prefix, expect, point);
        self.lists(prefix, expect, point);
        if let Some(limit) = expect.crashes_missed_max {
            let missed = crashes.iter().filter(|crash| missing(crash) > 0).count() as u64;
            let what = format!("{prefix}crashes of which some node did not hear");
            self.at_most(&what, missed as f64, limit.into(), plain(0));
            let observed = crashes.iter().map(|crash| u64::from(crash.population)).sum();
            self.trust(certainty::of_all(missed, crashes.len() as u64, "crashes", Some(observed)));
        }
        self.opinions(prefix, scenario, point);
    }

    /// What is wrongly held of others, in all runs together.
    fn opinions(&mut self, prefix: &str, scenario: &Scenario, point: &PointOutcome) {
        let expect = &scenario.expect;
        let counts = [
            (
                "observers that held someone dead who had left",
                expect.left_deaths_max,
                (|opinions: &Opinions| opinions.left_deaths) as fn(&Opinions) -> u64,
            ),
            ("nodes that took another life unasked", expect.forced_rejoins_max, |opinions| {
                opinions.forced_rejoins
            }),
            ("observers that held someone dead who was up", expect.false_deaths_max, |opinions| {
                opinions.false_deaths
            }),
            (
                "observers that held someone dead whom no fault was about",
                expect.healthy_deaths_max,
                |opinions| opinions.healthy_deaths,
            ),
            (
                "of these, observers whom no fault was about either",
                expect.healthy_deaths_at_healthy_max,
                |opinions| opinions.healthy_deaths_at_healthy,
            ),
        ];
        // A run may end as soon as all agree in its quiet time.
        let lasts_us = (scenario.run.duration.as_us() - scenario.measure.quiet.as_us()) as f64;
        let node_hours = f64::from(point.nodes) * point.runs.len() as f64 * lasts_us / 3.6e9;
        for (what, limit, count) in counts {
            let Some(limit) = limit else { continue };
            let count = point.runs.iter().map(|run| count(&run.opinions)).sum::<u64>();
            self.at_most(&format!("{prefix}{what}"), count as f64, limit.into(), plain(0));
            self.trust(certainty::of_rate(count, node_hours));
        }
    }

    fn comings_and_goings(&mut self, prefix: &str, expect: &Expect, point: &PointOutcome) {
        for (what, (kind, things), limit) in [
            ("a join is known after, greatest", (JOIN, "joins"), expect.join_known_max),
            ("a departure is known after, greatest", (LEAVE, "departures"), expect.leave_known_max),
        ] {
            if let Some(limit) = limit {
                let last = |turn: &UpdateOutcome| {
                    let all = turn.reached_us.len() as u64 == u64::from(turn.population);
                    if all {
                        turn.reached_us.last().map_or(0.0, |&us| us as f64 / 1e6)
                    } else {
                        f64::INFINITY
                    }
                };
                let times: Vec<f64> = point.updates_of(kind).map(|(_, turn)| last(turn)).collect();
                let (bar, slowest) = (limit.as_us() as f64 / 1e6, times.iter().copied().fold(0.0, f64::max));
                self.at_most(&format!("{prefix}{what}"), slowest, bar, in_seconds);
                let beyond = times.iter().filter(|&&time| time > bar).count() as u64;
                self.trust(certainty::of_all(beyond, times.len() as u64, things, None));
            }
        }
    }

    fn lists(&mut self, prefix: &str, expect: &Expect, point: &PointOutcome) {
        if let Some(limit) = expect.lists_right_max {
            let times =
                point.runs.iter().map(|run| run.lists_right_us.map_or(f64::INFINITY, |us| us as f64 / 1e6));
            let what = format!("{prefix}all lists of members are right after, slowest run");
            let bar = limit.as_us() as f64 / 1e6;
            self.at_most(&what, times.clone().fold(0.0, f64::max), bar, in_seconds);
            let beyond = times.filter(|time| *time > bar).count() as u64;
            self.trust(certainty::of_all(beyond, point.runs.len() as u64, "runs", None));
        }
        if let Some(count) = expect.removed_at_end {
            let removed: Vec<u32> = point.runs.iter().map(|run| run.removed).collect();
            let (least, most) = (removed.iter().min(), removed.iter().max());
            let measured = format!("{} to {}", least.unwrap_or(&0), most.unwrap_or(&0));
            let limit = format!("{prefix}nodes that are up and not counted at the end = {count}");
            self.note(limit, measured, removed.iter().all(|&removed| removed == count));
        }
        if let Some(limit) = expect.removed_since_max {
            let times =
                point.runs.iter().map(|run| run.removed_since_us.map_or(f64::INFINITY, |us| us as f64 / 1e6));
            let what = format!("{prefix}as many are not counted as at the end, for good, after, slowest run");
            self.at_most(&what, times.fold(0.0, f64::max), limit.as_us() as f64 / 1e6, in_seconds);
        }
        let most =
            |value: fn(&RunOutcome) -> u64| point.runs.iter().map(value).max().unwrap_or_default() as f64;
        for (what, limit, most) in [
            (
                "different lengths of lists, worst run",
                expect.list_lengths_max,
                most(|run| run.list_lengths.into()),
            ),
            ("held by one node for itself", expect.peak_overlay_max, most(|run| run.peak_overlay)),
        ] {
            if let Some(limit) = limit {
                self.at_most(&format!("{prefix}{what}"), most, limit.into(), plain(0));
            }
        }
    }

    /// Holds a point against the first one of the sweep.
    fn against(&mut self, prefix: &str, expect: &Expect, first: &PointOutcome, point: &PointOutcome) {
        let limits = [
            (
                "observers that held someone dead whom no fault was about",
                expect.healthy_deaths_part_max,
                (|run: &RunOutcome| run.opinions.healthy_deaths as f64) as fn(&RunOutcome) -> f64,
            ),
            (
                "of these, observers whom no fault was about either",
                expect.healthy_deaths_at_healthy_part_max,
                |run| run.opinions.healthy_deaths_at_healthy as f64,
            ),
            ("datagrams", expect.datagrams_part_max, |run| {
                run.traffic.datagrams() as f64 * 1e6 / run.measured_us.max(1) as f64
            }),
        ];
        for (what, limit, count) in limits {
            let Some(limit) = limit else { continue };
            let sum = |point: &PointOutcome| point.runs.iter().map(count).sum::<f64>();
            // Nothing is no more than nothing, and whatever else is no part of it.
            let part = if sum(point) > 0.0 { sum(point) / sum(first) } else { 0.0 };
            let what = format!("{prefix}{what}, of those in the first point");
            self.at_most(&what, part, limit.as_f64(), percent);
            if sum(point) == 0.0 && sum(first) > 0.0 {
                self.trust(certainty::of_nothing_of(sum(first)));
            } else {
                let parts = point.runs.iter().zip(&first.runs).map(|(run, first)| count(run) / count(first));
                self.trust(certainty::of_mean(&Sample::new(parts), percent));
            }
        }
    }

    fn checks(&mut self, prefix: &str, expect: &Expect, point: &PointOutcome) {
        let checks: Vec<CheckOutcome> = point.runs.iter().filter_map(|run| run.checks).collect();
        let greatest = |value: fn(&CheckOutcome) -> f64| checks.iter().map(value).fold(0.0, f64::max);
        let sum = |value: fn(&CheckOutcome) -> u64| checks.iter().map(value).sum::<u64>() as f64;
        let of_all = |value: fn(&CheckOutcome) -> f64| mean(checks.iter().map(value));
        let what = |text: &str| format!("{prefix}{text}");
        let rates = Sample::new(checks.iter().map(|checks| checks.checks_per_interval));
        let rate = rates.mean();
        if let Some(limit) = expect.checks_per_interval_max {
            self.at_most(&what("checks per origin and interval"), rate, limit.as_f64(), plain(3));
            self.trust(certainty::of_mean(&rates, plain(3)));
        }
        if let Some(limit) = expect.checks_per_interval_min {
            self.at_least(&what("checks per origin and interval"), rate, limit.as_f64(), plain(3));
            self.trust(certainty::of_mean(&rates, plain(3)));
        }
        if let Some(limit) = expect.load_max {
            let load = greatest(|checks| checks.greatest_load.into());
            self.at_most(&what("probes of one origin in an interval"), load, limit.into(), plain(0));
        }
        for (name, limit, longest_us) in [
            (
                "longest time without a check",
                expect.unchecked_max,
                greatest(|checks| checks.unchecked_us as f64),
            ),
            (
                "longest time checked by two",
                expect.checked_twice_max,
                greatest(|checks| checks.twice_us as f64),
            ),
        ] {
            if let Some(limit) = limit {
                self.at_most(&what(name), longest_us / 1e6, limit.as_us() as f64 / 1e6, in_seconds);
                let beyond = u64::from(longest_us > limit.as_us() as f64);
                self.trust(certainty::of_all(beyond, checks.len() as u64, "runs", None));
            }
        }
        if let Some(limit) = expect.moved_max {
            self.at_most(&what("origins moved"), greatest(|checks| checks.moved), limit.as_f64(), percent);
        }
        if let Some(limit) = expect.moved_mean_min {
            self.at_least(
                &what("origins moved, mean"),
                of_all(|checks| checks.moved),
                limit.as_f64(),
                percent,
            );
        }
        if let Some(limit) = expect.claims_per_node_max {
            let claims = of_all(|checks| checks.claims as f64) / f64::from(point.nodes);
            self.at_most(&what("claims per node"), claims, limit.as_f64(), plain(2));
        }
        if let Some(limit) = expect.late_claims_min {
            let late = sum(|checks| checks.late_claims);
            self.at_least(&what("claims of being late"), late, limit.into(), plain(0));
        }
        for (name, limit, count) in [
            ("claims of being late", expect.late_claims_max, sum(|checks| checks.late_claims)),
            (
                "origins called unhealthy that were well",
                expect.false_unhealthy_max,
                sum(|checks| checks.false_unhealthy),
            ),
        ] {
            if let Some(limit) = limit {
                self.at_most(&what(name), count, limit.into(), plain(0));
            }
        }
        self.changes(prefix, expect, point);
        self.answers(prefix, expect, point);
    }

    /// How soon real changes of origins are known.
    fn changes(&mut self, prefix: &str, expect: &Expect, point: &PointOutcome) {
        let known = || {
            let updates = CHANGES.iter().flat_map(|name| point.updates_of(name)).map(|(_, update)| update);
            let times = updates.flat_map(|update| {
                let missing = u64::from(update.population) - update.reached_us.len() as u64;
                let reached = update.reached_us.iter().map(|&us| us as f64 / 1e6);
                reached.chain(std::iter::repeat_n(f64::INFINITY, missing as usize))
            });
            Sample::new(times)
        };
        for (name, limit, quantile) in [
            ("a change is known after, median", expect.change_known_p50_max, 0.5),
            ("a change is known after, 99th percentile", expect.change_known_p99_max, 0.99),
            ("a change is known after, greatest", expect.change_known_max, 1.0),
        ] {
            if let Some(limit) = limit {
                let bar = limit.as_us() as f64 / 1e6;
                self.at_most(&format!("{prefix}{name}"), known().quantile(quantile), bar, in_seconds);
            }
        }
    }

    /// How old answers are, and how many stale. What was never looked at keeps no limit.
    fn answers(&mut self, prefix: &str, expect: &Expect, point: &PointOutcome) {
        let answers = Answers::all(point.runs.iter().map(|run| &run.answers));
        if let Some(limit) = expect.stale_share_max {
            let share = answers.stale_share().unwrap_or(f64::INFINITY);
            self.at_most(&format!("{prefix}stale answers"), share, limit.as_f64(), percent);
        }
        for (name, limit, quantile) in [
            ("age of answers, median", expect.age_p50_max, 0.5),
            ("age of answers, 99th percentile", expect.age_p99_max, 0.99),
            ("age of answers, greatest", expect.age_max, 1.0),
        ] {
            if let Some(limit) = limit {
                let age_s = answers.age_s(quantile).unwrap_or(f64::INFINITY);
                self.at_most(&format!("{prefix}{name}"), age_s, limit.as_us() as f64 / 1e6, in_seconds);
            }
        }
    }

    fn curve(&mut self, prefix: &str, name: &str, limits: &Limits, point: &PointOutcome) {
        let updates: Vec<&UpdateOutcome> = point.updates_of(name).map(|(_, update)| update).collect();
        let what = |text: &str| format!("{prefix}{name}, {text}");
        let rounds = |milestone| {
            let interval_us = point.repair_interval_us as f64;
            let times = updates.iter().map(move |update| update.time_to_us(milestone));
            times.map(move |time| time.map_or(f64::INFINITY, |us| us as f64 / interval_us))
        };
        if let Some(limit) = limits.rounds_to_all_mean_max {
            let sample = Sample::new(rounds(EVERYONE));
            self.at_most(&what("mean rounds to all"), sample.mean(), limit.as_f64(), plain(1));
            self.trust(certainty::of_mean(&sample, plain(1)));
        }
        if let Some(limit) = limits.rounds_to_all_max {
            let slowest = rounds(EVERYONE).fold(0.0, f64::max);
            self.at_most(&what("rounds to all in the slowest run"), slowest, limit.as_f64(), plain(1));
            let beyond = rounds(EVERYONE).filter(|rounds| *rounds > limit.as_f64()).count() as u64;
            self.trust(certainty::of_all(beyond, updates.len() as u64, "updates", None));
        }
        if let Some(limit) = limits.rounds_to_three_nines_mean_max {
            let measured = mean(rounds(MILESTONES[3]));
            self.at_most(&what("mean rounds to 99.9 %"), measured, limit.as_f64(), plain(1));
        }
        if let Some(limit) = limits.never_reached_max {
            let never = rounds(EVERYONE).filter(|rounds| rounds.is_infinite()).count();
            self.at_most(&what("runs that never reach all"), never as f64, limit.into(), plain(0));
            self.trust(certainty::of_all(never as u64, updates.len() as u64, "updates", None));
        }
        let reached =
            || updates.iter().map(|update| update.holders_at(u64::MAX) as f64 / update.nodes() as f64);
        if let Some(limit) = limits.reached_min {
            let least = reached().fold(1.0, f64::min);
            self.at_least(&what("nodes reached in the worst run"), least, limit.as_f64(), percent);
        }
        if let Some(limit) = limits.reached_mean_min {
            self.at_least(&what("nodes reached, mean"), mean(reached()), limit.as_f64(), percent);
        }
        if let Some(limit) = limits.delivery_p95_ratio_max {
            let ratios = updates.iter().map(|update| update.delivery_ratio_p95.unwrap_or(f64::INFINITY));
            let measured = mean(ratios);
            self.at_most(&what("95th percentile of delivery / latency"), measured, limit.as_f64(), plain(3));
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    Sample::new(values).mean()
}

fn plain(decimals: usize) -> impl Fn(f64) -> String {
    move |value| if value.is_infinite() { "never".to_owned() } else { trimmed(format!("{value:.decimals$}")) }
}

fn trimmed(number: String) -> String {
    match number.split_once('.') {
        Some(_) => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => number,
    }
}

fn in_seconds(value: f64) -> String {
    if value.is_infinite() { "never".to_owned() } else { unit(trimmed(format!("{value:.3}")), " s") }
}

fn bytes(value: f64) -> String {
    unit(value, "B")
}

fn percent(value: f64) -> String {
    unit(trimmed(format!("{:.3}", value * 100.0)), " %")
}

fn unit(value: impl Display, unit: &str) -> String {
    format!("{value}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::outcome::{Both, Sent};
    use heck_core::time::Span;

    #[test]
    fn parts_are_of_what_the_first_point_counts() {
        let text = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "100s"
cluster.nodes = 3
network.latency = "40ms"
expect = { healthy_deaths_part_max = 0.25, healthy_deaths_at_healthy_part_max = 0.25, datagrams_part_max = 1.106 }
sweep = { key = "cluster.protocol.membership", values = ["swim", "lifeguard", "evidence"] }
"#;
        let file = ScenarioFile::parse("q.toml", text, &[]).expect("a scenario");
        let point = |healthy_deaths, count| {
            let opinions = Opinions { healthy_deaths, ..Opinions::default() };
            let push = Sent { count, bytes: 0 };
            let traffic = Traffic { push, ..Traffic::default() };
            let run = RunOutcome { opinions, traffic, measured_us: 1_000_000, ..RunOutcome::default() };
            PointOutcome { runs: vec![run.clone(), run], ..PointOutcome::default() }
        };
        let points = vec![point(8, 100), point(2, 110), point(3, 111)];
        let judged = judge(&file, &Outcome { points, ..Outcome::default() });
        let shown: Vec<(&str, Verdict)> =
            judged.iter().map(|expectation| (expectation.measured.as_str(), expectation.verdict)).collect();
        let (met, failed) = (Verdict::Met, Verdict::Failed);
        let expected = [
            ("25 %", met),
            ("0 %", met),
            ("110 %", met),
            ("37.5 %", failed),
            ("0 %", met),
            ("111 %", failed),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn limits_of_answers_hold_for_those_of_all_runs_together() {
        let text = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "100s"
cluster.nodes = 3
network.latency = "40ms"
checks = {}
expect = { stale_share_max = "1%", age_p50_max = "2s", age_p99_max = "3s", age_max = "3s" }
"#;
        let file = ScenarioFile::parse("q.toml", text, &[]).expect("a scenario");
        let verdicts = |runs: Vec<Answers>| {
            let runs = runs.into_iter().map(|answers| RunOutcome { answers, ..RunOutcome::default() });
            let points = vec![PointOutcome { runs: runs.collect(), ..PointOutcome::default() }];
            let judged = judge(&file, &Outcome { points, ..Outcome::default() });
            judged.iter().map(|expectation| expectation.verdict).collect::<Vec<Verdict>>()
        };
        let answers = |ages_s: &[u64], stale: usize| {
            let mut answers = Answers::default();
            for (number, &age_s) in ages_s.iter().enumerate() {
                answers.note(number < stale);
                answers.note_age(Some(Span::from_secs(age_s)));
            }
            answers
        };
        let (met, failed) = (Verdict::Met, Verdict::Failed);
        let young = answers(&[1; 100], 0);
        assert_eq!(verdicts(vec![young.clone(), answers(&[2; 100], 2)]), [met; 4]);
        assert_eq!(verdicts(vec![young.clone(), answers(&[4], 1)]), [met, met, met, failed]);
        assert_eq!(verdicts(vec![young, answers(&[4; 101], 3)]), [failed; 4]);
        assert_eq!(
            verdicts(vec![Answers::default()]),
            [failed; 4],
            "what was never looked at keeps no limit"
        );
    }

    #[test]
    fn limits_of_agreement_hold_what_is_real_against_what_is_simulated() {
        let text = r#"question = "q"
source = "s"
expectation = "e"
run = { duration = "100s", real_runs = 1 }
cluster.nodes = 3
network.latency = "40ms"
expect = { beyond_spread_max = "40%", traffic_apart_max = "10%" }
"#;
        let file = ScenarioFile::parse("q.toml", text, &[]).expect("a scenario");
        let point = |reached_s: [u64; 2]| {
            let update = UpdateOutcome {
                kind: "crash known".to_owned(),
                population: 2,
                reached_us: reached_s.map(|seconds| seconds * 1_000_000).to_vec(),
                observed_us: 60_000_000,
                ..UpdateOutcome::default()
            };
            let run = RunOutcome { updates: vec![update], ..RunOutcome::default() };
            PointOutcome { nodes: 3, repair_interval_us: 1, runs: vec![run], ..PointOutcome::default() }
        };
        let judged = |reached_s, datagrams: f64| {
            let facts = RealFacts {
                datagrams_per_node_round: Both { simulated: 10.0, real: datagrams },
                datagram_bytes_per_node_s: Both { simulated: 100.0, real: 95.0 },
                ..RealFacts::default()
            };
            let points = vec![point([1, 2]), point(reached_s)];
            let judged = judge(&file, &Outcome { points, real: Some(facts), ..Outcome::default() });
            judged.into_iter().map(|found| (found.measured, found.verdict)).collect::<Vec<_>>()
        };
        let said = |measured: &str, verdict| (measured.to_owned(), verdict);
        let (met, failed) = (Verdict::Met, Verdict::Failed);
        assert_eq!(judged([1, 4], 11.0), [said("33.333 %", met), said("10 %", met), said("5 %", met)]);
        assert_eq!(judged([3, 4], 8.9), [said("66.667 %", failed), said("11 %", failed), said("5 %", met)]);
        assert_eq!(judge(&file, &Outcome::default()), [], "no real process has run");
    }

    #[test]
    fn the_limits_of_a_table_come_before_those_of_its_kind_and_of_every_kind() {
        let text = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "100s"
cluster.nodes = 3
network.latency = "40ms"
expect = { rounds_to_all_max = 5, never_reached_max = 0, key_written = { rounds_to_all_max = 4 } }
workload.follow = [
    { label = "calm", kinds = ["key_written"] },
    { label = "cut", kinds = ["key_written"], limits = { rounds_to_all_max = 20 } },
]
"#;
        let file = ScenarioFile::parse("q.toml", text, &[]).expect("a scenario");
        let update = |kind: &str| UpdateOutcome {
            kind: kind.to_owned(),
            population: 2,
            reached_us: vec![1_000_000, 12_000_000],
            ..UpdateOutcome::default()
        };
        let run = RunOutcome { updates: vec![update("calm"), update("cut")], ..RunOutcome::default() };
        let point =
            PointOutcome { repair_interval_us: 1_000_000, runs: vec![run], ..PointOutcome::default() };
        let judged = judge(&file, &Outcome { points: vec![point], ..Outcome::default() });
        let shown: Vec<(&str, Verdict)> =
            judged.iter().map(|expectation| (expectation.limit.as_str(), expectation.verdict)).collect();
        assert_eq!(
            shown,
            [
                ("calm, rounds to all in the slowest run <= 4", Verdict::Failed),
                ("calm, runs that never reach all <= 0", Verdict::Met),
                ("cut, rounds to all in the slowest run <= 20", Verdict::Met),
                ("cut, runs that never reach all <= 0", Verdict::Met),
            ]
        );
    }
}
