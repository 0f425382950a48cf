//! Datagrams of strangers: see `heck_node::fuzzing::datagram`.
#![no_main]

use arbitrary::Arbitrary;
use heck_node::fuzzing::{datagram, sealers};
use heck_node::seal::Sealers;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SEALERS: LazyLock<Sealers> = LazyLock::new(sealers);

/// What arrives, what is sealed, and which of its bytes is changed how.
#[derive(Arbitrary, Debug)]
struct Input {
    arrives: Vec<u8>,
    packet: Vec<u8>,
    at: u16,
    change: u8,
}

fuzz_target!(|input: Input| {
    let Input { arrives, packet, at, change } = input;
    datagram(&SEALERS, &arrives, &packet, at, change);
});
