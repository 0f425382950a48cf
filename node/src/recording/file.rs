//! The files of a recording: one that is written, and the one before it, which has `.1` behind its name.

use crate::files::create_private;
use heck_core::recording::format::MAGIC;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a node cannot record where it was asked to. No file was changed.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The disk or its permissions.
    #[error("cannot record in {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else is there.
    #[error("{} is no recording of a node, so it is left as it is: record in another file", .0.display())]
    Foreign(PathBuf),
    /// Another node records there.
    #[error("another node records in {}", .0.display())]
    InUse(PathBuf),
}

/// A file that nothing was written to yet.
#[derive(Debug)]
pub(crate) struct RecordingFile {
    path: PathBuf,
    aside: PathBuf,
    file: File,
}

/// Whether a file can be written over: there is none, or it begins as a recording does. An empty one is what a node leaves
/// that was stopped before it wrote.
fn is_recording(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other?,
    };
    // A pipe or a device would be waited for.
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    let mut magic = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    Ok(magic.is_empty() || magic == MAGIC)
}

impl RecordingFile {
    /// Moves an earlier recording aside, and begins a file that only its owner can read.
    ///
    /// # Errors
    /// When something else is there, another node records there, or the disk does not let it.
    pub(crate) fn create(path: &Path) -> Result<Self, RecordingError> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        let aside = PathBuf::from(aside);
        let failed = |source| RecordingError::Io { path: path.to_owned(), source };
        for path in [path, &aside] {
            if !is_recording(path).map_err(failed)? {
                return Err(RecordingError::Foreign(path.to_owned()));
            }
        }
        match File::open(path).map(|file| file.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => return Err(RecordingError::InUse(path.to_owned())),
            Ok(Err(TryLockError::Error(source))) => return Err(failed(source)),
            Ok(Ok(())) | Err(_) => {}
        }
        let file = begin(path, &aside).map_err(failed)?;
        Ok(Self { path: path.to_owned(), aside, file })
    }

    /// What a test has instead of a disk.
    #[cfg(test)]
    pub(super) fn of_test(file: File) -> Self {
        Self { path: "test".into(), aside: "test.1".into(), file }
    }

    /// Moves the file aside, in the place of the one before it, and begins another.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        self.file = begin(&self.path, &self.aside)?;
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn begin(path: &Path, aside: &Path) -> io::Result<File> {
    match fs::rename(path, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = create_private(path)?;
    // Whoever asks for the lock later finds the file in use. Where the system has no locks there is nothing to find.
    let _ = file.try_lock();
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::is_open_to_others;

    #[test]
    fn a_file_that_is_no_recording_is_refused_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rec");
        for (name, text) in [("rec", "years of work"), ("rec.1", "heckrcr")] {
            fs::write(dir.path().join(name), text).unwrap();
            let refused = RecordingFile::create(&path).unwrap_err();
            assert!(matches!(&refused, RecordingError::Foreign(path) if path.ends_with(name)), "{refused}");
            assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), text);
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        assert!(matches!(RecordingFile::create(dir.path()), Err(RecordingError::Foreign(_))));
        let missing = RecordingFile::create(&dir.path().join("no/rec"));
        assert!(matches!(missing, Err(RecordingError::Io { .. })));
    }

    #[test]
    fn an_earlier_recording_is_moved_aside_and_a_file_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("rec"), dir.path().join("rec.1"));
        let mut first = RecordingFile::create(&path).unwrap();
        first.append(b"heckrcrd first").unwrap();
        assert!(matches!(RecordingFile::create(&path), Err(RecordingError::InUse(_))), "it is being written");
        first.rotate().unwrap();
        first.append(b"heckrcrd second").unwrap();
        assert!(!is_open_to_others(&path) && !is_open_to_others(&aside));
        drop(first);
        let _third = RecordingFile::create(&path).unwrap();
        assert_eq!(fs::read(&aside).unwrap(), b"heckrcrd second");
        assert_eq!(fs::read(&path).unwrap(), b"");
    }
}
