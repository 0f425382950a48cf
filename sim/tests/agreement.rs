//! The table with which the page of results opens is what the committed results of both drivers say.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use heck_sim::report::rows::AgreementRow;
use heck_sim::report::store;
use heck_sim::scenario::{Scenario, ScenarioFile};

/// The scenarios that both drivers run, in the order of the table.
const SCENARIOS: [&str; 5] = ["loss-0", "loss-30", "loss-50", "split-and-heal", "owner-crash"];
/// Between these lines the page has the table.
const BEGIN: &str = "<!-- the table of agreement -->\n";
const END: &str = "<!-- its end -->\n";

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The greatest value of a column, and of which kind it is.
fn greatest(rows: &[AgreementRow], value: impl Fn(&AgreementRow) -> f64) -> (&AgreementRow, f64) {
    let rows = rows.iter().map(|row| (row, value(row)));
    rows.max_by(|a, b| a.1.total_cmp(&b.1)).expect("something was compared")
}

/// A row of the table: the kind of update that is farthest apart in shares, and the one in time.
fn line(scenario: &str) -> String {
    let results =
        store::load(&results().join("real").join(scenario)).unwrap_or_else(|error| panic!("{error}"));
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/real").join(format!("{scenario}.toml"));
    let shipped = ScenarioFile::load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
    let options = &results.manifest.points[0].options;
    let measured = ScenarioFile::parse("options", options, &[]).unwrap_or_else(|error| panic!("{error}"));
    // What is expected of a run may be said once it was measured.
    let Scenario { expect, missed, .. } = shipped.scenario.clone();
    assert_eq!(
        Scenario { expect, missed, ..measured.scenario },
        shipped.scenario,
        "{scenario} has changed since: scripts/measure-agreement"
    );
    let rows = &results.tables.agreement;
    let (share, distance) = greatest(rows, |row| row.distance.0);
    let (time, distance_s) = greatest(rows, |row| row.distance_s.0);
    let (worst, beyond) = greatest(rows, |row| row.beyond_spread.0);
    let traffic = |real: f64, simulated: f64, unit: &str| {
        format!("{simulated:.1} and {real:.1}{unit} ({:+.1} %)", 100.0 * (real / simulated - 1.0))
    };
    let facts = results.manifest.real.as_ref().expect("facts of the real runs");
    let datagrams = traffic(facts.datagrams_per_node_round, facts.simulated_datagrams_per_node_round, "");
    let bytes = traffic(facts.datagram_bytes_per_node_s, facts.simulated_datagram_bytes_per_node_s, " B");
    let beyond =
        if beyond > 0.0 { format!("{} ({})", percent(beyond), worst.kind) } else { "none".to_owned() };
    format!(
        "| [{scenario}](real/{scenario}/agreement.png) | {} ({}; seeds: {}) | {distance_s:.2} s ({}; seeds: {:.2} s) | {beyond} | {datagrams} | {bytes} | {} and {} |\n",
        percent(distance),
        share.kind,
        percent(share.spread.0),
        time.kind,
        time.spread_s.0,
        share.simulated_runs,
        share.real_runs,
    )
}

#[test]
fn the_page_of_results_opens_with_what_the_results_say() {
    let mut table = String::from(
        "\n| scenario | farthest apart, share of nodes, curves shifted by up to 0.1 s | farthest apart, time | beyond the spread \
         over seeds | datagrams per node and round, simulated and real | their bytes per node and second | runs, simulated and \
         real |\n|---|---|---|---|---|---|---|\n",
    );
    for scenario in SCENARIOS {
        write!(table, "{}", line(scenario)).unwrap();
    }
    table.push('\n');
    let path = results().join("README.md");
    let page = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (_, after) = rest.split_once(END).expect("which ends");
    let expected = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("HECK_REWRITE").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(page == expected, "results/README.md is out of date: run the tests with HECK_REWRITE=1");
    }
}
