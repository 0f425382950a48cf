//! The commands of a client against a node, both as real processes.

mod common;

use common::heck::{Ended, Heck, command, run};
use common::until;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use tempfile::TempDir;

/// A node that runs in a folder of its own.
struct Node {
    dir: TempDir,
    process: Heck,
    addr: String,
}

impl Node {
    fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut process = Heck::spawn(command(dir.path(), &["node"]).args(args));
        let line = process.says("  api  ");
        let addr = line.trim().strip_prefix("api").unwrap().trim().to_owned();
        process.logs("the node runs");
        Self { dir, process, addr }
    }

    fn folder(&self) -> &Path {
        self.dir.path()
    }

    fn client(&self, args: &[&str]) -> Command {
        let mut command = command(self.folder(), args);
        command.env("HECK_ADDR", &self.addr);
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        run(self.client(args))
    }

    /// Runs a command that has to end with this code, and gives what it printed.
    fn prints(&self, code: i32, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        ended.out
    }

    /// Runs a command that has to fail with this code, and gives its complaint.
    fn complains(&self, code: i32, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        assert!(ended.err.starts_with("heck: "), "{ended:?}");
        ended.err
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// A web server that answers every request with the status that is set. It ends with the process of the test.
fn web() -> (SocketAddr, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let status = Arc::new(AtomicU16::new(200));
    let says = status.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let status = says.load(Ordering::SeqCst);
            let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            // A check that has gone away is told nothing.
            let _ = stream.read(&mut [0; 1_024]).and_then(|_| stream.write_all(answer.as_bytes()));
        }
    });
    (addr, status)
}

#[test]
fn origins_are_managed_from_the_command_line() {
    let node = Node::start(&[]);
    let added =
        node.prints(0, &["origin", "add", "shop", "http://127.0.0.1:9/", "--interval", "10s", "--tag", "eu"]);
    assert!(added.contains("heck health shop"));
    let taken = node.complains(2, &["origin", "add", "shop", "http://127.0.0.1:9/"]);
    assert!(taken.contains("--replace"), "{taken}");
    node.prints(0, &["origin", "add", "shop", "http://127.0.0.1:9/x", "--tag", "eu", "--replace"]);
    let wrong = node.complains(2, &["origin", "add", "b", "http://127.0.0.1:9/", "--interval", "1ms"]);
    assert!(wrong.contains("`interval`") && wrong.contains("100ms"), "{wrong}");
    let listed = node.prints(0, &["origin", "ls", "--tag", "eu"]);
    assert!(listed.starts_with("NAME") && listed.contains("http://127.0.0.1:9/x"), "{listed}");
    assert_eq!(node.prints(0, &["origin", "ls", "--tag", "us"]).lines().count(), 1);
    node.prints(0, &["origin", "maintenance", "shop"]);
    let shown: serde_json::Value =
        serde_json::from_str(&node.prints(0, &["origin", "get", "shop", "--output", "json"])).unwrap();
    assert_eq!((&shown["admin"], &shown["source"]), (&"maintenance".into(), &"api".into()));
    assert!(node.prints(0, &["origin", "get", "shop"]).contains("maintenance"));
    node.prints(0, &["health", "shop"]);
    node.prints(0, &["origin", "enable", "shop"]);
    assert!(node.complains(2, &["origin", "drain", "none"]).contains("no origin `none`"));
    node.prints(0, &["origin", "rm", "shop"]);
    assert!(node.complains(2, &["origin", "get", "shop"]).contains("help: "));
}

#[test]
fn an_import_points_at_the_lines_that_are_wrong() {
    let node = Node::start(&[]);
    let lines = "{\"name\":\"a\",\"url\":\"http://127.0.0.1:9/\"}\n{\"name\":\"b\",\"url\":\"http://127.0.0.1:9/\",\"rise\":0}\n";
    node.file("origins.ndjson", lines);
    let dry = node.prints(2, &["origin", "import", "origins.ndjson", "--dry-run"]);
    assert!(
        dry.contains("origins.ndjson:2: `rise`") && dry.contains("1 created") && dry.contains("dry run"),
        "{dry}"
    );
    assert_eq!(node.prints(0, &["origin", "ls"]).lines().count(), 1);
    node.prints(2, &["origin", "import", "origins.ndjson", "--source", "lab"]);
    let listed = node.prints(0, &["origin", "ls", "--source", "lab"]);
    assert!(listed.contains("http://127.0.0.1:9/"), "{listed}");
    assert!(node.complains(2, &["origin", "import", "none.ndjson"]).contains("none.ndjson"));
}

