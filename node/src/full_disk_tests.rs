//! Nodes whose disk is full for a while.

use super::*;
use crate::api::{ApiConfig, ApiServer, Token, TokenScope, serve};
use crate::counters::Count;
use crate::error::{CommandError, NodeError};
use crate::journal::FullDisk;
use heck_core::codec::{decode_packet, encode_packet};
use heck_core::id::{Dot, Name, NodeId};
use heck_core::node::View;
use heck_core::packet::{Packet, PacketKind};
use heck_core::rng::Seed;
use heck_core::time::Time;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const TOKEN: &str = "write-0123456789abcdef";
/// What came of a command.
type Outcome = Result<Option<Dot>, CommandError>;
/// How long anything may take that should not wait for the disk.
const PATIENCE: Duration = Duration::from_secs(10);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn put(value: u8) -> Command {
    Command::PutKey { name: name("k"), value: [value].as_slice().into() }
}

/// A node that serves, and its disk.
async fn node(dir: &Path, change: impl FnOnce(&mut NodeConfig)) -> (NodeHandle, FullDisk) {
    let mut config = NodeConfig::new(name("n"), dir.to_path_buf(), Seed(1));
    change(&mut config);
    let sockets = Sockets::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let clock = Clock::start();
    let life = Life { clock, boot: Boot(clock.start_ms()), advertised: to_core(sockets.addr()) };
    let (mut journal, snapshot, recovery) = JournalFile::open(dir).unwrap();
    let disk = journal.may_be_full();
    let handle = run(sockets, &config, life, journal, snapshot, recovery).unwrap();
    join(&handle, &config.start).await;
    handle.command(put(1)).await.unwrap();
    (handle, disk)
}

/// Lets a full disk be found so at least `times` by a write of a client who waits; it answers meanwhile.
async fn write_on(handle: &NodeHandle, command: Command, times: u64) -> JoinHandle<Outcome> {
    let refused = handle.counters().get(Count::DiskFull) + times;
    let writer = handle.clone();
    let waiting = tokio::spawn(async move { writer.command(command).await });
    while handle.counters().get(Count::DiskFull) < refused {
        timeout(PATIENCE, handle.view(|view, _| view.hash())).await.unwrap().unwrap();
        tokio::task::yield_now().await;
    }
    waiting
}

#[tokio::test]
async fn a_node_goes_on_and_answers_for_a_write_only_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, disk) = node(dir.path(), |_| {}).await;
    disk.set_full(true);
    let waiting = write_on(&handle, put(2), 3).await;
    assert!(!waiting.is_finished());
    disk.set_full(false);
    waiting.await.unwrap().unwrap();
    handle.shutdown().await.unwrap();
    let (_, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
    assert_eq!((recovery.torn_bytes, recovery.damaged_bytes), (0, 0));
    let entries = snapshot.records.iter().filter(|record| matches!(record, Record::Entry { .. }));
    assert_eq!(entries.count(), 2);
}

/// A node that knows a peer at `peer` and takes in no more than one write at a time.
fn with_peer(peer: SocketAddr) -> impl FnOnce(&mut NodeConfig) {
    move |config| {
        config.limits.journal_backlog_bytes = 0;
        config.members = vec![Member::new(name("peer"), to_core(peer))];
        config.start = Start::Formed;
    }
}

