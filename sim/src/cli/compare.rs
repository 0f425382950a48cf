//! What `heck-sim run` does with a scenario that compares systems.

use std::io;
use std::path::Path;

use indicatif::ProgressBar;

use super::{Exit, Output};
use crate::compare::run_comparison;
use crate::report::compare::rows::Tables;
use crate::report::compare::{markdown, store};
use crate::run::{Options, RunError};
use crate::scenario::ScenarioFile;

/// How it is to be run and told.
pub(super) struct How<'a> {
    pub options: Options,
    pub out: &'a Path,
    pub quiet: bool,
}

/// Runs all systems, writes the results and says what came out.
pub(super) fn run(
    how: &How<'_>,
    path: &Path,
    file: &ScenarioFile,
    (pool, progress): (&rayon::ThreadPool, &ProgressBar),
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    let result = pool.install(|| run_comparison(file, &how.options, &|| progress.inc(1)));
    progress.finish_and_clear();
    let comparison = match result {
        Ok(comparison) => comparison,
        Err(error) => {
            writeln!(output.err, "{}: {error}", path.display())?;
            return Ok(match error {
                RunError::Impossible(_) => Exit::BadInput,
                RunError::Wire(_) => Exit::Failed,
            });
        }
    };
    let tables = match Tables::of(&comparison) {
        Ok(tables) => tables,
        Err(error) => {
            writeln!(output.err, "{}: {error}", path.display())?;
            return Ok(Exit::Failed);
        }
    };
    let directory = match store::save(&comparison, &tables, how.out) {
        Ok(directory) => directory,
        Err(error) => {
            writeln!(output.err, "{error}")?;
            return Ok(if error.is_io() { Exit::Io } else { Exit::BadInput });
        }
    };
    if !how.quiet {
        write!(output.out, "{}", markdown::page(&comparison.question, &tables.systems))?;
        writeln!(output.out, "\nresults: {}", directory.display())?;
    }
    let expected = file.scenario.compare.as_ref().map(|compare| compare.expect.as_slice());
    let failures = markdown::failures(&tables.systems, expected.unwrap_or_default());
    for failure in &failures {
        writeln!(output.err, "{}: {failure}", comparison.scenario)?;
    }
    Ok(if failures.is_empty() { Exit::Success } else { Exit::Failed })
}
