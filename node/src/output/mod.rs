//! Outputs: what stands beside a node hears from it which origins are to be used.
//!
//! All of them read the copy of the replicated state from which the API answers, and add nothing to the protocol.
//! `verdict` says what a user of origins is to make of one. Each output is a file or folder: `agent_check`
//! answers HAProxy. OUTPUTS.md describes them all.

mod agent_check;
mod ready;
mod verdict;

pub use verdict::Caution;
pub(crate) use verdict::Verdict;

use crate::api::Model;
use crate::handle::NodeHandle;
use crate::settings::Outputs as Settings;
use ready::Ready;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;
use tokio::task::JoinSet;

/// Why an output cannot be opened.
#[derive(Debug, Error)]
pub enum OutputError {
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

/// What the outputs of a node read.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    pub model: Model,
    pub node: NodeHandle,
    pub caution: Caution,
    pub ready: Ready,
}

/// Outputs whose settings are in order and whose addresses are taken, so that nothing else is begun in vain.
#[derive(Debug)]
pub struct Prepared {
    agent_check: Option<std::net::TcpListener>,
    caution: Caution,
}

/// Open outputs. They end when this is dropped.
#[derive(Debug)]
pub struct Outputs {
    /// What is open, and where.
    open: Vec<(&'static str, String)>,
    _tasks: JoinSet<()>,
}

impl Outputs {
    /// What is open, and where, for people.
    pub(crate) fn list(&self) -> &[(&'static str, String)] {
        &self.open
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
            caution: settings.caution(),
        })
    }

    /// Opens the outputs of a node, which read what its API reads.
    pub(crate) fn open(self, node: NodeHandle, model: Model) -> Outputs {
        let ready = Ready::watch(node.clone());
        let outlook = Arc::new(Outlook { model, node, caution: self.caution, ready });
        let (mut open, mut tasks) = (Vec::new(), JoinSet::new());
        if let Some(listener) = self.agent_check {
            let addr = listener.local_addr().map_or_else(|error| error.to_string(), |addr| addr.to_string());
            open.push(("agent checks", addr));
            tasks.spawn(agent_check::serve(listener, outlook.clone()));
        }
        Outputs { open, _tasks: tasks }
    }
}
