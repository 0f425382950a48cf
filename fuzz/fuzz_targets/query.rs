//! Texts of clients: see `heck_node::fuzzing::query`.
#![no_main]

use heck_node::fuzzing::query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| query(text));
