//! A job on several machines: each makes a part of its runs and writes what they came to into a file, and all files together
//! give what one machine would have written.
//!
//! A run is made by itself and told by its number ([`crate::run::Runs`], [`crate::compare::Runs`], the seeds of a swarm), so
//! that parts only have to agree on who makes which ([`Shard`]). A file of a part begins with what the job is ([`job`]),
//! and holds the outcomes as the reports read them ([`part`], [`read`]); nothing is judged or drawn before all are there.
//! `sim/SHARDS.md` describes commands and format.

pub mod job;
pub mod order;
pub mod part;
pub mod read;

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The most parts of a job.
pub const MOST_PARTS: u32 = 100_000;

/// One of the parts of a job, `1/3` to `3/3`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    part: u32,
    of: u32,
}

/// What is no part of a job.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("wanted is K/N: part K, from 1 on, of at most {MOST_PARTS} parts, as in 2/3")]
pub struct NoShard;

impl Shard {
    /// Part `part` of `of`, if there is one.
    #[must_use]
    pub fn new(part: u32, of: u32) -> Option<Self> {
        ((1..=of).contains(&part) && of <= MOST_PARTS).then_some(Self { part, of })
    }

    /// Which part, from 1 on.
    #[must_use]
    pub const fn part(self) -> u32 {
        self.part
    }

    /// Of how many.
    #[must_use]
    pub const fn of(self) -> u32 {
        self.of
    }

    /// The numbers of its runs among `count` of them, ascending.
    pub fn numbers(self, count: u64) -> impl Iterator<Item = u64> {
        (0..count).filter(move |&number| part_of(number, self.of) == self.part)
    }
}

/// Which of `parts` parts makes run number `number`. Each block of as many runs has one for every part, in their order, but
/// begins with another of them, by a hash: neighbouring numbers are seeds of one point, and those some way apart are points
/// or systems of other cost at regular distances, of which no part is to get the same place of each block.
#[must_use]
pub fn part_of(number: u64, parts: u32) -> u32 {
    let parts = u64::from(parts.max(1));
    let block = number / parts;
    ((number % parts + xxh3_64(&block.to_le_bytes()) % parts) % parts) as u32 + 1
}

impl Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let (part, of) = text.split_once('/').ok_or(NoShard)?;
        // A number with a sign would be read as well.
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| NoShard),
            false => Err(NoShard),
        };
        Self::new(number(part)?, number(of)?).ok_or(NoShard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_made_by_one_part_and_all_make_about_as_many() {
        for parts in [1, 2, 3, 7, 16, 100] {
            for count in [0, 1, 5, 40, 1_000] {
                let shards: Vec<Shard> = (1..=parts).filter_map(|part| Shard::new(part, parts)).collect();
                let of: Vec<Vec<u64>> = shards.iter().map(|shard| shard.numbers(count).collect()).collect();
                let mut all: Vec<u64> = of.iter().flatten().copied().collect();
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>(), "{count} runs in {parts} parts");
                let (least, most) = (of.iter().map(Vec::len).min(), of.iter().map(Vec::len).max());
                assert!(most <= least.map(|least| least + 1), "{count} runs in {parts} parts: {of:?}");
            }
        }
    }

    #[test]
    fn what_is_dear_at_regular_distances_is_spread_over_the_parts() {
        // One system of several, at each of some points, or the last points of a sweep.
        for (every, points, parts) in [(4, 8, 4), (8, 8, 4), (2, 16, 2), (12, 9, 3), (12, 12, 4), (1, 20, 5)]
        {
            let mut dear = vec![0; parts as usize];
            for point in 0..points {
                dear[part_of(point * every, parts) as usize - 1] += 1;
            }
            let fair = points.div_ceil(u64::from(parts));
            assert!(dear.iter().all(|&dear| dear <= 2 * fair), "each {every}th of {points}: {dear:?}");
        }
    }

    #[test]
    fn parts_are_written_as_they_are_read() {
        for (part, of) in [(1, 1), (2, 3), (16, 16)] {
            let shard = Shard::new(part, of).expect("a part");
            assert_eq!(shard.to_string().parse(), Ok(shard));
        }
        for text in ["", "1", "0/3", "4/3", "1/0", "-1/3", "+1/3", "1/3/5", "a/b", "1/ 3", "/", "1/100001"] {
            assert_eq!(text.parse::<Shard>(), Err(NoShard), "{text:?}");
        }
    }
}
