//! The settings of traces.

use crate::trace::Share;
use std::path::PathBuf;
use std::time::Duration;

/// What is traced, and who is told. See [`crate::trace`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracing {
    /// The URL of the collector; unset, what the standard variables say, or nobody.
    pub endpoint: Option<String>,
    /// A file of headers for it.
    pub headers: Option<PathBuf>,
    /// A file of PEM certificates: the only authorities that count for it; unset, those of the system.
    pub ca: Option<PathBuf>,
    /// How long telling it may take.
    pub timeout: Option<Duration>,
    /// What the node is called as a service.
    pub service_name: Option<String>,
    /// The share of requests that are traced where their client does not say.
    pub sample_ratio: Option<Share>,
    /// The share of probes that are traced.
    pub probe_ratio: Share,
    /// The share of steps that are traced though no traced change has led to them.
    pub step_ratio: Share,
    /// Whether origins are told of the traces of their probes.
    pub tell_origins: bool,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: None,
            ca: None,
            timeout: None,
            service_name: None,
            sample_ratio: None,
            probe_ratio: Share::NONE,
            step_ratio: Share::NONE,
            tell_origins: false,
        }
    }
}
