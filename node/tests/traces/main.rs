//! Traces of real nodes, as a collector hears of them that reads them with the messages that OpenTelemetry publishes.

#[path = "../common/authority.rs"]
mod authority;
#[path = "../common/mod.rs"]
mod common;

mod changes;
mod collector;
mod down;
#[path = "../common/node.rs"]
mod node;
#[path = "../common/origin.rs"]
mod origin;
mod requests;
