//! What the node says of itself to Prometheus.
//!
//! One table names every counter of the node, and a [`Sample`] holds what is read when somebody asks. The names are
//! part of the interface: REFERENCE.md lists them, and a test holds the two together.

use crate::counters::{Count, Counters};
use crate::probe::ProbeStatus;
use crate::probe::resolve::BreakerState;
use crate::trace::ExporterStatus;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The counters of the node: their names without `heck_` and `_total`, and what they count.
const COUNTERS: &[(Count, &str, &str)] = &[
    (Count::DatagramsReceived, "datagrams_received", "Datagrams that arrived"),
    (Count::BytesReceived, "datagram_received_bytes", "Bytes of datagrams that arrived"),
    (Count::DatagramsSent, "datagrams_sent", "Datagrams that were handed to the system"),
    (Count::BytesSent, "datagram_sent_bytes", "Bytes of datagrams that were handed to the system"),
    (Count::DatagramsUndecodable, "datagrams_undecodable", "Datagrams that arrived and are no packet"),
    (
        Count::DatagramsOfOtherVersions,
        "datagrams_of_other_versions",
        "Undecodable datagrams that begin with a version of the protocol that this node does not speak",
    ),
    (
        Count::SealsUnknown,
        "seals_unknown",
        "Datagrams and streams sealed with a key that this node does not have",
    ),
    (Count::SealsBroken, "seals_broken", "Datagrams and streams sealed for another cluster, or altered"),
    (
        Count::LostIncoming,
        "datagrams_lost_on_purpose_received",
        "Datagrams that arrived and were lost on purpose",
    ),
    (
        Count::LostOutgoing,
        "datagrams_lost_on_purpose_sent",
        "Datagrams that were lost on purpose instead of sent",
    ),
    (Count::SendsFailed, "datagram_sends_failed", "Datagrams that the system refused to send"),
    (Count::ReceivesFailed, "datagram_receives_failed", "Errors of the socket while asked for a datagram"),
    (Count::StreamsOpened, "streams_opened", "Streams that this node opened to peers"),
    (Count::StreamsAccepted, "streams_accepted", "Streams that peers opened"),
    (Count::StreamsRefused, "streams_refused", "Streams that this node could not open"),
    (
        Count::StreamsTurnedAway,
        "streams_turned_away",
        "Streams of peers closed at once because there were too many",
    ),
    (Count::StreamsUnwelcome, "streams_unwelcome", "Connections that did not begin as those of peers do"),
    (
        Count::StreamsCut,
        "streams_cut",
        "Streams cut for a bad frame, silence, or a peer that did not keep up",
    ),
    (Count::FramesReceived, "frames_received", "Frames of streams that arrived"),
    (Count::FramesSent, "frames_sent", "Frames handed to streams"),
    (Count::Rejected, "packets_rejected", "Packets of peers that made no sense to the protocol here"),
    (Count::ProbesStarted, "probes_started", "Probes of origins that were started"),
    (Count::ProbesAnswered, "probes_answered", "Probes that brought a status, or the connection asked for"),
    (Count::ProbesFailed, "probes_failed", "Probes of origins that did not answer as they should"),
    (Count::ProbesForbidden, "probes_forbidden", "Probes of addresses that must not be probed"),
    (Count::ProbesNotStarted, "probes_not_started", "Probes for which there was no place"),
    (
        Count::ProbesHinderedBySystem,
        "probes_hindered_by_system",
        "Probes for which the system had no descriptor, port or memory",
    ),
    (
        Count::ProbesHinderedByResolver,
        "probes_hindered_by_resolver",
        "Probes for which the resolver had no answer",
    ),
    (
        Count::ProbesHinderedBySettings,
        "probes_hindered_by_settings",
        "Probes that needed a file, a secret or a version that this node does not have",
    ),
    (Count::RecordsWritten, "journal_records_written", "Records handed to the journal"),
    (Count::JournalSyncs, "journal_syncs", "Times that the journal was synced to disk"),
    (Count::Compactions, "journal_compactions", "Times that a long journal was replaced by a short one"),
    (Count::CompactionsFailed, "journal_compactions_failed", "Times that this did not succeed"),
    (
        Count::DiskFull,
        "journal_disk_full",
        "Times that the disk had no room for records, which wait until it has",
    ),
    (
        Count::DiskStalls,
        "journal_disk_stalls",
        "Times that the disk did not answer for so long that writes were refused",
    ),
    (
        Count::AcceptsFailed,
        "stream_accepts_failed",
        "Times that the system refused to accept a stream of a peer",
    ),
    (Count::ClockSteps, "clock_jumps", "Times that the machine's clock was found to have jumped"),
    (Count::OriginsReloaded, "origins_file_taken_over", "Times that the origins file was taken over"),
    (Count::OriginsRefused, "origins_file_refused", "Times that it was not, for what is in it"),
    (
        Count::WaitingRefused,
        "api_waiting_refused",
        "Event streams and long polls refused because their client has as many open as it may",
    ),
    (Count::JoinResolveFailures, "join_resolve_failures", "Times that a name to join through had no address"),
    (Count::AgentChecks, "agent_checks", "Agent checks of HAProxy that were answered"),
    (
        Count::AgentChecksTurnedAway,
        "agent_checks_turned_away",
        "Agent checks of HAProxy closed at once because there were too many",
    ),
    (
        Count::EnvoyFilesWritten,
        "envoy_files_written",
        "Times that the file of endpoints for Envoy was written",
    ),
    (Count::EnvoyFilesFailed, "envoy_files_failed", "Times that the file of endpoints could not be written"),
    (Count::WebhooksDelivered, "webhooks_delivered", "Changes of state that the webhook took"),
    (
        Count::WebhookAttemptsFailed,
        "webhook_attempts_failed",
        "Attempts to tell the webhook of one that failed",
    ),
    (Count::WebhooksRefused, "webhooks_refused", "Changes of state that the webhook refused"),
    (
        Count::WebhooksDropped,
        "webhooks_dropped",
        "Changes of state that the webhook was not told of, as too many waited or it did not take them",
    ),
    (Count::DnsAnswers, "dns_answers", "Questions of DNS that were answered, with whatever code"),
    (
        Count::DnsTurnedAway,
        "dns_turned_away",
        "Connections of DNS closed at once because there were too many",
    ),
    (Count::SpansExported, "spans_exported", "Spans of traces that the collector took"),
    (Count::SpansDropped, "spans_dropped", "Spans of traces that the collector was not told of or refused"),
    (Count::SpanExportsFailed, "span_exports_failed", "Attempts to tell the collector of spans that failed"),
    (Count::ProbesOnRequest, "probes_on_request", "Probes that clients of the API asked for (`/probe`)"),
    (Count::RecordingSteps, "recording_steps", "Steps of the node that were handed to its recording"),
    (Count::RecordingBytes, "recording_bytes", "Bytes of the recording that were written"),
    (Count::RecordingStepsLost, "recording_steps_lost", "Steps that are missing from the recording"),
];

