//! The summary on the terminal.

use super::agreement;
use super::answers::Answers;
use super::convergence::thousands;
use super::outcome::{Expectation, MILESTONES, Opinions, Outcome, PointOutcome, RunOutcome, Verdict};
use super::rows::{CheckRow, RunRow, SummaryRow};
use super::tabulate::Tables;
use crate::checker::VIOLATION_LIMIT;
use crate::stats::Sample;
use std::fmt::Write as _;

/// More violations than these are counted, not listed.
const VIOLATIONS_SHOWN: usize = 10;

/// The whole summary of an outcome, as text of several lines.
#[must_use]
pub fn summary(outcome: &Outcome, expectations: &[Expectation]) -> String {
    let tables = Tables::of(outcome);
    let mut text = format!("{}: {}\n", outcome.scenario, outcome.title);
    for point in &outcome.points {
        let _ = writeln!(text, "\n{}", point_head(outcome, point));
        if !point.kinds().is_empty() {
            text.push_str(&times(&tables, point));
        }
        if outcome.real.is_some() && point.runs.iter().all(|run| run.events == 0) {
            // Of real processes nothing else is measured.
            continue;
        }
        for line in traffic(&tables, point) {
            let _ = writeln!(text, "{line}");
        }
        text.push_str(&checks(&tables, point));
        text.extend(answers(&point.runs));
    }
    if let Some(facts) = &outcome.real {
        text.push('\n');
        text.push_str(&aligned(&agreement::table(&tables.agreement)));
        text.push_str(&agreement::traffic(facts));
    }
    text.push_str(&expectation_lines(expectations));
    text.push_str(&violation_lines(outcome));
    text
}

fn point_head(outcome: &Outcome, point: &PointOutcome) -> String {
    let interval_ms = point.repair_interval_us as f64 / 1e3;
    let label =
        outcome.sweep.as_ref().map(|sweep| format!("{sweep} = {}: ", point.label)).unwrap_or_default();
    format!(
        "{label}{} nodes, {} % loss, {}, 1 round = {} ms",
        thousands(f64::from(point.nodes)),
        (point.model.loss * 1e4).round() / 1e2,
        seeds(point.runs.len()),
        thousands(interval_ms),
    )
}

/// How many seeds, in words.
fn seeds(count: usize) -> String {
    if count == 1 { "1 seed".to_owned() } else { format!("{count} seeds") }
}

/// For each kind the median rounds to each milestone, with the interval below it, and the seconds too unless a
/// round is a second.
fn times(tables: &Tables, point: &PointOutcome) -> String {
    let one_seed = point.runs.len() == 1;
    let mut head = vec![if one_seed { "rounds to" } else { "median rounds to" }.to_owned()];
    head.extend(MILESTONES.map(|milestone| format!("{} %", milestone.percent)));
    head.extend(["mean, 100 %".to_owned(), "never".to_owned()]);
    let mut grid = vec![head];
    for kind in point.kinds() {
        let rows = tables.summary.iter().filter(|row| row.point == point.label && row.kind == kind);
        let rows: Vec<&SummaryRow> = rows.collect();
        let Some(everyone) = rows.last() else { continue };
        let line = |name: &str, cell: fn(&SummaryRow) -> String, mean: String, never: String| {
            let cells = rows.iter().map(|row| cell(row));
            std::iter::once(name.to_owned()).chain(cells).chain([mean, never]).collect::<Vec<String>>()
        };
        let censored = format!("{} of {}", everyone.censored, everyone.n);
        grid.push(line(kind, |row| number(row.median_rounds.0), number(everyone.mean_rounds.0), censored));
        let medians = |row: &SummaryRow| interval(row.median_low_rounds.0, row.median_high_rounds.0);
        let mean = interval(everyone.mean_low_rounds.0, everyone.mean_high_rounds.0);
        // When none was censored: how often that may still happen.
        let never = everyone.never_bound.map(|bound| format!("< {:.1} %", 100.0 * bound.0));
        if !one_seed {
            grid.push(line("  95 % interval", medians, mean, never.unwrap_or_default()));
        }
        if point.repair_interval_us != 1_000_000 {
            grid.push(line(
                "  in seconds",
                |row| number(row.median_s.0),
                number(everyone.mean_s.0),
                String::new(),
            ));
        }
    }
    aligned(&grid)
}

/// What came of the checks of origins, worst of all seeds or mean over them; nothing where nobody checks.
fn checks(tables: &Tables, point: &PointOutcome) -> String {
    let rows: Vec<&CheckRow> = tables.checks.iter().filter(|row| row.point == point.label).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mean = |value: fn(&CheckRow) -> f64| Sample::new(rows.iter().map(|row| value(row))).mean();
    let most = |value: fn(&CheckRow) -> f64| rows.iter().map(|row| value(row)).fold(0.0, f64::max);
    format!(
        "checks: {:.3} per origin and interval, at most {} probes of one in an interval; {:.1} s longest unchecked, {:.1} s \
         longest checked twice; {:.1} % moved\n        {:.1} claims, {:.1} of being late, {:.1} false of ill health\n",
        mean(|row| row.checks_per_interval.0),
        most(|row| f64::from(row.greatest_load)),
        most(|row| row.unchecked_s.0),
        most(|row| row.checked_twice_s.0),
        100.0 * mean(|row| row.moved.0),
        mean(|row| row.claims as f64),
        mean(|row| row.late_claims as f64),
        mean(|row| row.false_unhealthy as f64),
    )
}

