//! A node with nothing on disk joins by address, and gets the state by stream.

mod common;

use common::{Process, config, members, name, put_key, sockets, until, until_agreed};
use heck_core::effects::{Event, Phase};
use heck_core::input::Command;
use heck_node::{Count, Start};

#[test]
fn an_empty_node_joins_by_address_and_gets_the_state_by_stream() {
    let dir = tempfile::tempdir().unwrap();
    let all = vec![sockets(), sockets()];
    let members = members(&["old", "new"], &all);
    let [first, second] = <[_; 2]>::try_from(all).unwrap();
    let mut settings = config("old", dir.path(), 1);
    settings.members = members.clone();
    let old = Process::start(first, settings);
    for n in 0..200 {
        old.command(put_key(&format!("k{n}"), &[n as u8; 600]));
    }
    let mut settings = config("new", dir.path(), 2);
    // The way in is tried in turn: nobody listens at the first address.
    settings.start = Start::Join(vec!["127.0.0.1:9".parse().unwrap(), old.handle.addr()]);
    settings.members = members;
    let new = Process::start(second, settings);
    let nodes = [old, new];
    until_agreed(&nodes, 200);
    assert!(nodes[1].handle.counters().get(Count::FramesReceived) >= 2);
    assert_eq!(nodes[0].handle.counters().get(Count::StreamsAccepted), 1);
    // From now on it takes part.
    nodes[1].command(put_key("mine", b"v"));
    until_agreed(&nodes, 201);
}

#[test]
fn a_node_that_finds_nobody_serves_alone_once_its_time_is_up_and_refuses_writes_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = config("lonely", dir.path(), 1);
    settings.start = Start::Join(vec!["127.0.0.1:9".parse().unwrap()]);
    settings.protocol.join_timeout = heck_core::time::Span::from_ms(300);
    let node = Process::start(sockets(), settings);
    let early = common::wait("a write", node.handle.command(put_key("k", b"v")));
    assert!(early.unwrap_err().to_string().contains("NotServing(Joining)"));
    until("it serves", || node.summary().0, |phase| *phase == Phase::Serving);
    node.command(put_key("k", b"v"));
    assert!(node.handle.counters().get(Count::StreamsRefused) > 0);
}

#[test]
fn subscribers_hear_what_happens_and_that_the_node_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let node = Process::start(sockets(), config("n", dir.path(), 1));
    let mut events = node.handle.subscribe();
    let payload = b"flush /".as_slice().into();
    let dot = node.command(Command::Publish { topic: name("purge"), payload }).expect("it minted a dot");
    let heard = common::wait("an event", events.next());
    let Ok(Some(Event::Changed(heck_core::state::Change::Learned(entry)))) = heard else {
        panic!("heard {heard:?}")
    };
    assert_eq!(entry.dot, dot);
    let handle = node.handle.clone();
    common::wait("leaving", handle.leave(std::time::Duration::from_millis(100))).unwrap();
    assert_eq!(common::wait("an event", events.next()), Ok(Some(Event::Phase(Phase::Leaving))));
    assert_eq!(common::wait("the end", events.next()), Ok(None));
    assert!(common::wait("a write", handle.command(put_key("k", b"v"))).is_err());
}

#[test]
fn a_node_that_never_joined_joins_after_a_restart_and_a_member_serves_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = config("n", dir.path(), 1);
    settings.start = Start::Join(vec!["127.0.0.1:9".parse().unwrap()]);
    for _ in 0..2 {
        let node = Process::start(sockets(), settings.clone());
        assert_eq!(node.summary().0, Phase::Joining);
        node.kill();
    }
    let mut alone = settings.clone();
    alone.start = Start::Bootstrap;
    Process::start(sockets(), alone).shut_down();
    let node = Process::start(sockets(), settings);
    assert_eq!(node.summary().0, Phase::Serving);
}
