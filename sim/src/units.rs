//! Quantities with units, as scenario files write them: exact integers inside, canonical text outside.
//!
//! A quantity is a decimal number followed by a unit (`"1.5s"`, `"0.1%"`, `"10KiB"`, `"100Mbit/s"`, `"18/min"`).
//! It must be a whole multiple of the base unit, so that no rounding happens between the file and the run.

use std::fmt;

use heck_core::time::Span;

/// Why a text is no quantity.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnitError {
    /// The number in front of the unit is missing or malformed.
    #[error("has no number that can be read")]
    Number,
    /// A number below zero.
    #[error("must not be negative")]
    Negative,
    /// A number without a unit.
    #[error("has no unit")]
    NoUnit,
    /// A unit, but not one of this quantity.
    #[error("has the unit `{0}`, which does not fit here")]
    WrongUnit(String),
    /// Finer than the base unit can hold.
    #[error("is finer than {0}")]
    TooFine(&'static str),
    /// Beyond the range.
    #[error("is more than {0}")]
    TooLarge(&'static str),
}

/// The units of one quantity: how many base units each is worth, the finest first.
struct Units {
    table: &'static [(&'static str, u64)],
    /// The finest value there is, for the error that says so.
    finest: &'static str,
    /// Unit of a canonical zero.
    zero: &'static str,
}

const TIME: Units = Units {
    table: &[
        ("us", 1),
        ("ms", 1_000),
        ("s", 1_000_000),
        ("m", 60_000_000),
        ("h", 3_600_000_000),
        ("d", 86_400_000_000),
    ],
    finest: "1us",
    zero: "s",
};
const FRACTION: Units = Units { table: &[("%", 10_000_000)], finest: "0.0000001%", zero: "%" };
const BYTES: Units = Units {
    table: &[
        ("B", 1),
        ("kB", 1_000),
        ("KiB", 1 << 10),
        ("MB", 1_000_000),
        ("MiB", 1 << 20),
        ("GB", 1_000_000_000),
        ("GiB", 1 << 30),
    ],
    finest: "1B",
    zero: "B",
};
const BIT_RATE: Units = Units {
    table: &[
        ("bit/s", 1),
        ("B/s", 8),
        ("kbit/s", 1_000),
        ("kB/s", 8_000),
        ("Mbit/s", 1_000_000),
        ("MB/s", 8_000_000),
        ("Gbit/s", 1_000_000_000),
    ],
    finest: "1bit/s",
    zero: "bit/s",
};
const EVENT_RATE: Units = Units {
    table: &[("/h", 1_000_000), ("/min", 60_000_000), ("/s", 3_600_000_000)],
    finest: "0.000001/h",
    zero: "/s",
};
const NUMBER: Units = Units { table: &[("", 1_000_000)], finest: "0.000001", zero: "" };

impl Units {
    fn parse(&self, text: &str) -> Result<u64, UnitError> {
        let text = text.trim();
        if text.starts_with('-') {
            return Err(UnitError::Negative);
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        let (digits, decimals) = decimal(number).ok_or(UnitError::Number)?;
        let &(_, worth) = self.table.iter().find(|(name, _)| *name == unit).ok_or_else(|| match unit {
            "" => UnitError::NoUnit,
            other => UnitError::WrongUnit(other.to_owned()),
        })?;
        let scale = 10_u128.pow(decimals);
        let product = digits.checked_mul(u128::from(worth)).ok_or(UnitError::TooLarge("can be held"))?;
        if product % scale != 0 {
            return Err(UnitError::TooFine(self.finest));
        }
        u64::try_from(product / scale).map_err(|_| UnitError::TooLarge("can be held"))
    }

    /// The coarsest unit that needs no decimals; with decimals in the finest unit where none does.
    fn show(&self, value: u64) -> String {
        if value == 0 {
            return format!("0{}", self.zero);
        }
        if let Some((name, worth)) = self.table.iter().rev().find(|(_, worth)| value.is_multiple_of(*worth)) {
            return format!("{}{name}", value / worth);
        }
        let (name, worth) = self.table[0];
        let width = worth.ilog10() as usize;
        let decimals = format!("{:0width$}", value % worth);
        format!("{}.{}{name}", value / worth, decimals.trim_end_matches('0'))
    }
}

/// Digits without the point, and how many of them stand behind it. At most 18 digits behind the point.
fn decimal(number: &str) -> Option<(u128, u32)> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    if whole.is_empty() || whole.len() > 20 || fraction.len() > 18 {
        return None;
    }
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some((digits, fraction.len() as u32))
}

