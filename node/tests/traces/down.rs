//! A collector that is gone, hangs or refuses: nodes go on, and count what nobody is told of.

use crate::collector::{Collector, Mood};
use crate::common::until;
use crate::node::Node;
use std::time::{Duration, Instant};

fn metric(node: &Node, name: &str) -> u64 {
    let metrics = node.get("/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().expect("a number")
}

fn breaker(node: &Node) -> String {
    let metrics = node.get("/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with("heck_trace_breaker{")).expect("it is there");
    line.split('"').nth(1).expect("a state").to_owned()
}

fn start(endpoint: &str) -> Node {
    Node::start(&["--tracing-endpoint", endpoint, "--tracing-timeout", "300ms", "--api-requests-per-s", "0"])
}

/// Makes more spans than may wait, and says how long the slowest request took.
fn flood(node: &Node) -> Duration {
    let mut slowest = Duration::ZERO;
    for number in 0..3_200 {
        let begun = Instant::now();
        assert_eq!(node.get(&format!("/v1/kv/none-{number}")).status, 404);
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

#[test]
fn a_node_goes_on_while_its_collector_hangs_and_tells_what_waited_when_it_is_back() {
    let collector = Collector::start(Mood::Hangs);
    let node = start(&collector.url());
    let slowest = flood(&node);
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    until("attempts fail", || metric(&node, "heck_span_exports_failed_total"), |count| *count >= 1);
    until("it is left alone", || breaker(&node), |state| state == "open");
    let (dropped, waiting) = (metric(&node, "heck_spans_dropped_total"), metric(&node, "heck_spans_waiting"));
    assert!(dropped > 0 && waiting <= 2_048 + 512, "{dropped} dropped, {waiting} wait");
    assert_eq!(metric(&node, "heck_spans_exported_total"), 0);
    node.ask("PUT", "/v1/kv/colour", "green");
    collector.set(Mood::Takes);
    until("what waited is told", || metric(&node, "heck_spans_exported_total"), |count| *count >= 2_000);
    until("all is well", || breaker(&node), |state| state == "closed");
    assert!(collector.spans().len() >= 2_000);
}

#[test]
fn a_node_without_its_collector_ends_in_time_and_says_what_nobody_was_told_of() {
    // A port that nobody listens at.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound");
    let mut node = start(&format!("http://{gone}"));
    node.get("/v1/kv/none");
    node.heck.logs("the collector of traces does not take spans");
    node.heck.signal("TERM");
    let Node { heck, .. } = node;
    let ended = heck.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.took < Duration::from_secs(8), "{ended:?}");
    assert!(ended.err.contains("before the collector has taken these spans"), "{ended:?}");
}

#[test]
fn what_waits_is_told_when_a_node_ends() {
    let collector = Collector::start(Mood::Takes);
    let node = start(&collector.url());
    node.get("/v1/kv/last");
    node.heck.signal("TERM");
    let Node { heck, .. } = node;
    assert_eq!(heck.wait().code, Some(0));
    assert!(
        collector
            .spans()
            .iter()
            .any(|span| span.attributes.get("url.path").is_some_and(|path| path == "/v1/kv/last"))
    );
}

#[test]
fn what_a_collector_refuses_is_dropped_and_what_it_asks_for_later_is_told_again() {
    let collector = Collector::start(Mood::Says(400));
    let node = start(&collector.url());
    node.get("/v1/kv/refused");
    until("it is dropped", || metric(&node, "heck_spans_dropped_total"), |count| *count == 1);
    assert_eq!((collector.requests(), breaker(&node).as_str()), (1, "closed"));
    collector.set(Mood::Says(503));
    node.get("/v1/kv/later");
    until("it is tried", || collector.requests(), |count| *count >= 2);
    assert_eq!(metric(&node, "heck_spans_dropped_total"), 1);
    collector.set(Mood::Takes);
    until("it is told", || metric(&node, "heck_spans_exported_total"), |count| *count == 1);
    // A collector may take a request and refuse some of its spans.
    collector.set(Mood::Refuses(1));
    node.get("/v1/kv/partly");
    until("it is dropped", || metric(&node, "heck_spans_dropped_total"), |count| *count == 2);
}
