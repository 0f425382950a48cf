//! Results on disk: an outcome saved whole, read back, and its plots drawn again.

use super::files::{AGREEMENT, CHECKS, CURVE, FilesError, MANIFEST, RUNS, Results, SUMMARY, TextFiles};
use super::outcome::Outcome;
use super::plot::{PlotError, plots};
use super::write::{self, NamedFile, WriteError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why results could not be saved, read or drawn.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file holds something else than it should.
    #[error("{}: {source}", directory.display())]
    Content {
        /// Where the results are.
        directory: PathBuf,
        /// What is wrong.
        source: FilesError,
    },
    /// A plot cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// Writing failed; earlier results are untouched.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Reading failed.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether the operating system refused (exit code 3), rather than that a file or a name is wrong (2).
    #[must_use]
    pub const fn is_io(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Write(WriteError::Io { .. }))
    }
}

/// Writes manifest, CSV files and plots of an outcome to `<out>/<topic>/<question>/`, whole or not at all, and
/// returns that directory.
///
/// # Errors
/// When the directory holds something else than results, or cannot be written.
pub fn save(outcome: &Outcome, out: &Path) -> Result<PathBuf, StoreError> {
    let directory = write::directory_of(out, &outcome.scenario)?;
    let wrong = |source| StoreError::Content { directory: directory.clone(), source };
    let text = TextFiles::of(outcome).map_err(wrong)?;
    let drawn = plots(&text.parse().map_err(wrong)?)?;
    let named = |name, text: String| NamedFile { name, bytes: text.into_bytes() };
    let mut files = vec![
        named(MANIFEST, text.manifest),
        named(CURVE, text.curve),
        named(RUNS, text.runs),
        named(SUMMARY, text.summary),
    ];
    files.extend(text.checks.map(|checks| named(CHECKS, checks)));
    files.extend(text.agreement.map(|agreement| named(AGREEMENT, agreement)));
    files.extend(drawn);
    write::replace(&directory, &files)?;
    Ok(directory)
}

/// Reads results back from their text files.
///
/// # Errors
/// When a file is missing, or is not what this version writes.
pub fn load(directory: &Path) -> Result<Results, StoreError> {
    let read = |name: &str| {
        let path = directory.join(name);
        fs::read_to_string(&path).map_err(|source| StoreError::Read { path, source })
    };
    let read_if_there = |name: &str| match read(name) {
        Ok(text) => Ok(Some(text)),
        Err(StoreError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let text = TextFiles {
        manifest: read(MANIFEST)?,
        curve: read(CURVE)?,
        runs: read(RUNS)?,
        summary: read(SUMMARY)?,
        checks: read_if_there(CHECKS)?,
        agreement: read_if_there(AGREEMENT)?,
    };
    text.parse().map_err(|source| StoreError::Content { directory: directory.to_owned(), source })
}

/// Draws the plots again from the text files alone and returns their names. Nothing is written before all of
/// them are drawn.
///
/// # Errors
/// When the results cannot be read, or a plot cannot be written.
pub fn redraw(directory: &Path) -> Result<Vec<&'static str>, StoreError> {
    let drawn = plots(&load(directory)?)?;
    write::put(directory, &drawn)?;
    Ok(drawn.iter().map(|file| file.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;
    use std::collections::BTreeMap;

    fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
        let named = entries.map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a file"))
        });
        named.collect()
    }

    #[test]
    fn plots_drawn_again_from_the_csv_alone_are_those_of_the_run() {
        let out = tempfile::tempdir().expect("a directory");
        let directory = save(&example::sweep(60, 6), out.path()).expect("saved");
        let saved = contents(&directory);
        let plots = ["convergence.png", "convergence.svg", "frontier.png", "frontier.svg"];
        assert_eq!(saved.len(), 8);
        for name in plots {
            fs::write(directory.join(name), "scribbled over").expect("written");
        }
        let mut drawn = redraw(&directory).expect("drawn");
        drawn.sort_unstable();
        assert_eq!(drawn, plots);
        assert!(contents(&directory) == saved, "a file differs");
    }

    #[test]
    fn the_same_outcome_saves_the_same_bytes() {
        let (one, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("other"));
        let outcome = example::outcome(50, 6);
        let saved = [one.path(), other.path()].map(|out| contents(&save(&outcome, out).expect("saved")));
        assert!(saved[0] == saved[1], "a file differs");
    }

    #[test]
    fn what_is_no_results_directory_is_named() {
        let empty = tempfile::tempdir().expect("a directory");
        let error = redraw(empty.path()).expect_err("nothing there");
        assert!(error.is_io() && error.to_string().contains(MANIFEST), "{error}");
        let directory = save(&example::outcome(20, 2), empty.path()).expect("saved");
        fs::write(directory.join(CURVE), "point,kind\na,b\n").expect("written");
        let error = load(&directory).expect_err("columns are missing");
        assert!(!error.is_io() && error.to_string().contains(CURVE), "{error}");
    }
}
