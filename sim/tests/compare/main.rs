//! The systems that heck is compared with: laws of each, values that are known beforehand, and that runs repeat.

mod golden;
mod laws;

use std::fs;
use std::path::Path;

use heck_core::rng::Seed;
use heck_sim::compare::outcome::SystemRun;
use heck_sim::compare::{run_comparison, run_system};
use heck_sim::report::compare::page::fill;
use heck_sim::report::compare::rows::Tables;
use heck_sim::report::compare::store::files;
use heck_sim::run::Options;
use heck_sim::scenario::ScenarioFile;
use heck_sim::scenario::compare::System;

/// A comparison of twelve nodes that lose a tenth of all packets; `more` is added.
fn scenario(sets: &[&str]) -> ScenarioFile {
    let text = r#"
question = "q"
source = "s"
expectation = "e"
run.duration = "40s"
cluster.nodes = 12
network = { latency = { uniform = { min = "5ms", max = "40ms" } }, loss = "10%" }
workload.warmup = "5s"
[compare]
systems = ["heck"]
messages = 40
"#;
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    ScenarioFile::parse("tests/compare.toml", text, &sets).unwrap_or_else(|report| panic!("{report}"))
}

/// One run of a system.
fn run(system: System, seed: u64, sets: &[&str]) -> SystemRun {
    let file = scenario(sets);
    let scenario = &file.scenario;
    let compare = scenario.compare.as_ref().expect("a comparison");
    run_system(scenario, compare, system, Seed(seed), &Options::default()).expect("a run")
}

const ALL: &str = "compare.systems=[\"heck\", \"single-process\", \"all-check-all\", \"central-broker\", \
    \"responsibility-graph\", \"bimodal-list\", \"bimodal-ranges\", \"total-order\", \"broadcast-kv\", \"roshi\", \
    \"scuttlebutt\", \"push-pull\"]";
const CHECKS: &str = "checks={ interval = \"5s\" }";
const CRASH: &str = "fault=[{ at = \"12s\", crash = { nodes = [0, 4], disk = \"lost\" } }, \
    { at = \"20s\", restart = { nodes = [0, 4] } }, \
    { at = \"25s\", partition = { sides = [[1, 2, 3], \"rest\"], lasts = \"5s\" } }]";

#[test]
fn the_same_seeds_come_to_the_same_bytes_on_one_thread_and_on_two() {
    let file = scenario(&[ALL, CHECKS, "cluster.origins=5", CRASH, "run.runs=2"]);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let comparison = pool.install(|| run_comparison(&file, &Options::default(), &|| ())).expect("runs");
        files(&comparison, &Tables::of(&comparison).expect("tables")).expect("files")
    };
    assert!(on(1) == on(2), "a file differs");
}

#[test]
fn encoding_every_packet_changes_nothing() {
    let all = [ALL, CHECKS, "cluster.origins=5", CRASH];
    for more in [&[][..], &["compare.keys=5", "compare.remove_every=2"]] {
        let file = scenario(&[&all[..], more].concat());
        let hashes = |wire| {
            let options = Options { wire, ..Options::default() };
            let comparison = run_comparison(&file, &options, &|| ()).expect("runs");
            let systems = comparison.points.into_iter().flat_map(|point| point.systems);
            systems.map(|(system, runs)| (system.word(), runs[0].trace_hash)).collect::<Vec<_>>()
        };
        assert_eq!(hashes(false), hashes(true), "{more:?}");
    }
}

