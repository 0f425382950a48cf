//! How lossy the network is, as this node sees it: its own exchanges, pooled over all peers.

const ONE: u32 = 1 << 16;
const MEMORY: u32 = 32;

/// A running mean of exchanges that got through, in parts of 65,536. Integers only: it steers retransmissions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct LossMeter {
    success: u32,
    seen: u32,
}

impl LossMeter {
    /// Nothing measured: no loss is assumed.
    #[must_use]
    pub const fn new() -> Self {
        Self { success: ONE, seen: 0 }
    }

    /// An exchange got through.
    pub const fn success(&mut self) {
        self.note(ONE);
    }

    /// An exchange did not.
    pub const fn failure(&mut self) {
        self.note(0);
    }

    /// A plain mean over the first exchanges, then one that forgets with a memory of 32.
    const fn note(&mut self, outcome: u32) {
        if self.seen < MEMORY {
            self.seen += 1;
        }
        let weight = self.seen;
        self.success = ((self.success as u64 * (weight as u64 - 1) + outcome as u64) / weight as u64) as u32;
    }

    /// The share of single datagrams that arrive, in parts of 65,536 and never below 1/32: an exchange takes
    /// two, so it is the square root of the share of exchanges.
    #[must_use]
    pub const fn delivery(&self) -> u32 {
        let root = ((self.success as u64) << 16).isqrt() as u32;
        if root < ONE / 32 { ONE / 32 } else { root }
    }

    /// `count` sends, scaled so that as many arrive as without loss, rounded up.
    #[must_use]
    pub const fn scale(&self, count: u32) -> u32 {
        (count as u64 * ONE as u64).div_ceil(self.delivery() as u64) as u32
    }
}

impl Default for LossMeter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_loss_nothing_is_scaled() {
        let mut meter = LossMeter::new();
        assert_eq!(meter.scale(5), 5);
        (0..100).for_each(|_| meter.success());
        assert_eq!(meter.scale(5), 5);
    }

    #[test]
    fn one_exchange_in_four_means_half_of_the_datagrams() {
        let mut meter = LossMeter::new();
        for round in 0..400 {
            if round % 4 == 0 { meter.success() } else { meter.failure() }
        }
        assert!((27_000..38_000).contains(&meter.delivery()), "{}", meter.delivery());
        assert!((18..=25).contains(&meter.scale(10)));
    }

    #[test]
    fn total_loss_scales_by_a_bound() {
        let mut meter = LossMeter::new();
        (0..1_000).for_each(|_| meter.failure());
        assert_eq!(meter.scale(1), 32);
    }
}
