use super::*;
use crate::checker::Check;
use crate::report::example;
use crate::report::outcome::{CheckOutcome, PointOutcome, RunOutcome, UpdateOutcome};

/// Four nodes, two seeds, one of which never reaches the last node: small enough to check by hand.
fn tiny() -> Outcome {
    let run = |seed, reached_us: &[u64]| RunOutcome {
        seed,
        trace_hash: 0xabc0 + seed,
        events: 100 * seed,
        updates: vec![UpdateOutcome {
            kind: "key written".to_owned(),
            node: 2,
            population: 3,
            reached_us: reached_us.to_vec(),
            observed_us: 4_000_000,
            delivery_ratio_p95: Some(1.25),
        }],
        measured_us: 2_000_000,
        largest_datagram: 512,
        datagrams_per_node_round: 1.5,
        ..RunOutcome::default()
    };
    let mut outcome = example::outcome(4, 0);
    outcome.points = vec![PointOutcome {
        runs: vec![run(1, &[50_000, 1_000_000, 2_500_000]), run(2, &[40_000, 60_000])],
        ..outcome.points[0].clone()
    }];
    outcome.points[0].label = "50%, \"quoted\"".to_owned();
    outcome
}

#[test]
fn csv_of_a_tiny_outcome_is_as_worked_out_by_hand() {
    let files = TextFiles::of(&tiny()).expect("text");
    let summary: Vec<&str> = files.summary.lines().collect();
    assert_eq!(
        summary[0],
        "point,kind,milestone,n,censored,never_bound,mean_rounds,mean_low_rounds,mean_high_rounds,median_rounds,\
         median_low_rounds,median_high_rounds,p05_rounds,p95_rounds,mean_s,median_s,p05_s,p95_s"
    );
    // Half of four nodes is the source and one other: 50 and 40 ms; Student's t with one degree of freedom is
    // 12.706, so the mean of 45 ms is known to ± 63.5 ms. Two seeds do not bound a median.
    assert_eq!(
        summary[1],
        "\"50%, \"\"quoted\"\"\",key written,50,2,0,0.7764,0.045,-0.019,0.109,0.045,-inf,inf,0.041,0.050,\
         0.045000,0.045000,0.040500,0.049500"
    );
    assert_eq!(
        summary[5],
        "\"50%, \"\"quoted\"\"\",key written,100,2,1,,inf,inf,inf,inf,-inf,inf,inf,inf,inf,inf,inf,inf"
    );
    let runs: Vec<&str> = files.runs.lines().collect();
    assert!(
        runs[2].starts_with(
            "\"50%, \"\"quoted\"\"\",2,000000000000abc2,200,key written,2,4,3,true,4.000000,0.040000,inf,inf,inf,\
             inf,0.040,inf,inf,inf,inf,1.2500,1.5000,0.0000,0.00,"
        ),
        "{}",
        runs[2]
    );
    assert!(runs[2].ends_with(",512,,0,0,0,0,0,0,,0,0,0,,0"), "{}", runs[2]);
    let curve: Vec<&str> = files.curve.lines().collect();
    // At the start the source alone has it, 1 in 4; the map and the bound start after the broadcast: 1/4 + 3/8.
    assert_eq!(
        curve[1],
        "\"50%, \"\"quoted\"\"\",key written,0,0.000,0.2500000,0.2500000,0.2500000,0.2500000,0.2500000,\
         0.6250000,0.6250000"
    );
}

#[test]
fn manifest_holds_what_is_needed_to_run_again_and_nothing_of_the_machine() {
    let files = TextFiles::of(&example::outcome(10, 2)).expect("text");
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "heck_sim = \"{version}\"\nscenario = \"convergence/example\"\ntitle = \"A made-up example, 50 % loss\"\n\
         question = \"How soon does every node have an update?\"\nseed = \"1\"\n\
         scenario_hash = \"123456789abcdef0\"\ntrace_hash = \"{}\"\n\n[[point]]\nlabel = \"50%\"\nnodes = 10\n\
         repair_interval_us = 1000000\nruns = 2\nloss = 0.5\npulls_per_round = 1.0\npushes_per_round = 0.0\n\
         broadcast = 1.0\noptions = \"\"\"\n[cluster]\nnodes = 10\n\n[network]\nloss = \"50%\"\n\"\"\"\n",
        crate::report::tabulate::hex(example::outcome(10, 2).trace_hash())
    );
    assert_eq!(files.manifest, expected);
}

