//! Every setting, with its key in the file and its explanation. Flags and variables have the same names:
//! `log.level` in the file is `--log-level` and `HECK_LOG_LEVEL`.

use super::Settings;
use super::value::Value;

/// One setting.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Its key in the file, with the section before a dot.
    pub key: &'static str,
    /// What its value is, in a word.
    pub metavar: &'static str,
    /// What it means.
    pub help: &'static str,
    pub(super) field: fn(&mut Settings) -> &mut dyn Value,
}

impl Setting {
    /// The name of its flag, without the dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The name of its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HECK_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Its section in the file; empty for those before the first section.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.key.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its key within its section.
    #[must_use]
    pub fn short_key(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, key)| key)
    }

    /// Its value in `settings` as TOML; none when it is unset.
    #[must_use]
    pub fn show(&self, settings: &Settings) -> Option<String> {
        (self.field)(&mut settings.clone()).show()
    }

    pub(crate) fn is_list(&self) -> bool {
        (self.field)(&mut Settings::default()).is_list()
    }

    pub(crate) fn is_switch(&self) -> bool {
        (self.field)(&mut Settings::default()).is_switch()
    }
}

/// What the value of a setting is when it is a time with its unit.
pub(super) const TIME: &str = "TIME";
const NUMBER: &str = "NUMBER";
const BYTES: &str = "BYTES";

macro_rules! setting {
    ($key:literal, $metavar:expr, $($field:ident).+, $help:literal) => {
        Setting { key: $key, metavar: $metavar, help: $help, field: |settings| &mut settings.$($field).+ }
    };
}

const NODE: &[Setting] = &[
    setting!(
        "name",
        "NAME",
        name,
        "The node's name, unique in the cluster. Unset: one is made up at the first start and kept in the data folder."
    ),
    setting!(
        "data_dir",
        "FOLDER",
        data_dir,
        "The folder of everything that outlives a restart. One node at a time may use it."
    ),
    setting!("bind", "IP:PORT", bind, "Where gossip arrives: datagrams and streams, on one port."),
    setting!(
        "advertise",
        "HOST:PORT",
        advertise,
        "Where peers reach this node, if not at `bind`. Needed when that is a wildcard address."
    ),
    setting!(
        "join",
        "HOST:PORT",
        join,
        "Nodes to join the cluster through. Names are resolved again for each attempt, and attempts go on for ever."
    ),
    setting!(
        "cluster",
        "LABEL",
        cluster,
        "The cluster's label. Nodes of clusters with different labels do not listen to each other, even with one key."
    ),
    setting!(
        "seal",
        "BOOL",
        seal,
        "Whether gossip is sealed with the cluster's key. If not, whoever can reach the node can change what it knows."
    ),
    setting!(
        "key_file",
        "FILE",
        key_file,
        "A file with the cluster's keys, which are taken over when the data folder has no keyring yet."
    ),
    setting!("http", "IP:PORT", http, "Where the HTTP API is served."),
    setting!("zone", "NAME", zone, "Where the node is: a region, a site."),
    setting!("weight", NUMBER, weight, "How much of the work the node takes; 100 is usual, 0 takes none."),
    setting!(
        "record",
        "FILE",
        record,
        "A file in which the node records all that it takes in, for `heck-sim replay`. It holds the content of the cluster in the clear: keys and values, messages, targets and headers of origins. Unset: nothing is recorded."
    ),
    setting!(
        "record_limit",
        BYTES,
        record_limit,
        "Bytes that the recording may have: at half of them the file is moved to FILE.1 and begun anew."
    ),
    setting!(
        "stop_timeout",
        TIME,
        stop_timeout,
        "How long stopping may take: after that the node ends whatever is still under way."
    ),
    setting!(
        "leave_grace",
        TIME,
        leave_grace,
        "How long a node that leaves stays to pass on the news, unless it is alone."
    ),
];

