//! Loss in bursts: the model of Gilbert (1960) and Elliott (1963), a channel that is good or bad in turns.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::draw::{Draw, Ratio};

/// The channel: how it turns bad and good again, and what each state loses.
#[derive(Clone, PartialEq, Debug)]
pub struct GilbertElliott {
    /// When the state changes.
    pub change: Change,
    /// Loss while good, usually 0 (Gilbert's model).
    pub loss_good: Ratio,
    /// Loss while bad, 1 in the simplest model.
    pub loss_bad: Ratio,
    /// What has a state of its own.
    pub scope: Scope,
}

/// When a channel's state changes.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// With each datagram, before it is sent: the definition of the literature and of netem's `gemodel`.
    /// A bad spell lasts 1 / `to_good` datagrams in the mean.
    PerDatagram {
        /// Probability that a good channel turns bad.
        to_bad: Ratio,
        /// Probability that a bad channel turns good.
        to_good: Ratio,
    },
    /// With time, whether anything is sent or not: good and bad spells are exponentially distributed.
    OverTime {
        /// Mean length of a good spell.
        good_mean_us: u64,
        /// Mean length of a bad spell.
        bad_mean_us: u64,
    },
}

/// What has a state of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Each direction of each pair of nodes: 24 bytes or so for each pair that has talked.
    Link,
    /// Each sender: its uplink is bad for all its destinations at once.
    Sender,
    /// Each receiver.
    Receiver,
}

/// Indices of the random words that a burst decision reads.
const WORD_CHANGE: u32 = 4;
const WORD_LOSS: u32 = 5;

impl GilbertElliott {
    /// The share of time (or datagrams) in which the channel is bad.
    #[must_use]
    pub fn bad_share(&self) -> f64 {
        let (to_bad, to_good) = match self.change {
            Change::PerDatagram { to_bad, to_good } => (to_bad.as_f64(), to_good.as_f64()),
            // Rates are the inverse of the mean stays.
            Change::OverTime { good_mean_us, bad_mean_us } => (bad_mean_us as f64, good_mean_us as f64),
        };
        if to_bad + to_good == 0.0 { 0.0 } else { to_bad / (to_bad + to_good) }
    }

