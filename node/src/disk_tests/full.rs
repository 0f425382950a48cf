//! Nodes whose disk is full for a while.

use super::*;
use crate::counters::Count;
use crate::error::NodeError;
use heck_core::node::View;
use heck_core::time::Time;

/// Lets a full disk be found so at least `times` by a write of a client who waits; it answers meanwhile.
async fn write_on(handle: &NodeHandle, command: Command, times: u64) -> JoinHandle<Outcome> {
    let refused = handle.counters().get(Count::DiskFull) + times;
    let writer = handle.clone();
    let waiting = tokio::spawn(async move { writer.command(command).await });
    while handle.counters().get(Count::DiskFull) < refused {
        timeout(PATIENCE, handle.view(|view, _| view.hash())).await.unwrap().unwrap();
        tokio::task::yield_now().await;
    }
    waiting
}

#[tokio::test]
async fn a_node_goes_on_and_answers_for_a_write_only_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, disk) = node(dir.path(), |_| {}).await;
    disk.set_full(true);
    let waiting = write_on(&handle, put(2), 3).await;
    assert!(!waiting.is_finished());
    disk.set_full(false);
    waiting.await.unwrap().unwrap();
    handle.shutdown().await.unwrap();
    let (_, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
    assert_eq!((recovery.torn_bytes, recovery.damaged_bytes), (0, 0));
    let entries = snapshot.records.iter().filter(|record| matches!(record, Record::Entry { .. }));
    assert_eq!(entries.count(), 2);
}

#[tokio::test]
async fn a_node_far_behind_its_disk_can_be_looked_at_answers_pings_holds_writes_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (handle, disk) = node(dir.path(), with_peer(peer.local_addr().unwrap())).await;
    disk.set_full(true);
    let waiting = write_on(&handle, put(2), 2).await;
    let held = tokio::spawn({
        let handle = handle.clone();
        async move { handle.command(put(3)).await }
    });
    ping(&peer, handle.addr()).await;
    let value = handle.view(|view, _| view.key(&name("k")).map(|entry| entry.body.clone())).await.unwrap();
    let Some(heck_core::entry::Body::Key { value, .. }) = value else { panic!("{value:?}") };
    assert_eq!(*value, [2], "the second write waits");
    let stopped = timeout(PATIENCE, handle.shutdown()).await.expect("it stops");
    assert!(matches!(stopped, Err(NodeError::Journal(_))), "{stopped:?}");
    for write in [waiting, held] {
        assert!(matches!(write.await.unwrap(), Err(CommandError::Stopped)));
    }
}

/// Waits far longer than an answer takes that does not wait for a full disk.
async fn let_the_disk_refuse(handle: &NodeHandle) {
    let refused = handle.counters().get(Count::DiskFull) + 3;
    while handle.counters().get(Count::DiskFull) < refused {
        timeout(PATIENCE, handle.view(|view, _| view.hash())).await.unwrap().unwrap();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_write_that_is_repeated_is_answered_no_sooner_than_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, disk) = node(dir.path(), |_| {}).await;
    let api = api(&handle, ApiLimits::default());
    let writes = [("/v1/kv/again", "v"), ("/v1/origins/again", r#"{"url":"http://127.0.0.1:1/"}"#)];
    disk.set_full(true);
    let first: Vec<_> = writes.map(|(path, body)| ask(api.addr(), "PUT", path, body)).into();
    let has_both =
        |view: View<'_>, _: Time| view.key(&name("again")).is_some() && view.origin(&name("again")).is_some();
    while !timeout(PATIENCE, handle.view(has_both)).await.unwrap().unwrap() {
        tokio::task::yield_now().await;
    }
    let again: Vec<_> = writes.map(|(path, body)| ask(api.addr(), "PUT", path, body)).into();
    let_the_disk_refuse(&handle).await;
    assert!(!again.iter().any(JoinHandle::is_finished));
    disk.set_full(false);
    for answer in first.into_iter().chain(again) {
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    handle.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_removal_that_is_repeated_is_not_called_done_before_the_first_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, disk) = node(dir.path(), |_| {}).await;
    let api = api(&handle, ApiLimits::default());
    let paths = ["/v1/kv/gone", "/v1/origins/gone"];
    for (path, body) in paths.into_iter().zip(["v", r#"{"url":"http://127.0.0.1:1/"}"#]) {
        assert!(ask(api.addr(), "PUT", path, body).await.unwrap().starts_with("HTTP/1.1 2"));
    }
    disk.set_full(true);
    let first: Vec<_> = paths.map(|path| ask(api.addr(), "DELETE", path, "")).into();
    let has_none =
        |view: View<'_>, _: Time| view.key(&name("gone")).is_none() && view.origin(&name("gone")).is_none();
    while !timeout(PATIENCE, handle.view(has_none)).await.unwrap().unwrap() {
        tokio::task::yield_now().await;
    }
    let again: Vec<_> = paths.map(|path| ask(api.addr(), "DELETE", path, "")).into();
    let patch = ask(api.addr(), "PATCH", "/v1/origins/gone", "{}");
    let_the_disk_refuse(&handle).await;
    assert!(!again.iter().chain([&patch]).any(JoinHandle::is_finished));
    disk.set_full(false);
    for answer in first {
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 204 "));
    }
    for answer in again.into_iter().chain([patch]) {
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 404 "));
    }
    handle.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_node_that_cannot_write_down_its_new_life_is_not_ready_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = peer.local_addr().unwrap();
    let (handle, disk) = node(dir.path(), |config| know(config, addr)).await;
    let api = api(&handle, ApiLimits::default());
    let ready = || ask(api.addr(), "GET", "/readyz", "");
    disk.set_full(true);
    let waiting = write_on(&handle, put(2), 1).await;
    assert!(ready().await.unwrap().starts_with("HTTP/1.1 200 "), "a full disk alone does not make it mute");
    assert!(!handle.is_mute());
    begin_another_life(&peer, &handle).await;
    until_mute(&handle).await;
    let mute = ready().await.unwrap();
    assert!(mute.starts_with("HTTP/1.1 503 ") && mute.contains("peers hear nothing"), "{mute}");
    assert!(ask(api.addr(), "GET", "/livez", "").await.unwrap().starts_with("HTTP/1.1 200 "));
    disk.set_full(false);
    waiting.await.unwrap().unwrap();
    timeout(PATIENCE, handle.synced()).await.unwrap().unwrap();
    assert!(ready().await.unwrap().starts_with("HTTP/1.1 200 "));
    ping(&peer, handle.addr()).await;
    handle.shutdown().await.unwrap();
}
