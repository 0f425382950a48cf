//! Lower bounds: what no protocol can beat, for quoting ratios.

use super::Messages;
use super::maps::ModelParameters;

/// Rounds that all `nodes` need at least when each node sends once per round, from one node: the expected
/// number that have it grows at most by 2 − p a round, so log₂₋ₚ N. Infinite when everything is lost.
#[must_use]
pub fn growth_rounds(nodes: u32, loss: f64) -> f64 {
    libm::log(f64::from(nodes)) / libm::log(2.0 - loss)
}

/// The greatest expected share of nodes that can have it after `rounds` (fractions too), for a protocol that
/// starts and sends as `model` says: each node that has it can hand it on at most once per payload it sends or
/// request it answers, so the share grows at most by 1 + (pulls + pushes)(1 − p) a round.
#[must_use]
pub fn greatest_share(model: &ModelParameters, nodes: u32, rounds: f64) -> f64 {
    let sends = model.pulls_per_round + model.pushes_per_round;
    let growth = 1.0 + sends * Messages::One.survival(model.loss);
    let start = 1.0 - model.missing_at_start(nodes);
    (start * libm::pow(growth, rounds)).min(1.0)
}

/// How many blind copies of a broadcast to everyone keep the expected number of nodes left out, (N − 1)·pᵏ, at
/// most `risk`. `None` when everything is lost.
#[must_use]
pub fn blind_copies(nodes: u32, loss: f64, risk: f64) -> Option<u32> {
    let others = f64::from(nodes.saturating_sub(1));
    let mut left_out = others * loss;
    if loss >= 1.0 {
        return None;
    }
    let mut copies = 1;
    while left_out > risk {
        left_out *= loss;
        copies += 1;
    }
    Some(copies)
}

/// The payload sends below which nobody delivers to all others, on average: (N − 1)/(1 − p).
#[must_use]
pub fn least_payload_sends(nodes: u32, loss: f64) -> f64 {
    f64::from(nodes.saturating_sub(1)) / Messages::One.survival(loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_bounds_at_half_loss_are_those_published() {
        for (nodes, published) in [(100, 11.4), (1_000, 17.0), (10_000, 22.7)] {
            let rounds = growth_rounds(nodes, 0.5);
            assert!((rounds - published).abs() <= 0.05, "{nodes}: {rounds}");
        }
    }

    #[test]
    fn the_greatest_share_without_broadcast_is_everyone_after_the_growth_bound() {
        let model = ModelParameters { loss: 0.5, broadcast: 0.0, ..ModelParameters::default() };
        let bound = growth_rounds(1_000, 0.5);
        assert!((greatest_share(&model, 1_000, bound) - 1.0).abs() < 1e-9);
        assert!(greatest_share(&model, 1_000, bound - 0.1) < 0.97);
        assert!((greatest_share(&model, 1_000, 0.0) - 0.001).abs() < 1e-12);
    }

    #[test]
    fn seventeen_blind_copies_reach_1_000_nodes_at_half_loss_with_one_percent_risk() {
        assert_eq!(blind_copies(1_000, 0.5, 0.01), Some(17));
        assert_eq!(blind_copies(1_000, 0.0, 0.01), Some(1));
        assert_eq!(blind_copies(1_000, 1.0, 0.01), None);
    }

    #[test]
    fn half_loss_needs_two_sends_per_receiver() {
        assert!((least_payload_sends(1_000, 0.5) - 1_998.0).abs() < 1e-9);
    }
}
