//! What peers and gRPC servers send: see `heck_node::fuzzing::stream`.
#![no_main]

use heck_node::fuzzing::{sealers, stream};
use heck_node::seal::Sealers;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SEALERS: LazyLock<Sealers> = LazyLock::new(sealers);

fuzz_target!(|bytes: &[u8]| stream(&SEALERS, bytes));
