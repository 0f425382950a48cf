//! Each checker is seen to fail on a planted bug, and says enough to see it again.

use std::collections::BTreeSet;

use crate::{ended, heck_sim, load, path, run_planted};
use heck_core::mutant::{Mutant, Planted};
use heck_sim::checker::Check;
use heck_sim::report::outcome::{Outcome, PointOutcome, RunOutcome, Violation};
use heck_sim::report::{json, table};
use heck_sim::run::Options;
use rayon::prelude::*;

/// Which checker finds which bug, within so many seeds of its scenario.
const FOUND: &[(Check, Mutant, u64)] = &[
    (Check::UniqueDots, Mutant::ReuseBoot, 3),
    (Check::NoOverClaim, Mutant::SeenThoughRefused, 1),
    (Check::NoOverClaim, Mutant::IgnoreLiveList, 2),
    (Check::NoResurrection, Mutant::Resurrect, 1),
    (Check::NoResurrection, Mutant::IgnoreGeneration, 1),
    (Check::NoVanishing, Mutant::DotlessRemove, 1),
    (Check::NoRegress, Mutant::ClaimByArrival, 1),
    (Check::NoRegress, Mutant::ForgetSequence, 1),
    (Check::DeliveredOnce, Mutant::SilentGap, 2),
    (Check::Durable, Mutant::AcknowledgeEarly, 3),
    (Check::Fresh, Mutant::ForgetBeatAge, 1),
    (Check::Fresh, Mutant::UnboundFreshness, 9),
    (Check::Fresh, Mutant::UncountedHops, 3),
    (Check::Fingerprint, Mutant::StaleFingerprint, 1),
    (Check::Agreement, Mutant::IgnoreLiveList, 2),
    (Check::MemberOrder, Mutant::BelieveOldNews, 2),
    (Check::LeftNotDead, Mutant::BuryTheLeft, 1),
    (Check::ListsRight, Mutant::OmitMembers, 3),
    (Check::DatagramSize, Mutant::IgnoreDatagramLimit, 1),
    (Check::MemoryBounded, Mutant::UnboundedLog, 1),
    (Check::OneOwner, Mutant::KeepLostOwner, 1),
    (Check::ProbeBudget, Mutant::UnpacedProbes, 1),
    (Check::OriginBudget, Mutant::IgnoreCollapsedView, 1),
    (Check::OnSchedule, Mutant::NeverLate, 1),
];

/// The scenario in which a check can fail.
const fn scenario(check: Check) -> &'static str {
    match check {
        Check::OneOwner | Check::ProbeBudget | Check::OnSchedule => "mutant-checks",
        Check::OriginBudget => "mutant-alone",
        Check::MemberOrder | Check::LeftNotDead | Check::ListsRight => "mutant-members",
        _ => "mutants",
    }
}

fn violations(scenario: &str, seed: u64, planted: Planted) -> Vec<Violation> {
    run_planted(&load(scenario, &[]), seed, planted, &Options::default()).violations
}

