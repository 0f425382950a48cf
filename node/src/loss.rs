//! Datagrams that are lost on purpose: a testing aid, which turns a perfect loopback into a bad network.
//!
//! The filter sits at the socket, outside of everything that is tested: the core cannot tell a datagram that
//! was dropped here from one that a router dropped. Streams are left alone, as TCP hides loss anyway.

use heck_core::rng::{Seed, Stream};

/// A share, as an integer ratio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio {
    /// How many.
    pub parts: u32,
    /// Of how many; 0 makes the ratio zero.
    pub of: u32,
}

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self { parts: 0, of: 1 };

    /// So many in a hundred.
    #[must_use]
    pub const fn percent(parts: u32) -> Self {
        Self { parts, of: 100 }
    }
}

/// Which share of the datagrams a node's socket loses, each datagram and each direction by itself. A testing
/// aid; nothing is lost unless it is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InjectedLoss {
    /// Of the datagrams that the node sends, once per receiver.
    pub outgoing: Ratio,
    /// Of the datagrams that arrive.
    pub incoming: Ratio,
    /// Decides which ones. Nodes of one test should have different seeds, or they lose in step.
    pub seed: Seed,
}

impl InjectedLoss {
    /// Loses nothing.
    pub const NONE: Self = Self { outgoing: Ratio::ZERO, incoming: Ratio::ZERO, seed: Seed(0) };
}

const OUTGOING: u64 = 1;
const INCOMING: u64 = 2;

/// Decides for one datagram after the other whether it is lost.
#[derive(Debug)]
pub(crate) struct LossFilter {
    ratio: Ratio,
    rng: Stream,
}

impl LossFilter {
    pub(crate) const fn outgoing(loss: &InjectedLoss) -> Self {
        Self { ratio: loss.outgoing, rng: Stream::new(loss.seed, OUTGOING) }
    }

    pub(crate) const fn incoming(loss: &InjectedLoss) -> Self {
        Self { ratio: loss.incoming, rng: Stream::new(loss.seed, INCOMING) }
    }

    /// Whether the next datagram is lost.
    pub(crate) fn loses(&mut self) -> bool {
        let Ratio { parts, of } = self.ratio;
        parts > 0 && of > 0 && self.rng.below(of) < parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost_of_10_000(ratio: Ratio) -> u32 {
        let loss = InjectedLoss { outgoing: ratio, incoming: Ratio::ZERO, seed: Seed(1) };
        let mut filter = LossFilter::outgoing(&loss);
        (0..10_000).map(|_| u32::from(filter.loses())).sum()
    }

    #[test]
    fn the_share_that_was_asked_for_is_lost() {
        assert_eq!(lost_of_10_000(Ratio::ZERO), 0);
        assert_eq!(lost_of_10_000(Ratio { parts: 1, of: 0 }), 0);
        assert_eq!(lost_of_10_000(Ratio::percent(100)), 10_000);
        // Six standard deviations around the mean.
        assert!((4_700..=5_300).contains(&lost_of_10_000(Ratio::percent(50))));
    }

    #[test]
    fn the_two_directions_lose_independently() {
        let half = Ratio::percent(50);
        let loss = InjectedLoss { outgoing: half, incoming: half, seed: Seed(1) };
        let (mut out, mut back) = (LossFilter::outgoing(&loss), LossFilter::incoming(&loss));
        let same = (0..10_000).filter(|_| out.loses() == back.loses()).count();
        assert!((4_700..=5_300).contains(&same));
    }
}
