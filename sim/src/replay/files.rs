//! The files of one recording. A node that has filled half of what its recording may take moves the file aside, with `.1`
//! behind its name, and begins another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use heck_core::recording::{Reader, Unreadable};
use thiserror::Error;

/// Why a recording cannot be replayed at all.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is none that can be replayed here.
    #[error("{}: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: Unreadable,
    },
}

/// One file, with all that is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Where it lies.
    pub path: PathBuf,
    /// Its bytes; a recording says in its first ones that it is one.
    pub bytes: Vec<u8>,
}

/// The files of one recording of one node, in the order in which they were written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// One, or two.
    pub parts: Vec<Part>,
    /// The file beside it that has the name of an earlier part and is none.
    pub stranger: Option<PathBuf>,
}

impl Part {
    fn load(path: &Path) -> Result<Self, LoadError> {
        let bytes = fs::read(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
        let part = Self { path: path.to_owned(), bytes };
        part.reader()?;
        Ok(part)
    }

    /// A reader from its beginning.
    ///
    /// # Errors
    /// When it is none that can be replayed here.
    pub fn reader(&self) -> Result<Reader<'_>, LoadError> {
        Reader::new(&self.bytes).map_err(|why| LoadError::Unreadable { path: self.path.clone(), why })
    }
}

impl Recording {
    /// The recording that ends in this file: with the file of its name and `.1`, where this one goes on from that.
    ///
    /// # Errors
    /// When the file cannot be read, or is none that can be replayed here.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let last = Part::load(path)?;
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        let aside = PathBuf::from(aside);
        if !aside.try_exists().unwrap_or(false) {
            return Ok(Self { parts: vec![last], stranger: None });
        }
        let follows = |first: &Part| {
            let (Ok(before), Ok(after)) = (first.reader(), last.reader()) else { return false };
            let (before, after) = (before.header(), after.header());
            before.session == after.session && before.part.checked_add(1) == Some(after.part)
        };
        match Part::load(&aside) {
            Ok(first) if follows(&first) => Ok(Self { parts: vec![first, last], stranger: None }),
            _ => Ok(Self { parts: vec![last], stranger: Some(aside) }),
        }
    }
}
