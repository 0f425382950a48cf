//! One trace from the client's request to what can be read on other nodes.

use crate::collector::{Collector, Mood, Span};
use crate::common::heck::{command, run};
use crate::common::until;
use crate::node::Node;
use std::collections::BTreeMap;
use std::time::Duration;

const SERVER: i32 = 2;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

/// Three nodes that are members of one cluster and tell one collector.
struct Fleet {
    collector: Collector,
    nodes: Vec<Node>,
}

impl Fleet {
    fn start(more: &[&str]) -> Self {
        let collector = Collector::start(Mood::Takes);
        let url = collector.url();
        let mut nodes: Vec<Node> = Vec::new();
        for name in ["a", "b", "c"] {
            let join = nodes.first().map(|first| first.gossip.clone());
            let mut args = vec!["--name", name, "--seal=false", "--tracing-endpoint", &url];
            args.extend_from_slice(&["--tracing-sample-ratio", "0", "--log-level", "debug"]);
            args.extend_from_slice(more);
            args.extend(join.iter().flat_map(|gossip| ["--join", gossip.as_str()]));
            nodes.push(Node::start(&args));
        }
        let fleet = Self { collector, nodes };
        for node in &fleet.nodes {
            let members = || node.get("/v1/members").body;
            until("all are members", members, |body| body.matches(r#""alive""#).count() == 3);
        }
        fleet
    }

    /// Sends a request to the first node as a part of a trace that is sampled, or not.
    fn ask(&self, trace: &str, is_sampled: bool, method: &str, path: &str, body: &str) {
        let flags = u8::from(is_sampled);
        let headers = format!("traceparent: 00-{trace}-{CLIENT_SPAN}-{flags:02x}\r\n");
        let answer = self.nodes[0].api.ask_with(&headers, method, path, body).expect("the node answers");
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
    }

    /// The trace, once the change of it was delivered on all nodes and sent by the first.
    fn until_delivered(&self, trace: &str) -> Vec<Span> {
        let is_whole = |spans: &Vec<Span>| {
            let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
            let is_at_a = |name: &str| spans.iter().any(|span| span.name == name && span.node() == "a");
            count("delivery") == 3
                && is_at_a("send")
                && is_at_a("publish")
                && spans.iter().any(|span| span.kind == SERVER)
        };
        self.collector.until_trace("the change is delivered everywhere", trace, is_whole)
    }
}

/// The one span of this name on a node.
fn one<'a>(spans: &'a [Span], name: &str, node: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name && span.node() == node).collect();
    assert_eq!(found.len(), 1, "{name} on {node}: {spans:#?}");
    found[0]
}

/// Holds a trace against what it should be: who is part of what, on which node.
fn check(spans: &[Span], request: &str, store: &str, name: &str) {
    let api = one(spans, request, "a");
    assert_eq!((api.kind, api.parent.as_str(), api.is_parent_remote), (SERVER, CLIENT_SPAN, true));
    let publish = one(spans, "publish", "a");
    assert_eq!((publish.kind, &publish.parent, publish.is_parent_remote), (PRODUCER, &api.id, false));
    assert_eq!(publish.attributes["heck.store"], store);
    assert!(api.begun_ns <= publish.begun_ns && publish.ended_ns <= api.ended_ns);
    let step = one(spans, "core step", "a");
    assert_eq!((&step.parent, step.attributes["heck.input"].as_str()), (&publish.id, "command"));
    let sends: BTreeMap<&str, &Span> =
        spans.iter().filter(|span| span.name == "send").map(|span| (span.id.as_str(), span)).collect();
    let send = one(spans, "send", "a");
    assert_eq!((send.kind, &send.parent), (PRODUCER, &publish.id));
    let own = one(spans, "delivery", "a");
    assert_eq!((own.kind, &own.parent), (CONSUMER, &publish.id));
    for node in ["b", "c"] {
        let receive = one(spans, "receive", node);
        assert_eq!((receive.kind, &receive.parent, receive.is_parent_remote), (CONSUMER, &publish.id, true));
        assert!(receive.begun_ns >= publish.begun_ns, "all are on one machine");
        // By whom it was sent, the first node or the other one, if that one has told already.
        assert_eq!(receive.links.len(), 1);
        if let Some(sent) = sends.get(receive.links[0].as_str()) {
            assert_ne!(sent.node(), node);
        } else {
            assert_ne!(receive.links[0], send.id);
        }
        let step = spans.iter().find(|span| span.name == "core step" && span.node() == node);
        let step = step.expect("a step took it in");
        assert_eq!(step.parent, receive.id);
        let delivery = one(spans, "delivery", node);
        assert_eq!(
            (delivery.kind, &delivery.parent, delivery.is_parent_remote),
            (CONSUMER, &receive.id, false)
        );
        assert!(delivery.begun_ns >= receive.begun_ns && delivery.ended_ns >= receive.ended_ns);
        for span in [receive, delivery] {
            assert_eq!(
                (span.attributes["heck.store"].as_str(), span.attributes["heck.name"].as_str()),
                (store, name)
            );
        }
        if let Some(relayed) = spans.iter().find(|span| span.name == "send" && span.node() == node) {
            assert_eq!(relayed.parent, receive.id);
        }
    }
    // One of them at least was reached by the first node's own word.
    assert!(spans.iter().any(|span| span.links.contains(&send.id)), "{spans:#?}");
    for span in spans {
        assert_eq!(span.resource["service.name"], "heck");
        assert_eq!(span.resource["heck.cluster"], "heck");
        assert!(!span.is_error, "{span:?}");
    }
}

