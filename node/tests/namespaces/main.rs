//! Real `heck` processes, each in a network namespace of its own, through loss, cuts, crashes and pauses.
//!
//! Needs root and the programs `ip` and `nft`; see the section of REFERENCE.md about tests with real processes.

#![cfg(target_os = "linux")]

mod api;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod fleet;
mod keys;
mod network;
#[path = "../common/origin.rs"]
mod origin;
mod soak;
mod weather;
mod web;

use fleet::tell;
