//! A probe on request, in the words of the Blackbox exporter: `GET /probe?target=…`.
//!
//! A target is the name of an origin, so that nobody who may only read makes a node connect to a place that no writer
//! has named; the guard of checks judges the address all the same. Requests do not multiply probes: what was found
//! within the last second is told again, and few go on at once.

use crate::origin::Scheme;
use crate::probe::{Hindrance, Report};
use heck_core::policy::{Grade, Policy};
use heck_core::time::Span;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Probes on request at once.
const AT_ONCE: usize = 16;
/// How long what was found is told again.
const FRESH: Duration = Duration::from_secs(1);

/// Which targets may be probed on request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProbeTargets {
    /// None.
    #[default]
    Off,
    /// Origins, by name.
    Origins,
    /// Origins by name, and any URL that checks may connect to.
    Any,
}

/// What keeps probes on request from being too many.
#[derive(Debug)]
pub(crate) struct OnRequest {
    pub places: Arc<Semaphore>,
    recent: Mutex<BTreeMap<String, (Instant, Arc<str>)>>,
}

impl Default for OnRequest {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), recent: Mutex::default() }
    }
}

impl OnRequest {
    /// What was found of a target a moment ago.
    pub(crate) fn recent(&self, target: &str) -> Option<Arc<str>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(target).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, text)| text.clone())
    }

    /// Keeps what was found. There is as much as one second of probes brings at most.
    pub(crate) fn keep(&self, target: String, text: Arc<str>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, (at, _)| at.elapsed() < FRESH);
        recent.insert(target, (Instant::now(), text));
    }
}

/// What a probe found, in the text format of Prometheus.
pub(crate) fn text(report: &Report, scheme: Scheme, policy: &Policy) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    // One that is slow, or asks for less, has answered.
    let is_bad = policy.grade(report.reply, report.took) == Grade::Bad;
    let success = if is_bad { 0.0 } else { 1.0 };
    gauge("probe_success", "Whether the target answered as its checks expect", success);
    gauge("probe_duration_seconds", "How long the probe took", seconds(report.took));
    if let Some(resolve) = report.phases.resolve {
        gauge("probe_dns_lookup_time_seconds", "How long the name took to have an address", seconds(resolve));
    }
    if let Some(status) = report.status.filter(|_| is_http(scheme)) {
        gauge("probe_http_status_code", "The status of the answer", status.into());
    }
    if let Some(not_after) = report.cert_not_after {
        let help = "When the certificate of the target ends, in Unix seconds";
        gauge("probe_ssl_earliest_cert_expiry", help, not_after as f64);
    }
    if is_http(scheme) {
        let phases = report.phases;
        let name = "probe_http_duration_seconds";
        let _ = writeln!(text, "# HELP {name} How long the parts of the probe took\n# TYPE {name} gauge");
        for (phase, took) in [
            ("resolve", phases.resolve),
            ("connect", phases.connect),
            ("processing", phases.answer),
            ("transfer", phases.body),
        ] {
            let took = took.map_or(0.0, seconds);
            let _ = writeln!(text, "{name}{{phase=\"{phase}\"}} {took}");
        }
    }
    text
}

/// Why nothing was found, as a reason to ask again.
pub(crate) fn hindered(hindrance: Hindrance, why: &str) -> String {
    format!("this node could not probe, which says nothing of the target ({hindrance:?}): {why}")
}

const fn is_http(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::Http | Scheme::Https)
}

fn seconds(span: Span) -> f64 {
    span.as_us() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Phases;
    use heck_core::probe::{Failure, Reply};

    fn report(reply: Reply) -> Report {
        Report {
            reply,
            took: Span::from_ms(250),
            phases: Phases { connect: Some(Span::from_ms(50)), ..Phases::default() },
            status: match reply {
                Reply::Status(status) => Some(status),
                _ => None,
            },
            failure: None,
            cert_not_after: Some(2_000_000_000),
        }
    }

    #[test]
    fn a_report_is_told_in_the_words_of_the_blackbox_exporter() {
        let policy = Policy::default();
        let shown = text(&report(Reply::Status(204)), Scheme::Https, &policy);
        for line in [
            "probe_success 1",
            "probe_duration_seconds 0.25",
            "probe_http_status_code 204",
            "probe_ssl_earliest_cert_expiry 2000000000",
            "probe_http_duration_seconds{phase=\"connect\"} 0.05",
            "probe_http_duration_seconds{phase=\"transfer\"} 0",
        ] {
            assert!(shown.lines().any(|held| held == line), "{line} in\n{shown}");
        }
        let down = |reply| text(&report(reply), Scheme::Http, &policy).contains("probe_success 0\n");
        assert!(down(Reply::Status(503)) && down(Reply::Failed(Failure::Timeout)));
        let tcp = text(&report(Reply::Connected), Scheme::Tcp, &policy);
        assert!(tcp.contains("probe_success 1\n") && !tcp.contains("http"), "{tcp}");
        let grpc = text(&report(Reply::Status(2)), Scheme::Grpc, &policy);
        assert!(grpc.contains("probe_success 0\n") && !grpc.contains("http"), "{grpc}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_is_told_again_for_a_second_and_then_forgotten() {
        let on_request = OnRequest::default();
        on_request.keep("a".into(), "found".into());
        assert_eq!(on_request.recent("a").as_deref(), Some("found"));
        assert_eq!(on_request.recent("b"), None);
        tokio::time::advance(FRESH).await;
        assert_eq!(on_request.recent("a"), None);
        on_request.keep("b".into(), "found".into());
        assert_eq!(on_request.recent.lock().unwrap().len(), 1);
    }
}
