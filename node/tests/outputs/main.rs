//! Outputs of a real node, and the programs that read them: each test needs the program of its name.

#[path = "../common/mod.rs"]
mod common;

mod haproxy;
mod node;
#[path = "../common/origin.rs"]
mod origin;
mod peer;
