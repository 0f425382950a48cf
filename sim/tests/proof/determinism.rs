//! The same scenario and seeds give the same bytes: in fresh processes, on one thread and on two, with and without
//! encoding every packet on its way.

use crate::{contents, ended, heck_sim, load, path, run_planted};
use heck_core::config::Config;
use heck_core::mutant::{Mutant, Planted};
use heck_core::rng::Seed;
use heck_sim::run::Options;
use heck_sim::run::setup::Setup;
use heck_sim::run::steps::compare;

#[track_caller]
fn assert_same_bytes(scenario: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = path(scenario);
    let file = file.to_str().expect("the path is text");
    let run = |out: &str, how: &[&str]| {
        let args = [&["run", file, "--quiet", "--out", out], how].concat();
        let (code, printed, complaints) = ended(&heck_sim(folder.path(), &args));
        assert_eq!((code, printed.as_str(), complaints.as_str()), (0, "", ""), "{how:?}");
        contents(&folder.path().join(out))
    };
    let first = run("first", &["--jobs", "1"]);
    let names: Vec<_> = first.keys().filter_map(|path| path.file_name()?.to_str()).collect();
    for name in ["manifest.toml", "curve.csv", "runs.csv", "summary.csv", "convergence.svg"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for (out, how) in [("threads", ["--jobs", "2"].as_slice()), ("wire", &["--jobs", "2", "--wire"])] {
        let again = run(out, how);
        let differing: Vec<_> = first.keys().filter(|name| first.get(*name) != again.get(*name)).collect();
        assert!(differing.is_empty() && first.len() == again.len(), "{how:?} changes {differing:?}");
    }
}

#[test]
fn a_formed_cluster_under_loss_is_the_same_run() {
    assert_same_bytes("formed-loss");
}

#[test]
fn a_cold_start_with_cut_streams_is_the_same_run() {
    assert_same_bytes("cold-streams");
}

#[test]
fn crashes_restarts_and_churn_are_the_same_run() {
    assert_same_bytes("restarts");
}

#[test]
fn bursts_duplicates_and_reordering_in_a_sweep_are_the_same_runs() {
    assert_same_bytes("bursts");
}

#[test]
fn entries_that_go_by_stream_are_the_same_run() {
    assert_same_bytes("large-entries");
}

#[test]
fn zones_partitions_and_pauses_are_the_same_run() {
    assert_same_bytes("zones");
}

#[test]
fn slow_disks_drifting_clocks_and_starved_nodes_are_the_same_run() {
    assert_same_bytes("weather");
}

#[test]
fn another_seed_is_another_run() {
    let file = load("formed-loss", &[]);
    let hash = |seed| run_planted(&file, seed, Planted::NONE, &Options::default()).trace_hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn of_two_runs_that_should_be_equal_and_are_not_the_first_step_that_differs_is_named() {
    let file = load("mutants", &[]);
    let scenario = &file.points[0].scenario;
    let config = |planted| Config { planted, ..scenario.cluster.protocol.config().expect("good settings") };
    let sound = Setup::new(scenario, config(Planted::NONE));
    let broken = Setup::new(scenario, config(Planted::new(Mutant::DotlessRemove)));
    let (by_value, wire) = (Options::default(), Options { wire: true, ..Options::default() });
    let compared = |ways| compare(scenario, ways, Seed(2)).expect("they can be run");
    assert_eq!(compared([(&sound, &by_value), (&sound, &wire)]), None);
    let parted = compared([(&sound, &by_value), (&broken, &by_value)]).expect("a removal has no dot");
    let (first, second) = (parted.first.expect("a step"), parted.second.expect("a step"));
    // The command that removes something is the same; what it does is not.
    let cause = |step: &str| step.split(", then").next().map(str::to_owned);
    assert!(
        first.contains("Command") && cause(&first) == cause(&second) && first != second,
        "{first}; {second}"
    );
}
