//! A client that goes away takes its request with it: the handler ends, and what that held is free again.

use crate::common::{config, put_key, sockets, until};
use crate::served::{Served, WRITE, api_config};
use heck_core::input::Command;
use heck_node::api::{ApiConfig, ApiLimits};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Long before anything that a client asked for here would end by itself.
const SOON: Duration = Duration::from_secs(15);

/// Requests without an answer, without the one that asks.
pub fn open(api: &Served) -> u64 {
    let text = String::from_utf8(api.get("/metrics").is(200).body).unwrap();
    let line =
        text.lines().find(|line| line.starts_with("heck_api_requests_open ")).expect("there is a gauge");
    line.rsplit(' ').next().unwrap().parse::<u64>().unwrap() - 1
}

fn ask(api: &Served, what: &str, headers: &str, body: &str) -> TcpStream {
    let mut client = TcpStream::connect(api.server.addr()).unwrap();
    let length = body.len();
    let request = format!(
        "{what} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {WRITE}\r\ncontent-length: {length}\r\n"
    );
    client.write_all(format!("{request}{headers}\r\n{body}").as_bytes()).unwrap();
    client
}

fn api() -> (tempfile::TempDir, Served) {
    let dir = tempfile::tempdir().unwrap();
    let limits = ApiLimits { waiting_per_client: 1, ..ApiLimits::default() };
    let api = Served::start(sockets(), config("n", dir.path(), 1), ApiConfig { limits, ..api_config() });
    (dir, api)
}

#[test]
fn a_write_that_waits_for_others_ends_with_its_client_and_is_kept() {
    let (_dir, api) = api();
    let origin = r#"{"url":"http://127.0.0.1:9/","admin":"maintenance"}"#;
    let begun = Instant::now();
    let json = "content-type: application/json\r\n";
    let clients = [
        ask(&api, "PUT /v1/kv/k?wait_peers=2", json, "v"),
        ask(&api, "PUT /v1/origins/web?wait_peers=2", json, origin),
        ask(&api, "POST /v1/messages/purge?wait_peers=2", json, "all"),
    ];
    until("three writes wait for other nodes", || open(&api), |count| *count == 3);
    // What is open may not have been taken in yet, and what was not taken in ends without a trace.
    for path in ["/v1/kv/k", "/v1/origins/web"] {
        until("it is taken in", || api.get(path).status, |status| *status == 200);
    }
    let messages = || api.get("/v1/messages?from=start").is(200).json()["messages"].as_array().map(Vec::len);
    until("it is taken in", messages, |count| *count == Some(1));
    drop(clients);
    until("nobody waits any more", || open(&api), |count| *count == 0);
    assert!(begun.elapsed() < SOON, "they would have ended by themselves after 30 s: {:?}", begun.elapsed());
    // What was taken in stays.
    api.get("/v1/kv/k").is(200);
    api.get("/v1/origins/web").is(200);
    api.end();
}

#[test]
fn writes_whose_clients_have_gone_leave_their_places_to_others() {
    leave_their_places(&[]);
}

#[test]
fn writes_that_are_traced_leave_their_places_too() {
    leave_their_places(&[7; 24]);
}

fn leave_their_places(note: &[u8]) {
    let (_dir, api) = api();
    let dot = api.node.command(put_key("k", b"v")).expect("it minted a dot");
    let wait = || api.node.handle.command(Command::AwaitPeers { dot, count: 2 }.with_note(note));
    // One more than may wait at once; the others would wait for 30 s.
    let waits: Vec<_> = (0..257).map(|_| Box::pin(wait())).collect();
    let (refused, ..) = api.block_on("one is refused", futures_util::future::select_all(waits));
    assert!(refused.unwrap_err().to_string().contains("TooManyWait"));
    let begun = Instant::now();
    let is_taken = || {
        let one_more = async { tokio::time::timeout(Duration::from_millis(100), wait()).await.is_err() };
        api.block_on("an answer", one_more)
    };
    until("there is room again", is_taken, |is_taken| *is_taken);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    api.end();
}

#[test]
fn a_long_poll_and_a_stream_end_with_their_client_and_leave_their_place_to_the_next() {
    let (_dir, api) = api();
    let begun = Instant::now();
    for path in ["/v1/health", "/v1/origins", "/v1/kv"] {
        let etag = api.get(path).is(200).etag().to_owned();
        // The client has one place for what waits: it is taken, and given back each time.
        let poll = ask(&api, &format!("GET {path}?wait=60s"), &format!("if-none-match: {etag}\r\n"), "");
        until("the poll waits", || open(&api), |count| *count == 1);
        api.get_again(&format!("{path}?wait=60s"), &etag).is(429);
        drop(poll);
        until("it has ended", || open(&api), |count| *count == 0);
        let again = || api.get_again(&format!("{path}?wait=10ms"), &etag).status;
        until("its place is free", again, |status| *status == 304);
    }
    assert!(begun.elapsed() < SOON * 3, "{:?}", begun.elapsed());
    let streams = || {
        let text = String::from_utf8(api.get("/metrics").is(200).body).unwrap();
        text.lines().any(|line| line == "heck_api_streams 1")
    };
    let stream = api.events("/v1/health", None);
    assert!(streams());
    drop(stream);
    until("the stream has ended", streams, |is_open| !is_open);
    api.end();
}