#[test]
fn text_read_back_and_written_again_is_the_same() {
    for outcome in [tiny(), example::outcome(30, 4), example::sweep(20, 3), example::both_drivers(10, 3)] {
        let files = TextFiles::of(&outcome).expect("text");
        let results = files.parse().expect("results");
        let again = TextFiles {
            checks: None,
            manifest: toml::to_string(&results.manifest).expect("toml"),
            curve: to_csv(CURVE, &results.tables.curve).expect("csv"),
            runs: to_csv(RUNS, &results.tables.runs).expect("csv"),
            summary: to_csv(SUMMARY, &results.tables.summary).expect("csv"),
            agreement: files
                .agreement
                .as_ref()
                .map(|_| to_csv(AGREEMENT, &results.tables.agreement).expect("csv")),
        };
        assert_eq!(again, files);
    }
}

#[test]
fn seeds_beyond_tomls_integers_survive() {
    let outcome = Outcome { seed: u64::MAX, ..example::outcome(5, 1) };
    let results = TextFiles::of(&outcome).expect("text").parse().expect("results");
    assert_eq!(results.manifest.seed, u64::MAX.to_string());
}

#[test]
fn a_damaged_file_is_named_with_its_line() {
    let mut files = TextFiles::of(&example::outcome(5, 2)).expect("text");
    files.summary = files.summary.replacen(",50,2,", ",50,two,", 1);
    let error = files.parse().expect_err("a broken count").to_string();
    assert!(error.contains("summary.csv") && error.contains("line: 2"), "{error}");
    files.manifest.push_str("host = \"mine\"\n");
    files.summary = files.summary.replacen(",50,two,", ",50,2,", 1);
    let error = files.parse().expect_err("an unknown key").to_string();
    assert!(error.contains(MANIFEST) && error.contains("host"), "{error}");
}

#[test]
fn every_violation_is_documented_in_the_readme_of_the_results() {
    let readme = include_str!("../../../results/README.md");
    let (_, section) = readme.split_once("\n## Violations\n").expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(documented, Check::ALL.map(Check::name));
}

/// Every column of every file and every key of the manifest stands in a table row of the README, and the README
/// describes no column that does not exist.
#[test]
fn every_column_is_documented_in_the_readme_of_the_results() {
    let readme = include_str!("../../../results/README.md");
    let mut outcome = example::both_drivers(5, 2);
    outcome.points[0].runs[0].checks = Some(CheckOutcome::default());
    let files = TextFiles::of(&outcome).expect("text");
    let header = |csv: &str| csv.lines().next().expect("a header").split(',').map(str::to_owned).collect();
    let manifest: toml::Table = files.manifest.parse().expect("toml");
    let point = manifest["point"][0].as_table().expect("a point");
    let real = manifest["real"].as_table().expect("there were two drivers");
    let is_plain = |key: &&String| !["point", "real"].contains(&key.as_str());
    let mut keys: Vec<String> = manifest.keys().filter(is_plain).cloned().collect();
    keys.extend(point.keys().map(|key| format!("point.{key}")));
    keys.extend(real.keys().map(|key| format!("real.{key}")));
    let sections: [(&str, Vec<String>); 6] = [
        (MANIFEST, keys),
        (CURVE, header(&files.curve)),
        (RUNS, header(&files.runs)),
        (SUMMARY, header(&files.summary)),
        (CHECKS, header(files.checks.as_deref().expect("there were checks"))),
        (AGREEMENT, header(files.agreement.as_deref().expect("there were two drivers"))),
    ];
    for (file, columns) in sections {
        let (_, section) = readme.split_once(&format!("## `{file}`")).expect("a section for each file");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut documented: Vec<&str> =
            rows.flat_map(|row| row.split(" |").next().unwrap_or_default().split("`, `")).collect();
        for name in &mut documented {
            *name = name.trim_end_matches('`');
        }
        for column in &columns {
            assert!(documented.contains(&column.as_str()), "{file}: column {column} is not documented");
        }
        for name in documented {
            assert!(
                columns.iter().any(|column| column == name),
                "{file}: {name} is documented but not written"
            );
        }
    }
}
