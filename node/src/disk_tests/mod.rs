//! Nodes whose disk is full or hangs for a while.

mod full;
mod hanging;

use super::*;
use crate::api::{ApiConfig, ApiLimits, ApiServer, Token, TokenScope, serve};
use crate::error::CommandError;
use crate::journal::TestDisk;
use heck_core::codec::{decode_packet, encode_packet};
use heck_core::effects::Event;
use heck_core::id::{Dot, Name, NodeId};
use heck_core::member::{Life as Lives, Standing};
use heck_core::packet::{MemberUpdate, Packet, PacketKind};
use heck_core::rng::Seed;
use heck_core::time::Span;
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
async fn node(dir: &Path, change: impl FnOnce(&mut NodeConfig)) -> (NodeHandle, TestDisk) {
    let mut config = NodeConfig::new(name("n"), dir.to_path_buf(), Seed(1));
    change(&mut config);
    let sockets = Sockets::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let clock = Clock::start();
    let life = Life { clock, boot: Boot(clock.start_ms()), advertised: to_core(sockets.addr()) };
    let (mut journal, snapshot, recovery) = JournalFile::open(dir).unwrap();
    let disk = journal.on_test_disk();
    let stored = Stored { journal, snapshot, recovery, recording: None };
    let handle = run(sockets, &config, life, stored, Told::default()).unwrap();
    join(&handle, &config.start).await;
    handle.command(put(1)).await.unwrap();
    (handle, disk)
}

/// Lets a node know a peer, as of a cluster that stands.
fn know(config: &mut NodeConfig, peer: SocketAddr) {
    config.members = vec![Member::new(name("peer"), to_core(peer))];
    config.start = Start::Formed;
}

/// A node that knows a peer at `peer` and takes in no more than one write at a time.
fn with_peer(peer: SocketAddr) -> impl FnOnce(&mut NodeConfig) {
    move |config| {
        config.limits.journal_backlog_bytes = 0;
        know(config, peer);
    }
}

fn api(handle: &NodeHandle, limits: ApiLimits) -> ApiServer {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tokens = vec![Token::new(TOKEN, TokenScope::Write).unwrap()];
    serve(listener, handle.clone(), ApiConfig { tokens, limits, ..ApiConfig::default() }).unwrap()
}

/// Asks the API for something and gives the whole answer.
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
        answer
    })
}

/// Says something to a node as the peer that it knows.
async fn say(peer: &UdpSocket, packet: Packet, to: SocketAddr) {
    let mut bytes = Vec::new();
    encode_packet(&Packet { sender: NodeId::of(&name("peer")), ..packet }, &mut bytes);
    peer.send_to(&bytes, to).await.unwrap();
}

/// Asks a node for a sign of life and waits for it.
async fn ping(peer: &UdpSocket, to: SocketAddr) {
    let nonce = 77;
    say(peer, Packet { kind: PacketKind::Ping, nonce, ..Packet::default() }, to).await;
    let mut answer = Packet::default();
    let acked = async {
        let mut bytes = [0; 2_048];
        while (answer.kind, answer.nonce) != (PacketKind::Ack, nonce) {
            let (len, _) = peer.recv_from(&mut bytes).await.unwrap();
            decode_packet(&bytes[..len], &mut answer).unwrap();
        }
    };
    timeout(PATIENCE, acked).await.expect("a ping is answered");
}

/// Tells a node as its peer of a later life of its own, and waits until it has begun another one.
async fn begin_another_life(peer: &UdpSocket, handle: &NodeHandle) {
    let mut events = handle.subscribe();
    let later = Lives { boot: Boot(handle.boot().0 + 1_000), incarnation: 0 };
    let me = NodeId::of(&name("n"));
    let news = MemberUpdate {
        node: me,
        life: later,
        standing: Standing::Alive,
        age: Span::ZERO,
        accuser: me,
        card: None,
    };
    let packet = Packet { kind: PacketKind::Ping, nonce: 5, members: vec![news], ..Packet::default() };
    say(peer, packet, handle.addr()).await;
    let taken = async {
        loop {
            if let Ok(Some(Event::NewBoot(boot))) = events.next().await {
                return boot;
            }
        }
    };
    assert!(timeout(PATIENCE, taken).await.expect("another life is begun") > later.boot);
}

/// Waits until the node knows that nobody hears of it.
async fn until_mute(handle: &NodeHandle) {
    let told = async {
        while !handle.is_mute() {
            handle.view(|view, _| view.hash()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, told).await.expect("the node knows that it is mute");
}
