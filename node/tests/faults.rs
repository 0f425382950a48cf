//! What a real process goes on through: a full disk, names that do not resolve, a peer that floods, more checks than it
//! can make.

#![cfg(target_os = "linux")]

mod common;
#[path = "common/mounts.rs"]
mod mounts;

use common::heck::{Api, Heck, command};
use common::{name, until};
use heck_core::codec::encode_packet;
use heck_core::id::NodeId;
use heck_core::packet::{Packet, PacketKind};
use heck_core::rng::{Seed, Stream};
use heck_node::seal::{Datagrams, Keyring, Keys};
use mounts::Mounts;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn put(api: &Api, path: &str, body: &str) -> bool {
    api.ask("PUT", path, body).is_some_and(|answer| answer.status < 300)
}

fn value(api: &Api, key: &str) -> Option<String> {
    let answer = api.ask("GET", &format!("/v1/kv/{key}"), "").filter(|answer| answer.status == 200);
    answer.map(|answer| answer.body)
}

/// The value of a series, by its name and labels.
fn metric(api: &Api, series: &str) -> f64 {
    let text = api.ask("GET", "/metrics", "").expect("the API answers").body;
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

fn state(api: &Api, origin: &str) -> String {
    let body = api.ask("GET", &format!("/v1/health/{origin}"), "").expect("the API answers").body;
    let health: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    health["state"].as_str().unwrap_or_default().to_owned()
}

/// A web server that takes so long for each answer. It ends with the process of the test.
fn web(takes: Duration) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                let read = stream.read(&mut [0; 1_024]);
                thread::sleep(takes);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                // A check that has gone away is told nothing.
                let _ = read.and_then(|_| stream.write_all(answer));
            });
        }
    });
    (port, asked)
}

fn origin(host: &str, port: u16) -> String {
    format!(r#"{{"url":"http://{host}:{port}/","interval":"200ms","fast_interval":"200ms"}}"#)
}

/// Needs a file system of its own, and so root.
#[test]
fn a_node_whose_disk_is_full_serves_on_and_answers_for_writes_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().display().to_string();
    let Some(mounts) = Mounts::new(&format!("mount -t tmpfs -o size=256k,mode=700 none {data}")) else {
        return;
    };
    let inside = mounts.path(dir.path());
    let start = || {
        let mut node = mounts.spawn(&["node", "--data-dir", &data]);
        let api = node.api(&inside);
        api.until_ready();
        (node, api)
    };
    let (mut node, api) = start();
    assert!(put(&api, "/v1/kv/before", "v"));
    let filler = inside.join("filler");
    let filled = fs::write(&filler, vec![1; 1 << 20]);
    assert!(filled.is_err(), "the disk takes 256 KiB at most");
    thread::scope(|scope| {
        let large = |n: &usize| put(&api, &format!("/v1/kv/large{n}"), &"v".repeat(9_000));
        let waiting = scope.spawn(move || (0..8).take_while(large).count());
        node.logs("the disk is full");
        assert_eq!(value(&api, "before").as_deref(), Some("v"));
        assert!(metric(&api, "heck_journal_disk_full_total") > 0.0);
        fs::remove_file(&filler).unwrap();
        node.logs("the disk takes records again");
        assert_eq!(waiting.join().unwrap(), 8, "every write was answered");
    });
    node.kill();
    let (_restarted, api) = start();
    assert_eq!((0..8).filter(|n| value(&api, &format!("large{n}")).is_some()).count(), 8);
}

