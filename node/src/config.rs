//! The settings of a node, those of the protocol among them.

use crate::loss::InjectedLoss;
use crate::probe::ProbeConfig;
use crate::recording::Recorded;
use crate::seal::Sealing;
use crate::trace::TraceConfig;
use heck_core::config::{Config, ConfigError, within};
use heck_core::entry::{Scope, VALUE_LIMIT};
use heck_core::id::Name;
use heck_core::member::Member;
use heck_core::rng::Seed;
use heck_core::settings::Weight;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a node without a stored state begins. One that finds its state on disk goes on from there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// As a cluster of its own, which others join.
    Bootstrap,
    /// By fetching the state from one of these addresses. Tried in turn, until one answers or the protocol's
    /// `join_timeout` has passed.
    Join(Vec<SocketAddr>),
    /// When it is told to, by a command to join.
    Later,
    /// As one of the configured members, all of which start empty: for a cluster that begins all at once.
    Formed,
}

/// Limits of the driver: what keeps a peer, a client or a slow disk from using up the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of one frame on a stream; a stream with a larger one is cut. Above the protocol's `frame_bytes` by
    /// at least 1 MiB, since a frame is closed only after the entry that fills it. 16 MiB unless set.
    pub frame_bytes: u32,
    /// Streams that peers may have open at once; more are closed at once. 64 unless set.
    pub accepted_streams: u32,
    /// Bytes that may wait to be written to one stream; a peer that does not keep up is cut. 64 MiB unless set.
    pub stream_backlog_bytes: usize,
    /// How long it may take to connect, and for the first bytes of a stream to arrive. 5 s unless set.
    pub handshake: Duration,
    /// How long a stream may pass no whole frame in either direction before it is cut. 30 s unless set.
    pub stream_idle: Duration,
    /// Bytes of records that may wait for the disk; beyond them the node takes in no writes, of clients or peers, until
    /// the disk has caught up. 64 MiB unless set.
    pub journal_backlog_bytes: usize,
    /// A journal above this size, and above twice the size of the state, is replaced by a short one. 64 MiB
    /// unless set.
    pub compact_above_bytes: u64,
    /// Requests of clients that may wait for the node. 256 unless set.
    pub requests: usize,
    /// Events that may wait for a slow subscriber before it misses some. 1,024 unless set.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 16 << 20,
            accepted_streams: 64,
            stream_backlog_bytes: 64 << 20,
            handshake: Duration::from_secs(5),
            stream_idle: Duration::from_secs(30),
            journal_backlog_bytes: 64 << 20,
            compact_above_bytes: 64 << 20,
            requests: 256,
            events: 1_024,
        }
    }
}

/// Bytes of a recording: room for a small state at least, and no more than whoever replays it has memory.
const LEAST_RECORD: u64 = 256 << 10;
const MOST_RECORD: u64 = 16 << 30;

/// The settings of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeConfig {
    /// Its name, unique in the cluster.
    pub name: Name,
    /// The folder that holds what must outlive a restart; created when it is not there. One node at a time
    /// may use it.
    pub data_dir: PathBuf,
    /// The address at which peers reach the node. Unset: the one that it is bound to, which then has to be a
    /// particular one, not "all interfaces".
    pub advertise: Option<SocketAddr>,
    /// Its zone; the default is none.
    pub zone: Scope,
    /// Its share of the work; 100 is usual.
    pub weight: u16,
    /// The members of the cluster. The node adds itself.
    pub members: Vec<Member>,
    /// Whether gossip is sealed, and with which keys.
    pub sealing: Sealing,
    /// How it begins when nothing is stored.
    pub start: Start,
    /// The settings of the protocol.
    pub protocol: Config,
    /// What its random choices are derived from, together with its name and its life. Need not be secret.
    pub seed: Seed,
    /// Limits of the driver.
    pub limits: Limits,
    /// How origins are probed.
    pub probes: ProbeConfig,
    /// Where the node records what it does, if it is to.
    pub recorded: Option<Recorded>,
    /// What is traced, and who is told, if anyone is.
    pub traces: Option<TraceConfig>,
    /// Datagrams lost on purpose: a testing aid.
    pub loss: InjectedLoss,
}

impl NodeConfig {
    /// The defaults: a cluster of its own, unsealed as long as there is no key.
    #[must_use]
    pub fn new(name: Name, data_dir: PathBuf, seed: Seed) -> Self {
        Self {
            name,
            data_dir,
            advertise: None,
            zone: Scope::default(),
            weight: Weight::DEFAULT.0,
            members: Vec::new(),
            sealing: Sealing::Unsealed,
            start: Start::Bootstrap,
            protocol: Config::default(),
            seed,
            limits: Limits::default(),
            probes: ProbeConfig::default(),
            recorded: None,
            traces: None,
            loss: InjectedLoss::NONE,
        }
    }

    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Names the first setting that is outside its range. Times are in microseconds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.protocol.validate()?;
        let limits = &self.limits;
        let us = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let hour_us = us(Duration::from_secs(3_600));
        let least_frame = u64::from(self.protocol.frame_bytes) + (1 << 20).max(2 * VALUE_LIMIT as u64);
        let record_limit = self.recorded.as_ref().map_or(LEAST_RECORD, |recorded| recorded.limit_bytes);
        within(&[
            ("record_limit", record_limit, LEAST_RECORD, MOST_RECORD),
            ("frame_bytes", limits.frame_bytes.into(), least_frame, 1 << 30),
            ("accepted_streams", limits.accepted_streams.into(), 1, 65_536),
            ("stream_backlog_bytes", limits.stream_backlog_bytes as u64, least_frame, u64::MAX),
            ("handshake", us(limits.handshake), 1_000, hour_us),
            ("stream_idle", us(limits.stream_idle), 100_000, hour_us),
            ("journal_backlog_bytes", limits.journal_backlog_bytes as u64, 1 << 20, u64::MAX),
            ("compact_above_bytes", limits.compact_above_bytes, 1_024, u64::MAX),
            ("requests", limits.requests as u64, 1, 1 << 20),
            ("at_once", self.probes.at_once as u64, 1, 1_000_000),
            ("lookups_at_once", self.probes.resolver.at_once as u64, 1, 1_024),
            ("events", limits.events as u64, 1, 1 << 20),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_a_value_outside_its_range_is_named_with_the_range() {
        let mut config = NodeConfig::new(Name::new("n").unwrap(), "d".into(), Seed(1));
        assert_eq!(config.validate(), Ok(()));
        config.limits.accepted_streams = 0;
        let error = config.validate().unwrap_err();
        assert_eq!(error.to_string(), "`accepted_streams` is 0, allowed are 1 to 65536");
        config.protocol.frame_bytes = 1 << 24;
        assert_eq!(config.validate().unwrap_err().key, "frame_bytes");
    }
}
