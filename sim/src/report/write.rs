//! Results are written whole or not at all.
//!
//! All files go into a temporary directory beside the target, are synced, and then take the target's place by
//! renaming. Only the moment between two renames is left in which a killed process leaves the old results under
//! the temporary name and nothing under the real one.

use super::files::MANIFEST;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file of the results: its name and its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedFile {
    /// Name inside the directory.
    pub name: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Why results were not written. Whatever stood in the directory before still stands there.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}; earlier results are untouched", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The directory holds something else.
    #[error("{} is not empty and holds no {MANIFEST}, so it does not look like results: not replaced", path.display())]
    NotResults {
        /// The directory.
        path: PathBuf,
    },
    /// A scenario's name would leave the output directory.
    #[error("`{name}` is no name for results: allowed are parts of a-z, 0-9, `-` and `_`, joined by `/`")]
    Name {
        /// The name.
        name: String,
    },
}

/// The directory of a scenario's results under `out`.
///
/// # Errors
/// When the scenario's name has empty parts or characters other than a-z, 0-9, `-`, `_` and `/`.
pub fn directory_of(out: &Path, scenario: &str) -> Result<PathBuf, WriteError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let good = scenario.split('/').all(|part| !part.is_empty() && part.bytes().all(allowed));
    if good { Ok(out.join(scenario)) } else { Err(WriteError::Name { name: scenario.to_owned() }) }
}

/// Whether [`replace`] would agree to replace this directory: it does not exist, is empty, or holds a manifest.
/// Worth asking before a long run.
///
/// # Errors
/// When the directory holds something else, or cannot be read.
pub fn check(directory: &Path) -> Result<(), WriteError> {
    let read = |source| WriteError::Io { action: "read", path: directory.to_owned(), source };
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(read(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(Err(error)) => Err(read(error)),
            Some(Ok(_)) if directory.join(MANIFEST).is_file() => Ok(()),
            Some(Ok(_)) => Err(WriteError::NotResults { path: directory.to_owned() }),
        },
    }
}

/// Replaces the whole directory by these files.
///
/// # Errors
/// When the directory does not look like results, or the operating system refuses: then nothing has changed.
pub fn replace(directory: &Path, files: &[NamedFile]) -> Result<(), WriteError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| WriteError::Io { action, path, source }
    };
    check(directory)?;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed("create", parent))?;
    let temporary = tempfile::Builder::new()
        .prefix(".writing-")
        .tempdir_in(parent)
        .map_err(failed("write into", parent))?;
    let (new, old) = (temporary.path().join("new"), temporary.path().join("old"));
    fs::create_dir(&new).map_err(failed("create", &new))?;
    for file in files {
        let path = new.join(file.name);
        write_synced(&path, &file.bytes).map_err(failed("write", &path))?;
    }
    let had_results = directory.exists();
    if had_results {
        fs::rename(directory, &old).map_err(failed("replace", directory))?;
    }
    fs::rename(&new, directory).map_err(|source| {
        if had_results && fs::rename(&old, directory).is_err() {
            // The old results must survive even when they cannot go back: leave them under the temporary name.
            let kept = temporary.keep().join("old");
            return WriteError::Io { action: "put back the earlier results, now at", path: kept, source };
        }
        WriteError::Io { action: "replace", path: directory.to_owned(), source }
    })
}

/// Puts these files into a directory that is there, each whole or not at all; other files stay.
///
/// # Errors
/// When the operating system refuses; the file that the error names is untouched.
pub fn put(directory: &Path, files: &[NamedFile]) -> Result<(), WriteError> {
    for file in files {
        let path = directory.join(file.name);
        let write = || {
            let temporary = tempfile::Builder::new().prefix(".writing-").tempdir_in(directory)?;
            let new = temporary.path().join(file.name);
            write_synced(&new, &file.bytes)?;
            fs::rename(new, &path)
        };
        write().map_err(|source| WriteError::Io { action: "write", path: path.clone(), source })?;
    }
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<NamedFile> {
        let named = |name, text: &str| NamedFile { name, bytes: text.as_bytes().to_vec() };
        vec![named(MANIFEST, "m"), named("curve.csv", text)]
    }

    fn names_in(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn results_replace_earlier_results_whole() {
        let out = tempfile::tempdir().expect("a directory");
        let directory = directory_of(out.path(), "topic/question").expect("a name");
        let mut first = files("one");
        first.push(NamedFile { name: "frontier.svg", bytes: Vec::new() });
        replace(&directory, &first).expect("written");
        replace(&directory, &files("two")).expect("replaced");
        assert_eq!(names_in(&directory), ["curve.csv", MANIFEST]);
        assert_eq!(fs::read_to_string(directory.join("curve.csv")).expect("text"), "two");
        assert_eq!(names_in(&out.path().join("topic")), ["question"], "nothing temporary stays");
    }

    #[test]
    fn a_failure_leaves_the_earlier_results_and_nothing_else() {
        let out = tempfile::tempdir().expect("a directory");
        let directory = out.path().join("question");
        replace(&directory, &files("one")).expect("written");
        let mut bad = files("two");
        bad.push(NamedFile { name: "no/such/folder.csv", bytes: Vec::new() });
        let error = replace(&directory, &bad).expect_err("a file that cannot be created").to_string();
        assert!(error.contains("folder.csv") && error.contains("untouched"), "{error}");
        assert_eq!(fs::read_to_string(directory.join("curve.csv")).expect("text"), "one");
        assert_eq!(names_in(out.path()), ["question"]);
    }

    #[test]
    fn a_directory_of_something_else_is_never_replaced() {
        let out = tempfile::tempdir().expect("a directory");
        fs::write(out.path().join("thesis.tex"), "years of work").expect("written");
        let error = replace(out.path(), &files("one")).expect_err("not results").to_string();
        assert!(error.contains("does not look like results"), "{error}");
        assert_eq!(names_in(out.path()), ["thesis.tex"]);
        let file = out.path().join("thesis.tex");
        assert!(matches!(replace(&file, &files("one")), Err(WriteError::Io { .. })));
    }

    #[test]
    fn a_name_cannot_leave_the_output_directory() {
        let out = Path::new("results");
        assert_eq!(
            directory_of(out, "scale/10k_nodes").expect("a name"),
            Path::new("results/scale/10k_nodes")
        );
        for name in ["", "/etc", "../x", "a//b", "a/", "a/./b", "A/b", "a b"] {
            assert!(matches!(directory_of(out, name), Err(WriteError::Name { .. })), "{name}");
        }
    }
}
