//! The recurrence behind the talk's curves (slides 80-91).
//!
//! Birman et al., *Bimodal Multicast* (1999), appendix A.6, in the form of Bruce Spang's page:
//! `k = r·(1 − q^s)`, `s ← s + k`, `r ← r − k`, `q = 1 − β·σ`, with β = 1/N. Infected nodes gossip for ever and
//! nobody crashes. The talk puts σ = 1 − ε: a single lossy message per contact. A real protocol needs two or
//! three, so σ is a parameter here.

/// The parameters of the recurrence.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Talk {
    /// N, at least 1.
    pub nodes: u32,
    /// The share of nodes that have the message at the start (the talk: 0.01).
    pub start_share: f64,
    /// σ, the probability that one contact succeeds: (1 − loss) to the power of its messages.
    pub survival: f64,
}

impl Talk {
    /// The expected numbers of nodes that have the message after 0, 1, … `rounds` rounds.
    #[must_use]
    pub fn infected(&self, rounds: u32) -> Vec<f64> {
        let (mut s, mut r) = self.start();
        let q = self.miss();
        let mut curve = Vec::with_capacity(rounds as usize + 1);
        curve.push(s);
        for _ in 0..rounds {
            let k = r * (1.0 - libm::pow(q, s));
            s += k;
            r -= k;
            curve.push(s);
        }
        curve
    }

    /// The expected percentage of nodes that have the message after so many rounds.
    #[must_use]
    pub fn percent_after(&self, rounds: u32) -> f64 {
        let last = self.infected(rounds).last().copied().unwrap_or_default();
        100.0 * last / f64::from(self.nodes)
    }

    /// The last round, up to `rounds`, in which the double-precision value still changes. Later rounds print the
    /// same digits because `1 − q^s` no longer moves the sum, not because the process has stopped.
    #[must_use]
    pub fn last_moving_round(&self, rounds: u32) -> u32 {
        let curve = self.infected(rounds);
        let last = curve.windows(2).rposition(|pair| pair[0] != pair[1]);
        last.map_or(0, |before| before as u32 + 1)
    }

    /// log₁₀ of the fraction still missing after so many rounds, summed in logarithms: it stays meaningful far
    /// below the smallest double.
    #[must_use]
    pub fn log10_missing(&self, rounds: u32) -> f64 {
        let (mut s, r) = self.start();
        let nodes = f64::from(self.nodes);
        let log_q = libm::log10(self.miss());
        let mut log_missing = libm::log10(r / nodes);
        for _ in 0..rounds {
            log_missing += s * log_q;
            s = nodes - nodes * libm::pow(10.0, log_missing);
        }
        log_missing
    }

    fn start(&self) -> (f64, f64) {
        let s = self.start_share * f64::from(self.nodes);
        (s, f64::from(self.nodes) - s)
    }

    fn miss(&self) -> f64 {
        1.0 - 1.0 / f64::from(self.nodes) * self.survival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::Messages;

    fn percent(nodes: u32, start_share: f64, survival: f64) -> f64 {
        Talk { nodes, start_share, survival }.percent_after(10)
    }

    #[track_caller]
    fn close(value: f64, published: f64, tolerance: f64) {
        assert!((value - published).abs() <= tolerance, "{value} is not {published}");
    }

    #[test]
    fn ten_rounds_reach_96_52_percent_without_loss() {
        // Thirteen decimals were published; the last may differ in rounding.
        close(percent(100, 0.01, 1.0), 96.519_085_614_442_1, 1e-12);
    }

    #[test]
    fn ten_rounds_reach_38_95_percent_at_half_loss() {
        close(percent(100, 0.01, 0.5), 38.95, 0.005);
    }

    #[test]
    fn the_curve_depends_on_the_number_of_nodes_unless_one_percent_starts() {
        close(percent(1_000_000, 0.01, 1.0), 96.38, 0.005);
        close(percent(1_000, 1.0 / 1_000.0, 1.0), 56.1, 0.05);
        close(percent(10_000, 1.0 / 10_000.0, 1.0), 9.5, 0.05);
    }

    #[test]
    fn twelve_nines_at_80_000_rounds_are_a_floating_point_artefact() {
        let talk = Talk { nodes: 100, start_share: 0.01, survival: Messages::One.survival(0.99) };
        // The sum of rounded terms, not the process, decides these digits.
        close(talk.percent_after(80_000), 99.999_999_999_999_7, 2e-13);
        assert_eq!(talk.last_moving_round(80_000), 3_719);
        close(talk.log10_missing(80_000), -345.0, 1.0);
    }

    #[test]
    fn logarithms_agree_with_the_plain_recurrence_while_doubles_last() {
        let talk = Talk { nodes: 100, start_share: 0.01, survival: 0.5 };
        let missing = 1.0 - talk.percent_after(30) / 100.0;
        close(talk.log10_missing(30), libm::log10(missing), 1e-9);
    }

    #[test]
    fn two_and_three_lossy_messages_cost_what_is_published() {
        let reach = |messages: Messages, loss, rounds| {
            Talk { nodes: 100, start_share: 0.01, survival: messages.survival(loss) }.percent_after(rounds)
        };
        close(reach(Messages::Three, 0.5, 10), 3.2, 0.05);
        close(reach(Messages::Three, 0.99, 80_000), 1.08, 0.005);
        close(reach(Messages::Two, 0.99, 80_000), 96.8, 0.05);
    }
}
