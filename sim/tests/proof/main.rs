//! Proof that the simulator can be believed: the same run twice is the same run, checkers find planted bugs,
//! crashes take what they should and nothing else, and the simulated protocol and the theory tell the same story.

mod command_line;
mod determinism;
mod freshness;
mod mutants;
#[path = "../recorded/mod.rs"]
mod recorded;
mod replay;
mod restarts;
mod shard_files;
mod shards;
mod swarm_commands;
mod theory;
mod weather;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use heck_core::mutant::Planted;
use heck_core::rng::Seed;
use heck_sim::report::outcome::RunOutcome;
use heck_sim::run::setup::Setup;
use heck_sim::run::{Options, one};
use heck_sim::scenario::ScenarioFile;

/// A scenario file of the tests.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(name).with_extension("toml")
}

fn load(name: &str, sets: &[&str]) -> ScenarioFile {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    ScenarioFile::load(&path(name), &sets).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs the first point of a scenario under a seed, with a bug planted in every node.
fn run_planted(file: &ScenarioFile, seed: u64, planted: Planted, options: &Options) -> RunOutcome {
    let scenario = &file.points[0].scenario;
    let mut config = scenario.cluster.protocol.config().expect("the test's settings are good");
    config.planted = planted;
    let setup = Setup::new(scenario, config);
    one::run(scenario, &setup, Seed(seed), options).expect("the scenario can be run")
}

/// Runs the real program in a fresh process, in `directory`.
fn heck_sim(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heck-sim"));
    command.current_dir(directory).args(args).output().expect("the program starts")
}

/// The exit code, and what was printed to both streams.
fn ended(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is text");
    (output.status.code().expect("it was not killed"), text(&output.stdout), text(&output.stderr))
}

/// All files below a folder, with their bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it lies below").to_owned();
                found.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}
