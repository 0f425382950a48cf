//! What it costs to seal and to open a datagram of 1,400 bytes: `cargo bench -p heck-node --bench seal`.
//!
//! The median of eleven rounds, in nanoseconds for each datagram, nonces from the system included. Time is that of the
//! processor where Linux tells it, so that a busy machine does not slow the figures down by waiting.

use heck_core::id::Name;
use heck_node::seal::{DATAGRAM_OVERHEAD, Datagrams, Key, Keyring, Keys};
use std::hint::black_box;
use std::time::Instant;

const DATAGRAM: usize = 1_400;
const ROUNDS: usize = 11;
const EACH: u32 = 50_000;

/// Nanoseconds that this thread has had of a processor.
fn processor_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The median time of one call in nanoseconds.
fn median_ns(mut call: impl FnMut()) -> u64 {
    let mut round = || {
        let (start, processor) = (Instant::now(), processor_ns());
        (0..EACH).for_each(|_| call());
        let elapsed = start.elapsed().as_nanos() as u64;
        let spent = processor.zip(processor_ns()).map(|(before, after)| after - before);
        spent.unwrap_or(elapsed) / u64::from(EACH)
    };
    let mut rounds: Vec<u64> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}

fn main() {
    let key = Key::generate().expect("the system gives random numbers");
    let label = Name::new("bench").expect("a valid label");
    let sealers = Keyring::new(Keys::new(key), &label, None).sealers();
    let packet = [7; DATAGRAM - DATAGRAM_OVERHEAD];
    let (mut datagrams, mut bytes) = (Datagrams::default(), Vec::new());
    let mut seal = |bytes: &mut Vec<u8>| {
        Datagrams::begin(bytes);
        bytes.extend_from_slice(black_box(&packet));
        datagrams.seal(sealers.first(), bytes).expect("the system gives random numbers");
    };
    let sealing_ns = median_ns(|| seal(&mut bytes));
    let sealed = bytes.clone();
    let opening_ns = median_ns(|| {
        bytes.copy_from_slice(&sealed);
        sealers.open(black_box(&mut bytes)).expect("it opens");
    });
    println!("a datagram of {DATAGRAM} bytes: sealing {sealing_ns} ns, opening {opening_ns} ns");
}
