//! `heck-sim list`: the scenarios of a folder, with question and expectation.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Exit, Output, load_file};
use crate::scenario::ScenarioFile;

/// List the scenarios of a folder with their questions and what is expected.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder that holds the scenario files, at any depth.
    #[arg(default_value = "scenarios", value_name = "DIR")]
    dir: PathBuf,
    /// Print one JSON document instead.
    #[arg(long)]
    json: bool,
}

/// One scenario, as the list shows it.
#[derive(Serialize, Debug)]
struct Entry {
    name: String,
    path: String,
    question: String,
    source: String,
    expectation: String,
    nodes: u32,
    runs: u32,
    curves: usize,
    scenario_hash: String,
}

/// Lists what is right, complains about what is not, and returns the worst outcome.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let paths = match scenario_paths(&args.dir) {
        Ok(paths) => paths,
        Err(error) => {
            let hint = "name the folder of the scenarios, or start this in the folder that holds `scenarios`";
            writeln!(output.err, "{}: {error}; {hint}", args.dir.display())?;
            return Ok(Exit::Io);
        }
    };
    let mut worst = Exit::Success;
    let mut entries = Vec::with_capacity(paths.len());
    for path in paths {
        match load_file(&path, &[], output)? {
            Ok(file) => entries.push(Entry::new(&path, file)),
            Err(refused) => worst = worst.max(refused),
        }
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *output.out, &entries)?;
        writeln!(output.out)?;
        return Ok(worst);
    }
    for entry in &entries {
        writeln!(output.out, "{}", entry.path)?;
        for text in [&entry.question, &entry.expectation] {
            writeln!(output.out, "    {}", text.split_whitespace().collect::<Vec<_>>().join(" "))?;
        }
    }
    Ok(worst)
}

impl Entry {
    fn new(path: &Path, file: ScenarioFile) -> Self {
        let ScenarioFile { name, scenario, points } = file;
        Self {
            name,
            path: path.display().to_string(),
            scenario_hash: format!("{:016x}", scenario.scenario_hash()),
            nodes: scenario.cluster.nodes,
            runs: scenario.run.runs,
            curves: points.len(),
            question: scenario.question,
            source: scenario.source,
            expectation: scenario.expectation,
        }
    }
}

/// Every `.toml` file under `dir`, sorted by path.
///
/// # Errors
/// When a folder cannot be read.
pub fn scenario_paths(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}
