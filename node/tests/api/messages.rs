//! Messages: published here and there, read once each, from any node, and a gap is never silent.

use crate::common::{config, members, sockets, until};
use crate::served::{EventStream, Served, api_config};
use heck_core::id::Name;
use heck_core::input::Command;
use heck_core::time::Span;
use heck_node::Start;
use reqwest::Method;
use serde_json::Value;
use std::sync::Arc;

fn publish(api: &Served, topic: &str, payload: &str) {
    api.send(api.request(Method::POST, &format!("/v1/messages/{topic}")).body(payload.to_owned())).is(201);
}

/// Payloads of a page, and its position.
fn page(api: &Served, query: &str) -> (Vec<String>, String, Value) {
    let page = api.get(&format!("/v1/messages?{query}")).is(200).json();
    let payload = |message: &Value| message["value"].as_str().expect("a text").to_owned();
    let messages = page["messages"].as_array().unwrap().iter().map(payload).collect();
    (messages, page["position"].as_str().unwrap().to_owned(), page["gaps"].clone())
}

/// The payloads of the next messages of a stream, and the id of the last.
fn take(events: &mut EventStream<'_>, count: usize) -> (Vec<String>, String) {
    let mut last = String::new();
    let payloads = (0..count).map(|_| {
        let event = events.expect("message");
        last = event.id;
        event.data["value"].as_str().expect("a text").to_owned()
    });
    (payloads.collect(), last)
}

#[test]
fn messages_are_read_from_a_position_once_each() {
    let api = Served::new();
    for n in 0..5 {
        publish(&api, "purge", &format!("p{n}"));
    }
    let (first, position, gaps) = page(&api, "");
    assert_eq!(first, ["p0", "p1", "p2", "p3", "p4"]);
    assert_eq!(gaps, serde_json::json!([]));
    assert_eq!(page(&api, &format!("position={position}")).0, [""; 0]);
    assert_eq!(page(&api, "from=now").0, [""; 0]);
    publish(&api, "other", "o");
    publish(&api, "purge", "p5");
    assert_eq!(page(&api, &format!("topic=purge&position={position}")).0, ["p5"]);
    assert_eq!(page(&api, "topic=other&from=start").0, ["o"]);
    api.get("/v1/messages?position=nonsense").is(400);
    api.get("/v1/messages?from=then").is(400);
}