#[test]
fn every_system_publishes_the_same_at_the_same_times() {
    let file = scenario(&[ALL, CHECKS, "cluster.origins=5", "network.loss=0%"]);
    let comparison = run_comparison(&file, &Options::default(), &|| ()).expect("runs");
    for (system, runs) in &comparison.points[0].systems {
        let checks = matches!(system, System::SingleProcess | System::AllCheckAll);
        let due = if checks { 0 } else { 40 * 11 };
        assert_eq!(runs[0].took_us.len(), due, "{}", system.word());
        assert_eq!(runs[0].refused, if checks { 40 } else { 0 }, "{}", system.word());
        // Every look sees as much due as any other system's does: the same messages at the same times.
        let due_by: Vec<u64> = runs[0].moments.iter().map(|moment| moment.due).collect();
        let expected = (1..=40_u64).map(|second| 11 * (40.min((second.max(5) - 5) * 10 + 1)));
        assert_eq!(due_by.first(), Some(&0), "{}", system.word());
        assert_eq!(due_by[4..], expected.skip(4).collect::<Vec<_>>(), "{}", system.word());
    }
}

#[test]
fn what_is_due_at_a_look_is_what_counts_in_the_end() {
    let crash = "fault=[{ at = \"7s\", crash = { nodes = [4], disk = \"lost\" } }]";
    for system in [System::Heck, System::ResponsibilityGraph] {
        let run = run(system, 1, &[crash, "network.loss=0%"]);
        assert_eq!(run.missing, 0, "{}", system.word());
        let last = run.moments.last().expect("looks");
        assert_eq!((last.due, last.delivered), (run.took_us.len() as u64, last.due), "{}", system.word());
        assert!(last.due < 40 * 11, "node 4 receives nothing in the end");
    }
}

#[test]
fn the_page_of_the_talk_quotes_the_results_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let template = fs::read_to_string(folder.join("assets/talk.md")).expect("the template");
    let results = folder.join("../results");
    let page = fs::read_to_string(results.join("talk/README.md")).expect("the page");
    let filled = fill(&template, &results).unwrap_or_else(|error| panic!("{error}"));
    assert!(page.replace("\r\n", "\n") == filled, "results/talk/README.md: run scripts/measure-talk");
}

#[test]
fn what_is_about_heck_alone_is_refused_with_its_line() {
    let parse = |sets: &[&str]| {
        let text = "question = \"q\"\nsource = \"s\"\nexpectation = \"e\"\nrun.duration = \"9s\"\ncluster.nodes = 5\n\
                    network.latency = \"40ms\"\n[compare]\nsystems = [\"roshi\"]\nmessages = 5\n";
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        ScenarioFile::parse("q.toml", text, &sets).map_err(|report| report.to_string())
    };
    assert!(parse(&[]).is_ok());
    for (set, what) in [
        ("compare.systems=[\"roshy\"]", "did you mean roshi"),
        ("compare.systems=[\"roshi\", \"roshi\"]", "names a system twice"),
        ("compare.systems=[]", "is empty"),
        ("compare.sistems=[\"roshi\"]", "did you mean systems"),
        ("compare.systems=[\"single-process\"]", "a scenario with [checks]"),
        ("compare.messages=1000", "published after the end"),
        (
            "compare.expect=[{ system = \"roshi\", point = \"5\", measure = \"all_s\", most = 3 }]",
            "nothing is swept",
        ),
        ("workload.message_size=\"2KiB\"", "too large to be compared"),
        ("workload.follow={ kinds = [\"key_written\"] }", "is about heck alone"),
        ("fault=[{ at = \"1s\", leave = { nodes = [1] } }]", "is about heck alone"),
        ("compare.expect=[{ system = \"heck\", measure = \"all_s\", most = 3 }]", "is not compared"),
        ("compare.remove_every=2", "has no keys to take out"),
        ("compare.expect=[{ system = \"roshi\", measure = \"all_s\" }]", "expects nothing"),
        ("compare.expect=[{ system = \"roshi\", measure = \"al_s\", most = 1 }]", "did you mean all_s"),
    ] {
        let error = parse(&[set]).expect_err(set);
        assert!(error.contains(what), "{set}: {error}");
    }
    let many = ["compare.messages=1000000", "compare.every=\"1us\"", "cluster.nodes=51"];
    assert!(parse(&many).expect_err("51 million deliveries").contains("too many for so many nodes"));
}
