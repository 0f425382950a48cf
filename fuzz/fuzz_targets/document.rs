//! Origins in every form: see `heck_node::fuzzing::document`.
#![no_main]

use heck_node::fuzzing::document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| document(bytes));