const LOG: &[Setting] = &[
    setting!("log.level", "LEVEL", log.level, "How much is logged: off, error, warn, info or debug."),
    setting!("log.format", "FORMAT", log.format, "How a line of the log looks: text or json."),
];

const ORIGINS: &[Setting] = &[
    setting!(
        "origins.file",
        "FILE",
        origins.file,
        "A file of origins, TOML or JSON. It is followed: what it says of its source is what the cluster has of it."
    ),
    setting!(
        "origins.source",
        "LABEL",
        origins.source,
        "The label of the file's origins, unless it says one itself. Nodes with the same file share it."
    ),
    setting!(
        "origins.allow_shrink",
        "BOOL",
        origins.allow_shrink,
        "Whether a file that became shorter may remove more than half of its source's origins."
    ),
    setting!("origins.poll", TIME, origins.poll, "How often it is looked whether the file changed."),
];

const API: &[Setting] = &[
    setting!(
        "api.certificate",
        "FILE",
        api.certificate,
        "The certificate of the API with its chain, in PEM. Unset: the API speaks plain HTTP."
    ),
    setting!("api.key", "FILE", api.key, "The private key of the certificate, in PEM."),
    setting!(
        "api.client_ca",
        "FILE",
        api.client_ca,
        "The authorities of clients, in PEM. When set, a client has to show a certificate of theirs, beside its token."
    ),
    setting!(
        "api.read_tokens",
        "FILE",
        api.read_tokens,
        "A file of tokens that allow reading, one on each line. The one in `api-token` of the data folder allows all."
    ),
    setting!(
        "api.requests_per_s",
        NUMBER,
        api.requests_per_s,
        "Requests per second of one client address, twice as many at once; 0 for any number."
    ),
    setting!("api.connections", NUMBER, api.connections, "Connections to the API at once."),
    setting!("api.streams", NUMBER, api.streams, "Event streams at once."),
    setting!(
        "api.waiting_per_client",
        NUMBER,
        api.waiting_per_client,
        "Event streams and long polls that one client address may have open; one more gets 429."
    ),
    setting!(
        "api.metrics_per_origin",
        "BOOL",
        api.metrics_per_origin,
        "Whether the metrics have series for each origin: ten thousand origins are megabytes."
    ),
    setting!(
        "api.dashboard",
        "BOOL",
        api.dashboard,
        "Whether the API serves the dashboard, a page at `/ui/`. It shows and does what the API does, with the same tokens."
    ),
];

const CHECKS: &[Setting] = &[
    setting!(
        "checks.scope",
        "SCOPE",
        protocol.ownership.scoping,
        "Among whom an origin has one owner: cluster or zones. All nodes must agree."
    ),
    setting!(
        "checks.confirmers",
        NUMBER,
        protocol.ownership.confirmers,
        "How many other nodes are asked before an origin is called down. All nodes must agree."
    ),
    setting!(
        "checks.probes_per_s",
        NUMBER,
        checks.probes_per_s,
        "Probes that may start in a second. With more to do, intervals stretch and origins show as stale."
    ),
    setting!(
        "checks.checkers_per_origin",
        NUMBER,
        checks.checkers_per_origin,
        "How many nodes may come to check one origin, each by its own view, before all stretch their intervals."
    ),
    setting!(
        "checks.claims_per_s",
        NUMBER,
        checks.claims_per_s,
        "Claims a second about origins that were given up or are late."
    ),
    setting!(
        "checks.grace",
        TIME,
        checks.grace,
        "By how much the node's own clockwork may be late before it no longer trusts what it found."
    ),
    setting!(
        "checks.transit",
        TIME,
        checks.transit,
        "How long a question to confirmers may travel, beyond the origin's timeout."
    ),
    setting!("checks.flap_memory", TIME, checks.flap_memory, "How long a fall counts for damping."),
    setting!(
        "checks.at_once",
        NUMBER,
        probes.at_once,
        "Probes that may be under way at once; more are not started, and their origins show as stale. Half of the places are kept free of origins that did not answer the last time."
    ),
    setting!(
        "checks.allow",
        "NETWORK",
        probes.allow,
        "Networks that may be probed although they are denied by default: link-local, metadata services, multicast and other special ones, and loopback unless `bind` and `http` are on loopback."
    ),
    setting!(
        "checks.deny",
        "NETWORK",
        probes.deny,
        "Networks that may not be probed. Of two that an address is in, one allowed and one denied, the narrower counts."
    ),
    setting!(
        "checks.ports",
        "PORTS",
        probes.ports,
        "Ports that may be probed, as 80 or 8000-8999. None: all."
    ),
    setting!(
        "checks.secrets_dir",
        "FOLDER",
        probes.secrets_dir,
        "The folder of the files that headers of origins name as secrets."
    ),
];

