//! The tables of a comparison in Markdown: one for each measure, systems down and points across.

use std::fmt::Write as _;

use super::rows::SystemRow;
use crate::report::convergence::thousands;
use crate::scenario::compare::{Column, CompareExpect};

/// Measures that are shown, each with its head.
const SHOWN: [(Column, &str); 15] = [
    (Column::AllS, "time until all have a message"),
    (Column::P95S, "time to delivery, 95th percentile"),
    (Column::Delivered, "share delivered"),
    (Column::Refused, "messages whose publisher waits longer than 5 s to hear that they are out"),
    (Column::WaitMs, "milliseconds by which all deliveries together are later than the network"),
    (Column::BytesPerNodeS, "bytes per node and second"),
    (Column::BusiestBytesS, "bytes per second of the busiest node"),
    (Column::QueueMax, "longest queue, messages"),
    (Column::MemoryMax, "most memory of a node, bytes"),
    (Column::Diverged, "keys on which nodes differ for ever"),
    (Column::Overruled, "keys that lost their last write"),
    (Column::ProbesPerInterval, "probes of an origin in an interval"),
    (Column::KnownS, "time until all who answer know that an origin is down"),
    (Column::GraphCut, "paths that have to fail before the graph of responsibility falls apart"),
    (Column::GraphParts, "parts into which the partition cuts the graph of responsibility"),
];

/// What a measure is called over its table.
fn head(column: Column) -> &'static str {
    SHOWN.iter().find(|(shown, _)| *shown == column).map_or(column.word(), |(_, head)| head)
}

/// The table of one measure; empty where no system has it.
#[must_use]
pub fn table(rows: &[SystemRow], column: Column) -> String {
    let unique = |of: fn(&SystemRow) -> &str| {
        let mut names: Vec<&str> = Vec::new();
        rows.iter().map(of).for_each(|name| {
            if !names.contains(&name) {
                names.push(name);
            }
        });
        names
    };
    let (points, systems) = (unique(|row| &row.point), unique(|row| &row.system));
    if rows.iter().all(|row| row.value(column).is_none()) {
        return String::new();
    }
    let mut text = String::from("| system |");
    for point in &points {
        let _ = write!(text, " {} |", if point.is_empty() { head(column) } else { point });
    }
    let _ = write!(text, "\n|---|{}\n", "---:|".repeat(points.len()));
    for system in systems {
        if rows.iter().all(|row| row.system != system || row.value(column).is_none()) {
            continue;
        }
        let _ = write!(text, "| {system} |");
        for point in &points {
            let row = rows.iter().find(|row| row.system == system && row.point == *point);
            let cell = row.map(|row| cell(row, column)).unwrap_or_default();
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

/// A value as tables and texts show it; what is not measured is empty.
#[must_use]
pub fn cell(row: &SystemRow, column: Column) -> String {
    let Some(value) = row.value(column) else { return String::new() };
    if value.is_infinite() {
        return format!("never ({} of {} runs)", row.never.max(1), row.runs);
    }
    let mut text = match column {
        Column::AllS | Column::P50S | Column::P95S | Column::KnownS if value < 1.0 => {
            format!("{:.0} ms", 1e3 * value)
        }
        Column::AllS | Column::P50S | Column::P95S | Column::KnownS => format!("{value:.2} s"),
        Column::Delivered => format!("{:.2} %", 100.0 * value),
        Column::ProbesPerInterval => format!("{value:.2}"),
        _ => thousands(value.round()),
    };
    if column == Column::AllS && row.never > 0 {
        let _ = write!(text, " (never in {} of {} runs)", row.never, row.runs);
    }
    text
}

/// All tables, as a page of their own.
#[must_use]
pub fn page(question: &str, rows: &[SystemRow]) -> String {
    let mut text = format!("# {question}\n\nMedians over runs; written by `heck-sim run`.\n");
    for (column, head) in SHOWN {
        let table = table(rows, column);
        if !table.is_empty() {
            let _ = write!(text, "\n## {head}\n\n{table}");
        }
    }
    text
}

/// What of the expectations is not met, in words.
#[must_use]
pub fn failures(rows: &[SystemRow], expectations: &[CompareExpect]) -> Vec<String> {
    let mut failures = Vec::new();
    for expect in expectations {
        let is_meant = |row: &&SystemRow| {
            row.system == expect.system.word()
                && expect.point.as_ref().is_none_or(|point| row.point == *point)
        };
        for row in rows.iter().filter(is_meant) {
            let value = row.value(expect.measure);
            let is_least =
                expect.least.is_none_or(|least| value.is_some_and(|value| value >= least.as_f64()));
            let is_most = expect.most.is_none_or(|most| value.is_some_and(|value| value <= most.as_f64()));
            if is_least && is_most {
                continue;
            }
            let bound = |word: &str, bound: Option<crate::units::Number>| {
                bound.map(|bound| format!(" {word} {bound}")).unwrap_or_default()
            };
            let point = if row.point.is_empty() { String::new() } else { format!(" at {}", row.point) };
            let measured = value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
            failures.push(format!(
                "{}{point}: expected {}{}{}, measured {measured}",
                row.system,
                expect.measure.word(),
                bound("at least", expect.least),
                bound("at most", expect.most),
            ));
        }
    }
    failures
}
