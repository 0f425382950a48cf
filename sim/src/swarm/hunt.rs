//! A swarm's way through its seeds: what is counted of each, and what is kept of those that fall.

use std::io;

use heck_core::mutant::Planted;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::coverage::Coverage;
use super::draw::draw;
use super::judge::{Failure, Verdict, judge, last_moments};
use super::shrink::{Small, shrink};
use crate::report::draw::DrawError;
use crate::report::sequence::{Sequence, svg_of};

/// What came of all scenarios so far.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How many were run.
    pub tried: u64,
    /// How many of them fell.
    pub failed: u64,
    /// Events of those that did not.
    pub events: u64,
    /// What was met.
    pub coverage: Coverage,
}

/// A seed that fell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Find {
    /// The seed.
    pub seed: u64,
    /// What fell.
    pub what: Fallen,
}

/// What fell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Fallen {
    /// What was drawn is no scenario: what the reader says.
    Refused(String),
    /// Something broke in its run.
    Broken(Box<Broken>),
}

/// What broke, and the scenario made small in which it still does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Broken {
    /// What broke in what was drawn.
    pub failure: Failure,
    /// The small scenario, as TOML.
    pub file: String,
    /// What breaks in it.
    pub small: Failure,
    /// How many runs it took to find.
    pub runs: u32,
    /// The last moments before that as SVG, if it can be run to its end.
    pub picture: Option<String>,
}

impl Tally {
    /// Counts what came of a scenario.
    fn count(&mut self, file: &Table, verdict: &Verdict) {
        self.tried += 1;
        self.coverage.add_file(file);
        if let Verdict::Passed { events, met, .. } = verdict {
            self.events += events;
            self.coverage.add_met(met);
        } else {
            self.failed += 1;
        }
    }

    /// Counts what came of other scenarios.
    pub fn add(&mut self, other: &Self) {
        self.tried += other.tried;
        self.failed += other.failed;
        self.events += other.events;
        self.coverage.add_all(&other.coverage);
    }
}

/// Runs the scenarios of these seeds at the same time; tests plant a bug in every node. What came of them
/// is counted, and each that falls is handed to `found`, made small in at most `shrink_runs` runs, in the order of seeds.
///
/// # Errors
/// Those of `found`, or when a picture cannot be drawn.
pub fn hunt(
    pool: &rayon::ThreadPool,
    seeds: &[u64],
    (planted, shrink_runs): (Planted, u32),
    tally: &mut Tally,
    mut found: impl FnMut(Find) -> io::Result<()>,
) -> io::Result<()> {
    let judged: Vec<(u64, Table, Verdict)> = pool.install(|| {
        let judged = seeds.par_iter().map(|&seed| {
            let file = draw(seed);
            let verdict = judge(&file, planted);
            (seed, file, verdict)
        });
        judged.collect()
    });
    for (seed, file, verdict) in judged {
        tally.count(&file, &verdict);
        let what = match verdict {
            Verdict::Passed { .. } => continue,
            Verdict::Invalid(report) => Fallen::Refused(report),
            Verdict::Failed(failure) => {
                let broken = make_small(&file, failure, planted, shrink_runs);
                Fallen::Broken(broken.map_err(io::Error::other)?.into())
            }
        };
        found(Find { seed, what })?;
    }
    Ok(())
}

fn make_small(
    file: &Table,
    failure: Failure,
    planted: Planted,
    shrink_runs: u32,
) -> Result<Broken, DrawError> {
    let Small { file, failure: small, runs } = shrink(file, &failure, planted, shrink_runs);
    let seen = last_moments(&file, planted);
    let violation = seen.as_ref().and_then(|run| Some((run, run.violations.first()?)));
    let picture = violation.map(|(run, violation)| svg_of(&Sequence { moments: &run.last, violation }));
    Ok(Broken { failure, file: file.to_string(), small, runs, picture: picture.transpose()? })
}
