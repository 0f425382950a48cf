//! Files of settings: see `heck_node::fuzzing::settings`.
#![no_main]

use heck_node::fuzzing::settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| settings(text));
