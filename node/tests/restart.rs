//! What was acknowledged outlives the node, however it ends.

mod common;

use common::{Process, config, members, name, put_key, sockets, until, until_agreed};
use heck_core::codec::encode_packet;
use heck_core::entry::{Body, Entry, Superseded};
use heck_core::id::{Addr, Boot, NodeId, Writer};
use heck_core::member::Member;
use heck_core::packet::{Carried, Packet};
use heck_core::time::Span;
use heck_node::{Count, NodeConfig, Sockets, Start};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};

fn settings(dir: &Path) -> NodeConfig {
    config("n", dir, 1)
}

fn journal(dir: &Path) -> PathBuf {
    dir.join("n/journal")
}

#[test]
fn an_acknowledged_write_outlives_a_crash_and_one_that_was_not_may_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let node = Process::start(sockets(), settings(dir.path()));
    let first_boot = node.handle.boot();
    for n in 0..20 {
        node.command(put_key(&format!("k{n}"), &[n; 100]));
    }
    // What is on disk at the time of the last acknowledgement; a crash of the machine keeps that much.
    let acknowledged = fs::metadata(journal(dir.path())).unwrap().len();
    let (handle, kill) = (node.handle.clone(), put_key("late", b"v"));
    common::wait("a write that nobody waits for", async {
        tokio::select! {
            biased;
            answer = handle.command(kill) => panic!("answered at once with {answer:?}"),
            () = std::future::ready(()) => {}
        }
    });
    node.kill();
    let mut file = OpenOptions::new().append(true).open(journal(dir.path())).unwrap();
    file.set_len(acknowledged).unwrap();
    file.write_all(b"half of a frame").unwrap();

    let node = Process::start(sockets(), settings(dir.path()));
    assert_eq!(node.handle.recovery().torn_bytes, 15);
    for n in 0..20 {
        assert_eq!(node.key(&format!("k{n}")), Some(vec![n; 100]));
    }
    assert_eq!(node.key("late"), None);
    assert!(node.handle.boot() > first_boot);
    let dot = node.command(put_key("k0", b"newer")).expect("it minted a dot");
    assert_eq!(dot.lane.writer.boot, node.handle.boot());
    node.shut_down();
}

#[test]
fn each_restart_begins_a_life_that_was_never_used_before() {
    let dir = tempfile::tempdir().unwrap();
    let node = Process::start(sockets(), settings(dir.path()));
    let boot = node.handle.boot();
    node.shut_down();
    let mut boots = vec![boot];
    for _ in 0..5 {
        let node = Process::start(sockets(), settings(dir.path()));
        boots.push(node.handle.boot());
        node.kill();
    }
    assert!(boots.windows(2).all(|pair| pair[0] < pair[1]), "{boots:?}");
}

#[test]
fn a_killed_node_comes_back_on_its_port_and_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let all = vec![sockets(), sockets()];
    let members = members(&["n", "m"], &all);
    let both = ["n", "m"].map(|name| NodeConfig {
        members: members.clone(),
        start: Start::Formed,
        ..config(name, dir.path(), 1)
    });
    let start = |(config, sockets)| Process::start(sockets, config);
    let mut nodes: Vec<Process> = both.iter().cloned().zip(all).map(start).collect();
    nodes[1].command(put_key("k", b"old"));
    until_agreed(&nodes, 1);
    let killed = nodes.pop().expect("there are two");
    let addr = killed.handle.addr();
    killed.kill();
    nodes[0].command(put_key("k", b"new"));
    nodes.push(Process::start(Sockets::bind(addr).unwrap(), both[1].clone()));
    nodes[1].command(put_key("mine", b"v"));
    until_agreed(&nodes, 2);
    assert_eq!(nodes[1].key("k").as_deref(), Some(&b"new"[..]));
}

#[test]
fn a_life_taken_because_another_was_heard_of_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let mut pair = settings(dir.path());
    pair.members = vec![Member::new(name("peer"), Addr::default())];
    let node = Process::start(sockets(), pair.clone());
    let heard = Boot(node.handle.boot().0 + 1_000_000_000);
    let writer = Writer { node: NodeId::of(&name("n")), boot: heard };
    let body = Body::Key { name: name("past"), value: b"v".as_slice().into() };
    let entry = Entry::new(writer, 1, 1, Superseded::new(), body);
    let packet = Packet {
        sender: NodeId::of(&name("peer")),
        entries: vec![Carried { entry: entry.into(), age: Span::ZERO }],
        ..Packet::default()
    };
    let mut bytes = Vec::new();
    encode_packet(&packet, &mut bytes);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&bytes, node.handle.addr()).unwrap();
    until("it has heard of its past", || node.key("past"), Option::is_some);
    let dot = node.command(put_key("k", b"v")).expect("it minted a dot");
    assert_eq!(dot.lane.writer.boot, Boot(heard.0 + 1));
    node.kill();
    let node = Process::start(sockets(), pair);
    assert_eq!(node.handle.boot(), Boot(heard.0 + 2));
}

#[test]
fn a_long_journal_is_replaced_by_a_short_one_that_holds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut short = settings(dir.path());
    short.limits.compact_above_bytes = 8 * 1024;
    let node = Process::start(sockets(), short.clone());
    for n in 0..200_u32 {
        node.command(put_key(&format!("k{}", n % 3), &[n as u8; 1_000]));
    }
    assert!(node.handle.counters().get(Count::Compactions) > 3);
    assert!(fs::metadata(journal(dir.path())).unwrap().len() < 32 * 1024);
    let (_, hash, _) = node.summary();
    node.kill();
    let node = Process::start(sockets(), short);
    assert_eq!(node.summary().1, hash);
    assert_eq!(node.key("k1"), Some(vec![199; 1_000]));
}

#[test]
fn a_damaged_journal_is_reported_and_the_node_serves_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let node = Process::start(sockets(), settings(dir.path()));
    for n in 0..20 {
        node.command(put_key(&format!("k{n}"), &[n; 100]));
    }
    let boot = node.handle.boot();
    node.kill();
    let mut bytes = fs::read(journal(dir.path())).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(journal(dir.path()), &bytes).unwrap();
    let node = Process::start(sockets(), settings(dir.path()));
    let recovery = node.handle.recovery();
    assert!(recovery.damaged_bytes > 100 && recovery.damaged_bytes < 300, "{recovery:?}");
    assert_eq!(fs::read(recovery.set_aside.as_ref().unwrap()).unwrap(), bytes);
    assert_eq!((0..20).filter(|n| node.key(&format!("k{n}")).is_some()).count(), 19);
    assert!(node.handle.boot() > boot);
}

#[test]
fn a_node_that_cannot_write_a_short_journal_goes_on_with_the_long_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut short = settings(dir.path());
    short.limits.compact_above_bytes = 1_024;
    let node = Process::start(sockets(), short);
    for n in 0..10 {
        node.command(put_key("k", &[n; 500]));
    }
    // With its folder gone no short journal can be written; the long one is open and still takes records.
    fs::remove_dir_all(dir.path().join("n")).unwrap();
    for n in 0..20 {
        node.command(put_key("k", &[n; 500]));
    }
    let failed = || node.handle.counters().get(Count::CompactionsFailed);
    until("a compaction fails", failed, |count| *count > 0);
    assert_eq!(node.key("k"), Some(vec![19; 500]));
}