#[test]
fn every_checker_is_seen_to_fail() {
    let covered: BTreeSet<Check> = FOUND.iter().map(|(check, ..)| *check).collect();
    assert_eq!(covered, Check::ALL.into_iter().collect(), "a checker has no planted bug to find");
    let is_found = |(check, mutant, seeds): &&(Check, Mutant, u64)| {
        let found = |seed| violations(scenario(*check), seed, Planted::new(*mutant));
        let is_told = |found: &Violation| {
            let debug = ["Dot", "Writer", "Lane", "Some(", "Shard", "{", "node:"];
            assert!(debug.iter().all(|word| !found.detail.contains(word)), "debug text: {}", found.detail);
            found.check == check.name()
        };
        (1..=*seeds).any(|seed| found(seed).iter().any(is_told))
    };
    let missed: Vec<_> = FOUND.par_iter().filter(|case| !is_found(case)).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn without_a_planted_bug_nothing_is_found() {
    let seeds = FOUND.iter().map(|(.., seeds)| *seeds).max().unwrap_or_default();
    let found: Vec<_> =
        (1..=seeds).into_par_iter().flat_map(|seed| violations("mutants", seed, Planted::NONE)).collect();
    assert_eq!(found, []);
    let found: Vec<_> = (1..=3)
        .into_par_iter()
        .flat_map(|seed| {
            ["mutant-checks", "mutant-alone", "mutant-sides", "mutant-members"]
                .map(|scenario| violations(scenario, seed, Planted::NONE))
        })
        .flatten()
        .collect();
    assert_eq!(found, []);
}

/// Who is gone keeps what it owned: after the heal nobody is gone, so the end of the run shows nothing.
#[test]
fn owners_are_looked_at_on_each_side_while_it_is_cut_off() {
    let found = violations("mutant-sides", 1, Planted::new(Mutant::KeepLostOwner));
    let cut_us = 10_000_000..120_000_000;
    let is_told =
        |found: &Violation| found.check == Check::OneOwner.name() && cut_us.contains(&found.time_us);
    assert_eq!(
        found.iter().filter(|found| is_told(found)).count(),
        found.len().max(2),
        "one for each side: {found:?}"
    );
}

/// An outcome with this run alone.
fn outcome(run: RunOutcome) -> Outcome {
    let point =
        PointOutcome { repair_interval_us: 1_000_000, nodes: 20, runs: vec![run], ..PointOutcome::default() };
    Outcome { scenario: "scenarios/mutants".to_owned(), points: vec![point], ..Outcome::default() }
}

#[test]
fn a_violation_tells_seed_time_node_and_the_command_that_shows_it_again() {
    let file = path("mutants");
    let options = Options { replay: format!("heck-sim run {}", file.display()), ..Options::default() };
    let planted = Planted::new(Mutant::Resurrect);
    let run = run_planted(&load("mutants", &[]), 2, planted, &options);
    let found = run.violations[0].clone();
    assert_eq!(found.replay, format!("heck-sim run {} --seed 2 --runs 1", file.display()));

    let outcome = outcome(run.clone());
    let text = table::summary(&outcome, &[]);
    let head =
        format!("{}: seed 2, {:.6} s, node {}", found.check, found.time_us as f64 / 1e6, found.node.unwrap());
    for part in [&head, &found.detail, &found.replay] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let summary = json::summary(&outcome, &[]);
    let violation = &summary["violations"][0];
    assert_eq!((&violation["seed"], &violation["time_us"]), (&2.into(), &found.time_us.into()));
    assert_eq!(
        (&violation["node"], &violation["replay"]),
        (&found.node.into(), &found.replay.as_str().into())
    );

    // The program has no planted bugs; the command's own seed and number of runs show it again in the library.
    let again = load("mutants", &["run.seed=2", "run.runs=1"]);
    let again = run_planted(&again, again.scenario.run.seed, planted, &options);
    assert_eq!(again, run);
}

#[test]
fn the_command_of_a_violation_shows_it_again_in_a_fresh_process() {
    let folder = tempfile::tempdir().expect("a folder");
    // Odd characters in paths and values must survive the shell.
    let file = "it's a fleet/topic/lossy.toml";
    std::fs::create_dir_all(folder.path().join("it's a fleet/topic")).expect("a folder");
    std::fs::copy(path("formed-loss"), folder.path().join(file)).expect("a copy");
    let latency = "network.latency={ uniform = { min = \"5ms\", max = \"9ms\" } }";
    let sets = ["--set", "network.loss=98%", "--set", latency];
    let run = |args: &[&str]| ended(&heck_sim(folder.path(), &[&["run", file], args].concat()));
    let (code, out, _) = run(&[&sets[..], &["--seed", "40", "--runs", "2"]].concat());
    assert_eq!(code, 1, "{out}");
    let lines: Vec<&str> = out.lines().collect();
    let found =
        lines.iter().position(|line| line.starts_with("agreement after quiet: seed 40, ")).expect(&out);
    let replay = lines[found + 2].trim().strip_prefix("replay: heck-sim ").expect(&out);
    assert!(replay.ends_with("--out replays --seed 40 --runs 1"), "{replay}");

    let program = env!("CARGO_BIN_EXE_heck-sim");
    let mut shell = std::process::Command::new("sh");
    let again = shell.current_dir(folder.path()).arg("-c").arg(format!("'{program}' {replay}")).output();
    let (code, out, err) = ended(&again.expect("a shell"));
    assert_eq!((code, err.as_str()), (1, ""));
    let again: Vec<&str> = out.lines().collect();
    assert_eq!(again.iter().filter(|line| **line == lines[found]).count(), 1, "{out}");
    assert!(again.contains(&lines[found + 1]) && again.contains(&lines[found + 2]), "{out}");
    assert!(folder.path().join("replays/topic/lossy/manifest.toml").is_file());
}
