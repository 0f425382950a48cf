//! The settings of `heck node`: what each means, and what holds unless it is set.
//!
//! Every setting can be given in a file, as a variable and as a flag. `table` lists them, `read` puts the three
//! together, `value` reads single values, `sample` writes the documented sample file.

mod outputs;
mod probes;
mod read;
mod sample;
mod table;
mod tracing;
mod value;

pub use self::outputs::{Outputs, StaleMeans, UnknownMeans};
pub use self::probes::Probes;
pub use self::read::{Given, Sources};
pub use self::sample::sample;
pub use self::table::{Setting, find, settings};
pub use self::tracing::Tracing;
pub use self::value::{Bytes, HostPort, Ports};

use self::value::{Scalar as _, Value, values, words};
use crate::api::ApiLimits;
use crate::config::{Limits as DriverLimits, NodeConfig, Start};
use crate::loss::InjectedLoss;
use crate::origin::Watched;
use crate::recording::Recorded;
use crate::seal::Sealing;
use heck_core::config::{Config, ConfigError, MembershipConfig};
use heck_core::entry::Scope;
use heck_core::id::Name;
use heck_core::limits::Limits as CheckLimits;
use heck_core::rng::Seed;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const LEAST_DATAGRAM: u64 = 600;
const MOST_DATAGRAM: u64 = 65_000;
const MOST_WAITING: u32 = 65_536;

/// Everything that an operator can set, defaults included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The node's name; unset, the one that the data folder holds.
    pub name: Option<Name>,
    /// The folder of what outlives a restart.
    pub data_dir: PathBuf,
    /// Where gossip arrives.
    pub bind: SocketAddr,
    /// Where peers reach the node; unset, `bind`.
    pub advertise: Option<HostPort>,
    /// The label of the cluster.
    pub cluster: Name,
    /// Whether gossip is sealed.
    pub seal: bool,
    /// A file with the cluster's key, for a data folder that has none.
    pub key_file: Option<PathBuf>,
    /// Nodes to join through.
    pub join: Vec<HostPort>,
    /// Where the API is served.
    pub http: SocketAddr,
    /// The settings of the API.
    pub api: Api,
    /// The node's zone.
    pub zone: Option<Name>,
    /// The node's share of the work.
    pub weight: u16,
    /// The file in which the node records what it does; unset, it does not.
    pub record: Option<PathBuf>,
    /// Bytes that a recording may have.
    pub record_limit: Bytes,
    /// How long leaving the cluster may take before the node stops anyway.
    pub stop_timeout: Duration,
    /// How long news of leaving may spread before the node is gone.
    pub leave_grace: Duration,
    /// What is logged.
    pub log: Log,
    /// The origins file.
    pub origins: Origins,
    /// The settings of checks.
    pub checks: CheckLimits,
    /// How origins are probed.
    pub probes: Probes,
    /// The settings of outputs.
    pub outputs: Outputs,
    /// What is traced, and who is told.
    pub tracing: Tracing,
    /// The settings of membership.
    pub membership: MembershipConfig,
    /// The other settings of the protocol; its fields for checks and membership are not used.
    pub protocol: Config,
    /// Bytes of messages that are kept.
    pub message_bytes: Bytes,
    /// What keeps peers, clients and the disk from using up the machine.
    pub limits: Limits,
}

/// The origins file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origins {
    /// The file; unset, there is none.
    pub file: Option<PathBuf>,
    /// The label of its origins, unless it says one itself.
    pub source: Name,
    /// Whether it may remove more than half of them.
    pub allow_shrink: bool,
    /// How often it is looked whether it changed.
    pub poll: Duration,
}

impl Default for Origins {
    fn default() -> Self {
        let source = Name::new("file").expect("the name is not empty");
        Self { file: None, source, allow_shrink: false, poll: Duration::from_secs(2) }
    }
}

impl Origins {
    /// What is to be followed, if there is a file.
    #[must_use]
    pub fn watched(&self) -> Option<Watched> {
        let Self { file, source, allow_shrink, poll } = self.clone();
        file.map(|path| Watched { path, source, allow_shrink, poll })
    }
}

/// What is logged, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log {
    /// How much.
    pub level: Level,
    /// In which form.
    pub format: LogFormat,
}

/// How much is logged; each holds those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Nothing.
    Off,
    /// What needs the operator.
    Error,
    /// What may need the operator.
    Warn,
    /// What happens to the node, its cluster and its origins.
    Info,
    /// What helps to find an error.
    Debug,
}

/// The form of a line of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

words!(Level { Off = "off", Error = "error", Warn = "warn", Info = "info", Debug = "debug" });
words!(LogFormat { Text = "text", Json = "json" });
values!(Level, LogFormat);

