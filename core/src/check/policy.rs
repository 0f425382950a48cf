//! How one origin is checked, and what an answer to a probe is worth.

use crate::config::ConfigError;
use crate::entry::OriginSpec;
use crate::time::Span;

/// Statuses of HTTP that count as good: up to four ranges from 100 to 599.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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

    /// Whether a status is in the set.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// When findings change the state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
}

/// Time between two checks while the state is changing, unless set.
pub const FAST_INTERVAL: Span = Span::from_secs(1);

impl From<&OriginSpec> for Policy {
    fn from(spec: &OriginSpec) -> Self {
        let streak = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        Self {
            interval: spec.interval,
            fast_interval: FAST_INTERVAL.min(spec.interval),
            timeout: spec.timeout,
            rule: Rule::Streaks { rise: streak(spec.rise), fall: streak(spec.fall) },
            slow: None,
            expected: StatusSet::default(),
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
        for (key, value, min, max) in spans.chain(counts) {
            if value < min || value > max {
                return Err(ConfigError { key, value, min, max });
            }
        }
        Ok(())
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

/// How a probe ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reply {
    /// An answer with a status of HTTP.
    Status(u16),
    /// A connection, where that is all that was asked for.
    Connected,
    /// No answer.
    Failed(Failure),
}

/// Why there was no answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Failure {
    /// None in time.
    Timeout = 0,
    /// The name has no address.
    Resolve = 1,
    /// No connection.
    Connect = 2,
    /// No agreement about TLS, or a certificate that does not hold.
    Tls = 3,
    /// An answer that is none.
    Protocol = 4,
    /// The address is one that this node must not probe.
    Forbidden = 5,
}

/// What one check is worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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

    fn policy() -> Policy {
        let slow = Some(Span::from_ms(300));
        Policy { slow, ..Policy::from(&OriginSpec::new("http://10.0.0.7/")) }
    }

    #[test]
    fn a_spec_becomes_a_valid_policy_with_the_defaults() {
        let policy = Policy::from(&OriginSpec::new("http://10.0.0.7/"));
        assert_eq!(policy.validate(), Ok(()));
        assert_eq!(policy.rule, Rule::Streaks { rise: 2, fall: 3 });
        assert_eq!((policy.interval, policy.fast_interval), (Span::from_secs(5), Span::from_secs(1)));
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
