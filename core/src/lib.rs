//! heck's protocol as a pure state machine.
//!
//! No clock, no I/O, no threads, no ambient randomness: time and events come in through one door, effects go
//! out through it, and the same code runs in the simulator and in a real node.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod codec;
pub mod entry;
pub mod hash;
pub mod id;
pub mod interval;
pub mod mutant;
pub mod overlay;
pub mod packet;
pub mod rng;
pub mod state;
pub mod time;
