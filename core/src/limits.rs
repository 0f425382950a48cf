//! What a node may do at most, and how long it waits.

use crate::config::{ConfigError, within};
use crate::mutant::Planted;
use crate::time::Span;

/// The settings of a node's checker. Nodes of a cluster may differ in them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// Probes that may start in a second, whatever this node believes to own: with more to do, intervals stretch.
    /// 1 to 1,000,000; 5,000 unless set.
    pub probes_per_s: u32,
    /// How many nodes may come to check one origin, each by its own view, before all stretch their intervals. Two
    /// halves of a cut cluster both check everything at 2. 1 to 100; 4 unless set.
    pub checkers_per_origin: u32,
    /// Claims a second about origins given up or late, so that neither comes as a herd. 1 to 1,000,000; 1,000
    /// unless set.
    pub claims_per_s: u32,
    /// By how much a step or an outcome may be late before this node no longer trusts its own clockwork; a timeout
    /// may be noticed a quarter of it late. 1 ms to 10 s; 250 ms unless set.
    pub grace: Span,
    /// How long a question to confirmers and their answers may travel, beyond the origin's timeout. Up to 1 min; 1 s
    /// unless set.
    pub transit: Span,
    /// How long a fall counts for damping. 1 s to 1 day; 5 min unless set.
    pub flap_memory: Span,
    /// A planted bug of the checker alone, for tests.
    pub planted: Planted,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            probes_per_s: 5_000,
            checkers_per_origin: 4,
            claims_per_s: 1_000,
            grace: Span::from_ms(250),
            transit: Span::from_secs(1),
            flap_memory: Span::from_secs(300),
            planted: Planted::NONE,
        }
    }
}

impl Limits {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Names the first setting that is outside its range. Spans are in microseconds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let second_us = Span::from_secs(1).as_us();
        within(&[
            ("probes_per_s", self.probes_per_s.into(), 1, 1_000_000),
            ("checkers_per_origin", self.checkers_per_origin.into(), 1, 100),
            ("claims_per_s", self.claims_per_s.into(), 1, 1_000_000),
            ("grace", self.grace.as_us(), 1_000, 10 * second_us),
            ("transit", self.transit.as_us(), 0, 60 * second_us),
            ("flap_memory", self.flap_memory.as_us(), second_us, 86_400 * second_us),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_a_value_outside_its_range_is_named() {
        assert_eq!(Limits::default().validate(), Ok(()));
        let wrong = Limits { probes_per_s: 0, ..Limits::default() };
        let named = ConfigError { key: "probes_per_s", value: 0, min: 1, max: 1_000_000 };
        assert_eq!(wrong.validate(), Err(named));
    }
}
