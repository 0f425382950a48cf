//! Any bytes are no datagram of a cluster whose key the fuzzer does not have. What was sealed opens, and does not once any
//! byte of it was changed.
#![no_main]

use arbitrary::Arbitrary;
use heck_core::id::Name;
use heck_node::seal::{Datagrams, Key, Keyring, Keys, Sealers};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SEALERS: LazyLock<Sealers> = LazyLock::new(|| {
    let key = Key::generate().expect("the system has random numbers");
    Keyring::new(Keys::new(key), &Name::new("fuzz").expect("a name"), None).sealers()
});

/// What arrives, what is sealed, and which of its bytes is changed how.
#[derive(Arbitrary, Debug)]
struct Input {
    arrives: Vec<u8>,
    packet: Vec<u8>,
    at: u16,
    change: u8,
}

fuzz_target!(|input: Input| {
    let Input { mut arrives, packet, at, change } = input;
    assert!(SEALERS.open(&mut arrives).is_err());
    let (mut datagrams, mut sealed) = (Datagrams::default(), Vec::new());
    Datagrams::begin(&mut sealed);
    sealed.extend_from_slice(&packet);
    datagrams.seal(SEALERS.first(), &mut sealed).expect("the system has random numbers");
    let mut changed = sealed.clone();
    let opened = SEALERS.open(&mut sealed).expect("what was sealed opens");
    assert_eq!(sealed[opened], packet);
    let at = usize::from(at) % changed.len();
    changed[at] ^= change.max(1);
    assert!(SEALERS.open(&mut changed).is_err());
});
