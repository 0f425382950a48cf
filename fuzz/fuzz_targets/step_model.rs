//! Two to four nodes to which happens what the bytes say hold what a plain model of the replicated state says. The same
//! interpreter is fed with random bytes by `core/tests/laws/steps.rs`.
#![no_main]

#[path = "../../core/tests/model/mod.rs"]
mod model;

use heck_core::mutant::Planted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(wrong) = model::run(bytes, Planted::NONE) {
        panic!("{wrong}");
    }
});
