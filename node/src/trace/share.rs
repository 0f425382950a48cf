//! A share of something, such as of the requests that are traced.

use std::fmt;
use std::str::FromStr;

/// The whole, in parts per million.
const WHOLE: u32 = 1_000_000;
/// Bits of a trace's identity that are random by the specification (W3C Trace Context, level 2): the last seven bytes.
const RANDOM_BITS: u32 = 56;

/// A share from 0 to 1, in steps of a millionth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(WHOLE);

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether a trace of this identity is within the share. By the sampler that OpenTelemetry specifies for trace
    /// identities: whoever samples more by it samples those too.
    #[must_use]
    pub(crate) const fn holds(self, trace: u128) -> bool {
        let random = trace & ((1 << RANDOM_BITS) - 1);
        let threshold = ((WHOLE - self.0) as u128) << RANDOM_BITS;
        self.0 > 0 && random * WHOLE as u128 >= threshold
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / WHOLE, self.0 % WHOLE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Share {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let share: f64 = text.parse().map_err(|_| ())?;
        if (0.0..=1.0).contains(&share) {
            Ok(Self((share * f64::from(WHOLE)).round() as u32))
        } else {
            Err(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_shown_and_what_is_none_is_refused() {
        for (text, shown) in
            [("0", "0"), ("1", "1"), ("1.0", "1"), ("0.25", "0.25"), ("1e-6", "0.000001"), (".5", "0.5")]
        {
            assert_eq!(text.parse::<Share>().map(|share| share.to_string()).as_deref(), Ok(shown));
        }
        for wrong in ["", "-0.1", "1.1", "NaN", "half", "inf"] {
            assert_eq!(wrong.parse::<Share>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn as_many_traces_are_within_a_share_as_it_says_and_a_larger_one_holds_them_too() {
        let ids = super::super::ids::Ids::new([7; 16]);
        let traces: Vec<u128> = (0..20_000).map(|_| ids.trace()).collect();
        let held = |share: &str| -> Vec<u128> {
            let share: Share = share.parse().unwrap();
            traces.iter().copied().filter(|trace| share.holds(*trace)).collect()
        };
        assert_eq!((held("0").len(), held("1").len()), (0, traces.len()));
        let (few, many) = (held("0.1"), held("0.3"));
        // Five times the standard deviation of so many throws.
        assert!(few.len().abs_diff(2_000) < 213 && many.len().abs_diff(6_000) < 325);
        assert!(few.iter().all(|trace| many.contains(trace)));
        assert!(Share::NONE.is_none() && !Share::ALL.is_none());
    }
}