/// A write of a client: its trace, what it asks for, the store that it writes to and the name that it writes under.
struct Write {
    trace: &'static str,
    ask: (&'static str, &'static str),
    body: String,
    route: &'static str,
    about: (&'static str, &'static str),
}

fn writes() -> [Write; 5] {
    let write =
        |trace, ask, body: &str, route, about| Write { trace, ask, body: body.to_owned(), route, about };
    let origin = r#"{"name": "shop", "url": "http://127.0.0.1:9/", "interval": "1h"}"#;
    let put =
        |trace, ask, body: &str, key| write(trace, ("PUT", ask), body, "PUT /v1/kv/{name}", ("keys", key));
    [
        put("0af7651916cd43dd8448eb211c80319a", "/v1/kv/colour", "green", "colour"),
        write(
            "0af7651916cd43dd8448eb211c80319b",
            ("POST", "/v1/messages/purge"),
            "/index.html",
            "POST /v1/messages/{topic}",
            ("messages", "purge"),
        ),
        write(
            "0af7651916cd43dd8448eb211c80319c",
            ("PUT", "/v1/origins/shop"),
            origin,
            "PUT /v1/origins/{name}",
            ("origins", "shop"),
        ),
        // What fits no datagram goes by stream.
        put("0af7651916cd43dd8448eb211c80319d", "/v1/kv/large", &"x".repeat(4_000), "large"),
        write(
            "0af7651916cd43dd8448eb211c80319e",
            ("DELETE", "/v1/kv/colour"),
            "",
            "DELETE /v1/kv/{name}",
            ("keys", "colour"),
        ),
    ]
}

/// Waits until a node has logged this of a trace, as JSON in which the trace has its field.
fn until_logged(node: &mut Node, trace: &str, what: &str) {
    let is_it = |line: &&str| line.contains(trace) && line.contains(what);
    let log = || node.heck.logged().to_owned();
    let logged = until("it is logged", log, |log| log.lines().any(|line| is_it(&line)));
    let line = logged.lines().find(is_it).expect("just seen");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["trace_id"], trace);
    assert_eq!(line["span_id"].as_str().map(str::len), Some(16));
}

#[test]
fn one_trace_shows_a_change_from_the_request_to_its_delivery_on_other_nodes() {
    let mut fleet = Fleet::start(&["--log-format", "json"]);
    for write in writes() {
        let Write { trace, ask: (method, path), body, route, about: (store, name) } = write;
        fleet.ask(trace, true, method, path, &body);
        let spans = fleet.until_delivered(trace);
        check(&spans, route, store, name);
        let receives = spans.iter().filter(|span| span.name == "receive");
        let ways: Vec<&str> = receives.map(|span| span.attributes["network.transport"].as_str()).collect();
        assert_eq!(ways.contains(&"tcp"), name == "large", "{ways:?}");
    }
    // What clients read is what was written, on every node.
    for node in &fleet.nodes {
        assert_eq!(node.get("/v1/kv/large").body, "x".repeat(4_000));
        assert!(node.get("/v1/messages?topic=purge&from=start").body.contains("/index.html"));
    }
    let last = "0af7651916cd43dd8448eb211c80319e";
    until_logged(&mut fleet.nodes[0], last, "a traced request is answered");
    until_logged(&mut fleet.nodes[1], last, "a traced change can be seen here");
}

