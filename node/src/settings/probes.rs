//! The settings of probes.

use super::value::Ports;
use crate::probe::ProbeConfig;
use crate::probe::guard::GuardConfig;
use ipnet::IpNet;
use std::path::PathBuf;

/// How origins are probed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probes {
    /// Networks that may be probed, whatever is denied by default.
    pub allow: Vec<IpNet>,
    /// Networks that may not be probed, unless a narrower one is allowed.
    pub deny: Vec<IpNet>,
    /// Ports that may be probed; all when there are none.
    pub ports: Vec<Ports>,
    /// The folder of the files that headers name as secrets.
    pub secrets_dir: Option<PathBuf>,
    /// Probes under way at once.
    pub at_once: u32,
}

impl Default for Probes {
    fn default() -> Self {
        let usual = ProbeConfig::default();
        let at_once = u32::try_from(usual.at_once).unwrap_or(u32::MAX);
        Self { allow: Vec::new(), deny: Vec::new(), ports: Vec::new(), secrets_dir: None, at_once }
    }
}

impl Probes {
    /// For the driver. On loopback are a node's gossip and API: who can reach neither from elsewhere gets at loopback
    /// by no check.
    pub(super) fn config(&self, is_on_loopback: bool) -> ProbeConfig {
        ProbeConfig {
            guard: GuardConfig {
                loopback: is_on_loopback,
                allow: self.allow.clone(),
                deny: self.deny.clone(),
                ports: self.ports.iter().map(|ports| ports.0.clone()).collect(),
            },
            secrets_dir: self.secrets_dir.clone(),
            at_once: self.at_once as usize,
            ..ProbeConfig::default()
        }
    }
}