/// Limits of the driver, as an operator sets them. See [`crate::Limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Streams that peers may have open at once.
    pub accepted_streams: u32,
    /// Bytes that may wait to be written to one stream.
    pub stream_backlog_bytes: Bytes,
    /// How long it may take to connect to a peer.
    pub handshake: Duration,
    /// How long a stream may stand still.
    pub stream_idle: Duration,
    /// Bytes of records that may wait for the disk.
    pub journal_backlog_bytes: Bytes,
    /// Above which size a journal is shortened.
    pub compact_above_bytes: Bytes,
    /// Requests of clients that may wait for the node.
    pub requests: u32,
    /// Events that may wait for a slow subscriber.
    pub events: u32,
}

/// The settings of the API. See [`crate::api::ApiConfig`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Api {
    /// Its certificate; unset, it speaks plain HTTP.
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate.
    pub key: Option<PathBuf>,
    /// The authorities of clients, if these have to show a certificate.
    pub client_ca: Option<PathBuf>,
    /// A file of tokens that allow reading.
    pub read_tokens: Option<PathBuf>,
    /// Requests per second of one client address.
    pub requests_per_s: u32,
    /// Connections at once.
    pub connections: u32,
    /// Event streams at once.
    pub streams: u32,
    /// Event streams and long polls of one client address at once.
    pub waiting_per_client: u32,
    /// Whether the metrics have series for each origin.
    pub metrics_per_origin: bool,
    /// Whether the dashboard is served.
    pub dashboard: bool,
}

