//! Numbers in files: a fixed count of decimals, so that equal results are equal bytes.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A number written with `PLACES` decimals; never reached is `inf`, not bounded below is `-inf`.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct Decimal<const PLACES: usize>(pub f64);

impl<const PLACES: usize> fmt::Display for Decimal<PLACES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            return f.write_str(if self.0 > 0.0 { "inf" } else { "-inf" });
        }
        let text = format!("{:.PLACES$}", self.0);
        // A tiny negative number would print as "-0.00", which is no number of its own.
        let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
        f.write_str(if is_zero { text.trim_start_matches('-') } else { &text })
    }
}

impl<const PLACES: usize> Serialize for Decimal<PLACES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const PLACES: usize> Deserialize<'de> for Decimal<PLACES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number: f64 = text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a number")))?;
        if number.is_nan() {
            return Err(D::Error::custom("NaN is not a result"));
        }
        Ok(Self(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_fixed_and_infinities_have_names() {
        assert_eq!(Decimal::<3>(2.0 / 3.0).to_string(), "0.667");
        assert_eq!(Decimal::<2>(-0.001).to_string(), "0.00");
        assert_eq!(Decimal::<2>(-0.01).to_string(), "-0.01");
        assert_eq!(Decimal::<2>(f64::INFINITY).to_string(), "inf");
        assert_eq!(Decimal::<2>(f64::NEG_INFINITY).to_string(), "-inf");
    }

    proptest! {
        #[test]
        fn what_was_read_back_prints_the_same(number in -1e9..1e9) {
            let text = Decimal::<6>(number).to_string();
            let again: f64 = text.parse().expect("a number");
            prop_assert_eq!(Decimal::<6>(again).to_string(), text);
        }
    }
}
