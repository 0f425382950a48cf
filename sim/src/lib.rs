//! The simulator of heck.
pub mod checker;
pub mod cli;
pub mod compare;
pub mod engine;
pub mod protocol;
#[cfg(target_os = "linux")]
pub mod real;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod shard;
pub mod stats;
pub mod swarm;
pub mod theory;
pub mod units;
