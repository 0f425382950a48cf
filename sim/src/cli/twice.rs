//! `heck-sim twice`: two runs of each seed that have to be equal, and the first step that differs if they are not.

use std::io;

use heck_core::rng::Seed;
use rayon::prelude::*;

use super::{Exit, Files, Output, load};
use crate::run::setup::Setup;
use crate::run::steps::{Divergence, compare};
use crate::run::{Options, RunError};
use crate::scenario::ScenarioFile;

/// Run each seed twice, the second time with every packet encoded and decoded on its way, and name the first step in which
/// the two differ.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    files: Files,
}

/// Compares every run of every file, and returns the worst outcome.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let mut worst = Exit::Success;
    for given in &args.files.files {
        match load(given, &args.files.sets, output)? {
            Ok((path, file)) => {
                let path = path.display().to_string();
                worst = worst.max(compare_file(&path, &file, output)?);
            }
            Err(refused) => worst = worst.max(refused),
        }
    }
    Ok(worst)
}

fn compare_file(path: &str, file: &ScenarioFile, output: &mut Output<'_>) -> io::Result<Exit> {
    let mut worst = Exit::Success;
    if file.scenario.compare.is_some() {
        writeln!(
            output.err,
            "{path}: compares systems; run it once with --wire and once without, and compare runs.csv"
        )?;
        return Ok(Exit::BadInput);
    }
    for point in &file.points {
        let scenario = &point.scenario;
        let config = match scenario.cluster.protocol.config() {
            Ok(config) => config,
            Err(error) => {
                writeln!(output.err, "{path}: {error}")?;
                return Ok(Exit::BadInput);
            }
        };
        let setup = Setup::new(scenario, config);
        let wire = Options { wire: true, ..Options::default() };
        let ways = [(&setup, &Options::default()), (&setup, &wire)];
        let seeds = (0..u64::from(scenario.run.runs)).into_par_iter();
        let seeds = seeds.map(|number| scenario.run.seed.wrapping_add(number));
        let compared: Vec<(u64, Result<Option<Divergence>, RunError>)> =
            seeds.map(|seed| (seed, compare(scenario, ways, Seed(seed)))).collect();
        for (seed, result) in compared {
            worst = worst.max(tell(&format!("{path}: {}seed {seed}", label(&point.label)), result, output)?);
        }
    }
    Ok(worst)
}

fn label(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("{label}, ") }
}

fn tell(
    what: &str,
    result: Result<Option<Divergence>, RunError>,
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    match result {
        Ok(None) => {
            writeln!(output.out, "{what}: the same twice")?;
            Ok(Exit::Success)
        }
        Ok(Some(Divergence { step, first, second })) => {
            let ended = || "the run has ended".to_owned();
            writeln!(output.out, "{what}: step {step} is the first that differs")?;
            writeln!(output.out, "  by value: {}", first.unwrap_or_else(ended))?;
            writeln!(output.out, "  encoded:  {}", second.unwrap_or_else(ended))?;
            Ok(Exit::Failed)
        }
        Err(error) => {
            writeln!(output.err, "{what}: {error}")?;
            Ok(match error {
                RunError::Impossible(_) => Exit::BadInput,
                RunError::Wire(_) => Exit::Failed,
            })
        }
    }
}
