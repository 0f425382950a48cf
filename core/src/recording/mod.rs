//! Recordings: every input of a node and a hash of the effects that each had, so that the same core can be run over them
//! again and has to want the same, byte for byte.
//!
//! A recording is a file, or several that follow each other. [`Scribe`] writes one as
//! bytes, [`Reader`] reads it, and [`Replay`] runs a node over what was read. Files, disks and when to begin a new one are the
//! driver's.

pub mod format;
mod reader;
mod replay;
mod scribe;

pub use format::Header;
pub use reader::{Damage, Frame, Reader, Unreadable};
pub use replay::{Difference, Replay, Taken};
pub use scribe::Scribe;