impl Default for Api {
    fn default() -> Self {
        let usual = ApiLimits::default();
        Self {
            certificate: None,
            key: None,
            client_ca: None,
            read_tokens: None,
            requests_per_s: usual.rate.map_or(0, |rate| rate.per_s),
            connections: usual.connections as u32,
            streams: usual.streams as u32,
            waiting_per_client: usual.waiting_per_client as u32,
            metrics_per_origin: false,
            dashboard: true,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let usual = DriverLimits::default();
        Self {
            accepted_streams: usual.accepted_streams,
            stream_backlog_bytes: Bytes(usual.stream_backlog_bytes as u64),
            handshake: usual.handshake,
            stream_idle: usual.stream_idle,
            journal_backlog_bytes: Bytes(usual.journal_backlog_bytes as u64),
            compact_above_bytes: Bytes(usual.compact_above_bytes),
            requests: usual.requests as u32,
            events: usual.events as u32,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let protocol = Config::default();
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            name: None,
            data_dir: "heck-data".into(),
            bind: loopback(7400),
            advertise: None,
            cluster: Name::new("heck").expect("the name is not empty"),
            seal: true,
            key_file: None,
            join: Vec::new(),
            http: loopback(7401),
            api: Api::default(),
            zone: None,
            weight: 100,
            record: None,
            record_limit: Bytes(64 << 20),
            stop_timeout: Duration::from_secs(10),
            leave_grace: Duration::from_secs(3),
            log: Log { level: Level::Info, format: LogFormat::Text },
            origins: Origins::default(),
            checks: CheckLimits::default(),
            probes: Probes::default(),
            outputs: Outputs::default(),
            tracing: Tracing::default(),
            membership: MembershipConfig::default(),
            message_bytes: Bytes(protocol.retention.bytes),
            protocol,
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// Whether neither gossip nor the API can be reached from another machine.
    #[must_use]
    pub const fn is_on_loopback(&self) -> bool {
        self.bind.ip().is_loopback() && self.http.ip().is_loopback()
    }

    /// The zone's scope.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.zone.as_ref().map_or(Scope::default(), Scope::of_zone)
    }

    /// The settings of the protocol.
    #[must_use]
    pub fn protocol(&self) -> Config {
        let mut protocol = self.protocol.clone();
        // What goes into a datagram has to fit a smaller one too, with as much room beside it as there usually is.
        let usual = Config::default();
        let room = protocol.datagram_limit.saturating_sub(protocol.sealing_reserve);
        let fit = |bytes: u32| bytes.min(room.saturating_sub(usual.room() - bytes));
        protocol.reply_bytes = room;
        protocol.rumour_bytes = fit(usual.rumour_bytes);
        protocol.entry_datagram_limit = fit(usual.entry_datagram_limit);
        protocol.retention.bytes = self.message_bytes.0;
        protocol.membership = Some(self.membership.clone());
        protocol.checks = Some(self.checks.clone());
        protocol
    }

    /// Where the node records what it does, if it is to.
    fn recorded(&self) -> Option<Recorded> {
        self.record.clone().map(|file| Recorded { file, limit_bytes: self.record_limit.0 })
    }

    /// The settings of the driver's node of this name.
    #[must_use]
    pub fn node_config(&self, name: Name, sealing: Sealing, seed: Seed) -> NodeConfig {
        let usize_of = |bytes: Bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX);
        let limits = &self.limits;
        NodeConfig {
            name,
            data_dir: self.data_dir.clone(),
            advertise: None,
            zone: self.scope(),
            weight: self.weight,
            members: Vec::new(),
            sealing,
            start: if self.join.is_empty() { Start::Bootstrap } else { Start::Later },
            protocol: self.protocol(),
            seed,
            limits: DriverLimits {
                accepted_streams: limits.accepted_streams,
                stream_backlog_bytes: usize_of(limits.stream_backlog_bytes),
                handshake: limits.handshake,
                stream_idle: limits.stream_idle,
                journal_backlog_bytes: usize_of(limits.journal_backlog_bytes),
                compact_above_bytes: limits.compact_above_bytes.0,
                requests: limits.requests as usize,
                events: limits.events as usize,
                ..DriverLimits::default()
            },
            probes: self.probes.config(self.is_on_loopback()),
            recorded: self.recorded(),
            traces: None,
            loss: InjectedLoss::NONE,
        }
    }

    /// Checks every setting against its range, in the words of this file's keys.
    fn validate(&self) -> Result<(), (&'static str, String, String)> {
        // The protocol takes this much for granted before it looks at anything else.
        let datagram_limit = self.protocol.datagram_limit.into();
        if !(LEAST_DATAGRAM..=MOST_DATAGRAM).contains(&datagram_limit) {
            let (min, max) = (LEAST_DATAGRAM, MOST_DATAGRAM);
            return Err(out_of_range(&ConfigError {
                key: "datagram_limit",
                value: datagram_limit,
                min,
                max,
            }));
        }
        let poll = self.origins.poll;
        if !(Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&poll) {
            let what = format!("`origins.poll` is {}", poll.to_toml());
            return Err(("origins.poll", what, "allowed are \"100ms\" to \"1h\"".to_owned()));
        }
        let waiting = self.api.waiting_per_client;
        if !(1..=MOST_WAITING).contains(&waiting) {
            let what = format!("`api.waiting_per_client` is {waiting}");
            return Err(("api.waiting_per_client", what, format!("allowed are 1 to {MOST_WAITING}")));
        }
        let name = Name::new("n").map_err(|error| ("name", error.to_string(), String::new()))?;
        self.node_config(name, Sealing::Unsealed, Seed(0)).validate().map_err(|error| out_of_range(&error))
    }
}

/// Says of a value of the protocol or the driver what is wrong with it: its key here, what it is, what is allowed.
fn out_of_range(error: &ConfigError) -> (&'static str, String, String) {
    let setting = table::of_protocol(error.key);
    let key = setting.map_or(error.key, |setting| setting.key);
    let is_time = setting.is_some_and(|setting| setting.metavar == table::TIME);
    let show =
        |number: u64| if is_time { Duration::from_micros(number).to_toml() } else { number.to_string() };
    let what = format!("`{key}` is {}", show(error.value));
    let most = if error.max > 1 << 62 { String::new() } else { format!(" to {}", show(error.max)) };
    (key, what, format!("allowed are {}{most}", show(error.min)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_are_those_of_the_protocol_and_of_the_driver() {
        let settings = Settings::default();
        assert_eq!(settings.validate(), Ok(()));
        assert_eq!(settings.protocol(), Config::default());
        let name = Name::new("n").unwrap();
        let mut usual =
            NodeConfig { weight: 100, ..NodeConfig::new(name.clone(), "heck-data".into(), Seed(1)) };
        // By default all is bound to loopback.
        usual.probes.guard.loopback = true;
        assert_eq!(settings.node_config(name, Sealing::Unsealed, Seed(1)), usual);
    }

    #[test]
    fn loopback_may_be_probed_only_while_gossip_and_api_are_both_bound_to_it() {
        let loopback = |bind: &str, http: &str| {
            let (bind, http) = (bind.parse().unwrap(), http.parse().unwrap());
            let settings = Settings { bind, http, ..Settings::default() };
            settings.node_config(Name::new("n").unwrap(), Sealing::Unsealed, Seed(1)).probes.guard.loopback
        };
        assert!(loopback("127.0.0.1:7400", "[::1]:7401"));
        assert!(!loopback("0.0.0.0:7400", "127.0.0.1:7401"));
        assert!(!loopback("127.0.0.1:7400", "10.0.0.7:7401"));
    }

    #[test]
    fn a_value_outside_its_range_is_named_by_its_key_here_and_in_its_unit() {
        let mut settings = Settings::default();
        settings.protocol.repair_interval = heck_core::time::Span::from_us(1);
        let (key, what, allowed) = settings.validate().unwrap_err();
        assert_eq!(key, "protocol.repair_interval");
        assert_eq!(what, "`protocol.repair_interval` is \"1us\"");
        assert_eq!(allowed, "allowed are \"10ms\" to \"1h\"");
    }
}
