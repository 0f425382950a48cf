//! How one origin is checked, and what an answer to a probe is worth.

use crate::config::{ConfigError, within};
use crate::probe::Reply;
use crate::time::Span;

/// Statuses of HTTP that count as good: up to four ranges from 100 to 599.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct StatusSet {
    /// First and last of each range; unused ones are empty.
    ranges: [(u16, u16); 4],
}

/// Why a list of ranges is no [`StatusSet`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusSetError {
    /// There is none, or there are more than four.
    Count(usize),
    /// A range is backwards or leaves 100 to 599.
    Range(u16, u16),
}

impl Default for StatusSet {
    /// 200 to 299.
    fn default() -> Self {
        Self { ranges: [(200, 299), (1, 0), (1, 0), (1, 0)] }
    }
}

impl StatusSet {
    /// The statuses in any of `ranges`, first and last included.
    ///
    /// # Errors
    /// When there is no range or more than four, or when one is backwards or leaves 100 to 599.
    pub fn new(ranges: &[(u16, u16)]) -> Result<Self, StatusSetError> {
        if ranges.is_empty() || ranges.len() > 4 {
            return Err(StatusSetError::Count(ranges.len()));
        }
        let mut set = Self { ranges: [(1, 0); 4] };
        for (held, &(first, last)) in set.ranges.iter_mut().zip(ranges) {
            if first > last || first < 100 || last > 599 {
                return Err(StatusSetError::Range(first, last));
            }
            *held = (first, last);
        }
        Ok(set)
    }

    /// First and last of each range.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> {
        self.ranges.into_iter().filter(|(first, last)| first <= last)
    }

    /// Whether a status is in the set.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// When findings change the state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Rule {
    /// So many in a row.
    Streaks {
        /// Successes that make an unhealthy origin healthy. 1 to 1,000.
        rise: u16,
        /// Failures that make a healthy origin unhealthy. 1 to 1,000.
        fall: u16,
    },
    /// So many among the last ones.
    Window {
        /// How many of the last checks count. 1 to 64.
        size: u8,
        /// How many of them have to succeed. 1 to `size`.
        threshold: u8,
        /// How many checks of a new origin count as having succeeded before the first. 0 to `size`.
        initial: u8,
    },
}

/// How one origin is checked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// Time between two checks. 100 ms to 1 day.
    pub interval: Span,
    /// Time between two checks while the state is changing. 100 ms to `interval`.
    pub fast_interval: Span,
    /// How long one check may take. 1 ms to 1 hour.
    pub timeout: Span,
    /// When findings change the state.
    pub rule: Rule,
    /// An answer that takes longer shows a degraded origin, if set.
    pub slow: Option<Span>,
    /// Statuses that count as good.
    pub expected: StatusSet,
    /// How many others are asked before it is called down, 0 to 16; as many as is usual in the cluster unless set.
    pub confirmers: Option<u8>,
}

impl Default for Policy {
    /// Every 5 s, 1 s while changing, timeout 2 s, fall 3, rise 2, statuses 200 to 299.
    fn default() -> Self {
        Self {
            interval: Span::from_secs(5),
            fast_interval: Span::from_secs(1),
            timeout: Span::from_secs(2),
            rule: Rule::Streaks { rise: 2, fall: 3 },
            slow: None,
            expected: StatusSet::default(),
            confirmers: None,
        }
    }
}

impl Policy {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Names the first setting that is outside its range. Spans are in microseconds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let day_us = Span::from_secs(86_400).as_us();
        let least_us = Span::from_ms(100).as_us();
        let spans = [
            ("interval", self.interval, least_us, day_us),
            ("fast_interval", self.fast_interval, least_us, self.interval.as_us()),
            ("timeout", self.timeout, 1_000, day_us / 24),
            ("slow", self.slow.unwrap_or(self.timeout), 1_000, self.timeout.as_us()),
        ];
        let spans = spans.into_iter().map(|(key, span, min, max)| (key, span.as_us(), min, max));
        let counts = match self.rule {
            Rule::Streaks { rise, fall } => {
                [("rise", rise.into(), 1, 1_000), ("fall", fall.into(), 1, 1_000), ("", 0, 0, 0)]
            }
            Rule::Window { size, threshold, initial } => [
                ("window", size.into(), 1, 64),
                ("threshold", threshold.into(), 1, size.into()),
                ("initial", initial.into(), 0, size.into()),
            ],
        };
        let confirmers = ("confirmers", self.confirmers.unwrap_or(0).into(), 0, CONFIRMERS_LIMIT.into());
        spans.chain(counts).chain([confirmers]).try_for_each(|check| within(&[check]))
    }

    /// The nearest policy that is valid: what is made of one that another version of heck allowed.
    #[must_use]
    pub fn clamped(&self) -> Self {
        let span = |span: Span, least: Span, most: Span| Span(span.0.clamp(least.0, most.0.max(least.0)));
        let (ms, day) = (Span::from_ms, Span::from_secs(86_400));
        let interval = span(self.interval, ms(100), day);
        let timeout = span(self.timeout, ms(1), Span::from_secs(3_600));
        let rule = match self.rule {
            Rule::Streaks { rise, fall } => {
                Rule::Streaks { rise: rise.clamp(1, 1_000), fall: fall.clamp(1, 1_000) }
            }
            Rule::Window { size, threshold, initial } => {
                let size = size.clamp(1, 64);
                Rule::Window { size, threshold: threshold.clamp(1, size), initial: initial.min(size) }
            }
        };
        Self {
            interval,
            fast_interval: span(self.fast_interval, ms(100), interval),
            timeout,
            rule,
            slow: self.slow.map(|slow| span(slow, ms(1), timeout)),
            expected: self.expected,
            confirmers: self.confirmers.map(|count| count.min(CONFIRMERS_LIMIT)),
        }
    }

    /// What an answer is worth.
    #[must_use]
    pub fn grade(&self, reply: Reply, took: Span) -> Grade {
        let answered = match reply {
            Reply::Connected => true,
            Reply::Status(status) => self.expected.contains(status) || status == TOO_MANY_REQUESTS,
            Reply::Failed(_) => false,
        };
        if !answered || took > self.timeout {
            return Grade::Bad;
        }
        let asks_for_less =
            reply == Reply::Status(TOO_MANY_REQUESTS) && !self.expected.contains(TOO_MANY_REQUESTS);
        let is_slow = self.slow.is_some_and(|slow| took > slow);
        if asks_for_less || is_slow { Grade::Slow } else { Grade::Good }
    }
}

