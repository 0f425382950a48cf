//! How long to leave someone alone who failed.

use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// The pause after a first failure, and the longest; each further failure doubles it.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long to wait after so many failures in a row: doubled each time, and up to a quarter shorter by what `who` says, so that
/// those who failed together do not come back together.
pub(crate) fn pause(failures: u32, who: &str) -> Duration {
    let doubled = PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    let share = xxh3_64(format!("{failures}{who}").as_bytes()) % 256;
    doubled - doubled.mul_f64(share as f64 / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_differ_among_those_who_wait() {
        let within = |failures, most: u64| {
            let pause = pause(failures, "id");
            let most = Duration::from_secs(most);
            assert!(pause <= most && pause >= most.mul_f64(0.75), "{failures}: {pause:?}");
        };
        for (failures, most) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (1_000, 60)] {
            within(failures, most);
        }
        assert_ne!(pause(5, "a"), pause(5, "b"));
    }
}
