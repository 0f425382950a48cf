//! Large-N maps: the fraction of nodes still missing an update, from one round to the next.

use super::Messages;

/// A protocol as its map u → u′, where u is the fraction still missing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Map {
    /// Nodes that have it push digests; digest, solicitation and retransmission can each be lost:
    /// u′ = u·exp(−(1 − p)³(1 − u)).
    PushDigest {
        /// Loss per datagram, 0..=1.
        loss: f64,
    },
    /// Nodes that miss it ask a random peer; request and reply can each be lost: u′ = u·(1 − (1 − p)²(1 − u)).
    Pull {
        /// Loss per datagram, 0..=1.
        loss: f64,
    },
    /// Pull by every node, and pushes of the payload by nodes that have it:
    /// u′ = u·(1 − (1 − p)²(1 − u))^f·exp(−k(1 − p)(1 − u)). What heck does.
    PullAndPush(ModelParameters),
}

impl Map {
    /// The fraction missing after one more round.
    #[must_use]
    pub fn next(&self, missing: f64) -> f64 {
        let have = 1.0 - missing;
        match *self {
            Self::PushDigest { loss } => missing * libm::exp(-Messages::Three.survival(loss) * have),
            Self::Pull { loss } => missing * (1.0 - Messages::Two.survival(loss) * have),
            Self::PullAndPush(model) => {
                let pulled = 1.0 - Messages::Two.survival(model.loss) * have;
                let pushed = model.pushes_per_round * Messages::One.survival(model.loss) * have;
                missing * libm::pow(pulled, model.pulls_per_round) * libm::exp(-pushed)
            }
        }
    }

    /// The fractions missing after 0, 1, … `rounds` rounds, from `start`.
    #[must_use]
    pub fn missing(&self, start: f64, rounds: u32) -> Vec<f64> {
        let mut missing = start;
        let mut curve = vec![start];
        curve.extend((0..rounds).map(|_| {
            missing = self.next(missing);
            missing
        }));
        curve
    }

    /// Rounds until at most `target` is missing, from `start`; `None` beyond 100,000 rounds.
    #[must_use]
    pub fn rounds_to(&self, start: f64, target: f64) -> Option<u32> {
        let mut missing = start;
        (0..100_000_u32).find(|_| {
            let there = missing <= target;
            missing = self.next(missing);
            there
        })
    }
}

/// What the large-N map and the growth bound need to know about the protocol as it was set.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ModelParameters {
    /// Loss of one datagram in one direction, 0..=1 (for burst loss: the long-run mean).
    pub loss: f64,
    /// Repair requests that each node sends in a round (heck: 1).
    pub pulls_per_round: f64,
    /// Further datagrams bearing the payload that a node which has it sends in a round, on average.
    pub pushes_per_round: f64,
    /// The share of nodes that the source addresses at once, 0..=1 (0: no initial broadcast).
    pub broadcast: f64,
}

impl Default for ModelParameters {
    fn default() -> Self {
        Self { loss: 0.0, pulls_per_round: 1.0, pushes_per_round: 0.0, broadcast: 1.0 }
    }
}

impl ModelParameters {
    /// The fraction missing once the source's first sends have arrived: the source has it, and of those that
    /// it addressed all but the loss.
    #[must_use]
    pub fn missing_at_start(&self, nodes: u32) -> f64 {
        let others = 1.0 - 1.0 / f64::from(nodes.max(1));
        others * (1.0 - self.broadcast * Messages::One.survival(self.loss))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_999_per_mille_are_those_published() {
        // Loss; push of digests: cold start at 1 %, after a broadcast; pull: the same.
        let published =
            [(0.0, 14, 0, 10, 0), (0.1, 18, 7, 13, 4), (0.3, 36, 18, 23, 10), (0.5, 95, 56, 45, 25)];
        for (loss, push_cold, push_warm, pull_cold, pull_warm) in published {
            let (push, pull) = (Map::PushDigest { loss }, Map::Pull { loss });
            assert_eq!(push.rounds_to(0.99, 0.001), Some(push_cold), "push, cold, {loss}");
            assert_eq!(push.rounds_to(loss, 0.001), Some(push_warm), "push, after broadcast, {loss}");
            assert_eq!(pull.rounds_to(0.99, 0.001), Some(pull_cold), "pull, cold, {loss}");
            assert_eq!(pull.rounds_to(loss, 0.001), Some(pull_warm), "pull, after broadcast, {loss}");
        }
    }

    #[test]
    fn pull_and_push_is_pull_when_nothing_is_pushed() {
        let model = ModelParameters { loss: 0.3, pushes_per_round: 0.0, ..ModelParameters::default() };
        for missing in [1.0, 0.9, 0.5, 0.1, 0.001, 0.0] {
            let (both, pull) = (Map::PullAndPush(model).next(missing), Map::Pull { loss: 0.3 }.next(missing));
            assert!((both - pull).abs() < 1e-15, "{missing}: {both} is not {pull}");
        }
    }

    #[test]
    fn each_push_shortens_the_way_and_each_loss_lengthens_it() {
        let rounds = |loss, pushes_per_round| {
            let model = ModelParameters { loss, pushes_per_round, ..ModelParameters::default() };
            Map::PullAndPush(model).rounds_to(loss, 0.001)
        };
        assert!(rounds(0.5, 1.0) < rounds(0.5, 0.5) && rounds(0.5, 0.5) < rounds(0.5, 0.0));
        assert!(rounds(0.3, 1.0) < rounds(0.5, 1.0) && rounds(0.5, 1.0) < rounds(0.9, 1.0));
    }

    #[test]
    fn all_lost_never_arrives() {
        assert_eq!(Map::Pull { loss: 1.0 }.rounds_to(0.5, 0.001), None);
    }

    #[test]
    fn the_broadcast_leaves_the_loss_missing() {
        let model = ModelParameters { loss: 0.5, ..ModelParameters::default() };
        assert!((model.missing_at_start(1_000) - 0.4995).abs() < 1e-12);
        let cold = ModelParameters { broadcast: 0.0, ..model };
        assert!((cold.missing_at_start(1_000) - 0.999).abs() < 1e-12);
        assert_eq!(cold.missing_at_start(1), 0.0);
    }
}
