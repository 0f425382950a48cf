//! Answers of nodes about origins: how many are stale, and how old they are.

use std::collections::BTreeMap;

use heck_core::time::Span;
use serde::{Deserialize, Serialize};

/// Ages are counted in steps of this many microseconds, rounded up.
const STEP_US: u64 = 10_000;

/// What was seen of the answers that were looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answers {
    /// How many were looked at.
    looked_at: u64,
    /// How many of them were flagged `stale`.
    stale: u64,
    /// How many had which age, in steps.
    ages: BTreeMap<u64, u64>,
    /// How many of unknown age there were beside those.
    ageless: u64,
}

impl Answers {
    /// Takes an answer into the share of those that are stale.
    pub fn note(&mut self, is_stale: bool) {
        self.looked_at += 1;
        self.stale += u64::from(is_stale);
    }

    /// Takes the age of an answer into their distribution; none is an unknown one.
    pub fn note_age(&mut self, age: Option<Span>) {
        match age {
            Some(age) => *self.ages.entry(age.as_us().div_ceil(STEP_US)).or_default() += 1,
            None => self.ageless += 1,
        }
    }

    /// The answers of several runs together.
    #[must_use]
    pub fn all<'a>(runs: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for run in runs {
            all.looked_at += run.looked_at;
            all.stale += run.stale;
            all.ageless += run.ageless;
            run.ages.iter().for_each(|(age, count)| *all.ages.entry(*age).or_default() += count);
        }
        all
    }

    /// How many answers were looked at.
    #[must_use]
    pub const fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// The share of them that were stale, 0 to 1; none where none was looked at.
    #[must_use]
    pub fn stale_share(&self) -> Option<f64> {
        (self.looked_at > 0).then(|| self.stale as f64 / self.looked_at as f64)
    }

    /// The age in seconds below or at which a share `q` of the answers is: the nearest rank, rounded up to 10 ms.
    /// An unknown age is greater than any, and shows as +∞. None where no age was looked at.
    #[must_use]
    pub fn age_s(&self, q: f64) -> Option<f64> {
        let count = self.ages.values().sum::<u64>() + self.ageless;
        let rank = ((q * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0;
        let reached = self.ages.iter().find(|(_, times)| {
            below += **times;
            below >= rank
        });
        let age_s = reached.map_or(f64::INFINITY, |(steps, _)| (steps * STEP_US) as f64 / 1e6);
        (count > 0).then_some(age_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank_and_unknown_ages_the_greatest() {
        let mut answers = Answers::default();
        assert_eq!((answers.age_s(0.5), answers.stale_share()), (None, None));
        for age_ms in 1..=98 {
            answers.note_age(Some(Span::from_ms(age_ms * 10)));
        }
        answers.note_age(Some(Span(1)));
        assert_eq!(answers.age_s(0.5), Some(0.49), "the 50th of 99, of which two are in the first step");
        assert_eq!(answers.age_s(1.0), Some(0.98));
        answers.note_age(None);
        assert_eq!((answers.age_s(0.99), answers.age_s(1.0)), (Some(0.98), Some(f64::INFINITY)));
    }

    #[test]
    fn the_answers_of_all_runs_count_alike() {
        let run = |ages: &[u64], stale: &[bool]| {
            let mut answers = Answers::default();
            ages.iter().for_each(|&age| answers.note_age(Some(Span::from_secs(age))));
            stale.iter().for_each(|&is_stale| answers.note(is_stale));
            answers
        };
        let runs = [run(&[1, 2, 3], &[false, false, false]), run(&[9], &[true])];
        let all = Answers::all(&runs);
        assert_eq!((all.looked_at(), all.stale_share()), (4, Some(0.25)));
        assert_eq!((all.age_s(0.5), all.age_s(1.0)), (Some(2.0), Some(9.0)));
    }
}