/// How many answers of all runs are stale, and how old they are; nothing where nobody checks.
fn answers(runs: &[RunOutcome]) -> Option<String> {
    let answers = Answers::all(runs.iter().map(|run| &run.answers));
    let age = |q| match answers.age_s(q) {
        Some(f64::INFINITY) | None => "unknown".to_owned(),
        Some(age_s) => format!("{age_s:.2} s"),
    };
    Some(format!(
        "answers: {:.3} % of {} stale; age where others check: median {}, 99th percentile {}, greatest {}\n",
        100.0 * answers.stale_share()?,
        thousands(answers.looked_at() as f64),
        age(0.5),
        age(0.99),
        age(1.0),
    ))
}

fn interval(low: f64, high: f64) -> String {
    if (low, high) == (f64::NEG_INFINITY, f64::INFINITY) {
        "few seeds".to_owned()
    } else if low == high {
        number(low)
    } else {
        // No time is negative, whatever a symmetric interval over few seeds says.
        format!("{} - {}", number(low.max(0.0)), number(high))
    }
}

/// Two decimals below ten, one above; what is never or not known by its name.
fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "never".to_owned(),
        f64::NEG_INFINITY => "?".to_owned(),
        small if small < 9.995 => format!("{small:.2}"),
        large => format!("{large:.1}"),
    }
}

fn traffic(tables: &Tables, point: &PointOutcome) -> Vec<String> {
    let mut runs: Vec<&RunRow> = tables.runs.iter().filter(|row| row.point == point.label).collect();
    // The traffic of a run stands in each of its rows and counts once.
    runs.dedup_by_key(|row| row.seed);
    if runs.is_empty() {
        return Vec::new();
    }
    let mean = |value: fn(&RunRow) -> f64| Sample::new(runs.iter().map(|row| value(row))).mean();
    let largest = runs.iter().map(|row| row.largest_datagram).max().unwrap_or_default();
    let mut lines = vec![
        format!(
            "sent per node: {:.2} datagrams and {:.0} bytes a second; {:.2} datagrams a round{}",
            mean(|row| row.datagrams_per_node_s.0),
            mean(|row| row.bytes_per_node_s.0),
            mean(|row| row.datagrams_per_node_round.0),
            if point.kinds().is_empty() { "" } else { " until the last node has it" },
        ),
        format!(
            "  bytes: push {:.0}, request {:.0}, reply {:.0}, probe {:.0}, beat {:.0}, stream {:.0}; largest datagram {} \
             bytes",
            mean(|row| row.push_bytes_per_node_s.0),
            mean(|row| row.request_bytes_per_node_s.0),
            mean(|row| row.reply_bytes_per_node_s.0),
            mean(|row| row.probe_bytes_per_node_s.0),
            mean(|row| row.beat_bytes_per_node_s.0),
            mean(|row| row.stream_bytes_per_node_s.0),
            thousands(f64::from(largest)),
        ),
    ];
    lines.extend(delivery(tables, point));
    lines.extend(agreement(&point.runs));
    lines.extend(opinions(&point.runs));
    lines.extend(lists(&point.runs));
    let overlay = point.runs.iter().map(|run| run.peak_overlay).max().unwrap_or_default();
    if overlay > 0 {
        lines.push(format!(
            "held by one node for itself: at most {} entries, lanes, heartbeats and members",
            thousands(overlay as f64)
        ));
    }
    lines
}

/// When the lists of members were right again; nothing where nothing happened to them.
fn lists(runs: &[RunOutcome]) -> Option<String> {
    if runs.iter().all(|run| run.lists_right_us == Some(0)) {
        return None;
    }
    let times = runs.iter().map(|run| run.lists_right_us.map_or(f64::INFINITY, |us| us as f64 / 1e6));
    let times = Sample::new(times);
    let lengths = runs.iter().map(|run| run.list_lengths).max().unwrap_or_default();
    if let [run] = runs {
        let (right, lengths) = (number(times.median()), run.list_lengths);
        return Some(format!(
            "lists of members right {right} s after the last change; {lengths} different lengths of lists on the way"
        ));
    }
    Some(format!(
        "lists of members right after the last change: median {} s, slowest run {} s; up to {lengths} different lengths \
         of lists on the way",
        number(times.median()),
        number(times.quantile(1.0)),
    ))
}

