//! Requests and probes that begin traces of their own.

use crate::authority::Authority;
use crate::collector::{Collector, Mood, Span};
use crate::common::heck::{command, run};
use crate::common::until;
use crate::node::Node;
use crate::origin::{Origin, answer};
use std::fs;
use tokio::runtime::Builder;

fn named(collector: &Collector, name: &str) -> Vec<Span> {
    collector.spans().into_iter().filter(|span| span.name == name).collect()
}

#[test]
fn requests_begin_traces_by_their_share_and_signs_of_life_never_do() {
    let collector = Collector::start(Mood::Takes);
    let dir = tempfile::tempdir().unwrap();
    let headers = dir.path().join("headers");
    fs::write(&headers, "# ours\nx-tenant: seven\nauthorization: Bearer s3cret\n").unwrap();
    let node = Node::start(&[
        "--name",
        "n",
        "--tracing-endpoint",
        &format!("{}/", collector.url()),
        "--tracing-headers",
        headers.to_str().unwrap(),
        "--tracing-service-name",
        "edge",
    ]);
    for path in ["/livez", "/metrics", "/healthz", "/ui/"] {
        node.get(path);
    }
    assert_eq!(node.get("/v1/kv/none").status, 404);
    assert_eq!(node.get("/v1/nonsense").status, 404);
    let not_found = until("both are told", || named(&collector, "GET none"), |spans| !spans.is_empty());
    assert_eq!(not_found[0].attributes["url.path"], "/v1/nonsense");
    assert_eq!(
        (not_found[0].attributes["http.response.status_code"].as_str(), not_found[0].parent.as_str()),
        ("404", "")
    );
    let spans = until("both are told", || named(&collector, "GET /v1/kv/{name}"), |spans| !spans.is_empty());
    assert!(!spans[0].is_error, "that a client asks for what is not there is no error of the node");
    assert_eq!(spans[0].resource["service.name"], "edge");
    assert_eq!(spans[0].resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_ne!(spans[0].trace, not_found[0].trace);
    let quiet = collector.spans().into_iter().filter(|span| !span.attributes["url.path"].starts_with("/v1/"));
    assert_eq!(quiet.count(), 0);
    assert_eq!(
        (collector.headers()["x-tenant"].as_str(), collector.headers()["authorization"].as_str()),
        ("seven", "Bearer s3cret")
    );
}

#[test]
fn probes_have_spans_by_their_share_and_origins_hear_of_them_only_where_that_is_asked_for() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let web = runtime.block_on(Origin::start(|_| Some(answer(503, "", "no"))));
    let url = format!("http://{}/secret-path", web.addr);
    for is_told in [false, true] {
        let collector = Collector::start(Mood::Takes);
        let told = format!("--tracing-tell-origins={is_told}");
        let node = Node::start(&[
            "--tracing-endpoint",
            &collector.url(),
            "--tracing-sample-ratio",
            "0",
            "--tracing-probe-ratio",
            "1",
            &told,
        ]);
        node.put("web", &url, "");
        node.put("gone", "tcp://127.0.0.1:9", "");
        let of = |origin: &str| {
            let of_it = |span: &Span| span.name == "probe" && span.attributes["heck.origin"] == origin;
            until(
                "its probes are told",
                || collector.spans().into_iter().filter(of_it).collect::<Vec<_>>(),
                |spans| spans.len() >= 2,
            )
        };
        let (answered, refused) = (of("web"), of("gone"));
        assert_eq!(answered[0].attributes["http.response.status_code"], "503");
        assert_eq!(answered[0].attributes["server.port"], web.addr.port().to_string());
        assert_ne!(answered[0].trace, answered[1].trace, "each is a trace of its own");
        assert!(answered.iter().all(|span| span.kind == 3 && span.parent.is_empty()));
        assert!(refused[0].is_error);
        assert!(!format!("{:?}", collector.spans()).contains("secret-path"));
        let requests = std::mem::take(&mut *web.requests.lock().unwrap());
        let headers: Vec<String> = requests.iter().map(|request| request.to_lowercase()).collect();
        if is_told {
            let header = format!("traceparent: 00-{}-{}-01", answered[0].trace, answered[0].id);
            assert!(headers.iter().any(|request| request.contains(&header)), "{header}: {headers:?}");
        } else {
            assert!(!headers.is_empty() && headers.iter().all(|request| !request.contains("traceparent")));
        }
    }
}

#[test]
fn a_share_of_steps_is_told_where_that_is_asked_for() {
    let collector = Collector::start(Mood::Takes);
    let _node = Node::start(&[
        "--tracing-endpoint",
        &collector.url(),
        "--tracing-sample-ratio",
        "0",
        "--tracing-step-ratio",
        "1",
    ]);
    let steps = until("steps are told", || named(&collector, "core step"), |spans| spans.len() > 2);
    assert!(steps.iter().any(|step| step.attributes["heck.input"] == "timeout"));
    assert!(steps.iter().all(|step| step.parent.is_empty()));
}

#[test]
fn a_collector_behind_tls_is_told_by_the_word_of_its_authority_and_by_no_other() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.certificate("localhost", 2_090);
    let collector = runtime.block_on(Origin::start_tls(certificate, key, |_| Some(answer(200, "", ""))));
    let url = format!("https://localhost:{}", collector.addr.port());
    let (ca, stranger) = (authority.path(), Authority::new().path());
    let metric = |node: &Node, name: &str| {
        let metrics = node.get("/metrics").body;
        metrics.lines().any(|line| line == format!("heck_{name}_total 1"))
    };
    let mistrusting = Node::start(&["--tracing-endpoint", &url, "--tracing-ca", stranger.to_str().unwrap()]);
    mistrusting.get("/v1/kv/none");
    until("the attempt fails", || metric(&mistrusting, "span_exports_failed"), |failed| *failed);
    assert_eq!(collector.asked(), 0);
    let trusting = Node::start(&["--tracing-endpoint", &url, "--tracing-ca", ca.to_str().unwrap()]);
    trusting.get("/v1/kv/none");
    until("it is told", || metric(&trusting, "spans_exported"), |told| *told);
    assert!(collector.last().starts_with("POST /v1/traces HTTP/1.1"));
}

#[test]
fn standard_variables_are_followed_and_a_wrong_setting_is_refused_at_the_start() {
    let collector = Collector::start(Mood::Takes);
    let dir = tempfile::tempdir().unwrap();
    let mut node = crate::common::heck::Heck::spawn(
        command(dir.path(), &["node"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
            .env("OTEL_SERVICE_NAME", "standard"),
    );
    let api = node.api(&dir.path().join("heck-data"));
    assert!(node.says("  traces").contains(&collector.url()));
    api.until_ready();
    api.ask("GET", "/v1/kv/none", "").expect("the node answers");
    let spans = until("it is told", || collector.spans(), |spans| !spans.is_empty());
    assert_eq!(spans[0].resource["service.name"], "standard");
    for (args, wrong) in [
        (&["--tracing-endpoint", "127.0.0.1:4318"][..], "`tracing.endpoint` is `127.0.0.1:4318`"),
        (&["--tracing-endpoint", "http://a", "--tracing-headers", "none"], "`tracing.headers`: none"),
        (&["--tracing-sample-ratio", "2"], "a number from 0 to 1 is allowed"),
    ] {
        let mut start = command(dir.path(), &["node", "--data-dir", "other"]);
        start.args(args);
        let ended = run(start);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(wrong), "{ended:?}");
    }
}
