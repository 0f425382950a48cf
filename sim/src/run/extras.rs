//! What is kept of a run beside its measures, each part only where it is asked for.

use heck_core::id::Name;

use super::Options;
use super::branches::{Branch, Branches};
use super::steps::Recorder;
use super::tape::Tape;
use crate::checker::{Check, Looks, Names};
use crate::engine::observer::Step;
use crate::protocol::heck::Heck;
use crate::report::outcome::{Met, Moment, Steps};

/// What is kept.
pub struct Extras {
    branches: Option<Branches>,
    tape: Option<Tape>,
    steps: Option<Recorder>,
}

impl Extras {
    /// What these options ask for, of nodes with these names.
    #[must_use]
    pub fn new(options: &Options, names: &[Name]) -> Self {
        Self {
            branches: options.count_met.then(Branches::default),
            tape: options.tape.then(|| Tape::new(Names::new(names))),
            steps: options.steps.clone().map(Recorder::new),
        }
    }

    /// Whether the first thing that breaks ends the run: the tape is to end with it.
    #[must_use]
    pub const fn end_with_finding(&self) -> bool {
        self.tape.is_some()
    }

    /// Takes in a step that left a state of this hash.
    pub fn after_step(&mut self, step: &Step<'_, Heck>, hash: u64) {
        if let Some(branches) = &mut self.branches {
            branches.after_step(step);
        }
        if let Some(steps) = &mut self.steps {
            steps.after_step(step.cause, hash);
        }
        if let Some(tape) = &mut self.tape {
            tape.after_step(step);
        }
    }

    /// What of the checkers, given how often each looked, and of the core was met; nothing when it was not counted.
    #[must_use]
    pub fn met(&self, looks: &Looks) -> Vec<Met> {
        let Some(branches) = &self.branches else { return Vec::new() };
        let checkers = Check::ALL.into_iter().zip(looks);
        let checkers = checkers.map(|(check, &count)| Met { kind: "checker", name: check.name(), count });
        let branches = Branch::ALL.iter().map(|&branch| Met {
            kind: "branch",
            name: branch.name(),
            count: branches.count(branch),
        });
        checkers.chain(branches).collect()
    }

    /// The marked steps and the last moments.
    pub fn take(&mut self) -> (Steps, Vec<Moment>) {
        let steps = self.steps.take().map(Recorder::into_steps);
        let last = self.tape.take().map(Tape::into_moments);
        (steps.unwrap_or_default(), last.unwrap_or_default())
    }
}
