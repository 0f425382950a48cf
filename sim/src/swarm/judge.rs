//! Running a drawn scenario and saying what broke.

use std::panic::{AssertUnwindSafe, catch_unwind};

use heck_core::mutant::Planted;
use heck_core::rng::Seed;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::report::outcome::{Met, RunOutcome};
use crate::run::setup::Setup;
use crate::run::{Options, one};
use crate::scenario::ScenarioFile;

/// Under which name a drawn scenario is checked.
const NAME: &str = "swarm/drawn.toml";

/// What broke first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Which invariant, or what ended the run.
    pub check: String,
    /// What was seen, where and when.
    pub detail: String,
    /// Hash over all events of the run.
    pub trace_hash: u64,
}

/// How the run of a drawn scenario ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No invariant was broken, and all agreed in the quiet time.
    Passed {
        /// Hash over all events of the run.
        trace_hash: u64,
        /// How many events there were.
        events: u64,
        /// What of the checkers and of the core was met.
        met: Vec<Met>,
    },
    /// Something broke.
    Failed(Failure),
    /// The file is no scenario: what the reader says.
    Invalid(String),
}

/// Runs a scenario under its one seed with all checkers; tests plant a bug in every node.
#[must_use]
pub fn judge(file: &Table, planted: Planted) -> Verdict {
    let options = Options { count_met: true, ..Options::default() };
    match run(file, planted, &options) {
        Ok(run) => of_run(run),
        Err(verdict) => verdict,
    }
}

/// The run up to the first thing that breaks, with its last moments. None where it cannot be run to its end.
#[must_use]
pub fn last_moments(file: &Table, planted: Planted) -> Option<RunOutcome> {
    run(file, planted, &Options { tape: true, ..Options::default() }).ok()
}

fn run(file: &Table, planted: Planted, options: &Options) -> Result<RunOutcome, Verdict> {
    let parsed = ScenarioFile::parse(NAME, &file.to_string(), &[]);
    let parsed = parsed.map_err(|report| Verdict::Invalid(report.to_string()))?;
    let scenario = &parsed.scenario;
    let config = scenario.cluster.protocol.config();
    let mut config = config.map_err(|error| Verdict::Invalid(error.to_string()))?;
    config.planted = planted;
    let broken = |check: &str, detail: String| {
        Verdict::Failed(Failure { check: check.to_owned(), detail, trace_hash: 0 })
    };
    // A panic is a find like any other: the file that leads to it is made small too.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        one::run(scenario, &Setup::new(scenario, config), Seed(scenario.run.seed), options)
    }));
    let ended = ended.map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        broken("panic", said.unwrap_or("no words").to_owned())
    })?;
    ended.map_err(|error| broken("run", error.to_string()))
}

fn of_run(run: RunOutcome) -> Verdict {
    let RunOutcome { trace_hash, events, met, .. } = run;
    match run.violations.first() {
        None => Verdict::Passed { trace_hash, events, met },
        Some(violation) => {
            let node = violation.node.map(|node| format!(" at node {node}")).unwrap_or_default();
            let time_s = violation.time_us as f64 / 1e6;
            let detail = format!("{time_s:.3} s{node}: {}", violation.detail);
            Verdict::Failed(Failure { check: violation.check.clone(), detail, trace_hash })
        }
    }
}