#[test]
fn many_messages_come_in_pages() {
    let api = Served::new();
    for n in 0..300 {
        publish(&api, "t", &n.to_string());
    }
    let all = api.get("/v1/messages").is(200).json();
    assert_eq!((all["messages"].as_array().unwrap().len(), &all["more"]), (256, &Value::Bool(true)));
    let (rest, ..) = page(&api, &format!("position={}", all["position"].as_str().unwrap()));
    assert_eq!(rest, (256..300).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn one_look_goes_through_a_part_of_a_long_log_however_few_are_wanted() {
    let api = Served::new();
    let message = || Command::Publish { topic: Name::new("t").unwrap(), payload: Arc::from(&b"p"[..]) };
    for _ in 0..50 {
        let all = (0..100).map(|_| api.node.handle.command(message()));
        let published = api.block_on("messages", futures_util::future::join_all(all));
        assert!(published.iter().all(Result::is_ok));
    }
    let mut events = api.events("/v1/messages?from=start&topic=other", None);
    let first = events.expect("position").id;
    let second = events.expect("position").id;
    assert_ne!(first, second, "the second look goes on behind the first");
    assert_eq!(page(&api, &format!("topic=t&position={first}")).0.len(), 256);
    assert_eq!(page(&api, &format!("position={second}")).0, [""; 0]);
    assert_eq!(page(&api, "topic=other").0, [""; 0], "a page goes on to the end");
}

#[test]
fn a_long_poll_waits_for_a_message() {
    let api = Served::new();
    let (_, position, _) = page(&api, "");
    let (none, same, _) = page(&api, &format!("position={position}&wait=10ms"));
    assert_eq!((none.len(), &same), (0, &position));
    let waited = std::thread::scope(|scope| {
        let poll = scope.spawn(|| page(&api, &format!("position={position}&wait=20s&topic=b")));
        publish(&api, "a", "not asked for");
        publish(&api, "b", "hello");
        poll.join().unwrap()
    });
    assert_eq!(waited.0, ["hello"]);
}

#[test]
fn a_stream_resumes_behind_its_last_event() {
    let api = Served::new();
    publish(&api, "t", "before");
    let mut events = api.events("/v1/messages", None);
    publish(&api, "t", "one");
    publish(&api, "t", "two");
    let (live, last) = take(&mut events, 2);
    assert_eq!(live, ["one", "two"], "a stream begins with what comes");
    drop(events);
    publish(&api, "t", "missed");
    let mut resumed = api.events("/v1/messages", Some(&last));
    publish(&api, "t", "live");
    assert_eq!(take(&mut resumed, 2).0, ["missed", "live"]);
    assert_eq!(take(&mut api.events("/v1/messages?from=start&topic=t", None), 5).0[0], "before");
    // What is not asked for moves the position alone.
    let mut other = api.events("/v1/messages?topic=x", None);
    publish(&api, "t", "again");
    let passed = other.expect("position");
    drop(other);
    publish(&api, "x", "wanted");
    assert_eq!(take(&mut api.events("/v1/messages", Some(&passed.id)), 1).0, ["wanted"]);
}

#[test]
fn a_subscriber_resumes_on_another_node() {
    let dir = tempfile::tempdir().unwrap();
    let all = vec![sockets(), sockets()];
    let members = members(&["a", "b"], &all);
    let start = |name: &str, sockets| {
        let mut settings = config(name, dir.path(), 7);
        settings.members = members.clone();
        settings.start = Start::Formed;
        Served::start(sockets, settings, api_config())
    };
    let [first, second] = <[_; 2]>::try_from(all).unwrap();
    let (a, b) = (start("a", first), start("b", second));
    let holds = |api: &Served, count: usize| {
        until("it has arrived", || page(api, "").0.len(), |len| *len == count);
    };
    let mut events = a.events("/v1/messages?from=start", None);
    publish(&a, "t", "a1");
    publish(&b, "t", "b1");
    let (mut had, last) = take(&mut events, 2);
    had.sort();
    assert_eq!(had, ["a1", "b1"]);
    drop(events);
    publish(&a, "t", "a2");
    publish(&b, "t", "b2");
    holds(&b, 4);
    let mut resumed = b.events("/v1/messages", Some(&last));
    let (mut missed, last) = take(&mut resumed, 2);
    missed.sort();
    assert_eq!(missed, ["a2", "b2"], "neither twice nor never");
    publish(&a, "t", "a3");
    assert_eq!(take(&mut resumed, 1).0, ["a3"]);
    holds(&a, 5);
    assert_eq!(page(&a, &format!("position={last}")).0, ["a3"]);
}

#[test]
fn messages_that_expired_unread_are_said_to_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = config("n", dir.path(), 1);
    settings.protocol.retention.bytes = 20;
    settings.protocol.retention.age = Span::from_secs(600);
    let api = Served::start(sockets(), settings, api_config());
    publish(&api, "t", "0123456789");
    let (_, position, _) = page(&api, "");
    for n in 1..6 {
        publish(&api, "t", &format!("{n}123456789"));
    }
    // The log is cut to its limit when the next message comes or time passes.
    let read = until(
        "only two are kept",
        || page(&api, &format!("position={position}")),
        |(kept, ..)| kept.len() == 2,
    );
    assert_eq!(read.0, ["4123456789", "5123456789"]);
    assert_eq!(read.2, serde_json::json!([{"from": "n", "first": 2, "last": 4}]));
    let mut events = api.events("/v1/messages", Some(&position));
    let gap = events.expect("gap");
    assert_eq!(gap.data["last"], 4);
    assert_eq!(take(&mut events, 2).0, ["4123456789", "5123456789"]);
    assert_eq!(page(&api, &format!("position={}", gap.id)).2, serde_json::json!([]), "a gap is said once");
    assert_eq!(page(&api, "from=start").2, serde_json::json!([]), "who begins has missed nothing");
}
