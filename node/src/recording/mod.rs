//! Records every input of the node and a hash of its effects in a file, for `heck-sim replay`.
//!
//! The format is the core's ([`heck_core::recording`]). The driver hands steps to a [`Recorder`], which gathers them and hands
//! them on to a thread that alone touches the file, so that the node never waits for it. When the disk does not keep up, steps
//! are passed over and counted, and once it has caught up the recording goes on with a new checkpoint. When it refuses to
//! write, the recording ends, and the node goes on.

mod file;
mod recorder;
mod writer;

pub use file::RecordingError;
pub(crate) use file::RecordingFile;
pub(crate) use recorder::Recorder;

use std::path::PathBuf;

/// Where a node records, and how much.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The file. What is there has to be an earlier recording, which is moved aside.
    pub file: PathBuf,
    /// Bytes that the file and the one before it may have together.
    pub limit_bytes: u64,
}
