//! Any bytes are frames of a peer's stream or end it, sealed or not; no more is held than was sent. Any bytes are an answer
//! of a gRPC server or none.
#![no_main]

use heck_core::id::Name;
use heck_node::fuzzing::{health_answer, stream};
use heck_node::seal::{Key, Keyring, Keys, Sealers};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SEALERS: LazyLock<Sealers> = LazyLock::new(|| {
    let key = Key::generate().expect("the system has random numbers");
    Keyring::new(Keys::new(key), &Name::new("fuzz").expect("a name"), None).sealers()
});

fuzz_target!(|bytes: &[u8]| {
    stream(bytes, None);
    assert_eq!(stream(bytes, Some(&SEALERS)), 0, "who has no key says nothing");
    health_answer(bytes);
});
