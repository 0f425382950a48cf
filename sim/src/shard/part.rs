//! The file of a part: a line that says what it is, then blocks, each with its length and a hash.
//!
//! The hash of a block begins with that of the one before it, so that none can be taken out or moved. The first block is the
//! [`Header`], the last one an end; what lies between are records, one for each run or find, in postcard's encoding, which
//! keeps numbers bit by bit.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::job::Header;

/// How a file of a part begins.
pub(super) const MAGIC: &[u8] = b"heck-sim part ";
/// The number of the format, which follows and ends the line. Another layout of anything that is written has another one: a
/// test holds the layouts.
pub(super) const FORMAT: u8 = b'1';

/// The name of the file while it is written.
const WRITING: &str = "part";

/// What a block is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// What the job is; the first block.
    Header = 0,
    /// What came of a run, or a find of the swarm.
    Record = 1,
    /// Nothing is missing; the last block.
    End = 2,
}

/// Why the file of a part cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is no part of a job: not replaced", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be used.
    #[error("{}: {what}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl PartError {
    /// Whether the operating system refused (exit code 3), rather than that a file is wrong (2).
    #[must_use]
    pub const fn is_io(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

/// Where a part of a job goes in a folder.
#[must_use]
pub fn path_of(folder: &Path, header: &Header) -> PathBuf {
    let (part, of) = (header.shard.part(), header.shard.of());
    // So many digits that files sort by their numbers.
    let digits = of.to_string().len();
    folder.join(format!("{part:0digits$}-of-{of}.part"))
}

/// The file of a part while it is written. It stands under its name only once it is whole.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    /// Where the file stands meanwhile; goes with it if it is not finished.
    temporary: TempDir,
    path: PathBuf,
    hash: u64,
}

impl Writer {
    /// Begins the file of a part in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// When something else than a part stands where it is to go, or the operating system refuses.
    pub fn create(folder: &Path, header: &Header) -> Result<Self, PartError> {
        let path = path_of(folder, header);
        let failed = |action| {
            let path = path.clone();
            move |source| PartError::Io { action, path, source }
        };
        fs::create_dir_all(folder).map_err(failed("create a folder for"))?;
        if path.exists() && !is_part(&path).map_err(failed("read"))? {
            return Err(PartError::Taken { path });
        }
        let temporary = tempfile::Builder::new().prefix(".writing-").tempdir_in(folder);
        let temporary = temporary.map_err(failed("write"))?;
        let file = File::create(temporary.path().join(WRITING)).map_err(failed("write"))?;
        let mut file = BufWriter::new(file);
        let line = [MAGIC, &[FORMAT, b'\n']].concat();
        file.write_all(&line).map_err(failed("write"))?;
        let mut writer = Self { file, temporary, path, hash: 0 };
        writer.block(Kind::Header, header)?;
        Ok(writer)
    }

    /// Appends what came of a run.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn record(&mut self, record: &impl Serialize) -> Result<(), PartError> {
        self.block(Kind::Record, record)
    }

    /// Ends the file with what is known in the end, and gives it its name.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn finish(mut self, end: &impl Serialize) -> Result<PathBuf, PartError> {
        self.block(Kind::End, end)?;
        let Self { file, temporary, path, .. } = self;
        let failed = |source| PartError::Io { action: "write", path: path.clone(), source };
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(temporary.path().join(WRITING), &path).map_err(failed)?;
        Ok(path)
    }

    fn block(&mut self, kind: Kind, content: &impl Serialize) -> Result<(), PartError> {
        let failed = |source| PartError::Io { action: "write", path: self.path.clone(), source };
        let bytes = postcard::to_allocvec(content).map_err(|error| failed(io::Error::other(error)))?;
        self.hash = block_hash(self.hash, kind as u8, &bytes);
        let length = (bytes.len() as u64).to_le_bytes();
        let parts: [&[u8]; 4] = [&[kind as u8], &length, &self.hash.to_le_bytes(), &bytes];
        for part in parts {
            self.file.write_all(part).map_err(failed)?;
        }
        Ok(())
    }
}

/// The hash of a block after another one.
pub(super) fn block_hash(before: u64, kind: u8, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, before ^ u64::from(kind))
}

fn is_part(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == MAGIC)
}
