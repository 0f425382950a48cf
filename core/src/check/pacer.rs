//! How many probes may start: a token bucket in whole numbers.

use crate::time::{Span, Time};

/// Millionths of a probe in a whole one.
pub(super) const WHOLE: u64 = 1_000_000;

/// A token bucket. Rates are in millionths of a token per second, so that one probe an hour still counts.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Pacer {
    /// Millionths of a token, at `as_of`; times a million, which is what a microsecond of a rate of 1 brings.
    tokens: u128,
    as_of: Time,
    rate: u64,
    burst: u64,
}

const UNIT: u128 = WHOLE as u128 * 1_000_000;

impl Pacer {
    /// A bucket that is full at `now`; `burst` is in whole tokens.
    pub(super) const fn new(rate: u64, burst: u64, now: Time) -> Self {
        Self { tokens: burst as u128 * UNIT, as_of: now, rate, burst }
    }

    /// Changes rate and burst from now on; what has gathered stays, up to the new burst.
    pub(super) fn set(&mut self, rate: u64, burst: u64, now: Time) {
        self.gather(now);
        (self.rate, self.burst) = (rate, burst.max(1));
        self.tokens = self.tokens.min(u128::from(self.burst) * UNIT);
    }

    /// Whether there is a whole token.
    pub(super) fn has_one(&mut self, now: Time) -> bool {
        self.gather(now);
        self.tokens >= UNIT
    }

    /// Takes a whole token, if there is one.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let has_one = self.has_one(now);
        if has_one {
            self.tokens -= UNIT;
        }
        has_one
    }

    /// When there will be a whole token.
    pub(super) fn ready(&self) -> Time {
        let missing = UNIT.saturating_sub(self.tokens);
        if missing == 0 {
            return self.as_of;
        }
        if self.rate == 0 {
            return Time::NEVER;
        }
        let us = missing.div_ceil(u128::from(self.rate));
        self.as_of + Span(u64::try_from(us).unwrap_or(u64::MAX))
    }

    fn gather(&mut self, now: Time) {
        let elapsed = now.since(self.as_of);
        self.as_of = self.as_of.max(now);
        let gathered = u128::from(elapsed.as_us()) * u128::from(self.rate);
        self.tokens = self.tokens.saturating_add(gathered).min(u128::from(self.burst) * UNIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_at_the_rate_and_gather_up_to_the_burst() {
        let mut pacer = Pacer::new(10 * WHOLE, 2, Time::ZERO);
        let mut taken = 0;
        for ms in 0..10_000 {
            while pacer.take(Time(ms * 1_000)) {
                taken += 1;
            }
        }
        assert_eq!(taken, 2 + 99);
        let rested = Time(60_000_000);
        assert_eq!((0..10).filter(|_| pacer.take(rested)).count(), 2);
    }

    #[test]
    fn a_token_is_there_when_it_was_said_to_be_and_not_before() {
        let mut pacer = Pacer::new(3 * WHOLE, 1, Time::ZERO);
        assert!(pacer.take(Time::ZERO));
        let ready = pacer.ready();
        assert_eq!(ready, Time(333_334));
        assert!(!pacer.take(Time(ready.0 - 1)) && pacer.take(ready));
        pacer.set(0, 1, ready);
        assert_eq!(pacer.ready(), Time::NEVER);
    }
}