#[test]
fn the_exit_code_tells_how_an_origin_is() {
    let node = Node::start(&[]);
    assert_eq!(node.prints(0, &["health"]).lines().count(), 1, "nothing is unhealthy");
    // Nobody has checked it yet when this is asked: it is not known to be healthy.
    node.prints(0, &["origin", "add", "a", "http://127.0.0.1:9/", "--interval", "1d", "--timeout", "1h"]);
    let shown = node.prints(1, &["health", "a"]);
    assert!(shown.contains("unknown") || shown.contains("unhealthy"), "{shown}");
    node.prints(1, &["health"]);
    let owner = node.prints(0, &["owner", "a"]);
    assert!(owner.contains("owner"), "{owner}");
    assert!(node.prints(0, &["members"]).contains("alive"));
    assert!(node.complains(2, &["health", "none"]).contains("no origin `none`"));
}

#[test]
fn the_exit_code_follows_an_origin_that_becomes_healthy_slow_and_unhealthy() {
    let node = Node::start(&[]);
    let (addr, status) = web();
    let url = format!("http://{addr}/");
    node.prints(0, &["origin", "add", "web", &url, "--interval", "100ms", "--fast-interval", "100ms"]);
    let seen = |args: &[&str]| {
        let ended = node.run(args);
        (ended.code, ended.out)
    };
    let one = || seen(&["health", "web"]);
    let shows = |what: &'static str, code: i32| {
        move |(found, out): &(Option<i32>, String)| {
            let is_shown = out.lines().any(|line| line.split_whitespace().eq(["state", what]));
            assert!(!is_shown || *found == Some(code), "{what} ends with {found:?}: {out}");
            is_shown
        }
    };
    until("it is healthy", one, shows("healthy", 0));
    assert_eq!(seen(&["health"]).0, Some(0));
    status.store(429, Ordering::SeqCst);
    until("it is degraded", one, shows("degraded", 0));
    status.store(500, Ordering::SeqCst);
    until("it is unhealthy", one, shows("unhealthy", 1));
    assert_eq!(seen(&["health"]).0, Some(1));
    assert_eq!(seen(&["health", "--output", "json"]).0, Some(1));
    // What is out of use on purpose is no reason for alarm.
    node.prints(0, &["origin", "maintenance", "web"]);
    assert_eq!(seen(&["health"]).0, Some(0));
}

#[test]
fn what_changes_is_shown_as_it_does() {
    let node = Node::start(&[]);
    let (addr, status) = web();
    let url = format!("http://{addr}/");
    let add = |name: &str, tag: &str| {
        let fast = ["--interval", "100ms", "--fast-interval", "100ms"];
        node.prints(0, &["origin", "add", name, &url, fast[0], fast[1], fast[2], fast[3], "--tag", tag]);
    };
    add("first", "eu");
    let mut origins = Heck::spawn(&mut node.client(&["origin", "watch", "--tag", "eu"]));
    origins.says(&format!("first  {url}"));
    let mut in_json = Heck::spawn(&mut node.client(&["origin", "watch", "--output", "json"]));
    let set: serde_json::Value = serde_json::from_str(&in_json.says("first")).unwrap();
    assert_eq!((&set["event"], &set["origin"]["url"]), (&"set".into(), &url.as_str().into()));
    let mut health = Heck::spawn(&mut node.client(&["health", "--watch"]));
    health.says("first  healthy");
    add("other", "us");
    add("second", "eu");
    assert!(!origins.says("second").contains("other"), "only those of the tag are shown");
    health.says("second  healthy");
    status.store(500, Ordering::SeqCst);
    health.says("second  unhealthy");
    node.prints(0, &["origin", "rm", "second"]);
    origins.says("second  removed");
    health.says("second  removed");
    let removed: serde_json::Value = serde_json::from_str(&in_json.says("removed")).unwrap();
    assert_eq!((&removed["event"], &removed["origin"]["name"]), (&"removed".into(), &"second".into()));
}

