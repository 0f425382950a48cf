//! Protocols that run in the engine.

pub mod ping;