const MESSAGES: &[Setting] = &[
    setting!("messages.retention", TIME, protocol.retention.age, "How long messages are kept."),
    setting!("messages.retention_bytes", BYTES, message_bytes, "How many bytes of messages are kept."),
];

const MEMBERSHIP: &[Setting] = &[
    setting!("membership.probe_timeout", TIME, membership.timeout, "How long an answer of a peer may take."),
    setting!(
        "membership.probe_helpers",
        NUMBER,
        membership.helpers,
        "Members asked to ask for a silent one."
    ),
    setting!(
        "membership.heal_interval",
        TIME,
        membership.heal_interval,
        "Time between two attempts to reach someone who is dead."
    ),
    setting!(
        "membership.quarantine",
        TIME,
        membership.quarantine,
        "How long a member is not counted that died and came back twice within ten minutes; doubled each time."
    ),
    setting!(
        "membership.reap_after",
        TIME,
        membership.reap_after,
        "How long a member that died or left stays in the list."
    ),
];

const PROTOCOL: &[Setting] = &[
    setting!(
        "protocol.repair_interval",
        TIME,
        protocol.repair_interval,
        "Time between two rounds of repair: shorter spreads sooner and costs datagrams in proportion."
    ),
    setting!("protocol.repair_fanout", NUMBER, protocol.repair_fanout, "Peers asked in each round."),
    setting!(
        "protocol.broadcast_spacing",
        TIME,
        protocol.broadcast_spacing,
        "Least time between two broadcasts; what is written in between goes out together."
    ),
    setting!(
        "protocol.relay_above",
        NUMBER,
        protocol.relay_above,
        "With more members than this, a broadcast goes through relays."
    ),
    setting!(
        "protocol.reply_budget",
        NUMBER,
        protocol.reply_budget,
        "Bytes of replies that a node sends in one repair interval."
    ),
    setting!(
        "protocol.heartbeat",
        TIME,
        protocol.heartbeat,
        "Time between two heartbeats of freshness. Unset: 18 s, or 20 ms for each member if that is more."
    ),
    setting!(
        "protocol.fence_after",
        TIME,
        protocol.fence_after,
        "How long after a restart a node clears its past lives away: longer than any partition that should heal without loss."
    ),
    setting!("protocol.join_retry", TIME, protocol.join_retry, "Mean time between two attempts to join."),
    setting!(
        "protocol.join_timeout",
        TIME,
        protocol.join_timeout,
        "After this long without a peer a joining node serves alone; it goes on looking."
    ),
    setting!(
        "protocol.max_transit",
        TIME,
        protocol.max_transit,
        "Greatest one-way time of a datagram, for the bound on ages."
    ),
    setting!(
        "protocol.clock_drift_ppm",
        NUMBER,
        protocol.clock_drift_ppm,
        "Greatest drift of a clock in parts per million, for the bound on ages."
    ),
    setting!(
        "protocol.datagram_limit",
        NUMBER,
        protocol.datagram_limit,
        "Greatest payload of a datagram in bytes, sealing included."
    ),
];