/// What nodes held of each other, over all runs; nothing where nobody ever doubted anyone.
fn opinions(runs: &[RunOutcome]) -> Option<String> {
    let sum = |value: fn(&Opinions) -> u64| runs.iter().map(|run| value(&run.opinions)).sum::<u64>();
    let (suspicions, refutations) = (sum(|held| held.suspicions), sum(|held| held.refutations));
    let (deaths, healthy) = (sum(|held| held.false_deaths), sum(|held| held.healthy_deaths));
    let at_healthy = sum(|held| held.healthy_deaths_at_healthy);
    (suspicions + refutations + deaths > 0).then(|| {
        format!(
            "opinions, all runs and observers: {} suspicions, {} refutations, {} deaths of nodes that were up, {} of \
             them of nodes that no fault was about, {} of these at such nodes",
            thousands(suspicions as f64),
            thousands(refutations as f64),
            thousands(deaths as f64),
            thousands(healthy as f64),
            thousands(at_healthy as f64),
        )
    })
}

/// With more loss than this the ratio of delivery to latency tells how fast repair is, which the table shows already.
const LOSS_OF_DELIVERY: f64 = 0.01;

/// How much slower than the network delivery is, for each kind; nothing where there is no one latency.
fn delivery(tables: &Tables, point: &PointOutcome) -> Option<String> {
    if point.model.loss > LOSS_OF_DELIVERY {
        return None;
    }
    let of_kind = |kind: &str| {
        let rows = tables.runs.iter().filter(|row| row.point == point.label && row.kind == kind);
        let ratios: Option<Vec<f64>> = rows.map(|row| row.delivery_ratio_p95.map(|ratio| ratio.0)).collect();
        ratios.map(|ratios| format!("{kind} {}", ratio(Sample::new(ratios).mean())))
    };
    let kinds = point.kinds();
    let shown = kinds.into_iter().map(of_kind).collect::<Option<Vec<String>>>()?;
    (!shown.is_empty()).then(|| format!("p95 of delivery / p95 of latency: {}", shown.join(", ")))
}

/// Three decimals below ten, where a bar of 1.05 is told from 1.049.
fn ratio(value: f64) -> String {
    if value < 10.0 { format!("{value:.3}") } else { number(value) }
}

fn agreement(runs: &[RunOutcome]) -> Option<String> {
    let seconds = |run: &RunOutcome| run.agreement_us.map_or(f64::INFINITY, |us| us as f64 / 1e6);
    let times = Sample::new(runs.iter().map(seconds));
    let agreed = times.count() - times.censored();
    (agreed > 0).then(|| {
        let median = number(times.median());
        if times.count() == 1 {
            return format!("all agree: {median} s after the last write");
        }
        format!("all agree: median {median} s after the last write, {agreed} of {} seeds", times.count())
    })
}

fn expectation_lines(expectations: &[Expectation]) -> String {
    let mut text = String::new();
    for expectation in expectations {
        let verdict = match expectation.verdict {
            Verdict::Met => "met       ",
            Verdict::AimMissed => "AIM MISSED",
            Verdict::Failed => "FAILED    ",
        };
        let Expectation { limit, measured, certainty, .. } = expectation;
        let certainty = if certainty.is_empty() { String::new() } else { format!(" ({certainty})") };
        let _ = writeln!(text, "{verdict}  {limit}: {measured}{certainty}");
    }
    if text.is_empty() { text } else { format!("\nexpectations\n{text}") }
}

fn violation_lines(outcome: &Outcome) -> String {
    let count = outcome.violations().count();
    if count == 0 {
        return String::new();
    }
    let mut text = format!("\n{count} VIOLATED INVARIANTS\n");
    for (run, violation) in outcome.violations().take(VIOLATIONS_SHOWN) {
        let node = violation.node.map(|node| format!(", node {node}")).unwrap_or_default();
        let seconds = violation.time_us as f64 / 1e6;
        let _ = writeln!(text, "{}: seed {}, {seconds:.6} s{node}", violation.check, run.seed);
        let _ = writeln!(text, "  {}\n  replay: {}", violation.detail, violation.replay);
    }
    if count > VIOLATIONS_SHOWN {
        let _ = writeln!(text, "and {} more", count - VIOLATIONS_SHOWN);
    }
    text.extend(cut_short(outcome).map(|line| line + "\n"));
    text
}

/// The runs that ended with the last violation that they may have: what would have come after it is not counted.
pub fn cut_short(outcome: &Outcome) -> impl Iterator<Item = String> {
    let runs = outcome.points.iter().flat_map(|point| &point.runs);
    let full = runs.filter(|run| run.violations.len() >= VIOLATION_LIMIT);
    full.map(|run| {
        let at = run.violations.last().map_or(0.0, |last| last.time_us as f64 / 1e6);
        format!("seed {} was ended at {at:.6} s, with its violation no. {VIOLATION_LIMIT}; more may have followed", run.seed)
    })
}

/// Columns side by side: the first to the left, the others to the right.
#[must_use]
pub fn aligned(grid: &[Vec<String>]) -> String {
    let columns = grid.iter().map(Vec::len).max().unwrap_or_default();
    let cell_width =
        |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> = (0..columns)
        .map(|column| grid.iter().map(|row| cell_width(row, column)).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in grid {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ =
                if column == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
