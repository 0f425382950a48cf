//! The node's time: the Unix time at which it started, and from there on a clock that never goes back.

use crate::counters::{Count, Counters};
use heck_core::time::{Span, Time};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};
use tracing::warn;

/// The longest that the driver sleeps: "never" in the core's time is beyond what a timer can hold.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// Microseconds since the Unix epoch by the machine's clock; zero before it.
pub(crate) fn machine_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Translates between the system's time and the core's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_us: u64,
    /// The machine's clock, in microseconds since the Unix epoch.
    machine_us: fn() -> u64,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self::start_on(machine_us)
    }

    /// A clock that starts now, on a machine whose clock is this one.
    pub(crate) fn start_on(machine_us: fn() -> u64) -> Self {
        Self { start: Instant::now(), start_us: machine_us(), machine_us }
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

    /// How far the machine's clock has gone ahead of this one, in microseconds; negative when it fell behind.
    fn skew_us(&self) -> i64 {
        let (wall, own) = (i128::from((self.machine_us)()), i128::from(self.now().0));
        i64::try_from(wall - own).unwrap_or(i64::MAX)
    }

    /// When to wake up for `time`; sooner when that is far away.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        let ahead = Duration::from_micros(time.since(self.now()).as_us());
        Instant::now() + ahead.min(LONGEST_SLEEP)
    }
}

/// How often it is looked whether the machine's clock jumped.
const LOOK: Duration = Duration::from_secs(2);
/// What is a jump: more than the clock is pulled by in that time.
const JUMP_US: u64 = 1_000_000;

/// By how much the machine's clock jumped between two looks, if it did.
fn jump_us(before_us: i64, now_us: i64) -> Option<i64> {
    (now_us.abs_diff(before_us) > JUMP_US).then(|| now_us.saturating_sub(before_us))
}

/// Tells when the machine's clock jumps, until the task is ended. The node's own clock does not follow it: only the time
/// that is shown for an event is off until the next start.
pub(crate) async fn tell_jumps(clock: Clock, counters: Arc<Counters>) {
    let mut before_us = clock.skew_us();
    loop {
        sleep(LOOK).await;
        let now_us = clock.skew_us();
        if let Some(jump_us) = jump_us(before_us, now_us) {
            counters.bump(Count::ClockSteps);
            let ms = jump_us / 1_000;
            warn!(ms, "the machine's clock jumped by so many milliseconds: the node goes on by its own");
        }
        before_us = now_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_more_than_the_pull_of_a_clock_that_is_being_set_right() {
        assert_eq!(jump_us(0, 900_000), None);
        assert_eq!(jump_us(-500_000, 400_000), None);
        assert_eq!(jump_us(0, -3_600_000_000), Some(-3_600_000_000));
        assert_eq!(jump_us(i64::MIN, i64::MAX), Some(i64::MAX));
    }

    #[test]
    fn the_clock_begins_with_the_machines_and_never_goes_back() {
        let clock = Clock::start();
        assert!(clock.skew_us().abs() < 1_000_000);
        let times: Vec<Time> = (0..100).map(|_| clock.now()).collect();
        assert!(times.is_sorted());
    }
}
