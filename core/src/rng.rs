//! Randomness as an input: ChaCha8 streams derived from a seed that the driver supplies.
//!
//! `rand_chacha`'s generator holds 320 bytes; a fleet of 10,000 simulated nodes wants less. A [`Stream`] keeps
//! only its seed, its name, its position and one block of words, and asks the cipher again every sixteen
//! words. Each node has a stream of its own, so that adding a node leaves every other node's draws alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What a run's randomness is derived from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Seed(pub u64);

const BLOCK_WORDS: usize = 16;

/// One reproducible stream of random words: the words depend on (seed, name, position) alone.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Stream {
    seed: Seed,
    name: u64,
    position: u64,
    block: [u32; BLOCK_WORDS],
}

impl Stream {
    /// The stream called `name` under `seed`, at its beginning.
    #[must_use]
    pub const fn new(seed: Seed, name: u64) -> Self {
        Self { seed, name, position: 0, block: [0; BLOCK_WORDS] }
    }

    /// How many words were drawn; together with seed and name, the whole state.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        let index = (self.position % BLOCK_WORDS as u64) as usize;
        if index == 0 {
            self.refill();
        }
        self.position += 1;
        self.block[index]
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | (u64::from(self.next_u32()) << 32)
    }

    /// A number in `0..bound`, without bias (Lemire 2019, "Fast Random Integer Generation in an Interval").
    /// A bound of 0 gives 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let mut product = u64::from(self.next_u32()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u32) < threshold {
                product = u64::from(self.next_u32()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    fn refill(&mut self) {
        let mut cipher = ChaCha8Rng::seed_from_u64(self.seed.0);
        cipher.set_stream(self.name);
        cipher.set_word_pos(u128::from(self.position));
        for word in &mut self.block {
            *word = cipher.next_u32();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_depend_on_seed_name_and_position_alone() {
        let mut a = Stream::new(Seed(7), 1);
        let mut b = Stream::new(Seed(7), 2);
        let first: [u32; 40] = core::array::from_fn(|_| a.next_u32());
        let other: [u32; 40] = core::array::from_fn(|_| b.next_u32());
        assert_ne!(first, other);
        let mut again = Stream::new(Seed(7), 1);
        assert_eq!(first, core::array::from_fn(|_| again.next_u32()));
    }

    #[test]
    fn words_are_those_of_rand_chacha() {
        let mut reference = ChaCha8Rng::seed_from_u64(99);
        reference.set_stream(5);
        let mut stream = Stream::new(Seed(99), 5);
        for _ in 0..100 {
            assert_eq!(stream.next_u32(), reference.next_u32());
        }
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut stream = Stream::new(Seed(1), 0);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[stream.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(stream.below(0), 0);
    }
}
