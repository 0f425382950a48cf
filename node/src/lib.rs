//! The node of heck: drives `heck-core` over real sockets and a real disk.
//!
//! The protocol itself is a pure state machine, [`heck_core::Node`]: it takes an input at a time, and says what
//! is to be done. This crate is everything around it, and decides nothing that the protocol could decide:
//!
//! - [`Sockets`] binds a UDP socket and a TCP listener to one port, [`start`] brings a node to life on them.
//! - One task per node, in `driver`, turns datagrams, stream events, timers, finished disk writes and requests
//!   of clients into inputs, and carries out the effects. It is the only one that touches the state machine.
//! - `udp` moves datagrams and `tcp` frames of streams; bytes are decoded there, and what is no packet is
//!   counted and goes no further.
//! - `journal` keeps the node's records in an append-only file that survives being cut short and being
//!   damaged. A write is answered once it is synced to disk.
//! - [`origin`] holds the document in which files, API and command line write an origin.
//! - [`NodeHandle`] is what the rest of the program holds: it sends commands, reads the state, subscribes to
//!   events and stops the node.
//!
//! ```no_run
//! use heck_core::{id::Name, input::Command, rng::Seed};
//! use heck_node::{NodeConfig, Sockets, Start, start};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let sockets = Sockets::bind("127.0.0.1:7400".parse()?)?;
//! let mut config = NodeConfig::new(Name::new("a")?, "data".into(), Seed(1));
//! config.start = Start::Bootstrap;
//! let node = start(sockets, config).await?;
//! let key = Command::PutKey { name: Name::new("greeting")?, value: b"hello".as_slice().into() };
//! node.command(key).await?;
//! node.shutdown().await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod addr;
pub mod api;
mod backoff;
mod backup;
pub mod cli;
mod clock;
mod config;
mod counters;
pub mod data_dir;
mod driver;
mod error;
mod files;
mod frame;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod handle;
#[cfg(test)]
mod hex;
mod journal;
mod logs;
mod loss;
mod metrics;
pub mod origin;
pub mod output;
pub mod probe;
mod recording;
pub mod report;
pub mod seal;
pub mod settings;
mod sockets;
mod start;
mod tcp;
pub mod trace;
mod udp;

pub use addr::{from_core, to_core};
pub use config::{Limits, NodeConfig, Start};
pub use counters::{Count, Counters};
pub use error::{CommandError, NodeError, StartError};
pub use handle::{Events, Missed, NodeHandle};
pub use journal::{JournalError, Recovery};
pub use loss::{InjectedLoss, Ratio};
pub use recording::{Recorded, RecordingError};
pub use sockets::Sockets;
pub use start::start;