const TOO_MANY_REQUESTS: u16 = 429;

/// Most confirmers of an origin.
const CONFIRMERS_LIMIT: u8 = 16;

/// What one check is worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Grade {
    /// Does not answer as it should.
    Bad,
    /// Answers, but slowly or asking for less.
    Slow,
    /// Answers as it should.
    Good,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Failure;

    fn policy() -> Policy {
        let slow = Some(Span::from_ms(300));
        Policy { slow, ..Policy::default() }
    }

    #[test]
    fn the_defaults_are_valid_and_so_is_whatever_another_version_allowed_once_it_is_clamped() {
        assert_eq!(Policy::default().validate(), Ok(()));
        assert_eq!(Policy::default().clamped(), Policy::default());
        let odd = Policy {
            interval: Span::ZERO,
            fast_interval: Span(u64::MAX),
            timeout: Span(u64::MAX),
            rule: Rule::Window { size: 0, threshold: 70, initial: 3 },
            slow: Some(Span::ZERO),
            confirmers: Some(u8::MAX),
            ..Policy::default()
        };
        assert!(odd.validate().is_err());
        assert_eq!(odd.clamped().validate(), Ok(()));
    }

    #[test]
    fn a_setting_outside_its_range_is_named_with_the_range() {
        let wrong = Policy { rule: Rule::Window { size: 5, threshold: 6, initial: 0 }, ..policy() };
        assert_eq!(wrong.validate(), Err(ConfigError { key: "threshold", value: 6, min: 1, max: 5 }));
        let wrong = Policy { fast_interval: Span::from_secs(6), ..policy() };
        assert_eq!(wrong.validate().map_err(|error| error.key), Err("fast_interval"));
        let wrong = Policy { slow: Some(Span::from_secs(3)), ..policy() };
        assert_eq!(wrong.validate().map_err(|error| error.key), Err("slow"));
    }

    #[test]
    fn expected_statuses_are_good_and_others_bad() {
        let (policy, quick) = (policy(), Span::from_ms(5));
        for (status, grade) in [(200, Grade::Good), (299, Grade::Good), (301, Grade::Bad), (500, Grade::Bad)]
        {
            assert_eq!(policy.grade(Reply::Status(status), quick), grade, "{status}");
        }
        let expected = StatusSet::new(&[(200, 204), (401, 401)]).unwrap();
        let policy = Policy { expected, ..policy };
        for (status, grade) in [(204, Grade::Good), (401, Grade::Good), (205, Grade::Bad), (429, Grade::Slow)]
        {
            assert_eq!(policy.grade(Reply::Status(status), quick), grade, "{status}");
        }
    }

    #[test]
    fn slow_answers_and_429_show_a_degraded_origin() {
        let policy = policy();
        assert_eq!(policy.grade(Reply::Connected, Span::from_ms(300)), Grade::Good);
        assert_eq!(policy.grade(Reply::Connected, Span::from_ms(301)), Grade::Slow);
        assert_eq!(policy.grade(Reply::Status(429), Span::from_ms(1)), Grade::Slow);
        assert_eq!(policy.grade(Reply::Status(200), Span::from_ms(2_001)), Grade::Bad);
        assert_eq!(policy.grade(Reply::Failed(Failure::Timeout), Span::from_secs(2)), Grade::Bad);
        let expects_429 = Policy { expected: StatusSet::new(&[(429, 429)]).unwrap(), ..policy };
        assert_eq!(expects_429.grade(Reply::Status(429), Span::from_ms(1)), Grade::Good);
    }

    #[test]
    fn a_set_of_statuses_says_what_is_wrong_with_it() {
        assert_eq!(StatusSet::new(&[]), Err(StatusSetError::Count(0)));
        assert_eq!(StatusSet::new(&[(200, 200); 5]), Err(StatusSetError::Count(5)));
        assert_eq!(StatusSet::new(&[(300, 200)]), Err(StatusSetError::Range(300, 200)));
        assert_eq!(StatusSet::new(&[(0, 200)]), Err(StatusSetError::Range(0, 200)));
    }
}
