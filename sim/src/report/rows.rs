//! The rows of the CSV files. A field's name is its column's name; `results/README.md` documents each of them.

use super::decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `curve.csv`: one row per point, kind and moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "columns are documented once, in results/README.md, and a test holds them to it"
)]
pub struct CurveRow {
    pub point: String,
    pub kind: String,
    pub time_us: u64,
    pub round: Decimal<3>,
    pub share_p05: Decimal<7>,
    pub share_p25: Decimal<7>,
    pub share_p50: Decimal<7>,
    pub share_p75: Decimal<7>,
    pub share_p95: Decimal<7>,
    pub analytic: Decimal<7>,
    pub bound: Decimal<7>,
}

/// `runs.csv`: one row per point, seed and update followed; one with these columns empty when none was.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "columns are documented once, in results/README.md, and a test holds them to it"
)]
pub struct RunRow {
    pub point: String,
    pub seed: u64,
    pub trace_hash: String,
    pub events: u64,
    pub kind: String,
    pub source: Option<u32>,
    pub nodes: u64,
    pub reached: Option<u64>,
    pub censored: Option<bool>,
    pub observed_s: Option<Decimal<6>>,
    pub time_50_s: Option<Decimal<6>>,
    pub time_90_s: Option<Decimal<6>>,
    pub time_99_s: Option<Decimal<6>>,
    pub time_99_9_s: Option<Decimal<6>>,
    pub time_100_s: Option<Decimal<6>>,
    pub rounds_50: Option<Decimal<3>>,
    pub rounds_90: Option<Decimal<3>>,
    pub rounds_99: Option<Decimal<3>>,
    pub rounds_99_9: Option<Decimal<3>>,
    pub rounds_100: Option<Decimal<3>>,
    pub delivery_ratio_p95: Option<Decimal<4>>,
    pub datagrams_per_node_round: Decimal<4>,
    pub datagrams_per_node_s: Decimal<4>,
    pub bytes_per_node_s: Decimal<2>,
    pub push_datagrams_per_node_s: Decimal<4>,
    pub push_bytes_per_node_s: Decimal<2>,
    pub request_datagrams_per_node_s: Decimal<4>,
    pub request_bytes_per_node_s: Decimal<2>,
    pub reply_datagrams_per_node_s: Decimal<4>,
    pub reply_bytes_per_node_s: Decimal<2>,
    pub probe_datagrams_per_node_s: Decimal<4>,
    pub probe_bytes_per_node_s: Decimal<2>,
    pub beat_datagrams_per_node_s: Decimal<4>,
    pub beat_bytes_per_node_s: Decimal<2>,
    pub stream_bytes_per_node_s: Decimal<2>,
    pub largest_datagram: u32,
    pub agreement_s: Option<Decimal<6>>,
    pub suspicions: u64,
    pub false_deaths: u64,
    pub healthy_deaths: u64,
    pub healthy_deaths_at_healthy: u64,
    pub left_deaths: u64,
    pub refutations: u64,
    pub lists_right_s: Option<Decimal<6>>,
    pub list_lengths: u32,
    pub peak_overlay: u64,
    pub removed: u32,
    pub removed_since_s: Option<Decimal<6>>,
    pub violations: u32,
}

/// `checks.csv`: one row per point and seed; there is no such file where nobody checks.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "columns are documented once, in results/README.md, and a test holds them to it"
)]
pub struct CheckRow {
    pub point: String,
    pub seed: u64,
    pub checks_per_interval: Decimal<4>,
    pub probes: u64,
    pub confirming_probes: u64,
    pub greatest_load: u32,
    pub unchecked_s: Decimal<6>,
    pub checked_twice_s: Decimal<6>,
    pub moved: Decimal<6>,
    pub claims: u64,
    pub late_claims: u64,
    pub false_unhealthy: u64,
    pub answers: u64,
    pub stale_share: Option<Decimal<6>>,
    pub age_p50_s: Option<Decimal<2>>,
    pub age_p99_s: Option<Decimal<2>>,
    pub age_max_s: Option<Decimal<2>>,
}

/// `summary.csv`: one row per point, kind and milestone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "columns are documented once, in results/README.md, and a test holds them to it"
)]
pub struct SummaryRow {
    pub point: String,
    pub kind: String,
    pub milestone: String,
    pub n: u64,
    pub censored: u64,
    pub never_bound: Option<Decimal<4>>,
    pub mean_rounds: Decimal<3>,
    pub mean_low_rounds: Decimal<3>,
    pub mean_high_rounds: Decimal<3>,
    pub median_rounds: Decimal<3>,
    pub median_low_rounds: Decimal<3>,
    pub median_high_rounds: Decimal<3>,
    pub p05_rounds: Decimal<3>,
    pub p95_rounds: Decimal<3>,
    pub mean_s: Decimal<6>,
    pub median_s: Decimal<6>,
    pub p05_s: Decimal<6>,
    pub p95_s: Decimal<6>,
}

/// `agreement.csv`: one row per kind, where a scenario was run by both drivers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "columns are documented once, in results/README.md, and a test holds them to it"
)]
pub struct AgreementRow {
    pub kind: String,
    pub simulated_runs: u64,
    pub real_runs: u64,
    pub distance: Decimal<4>,
    pub distance_at_s: Decimal<3>,
    pub distance_s: Decimal<3>,
    pub distance_s_at: Decimal<4>,
    pub spread: Decimal<4>,
    pub spread_s: Decimal<3>,
    pub beyond_spread: Decimal<4>,
    pub simulated_never: u64,
    pub real_never: u64,
}