/// Needs files of its own in `/etc`, and so root.
#[test]
fn a_node_whose_names_resolve_no_more_goes_on_with_what_it_knows_blames_no_origin_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let hosts = file("hosts", "127.0.0.1 localhost known.test\n");
    file("nsswitch.conf", "hosts: files dns\n");
    // Nobody answers there, which is a resolver that fails, and not a name that does not exist.
    file("resolv.conf", "nameserver 127.0.0.254\noptions timeout:1 attempts:1\n");
    let folder = dir.path().display();
    let mount = |file: &str| format!("touch /etc/{file}; mount --bind {folder}/{file} /etc/{file}\n");
    let script = ["hosts", "nsswitch.conf", "resolv.conf"].map(mount).concat();
    let Some(mounts) = Mounts::new(&script) else { return };
    let (port, asked) = web(Duration::ZERO);
    let data = dir.path().join("data");
    let mut node = mounts.spawn(&["node", "--data-dir", &data.display().to_string()]);
    let api = node.api(&data);
    api.until_ready();
    assert!(put(&api, "/v1/origins/known", &origin("known.test", port)));
    until("it is healthy", || state(&api, "known"), |state| state == "healthy");

    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    assert!(put(&api, "/v1/origins/new", &origin("new.test", port)));
    let hindered = || metric(&api, "heck_probes_hindered_by_resolver_total");
    until("checks of the new one are hindered", hindered, |count| *count >= 6.0);
    let open = || metric(&api, "heck_resolver_breaker{state=\"open\"}");
    until("the resolver is left alone", open, |is_open| *is_open > 0.0);
    let before = asked.load(Ordering::SeqCst);
    until("the known one is checked on", || asked.load(Ordering::SeqCst), |count| *count >= before + 10);
    assert_eq!((state(&api, "known"), state(&api, "new")), ("healthy".to_owned(), "unknown".to_owned()));
    assert_eq!(metric(&api, "heck_probes_failed_total"), 0.0);
    assert!(put(&api, "/v1/kv/k", "v"), "it takes writes");

    fs::write(&hosts, "127.0.0.1 localhost known.test new.test\n").unwrap();
    until("the new one is healthy", || state(&api, "new"), |state| state == "healthy");
    let closed = || metric(&api, "heck_resolver_breaker{state=\"closed\"}");
    until("the resolver is asked again", closed, |is_closed| *is_closed > 0.0);
}

#[test]
fn more_checks_than_a_node_can_make_show_as_stale_and_never_as_unhealthy() {
    let dir = tempfile::tempdir().unwrap();
    let (port, _) = web(Duration::from_millis(300));
    // Two at once make seven checks a second, of 300 that are due.
    let mut node = Heck::spawn(command(dir.path(), &["node"]).args(["--checks-at-once=2"]));
    let api = node.api(&dir.path().join("heck-data"));
    api.until_ready();
    let origins = 60;
    for n in 0..origins {
        assert!(put(&api, &format!("/v1/origins/o{n}"), &origin("127.0.0.1", port)));
    }
    let bad = || {
        let of = |state: &str| metric(&api, &format!("heck_origins{{state=\"{state}\"}}"));
        [of("unhealthy"), of("degraded"), metric(&api, "heck_probes_failed_total")]
    };
    let seen = || {
        assert_eq!(bad(), [0.0; 3], "none of them is down or slow");
        let healthy = metric(&api, "heck_origins{state=\"healthy\"}");
        (metric(&api, "heck_origins_stale"), healthy, metric(&api, "heck_probes_not_started_total"))
    };
    until("most are stale, and some were healthy", seen, |(stale, healthy, not_started)| {
        *stale >= f64::from(origins) / 2.0 && *healthy >= 1.0 && *not_started >= 500.0
    });
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        seen();
        thread::sleep(Duration::from_millis(50));
    }
    // With less to do all are well again.
    for n in 1..origins {
        assert!(
            api.ask("DELETE", &format!("/v1/origins/o{n}"), "").is_some_and(|answer| answer.status == 204)
        );
    }
    until("the one that is left is fresh", seen, |(stale, healthy, _)| (*stale, *healthy) == (0.0, 1.0));
}

/// What a peer that has the cluster's key can flood with: noise, packets with bytes changed, and two that are whole and come
/// again and again, in the name of a member that there is. All are sealed as they should be.
struct Flood {
    keyring: Keyring,
    seals: Datagrams,
    rng: Stream,
    whole: Vec<Vec<u8>>,
    again: Vec<Vec<u8>>,
}

impl Flood {
    fn new(keyring: &Path) -> Self {
        let keys = Keys::read(keyring).unwrap();
        let packet = |kind| {
            let mut bytes = Vec::new();
            let nonce = 77;
            encode_packet(
                &Packet { kind, nonce, sender: NodeId::of(&name("b")), ..Packet::default() },
                &mut bytes,
            );
            bytes
        };
        let mut flood = Self {
            keyring: Keyring::new(keys, &name("flooded"), None),
            seals: Datagrams::default(),
            rng: Stream::new(Seed(11), 0),
            whole: [PacketKind::Ping, PacketKind::Request, PacketKind::Push].map(packet).into(),
            again: Vec::new(),
        };
        let whole = flood.whole.clone();
        flood.again = whole.iter().map(|bytes| flood.sealed(bytes)).collect();
        flood
    }

