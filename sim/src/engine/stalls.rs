//! Nodes that are starved of the processor: they run in short bursts and stand still in between.

use super::draw::{Dice, Purpose};
use super::latency::Latency;

/// How a node is starved.
#[derive(Clone, PartialEq, Debug)]
pub struct Starvation {
    /// The length of each burst in microseconds; 0 counts as 1.
    pub run_us: u64,
    /// How long the node stands still between two bursts, drawn anew each time.
    pub stall: Latency,
}

/// The bursts and stalls of one node, as far as they have been drawn.
#[derive(Debug)]
pub(super) struct Stalls {
    how: Starvation,
    /// The stall that was drawn last: its beginning, and the beginning of the burst after it.
    from_us: u64,
    until_us: u64,
    /// The turn that is queued, or was.
    pub turn_us: u64,
}

/// Draws are numbered by the moment at which a stall begins, so that no two stalls of a node share one, however
/// often it was starved and fed.
const NUMBERS: u64 = (1 << 48) - 1;

impl Stalls {
    /// A first stall begins now.
    pub fn new(how: Starvation, dice: Dice, node: u32, now_us: u64) -> Self {
        let mut stalls = Self { how, from_us: now_us, until_us: now_us, turn_us: u64::MAX };
        stalls.draw(dice, node);
        stalls
    }

    /// When the stall ends that the node is in; `None` if it has the processor. Time must not run backwards.
    pub fn stalled_until_us(&mut self, dice: Dice, node: u32, now_us: u64) -> Option<u64> {
        while now_us >= self.until_us {
            let burst_ends_us = self.until_us.saturating_add(self.how.run_us.max(1));
            if now_us < burst_ends_us {
                return None;
            }
            self.from_us = burst_ends_us;
            self.draw(dice, node);
        }
        Some(self.until_us)
    }

    fn draw(&mut self, dice: Dice, node: u32) {
        let word = dice.draw(Purpose::Stall, node, self.from_us & NUMBERS).word(0);
        self.until_us = self.from_us.saturating_add(self.how.stall.sample_us(word));
    }
}

#[cfg(test)]
mod tests {
    use heck_core::rng::Seed;

    use super::*;

    fn stalls(run_us: u64, stall: Latency) -> Stalls {
        Stalls::new(Starvation { run_us, stall }, Dice::new(Seed(1)), 0, 1_000)
    }

    #[test]
    fn bursts_and_stalls_follow_each_other() {
        let dice = Dice::new(Seed(1));
        let mut stalls = stalls(10, Latency::Constant { us: 90 });
        let at = [1_000, 1_089, 1_090, 1_099, 1_100, 1_189, 1_195, 5_300]
            .map(|now_us| stalls.stalled_until_us(dice, 0, now_us));
        let (first, second) = (Some(1_090), Some(1_190));
        assert_eq!(at, [first, first, None, None, second, second, None, Some(5_390)]);
    }

    #[test]
    fn random_stalls_differ_from_each_other_and_between_nodes_but_not_between_runs() {
        let ends = |node| {
            let (dice, stall) = (Dice::new(Seed(1)), Latency::Uniform { min_us: 0, max_us: 10_000 });
            let mut stalls = Stalls::new(Starvation { run_us: 5, stall }, dice, node, 0);
            let mut ends: Vec<u64> = (0..1_000_000)
                .step_by(5)
                .filter_map(|now_us| stalls.stalled_until_us(dice, node, now_us))
                .collect();
            ends.dedup();
            ends
        };
        assert_eq!(ends(3), ends(3));
        assert_ne!(ends(3), ends(4));
        // 1,000,000 µs hold about 200 stalls of 5,000 µs on average; four standard deviations are 33.
        assert!((167..233).contains(&ends(3).len()), "{}", ends(3).len());
    }

    #[test]
    fn a_node_that_never_stands_still_always_runs() {
        let mut stalls = stalls(0, Latency::Constant { us: 0 });
        assert!(
            (1_000..3_000).all(|now_us| stalls.stalled_until_us(Dice::new(Seed(1)), 0, now_us).is_none())
        );
    }
}
