//! A cluster that is rebuilt from a backup is the same cluster.

mod common;

use common::heck::{Ended, Heck, command, run};
use common::{Process, config, name, put_key, sockets, wait};
use heck_core::entry::{Admin, Body, OriginSpec};
use heck_core::id::{Dot, Store};
use heck_core::input::Command;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn heck(dir: &Path, args: &[&str]) -> Ended {
    run(command(dir, args))
}

/// A node with an origin, keys and messages in the folder of its name, and the dots of its messages.
fn cluster(dir: &Path) -> (Process, Vec<Dot>) {
    let node = Process::start(sockets(), config("old", dir, 1));
    // One that nobody checks, so that no claim changes the state meanwhile.
    let spec = OriginSpec { admin: Admin::Disabled, ..OriginSpec::new("http://192.0.2.7/") };
    node.command(Command::PutOrigin { name: name("web"), spec, source: name("api") });
    for n in 0..50_u8 {
        node.command(put_key(&format!("k{}", n % 20), &[n; 300]));
    }
    node.command(Command::DeleteKey { name: name("k7") });
    let publish = |n: u8| Command::Publish { topic: name("purge"), payload: [n].as_slice().into() };
    let dots = (0..5).map(|n| node.command(publish(n)).expect("it minted a dot")).collect();
    (node, dots)
}

fn messages(node: &Process) -> Vec<(Dot, Vec<u8>)> {
    let look = node.handle.view(|view, _| {
        let entries = view.state().entries_of(Store::Log);
        let mut all: Vec<_> = entries
            .filter_map(|entry| match &entry.body {
                Body::Message { payload, .. } => Some((entry.dot, payload.to_vec())),
                _ => None,
            })
            .collect();
        all.sort();
        all
    });
    wait("a look at the messages", look).unwrap()
}

#[test]
fn what_a_running_node_has_acknowledged_is_in_its_backup_and_comes_back_with_its_dots() {
    let dir = tempfile::tempdir().unwrap();
    let (old, dots) = cluster(dir.path());
    let exported = heck(dir.path(), &["export", "--data-dir=old", "--name=old", "--out=backup"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert!(exported.err.contains("exported 1 origins, 19 keys and 5 messages"), "{exported:?}");
    let mode = fs::metadata(dir.path().join("backup")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "it is for its owner alone");

    for new in ["new", "old"] {
        let folder = format!("--data-dir=at/{new}");
        let imported = heck(dir.path(), &["import", "backup", &folder, "--name", new]);
        assert_eq!(imported.code, Some(0), "{imported:?}");
        let node = Process::start(sockets(), config(new, &dir.path().join("at"), 2));
        assert!(node.handle.boot() > old.handle.boot());
        assert_eq!(node.summary(), old.summary(), "phase, fingerprint of the state, number of entries");
        assert_eq!(messages(&node), messages(&old));
        let seen = wait(
            "a look",
            node.handle.view({
                let dots = dots.clone();
                move |view, _| dots.iter().all(|dot| view.has_seen(dot))
            }),
        );
        assert!(seen.unwrap(), "positions of subscribers stay good");
        node.command(put_key("k1", b"newer"));
        assert_eq!(node.key("k1").as_deref(), Some(&b"newer"[..]));
        assert_eq!(node.key("k7"), None);
    }
}

#[test]
fn a_node_that_starts_from_a_backup_holds_the_clusters_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Heck::spawn(&mut command(dir.path(), &["node"]));
    let key = node.says("  key ");
    let id = key.split_whitespace().nth(1).unwrap().to_owned();
    let exported = heck(dir.path(), &["export"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    fs::write(dir.path().join("backup"), &exported.out).unwrap();
    assert_eq!(heck(dir.path(), &["import", "backup", "--data-dir=new"]).code, Some(0));
    let mut rebuilt = Heck::spawn(&mut command(dir.path(), &["node", "--data-dir=new"]));
    assert!(rebuilt.says("  key ").contains(&id));
    assert!(!heck(dir.path(), &["export", "--without-keys"]).out.contains(&id));
}

#[test]
fn a_backup_that_is_not_whole_and_a_folder_in_use_are_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (_node, _) = cluster(dir.path());
    let exported = heck(dir.path(), &["export", "--data-dir=old", "--name=old"]);
    let path = dir.path().join("backup");
    fs::write(&path, &exported.out[..exported.out.len() / 2]).unwrap();
    let refused = heck(dir.path(), &["import", "backup", "--data-dir=new"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(!dir.path().join("new").exists());
    fs::write(&path, &exported.out).unwrap();
    let refused = heck(dir.path(), &["import", "backup", "--data-dir=old", "--name=old"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("holds a node already"), "{refused:?}");
    let missing = heck(dir.path(), &["export", "--data-dir=nowhere"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(!dir.path().join("nowhere").exists());
}
