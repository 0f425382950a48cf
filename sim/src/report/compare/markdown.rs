//! The tables of a comparison in Markdown: one for each measure, systems down and points across.

use std::fmt::Write as _;

use super::rows::{ARROWS, CutRow, NODES, SystemRow, Tables};
use crate::report::convergence::thousands;
use crate::scenario::compare::{Column, CompareExpect, System};

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
    let runs = |never: u64, word: &str| format!("{word} {never} of {} runs", row.runs);
    // Runs without an end of it, where that is counted.
    let never = match column {
        Column::AllS => row.never,
        Column::KnownS => row.known_never,
        _ => 0,
    };
    if value.is_infinite() {
        let word = if cannot_come(&row.system, column) { "never" } else { "not within the run" };
        return if never > 0 { format!("{word} ({})", runs(never, "in")) } else { word.to_owned() };
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
    if never > 0 {
        let _ = write!(text, " ({})", runs(never, "not in"));
    }
    text
}

/// Whether what has not come within a run cannot come after it either: these forget it, or never send it again.
fn cannot_come(system: &str, column: Column) -> bool {
    let forgetful = [System::BimodalList.word(), System::BroadcastKv.word()];
    matches!(column, Column::AllS | Column::P50S | Column::P95S) && forgetful.contains(&system)
}

/// All tables, as a page of their own.
#[must_use]
pub fn page(question: &str, tables: &Tables) -> String {
    let mut text = format!("# {question}\n\nMedians over runs; written by `heck-sim run`.\n");
    for (column, head) in SHOWN {
        let table = table(&tables.systems, column);
        if !table.is_empty() {
            let _ = write!(text, "\n## {head}\n\n{table}");
        }
    }
    let cuts = cuts(&tables.cuts);
    if !cuts.is_empty() {
        let _ = write!(
            text,
            "\n## where the graph of responsibility of the first seed falls apart first\n\n{cuts}"
        );
    }
    text
}

/// The smallest cuts of graphs of responsibility, by name; empty where there are none.
#[must_use]
pub fn cuts(rows: &[CutRow]) -> String {
    let mut points: Vec<&str> = rows.iter().map(|row| row.point.as_str()).collect();
    points.dedup();
    if points.is_empty() {
        return String::new();
    }
    let mut text = String::from("| graph | without these paths | or without these nodes |\n|---|---|---|\n");
    for point in points {
        let name = if point.is_empty() { "all" } else { point };
        let of = |cut| rows.iter().filter(|row| row.point == point && row.cut == cut).collect::<Vec<_>>();
        let _ = writeln!(text, "| {name} | {} | {} |", named_cut(&of(ARROWS)), named_cut(&of(NODES)));
    }
    text
}

/// So many parts of a cut are named in a table; `cuts.csv` has them all.
const NAMED: usize = 4;

fn named_cut(rows: &[&CutRow]) -> String {
    let Some(CutRow { source, target, .. }) = rows.first() else { return String::new() };
    let name = |row: &&CutRow| match row.to {
        Some(to) => format!("{} → {to}", row.from),
        None => row.from.to_string(),
    };
    let mut text = rows.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    if rows.len() > NAMED {
        let _ = write!(text, " and {} more", rows.len() - NAMED);
    }
    let _ = write!(text, ": nothing from {source} to {target}");
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
        if !rows.iter().any(|row| is_meant(&row)) {
            let point = expect.point.as_deref().unwrap_or("any point");
            failures.push(format!("{}: nothing was measured at {point}", expect.system.word()));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_named_and_of_large_ones_the_first_and_how_many_more() {
        let row = |cut: &str, from, to| CutRow {
            point: "p".to_owned(),
            cut: cut.to_owned(),
            from,
            to,
            source: 7,
            target: 9,
        };
        let mut rows: Vec<_> = (1..4).map(|to| row(ARROWS, 0, Some(to))).collect();
        rows.push(row(NODES, 3, None));
        let text = cuts(&rows);
        let last = |text: &str| text.lines().last().map(str::to_owned);
        let expected = "| p | 0 → 1, 0 → 2, 0 → 3: nothing from 7 to 9 | 3: nothing from 7 to 9 |";
        assert_eq!(last(&text).as_deref(), Some(expected));
        rows.extend((4..9).map(|node| row(NODES, node, None)));
        assert!(last(&cuts(&rows)).is_some_and(|line| line.contains("3, 4, 5, 6 and 2 more: nothing")));
        assert_eq!(cuts(&[]), "");
    }
    use crate::report::files::from_csv;
    use crate::units::Number;

    const HEAD: &str = "point,system,nodes,runs,never,all_s,all_s_low,all_s_high,p50_s,p95_s,delivered,refused,wait_ms,\
        bytes_per_node_s,busiest_bytes_s,datagram_max,queue_max,memory_max,diverged,overruled,probes_per_interval,\
        known_s,known_never,graph_cut,graph_parts\n";

    fn rows(rows: &[&str]) -> Vec<SystemRow> {
        from_csv("systems.csv", &format!("{HEAD}{}\n", rows.join("\n"))).expect("rows")
    }

    #[test]
    fn what_did_not_come_is_counted_for_its_own_column_and_is_never_only_where_it_cannot_come() {
        let rows = rows(&[
            "p,single-process,9,3,0,,,,,,,,,1.0,1.0,1.0,1.0,1.0,,,0.2,inf,2,,",
            "p,central-broker,9,5,4,inf,1.0,inf,0.1,inf,0.5,,,1.0,1.0,1.0,1.0,1.0,,,,,0,,",
            "p,bimodal-list,9,5,5,inf,1.0,inf,0.1,inf,0.5,,,1.0,1.0,1.0,1.0,1.0,,,,,0,,",
            "p,roshi,9,5,1,12.0,1.0,inf,0.1,0.2,0.5,,,1.0,1.0,1.0,1.0,1.0,,,,,0,,",
        ]);
        assert_eq!(cell(&rows[0], Column::KnownS), "not within the run (in 2 of 3 runs)");
        assert_eq!(cell(&rows[1], Column::AllS), "not within the run (in 4 of 5 runs)");
        assert_eq!(cell(&rows[1], Column::P95S), "not within the run");
        assert_eq!(cell(&rows[2], Column::AllS), "never (in 5 of 5 runs)");
        assert_eq!(cell(&rows[3], Column::AllS), "12.00 s (not in 1 of 5 runs)");
    }

    #[test]
    fn an_expectation_that_meets_no_row_fails() {
        let rows = rows(&["p,roshi,9,5,1,12.0,1.0,inf,0.1,0.2,0.5,,,1.0,1.0,1.0,1.0,1.0,,,,,0,,"]);
        let expect = |point: &str| CompareExpect {
            system: System::Roshi,
            point: Some(point.to_owned()),
            measure: Column::AllS,
            least: None,
            most: Number::parse("13").ok(),
        };
        assert!(failures(&rows, &[expect("p")]).is_empty());
        assert_eq!(failures(&rows, &[expect("q")]), ["roshi: nothing was measured at q"]);
    }
}
