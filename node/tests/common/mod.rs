//! Nodes that run like processes: each in a thread with a runtime of its own, which can be killed.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

pub mod heck;
pub mod tap;

use heck_core::config::Config;
use heck_core::effects::Phase;
use heck_core::entry::Body;
use heck_core::id::{Dot, Name};
use heck_core::input::Command;
use heck_core::member::Member;
use heck_core::rng::Seed;
use heck_core::time::Span;
use heck_node::{NodeConfig, NodeHandle, Sockets, start, to_core};
use std::fmt::Debug;
use std::future::Future;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// How long anything in a test may take before the test fails: far longer than it ever should.
const PATIENCE: Duration = Duration::from_secs(30);

/// A valid name.
pub fn name(text: &str) -> Name {
    Name::new(text).expect("a test uses valid names")
}

/// A write of a key.
pub fn put_key(key: &str, value: &[u8]) -> Command {
    Command::PutKey { name: name(key), value: value.into() }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

/// Waits for a future on this thread, and fails the test when it takes too long.
pub fn wait<T>(what: &str, future: impl Future<Output = T>) -> T {
    let bounded = async { tokio::time::timeout(PATIENCE, future).await };
    runtime().block_on(bounded).unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}

/// Sockets on a port of the system's choice.
pub fn sockets() -> Sockets {
    Sockets::bind("127.0.0.1:0".parse().unwrap()).expect("loopback has free ports")
}

/// The protocol at a pace that suits a test.
pub fn fast() -> Config {
    Config {
        repair_interval: Span::from_ms(50),
        broadcast_spacing: Span::from_ms(5),
        join_retry: Span::from_ms(50),
        stream_spacing: Span::from_ms(100),
        stream_timeout: Span::from_secs(2),
        ..Config::default()
    }
}

/// A node's settings for a test: a cluster of its own, at a fast pace.
pub fn config(node: &str, dir: &Path, seed: u64) -> NodeConfig {
    NodeConfig { protocol: fast(), ..NodeConfig::new(name(node), dir.join(node), Seed(seed)) }
}

/// The members that these sockets belong to, in the order of these names.
pub fn members(names: &[&str], sockets: &[Sockets]) -> Vec<Member> {
    let member = |(node, sockets): (&&str, &Sockets)| Member::new(name(node), to_core(sockets.addr()));
    names.iter().zip(sockets).map(member).collect()
}

/// A running node.
pub struct Process {
    pub handle: NodeHandle,
    kill: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Process {
    /// Starts a node in a thread and a runtime of its own.
    pub fn start(sockets: Sockets, config: NodeConfig) -> Self {
        let (started, handle) = mpsc::channel();
        let (kill, killed) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime().block_on(async {
                let handle = start(sockets, config).await.expect("the node starts");
                started.send(handle.clone()).expect("the test waits for it");
                tokio::select! {
                    _ = killed => {}
                    end = handle.stopped() => end.expect("the node stops because it was asked to"),
                }
            });
        });
        Self { handle: handle.recv_timeout(PATIENCE).expect("the node starts in time"), kill, thread }
    }

    /// Stops it at once, as the system does with a process: nothing is synced or said any more.
    pub fn kill(self) {
        self.kill.send(()).expect("the node runs until it is killed");
        self.thread.join().expect("the node's thread ends");
    }

    /// Stops it in an orderly way.
    pub fn shut_down(self) {
        wait("a shutdown", self.handle.shutdown()).expect("it stops because it was asked to");
        self.thread.join().expect("the node's thread ends");
    }

    /// Carries out a command that the node does not refuse.
    pub fn command(&self, command: Command) -> Option<Dot> {
        wait("a command", self.handle.command(command)).expect("the node carries out the command")
    }

    /// The value of a key.
    pub fn key(&self, key: &str) -> Option<Vec<u8>> {
        let key = name(key);
        let look = self.handle.view(move |view, _| match view.key(&key).map(|entry| &entry.body) {
            Some(Body::Key { value, .. }) => Some(value.to_vec()),
            _ => None,
        });
        wait("a look at a key", look).expect("the node runs")
    }

    /// The node's phase, the fingerprint of its state, and the number of its live entries.
    pub fn summary(&self) -> (Phase, u64, usize) {
        let look = self.handle.view(|view, _| (view.phase(), view.hash(), view.state().live_len()));
        wait("a look at the state", look).expect("the node runs")
    }
}

/// Asks again and again until the answer is the one wanted. Fails the test with the last answer otherwise.
pub fn until<T: Debug>(what: &str, mut ask: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let start = Instant::now();
    loop {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}; at last {answer:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until all nodes serve, hold `live` entries and agree on all of them.
pub fn until_agreed(nodes: &[Process], live: usize) {
    let summaries = || nodes.iter().map(Process::summary).collect::<Vec<_>>();
    until(&format!("all nodes agree on {live} entries"), summaries, |all| {
        all.iter().all(|&(phase, hash, len)| phase == Phase::Serving && hash == all[0].1 && len == live)
    });
}
