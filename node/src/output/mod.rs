//! Outputs: what stands beside a node hears from it which origins are to be used.
//!
//! All of them read the copy of the replicated state from which the API answers, and add nothing to the protocol.
//! `verdict` says what a user of origins is to make of one, `places` where origins are. Each output is a file or
//! folder: `agent_check` answers HAProxy, `dns` resolvers, over `connections`; `envoy` and `prometheus` make the lists that the API and a file hold, `webhook` tells of
//! changes, `probe` answers as the Blackbox exporter does.
//! OUTPUTS.md describes them all.

mod agent_check;
mod connections;
mod dns;
pub(crate) mod envoy;
mod places;
pub(crate) mod probe;
pub(crate) mod prometheus;
mod ready;
mod verdict;
mod webhook;

use places::{Directory, Place, Places};
pub use probe::ProbeTargets;
pub use verdict::Caution;
pub(crate) use verdict::Verdict;

use crate::api::Model;
use crate::handle::NodeHandle;
use crate::settings::Outputs as Settings;
use ready::Ready;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::task::JoinSet;

/// How long outputs may take to finish what they are at when the node ends.
const GRACE: Duration = Duration::from_secs(2);

/// Why an output cannot be opened.
#[derive(Debug, Error)]
pub enum OutputError {
    /// A setting makes no sense.
    #[error("`outputs.{key}`: {what}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Its address cannot be used.
    #[error("`outputs.{key}`: cannot listen at {addr}: {source}")]
    Listen {
        /// The setting.
        key: &'static str,
        /// Its value.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What of the outputs the API serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiOutputs {
    /// Whether it serves the lists for Envoy and Prometheus.
    pub discovery: bool,
    /// Which targets it probes on request.
    pub probe: ProbeTargets,
    /// What outputs make of answers that are less than certain, those beside the API too.
    pub caution: Caution,
}

impl Default for ApiOutputs {
    fn default() -> Self {
        Self { discovery: true, probe: ProbeTargets::Off, caution: Caution::default() }
    }
}

/// What the outputs of a node read.
#[derive(Debug)]
pub(crate) struct Outlook {
    pub model: Model,
    pub node: NodeHandle,
    pub directory: Directory,
    pub caution: Caution,
    pub ready: Ready,
    /// Changes of state that wait to be told.
    pub webhook: webhook::Queue,
    /// Probes on request.
    pub on_request: probe::OnRequest,
}

impl Outlook {
    pub(crate) fn new(node: NodeHandle, model: Model, caution: Caution) -> Self {
        let (directory, ready) = (Directory::new(model.clone()), Ready::new(node.clone()));
        Self {
            model,
            node,
            directory,
            caution,
            ready,
            webhook: webhook::Queue::default(),
            on_request: probe::OnRequest::default(),
        }
    }
}

/// Outputs whose settings are in order and whose addresses are taken, so that nothing else is begun in vain.
#[derive(Debug)]
pub struct Prepared {
    agent_check: Option<std::net::TcpListener>,
    envoy_file: Option<PathBuf>,
    webhook: Option<webhook::Hook>,
    dns: Option<dns::Dns>,
}

/// Open outputs. They end when this is dropped.
#[derive(Debug)]
pub struct Outputs {
    /// What is open, and where.
    open: Vec<(&'static str, String)>,
    outlook: Arc<Outlook>,
    _tasks: JoinSet<()>,
}

impl Outputs {
    /// What is open, and where, for people.
    pub(crate) fn list(&self) -> &[(&'static str, String)] {
        &self.open
    }

    /// Closes: what the webhook has not told yet is told, if that can be done at once.
    pub(crate) async fn close(self) {
        webhook::finish(&self.outlook.webhook, GRACE).await;
    }
}

impl Prepared {
    /// Takes the addresses of outputs.
    ///
    /// # Errors
    /// When a setting makes no sense or an address cannot be used. Nothing is open then.
    pub fn new(settings: &Settings) -> Result<Self, OutputError> {
        let listen = |key, addr: SocketAddr| {
            let listener = std::net::TcpListener::bind(addr).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            listener.map_err(|source| OutputError::Listen { key, addr, source })
        };
        Ok(Self {
            agent_check: settings.agent_check.map(|addr| listen("agent_check", addr)).transpose()?,
            envoy_file: settings.envoy_file.clone(),
            webhook: webhook::Hook::read(settings)?,
            dns: dns::Dns::bind(settings)?,
        })
    }

    /// Opens the outputs beside an API, which read what it reads.
    pub(crate) fn open(self, outlook: &Arc<Outlook>) -> Outputs {
        let (mut open, mut tasks) = (Vec::new(), JoinSet::new());
        if let Some(listener) = self.agent_check {
            open.push(("agent checks", shown(listener.local_addr())));
            tasks.spawn(agent_check::serve(listener, outlook.clone()));
        }
        if let Some(path) = self.envoy_file {
            open.push(("envoy", path.display().to_string()));
            tasks.spawn(envoy::follow(path, outlook.clone()));
        }
        if let Some(dns) = self.dns {
            open.push(("dns", shown(dns.addr())));
            dns.open(outlook, &mut tasks);
        }
        if let Some(hook) = self.webhook {
            open.push(("webhook", hook.place()));
            hook.open(outlook, &mut tasks);
        }
        Outputs { open, outlook: outlook.clone(), _tasks: tasks }
    }
}

fn shown(addr: std::io::Result<SocketAddr>) -> String {
    addr.map_or_else(|error| error.to_string(), |addr| addr.to_string())
}
