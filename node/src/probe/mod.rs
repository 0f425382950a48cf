//! Probes: carrying out the checks that the protocol asks for.

pub mod guard;