/// How a length of time is written.
pub const SPAN_ALLOWED: &str = "a time with unit us, ms, s, m, h or d, such as \"40ms\"";

/// Reads a length of time: `"40ms"`, `"1.5s"`, `"5m"`.
///
/// # Errors
/// When the text is no such time, or no whole number of microseconds.
pub fn parse_span(text: &str) -> Result<Span, UnitError> {
    TIME.parse(text).map(Span)
}

/// A length of time in its canonical text, which [`parse_span`] reads back exactly.
#[must_use]
pub fn show_span(span: Span) -> String {
    TIME.show(span.as_us())
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($units:ident), $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        pub struct $name(u64);

        impl $name {
            /// How this quantity is written.
            pub const ALLOWED: &str = $allowed;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$units.show(self.0))
            }
        }
    };
}

quantity! {
    /// A part of a whole or a probability, `0%` to `100%`, held in parts per 10⁹.
    Fraction(FRACTION), "a fraction from 0% to 100%, such as \"0.1%\""
}

impl Fraction {
    /// Nothing of it.
    pub const ZERO: Self = Self(0);
    /// All of it.
    pub const ONE: Self = Self(1_000_000_000);

    /// Reads `"50%"` or `"0.1%"`.
    ///
    /// # Errors
    /// When the text is no percentage, lies above 100 %, or is finer than one part in 10⁹.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let value = Self(FRACTION.parse(text)?);
        if value > Self::ONE { Err(UnitError::TooLarge("100%")) } else { Ok(value) }
    }

    /// Parts per 10⁹, at most 10⁹.
    #[must_use]
    pub const fn ppb(self) -> u64 {
        self.0
    }

    /// A random `u32` below this number is an event of this probability; 2³² for 100 %.
    #[must_use]
    pub const fn threshold(self) -> u64 {
        (self.0 << 32) / Self::ONE.0
    }

    /// The fraction as a number from 0 to 1, for reports.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / Self::ONE.0 as f64
    }

    /// This part of `whole`, rounded up to a whole thing: of five nodes, 50 % are three.
    #[must_use]
    pub const fn of(self, whole: u32) -> u32 {
        (whole as u64 * self.0).div_ceil(Self::ONE.0) as u32
    }
}

quantity! {
    /// A size in bytes.
    Bytes(BYTES), "a size with unit B, kB, KiB, MB, MiB, GB or GiB, such as \"10KiB\""
}

impl Bytes {
    /// Reads `"1400B"` or `"10KiB"`.
    ///
    /// # Errors
    /// When the text is no size, or no whole number of bytes.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        BYTES.parse(text).map(Self)
    }

    /// The size in bytes.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

quantity! {
    /// A transmission rate, held in bits per second.
    BitRate(BIT_RATE), "a rate with unit bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s or MB/s, such as \"100Mbit/s\""
}

impl BitRate {
    /// Reads `"100Mbit/s"` or `"1MB/s"`.
    ///
    /// # Errors
    /// When the text is no such rate, or no whole number of bits per second.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        BIT_RATE.parse(text).map(Self)
    }

    /// The rate in bits per second.
    #[must_use]
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }
}

quantity! {
    /// How often something happens, held in millionths of an event per hour.
    EventRate(EVENT_RATE), "a rate with unit /s, /min or /h, such as \"0.3/s\""
}

impl EventRate {
    /// Reads `"0.3/s"`, `"18/min"` or `"1/h"`.
    ///
    /// # Errors
    /// When the text is no such rate, or finer than a millionth of an event per hour.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        EVENT_RATE.parse(text).map(Self)
    }

    /// Mean time between two events in microseconds; `None` where nothing ever happens.
    #[must_use]
    pub fn mean_gap_us(self) -> Option<f64> {
        (self.0 > 0).then(|| 3_600_000_000.0 * 1_000_000.0 / self.0 as f64)
    }
}