#[tokio::test]
async fn a_node_far_behind_its_disk_can_be_looked_at_answers_pings_holds_writes_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (handle, disk) = node(dir.path(), with_peer(peer.local_addr().unwrap())).await;
    disk.set_full(true);
    let waiting = write_on(&handle, put(2), 2).await;
    let held = tokio::spawn({
        let handle = handle.clone();
        async move { handle.command(put(3)).await }
    });
    let mut ping = Vec::new();
    let nonce = 77;
    let packet =
        Packet { kind: PacketKind::Ping, sender: NodeId::of(&name("peer")), nonce, ..Packet::default() };
    encode_packet(&packet, &mut ping);
    peer.send_to(&ping, handle.addr()).await.unwrap();
    let mut answer = Packet::default();
    let acked = async {
        let mut bytes = [0; 2_048];
        while (answer.kind, answer.nonce) != (PacketKind::Ack, nonce) {
            let (len, _) = peer.recv_from(&mut bytes).await.unwrap();
            decode_packet(&bytes[..len], &mut answer).unwrap();
        }
    };
    timeout(PATIENCE, acked).await.expect("a ping is answered");
    let value = handle.view(|view, _| view.key(&name("k")).map(|entry| entry.body.clone())).await.unwrap();
    let Some(heck_core::entry::Body::Key { value, .. }) = value else { panic!("{value:?}") };
    assert_eq!(*value, [2], "the second write waits");
    let stopped = timeout(PATIENCE, handle.shutdown()).await.expect("it stops");
    assert!(matches!(stopped, Err(NodeError::Journal(_))), "{stopped:?}");
    for write in [waiting, held] {
        assert!(matches!(write.await.unwrap(), Err(CommandError::Stopped)));
    }
}

fn api(handle: &NodeHandle) -> ApiServer {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tokens = vec![Token::new(TOKEN, TokenScope::Write).unwrap()];
    serve(listener, handle.clone(), ApiConfig { tokens, ..ApiConfig::default() }).unwrap()
}

/// Asks the API for something and gives the first line of the answer.
fn ask(to: SocketAddr, method: &str, path: &str, body: &str) -> JoinHandle<String> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        let mut connection = TcpStream::connect(to).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    })
}

/// Waits far longer than an answer takes that does not wait for a full disk.
async fn let_the_disk_refuse(handle: &NodeHandle) {
    let refused = handle.counters().get(Count::DiskFull) + 3;
    while handle.counters().get(Count::DiskFull) < refused {
        timeout(PATIENCE, handle.view(|view, _| view.hash())).await.unwrap().unwrap();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_write_that_is_repeated_is_answered_no_sooner_than_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, disk) = node(dir.path(), |_| {}).await;
    let api = api(&handle);
    let writes = [("/v1/kv/again", "v"), ("/v1/origins/again", r#"{"url":"http://127.0.0.1:1/"}"#)];
    disk.set_full(true);
    let first: Vec<_> = writes.map(|(path, body)| ask(api.addr(), "PUT", path, body)).into();
    let has_both =
        |view: View<'_>, _: Time| view.key(&name("again")).is_some() && view.origin(&name("again")).is_some();
    while !timeout(PATIENCE, handle.view(has_both)).await.unwrap().unwrap() {
        tokio::task::yield_now().await;
    }
    let again: Vec<_> = writes.map(|(path, body)| ask(api.addr(), "PUT", path, body)).into();
    let_the_disk_refuse(&handle).await;
    assert!(!again.iter().any(JoinHandle::is_finished));
    disk.set_full(false);
    for answer in first.into_iter().chain(again) {
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    handle.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_removal_that_is_repeated_is_not_called_done_before_the_first_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, disk) = node(dir.path(), |_| {}).await;
    let api = api(&handle);
    let paths = ["/v1/kv/gone", "/v1/origins/gone"];
    for (path, body) in paths.into_iter().zip(["v", r#"{"url":"http://127.0.0.1:1/"}"#]) {
        assert!(ask(api.addr(), "PUT", path, body).await.unwrap().starts_with("HTTP/1.1 2"));
    }
    disk.set_full(true);
    let first: Vec<_> = paths.map(|path| ask(api.addr(), "DELETE", path, "")).into();
    let has_none =
        |view: View<'_>, _: Time| view.key(&name("gone")).is_none() && view.origin(&name("gone")).is_none();
    while !timeout(PATIENCE, handle.view(has_none)).await.unwrap().unwrap() {
        tokio::task::yield_now().await;
    }
    let again: Vec<_> = paths.map(|path| ask(api.addr(), "DELETE", path, "")).into();
    let patch = ask(api.addr(), "PATCH", "/v1/origins/gone", "{}");
    let_the_disk_refuse(&handle).await;
    assert!(!again.iter().chain([&patch]).any(JoinHandle::is_finished));
    disk.set_full(false);
    for answer in first {
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 204 "));
    }
    for answer in again.into_iter().chain([patch]) {
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 404 "));
    }
    handle.shutdown().await.unwrap();
}
