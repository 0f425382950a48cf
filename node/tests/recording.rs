//! What real nodes record, the same core does again.

mod common;

use common::heck::{Api, Heck, command, run};
use common::{Process, config, put_key, sockets, until, wait};
use futures_util::future::join_all;
use heck_core::entry::Body;
use heck_core::id::Name;
use heck_core::recording::{Damage, Reader, Replay, Taken};
use heck_node::{Count, NodeConfig, Recorded};
use std::fs;
use std::path::Path;

fn node(folder: &Path, name: &str, args: &[&str]) -> Heck {
    let own = [format!("--data-dir={name}"), format!("--name={name}"), format!("--record={name}.rec")];
    Heck::spawn(command(folder, &["node", "--leave-grace=200ms"]).args(own).args(args))
}

/// Replays a file, and fails where the node does something else. A node that is killed leaves part of a frame at most.
fn replay(path: &Path) -> Replay {
    let bytes = fs::read(path).unwrap();
    let mut reader = Reader::new(&bytes).unwrap();
    let mut replay = Replay::default();
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => match replay.take(&frame) {
                Ok(Taken::Begun | Taken::Same | Taken::Confirmed) => {}
                other => panic!("{}, step {}: {other:?}", path.display(), replay.steps()),
            },
            Ok(None) | Err(Damage::Torn(_)) => return replay,
            Err(damage) => panic!("{}: {damage}", path.display()),
        }
    }
}

fn value(replay: &Replay, key: &str) -> Option<Vec<u8>> {
    match &replay.node()?.view().key(&Name::new(key).unwrap())?.body {
        Body::Key { value, .. } => Some(value.to_vec()),
        _ => None,
    }
}

fn put(api: &Api, key: &str, value: &str) {
    let answer = api.ask("PUT", &format!("/v1/kv/{key}"), value);
    assert!(answer.as_ref().is_some_and(|answer| answer.status < 300), "{answer:?}");
}

fn metric(api: &Api, name: &str) -> u64 {
    let text = api.ask("GET", "/metrics", "").expect("metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the metric is there");
    line.trim().parse().expect("a number")
}

#[test]
fn a_cluster_that_records_is_replayed_node_by_node_with_the_same_effects() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = node(dir.path(), "a", &[]);
    let gossip = a.gossip();
    let join = ["--join", &gossip, "--key-file=a/keyring"];
    let mut others = ["b", "c"].map(|name| node(dir.path(), name, &join));
    let mut apis = vec![a.api(&dir.path().join("a"))];
    for (other, name) in others.iter_mut().zip(["b", "c"]) {
        apis.push(other.api(&dir.path().join(name)));
    }
    apis.iter().for_each(Api::until_ready);
    let origin = r#"{"url": "tcp://127.0.0.1:1", "interval": "500ms", "timeout": "200ms"}"#;
    assert!(apis[0].ask("PUT", "/v1/origins/web", origin).is_some_and(|answer| answer.status < 300));
    for round in 0..20 {
        put(&apis[round % 3], &format!("key-{round}"), &format!("value-{round}"));
        apis[round % 3].ask("POST", "/v1/messages/topic", "a message");
    }
    for api in &apis {
        let last = || api.ask("GET", "/v1/kv/key-19", "").map(|answer| answer.status);
        until("the last write is everywhere", last, |status| *status == Some(200));
        let health = || api.ask("GET", "/v1/health/web", "").map(|answer| answer.body);
        let is_down = |body: &Option<String>| body.as_ref().is_some_and(|body| body.contains("unhealthy"));
        until("the origin is known to be down", health, is_down);
        assert!(metric(api, "heck_recording_steps_total") > 20);
        assert_eq!(metric(api, "heck_recording_steps_lost_total"), 0);
    }
    // One of them is killed: what it did last may be missing, and all before it is there.
    let [b, c] = others;
    until("it is written", || metric(&apis[2], "heck_recording_bytes_total"), |bytes| *bytes > 10_000);
    let kept = metric(&apis[2], "heck_recording_bytes_total");
    c.kill();
    b.signal("TERM");
    assert_eq!(b.wait().code, Some(0));
    a.signal("TERM");
    assert_eq!(a.wait().code, Some(0));
    for name in ["a", "b"] {
        let replay = replay(&dir.path().join(name).with_extension("rec"));
        assert_eq!(value(&replay, "key-19").as_deref(), Some(b"value-19".as_slice()), "{name}");
        assert!(replay.steps() > 20, "{}", replay.steps());
    }
    assert!(fs::metadata(dir.path().join("c.rec")).unwrap().len() >= kept);
    assert!(replay(&dir.path().join("c.rec")).steps() > 20);
}

#[test]
fn a_recording_takes_no_more_than_its_limit_and_its_last_two_files_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let limit_bytes = 1 << 20;
    let recorded = Some(Recorded { file: dir.path().join("n.rec"), limit_bytes });
    let node = Process::start(sockets(), NodeConfig { recorded, ..config("n", dir.path(), 1) });
    for round in 0..30_u8 {
        let writes = (0..100_u8).map(|n| node.handle.command(put_key(&format!("key-{n}"), &[round; 500])));
        let written = wait("writes", join_all(writes));
        assert!(written.iter().all(Result::is_ok));
        // A disk that is busy with something else gets the time that it needs.
        let recorded = || node.handle.counters().get(Count::RecordingBytes);
        until("the recording has this round", recorded, |bytes| *bytes >= (u64::from(round) + 1) * 50_000);
    }
    assert_eq!(node.handle.counters().get(Count::RecordingStepsLost), 0);
    node.shut_down();
    let (path, aside) = (dir.path().join("n.rec"), dir.path().join("n.rec.1"));
    let (bytes, before) = (fs::read(&path).unwrap(), fs::read(&aside).unwrap());
    // A file is full after the step that fills it.
    let both = (bytes.len() + before.len()) as u64;
    assert!(both <= limit_bytes + 2 * 1_000 && before.len() as u64 >= limit_bytes / 2, "{both}");
    let headers = [&before, &bytes].map(|bytes| Reader::new(bytes).unwrap().header().clone());
    assert_eq!(headers[0].session, headers[1].session);
    assert_eq!(headers[0].part + 1, headers[1].part);
    assert!(headers[0].part > 0, "it was begun anew more than once");
    let ended = replay(&aside).steps();
    let mut reader = Reader::new(&bytes).unwrap();
    let mut replay = Replay::default();
    assert_eq!(replay.take(&reader.next_frame().unwrap().unwrap()), Ok(Taken::Begun));
    assert_eq!(replay.steps(), ended, "no step is missing between the two");
    #[cfg(unix)]
    for path in [&path, &aside] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_node_does_not_record_over_what_is_no_recording_or_is_another_nodes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("n.rec"), "years of work").unwrap();
    let args = ["node", "--record=n.rec", "--data-dir=m"];
    let refused = run(command(dir.path(), &args));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("n.rec is no recording"), "{refused:?}");
    assert_eq!(fs::read(dir.path().join("n.rec")).unwrap(), b"years of work");
    fs::remove_file(dir.path().join("n.rec")).unwrap();
    let mut first = node(dir.path(), "n", &[]);
    first.logs("the node runs");
    let refused = run(command(dir.path(), &["node", "--record=n.rec", "--data-dir=m"]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("another node records"), "{refused:?}");
    let tiny = run(command(dir.path(), &["node", "--record=m.rec", "--data-dir=m", "--record-limit=1KiB"]));
    assert_eq!(tiny.code, Some(2), "{tiny:?}");
    assert!(tiny.err.contains("record_limit"), "{tiny:?}");
}
