//! Keys: any bytes as values, conditions, lists and watches.

use crate::served::Served;
use reqwest::Method;
use serde_json::json;

#[test]
fn a_key_holds_any_bytes_and_is_gone_once_deleted() {
    let api = Served::new();
    let bytes: Vec<u8> = (0..=255).collect();
    let put = |path: &str, bytes: Vec<u8>| api.send(api.request(Method::PUT, path).body(bytes));
    let written = put("/v1/kv/a%2Fb", bytes.clone()).is(204);
    let read = api.get("/v1/kv/a%2Fb").is(200);
    assert_eq!((&read.body, read.etag()), (&bytes, written.etag()));
    api.get_again("/v1/kv/a%2Fb", read.etag()).is(304);
    assert_eq!(put("/v1/kv/a%2Fb", bytes).is(204).etag(), read.etag(), "the same again changes nothing");
    assert_eq!(api.get("/v1/kv?prefix=a%2F").json()["keys"][0]["bytes"], 256);
    let listed = api.get("/v1/kv?values=true").json();
    assert!(
        listed["keys"][0]["value_base64"].is_string() && listed["keys"][0].get("value").is_none(),
        "{listed}"
    );
    put("/v1/kv/empty", Vec::new()).is(204);
    assert_eq!(api.get("/v1/kv/empty").is(200).body, b"");
    api.delete("/v1/kv/a%2Fb").is(204);
    api.get("/v1/kv/a%2Fb").is(404);
    api.delete("/v1/kv/a%2Fb").is(404);
}

#[test]
fn a_key_is_written_only_where_its_conditions_hold() {
    let api = Served::new();
    let put = |header: &str, tag: &str, value: &'static str| {
        api.send(api.request(Method::PUT, "/v1/kv/lock").header(header, tag).body(value))
    };
    let first = put("if-none-match", "*", "mine").is(204);
    put("if-none-match", "*", "yours").is(412);
    put("if-match", "\"other\"", "yours").is(412);
    put("if-match", first.etag(), "mine again").is(204);
    let stale = api.request(Method::DELETE, "/v1/kv/lock").header("if-match", first.etag());
    api.send(stale).is(412);
    assert_eq!(api.get("/v1/kv/lock").body, b"mine again");
}

#[test]
fn values_above_the_limit_are_refused_and_those_at_it_are_not() {
    let api = Served::new();
    let put = |bytes: usize| api.send(api.request(Method::PUT, "/v1/kv/large").body(vec![7; bytes]));
    put(64 * 1024).is(204);
    let refused = put(64 * 1024 + 1).is(413).json();
    assert!(refused["detail"].as_str().unwrap().contains("65536"), "{refused}");
    put(1 << 20).is(413);
    assert_eq!(api.get("/v1/kv/large").body.len(), 64 * 1024);
}

#[test]
fn a_watch_of_a_prefix_tells_of_writes_and_deletions() {
    let api = Served::new();
    let put = |key: &str, value: &'static str| {
        api.send(api.request(Method::PUT, &format!("/v1/kv/{key}")).body(value))
    };
    put("a1", "x").is(204);
    let mut events = api.events("/v1/kv?prefix=a", None);
    events.expect("reset");
    assert_eq!(events.expect("set").data["value"], "x");
    events.expect("ready");
    put("b1", "y").is(204);
    // What is not of the prefix is gone as far as this watcher knows, and never was there.
    assert_eq!(events.expect("removed").data["name"], "b1");
    put("a1", "z").is(204);
    let set = events.expect("set");
    assert_eq!((&set.data["name"], &set.data["value"]), (&json!("a1"), &json!("z")));
    api.delete("/v1/kv/a1").is(204);
    assert_eq!(events.expect("removed").data["name"], "a1");
}
