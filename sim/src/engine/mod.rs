//! The simulator's engine: a deterministic discrete-event simulation of nodes and the network between them.
//!
//! Start reading at [`world`]. A world holds nodes of one [`protocol::Protocol`]; its [`queue`] orders events
//! by time and order of insertion; [`network`], [`stream`] and [`disk`] decide what becomes of what nodes
//! send and write; [`observer`]s look on; [`trace`] proves that two runs were the same run. All randomness is
//! drawn by counter ([`draw`]), so that nodes never disturb each other's luck.

mod bucket;
pub mod clock;
pub mod disk;
pub mod draw;
mod effects;
pub mod event;
mod faults;
pub mod latency;
pub mod link;
pub mod loss;
pub mod network;
pub mod node;
pub mod observer;
pub mod outbox;
pub mod protocol;
pub mod queue;
pub mod slab;
pub mod stalls;
pub mod stream;
pub mod trace;
pub mod uplink;
pub mod wire;
pub mod world;