const LIMITS: &[Setting] = &[
    setting!(
        "limits.accepted_streams",
        NUMBER,
        limits.accepted_streams,
        "Streams that peers may have open at once."
    ),
    setting!(
        "limits.stream_backlog_bytes",
        BYTES,
        limits.stream_backlog_bytes,
        "Bytes that may wait to be written to one stream before it is cut."
    ),
    setting!("limits.handshake", TIME, limits.handshake, "How long it may take to connect to a peer."),
    setting!(
        "limits.stream_idle",
        TIME,
        limits.stream_idle,
        "How long a stream may stand still before it is cut."
    ),
    setting!(
        "limits.journal_backlog_bytes",
        BYTES,
        limits.journal_backlog_bytes,
        "Bytes that may wait for the disk before the node takes in no writes."
    ),
    setting!(
        "limits.compact_above_bytes",
        BYTES,
        limits.compact_above_bytes,
        "A journal above this size, and above twice the size of the state, is shortened."
    ),
    setting!("limits.requests", NUMBER, limits.requests, "Requests of clients that may wait for the node."),
    setting!(
        "limits.events",
        NUMBER,
        limits.events,
        "Events that may wait for a slow subscriber before it misses some."
    ),
];

const OUTPUTS: &[Setting] = &[
    setting!(
        "outputs.stale",
        "WORD",
        outputs.stale,
        "What load balancers, DNS and lists make of an answer that is older than it should be: keep what it says, or down. The checker is late then, which says nothing of the origin."
    ),
    setting!(
        "outputs.unknown",
        "WORD",
        outputs.unknown,
        "What they make of an origin of which nobody has said anything yet: down or up."
    ),
    setting!(
        "outputs.agent_check",
        "IP:PORT",
        outputs.agent_check,
        "Where agent checks of HAProxy are answered. Unset: nowhere."
    ),
    setting!(
        "outputs.discovery",
        "BOOL",
        outputs.discovery,
        "Whether the API serves the lists for Envoy (`/v3/discovery:endpoints`) and Prometheus (`/v1/sd/prometheus`)."
    ),
    setting!(
        "outputs.envoy_file",
        "FILE",
        outputs.envoy_file,
        "A file that holds the endpoints for Envoy, replaced when they change. Unset: none is written."
    ),
    setting!(
        "outputs.webhook",
        "URL",
        outputs.webhook,
        "A URL that is told of each change of an origin's state by the node that found it. All nodes should have the same. Unset: none is told."
    ),
    setting!(
        "outputs.webhook_secret",
        "FILE",
        outputs.webhook_secret,
        "The file of the secret that signs what the webhook is told: 24 bytes or more, or `whsec_` and base64."
    ),
    setting!(
        "outputs.webhook_ca",
        "FILE",
        outputs.webhook_ca,
        "PEM certificates: the only authorities that count for the webhook, by an absolute path. Unset: those of the system."
    ),
    setting!(
        "outputs.dns",
        "IP:PORT",
        outputs.dns,
        "Where questions of DNS are answered, over UDP and TCP. Unset: nowhere."
    ),
    setting!(
        "outputs.dns_zone",
        "NAME",
        outputs.dns_zone,
        "The zone that is answered for: `TAG.tag.ZONE` and `NAME.origin.ZONE` are in it."
    ),
    setting!(
        "outputs.dns_ttl",
        TIME,
        outputs.dns_ttl,
        "How long resolvers may remember an answer, in whole seconds."
    ),
    setting!(
        "outputs.probe",
        "WORD",
        outputs.probe,
        "Which targets `/probe` of the API probes for whoever may read: off, origins (by name) or any (URLs too, where checks may connect to)."
    ),
];

