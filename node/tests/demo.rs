//! The newcomer's first minute.

mod common;

use common::heck::{Heck, command};
use std::fs;

#[test]
fn a_demo_says_where_to_look_and_ends_at_once_without_leaving_anything_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path(), &["demo", "--nodes=3", "--loss=50%", "--http=127.0.0.1:0"]);
    command.env("TMPDIR", dir.path());
    let mut demo = Heck::spawn(&mut command);
    demo.says("A cluster of 3 nodes on loopback; 50 % of all datagrams");
    for node in ["node-1", "node-2", "node-3"] {
        demo.says(&format!("  {node}   http://127.0.0.1:"));
    }
    demo.says("export HECK_ADDR=http://127.0.0.1:");
    demo.says("What it finds");
    demo.says("login is healthy: found by node-");
    demo.signal("INT");
    let ended = demo.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.took.as_secs() < 6, "{ended:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "its folder is gone");
}
