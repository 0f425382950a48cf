//! What is published in a run, the same for every system.

use heck_core::rng::{Seed, Stream};
use heck_core::time::Time;

use crate::scenario::Scenario;
use crate::scenario::compare::Compare;

/// Names of the random streams of this workload, far from those of nodes and of faults.
const PUBLISHER_STREAM: u64 = u64::from_be_bytes(*b"\0\0talkpb");
const FROM_STREAM: u64 = u64::from_be_bytes(*b"\0\0talkfr");
/// Tokens of publications, far from those of probes.
const FIRST_TOKEN: u64 = 1 << 48;

/// A message that is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publication {
    /// Its number, from 0.
    pub index: u32,
    /// When.
    pub at: Time,
    /// Where.
    pub node: u32,
    /// The key that it writes.
    pub key: u32,
    /// Bytes of its payload.
    pub bytes: u32,
    /// Whether a store takes the key out instead.
    pub removes: bool,
}

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workload {
    /// In the order of time.
    pub publications: Vec<Publication>,
}

impl Publication {
    /// The token of its command.
    #[must_use]
    pub const fn token(&self) -> u64 {
        FIRST_TOKEN + self.index as u64
    }

    /// The number of the publication whose command bears this token.
    #[must_use]
    pub fn of_token(token: u64) -> Option<u32> {
        token.checked_sub(FIRST_TOKEN).and_then(|index| u32::try_from(index).ok())
    }
}

impl Workload {
    /// What is published in the run with this seed.
    #[must_use]
    pub fn new(scenario: &Scenario, compare: &Compare, seed: Seed) -> Self {
        let from = scenario.nodes_of(&compare.from, seed, FROM_STREAM);
        let mut random = Stream::new(seed, PUBLISHER_STREAM);
        let bytes = scenario.workload.message_size.as_u64() as u32;
        let first = Time::ZERO + scenario.workload.warmup;
        let publication = |index: u32| {
            // The how-manieth write of its key it is.
            let turn = index.checked_div(compare.keys).map_or(1, |before| before + 1);
            let removes = compare.remove_every.is_some_and(|every| turn.is_multiple_of(every));
            Publication {
                index,
                at: first + compare.every.times(u64::from(index)),
                node: from[random.below(from.len() as u32) as usize],
                key: index.checked_rem(compare.keys).unwrap_or(index),
                bytes: if removes { 0 } else { bytes },
                removes,
            }
        };
        Self { publications: (0..compare.messages).map(publication).collect() }
    }
}