const TRACING: &[Setting] = &[
    setting!(
        "tracing.endpoint",
        "URL",
        tracing.endpoint,
        "The OpenTelemetry collector that is told of traces, over OTLP in HTTP with protobuf, as http://127.0.0.1:4318; traces go to `/v1/traces` below it. Unset: what OTEL_EXPORTER_OTLP_ENDPOINT says, or nobody is told."
    ),
    setting!(
        "tracing.headers",
        "FILE",
        tracing.headers,
        "A file of headers for the collector, a `name: value` on each line. Unset: what OTEL_EXPORTER_OTLP_HEADERS says."
    ),
    setting!(
        "tracing.ca",
        "FILE",
        tracing.ca,
        "PEM certificates: the only authorities that count for the collector. Unset: those of the system."
    ),
    setting!(
        "tracing.timeout",
        TIME,
        tracing.timeout,
        "How long telling the collector may take at a time. Unset: what OTEL_EXPORTER_OTLP_TIMEOUT says, or 5 s."
    ),
    setting!(
        "tracing.service_name",
        "NAME",
        tracing.service_name,
        "`service.name` of the spans. Unset: what OTEL_SERVICE_NAME says, or heck."
    ),
    setting!(
        "tracing.sample_ratio",
        "RATIO",
        tracing.sample_ratio,
        "The share of the API's requests that are traced, from 0 to 1, where no `traceparent` says it. Unset: what OTEL_TRACES_SAMPLER says, or 1."
    ),
    setting!(
        "tracing.probe_ratio",
        "RATIO",
        tracing.probe_ratio,
        "The share of probes that are traced, each in a trace of its own."
    ),
    setting!(
        "tracing.step_ratio",
        "RATIO",
        tracing.step_ratio,
        "The share of steps of the protocol that are traced, each in a trace of its own, beside those that a traced change leads to."
    ),
    setting!(
        "tracing.tell_origins",
        "BOOL",
        tracing.tell_origins,
        "Whether probes that are traced say so to their origins, with `traceparent`."
    ),
];

const SECTIONS: &[&[Setting]] =
    &[NODE, API, LOG, TRACING, ORIGINS, CHECKS, OUTPUTS, MESSAGES, MEMBERSHIP, PROTOCOL, LIMITS];

/// All settings, in the order of the sample file.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().copied().flatten()
}

/// The setting with this key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

/// The setting that the protocol or the driver calls by this name.
pub(super) fn of_protocol(name: &str) -> Option<&'static Setting> {
    let name = if name == "log_retention" { "retention" } else { name };
    settings().find(|setting| setting.short_key() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_flags_and_variables_are_unique_and_clear_of_those_of_clients() {
        let unique = |names: Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
        assert!(unique(settings().map(|setting| setting.key.to_owned()).collect()));
        assert!(unique(settings().map(Setting::flag).collect()));
        let variables: Vec<String> = settings().map(Setting::variable).collect();
        assert!(
            ["HECK_ADDR", "HECK_TOKEN", "HECK_CONFIG"]
                .iter()
                .all(|taken| !variables.contains(&(*taken).into()))
        );
        assert!(unique(variables));
    }

    /// A variable that names no setting is passed over by a node, so that nobody would notice.
    #[test]
    fn the_files_of_deployments_name_settings_that_exist() {
        let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
        let read = |file: &str| std::fs::read_to_string(deploy.join(file)).unwrap();
        let names = |text: &str| -> Vec<String> {
            let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
            words.filter(|word| word.starts_with("HECK_")).map(str::to_owned).collect()
        };
        let known: BTreeSet<String> = settings().map(Setting::variable).collect();
        // The page is about jobs of the simulator as well, whose variables are their own.
        let of_jobs = ["slurm/submit", "slurm/part.sbatch"].map(|file| names(&read(file))).concat();
        let mut named = 0;
        for file in [
            "compose/compose.yaml",
            "docker/Dockerfile",
            "kubernetes/heck.yaml",
            "systemd/heck.service",
            "README.md",
        ] {
            for name in names(&read(file)) {
                let is_known = known.contains(&name) || (file == "README.md" && of_jobs.contains(&name));
                assert!(is_known, "deploy/{file} names {name}, which is no setting");
                named += 1;
            }
        }
        assert!(named > 20, "{named}");
    }
}