quantity! {
    /// A plain number that is not negative, held in millionths.
    Number(NUMBER), "a number that is not negative and has at most six decimals, such as 1.05"
}

impl Number {
    /// Reads `"33"` or `"1.05"`.
    ///
    /// # Errors
    /// When the text is no decimal number or has more than six decimals.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        NUMBER.parse(text).map(Self)
    }

    /// The number in millionths.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0
    }

    /// The number, for comparisons with what was measured.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1_000_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_exact() {
        assert_eq!(parse_span("1.5s"), Ok(Span(1_500_000)));
        assert_eq!(parse_span("0.25ms"), Ok(Span(250)));
        assert_eq!(parse_span(" 5 m "), Ok(Span(300_000_000)));
        assert_eq!(Fraction::parse("0.1%").map(Fraction::ppb), Ok(1_000_000));
        assert_eq!(Bytes::parse("10KiB").map(Bytes::as_u64), Ok(10_240));
        assert_eq!(BitRate::parse("100Mbit/s").map(BitRate::bits_per_second), Ok(100_000_000));
        assert_eq!(BitRate::parse("1.5MB/s").map(BitRate::bits_per_second), Ok(12_000_000));
        assert_eq!(EventRate::parse("0.3/s"), EventRate::parse("18/min"));
        assert_eq!(Number::parse("1.05").map(Number::as_f64), Ok(1.05));
    }

    #[test]
    fn a_half_is_half_of_all_words_and_all_is_all() {
        assert_eq!(Fraction::parse("50%").unwrap().threshold(), 1 << 31);
        assert_eq!(Fraction::ONE.threshold(), 1 << 32);
        assert_eq!(Fraction::ZERO.threshold(), 0);
        assert_eq!(Fraction::parse("50%").unwrap().of(5), 3);
        assert_eq!(Fraction::ONE.of(u32::MAX), u32::MAX);
    }

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        assert_eq!(parse_span("5 parsecs"), Err(UnitError::WrongUnit("parsecs".into())));
        assert_eq!(parse_span("5"), Err(UnitError::NoUnit));
        assert_eq!(parse_span("-5ms"), Err(UnitError::Negative));
        assert_eq!(parse_span("ms"), Err(UnitError::Number));
        assert_eq!(parse_span("1.2.3ms"), Err(UnitError::Number));
        assert_eq!(parse_span("1.ms"), Err(UnitError::Number));
        assert_eq!(parse_span("0.5us"), Err(UnitError::TooFine("1us")));
        assert_eq!(parse_span("99999999999999999999d"), Err(UnitError::TooLarge("can be held")));
        assert_eq!(Fraction::parse("120%"), Err(UnitError::TooLarge("100%")));
        assert_eq!(Fraction::parse("0.5"), Err(UnitError::NoUnit));
        assert_eq!(Bytes::parse("1ms"), Err(UnitError::WrongUnit("ms".into())));
        assert_eq!(EventRate::parse("1Hz"), Err(UnitError::WrongUnit("Hz".into())));
    }

    #[test]
    fn canonical_text_is_the_coarsest_whole_unit() {
        assert_eq!(show_span(Span(90_000_000)), "90s");
        assert_eq!(show_span(Span(120_000_000)), "2m");
        assert_eq!(show_span(Span(0)), "0s");
        assert_eq!(Fraction::parse("99.90%").unwrap().to_string(), "99.9%");
        assert_eq!(Bytes::parse("1400B").unwrap().to_string(), "1400B");
        assert_eq!(EventRate::parse("0.3/s").unwrap().to_string(), "18/min");
        assert_eq!(EventRate::parse("0.0001/min").unwrap().to_string(), "0.006/h");
        assert_eq!(Number::parse("1.050").unwrap().to_string(), "1.05");
    }

    proptest! {
        #[test]
        fn canonical_text_reads_back_exactly(value: u64) {
            for units in [&TIME, &FRACTION, &BYTES, &BIT_RATE, &EVENT_RATE, &NUMBER] {
                prop_assert_eq!(units.parse(&units.show(value)), Ok(value));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            for units in [&TIME, &FRACTION, &BYTES, &BIT_RATE, &EVENT_RATE, &NUMBER] {
                let _ = units.parse(&text);
            }
        }
    }
}
