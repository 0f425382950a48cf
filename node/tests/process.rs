//! A real process outlives what happens to processes.

mod common;

use common::heck::{Answer, Api, Heck, command};
use common::until;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

fn node(folder: &Path, args: &[&str]) -> (Heck, Api) {
    let mut node = Heck::spawn(command(folder, &["node"]).args(args));
    let api = node.api(&folder.join("heck-data"));
    api.until_ready();
    (node, api)
}

fn value(api: &Api, key: &str) -> Option<String> {
    api.ask("GET", &format!("/v1/kv/{key}"), "")
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.body)
}

#[test]
fn a_node_that_is_killed_while_it_writes_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (killed, api) = node(dir.path(), &[]);
    let origin = r#"{"name": "web", "url": "http://192.0.2.1/", "admin": "maintenance"}"#;
    assert!(api.ask("PUT", "/v1/origins/web", origin).is_some_and(|answer| answer.status < 300));
    assert!(api.ask("POST", "/v1/messages/purge", "all").is_some_and(|answer| answer.status < 300));
    let acknowledged = AtomicUsize::new(0);
    let written: Vec<Vec<usize>> = thread::scope(|scope| {
        let writer = |writer: usize| {
            let (api, acknowledged) = (api.clone(), &acknowledged);
            move || {
                let put = |n: &usize| {
                    let answer = api.ask("PUT", &format!("/v1/kv/k{n}"), &format!("v{n}"));
                    let is_in = answer.is_some_and(|answer| answer.status < 300);
                    acknowledged.fetch_add(usize::from(is_in), Ordering::SeqCst);
                    is_in
                };
                (0..100_000).map(|n| 4 * n + writer).take_while(put).collect::<Vec<usize>>()
            }
        };
        let writers: Vec<_> = (0..4).map(|number| scope.spawn(writer(number))).collect();
        until("some writes are in", || acknowledged.load(Ordering::SeqCst), |count| *count > 40);
        killed.kill();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let (_restarted, api) = node(dir.path(), &[]);
    for n in written.iter().flatten() {
        let answer = api.ask("GET", &format!("/v1/kv/k{n}"), "");
        assert_eq!(answer, Some(Answer { status: 200, body: format!("v{n}") }));
    }
    assert!(api.ask("GET", "/v1/origins/web", "").unwrap().body.contains("192.0.2.1"));
    assert!(api.ask("GET", "/v1/messages?from=start", "").unwrap().body.contains("purge"));
}

#[test]
fn a_damaged_journal_is_told_and_set_aside_and_the_node_serves_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("heck-data/journal");
    let (killed, api) = node(dir.path(), &[]);
    for n in 0..20 {
        assert!(
            api.ask("PUT", &format!("/v1/kv/k{n}"), &"v".repeat(200))
                .is_some_and(|answer| answer.status < 300)
        );
    }
    killed.kill();
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(&journal, &bytes).unwrap();

    let mut restarted = Heck::spawn(&mut command(dir.path(), &["node"]));
    restarted.logs("the journal was damaged: it was set aside");
    let api = restarted.api(&dir.path().join("heck-data"));
    api.until_ready();
    assert_eq!((0..20).filter(|n| value(&api, &format!("k{n}")).is_some()).count(), 19);
    assert_eq!(fs::read(dir.path().join("heck-data/journal.damaged.1")).unwrap(), bytes);
    restarted.kill();

    OpenOptions::new().append(true).open(&journal).unwrap().write_all(b"half a record").unwrap();
    let mut torn = Heck::spawn(&mut command(dir.path(), &["node"]));
    torn.logs("the journal ended in half a record");
    let api = torn.api(&dir.path().join("heck-data"));
    api.until_ready();
    assert_eq!((0..20).filter(|n| value(&api, &format!("k{n}")).is_some()).count(), 19);
}

#[test]
fn a_node_without_file_descriptors_says_so_and_goes_on_once_there_are_some() {
    let dir = tempfile::tempdir().unwrap();
    let limited = command(dir.path(), &["node"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -n 40; exec \"$0\" node"])
        .arg(env!("CARGO_BIN_EXE_heck"))
        .current_dir(dir.path());
    for (name, value) in limited.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let mut node = Heck::spawn(&mut shell);
    let gossip = node.gossip();
    let api = node.api(&dir.path().join("heck-data"));
    api.until_ready();
    let flood: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&gossip).unwrap()).collect();
    node.logs("the system refuses to accept streams of peers");
    drop(flood);
    let put = || api.ask("PUT", "/v1/kv/after", "v").is_some_and(|answer| answer.status < 300);
    until("it takes writes again", put, |is_in| *is_in);
    assert_eq!(value(&api, "after").as_deref(), Some("v"));
}
