//! heck's protocol as a pure state machine.
//!
//! No clock, no I/O, no threads, no ambient randomness: time and events come in through one door, effects go
//! out through it, and the same code runs in the simulator and in a real node.
//!
//! A fleet of nodes that run it comes to agree on who is in the fleet, on a registry of origins, on a store of keys and values and a
//! log of messages, and on the health of each origin, which one node checks for all. Datagrams may be lost, doubled and late; nodes
//! may crash, be cut off and come back. `ARCHITECTURE.md` of the repository says how.
//!
//! # Driving it
//!
//! [`Node::step`] is the door, and its documentation lists the five duties of a driver: give it what happened
//! ([`Input`](input::Input)) with the time, carry out what it wants done ([`Effects`](effects::Effects)), and step it again when it
//! asks for that ([`Node::next_wake`]). [`Node::view`] shows what it holds. A fleet of one, whose disk is always done at once:
//!
//! ```
//! use heck_core::{Node, effects::Effects, id::{Addr, Boot, Name}, input::{Command, Input}};
//! use heck_core::{node::Identity, rng::Seed, time::Time};
//!
//! let identity = Identity::new(Name::new("alone").unwrap(), Boot(1), Addr::default());
//! let mut node = Node::new(identity, Default::default(), &Default::default(), None, Seed(1), Time::ZERO);
//! let mut effects = Effects::default();
//! let name = Name::new("colour").unwrap();
//! for command in [
//!     Command::Join { peers: [].into() },
//!     Command::PutKey { name: name.clone(), value: b"green".as_slice().into() },
//! ] {
//!     node.step(Time(1), Input::Command { token: 7, command: &command }, &mut effects);
//!     let written = effects.records.last().map_or(0, |(number, _)| *number);
//!     effects = Effects::default();
//!     node.step(Time(1), Input::Persisted { up_to: written }, &mut effects);
//! }
//! assert!(node.view().key(&name).is_some());
//! ```
//!
//! `examples/by_hand.rs` drives two nodes with a lossy network and an origin to check; `heck-sim` drives thousands, and
//! `heck-node` a real one. The bytes of packets and records are made and read by [`codec`].
//!
//! # Features
//!
//! `recording`: a whole node as bytes, and recordings of what a node took in. `mutants`: planted bugs, for tests alone.

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
