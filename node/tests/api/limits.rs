//! What clients cannot do: ask too often, too much, too slowly, or with too many at once.

use crate::cancel::open;
use crate::common::until;
use crate::served::{Served, api_config};
use heck_node::Count;
use heck_node::api::{ApiConfig, ApiLimits, RequestRate};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

fn limited(change: impl FnOnce(&mut ApiLimits)) -> Served {
    let mut limits = ApiLimits::default();
    change(&mut limits);
    Served::with(ApiConfig { limits, ..api_config() })
}

/// Says something over a connection of its own, and hears what comes until it is closed.
fn converse(api: &Served, words: &[u8]) -> String {
    let mut stream = TcpStream::connect(api.server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Whoever is turned away may be so before the last word.
    let _ = stream.write_all(words);
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn whoever_asks_too_often_is_told_to_wait() {
    let api = limited(|limits| limits.rate = Some(RequestRate { per_s: 1, burst: 3 }));
    let statuses: Vec<u16> = (0..4).map(|_| api.get("/livez").status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(api.get("/livez").is(429).header("retry-after"), "1");
}

#[test]
fn a_connection_too_many_is_turned_away_and_there_is_room_again_later() {
    let api = limited(|limits| limits.connections = 1);
    let mut held = TcpStream::connect(api.server.addr()).unwrap();
    held.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 15];
    held.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    assert!(converse(&api, b"").starts_with("HTTP/1.1 503 "));
    drop(held);
    let ask = || converse(&api, b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    until("there is room again", ask, |answer| answer.starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_client_that_reads_no_answers_loses_its_connection() {
    let api = limited(|limits| {
        limits.connections = 1;
        limits.write_timeout = Duration::from_millis(100);
        limits.rate = None;
    });
    let mut greedy = TcpStream::connect(api.server.addr()).unwrap();
    greedy.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let requests = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    // Until no more fits in, or the node has had enough.
    while greedy.write_all(&requests).is_ok() {}
    let ask = || converse(&api, b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    until("there is room again", ask, |answer| answer.starts_with("HTTP/1.1 200 "));
    drop(greedy);
}

#[test]
fn a_client_has_half_of_the_connections_at_most() {
    let api = limited(|limits| limits.connections = 4);
    let alive = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let held = [(); 2].map(|()| {
        let mut held = TcpStream::connect(api.server.addr()).unwrap();
        held.write_all(alive).unwrap();
        held.read_exact(&mut [0; 15]).unwrap();
        held
    });
    assert!(converse(&api, b"").starts_with("HTTP/1.1 503 "));
    let ask_from = |ip: [u8; 4]| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
        socket.connect(&api.server.addr().into()).unwrap();
        let mut other = TcpStream::from(socket);
        other.write_all(alive).unwrap();
        let mut head = [0; 15];
        other.read_exact(&mut head).unwrap();
        head
    };
    assert_eq!(&ask_from([127, 0, 0, 2]), b"HTTP/1.1 200 OK");
    drop(held);
}

#[test]
fn an_event_stream_too_many_is_refused() {
    let api = limited(|limits| limits.streams = 1);
    let held = api.events("/v1/health", None);
    let ask = || api.send(api.client.get(api.url("/v1/messages")).header("accept", "text/event-stream"));
    assert_eq!(ask().is(503).header("retry-after"), "5");
    drop(held);
    until(
        "there is room again",
        || api.server.addr(),
        |_| {
            let request = api.client.get(api.url("/v1/health")).header("accept", "text/event-stream").send();
            api.block_on("a stream", request).is_ok_and(|response| response.status() == 200)
        },
    );
}

#[test]
fn a_client_has_its_share_of_event_streams_and_long_polls_and_leaves_the_rest_to_others() {
    let api = limited(|limits| limits.waiting_per_client = 2);
    let etag = api.get("/v1/health").is(200).etag().to_owned();
    let stream = api.events("/v1/health", None);
    let address = api.server.addr();
    let mut poll = TcpStream::connect(address).unwrap();
    let ask = format!("GET /v1/health?wait=20s HTTP/1.1\r\nhost: localhost\r\nif-none-match: {etag}\r\n\r\n");
    poll.write_all(ask.as_bytes()).unwrap();
    // Whoever asks before it has come takes its place.
    until("the poll has come", || open(&api), |open| *open == 1);
    let poll_again = || api.get_again("/v1/health?wait=10ms", &etag).status;
    until("the poll is counted", poll_again, |status| *status == 429);
    let more = api.send(api.client.get(api.url("/v1/messages")).header("accept", "text/event-stream"));
    assert_eq!(more.is(429).header("retry-after"), "5");
    assert_eq!(api.get_again("/v1/health?wait=20s", &etag).is(429).header("retry-after"), "5");
    api.get_again("/v1/health?%77ait=20s", &etag).is(429);
    assert!(api.node.handle.counters().get(Count::WaitingRefused) >= 2);
    api.get("/v1/health").is(200);
    api.get_again("/v1/health?wait=0s", &etag).is(304);
    let status_from = |ip: [u8; 4]| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut other = TcpStream::from(socket);
        other
            .write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n")
            .unwrap();
        let mut head = [0; 15];
        other.read_exact(&mut head).unwrap();
        String::from_utf8_lossy(&head).into_owned()
    };
    assert_eq!(status_from([127, 0, 0, 2]), "HTTP/1.1 200 OK");
    // What has ended is given back.
    drop((stream, poll));
    for _ in 0..2 {
        let there_is_room = || api.get_again("/v1/health?wait=10ms", &etag).status;
        until("there is room again", there_is_room, |status| *status == 304);
    }
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let api = limited(|limits| limits.deadline = Duration::from_millis(200));
    let head = "PUT /v1/kv/k HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer write-0123456789abcdef\r\n\
        content-length: 5\r\n\r\nab";
    let answer = converse(&api, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("urn:heck:problem:timeout"), "{answer}");
    api.get("/v1/kv/k").is(404);
}

#[test]
fn a_header_that_does_not_come_and_one_too_large_are_given_up() {
    let api = limited(|limits| limits.header_timeout = Duration::from_millis(200));
    assert!(!converse(&api, b"GET /livez HT").contains("200 OK"));
    let many = "x: y\r\n".repeat(100);
    let answer = converse(&api, format!("GET /livez HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let large = "y".repeat(200_000);
    let answer = converse(&api, format!("GET /livez HTTP/1.1\r\nhost: a\r\nx: {large}\r\n\r\n").as_bytes());
    assert!(!answer.contains("200 OK"), "{answer}");
    api.get("/livez").is(200);
}
