//! Randomness of the simulated world, drawn by counter.
//!
//! A draw is a pure function of (seed, purpose, node, number): the n-th datagram of a node meets the same
//! loss and latency whatever the other nodes do, whichever features of the network are on, and in whichever
//! order things happen. That is the independence that one generator per node would give, for eight bytes of
//! state instead of 88, and it pairs runs: with the same seed, what is lost at 10 % loss is lost at 30 % too.
//!
//! The function is Philox-2x64 with 10 rounds (Salmon, Moraes, Dror, Shaw 2011, "Parallel Random Numbers: As
//! Easy as 1, 2, 3"), which passes BigCrush; its published test vectors are checked below.

use heck_core::rng::Seed;

/// What a draw is for; draws for different purposes are independent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Purpose {
    /// The fate of a datagram.
    Datagram = 0,
    /// The fate of a stream's segments.
    Stream = 1,
    /// The duration of a disk write.
    Disk = 2,
    /// Choices of a protocol written for the simulator.
    Protocol = 3,
    /// Choices of a workload.
    Workload = 4,
    /// How long a starved node stands still.
    Stall = 5,
    /// How long an origin takes to answer a probe.
    Probe = 6,
}

/// The source of all draws of one world.
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    seed: u64,
}

/// The draws of one occasion: any number of words, each under its own index.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    seed: u64,
    /// Purpose, node.
    who: u64,
    /// Which occasion of that purpose and node.
    number: u64,
    block: u32,
    words: [u32; 4],
}

impl Dice {
    /// The dice of a seed.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self { seed: seed.0 }
    }

    /// The draws for the `number`-th occasion (below 2⁴⁸) of a purpose at a node.
    #[must_use]
    #[inline]
    pub fn draw(self, purpose: Purpose, node: u32, number: u64) -> Draw {
        let who = ((purpose as u64) << 32) | u64::from(node);
        let words = block(self.seed, who, number, 0);
        Draw { seed: self.seed, who, number, block: 0, words }
    }
}

impl Draw {
    /// The word with this index: 32 random bits, the same each time. Indices below 4 cost nothing.
    #[inline]
    pub fn word(&mut self, index: u32) -> u32 {
        if index / 4 != self.block {
            self.block = index / 4;
            self.words = block(self.seed, self.who, self.number, self.block);
        }
        self.words[index as usize % 4]
    }
}

fn block(seed: u64, who: u64, number: u64, block: u32) -> [u32; 4] {
    let [a, b] = philox::<10>([number | (u64::from(block) << 48), who], seed);
    [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32]
}

#[inline]
fn philox<const ROUNDS: u32>([mut left, mut right]: [u64; 2], mut key: u64) -> [u64; 2] {
    for _ in 0..ROUNDS {
        let product = u128::from(left) * 0xD2B7_4407_B1CE_6E93;
        left = (product >> 64) as u64 ^ key ^ right;
        right = product as u64;
        key = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    }
    [left, right]
}

/// A probability in parts of 2³², from never (0) to always (2³²).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Ratio(u64);

impl Ratio {
    /// Probability 0.
    pub const NEVER: Self = Self(0);
    /// Probability 1.
    pub const ALWAYS: Self = Self(1 << 32);

    /// `numerator` / `denominator`, rounded to the nearest part of 2³²; at most 1. A denominator of 0 gives 0.
    #[must_use]
    pub const fn of(numerator: u32, denominator: u32) -> Self {
        if denominator == 0 {
            return Self::NEVER;
        }
        let parts = (((numerator as u64) << 32) + denominator as u64 / 2) / denominator as u64;
        if parts > Self::ALWAYS.0 { Self::ALWAYS } else { Self(parts) }
    }

    /// Parts of 2³²; more than 2³² counts as always.
    #[must_use]
    pub const fn from_parts(parts: u64) -> Self {
        if parts > Self::ALWAYS.0 { Self::ALWAYS } else { Self(parts) }
    }

    /// Parts of 2³².
    #[must_use]
    pub const fn parts(self) -> u64 {
        self.0
    }

    /// As a number in 0..=1, for reports.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / Self::ALWAYS.0 as f64
    }

    /// Whether it happens, given 32 random bits.
    #[must_use]
    #[inline]
    pub const fn happens(self, word: u32) -> bool {
        (word as u64) < self.0
    }

    /// The probability that at least one of two independent things happens.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        let both = (self.0 as u128 * other.0 as u128) >> 32;
        Self(self.0 + other.0 - both as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_vectors() {
        const ONES: u64 = u64::MAX;
        const PI: ([u64; 2], u64) = ([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344], 0xa409_3822_299f_31d0);
        assert_eq!(philox::<7>([0, 0], 0), [0xb41d_a69f_bfef_c666, 0x511e_9ce1_a553_4056]);
        assert_eq!(philox::<10>([0, 0], 0), [0xca00_a045_9843_d731, 0x66c2_4222_c9a8_45b5]);
        assert_eq!(philox::<10>([ONES, ONES], ONES), [0x65b0_21d6_0cd8_310f, 0x4d02_f322_2f86_df20]);
        assert_eq!(philox::<10>(PI.0, PI.1), [0x0a5e_742c_2997_341c, 0xb0f8_83d3_8000_de5d]);
    }

    #[test]
    fn a_word_depends_on_seed_purpose_node_number_and_index_and_nothing_else() {
        let word = |seed, purpose, node, number, index| {
            Dice::new(Seed(seed)).draw(purpose, node, number).word(index)
        };
        let base = word(1, Purpose::Datagram, 2, 3, 4);
        let mut walked = Dice::new(Seed(1)).draw(Purpose::Datagram, 2, 3);
        walked.word(9);
        walked.word(0);
        assert_eq!(walked.word(4), base);
        assert_ne!(word(2, Purpose::Datagram, 2, 3, 4), base);
        assert_ne!(word(1, Purpose::Stream, 2, 3, 4), base);
        assert_ne!(word(1, Purpose::Datagram, 3, 3, 4), base);
        assert_ne!(word(1, Purpose::Datagram, 2, 4, 4), base);
        assert_ne!(word(1, Purpose::Datagram, 2, 3, 5), base);
    }

    #[test]
    fn ratios_reach_both_ends_and_combine() {
        assert!(!Ratio::NEVER.happens(0));
        assert!(Ratio::ALWAYS.happens(u32::MAX));
        assert_eq!(Ratio::of(1, 2).parts(), 1 << 31);
        assert_eq!(Ratio::of(7, 3), Ratio::ALWAYS);
        assert_eq!(Ratio::of(1, 0), Ratio::NEVER);
        assert_eq!(Ratio::of(1, 2).or(Ratio::of(1, 2)), Ratio::of(3, 4));
        assert_eq!(Ratio::of(1, 3).or(Ratio::ALWAYS), Ratio::ALWAYS);
    }
}