#[test]
fn what_is_not_sampled_is_told_to_nobody() {
    let fleet = Fleet::start(&[]);
    let trace = "0af7651916cd43dd8448eb211c803190";
    fleet.ask(trace, false, "PUT", "/v1/kv/quiet", "green");
    fleet.nodes[0].ask("PUT", "/v1/kv/plain", "green");
    for node in &fleet.nodes {
        until("it is there", || node.get("/v1/kv/quiet").status, |status| *status == 200);
        until("it is there", || node.get("/v1/kv/plain").status, |status| *status == 200);
    }
    // One that is sampled, written later, has been told from all nodes.
    let sampled = "0af7651916cd43dd8448eb211c803191";
    fleet.ask(sampled, true, "PUT", "/v1/kv/loud", "green");
    fleet.until_delivered(sampled);
    let others: Vec<Span> =
        fleet.collector.spans().into_iter().filter(|span| span.trace != sampled).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn a_node_that_tells_nobody_hands_the_trace_on() {
    let collector = Collector::start(Mood::Takes);
    let url = collector.url();
    let told = ["--seal=false", "--tracing-endpoint", &url, "--tracing-sample-ratio", "0"];
    let quiet = Node::start(&["--name", "quiet", "--seal=false"]);
    let join = ["--join", quiet.gossip.as_str()];
    let first = Node::start(&[&["--name", "first"], &told[..], &join[..]].concat());
    let trace = "0af7651916cd43dd8448eb211c80319f";
    let headers = format!("traceparent: 00-{trace}-{CLIENT_SPAN}-01\r\n");
    first.api.ask_with(&headers, "PUT", "/v1/kv/k", "v").expect("the node answers");
    until("it is there", || quiet.get("/v1/kv/k").status, |status| *status == 200);
    collector.until_trace("the request is told", trace, |spans| spans.iter().any(|span| span.kind == SERVER));
    // Whoever wrote it is gone, so that the third hears of it from the second.
    first.heck.kill();
    let third = Node::start(&[&["--name", "third"], &told[..], &join[..]].concat());
    until("it is there", || third.get("/v1/kv/k").status, |status| *status == 200);
    let trace_bytes: Vec<u8> = trace
        .as_bytes()
        .chunks(2)
        .map(|hex| u8::from_str_radix(std::str::from_utf8(hex).expect("hex"), 16).expect("hex"))
        .collect();
    until("it came with its trace", || third.holds_on_disk(&trace_bytes), |holds| *holds);
    // It came with all there is when the node joined, which is no news to tell of. A later change is.
    let later = "0af7651916cd43dd8448eb211c8031a0";
    let headers = format!("traceparent: 00-{later}-{CLIENT_SPAN}-01\r\n");
    third.api.ask_with(&headers, "PUT", "/v1/kv/later", "v").expect("the node answers");
    until("it is there", || quiet.get("/v1/kv/later").status, |status| *status == 200);
    collector.until_trace("it is told", later, |spans| spans.iter().any(|span| span.name == "send"));
    assert!(collector.trace(trace).iter().all(|span| span.node() == "first"));
    assert!(quiet.get("/metrics").body.contains("heck_spans_exported_total 0"));
    assert!(!quiet.get("/metrics").body.contains("heck_spans_waiting"));
}

#[test]
fn a_request_whose_client_goes_away_is_told_with_all_that_it_led_to() {
    let collector = Collector::start(Mood::Takes);
    let node = Node::start(&["--tracing-endpoint", &collector.url(), "--tracing-sample-ratio", "0"]);
    let trace = "0af7651916cd43dd8448eb211c8031a1";
    let headers = format!("traceparent: 00-{trace}-{CLIENT_SPAN}-01\r\n");
    // Nobody else will ever have it, and the answer is not waited for.
    let patience = Duration::from_millis(500);
    let answer = node.api.ask_for(patience, &headers, "PUT", "/v1/kv/k?wait_peers=2", "v");
    assert_eq!(answer, None);
    let spans =
        collector.until_trace("it is told", trace, |spans| spans.iter().any(|span| span.kind == SERVER));
    let request = spans.iter().find(|span| span.kind == SERVER).expect("just seen");
    assert!(request.is_error && request.parent == CLIENT_SPAN, "{request:?}");
    let (publish, wait) = (one(&spans, "publish", request.node()), one(&spans, "command", request.node()));
    assert_eq!((&publish.parent, &wait.parent), (&request.id, &request.id));
    assert!(!publish.is_error && wait.is_error);
}

#[test]
fn the_client_hands_on_the_trace_that_it_is_part_of() {
    let collector = Collector::start(Mood::Takes);
    let node = Node::start(&["--tracing-endpoint", &collector.url(), "--tracing-sample-ratio", "0"]);
    let client = |trace: &str, variable: bool| {
        let traceparent = format!("00-{trace}-{CLIENT_SPAN}-01");
        let addr = node.api.addr().to_owned();
        let mut client = command(node.path(), &["kv", "put", "colour", trace, "--addr", &addr]);
        if variable {
            client.env("TRACEPARENT", &traceparent);
        } else {
            client.args(["--traceparent", &traceparent]);
        }
        let ended = run(client);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        collector.until_trace("it is told", trace, |spans| {
            spans.iter().any(|span| span.kind == SERVER && span.parent == CLIENT_SPAN)
        });
    };
    client("0af7651916cd43dd8448eb211c803192", true);
    client("0af7651916cd43dd8448eb211c803193", false);
}
