//! heck's protocol as a pure state machine.
//!
//! No clock, no I/O, no threads, no ambient randomness: time and events come in through one door, effects go
//! out through it, and the same code runs in the simulator and in a real node.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod broadcast;
pub mod check;
pub mod codec;
pub mod config;
pub mod effects;
pub mod entry;
pub mod hash;
mod heartbeat;
pub mod id;
pub mod input;
pub mod interval;
pub mod journal;
pub mod limits;
pub mod member;
mod membership;
pub mod mutant;
pub mod node;
pub mod overlay;
pub mod ownership;
pub mod packet;
pub mod policy;
pub mod probe;
pub mod recent;
#[cfg(feature = "recording")]
pub mod recording;
pub mod repair;
pub mod rng;
pub mod settings;
mod spread;
pub mod state;
mod sync;
pub mod time;
pub mod witness;
#[cfg(feature = "recording")]
mod words;

pub use node::Node;
