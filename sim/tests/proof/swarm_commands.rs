//! `heck-sim swarm` and `twice` from outside: exit codes, output, and what becomes of files.

use std::fs;

use crate::{contents, ended, heck_sim, path};

#[test]
fn a_swarm_that_passes_exits_0_and_writes_the_same_table_on_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let swarm = |jobs: &str, out: &str| {
        let args = ["swarm", "--seed", "3", "--seeds", "2", "--jobs", jobs, "--out", out];
        ended(&heck_sim(folder.path(), &args))
    };
    for (jobs, out) in [("1", "one"), ("2", "two")] {
        let (code, said, err) = swarm(jobs, out);
        assert_eq!((code, err.as_str()), (0, ""), "{said}");
        assert!(said.contains("2 scenarios, 0 failed; "), "{said}");
    }
    let table = contents(&folder.path().join("one"));
    let names: Vec<_> = table.keys().filter_map(|name| name.to_str()).collect();
    assert_eq!(names, ["coverage.csv"]);
    assert!(table == contents(&folder.path().join("two")), "threads must not show");
}

#[test]
fn what_a_swarm_prints_is_a_scenario_that_can_be_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, scenario, err) = ended(&heck_sim(folder.path(), &["swarm", "--seed", "3", "--print"]));
    assert_eq!((code, err.as_str()), (0, ""));
    fs::write(folder.path().join("drawn.toml"), scenario).expect("written");
    let (code, _, err) = ended(&heck_sim(folder.path(), &["check", "drawn.toml"]));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(!folder.path().join("swarm-out").exists(), "printing runs nothing");
}

#[test]
fn a_swarm_of_large_fleets_passes_over_small_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = |seed| heck_sim::swarm::draw(seed)["cluster"]["nodes"].as_integer().expect("a number");
    let is_meant = |seed: &u64| (6..12).contains(&nodes(*seed)) && nodes(seed - 1) < 6;
    let large = (3..).find(is_meant).expect("some");
    let table = |args: &[&str], out: &str| {
        let args = [&["swarm", "--seeds", "1", "--out", out], args].concat();
        let (code, said, err) = ended(&heck_sim(folder.path(), &args));
        assert_eq!((code, err.as_str()), (0, ""), "{said}");
        contents(&folder.path().join(out))
    };
    let before = (large - 1).to_string();
    let passed = table(&["--seed", &before, "--least-nodes", "6"], "passed");
    assert!(passed == table(&["--seed", &large.to_string()], "named"));
    assert!(passed != table(&["--seed", &before], "small"));
}

#[test]
fn a_swarm_that_cannot_write_exits_3_and_one_without_sense_exits_2() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("taken"), "").expect("written");
    let (code, _, err) = ended(&heck_sim(folder.path(), &["swarm", "--seeds", "1", "--out", "taken"]));
    assert_eq!(code, 3);
    assert!(err.starts_with("taken: "), "{err}");
    for args in [["--seeds", "1", "--minutes", "1"], ["--jobs", "0", "--seeds", "1"]] {
        let (code, out, err) = ended(&heck_sim(folder.path(), &[&["swarm"], &args[..]].concat()));
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
    }
}

#[test]
fn twice_says_of_each_seed_that_both_runs_were_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(path("formed-loss")).expect("a scenario");
    fs::write(folder.path().join("small.toml"), text).expect("written");
    let twice = |args: &[&str]| ended(&heck_sim(folder.path(), &[&["twice"], args].concat()));
    let (code, said, err) =
        twice(&["small.toml", "--set", "cluster.nodes=6", "--set", "run.runs=2", "--set", "run.seed=5"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(said, "small.toml: seed 5: the same twice\nsmall.toml: seed 6: the same twice\n");
    assert_eq!(twice(&["missing.toml"]).0, 3);
    let (code, _, err) = twice(&["small.toml", "--set", "network.loss=3"]);
    assert_eq!(code, 2);
    assert!(err.contains("network.loss"), "{err}");
}
