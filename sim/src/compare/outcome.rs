//! What a comparison came to: plain data that the runner fills in and the reports read.

use serde::{Deserialize, Serialize};

use crate::protocol::responsibility_graph::cut::Cut;
use crate::run::setup::mean_loss;
use crate::scenario::compare::System;
use crate::scenario::{Point, ScenarioFile};

/// A look at all nodes that are up.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at_us: u64,
    /// How many deliveries there should have been by then, to all nodes but the publisher.
    pub due: u64,
    /// How many there were.
    pub delivered: u64,
    /// The longest queue.
    pub queue: u64,
    /// The most that one held.
    pub memory_bytes: u64,
    /// What all have sent since the warm-up.
    pub sent_bytes: u64,
}

/// One run of one system.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct SystemRun {
    /// Its seed.
    pub seed: u64,
    /// The hash of all that happened in it.
    pub trace_hash: u64,
    /// How many events those were.
    pub events: u64,
    /// From the end of the warm-up to the end.
    pub measured_us: u64,
    /// How long each delivery took to a node that is up in the end, with the node's zone; ascending.
    pub took_us: Vec<(u16, u64)>,
    /// How many such deliveries never happened.
    pub missing: u64,
    /// For each message, when the last such node had it; none if one never did.
    pub all_us: Vec<Option<u64>>,
    /// Messages whose publisher did not know in time that they are out.
    pub refused: u64,
    /// What all deliveries took beyond the latency of the network; none where that varies.
    pub wait_us: Option<u64>,
    /// What all nodes sent.
    pub sent_bytes: u64,
    /// What the one sent that sent most.
    pub busiest_bytes: u64,
    /// The longest datagram.
    pub datagram_max: u32,
    /// Probes of origins.
    pub probes: u64,
    /// Keys of which two nodes hold different values; none where nothing of the kind is measured.
    pub diverged: Option<u64>,
    /// Keys of which most nodes do not hold what was written last.
    pub overruled: Option<u64>,
    /// For each origin that went down, when the last node that answers knew; none if one never did.
    pub known_us: Vec<Option<u64>>,
    /// What was seen of queues and memory.
    pub moments: Vec<Moment>,
}

/// What holds a graph of responsibility together; that of the first seed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GraphFacts {
    /// The fewest arrows, from whom to whom, without which somebody cannot be reached from somebody; none where the
    /// graph is too large to be asked.
    pub arrows: Option<Cut<(u32, u32)>>,
    /// The fewest nodes; none where the graph is too large, or everybody is responsible for everybody.
    pub nodes: Option<Cut<u32>>,
    /// Into how many parts the first partition of the scenario cuts it.
    pub parts: Option<usize>,
}

/// All systems at one point.
#[derive(Clone, PartialEq, Debug)]
pub struct PointComparison {
    /// As in the sweep; empty where nothing is swept.
    pub label: String,
    /// All nodes.
    pub nodes: u32,
    /// A round, in microseconds.
    pub round_us: u64,
    /// Whether the talk's recurrence belongs beside, and at which loss.
    pub theory: Option<f64>,
    /// How many origins are checked, and how often.
    pub checks: Option<(u32, u64)>,
    /// What holds the graph of responsibility together, where there is one.
    pub graph: Option<GraphFacts>,
    /// The names of the zones.
    pub zones: Vec<String>,
    /// The times of faults, from when to when.
    pub faults: Vec<(u64, u64)>,
    /// All resolved options.
    pub options: String,
    /// The systems with their runs.
    pub systems: Vec<(System, Vec<SystemRun>)>,
}

/// A whole scenario.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// `<topic>/<question>`.
    pub scenario: String,
    /// What it asks.
    pub question: String,
    /// The seed of the first run.
    pub seed: u64,
    /// Hash of the scenario with every option resolved.
    pub scenario_hash: u64,
    /// The swept parameter.
    pub sweep: Option<String>,
    /// At least one.
    pub points: Vec<PointComparison>,
}

impl PointComparison {
    pub(super) fn new(
        point: &Point,
        graph: Option<GraphFacts>,
        systems: Vec<(System, Vec<SystemRun>)>,
    ) -> Self {
        let scenario = &point.scenario;
        let end_us = scenario.run.duration.as_us();
        let faults = scenario.fault.iter().map(|fault| {
            let from_us = fault.at.as_us();
            let lasts = fault.spans().into_iter().find(|(of, _)| of.ends_with("lasts"));
            (from_us, lasts.map_or(end_us, |(_, lasts)| from_us + lasts.as_us()))
        });
        let checks = scenario.checks.as_ref();
        let is_theory = scenario.compare.as_ref().is_some_and(|compare| compare.theory);
        Self {
            label: point.label.clone(),
            nodes: scenario.cluster.nodes,
            round_us: scenario.cluster.protocol.repair_interval.as_us(),
            theory: is_theory.then(|| mean_loss(scenario)),
            checks: checks.map(|checks| (scenario.cluster.origins, checks.interval.as_us())),
            graph,
            zones: scenario.cluster.zones().iter().map(|zone| zone.name.to_owned()).collect(),
            faults: faults.collect(),
            options: scenario.resolved_toml(),
            systems,
        }
    }
}

impl Comparison {
    pub(super) fn new(file: &ScenarioFile, points: Vec<PointComparison>) -> Self {
        let scenario = &file.scenario;
        let sweep = scenario.sweep.as_ref();
        Self {
            scenario: file.name.clone(),
            question: scenario.question.clone(),
            seed: scenario.run.seed,
            scenario_hash: scenario.scenario_hash(),
            sweep: sweep.map(|sweep| sweep.key.clone().unwrap_or_else(|| "settings".to_owned())),
            points,
        }
    }
}
