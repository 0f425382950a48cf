//! The origins of a source follow its file, and nothing else does.

mod common;

use common::heck::{Heck, command};
use common::{Process, config, name, sockets, wait};
use heck_core::entry::{Body, OriginSpec};
use heck_core::id::Store;
use heck_core::input::Command;
use heck_node::origin::{OriginsFile, Plan, ReloadError, reload};
use std::fs;

fn origins(names: &[&str], port: u16) -> String {
    names
        .iter()
        .map(|name| format!("[[origins]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/\"\n"))
        .collect()
}

fn file(names: &[&str], port: u16) -> OriginsFile {
    OriginsFile::parse("o.toml", &origins(names, port)).unwrap()
}

fn take_over(node: &Process, file: OriginsFile, allow_shrink: bool) -> Result<Plan, ReloadError> {
    wait("a reload", reload(&node.handle, &name("f"), file, allow_shrink))
}

/// The origins, each with its source.
fn held(node: &Process) -> Vec<(String, String)> {
    let look = node.handle.view(|view, _| {
        let entries = view.state().entries_of(Store::Registry);
        let mut held: Vec<_> = entries
            .filter_map(|entry| match &entry.body {
                Body::Origin { name, source, .. } => Some((name.to_string(), source.to_string())),
                _ => None,
            })
            .collect();
        held.sort();
        held
    });
    wait("a look", look).unwrap()
}

#[test]
fn a_reload_touches_only_what_differs_and_only_its_own_source() {
    let dir = tempfile::tempdir().unwrap();
    let node = Process::start(sockets(), config("n", dir.path(), 1));
    let spec = OriginSpec::new("http://127.0.0.1:9/");
    node.command(Command::PutOrigin { name: name("api"), spec: spec.clone(), source: name("api") });
    node.command(Command::PutOrigin { name: name("both"), spec, source: name("api") });

    let plan = take_over(&node, file(&["a", "b", "c", "both"], 1), false).unwrap();
    assert_eq!((plan.put.len(), plan.foreign), (3, vec![name("both")]));
    let (_, hash, _) = node.summary();
    let plan = take_over(&node, file(&["a", "b", "c", "both"], 1), false).unwrap();
    assert!(plan.is_empty() && plan.same == 3);
    assert_eq!(node.summary().1, hash, "what is the same mints no dot");

    let mut changed = file(&["a", "b"], 1);
    changed.origins.extend(file(&["d"], 2).origins);
    let plan = take_over(&node, changed, false).unwrap();
    assert_eq!((plan.put.len(), plan.remove, plan.same), (1, vec![name("c")], 2));
    let names = [("a", "f"), ("api", "api"), ("b", "f"), ("both", "api"), ("d", "f")];
    assert_eq!(held(&node), names.map(|(name, source)| (name.to_owned(), source.to_owned())));
}

#[test]
fn an_empty_or_shrunken_file_removes_more_than_half_only_where_that_was_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let node = Process::start(sockets(), config("n", dir.path(), 1));
    take_over(&node, file(&["a", "b", "c", "d"], 1), false).unwrap();
    for shrunken in [file(&[], 1), file(&["a"], 1), file(&["x", "y", "z", "w"], 1)] {
        let refused = take_over(&node, shrunken, false);
        assert!(matches!(refused, Err(ReloadError::Shrinks { held: 4, .. })), "{refused:?}");
        assert_eq!(held(&node).len(), 4);
    }
    take_over(&node, file(&["a", "b"], 1), false).unwrap();
    take_over(&node, file(&[], 1), true).unwrap();
    assert!(held(&node).is_empty());
}

#[test]
fn a_large_file_is_taken_over_whole() {
    let dir = tempfile::tempdir().unwrap();
    let node = Process::start(sockets(), config("n", dir.path(), 1));
    let names: Vec<String> = (0..2_000).map(|n| format!("o{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    take_over(&node, file(&names, 1), false).unwrap();
    assert_eq!(held(&node).len(), 2_000);
}

#[test]
fn a_running_node_follows_its_file_and_a_bad_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("origins.toml");
    fs::write(&path, origins(&["a", "b"], 1)).unwrap();
    let args = ["node", "--origins-file=origins.toml", "--origins-poll=100ms"];
    let mut node = Heck::spawn(&mut command(dir.path(), &args));
    node.logs("put=2 removed=0 same=0");
    // A change is seen by itself.
    fs::write(&path, origins(&["a", "b", "c"], 1)).unwrap();
    node.logs("put=1 removed=0 same=2");
    fs::write(&path, origins(&["a", "b", "c"], 1).replace("url", "uri")).unwrap();
    node.logs("was not taken over: nothing was changed");
    node.logs("origins.toml:3:1: unknown field `uri`");
    fs::remove_file(&path).unwrap();
    node.logs("origins.toml cannot be read");
    fs::write(&path, origins(&["a", "b", "c"], 1)).unwrap();
    node.logs("put=0 removed=0 same=3");
    fs::write(&path, "").unwrap();
    node.logs("would remove 3 of 3 origins");
}

#[test]
fn a_signal_lets_the_file_be_read_again_and_a_restarted_node_knows_its_origins() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("origins.json"),
        r#"{"origins": [{"name": "a", "url": "http://127.0.0.1:1/"}]}"#,
    )
    .unwrap();
    let args = ["node", "--origins-file=origins.json", "--origins-poll=1h"];
    for same in [0, 1] {
        let mut node = Heck::spawn(&mut command(dir.path(), &args));
        node.logs(&format!("put={} removed=0 same={same}", 1 - same));
        node.signal("HUP");
        node.logs("put=0 removed=0 same=1");
        node.kill();
    }
}