    /// The loss in the long run.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        let bad = self.bad_share();
        bad * self.loss_bad.as_f64() + (1.0 - bad) * self.loss_good.as_f64()
    }

    /// The probability that the channel is bad at `now_us`, given what it was before.
    fn bad_probability(&self, before: Option<State>, now_us: u64) -> f64 {
        let Some(State { bad, at_us }) = before else { return self.bad_share() };
        match self.change {
            Change::PerDatagram { to_bad, to_good } => {
                if bad {
                    1.0 - to_good.as_f64()
                } else {
                    to_bad.as_f64()
                }
            }
            Change::OverTime { good_mean_us, bad_mean_us } => {
                // The two-state Markov process in continuous time forgets exponentially, at the sum of its rates.
                let rate = 1.0 / good_mean_us.max(1) as f64 + 1.0 / bad_mean_us.max(1) as f64;
                let memory = libm::exp(-rate * now_us.saturating_sub(at_us) as f64);
                let share = self.bad_share();
                share + (f64::from(u8::from(bad)) - share) * memory
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct State {
    bad: bool,
    at_us: u64,
}

/// A model and the state of each channel that has been used. Channels start in the long-run mixture.
#[derive(Debug)]
pub struct Bursts {
    model: GilbertElliott,
    /// By node, or by both nodes of a link. Never iterated; the hasher has a fixed seed all the same.
    states: HashMap<u64, State, Xxh3DefaultBuilder>,
}

impl Bursts {
    /// All channels unused.
    #[must_use]
    pub fn new(model: GilbertElliott) -> Self {
        Self { model, states: HashMap::default() }
    }

    /// Whether the channel loses a datagram that is sent now; moves its state on.
    pub fn loses(&mut self, now_us: u64, from: u32, to: u32, draw: &mut Draw) -> bool {
        let channel = match self.model.scope {
            Scope::Link => (u64::from(from) << 32) | u64::from(to),
            Scope::Sender => u64::from(from),
            Scope::Receiver => u64::from(to),
        };
        let before = self.states.get(&channel).copied();
        let bad_probability = self.model.bad_probability(before, now_us);
        let bad = (f64::from(draw.word(WORD_CHANGE)) + 0.5) / 4_294_967_296.0 < bad_probability;
        self.states.insert(channel, State { bad, at_us: now_us });
        let loss = if bad { self.model.loss_bad } else { self.model.loss_good };
        loss.happens(draw.word(WORD_LOSS))
    }
}

#[cfg(test)]
mod tests {
    use heck_core::rng::Seed;

    use super::super::draw::{Dice, Purpose};
    use super::*;

    /// The fates of datagrams sent one after the other, `every_us` apart, on one link.
    fn fates(model: &GilbertElliott, count: u64, every_us: u64) -> Vec<bool> {
        let mut bursts = Bursts::new(model.clone());
        (0..count)
            .map(|n| {
                let mut draw = Dice::new(Seed(5)).draw(Purpose::Datagram, 0, n);
                bursts.loses(n * every_us, 0, 1, &mut draw)
            })
            .collect()
    }

    fn loss_and_burst_length(fates: &[bool]) -> (f64, f64) {
        let lost = fates.iter().filter(|&&lost| lost).count() as f64;
        let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        (lost / fates.len() as f64, lost / bursts)
    }

    #[test]
    fn per_datagram_loss_and_burst_length_are_those_of_the_model() {
        let model = GilbertElliott {
            change: Change::PerDatagram { to_bad: Ratio::of(1, 100), to_good: Ratio::of(1, 10) },
            loss_good: Ratio::NEVER,
            loss_bad: Ratio::ALWAYS,
            scope: Scope::Link,
        };
        assert!((model.mean_loss() - 1.0 / 11.0).abs() < 1e-6);
        let (loss, length) = loss_and_burst_length(&fates(&model, 1_000_000, 1));
        // About 9,000 bursts: the standard error of both is near one percent.
        assert!((loss / model.mean_loss() - 1.0).abs() < 0.05, "{loss}");
        assert!((length - 10.0).abs() < 0.4, "{length}");
    }

    #[test]
    fn bursts_over_time_last_as_long_as_stated_however_often_one_looks() {
        let model = GilbertElliott {
            change: Change::OverTime { good_mean_us: 900_000, bad_mean_us: 100_000 },
            loss_good: Ratio::NEVER,
            loss_bad: Ratio::ALWAYS,
            scope: Scope::Link,
        };
        for every_us in [1_000, 5_000] {
            let (loss, length) = loss_and_burst_length(&fates(&model, 2_000_000, every_us));
            assert!((loss - 0.1).abs() < 0.01, "{loss}");
            assert!((length * every_us as f64 / 100_000.0 - 1.0).abs() < 0.06, "{length}");
        }
        // Looking every ten seconds finds independent states.
        let (loss, length) = loss_and_burst_length(&fates(&model, 200_000, 10_000_000));
        assert!((loss - 0.1).abs() < 0.004, "{loss}");
        assert!((length - 1.0 / 0.9).abs() < 0.02, "{length}");
    }

    #[test]
    fn the_scope_decides_which_datagrams_share_a_state() {
        let sticky = |scope| GilbertElliott {
            change: Change::PerDatagram { to_bad: Ratio::NEVER, to_good: Ratio::of(1, 1_000_000) },
            loss_good: Ratio::NEVER,
            loss_bad: Ratio::ALWAYS,
            scope,
        };
        // A channel that was never used draws its first state from the long run: always bad here.
        for (scope, channels) in [(Scope::Link, 6), (Scope::Sender, 2), (Scope::Receiver, 3)] {
            let mut bursts = Bursts::new(sticky(scope));
            for (n, (from, to)) in [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)].into_iter().enumerate() {
                let mut draw = Dice::new(Seed(1)).draw(Purpose::Datagram, from, n as u64);
                bursts.loses(0, from, to, &mut draw);
            }
            assert_eq!(bursts.states.len(), channels);
        }
    }
}
