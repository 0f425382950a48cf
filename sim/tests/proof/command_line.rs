//! `heck-sim run` and `plot` from outside: exit codes, output, and what becomes of files.

use std::fs;
use std::path::Path;

use crate::{contents, ended, heck_sim, path};

/// A folder with the scenario `formed-loss` as `topic/small.toml`, made short.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("topic")).expect("a folder");
    let text = fs::read_to_string(path("formed-loss")).expect("a scenario");
    let text = text.replace("nodes = 20", "nodes = 8").replace("duration = \"50s\"", "duration = \"40s\"");
    fs::write(folder.path().join("topic/small.toml"), text).expect("written");
    folder
}

fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    ended(&heck_sim(folder, &[&["run", "topic/small.toml"], args].concat()))
}

#[test]
fn a_good_run_exits_0_with_a_table_and_its_results() {
    let folder = workplace();
    let (code, out, err) = run(folder.path(), &["--runs", "2"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for part in
        ["topic/small: Does a formed", "8 nodes, 50 % loss, 2 seeds", "results: results/topic/small\n"]
    {
        assert!(out.contains(part), "{part:?} is not in {out}");
    }
    let results = contents(&folder.path().join("results/topic/small"));
    let names: Vec<_> = results.keys().filter_map(|name| name.to_str()).collect();
    let expected =
        ["convergence.png", "convergence.svg", "curve.csv", "manifest.toml", "runs.csv", "summary.csv"];
    assert_eq!(names, expected);
}

#[test]
fn a_failed_expectation_exits_1_and_is_told_even_when_quiet() {
    let folder = workplace();
    let strict = ["--set", "expect.rounds_to_all_max=0.001"];
    let (code, out, _) = run(folder.path(), &strict);
    assert_eq!(code, 1);
    assert!(out.contains("FAILED"), "{out}");
    let (code, out, err) = run(folder.path(), &[&strict[..], &["--quiet"]].concat());
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("topic/small: expected "), "{err}");
    assert!(folder.path().join("results/topic/small/manifest.toml").is_file(), "what was measured is kept");
}

#[test]
fn bad_input_exits_2_and_leaves_earlier_results_untouched() {
    let folder = workplace();
    assert_eq!(run(folder.path(), &["--quiet", "--runs", "1"]).0, 0);
    let before = contents(&folder.path().join("results"));
    for (args, told) in [
        (["--set", "network.lost=3%"].as_slice(), "network.lost"),
        (&["--set", "network.loss=3"], "network.loss"),
        (&["--set", "cluster.nodes"], "section.key=value"),
        (&["--runs", "0"], "--runs"),
        (&["--jobs", "0"], "--jobs"),
        (&["--frobnicate"], "--frobnicate"),
        // Only a look at the whole plan tells that these do not fit.
        (&["--set", "cluster.origins=1"], "cluster.origins"),
    ] {
        let (code, out, err) = run(folder.path(), args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(told), "{args:?}: {err}");
    }
    // One bad file among good ones: nothing is run at all.
    fs::write(folder.path().join("topic/bad.toml"), "question = 7\n").expect("written");
    let (code, _, err) = ended(&heck_sim(folder.path(), &["run", "topic/small.toml", "topic/bad.toml"]));
    assert_eq!(code, 2);
    assert!(err.contains("topic/bad.toml:1"), "{err}");
    assert!(contents(&folder.path().join("results")) == before, "the earlier results have changed");
}

#[test]
fn a_folder_that_holds_something_else_is_refused_and_untouched() {
    let folder = workplace();
    let theirs = folder.path().join("results/topic/small");
    fs::create_dir_all(&theirs).expect("a folder");
    fs::write(theirs.join("thesis.tex"), "years of work").expect("written");
    let (code, out, err) = run(folder.path(), &[]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("does not look like results"), "{err}");
    let left = contents(&folder.path().join("results"));
    assert_eq!(left.len(), 1);
    assert_eq!(left.values().next().map(Vec::as_slice), Some(b"years of work".as_slice()));
}

#[test]
fn what_cannot_be_read_or_written_exits_3() {
    let folder = workplace();
    let (code, _, err) = ended(&heck_sim(folder.path(), &["run", "topic/missing.toml"]));
    assert_eq!(code, 3);
    assert!(err.starts_with("topic/missing.toml: "), "{err}");
    // A file stands where the folder should be: nobody can write there, whatever the rights.
    fs::write(folder.path().join("taken"), "").expect("written");
    let (code, out, err) = run(folder.path(), &["--runs", "1", "--out", "taken"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("taken"), "{err}");
}

#[test]
fn json_is_one_object_a_scenario_and_quiet_is_silent() {
    let folder = workplace();
    fs::copy(folder.path().join("topic/small.toml"), folder.path().join("topic/other.toml")).expect("a copy");
    let two = ["run", "topic/small.toml", "topic/other.toml", "--runs", "1"];
    let (code, out, err) = ended(&heck_sim(folder.path(), &[&two[..], &["--json"]].concat()));
    assert_eq!((code, err.as_str()), (0, ""));
    let values = serde_json::Deserializer::from_str(&out).into_iter::<serde_json::Value>();
    let names: Vec<_> = values.map(|value| value.expect("it is JSON")["scenario"].clone()).collect();
    assert_eq!(names, ["topic/small", "topic/other"]);
    assert_eq!(out.lines().count(), 2, "one line each");
    let (code, out, err) = ended(&heck_sim(folder.path(), &[&two[..], &["--quiet"]].concat()));
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
}

#[test]
fn seed_runs_and_set_reach_the_manifest() {
    let folder = workplace();
    let args = ["--seed", "70", "--runs", "2", "--set", "cluster.nodes=9", "--quiet", "--out", "a/b"];
    let (code, _, err) = run(folder.path(), &args);
    assert_eq!((code, err.as_str()), (0, ""));
    let manifest = fs::read_to_string(folder.path().join("a/b/topic/small/manifest.toml")).expect("a file");
    assert!(manifest.contains("seed = 70\n") && manifest.contains("nodes = 9\n"), "{manifest}");
    let runs = fs::read_to_string(folder.path().join("a/b/topic/small/runs.csv")).expect("a file");
    let mut seeds: Vec<_> = runs.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    seeds.dedup();
    assert_eq!(seeds, ["70", "71"]);
}

#[test]
fn plot_draws_the_same_bytes_again() {
    let folder = workplace();
    assert_eq!(run(folder.path(), &["--runs", "2", "--quiet"]).0, 0);
    let results = folder.path().join("results/topic/small");
    let before = contents(&results);
    for name in ["convergence.svg", "convergence.png"] {
        fs::write(results.join(name), "scribbled over").expect("written");
    }
    let (code, _, err) = ended(&heck_sim(folder.path(), &["plot", "results/topic/small"]));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(contents(&results) == before, "a plot differs");
    assert_eq!(ended(&heck_sim(folder.path(), &["plot", "results"])).0, 3, "no results there");
}