/// The labels of requests.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

/// What is counted of requests of clients. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    total: Family<RequestLabels, Counter>,
    duration: Histogram,
    /// Requests that have no answer yet.
    open: Arc<AtomicUsize>,
}

/// A request that has no answer yet. It counts until this is dropped, which it is when its client goes away.
#[derive(Debug)]
pub(crate) struct OpenRequest(Arc<AtomicUsize>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Requests {
    fn default() -> Self {
        let bounds = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
        Self { total: Family::default(), duration: Histogram::new(bounds), open: Arc::default() }
    }
}

impl Requests {
    /// Counts a request as open.
    pub(crate) fn begin(&self) -> OpenRequest {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenRequest(self.open.clone())
    }

    /// Counts an answer. The route has to be one of the table of routes, so that the series are bounded.
    pub(crate) fn count(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = RequestLabels { method, route: route.to_owned(), status };
        self.total.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
    }
}

/// One origin, where series for each are wanted.
#[derive(Clone, Debug)]
pub(crate) struct OriginSample {
    pub name: String,
    pub state: &'static str,
    pub is_healthy: bool,
    pub is_stale: bool,
    pub age_ms: Option<u64>,
}

/// What is read when somebody asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub phase: &'static str,
    pub boot: u64,
    /// Members by what is held of them.
    pub members: Vec<(&'static str, u64)>,
    pub members_counted: u64,
    pub members_disagreeing: u64,
    /// Origins by state.
    pub origins: Vec<(&'static str, u64)>,
    pub origins_stale: u64,
    pub origins_owned: u64,
    pub origins_checked: u64,
    pub keys: u64,
    pub messages: u64,
    pub message_bytes: u64,
    pub entries: u64,
    /// In parts of 65,536.
    pub delivery: u32,
    /// In parts of 65,536.
    pub exchanges: Option<u32>,
    pub heartbeats: u64,
    pub api_streams: u64,
    /// How long the disk has been at the records that it was last given.
    pub journal_busy: Duration,
    /// The probes of the node.
    pub probes: Option<ProbeStatus>,
    /// Changes of state that wait for the webhook, and how that does.
    pub webhook: Option<(usize, BreakerState)>,
    /// How the collector of traces does, where one is told.
    pub traces: Option<ExporterStatus>,
    /// Each origin, where that is wanted.
    pub each: Option<Vec<OriginSample>>,
}

type Labelled = Family<Vec<(&'static str, String)>, Gauge>;
type LabelledFloat = Family<Vec<(&'static str, String)>, Gauge<f64, AtomicU64>>;

/// All metrics as text, in the format of OpenMetrics.
pub(crate) fn encode(counters: &Counters, sample: &Sample, requests: &Requests) -> String {
    let mut registry = Registry::with_prefix("heck");
    register_node(&mut registry, sample);
    register_origins(&mut registry, sample);
    for (count, name, help) in COUNTERS {
        registry.register(*name, *help, ConstCounter::new(counters.get(*count)));
    }
    if let Some(probes) = &sample.probes {
        register_probes(&mut registry, probes);
    }
    if let Some(ExporterStatus { waiting, breaker }) = sample.traces {
        gauge(&mut registry, "spans_waiting", "Spans of traces that wait for the collector", waiting as u64);
        let help = "Whether the collector of traces is told: open, it failed and is left alone; always 1";
        by(&mut registry, "trace_breaker", help, "state", &[(breaker_name(breaker), 1)]);
    }
    if let Some((waiting, breaker)) = sample.webhook {
        gauge(
            &mut registry,
            "webhooks_waiting",
            "Changes of state that wait for the webhook",
            waiting as u64,
        );
        let help = "Whether the webhook is told: open, it failed and is left alone for a while; always 1";
        by(&mut registry, "webhook_breaker", help, "state", &[(breaker_name(breaker), 1)]);
    }
    registry.register(
        "heartbeats_said",
        "Heartbeats that this node said in this life",
        ConstCounter::new(sample.heartbeats),
    );
    registry.register(
        "api_requests",
        "Requests of clients by method, route and status",
        requests.total.clone(),
    );
    registry.register_with_unit(
        "api_request_duration",
        "Time from a request to the beginning of its answer, the wait of a long poll included",
        Unit::Seconds,
        requests.duration.clone(),
    );
    let open = requests.open.load(Ordering::Relaxed) as u64;
    let help = "Requests of clients that have no answer yet, this one among them";
    gauge(&mut registry, "api_requests_open", help, open);
    gauge(&mut registry, "api_streams", "Event streams of clients that are open", sample.api_streams);
    registry.register_with_unit(
        "journal_busy",
        "How long the disk has been at the records that it was last given; 0 when it has none",
        Unit::Seconds,
        ConstGauge::new(sample.journal_busy.as_secs_f64()),
    );
    if let Some(each) = &sample.each {
        register_each(&mut registry, each);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = text::encode(&mut text, &registry);
    text
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
}

fn by(registry: &mut Registry, name: &str, help: &str, label: &'static str, values: &[(&'static str, u64)]) {
    let family = Labelled::default();
    for (value, count) in values {
        let labels = vec![(label, (*value).to_owned())];
        family.get_or_create(&labels).set(i64::try_from(*count).unwrap_or(i64::MAX));
    }
    registry.register(name, help, family);
}

fn register_node(registry: &mut Registry, sample: &Sample) {
    by(registry, "build_info", "The version of heck; always 1", "version", &[(env!("CARGO_PKG_VERSION"), 1)]);
    by(registry, "phase", "The phase that the node is in; always 1", "phase", &[(sample.phase, 1)]);
    gauge(registry, "boot", "The life of the node: a restart begins a higher one", sample.boot);
    by(
        registry,
        "members",
        "Members that this node knows, by what is held of them",
        "standing",
        &sample.members,
    );
    gauge(registry, "members_counted", "Members that count when owners are found", sample.members_counted);
    let help = "Members whose settings of ownership are others than those of this node";
    gauge(registry, "members_disagreeing", help, sample.members_disagreeing);
    gauge(registry, "state_entries", "Entries of the replicated state that are live", sample.entries);
    gauge(registry, "keys", "Keys of the key-value store", sample.keys);
    gauge(registry, "messages", "Messages that are kept", sample.messages);
    registry.register_with_unit(
        "message_log",
        "Size of the payloads of messages that are kept",
        Unit::Bytes,
        ConstGauge::new(i64::try_from(sample.message_bytes).unwrap_or(i64::MAX)),
    );
    let ratio = |parts: u32| ConstGauge::new(f64::from(parts) / 65_536.0);
    let help = "Share of single datagrams that arrive, as this node measures it";
    registry.register("delivery_ratio", help, ratio(sample.delivery));
    if let Some(exchanges) = sample.exchanges {
        let help = "Share of exchanges with members that get through, as this node measures it";
        registry.register("exchanges_ratio", help, ratio(exchanges));
    }
}

fn register_origins(registry: &mut Registry, sample: &Sample) {
    by(registry, "origins", "Origins by state, as this node knows it", "state", &sample.origins);
    let help = "Origins whose health is older than it should be, here; those in maintenance are among them";
    gauge(registry, "origins_stale", help, sample.origins_stale);
    gauge(registry, "origins_owned", "Origins that this node is to check", sample.origins_owned);
    let help = "Origins that this node does check: more than it owns while origins change hands";
    gauge(registry, "origins_checked", help, sample.origins_checked);
}

const fn breaker_name(breaker: BreakerState) -> &'static str {
    match breaker {
        BreakerState::Closed => "closed",
        BreakerState::HalfOpen => "half_open",
        BreakerState::Open => "open",
    }
}

fn register_probes(registry: &mut Registry, probes: &ProbeStatus) {
    let help = "Connections to origins that wait for the next probe";
    gauge(registry, "probe_connections_kept", help, probes.connections as u64);
    let resolver = &probes.resolver;
    let help = "Whether names are looked up: open, the resolver failed and is left alone; always 1";
    by(registry, "resolver_breaker", help, "state", &[(breaker_name(resolver.breaker), 1)]);
    let help = "Lookups that failed since the last one that did not";
    gauge(registry, "resolver_failures", help, resolver.failures.into());
    gauge(registry, "resolver_names", "Names that the resolver remembers", resolver.names as u64);
    gauge(registry, "resolver_lookups", "Lookups that are under way", resolver.under_way as u64);
}

fn register_each(registry: &mut Registry, each: &[OriginSample]) {
    let (state, stale, healthy, ages) =
        (Labelled::default(), Labelled::default(), Labelled::default(), LabelledFloat::default());
    for origin in each {
        let name = || vec![("origin", origin.name.clone())];
        state
            .get_or_create(&vec![("origin", origin.name.clone()), ("state", origin.state.to_owned())])
            .set(1);
        stale.get_or_create(&name()).set(origin.is_stale.into());
        healthy.get_or_create(&name()).set(origin.is_healthy.into());
        if let Some(age_ms) = origin.age_ms {
            ages.get_or_create(&name()).set(age_ms as f64 / 1_000.0);
        }
    }
    registry.register("origin_state", "The state of the origin; always 1", state);
    registry.register("origin_healthy", "Whether the origin is healthy", healthy);
    registry.register(
        "origin_stale",
        "Whether the health of the origin is older than it should be, here",
        stale,
    );
    registry.register_with_unit(
        "origin_age",
        "How old the health of the origin is, here",
        Unit::Seconds,
        ages,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::resolve::ResolverStatus;
    use std::collections::BTreeSet;

    fn everything() -> String {
        let each = OriginSample {
            name: "a".into(),
            state: "healthy",
            is_healthy: true,
            is_stale: false,
            age_ms: Some(1_500),
        };
        let resolver = ResolverStatus { breaker: BreakerState::Closed, failures: 0, names: 0, under_way: 0 };
        let sample = Sample {
            members: vec![("alive", 1)],
            origins: vec![("healthy", 1)],
            exchanges: Some(65_536),
            probes: Some(ProbeStatus { origins: 1, connections: 0, resolver }),
            each: Some(vec![each]),
            webhook: Some((0, BreakerState::Closed)),
            traces: Some(ExporterStatus { waiting: 0, breaker: BreakerState::Closed }),
            ..Sample::default()
        };
        let requests = Requests::default();
        requests.count("GET", "/v1/health", 200, Duration::from_millis(2));
        encode(&Counters::default(), &sample, &requests)
    }

    /// The metrics of a text, by the names of their series.
    fn names(text: &str) -> BTreeSet<String> {
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let series = types.map(|line| match line.split_once(' ') {
            Some((name, "counter")) => format!("{name}_total"),
            Some((name, _)) => name.to_owned(),
            None => panic!("{line}"),
        });
        series.collect()
    }

    #[test]
    fn every_counter_of_the_node_is_there() {
        let counted: BTreeSet<Count> = COUNTERS.iter().map(|(count, ..)| *count).collect();
        assert_eq!(counted.len(), COUNTERS.len(), "each has one line");
        assert_eq!(counted.len(), Count::LEN, "a new counter needs a line in `COUNTERS` and in REFERENCE.md");
    }

    #[test]
    fn the_reference_lists_exactly_the_metrics_that_there_are() {
        let reference = include_str!("../REFERENCE.md");
        let section = reference.split("## Metrics").nth(1).expect("there is a section of metrics");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `heck_"));
        let documented: BTreeSet<String> = rows
            .filter_map(|row| Some(format!("heck_{}", row.split('`').next()?.split('{').next()?)))
            .collect();
        assert_eq!(documented, names(&everything()));
    }

    /// The metrics of heck that a text names.
    fn named(text: &str) -> BTreeSet<&str> {
        let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
        text.match_indices("heck_")
            .filter(|(at, _)| !text[..*at].ends_with(is_part))
            .map(|(at, _)| {
                let rest = &text[at..];
                &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]
            })
            .collect()
    }

    #[test]
    fn dashboard_and_alerts_name_only_metrics_that_there_are() {
        let there = names(&everything());
        let is_there =
            |name: &str| there.contains(name) || there.contains(name.strip_suffix("_bucket").unwrap_or(name));
        let grafana: serde_json::Value =
            serde_json::from_str(include_str!("../../deploy/grafana/heck.json")).expect("JSON");
        let panels = grafana["panels"].as_array().expect("panels");
        let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
        let queries: Vec<&str> = targets.filter_map(|target| target["expr"].as_str()).collect();
        assert!(queries.len() > 20, "{queries:?}");
        let alerts = include_str!("../../deploy/prometheus/alerts.yml");
        let tried = include_str!("../../deploy/prometheus/alerts_test.yml");
        for text in queries.iter().copied().chain([alerts, tried]) {
            let named = named(text);
            assert!(!named.is_empty(), "{text}");
            let unknown: Vec<_> = named.into_iter().filter(|name| !is_there(name)).collect();
            assert!(unknown.is_empty(), "{unknown:?} in {text}");
        }
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let text = everything();
        assert!(text.ends_with("# EOF\n"));
        assert!(
            text.contains("heck_api_requests_total{method=\"GET\",route=\"/v1/health\",status=\"200\"} 1"),
            "{text}"
        );
        assert!(text.contains("heck_origin_age_seconds{origin=\"a\"} 1.5"), "{text}");
        assert!(text.contains("heck_exchanges_ratio 1.0"), "{text}");
    }
}
