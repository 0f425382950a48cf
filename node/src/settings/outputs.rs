//! The settings of outputs: what stands beside a node and hears from it which origins are to be used.

use super::value::{Scalar, Value, values, words};
use crate::output::{ApiOutputs, Caution, ProbeTargets};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of outputs. See `OUTPUTS.md`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outputs {
    /// What outputs make of an answer that is stale.
    pub stale: StaleMeans,
    /// What outputs make of an origin of which nobody has said anything yet.
    pub unknown: UnknownMeans,
    /// Whether the API serves the lists for Envoy and Prometheus.
    pub discovery: bool,
    /// The file that the endpoints for Envoy are written to; unset, none.
    pub envoy_file: Option<PathBuf>,
    /// Where HAProxy's agent checks are answered; unset, nowhere.
    pub agent_check: Option<SocketAddr>,
    /// The URL that is told of changes of state; unset, none is.
    pub webhook: Option<String>,
    /// The file of the secret that signs what it is told.
    pub webhook_secret: Option<PathBuf>,
    /// A file of PEM certificates: the only authorities that count for it; unset, those of the system.
    pub webhook_ca: Option<PathBuf>,
    /// Where questions of DNS are answered; unset, nowhere.
    pub dns: Option<SocketAddr>,
    /// The zone of DNS that is answered for.
    pub dns_zone: String,
    /// How long answers of DNS may be remembered, in whole seconds.
    pub dns_ttl: Duration,
    /// Which targets the API probes on request.
    pub probe: ProbeTargets,
}

/// What outputs make of an answer that is older than it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StaleMeans {
    /// What it says goes on to hold.
    Keep,
    /// The origin is not to be used.
    Down,
}

/// What outputs make of an origin of which nobody has said anything yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnknownMeans {
    /// It is not to be used.
    Down,
    /// It may be used.
    Up,
}

words!(StaleMeans { Keep = "keep", Down = "down" });
words!(UnknownMeans { Down = "down", Up = "up" });
words!(ProbeTargets { Off = "off", Origins = "origins", Any = "any" });
values!(StaleMeans, UnknownMeans, ProbeTargets);

impl Default for Outputs {
    fn default() -> Self {
        Self {
            stale: StaleMeans::Keep,
            unknown: UnknownMeans::Down,
            discovery: true,
            envoy_file: None,
            agent_check: None,
            webhook: None,
            webhook_secret: None,
            webhook_ca: None,
            dns: None,
            dns_zone: "heck.internal".to_owned(),
            dns_ttl: Duration::from_secs(2),
            probe: ProbeTargets::Off,
        }
    }
}

impl Outputs {
    /// What the API has to know of them.
    #[must_use]
    pub fn of_api(&self) -> ApiOutputs {
        ApiOutputs { discovery: self.discovery, probe: self.probe, caution: self.caution() }
    }

    fn caution(&self) -> Caution {
        Caution {
            stale_is_down: self.stale == StaleMeans::Down,
            unknown_is_up: self.unknown == UnknownMeans::Up,
        }
    }
}
