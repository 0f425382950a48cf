//! Lengths of time as people write them.

use heck_core::time::Span;
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Units from the longest to the shortest, in microseconds.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// A length of time: a number and a unit, such as `5s`, `500ms` or `1.5h`. Units are us, ms, s, m, h and d.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Period(pub Span);

/// The text is no length of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("write a number and a unit (us, ms, s, m, h or d), such as \"5s\" or \"500ms\"")]
pub struct PeriodError;

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(PeriodError)?;
        let (number, unit) = text.split_at(end);
        let (_, unit_us) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(PeriodError)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        // Twelve digits behind the point are finer than any unit's microseconds.
        if whole.is_empty() || fraction.is_empty() || fraction.len() > 12 {
            return Err(PeriodError);
        }
        let digits = |text: &str| text.parse::<u64>().map(u128::from).map_err(|_| PeriodError);
        let scale = 10_u128.pow(fraction.len() as u32);
        let parts = digits(fraction)? * u128::from(unit_us);
        // What is finer than a microsecond would be lost without a word.
        if parts % scale != 0 {
            return Err(PeriodError);
        }
        let us = digits(whole)? * u128::from(unit_us) + parts / scale;
        u64::try_from(us).map(|us| Self(Span(us))).map_err(|_| PeriodError)
    }
}

impl fmt::Display for Period {
    /// The longest unit of which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0.as_us();
        let fits = |(_, unit_us): &(&str, u64)| us > 0 && us.is_multiple_of(*unit_us);
        let (unit, unit_us) = UNITS.into_iter().find(fits).unwrap_or(("s", 1_000_000));
        write!(f, "{}{unit}", us / unit_us)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a length of time: {PeriodError}")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Period, E> {
                text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        from.deserialize_str(Text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_of_time_are_a_number_and_a_unit() {
        let read = |text: &str| text.parse::<Period>().map(|period| period.0.as_us());
        for (text, us) in [("5s", 5_000_000), ("500ms", 500_000), ("1.5s", 1_500_000), ("7us", 7), ("0s", 0)]
        {
            assert_eq!(read(text), Ok(us), "{text}");
        }
        for (text, us) in [("1m", 60_000_000), ("2h", 7_200_000_000), ("1d", 86_400_000_000)] {
            assert_eq!(read(text), Ok(us), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "5S", ".5s", "5.s", "1.5us", "1.2.3s", "5s ", "1m30s"] {
            assert_eq!(read(text), Err(PeriodError), "{text}");
        }
        assert_eq!(read("99999999999999999999s"), Err(PeriodError), "more than fits");
        assert_eq!(read("999999999999999d"), Err(PeriodError), "more than fits");
    }

    #[test]
    fn what_is_wrong_with_a_length_of_time_is_said_with_what_is_allowed() {
        let error = serde_json::from_str::<Period>("\"5x\"").unwrap_err().to_string();
        assert!(error.contains("\"5x\"") && error.contains("ms, s, m, h or d"), "{error}");
        let error = serde_json::from_str::<Period>("5").unwrap_err().to_string();
        assert!(error.contains('5') && error.contains("such as \"5s\""), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(401),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_length_of_time_is_read_as_it_was_written(us in prop_oneof![any::<u64>(), 0..10_000_000_u64]) {
            let period = Period(Span(us));
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
