//! Requests of strangers and of worse: none breaks the API, and each gets an answer or is cut off.

use crate::served::{READ, Served, WRITE, api_config};
use heck_node::api::{ApiConfig, ApiLimits};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("v1".to_owned()),
        Just("origins".to_owned()),
        Just("origins:import".to_owned()),
        Just("health".to_owned()),
        Just("kv".to_owned()),
        Just("messages".to_owned()),
        Just("owner".to_owned()),
        Just("members".to_owned()),
        Just("o".to_owned()),
        "(%[0-9A-F]{2}|[ -~&&[^ ]]){0,12}",
    ]
}

fn query() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("limit"),
        Just("cursor"),
        Just("position"),
        Just("from"),
        Just("tag"),
        Just("state"),
        Just("topic"),
        Just("prefix"),
        Just("details"),
        Just("dry_run"),
        Just("owner"),
    ];
    let value =
        prop_oneof![Just("true".to_owned()), Just("start".to_owned()), "[0-9]{1,20}", "[A-Za-z0-9_%-]{0,40}"];
    proptest::collection::vec((key, value), 0..3).prop_map(|pairs| {
        pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
    })
}

fn header() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(format!("authorization: Bearer {WRITE}")),
        Just(format!("authorization: Bearer {READ}")),
        Just("content-type: application/json".to_owned()),
        Just("content-type: application/x-ndjson".to_owned()),
        "(if-match|if-none-match|last-event-id|authorization|content-type|range): [ -~]{0,30}",
        "[a-z-]{1,9}: [ -~]{0,30}",
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 0..200),
        Just(br#"{"name":"o","url":"http://127.0.0.1:9/","admin":"maintenance"}"#.to_vec()),
        "[{}\\[\\]\",:a-z0-9 ]{0,80}".prop_map(String::into_bytes),
        Just("[".repeat(50_000).into_bytes()),
    ]
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        Just("GET"),
        Just("PUT"),
        Just("POST"),
        Just("PATCH"),
        Just("DELETE"),
        Just("HEAD"),
        Just("OPTIONS"),
        Just("BREW"),
    ];
    let path = proptest::collection::vec(part(), 0..4).prop_map(|parts| format!("/{}", parts.join("/")));
    let headers = proptest::collection::vec(header(), 0..4);
    (method, path, query(), headers, body()).prop_map(|(method, path, query, headers, body)| {
        let mut bytes =
            format!("{method} {path}?{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n")
                .into_bytes();
        for header in headers {
            bytes.extend(header.as_bytes());
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend(body);
        bytes
    })
}

/// The status that comes back; none when the conversation is cut off without a word.
fn status(api: &Served, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(api.server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(request);
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}

fn open() -> Served {
    Served::with(ApiConfig { limits: ApiLimits { rate: None, ..ApiLimits::default() }, ..api_config() })
}

fn runner(cases: u32, seed: u64) -> TestRunner {
    let rng_seed = RngSeed::Fixed(seed);
    TestRunner::new(Config { cases, rng_seed, failure_persistence: None, ..Config::default() })
}

#[test]
fn every_request_gets_an_answer_that_is_no_bug() {
    let api = open();
    let answered = runner(1_500, 421).run(&request(), |request| {
        let status = status(&api, &request);
        prop_assert!(status.is_some_and(|status| (200..500).contains(&status)), "{status:?}");
        Ok(())
    });
    answered.unwrap();
    api.get("/livez").is(200);
}

#[test]
fn broken_requests_break_nothing() {
    let api = open();
    let mutated = (request(), proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6));
    let survived = runner(700, 422).run(&mutated, |(mut request, changes)| {
        for (at, byte) in changes {
            let at = at.index(request.len());
            request[at] = byte;
        }
        let mut stream = TcpStream::connect(api.server.addr()).unwrap();
        let _ = stream.write_all(&request);
        drop(stream);
        Ok(())
    });
    survived.unwrap();
    api.get("/livez").is(200);
    api.put_origins(1);
}
