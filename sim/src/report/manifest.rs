//! `manifest.toml`: what was run, so that anyone can run it again and compare. No time, host or commit.

use super::outcome::{ModelParameters, Outcome, PointOutcome};
use super::tabulate::hex;
use serde::{Deserialize, Serialize};

/// The manifest of one scenario's results. Its keys are documented in `results/README.md`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the simulator's crate.
    pub heck_sim: String,
    /// `<topic>/<question>`.
    pub scenario: String,
    /// Head of plot and table.
    pub title: String,
    /// What the scenario asks.
    pub question: String,
    /// Base seed, in decimal; a string because TOML's integers end at 2⁶³.
    pub seed: String,
    /// Hash of the scenario with all options resolved.
    pub scenario_hash: String,
    /// One hash over the trace hashes of all runs.
    pub trace_hash: String,
    /// The swept parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<String>,
    /// The points, in order.
    #[serde(rename = "point")]
    pub points: Vec<PointManifest>,
}

/// One point of the manifest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointManifest {
    /// As in the CSV files.
    pub label: String,
    /// All nodes.
    pub nodes: u32,
    /// A round.
    pub repair_interval_us: u64,
    /// How many seeds.
    pub runs: u64,
    /// Loss of one datagram in one direction, as the analytic curve takes it.
    pub loss: f64,
    /// Repair requests per node and round, as the analytic curve takes them.
    pub pulls_per_round: f64,
    /// Payload pushes per node and round, as the analytic curve takes them.
    pub pushes_per_round: f64,
    /// Share of nodes that the source addresses at once, as the analytic curve takes it.
    pub broadcast: f64,
    /// All resolved options.
    pub options: String,
}

impl Manifest {
    /// The manifest of an outcome.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        Self {
            heck_sim: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: outcome.scenario.clone(),
            title: outcome.title.clone(),
            question: outcome.question.clone(),
            seed: outcome.seed.to_string(),
            scenario_hash: hex(outcome.scenario_hash),
            trace_hash: hex(outcome.trace_hash()),
            sweep: outcome.sweep.clone(),
            points: outcome.points.iter().map(PointManifest::of).collect(),
        }
    }
}

impl PointManifest {
    fn of(point: &PointOutcome) -> Self {
        let ModelParameters { loss, pulls_per_round, pushes_per_round, broadcast } = point.model;
        Self {
            label: point.label.clone(),
            nodes: point.nodes,
            repair_interval_us: point.repair_interval_us,
            runs: point.runs.len() as u64,
            loss,
            pulls_per_round,
            pushes_per_round,
            broadcast,
            options: point.options.clone(),
        }
    }
}
