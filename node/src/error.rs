//! What can go wrong with a node, and whose fault it is.

use crate::journal::JournalError;
use crate::recording::RecordingError;
use heck_core::config::ConfigError;
use heck_core::effects::Refusal;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;

/// Why a node did not start. Nothing runs; the data folder may hold a new, empty life.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting is outside its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The node is bound to all interfaces, and peers need one address to reach it.
    #[error("the node is bound to {0}: say with `advertise` at which address peers reach it")]
    NoAddress(SocketAddr),
    /// What an earlier life left on disk cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The node cannot record where it was asked to.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Traces need identities that nobody else has.
    #[error("the system has no random numbers for the identities of traces: {0}")]
    Traces(#[source] getrandom::Error),
    /// The sockets cannot be used.
    #[error("the sockets cannot be used: {0}")]
    Sockets(#[source] io::Error),
}

/// Why a node stopped without being asked to.
#[derive(Clone, Debug, Error)]
pub enum NodeError {
    /// The disk refused a record. The node stops rather than answer for writes that it cannot keep.
    #[error("the journal cannot be written, so the node stopped: {0}")]
    Journal(#[source] Arc<io::Error>),
    /// The node's task ended without a word: its runtime was shut down, or it has a bug.
    #[error("the node's task is gone")]
    Gone,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, Error)]
pub enum CommandError {
    /// The node refused it; nothing changed.
    #[error("the node refused the command: {0:?}")]
    Refused(Refusal),
    /// The node stopped first. A write may or may not have been kept.
    #[error("the node stopped before it answered")]
    Stopped,
}
