//! What `heck-sim run` says of a scenario that compares systems.

use std::io;
use std::path::Path;

use super::run::Report;
use super::{Exit, Output};
use crate::compare::outcome::Comparison;
use crate::report::compare::rows::Tables;
use crate::report::compare::{markdown, store};
use crate::scenario::ScenarioFile;

/// Writes the results of a comparison whose scenario stands at `path`, and says what came out.
pub(super) fn finish(
    how: &Report<'_>,
    path: &Path,
    (file, comparison): (&ScenarioFile, &Comparison),
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    let tables = match Tables::of(comparison) {
        Ok(tables) => tables,
        Err(error) => {
            writeln!(output.err, "{}: {error}", path.display())?;
            return Ok(Exit::Failed);
        }
    };
    let directory = match store::save(comparison, &tables, how.out) {
        Ok(directory) => directory,
        Err(error) => {
            writeln!(output.err, "{error}")?;
            return Ok(if error.is_io() { Exit::Io } else { Exit::BadInput });
        }
    };
    if !how.quiet {
        write!(output.out, "{}", markdown::page(&comparison.question, &tables))?;
        writeln!(output.out, "\nresults: {}", directory.display())?;
    }
    let expected = file.scenario.compare.as_ref().map(|compare| compare.expect.as_slice());
    let failures = markdown::failures(&tables.systems, expected.unwrap_or_default());
    for failure in &failures {
        writeln!(output.err, "{}: {failure}", comparison.scenario)?;
    }
    Ok(if failures.is_empty() { Exit::Success } else { Exit::Failed })
}