    fn sealed(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Datagrams::begin(&mut bytes);
        bytes.extend_from_slice(packet);
        self.seals.seal(self.keyring.sealers().first(), &mut bytes).unwrap();
        bytes
    }

    fn next(&mut self) -> Vec<u8> {
        let random = self.rng.next_u32();
        let which = random as usize / 3;
        match random % 3 {
            0 => {
                let noise: Vec<u8> = (0..which % 1_300).map(|_| self.rng.next_u32() as u8).collect();
                self.sealed(&noise)
            }
            1 => {
                let mut packet = self.whole[which % self.whole.len()].clone();
                for _ in 0..=which % 4 {
                    let at = self.rng.next_u32() as usize % packet.len();
                    packet[at] = self.rng.next_u32() as u8;
                }
                self.sealed(&packet)
            }
            _ => self.again[which % self.again.len()].clone(),
        }
    }
}

/// Resident memory of a process, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says so");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_peer_that_has_the_key_and_floods_neither_grows_a_node_nor_keeps_it_from_its_work() {
    let dir = tempfile::tempdir().unwrap();
    let node = |name: &str, more: &[&str]| {
        let mut command =
            command(dir.path(), &["node", "--cluster=flooded", "--name", name, "--data-dir", name]);
        let mut node = Heck::spawn(command.args(more));
        let gossip = node.gossip();
        let api = node.api(&dir.path().join(name));
        api.until_ready();
        (node, api, gossip)
    };
    let (mut a, api, gossip) = node("a", &[]);
    let (mut b, api_of_b, _) = node("b", &["--join", &gossip, "--key-file=a/keyring"]);
    let alive = |api: &Api| metric(api, "heck_members{standing=\"alive\"}");
    for api in [&api, &api_of_b] {
        until("both are members", || alive(api), |count| *count == 2.0);
    }
    let mut flood = Flood::new(&dir.path().join("a/keyring"));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let arrived = || metric(&api, "heck_datagrams_received_total");
    let mut written = 0;
    let mut flood_until = |count: f64| {
        let begun = Instant::now();
        let until = arrived() + count;
        while arrived() < until && begun.elapsed() < Duration::from_secs(90) {
            for _ in 0..500 {
                // The system drops what a node has no room for.
                let _ = socket.send_to(&flood.next(), &gossip);
            }
            written += 1;
            assert!(put(&api, &format!("/v1/kv/k{}", written % 10), &written.to_string()), "it takes writes");
        }
        (arrived() >= until, begun.elapsed())
    };
    // What is set aside for packets and their parts has grown to its size by then.
    assert!(flood_until(5_000.0).0, "too few datagrams arrived");
    let before = resident_kib(a.pid());
    let (is_enough, took) = flood_until(20_000.0);
    let after = resident_kib(a.pid());
    assert!(is_enough, "too few datagrams arrived");
    println!("20,000 datagrams in {took:?}: {before} KiB before, {after} KiB after");
    // All of them together have twice that.
    assert!(after <= before + 3 * 1_024, "{before} KiB before and {after} KiB after 20,000 datagrams");
    let counted = ["heck_datagrams_undecodable_total", "heck_packets_rejected_total"]
        .map(|series| metric(&api, series));
    assert!(counted[0] >= 3_000.0, "noise is counted: {counted:?}");
    for api in [&api, &api_of_b] {
        until("both are members", || alive(api), |count| *count == 2.0);
        until(
            "the last write is at both",
            || value(api, &format!("k{}", written % 10)),
            |held| held.as_deref() == Some(written.to_string().as_str()),
        );
    }
    for (node, other) in [(&mut a, "b"), (&mut b, "a")] {
        let log = node.logged();
        let said = format!("a member is dead name=\"{other}\"");
        assert!(!log.contains(&said), "{log}");
    }
}
