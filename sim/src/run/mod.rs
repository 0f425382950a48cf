//! Running scenarios: every point under every seed, in parallel over both, each run by itself deterministic.

mod answers;
pub mod branches;
mod certainty;
mod checks;
pub mod conditions;
pub mod deaths;
pub mod expectations;
mod extras;
pub mod faults;
mod in_force;
pub mod one;
pub mod origins;
pub mod plan;
pub mod setup;
mod sides;
pub mod steps;
mod tape;
pub mod turns;
mod watch;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use heck_core::rng::Seed;
use rayon::prelude::*;

use crate::report::outcome::{ModelParameters, Outcome, PointOutcome, RunOutcome};
use crate::scenario::{Point, ScenarioFile};
pub use one::touched;
use setup::Setup;

/// How runs are to be made, beyond what the scenario says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Encode and decode every packet and frame on its way.
    pub wire: bool,
    /// Count what of the checkers and of the core a run meets ([`RunOutcome::met`](crate::report::outcome::RunOutcome::met)).
    pub count_met: bool,
    /// Keep the last moments ([`RunOutcome::last`]), and end the run with the first thing that breaks.
    pub tape: bool,
    /// Mark the steps of the run, and keep those with these numbers ([`RunOutcome::steps`]).
    pub steps: Option<Range<u64>>,
    /// The words that replay a run, up to its seed: `heck-sim run FILE --set …`.
    pub replay: String,
}

/// Why a scenario could not be run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario asks for what cannot be.
    #[error("{0}")]
    Impossible(String),
    /// A message did not survive its encoding: a bug of the codec.
    #[error("{0}")]
    Wire(String),
}

/// All runs of a scenario, by number: point by point, and at each point seed by seed.
pub struct Runs<'a> {
    prepared: Vec<Prepared<'a>>,
    /// The point and the seed of each.
    jobs: Vec<(usize, u64)>,
}

/// One point with what its runs share.
struct Prepared<'a> {
    point: &'a Point,
    setup: Setup,
}

impl<'a> Runs<'a> {
    /// Those of a scenario, made ready.
    ///
    /// # Errors
    /// When the scenario asks for what cannot be.
    pub fn of(file: &'a ScenarioFile) -> Result<Self, RunError> {
        let prepared = file.points.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
        let jobs = prepared.iter().enumerate().flat_map(|(index, prepared)| {
            let run = &prepared.point.scenario.run;
            (0..u64::from(run.runs)).map(move |number| (index, run.seed.wrapping_add(number)))
        });
        let jobs = jobs.collect();
        Ok(Self { prepared, jobs })
    }

    /// Makes run number `number`, which is below [`run_count`].
    ///
    /// # Errors
    /// When the scenario cannot be run, or the run breaks off.
    pub fn run(&self, number: u64, options: &Options) -> Result<RunOutcome, RunError> {
        let (index, seed) = self.jobs[number as usize];
        let Prepared { point, setup } = &self.prepared[index];
        one::run(&point.scenario, setup, Seed(seed), options)
    }
}

/// Runs all points of a scenario under all its seeds; `tick` is called after each run.
///
/// # Errors
/// When the scenario cannot be run, or a run breaks off. The first error in the order of points and seeds.
pub fn run_scenario(
    file: &ScenarioFile,
    options: &Options,
    tick: &(dyn Fn() + Sync),
) -> Result<Outcome, RunError> {
    let runs = Runs::of(file)?;
    let broken = AtomicBool::new(false);
    let results: Vec<Option<Result<RunOutcome, RunError>>> = (0..runs.jobs.len())
        .into_par_iter()
        .map(|number| {
            if broken.load(Ordering::Relaxed) {
                return None;
            }
            let result = runs.run(number as u64, options);
            broken.fetch_or(result.is_err(), Ordering::Relaxed);
            tick();
            Some(result)
        })
        .collect();
    let results = results.into_iter().flatten().collect::<Result<Vec<_>, _>>()?;
    Ok(outcome_of(file, results))
}

/// How many runs a scenario takes.
#[must_use]
pub fn run_count(file: &ScenarioFile) -> u64 {
    file.points.iter().map(|point| u64::from(point.scenario.run.runs)).sum()
}

/// What all runs of a scenario came to, given each of them in the order of [`Runs`].
#[must_use]
pub fn outcome_of(file: &ScenarioFile, runs: Vec<RunOutcome>) -> Outcome {
    let mut runs = runs.into_iter();
    let points = file.points.iter().map(|point| {
        let count = point.scenario.run.runs as usize;
        PointOutcome { runs: runs.by_ref().take(count).collect(), ..point_outcome(point) }
    });
    let points = points.collect();
    outcome(file, points)
}

fn prepare(point: &Point) -> Result<Prepared<'_>, RunError> {
    let config = point.scenario.cluster.protocol.config();
    let config = config.map_err(|error| RunError::Impossible(error.to_string()))?;
    Ok(Prepared { point, setup: Setup::new(&point.scenario, config) })
}

fn point_outcome(point: &Point) -> PointOutcome {
    let scenario = &point.scenario;
    let protocol = &scenario.cluster.protocol;
    let nodes = scenario.cluster.nodes;
    let broadcast = match protocol.broadcast {
        heck_core::config::Broadcast::All => 1.0,
        heck_core::config::Broadcast::None => 0.0,
        heck_core::config::Broadcast::Some(few) => (f64::from(few) / f64::from(nodes)).min(1.0),
    };
    let rumours = protocol.rumour_bytes.as_u64() > 0 && protocol.rumour_sends > 0;
    let requests = f64::from(protocol.repair_fanout);
    PointOutcome {
        label: point.label.clone(),
        nodes,
        repair_interval_us: protocol.repair_interval.as_us(),
        resolution_us: scenario.measure.resolution.as_us(),
        model: ModelParameters {
            loss: setup::mean_loss(scenario),
            pulls_per_round: requests,
            pushes_per_round: if rumours { requests } else { 0.0 },
            broadcast,
        },
        options: scenario.resolved_toml(),
        runs: Vec::new(),
    }
}

fn outcome(file: &ScenarioFile, points: Vec<PointOutcome>) -> Outcome {
    let scenario = &file.scenario;
    let sweep = scenario.sweep.as_ref();
    Outcome {
        scenario: file.name.clone(),
        title: scenario.question.clone(),
        question: scenario.question.clone(),
        seed: scenario.run.seed,
        scenario_hash: scenario.scenario_hash(),
        sweep: sweep.map(|sweep| sweep.key.clone().unwrap_or_else(|| "settings".to_owned())),
        points,
        real: None,
    }
}
