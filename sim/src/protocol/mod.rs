//! Protocols that run in the engine.

pub mod heck;
pub mod ping;
