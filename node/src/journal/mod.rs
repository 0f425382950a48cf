//! What outlives a restart: an append-only file of records in the node's data folder.
//!
//! ```text
//! header   "heckjrnl"  version (4 bytes)  salt (8)  checksum of these (8)
//! frame    mark (4 bytes)  length (4)  checksum (8)  record (length)        any number of them
//! ```
//!
//! Numbers are written lowest byte first. The checksum is xxh3-64 of the record, seeded with the salt and the
//! length; the salt differs from file to file, so that neither a stale block of an earlier file nor a value that
//! a client made up can pass for a frame. The mark lets a reader find the next whole frame behind a damaged
//! part.
//!
//! A crash can leave the last frames incomplete: they are cut off, and since a write is answered only after a
//! sync, nobody was promised them. Damage before whole frames is another matter: the file is set aside under
//! another name, and the records that are whole go on in a new one. Applying records is a join, so that what is
//! missing costs what it held and no more; peers repair it.
//!
//! `frames` reads and writes the format, `file` is the file on disk, `store` syncs it beside the node's task, `watch` tells
//! how long that takes.

mod file;
mod frames;
mod store;
#[cfg(test)]
mod test_disk;
mod watch;

pub(crate) use file::{JournalFile, create, read};
pub(crate) use store::Store;
#[cfg(test)]
pub(crate) use test_disk::TestDisk;
pub(crate) use watch::DiskWatch;

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// What was found of an earlier life.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// Records that were whole.
    pub records: usize,
    /// Bytes at the end that were no whole frame, and were cut off.
    pub torn_bytes: u64,
    /// Bytes before whole frames that could not be read. They stay in the file that was set aside.
    pub damaged_bytes: u64,
    /// Where the damaged file lies now.
    pub set_aside: Option<PathBuf>,
}

/// Why the journal of an earlier life cannot be used. Nothing was changed.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another node uses the data folder.
    #[error("{} is in use by another node", .0.display())]
    InUse(PathBuf),
    /// The file was written by a version of heck that this one does not know.
    #[error("{} has version {version} of the format, this program knows {known}", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The version that is known.
        known: u32,
    },
    /// The disk or its permissions.
    #[error("{} cannot be used: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
