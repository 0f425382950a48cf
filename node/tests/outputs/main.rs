//! Outputs of a real node, and the programs that read them: each test needs the program of its name.

#[path = "../common/mod.rs"]
mod common;

mod discovery;
mod dns;
mod envoy;
mod haproxy;
#[path = "../common/node.rs"]
mod node;
#[path = "../common/origin.rs"]
mod origin;
mod peer;
mod probe;
mod prometheus;
mod webhook;
