//! Two runs that should be equal, held against each other step by step.
//!
//! A run marks the hash of its steps now and then. Where two runs have different marks, the steps since the last equal
//! ones are looked at in both, so that the first one that differs has a name and memory stays small.

use std::ops::Range;

use heck_core::hash::mix;
use heck_core::rng::Seed;

use super::setup::Setup;
use super::{Options, RunError, one};
use crate::engine::trace::TraceEvent;
use crate::report::outcome::Steps;
use crate::scenario::Scenario;

/// Steps from one mark to the next.
const STRIDE: u64 = 4_096;

/// Marks steps, and keeps those of a window.
#[derive(Debug)]
pub struct Recorder {
    count: u64,
    hash: u64,
    window: Range<u64>,
    steps: Steps,
}

impl Recorder {
    /// Keeps the steps with these numbers, counted from 0.
    #[must_use]
    pub fn new(window: Range<u64>) -> Self {
        Self { count: 0, hash: 0, window, steps: Steps::default() }
    }

    /// What was marked and kept.
    #[must_use]
    pub fn into_steps(mut self) -> Steps {
        self.steps.marks.push(self.hash);
        self.steps
    }

    /// Takes in what woke a node, and the hash of the state that the step left it in.
    pub fn after_step(&mut self, cause: &TraceEvent, state: u64) {
        let TraceEvent { time_us, node, kind, content, .. } = *cause;
        let what = u64::from(node) << 8 | kind as u64;
        self.hash = mix(mix(mix(mix(self.hash, time_us), what), content), state);
        if self.window.contains(&self.count) {
            self.steps.kept.push(format!("{cause}, then state {state:016x}"));
        }
        self.count += 1;
        if self.count.is_multiple_of(STRIDE) {
            self.steps.marks.push(self.hash);
        }
    }
}

/// Where two runs part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The number of the first step that differs, counted from 0.
    pub step: u64,
    /// That step in the one run; none where it has ended.
    pub first: Option<String>,
    /// And in the other.
    pub second: Option<String>,
}

/// Runs a scenario twice under one seed, in each of the two ways, and finds the first step that differs, if any does.
///
/// # Errors
/// When the scenario cannot be run, or a run breaks off.
pub fn compare(
    scenario: &Scenario,
    ways: [(&Setup, &Options); 2],
    seed: Seed,
) -> Result<Option<Divergence>, RunError> {
    let run = |way: usize, window: Range<u64>| -> Result<Steps, RunError> {
        let (setup, options) = ways[way];
        let options = Options { steps: Some(window), ..options.clone() };
        one::run(scenario, setup, seed, &options).map(|run| run.steps)
    };
    let marks = [run(0, 0..0)?.marks, run(1, 0..0)?.marks];
    if marks[0] == marks[1] {
        return Ok(None);
    }
    let equal = marks[0].iter().zip(&marks[1]).take_while(|(one, other)| one == other).count() as u64;
    let from = equal * STRIDE;
    let kept = [run(0, from..from + STRIDE)?.kept, run(1, from..from + STRIDE)?.kept];
    let same = kept[0].iter().zip(&kept[1]).take_while(|(one, other)| one == other).count();
    let [first, second] = kept.map(|steps| steps.get(same).cloned());
    Ok(Some(Divergence { step: from + same as u64, first, second }))
}
