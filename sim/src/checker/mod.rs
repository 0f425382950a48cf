//! Checkers: invariants that every run is held against, apart from the simulator that runs it.
//!
//! Cheap ones look at each step; thorough ones visit nodes now and then and at the end. A violation names the
//! check, the time and the node; whoever runs adds the seed and the command that replays it.

mod agreement;
mod bounds;
mod claims;
mod history;

use std::sync::Arc;

use heck_core::effects::Event;
use heck_core::entry::Entry;
use heck_core::node::Node;
use heck_core::state::Change;
use heck_core::time::Time;

pub use bounds::Bounds;

use crate::engine::observer::Step;
use crate::protocol::heck::Heck;
use claims::Claims;
use history::History;

/// After this many violations a run is stopped: the first ones tell the story.
const VIOLATION_LIMIT: usize = 16;

/// A broken invariant, as a checker finds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Name of the check.
    pub check: &'static str,
    /// When.
    pub time: Time,
    /// Where, if at one node.
    pub node: Option<u32>,
    /// What was seen and what should have been.
    pub detail: String,
}

/// All checkers of one run.
#[derive(Debug)]
pub struct Checkers {
    findings: Vec<Finding>,
    history: History,
    claims: Claims,
    bounds: Bounds,
}

impl Checkers {
    /// Checkers for a run of this many nodes.
    #[must_use]
    pub fn new(nodes: u32, bounds: Bounds) -> Self {
        Self { findings: Vec::new(), history: History::new(nodes), claims: Claims::default(), bounds }
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether enough was found.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.findings.len() >= VIOLATION_LIMIT
    }

    fn note(&mut self, check: &'static str, time: Time, node: u32, broken: Option<String>) {
        if let Some(detail) = broken
            && !self.is_full()
        {
            self.findings.push(Finding { check, time, node: Some(node), detail });
        }
    }

    /// Looks at a step; `changed` says whether the replicated state changed in it.
    pub fn after_step(&mut self, step: &Step<'_, Heck>, changed: bool) {
        for sent in step.outbox.sent() {
            let broken = self.bounds.datagram(sent.len_bytes);
            self.note("datagram size", step.time, step.node, broken);
        }
        if !changed {
            return;
        }
        for event in step.outbox.reported() {
            if let Event::Changed(Change::Learned(entry)) = event {
                self.learned(step, entry);
            }
        }
    }

    fn learned(&mut self, step: &Step<'_, Heck>, entry: &Arc<Entry>) {
        let broken = self.history.learned(step.node, entry, step.protocol.node());
        self.note("no resurrection", step.time, step.node, broken);
        let broken = self.claims.learned(step.node, entry);
        self.note("no regress", step.time, step.node, broken);
    }

    /// A node starts a new life: what it has seen begins again from its disk.
    pub fn restarted(&mut self, node: u32) {
        self.history.restarted(node);
        self.claims.restarted(node);
    }

    /// Visits a node thoroughly.
    pub fn visit(&mut self, time: Time, index: u32, node: &Node) {
        let broken = self.history.over_claim(index, node);
        self.note("no over-claim", time, index, broken);
        let broken = self.bounds.memory(node, self.history.written());
        self.note("memory bounded", time, index, broken);
    }

    /// Compares nodes that have had time to agree.
    pub fn compare<'a>(&mut self, time: Time, nodes: impl Iterator<Item = (u32, &'a Node)>) {
        for (index, detail) in agreement::differences(nodes) {
            self.note("agreement after quiet", time, index, Some(detail));
        }
    }
}
