//! A real node that is a cluster of its own or joins one, and origins that it checks.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use crate::common::heck::{Answer, Api, Heck, command};
use crate::common::until;
use crate::origin::{self, Origin};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// A node that is a cluster of its own.
pub struct Node {
    pub heck: Heck,
    /// Where peers reach it.
    pub gossip: String,
    pub api: Api,
    pub dir: TempDir,
}

impl Node {
    /// Starts one with these arguments, and waits until it serves.
    pub fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the test");
        let mut heck = Heck::spawn(command(dir.path(), &["node", "--leave-grace", "0s"]).args(args));
        let gossip = heck.gossip();
        let api = heck.api(&dir.path().join("heck-data"));
        api.until_ready();
        Self { heck, gossip, api, dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Whether these bytes stand in a file of its data folder.
    pub fn holds_on_disk(&self, bytes: &[u8]) -> bool {
        let folder = std::fs::read_dir(self.path().join("heck-data")).expect("it has a data folder");
        let files = folder.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
        files.into_iter().any(|file| file.windows(bytes.len()).any(|part| part == bytes))
    }

    /// Where an output is, as the node says.
    pub fn output(&mut self, what: &str) -> String {
        let line = self.heck.says(what);
        line.split_whitespace().last().expect("it says where").to_owned()
    }

    /// Asks and is answered with success.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let answer = self.api.ask(method, path, body).expect("the node answers");
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.body
    }

    pub fn get(&self, path: &str) -> Answer {
        self.api.ask("GET", path, "").expect("the node answers")
    }

    /// Adds an origin that is checked often, with further keys of its document.
    pub fn put(&self, name: &str, url: &str, more: &str) {
        let checks = r#""interval": "200ms", "timeout": "1s", "rise": 1, "fall": 1, "confirmers": 0"#;
        let body = format!(r#"{{"name": "{name}", "url": "{url}", {checks}{more}}}"#);
        self.ask("PUT", &format!("/v1/origins/{name}"), &body);
    }

    /// Waits until an origin has a state.
    pub fn until_state(&self, name: &str, state: &str) {
        let wanted = format!(r#""state":"{state}""#);
        let health = || self.get(&format!("/v1/health/{name}")).body;
        until(&format!("{name} is {state}"), health, |body| body.contains(&wanted));
    }
}

/// Web servers that are well until they are told otherwise.
pub struct Web {
    _runtime: Runtime,
    servers: Vec<(Origin, Arc<AtomicBool>)>,
}

impl Web {
    pub fn new(count: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let server = |_| {
            let is_well = Arc::new(AtomicBool::new(true));
            let asked = is_well.clone();
            let say = move |_: &str| {
                let status = if asked.load(Ordering::SeqCst) { 200 } else { 503 };
                Some(origin::answer(status, "", "hello"))
            };
            (runtime.block_on(Origin::start(say)), is_well)
        };
        let servers = (0..count).map(server).collect();
        Self { _runtime: runtime, servers }
    }

    pub fn addr(&self, number: usize) -> SocketAddr {
        self.servers[number].0.addr
    }

    pub fn url(&self, number: usize) -> String {
        format!("http://{}/", self.addr(number))
    }

    pub fn set(&self, number: usize, is_well: bool) {
        self.servers[number].1.store(is_well, Ordering::SeqCst);
    }

    /// How many requests for `/through` a server has had.
    pub fn requests(&self, number: usize) -> usize {
        let requests = self.servers[number].0.requests.lock().expect("no test holds it");
        requests.iter().filter(|request| request.contains(" /through ")).count()
    }
}
