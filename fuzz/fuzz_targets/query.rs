//! Any text is a query, cursor, position, tag or wait of a client, or an error that says why.
#![no_main]

use heck_node::fuzzing::query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| query(text));
