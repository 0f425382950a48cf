//! Nodes whose disk hangs: it takes records and does not come back.

use super::*;
use crate::counters::Count;
use crate::error::NodeError;
use heck_core::entry::Body;
use tokio::net::TcpListener;

/// Waits until the node takes its disk for one that does not answer.
async fn until_stalled(handle: &NodeHandle) {
    while handle.disk().stalled().is_none() || handle.counters().get(Count::DiskStalls) == 0 {
        timeout(PATIENCE, handle.view(|view, _| view.hash())).await.unwrap().unwrap();
        tokio::task::yield_now().await;
    }
}

/// The keys that a journal holds once nobody uses it any more.
async fn keys_on_disk(dir: &Path) -> Vec<Name> {
    let opened = async {
        loop {
            if let Ok((_, snapshot, _)) = JournalFile::open(dir) {
                return snapshot;
            }
            tokio::task::yield_now().await;
        }
    };
    let snapshot = timeout(PATIENCE, opened).await.expect("the journal is free");
    let key = |record: &Record| match record {
        Record::Entry { carried, .. } => match &carried.entry.body {
            Body::Key { name, .. } => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    snapshot.records.iter().filter_map(key).collect()
}

#[tokio::test]
async fn gossip_checks_and_reads_go_on_writes_are_told_and_what_was_acknowledged_stays() {
    let dir = tempfile::tempdir().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = peer.local_addr().unwrap();
    let (handle, disk) = node(dir.path(), |config| {
        know(config, addr);
        config.probes.guard.loopback = true;
        // The peer answers nothing, and must not come to be the owner.
        config.members[0].weight = 0;
    })
    .await;
    // Longer than it takes to find out that the disk does not answer.
    let limits = ApiLimits { deadline: Duration::from_secs(4), ..ApiLimits::default() };
    let api = api(&handle, limits);
    let origin = format!(r#"{{"url":"tcp://{}","interval":"100ms"}}"#, web.local_addr().unwrap());
    assert!(ask(api.addr(), "PUT", "/v1/origins/web", &origin).await.unwrap().starts_with("HTTP/1.1 201 "));
    let hang = disk.hang();
    let early = ask(api.addr(), "PUT", "/v1/kv/early", "v");
    until_stalled(&handle).await;
    let checked = handle.counters().get(Count::ProbesAnswered) + 3;
    let go_on = async {
        while handle.counters().get(Count::ProbesAnswered) < checked {
            ping(&peer, handle.addr()).await;
        }
    };
    timeout(PATIENCE, go_on).await.expect("the origin is checked");
    for path in ["/livez", "/readyz", "/v1/health/web", "/v1/kv/k"] {
        let answer = timeout(PATIENCE, ask(api.addr(), "GET", path, "")).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    let refused = ask(api.addr(), "PUT", "/v1/kv/late", "v").await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(
        refused.contains("urn:heck:problem:disk-stalled") && refused.contains("nothing was changed"),
        "{refused}"
    );
    let early = timeout(PATIENCE, early).await.unwrap().unwrap();
    assert!(early.starts_with("HTTP/1.1 503 ") && early.contains("urn:heck:problem:timeout"), "{early}");
    assert!(early.contains("the disk has not answered for"), "{early}");
    assert!(handle.disk().busy() >= Duration::from_secs(3));
    let busy = async || {
        let text = ask(api.addr(), "GET", "/metrics", "").await.unwrap();
        let line =
            text.lines().find(|line| line.starts_with("heck_journal_busy_seconds ")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let (first, second) = (busy().await, busy().await);
    assert!(first >= 3.0 && second > first, "the stall is a gauge that rises: {first}, {second}");
    drop(hang);
    let again = ask(api.addr(), "PUT", "/v1/kv/early", "v").await.unwrap();
    assert!(again.starts_with("HTTP/1.1 2") || again.contains("disk-stalled"), "{again}");
    timeout(PATIENCE, handle.synced()).await.expect("the disk answers again").unwrap();
    assert!(busy().await < 2.0, "and falls back");
    assert!(ask(api.addr(), "PUT", "/v1/kv/late", "v").await.unwrap().starts_with("HTTP/1.1 204 "));
    api.close().await;
    handle.shutdown().await.unwrap();
    let mut keys = keys_on_disk(dir.path()).await;
    keys.sort();
    assert_eq!(keys, [name("early"), name("k"), name("late")]);
}

#[tokio::test]
async fn a_node_whose_disk_hangs_stops_all_the_same_and_loses_nothing_that_it_answered_for() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, disk) = node(dir.path(), |_| {}).await;
    let hang = disk.hang();
    let writer = handle.clone();
    let waiting = tokio::spawn(async move { writer.command(put(2)).await });
    until_stalled(&handle).await;
    let stopped = timeout(PATIENCE, handle.shutdown()).await.expect("it stops");
    let Err(NodeError::Journal(error)) = stopped else { panic!("{stopped:?}") };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(matches!(waiting.await.unwrap(), Err(CommandError::Stopped)));
    drop(hang);
    assert!(keys_on_disk(dir.path()).await.contains(&name("k")));
}

#[tokio::test]
async fn a_new_life_is_not_heard_of_before_its_name_is_on_disk_and_the_node_goes_on_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = peer.local_addr().unwrap();
    let (handle, disk) = node(dir.path(), |config| know(config, addr)).await;
    ping(&peer, handle.addr()).await;
    let hang = disk.hang();
    begin_another_life(&peer, &handle).await;
    // What was sent before is on its way, and nothing follows it.
    let mut bytes = [0; 2_048];
    while peer.try_recv_from(&mut bytes).is_ok() {}
    let ping_again = Packet { kind: PacketKind::Ping, nonce: 6, ..Packet::default() };
    say(&peer, ping_again, handle.addr()).await;
    let heard = timeout(Duration::from_millis(500), peer.recv_from(&mut bytes)).await;
    assert!(heard.is_err(), "the node is silent");
    timeout(PATIENCE, handle.view(|view, _| view.hash())).await.expect("it can be looked at").unwrap();
    until_stalled(&handle).await;
    until_mute(&handle).await;
    drop(hang);
    timeout(PATIENCE, handle.synced()).await.unwrap().unwrap();
    assert!(!handle.is_mute());
    ping(&peer, handle.addr()).await;
    handle.shutdown().await.unwrap();
}