#[test]
fn two_clusters_become_one_at_a_word() {
    let mut here = Node::start(&[]);
    here.prints(0, &["kv", "put", "of", "here"]);
    let keyring = here.folder().join("heck-data/keyring").display().to_string();
    let there = Node::start(&["--key-file", &keyring]);
    assert_eq!(there.prints(0, &["members"]).matches("alive").count(), 1);
    assert!(there.complains(2, &["join", "nonsense"]).contains("`nonsense`"));
    // The first line that the node said of itself was read already: its address stands in the list of members.
    let members: serde_json::Value =
        serde_json::from_str(&here.prints(0, &["members", "--output", "json"])).unwrap();
    let gossip = members["members"][0]["address"].as_str().unwrap();
    assert!(there.prints(0, &["join", gossip]).contains("heck members"));
    for node in [&here, &there] {
        let alive = || node.prints(0, &["members"]).matches("alive").count();
        until("both are members", alive, |count| *count == 2);
    }
    let value = || there.run(&["kv", "get", "of"]).out;
    until("what one had the other has", value, |value| value.trim_end() == "here");
    here.process.logs("a member is alive");
}

#[test]
fn keys_and_messages_go_through() {
    let node = Node::start(&[]);
    node.prints(0, &["kv", "put", "greeting", "hello"]);
    assert_eq!(node.prints(0, &["kv", "get", "greeting"]).trim_end(), "hello");
    node.complains(2, &["kv", "put", "greeting", "again", "--new"]);
    assert!(node.prints(0, &["kv", "ls", "gree"]).contains("greeting  5"));
    let mut watch = Heck::spawn(&mut node.client(&["kv", "watch"]));
    watch.says("greeting = hello");
    node.prints(0, &["kv", "rm", "greeting"]);
    watch.says("greeting deleted");
    node.complains(2, &["kv", "get", "greeting"]);
    for n in 0..3 {
        node.prints(0, &["msg", "publish", "purge", &format!("p{n}")]);
    }
    let tail = |count: &str| {
        node.prints(0, &["msg", "tail", "--from", "start", "--position", "position", "--count", count])
    };
    let first = tail("2");
    assert!(first.contains("p0") && first.contains("p1") && !first.contains("p2"), "{first}");
    let rest = tail("1");
    assert!(rest.contains("p2") && !rest.contains("p1"), "the file holds the position: {rest}");
}

#[test]
fn gossip_keys_are_changed_on_a_running_node() {
    let node = Node::start(&[]);
    let old = node.prints(0, &["keys", "list", "--output", "json"]);
    let old: serde_json::Value = serde_json::from_str(&old).unwrap();
    let old = old["keys"][0]["id"].as_str().unwrap();
    let key = node.prints(0, &["keys", "generate"]);
    let id = node.prints(0, &["keys", "install", key.trim()]);
    assert!(node.complains(2, &["keys", "remove", old]).contains("use another one first"));
    node.prints(0, &["keys", "use", id.trim()]);
    node.prints(0, &["keys", "remove", old]);
    let listed = node.prints(0, &["keys", "list"]);
    assert!(listed.contains(id.trim()) && !listed.contains(old), "{listed}");
}

#[test]
fn whoever_cannot_be_reached_or_does_not_let_in_is_told_with_what_to_do() {
    let node = Node::start(&[]);
    let mut nobody = node.client(&["members"]);
    nobody.env("HECK_ADDR", "http://127.0.0.1:1");
    let ended = run(nobody);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.err.contains("cannot reach a node at http://127.0.0.1:1/") && ended.err.contains("heck node")
    );
    let mut nonsense = node.client(&["members"]);
    nonsense.env("HECK_ADDR", "ftp://x");
    assert_eq!(run(nonsense).code, Some(2));
    let stranger = |token: &str| {
        let mut stranger = node.client(&["kv", "put", "a", "b", "--data-dir", "elsewhere"]);
        stranger.env("HECK_TOKEN", token);
        run(stranger)
    };
    let ended = stranger("");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("api-token"), "{ended:?}");
    let token = fs::read_to_string(node.folder().join("heck-data/api-token")).unwrap();
    assert_eq!(stranger(token.trim()).code, Some(0));
    assert_eq!(stranger("0123456789abcdef").code, Some(2));
}

#[test]
fn a_node_that_is_told_to_leave_ends() {
    let mut node = Node::start(&[]);
    node.prints(0, &["leave"]);
    node.process.logs("a client has made the node leave");
    assert_eq!(node.process.wait().code, Some(0));
}

#[test]
fn completions_know_the_commands() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(command(dir.path(), &["completions", shell]));
        assert_eq!(ended.code, Some(0));
        assert!(ended.out.contains("origin") && ended.out.contains("members"), "{shell}");
    }
}
