//! What a law is: a property over random inputs that holds as the core stands and fails with a bug planted.

use heck_core::mutant::{Mutant, Planted};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseResult, TestRunner};

/// A property of the core.
#[derive(Clone, Copy)]
pub struct Law {
    /// What it says.
    pub name: &'static str,
    /// What its inputs are drawn from.
    pub seed: u64,
    /// How many inputs are tried.
    pub cases: u32,
    /// Tries them.
    pub check: fn(&Trial) -> Result<(), String>,
}

/// One run of a law.
pub struct Trial {
    law: Law,
    /// The bug planted in the core, if any.
    pub planted: Planted,
}

impl Law {
    /// Fails unless the core obeys this law.
    pub fn hold(self) {
        if let Err(failure) = (self.check)(&Trial { law: self, planted: Planted::NONE }) {
            panic!("`{}` does not hold, seed {}: {failure}", self.name, self.seed);
        }
    }

    /// Whether some input shows that `mutant` breaks this law.
    pub fn kills(self, mutant: Mutant) -> bool {
        (self.check)(&Trial { law: self, planted: Planted::new(mutant) }).is_err()
    }
}

impl Trial {
    /// Tries `test` with inputs from `strategy`. Where no bug is planted, a failing input is made small.
    pub fn for_all<S: Strategy>(
        &self,
        strategy: &S,
        test: impl Fn(S::Value, Planted) -> TestCaseResult,
    ) -> Result<(), String> {
        let config = ProptestConfig {
            cases: self.law.cases,
            rng_seed: RngSeed::Fixed(self.law.seed),
            failure_persistence: None,
            max_shrink_iters: if self.planted == Planted::NONE { 2_000 } else { 0 },
            ..ProptestConfig::default()
        };
        let outcome = TestRunner::new(config).run(strategy, |input| test(input, self.planted));
        outcome.map_err(|error| error.to_string())
    }
}
