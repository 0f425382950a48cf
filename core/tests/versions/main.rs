//! Nodes of different versions: what was once said on the wire or written to disk is read for ever, and what a later
//! version adds is passed over.

#[path = "../common/mod.rs"]
mod common;
mod examples;
mod golden;
mod mixed;
mod newer;
#[path = "../values/mod.rs"]
mod values;
