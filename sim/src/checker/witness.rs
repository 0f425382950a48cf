//! What one node was seen to take in and to let go, over its lives.

use std::collections::BTreeMap;

use heck_core::id::{Dot, Lane};
use heck_core::interval::{IntervalSet, Range};

use super::history::Number;

/// A set of numbers that count up from 0.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// Whether the number is in the set.
    #[must_use]
    pub fn contains(&self, number: Number) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Puts a number in; false when it was there.
    pub fn insert(&mut self, number: Number) -> bool {
        let index = number as usize / 64;
        if index >= self.0.len() {
            self.0.resize(index + 1, 0);
        }
        let bit = 1 << (number % 64);
        let is_new = self.0[index] & bit == 0;
        self.0[index] |= bit;
        is_new
    }

    /// Keeps the numbers for which `keep` is true.
    pub fn retain(&mut self, keep: impl Fn(Number) -> bool) {
        for (index, word) in self.0.iter_mut().enumerate() {
            for bit in 0..64 {
                if *word >> bit & 1 == 1 && !keep(index as Number * 64 + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
    }
}

/// What one node was seen to do.
#[derive(Clone, Default, Debug)]
pub struct Witness {
    /// Entries that it took in, in this life or in one whose memory it kept.
    pub learned: Bits,
    /// Entries that it let go, or learned to be replaced.
    pub dead: Bits,
    /// Messages that it handed to its subscribers, in any life.
    pub delivered: Bits,
    /// Messages that it told its subscribers to have missed, in any life.
    pub gaps: BTreeMap<Lane, IntervalSet>,
    /// Its own writes that it said to be on disk.
    pub acknowledged: Vec<Dot>,
    /// Whether it began with nothing, so that it holds for itself what others share.
    pub is_bare: bool,
}

impl Witness {
    /// Notes that messages were missed.
    pub fn missed(&mut self, lane: Lane, first: u64, last: u64) {
        self.gaps.entry(lane).or_default().insert_range(Range { first, last });
    }

    /// Whether subscribers heard of a message: itself, or that it is missing.
    #[must_use]
    pub fn was_told_of(&self, number: Number, dot: Dot) -> bool {
        let missed = || self.gaps.get(&dot.lane).is_some_and(|missed| missed.contains(dot.counter));
        self.delivered.contains(number) || missed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_numbers_holds_what_was_put_in_and_retained() {
        let mut bits = Bits::default();
        assert!(bits.insert(3) && bits.insert(64) && bits.insert(200) && !bits.insert(64));
        bits.retain(|number| number != 64);
        let held: Vec<_> = (0..300).filter(|&number| bits.contains(number)).collect();
        assert_eq!(held, [3, 200]);
    }
}
