//! `[run]`: how often and how long.

use heck_core::time::Span;

use super::read::{default, plain};
use super::section::section;

section! {
    "[run]"
    /// How often the scenario is run, from which seed, and for how long.
    pub struct Run {
        /// Seed of the first run; each further run counts up by one.
        seed: u64 = default("1"),
        /// Number of runs.
        runs: u32 = default("1").at_least("1").at_most("1000000"),
        /// Number of runs on real processes, under the first of the same seeds: with `heck-sim run --real`, and three without
        /// this key.
        real_runs: Option<u32> = plain().at_least("1").at_most("1000"),
        /// Simulated time of one run, warm-up and quiet time included.
        duration: Span = plain().at_least("1ms").at_most("366d"),
    }
}
