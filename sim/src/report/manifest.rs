//! `manifest.toml`: what was run, so that anyone can run it again and compare. No time, host or commit.

use super::agreement::TOLERANCE_US;
use super::outcome::{ModelParameters, Outcome, PointOutcome, RealFacts};
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
    /// What is known of runs on real processes, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real: Option<RealManifest>,
    /// The points, in order.
    #[serde(rename = "point")]
    pub points: Vec<PointManifest>,
}

/// What is known of runs on real processes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealManifest {
    /// What the program said of its version.
    pub heck: String,
    /// How much later the one or the other may be without being held to differ.
    pub tolerance_us: u64,
    /// How often nodes were asked for their members.
    pub members_every_us: u64,
    /// The share of packets between nodes that was lost.
    pub packets_lost: f64,
    /// How long the nodes took to be a cluster.
    pub forming_s: f64,
    /// Writes that nodes did not take.
    pub writes_refused: u32,
    /// The share of processor time that was used.
    pub processors_busy: f64,
    /// By how much the observer was late.
    pub late_p99_us: u64,
    /// Datagrams that a real node sent in a round.
    pub datagrams_per_node_round: f64,
    /// Those of a simulated one.
    pub simulated_datagrams_per_node_round: f64,
    /// What datagrams of a real node carried in a second.
    pub datagram_bytes_per_node_s: f64,
    /// What those of a simulated one did.
    pub simulated_datagram_bytes_per_node_s: f64,
}

impl RealManifest {
    fn of(facts: &RealFacts) -> Self {
        let thousandths = |value: f64| (value * 1e3).round() / 1e3;
        Self {
            heck: facts.heck.clone(),
            tolerance_us: TOLERANCE_US,
            members_every_us: facts.members_every_us,
            packets_lost: thousandths(facts.packets_lost),
            forming_s: thousandths(facts.forming_s),
            writes_refused: facts.writes_refused,
            processors_busy: thousandths(facts.processors_busy),
            late_p99_us: facts.late_p99_us,
            datagrams_per_node_round: thousandths(facts.datagrams_per_node_round.real),
            simulated_datagrams_per_node_round: thousandths(facts.datagrams_per_node_round.simulated),
            datagram_bytes_per_node_s: thousandths(facts.datagram_bytes_per_node_s.real),
            simulated_datagram_bytes_per_node_s: thousandths(facts.datagram_bytes_per_node_s.simulated),
        }
    }
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
            real: outcome.real.as_ref().map(RealManifest::of),
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
