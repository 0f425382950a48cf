//! The node's time: the Unix time at which it started, and from there on a clock that never goes back.

use heck_core::time::{Span, Time};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The longest that the driver sleeps: "never" in the core's time is beyond what a timer can hold.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// Microseconds since the Unix epoch by the system's clock; zero before it.
fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Translates between the system's time and the core's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_us: u64,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), start_us: unix_us() }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Time {
        let elapsed_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Time(self.start_us) + Span(elapsed_us)
    }

    /// Unix milliseconds at the start: the least that a life may be called.
    pub(crate) const fn start_ms(&self) -> u64 {
        self.start_us / 1_000
    }

    /// When to wake up for `time`; sooner when that is far away.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        let ahead = Duration::from_micros(time.since(self.now()).as_us());
        Instant::now() + ahead.min(LONGEST_SLEEP)
    }
}
