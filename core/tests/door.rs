//! What a driver may rely on.

use heck_core::config::Config;
use heck_core::effects::{Effects, Phase, StreamEffect};
use heck_core::id::{Addr, Boot, Name, StreamId};
use heck_core::input::{Command, Input};
use heck_core::journal::Snapshot;
use heck_core::node::{Base, Identity, Node};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use std::sync::Arc;

const PEER: Addr = Addr { ip: [9; 16], port: 9 };

fn node(boot: u64, snapshot: Option<Snapshot>, now: Time) -> Node {
    let identity = Identity::new(Name::new("n").unwrap(), Boot(boot), Addr::default());
    Node::new(identity, Arc::new(Config::default()), &Arc::new(Base::default()), snapshot, Seed(1), now)
}

fn step(node: &mut Node, now: Time, input: Input<'_>) -> Effects {
    let mut effects = Effects::default();
    node.step(now, input, &mut effects);
    effects
}

fn command(node: &mut Node, now: Time, command: &Command) -> Effects {
    step(node, now, Input::Command { token: 1, command })
}

/// Wakes the node when it wants to be woken, and fails when it wants that at a time which is over.
fn run_until(node: &mut Node, until: Time) {
    let mut now = node.next_wake().0;
    while now < until {
        step(node, now, Input::Timeout);
        let (next, wake) = node.next_wake();
        assert!(next > now, "{wake:?} is overdue at {now:?}");
        now = next;
    }
}

#[test]
fn a_node_that_leaves_before_it_joined_does_not_want_to_be_woken_at_a_time_that_is_over() {
    let mut node = node(1, None, Time::ZERO);
    command(&mut node, Time::ZERO, &Command::Join { peers: [PEER].as_slice().into() });
    command(&mut node, Time(1), &Command::Leave);
    assert_eq!(node.view().phase(), Phase::Leaving);
    run_until(&mut node, Time::ZERO + Span::from_secs(120));
}

#[test]
fn a_node_that_leaves_with_a_past_life_does_not_want_to_be_woken_at_a_time_that_is_over() {
    let mut first = node(1, None, Time::ZERO);
    command(&mut first, Time::ZERO, &Command::Join { peers: [].as_slice().into() });
    let key = Command::PutKey { name: Name::new("k").unwrap(), value: [1].as_slice().into() };
    command(&mut first, Time(1), &key);
    let mut second = node(2, Some(first.snapshot(Time(2))), Time(2));
    command(&mut second, Time(3), &Command::Leave);
    run_until(&mut second, Time::ZERO + Config::default().fence_after + Span::from_secs(10));
}

#[test]
fn a_stream_that_opens_after_the_node_gave_it_up_is_closed() {
    let mut node = node(1, None, Time::ZERO);
    let effects = command(&mut node, Time::ZERO, &Command::Join { peers: [PEER].as_slice().into() });
    assert!(matches!(effects.streams[..], [StreamEffect::Open { peer: PEER }]));
    step(&mut node, Time(1), Input::StreamRefused { peer: PEER });
    let stream = StreamId(5);
    let effects = step(&mut node, Time(2), Input::StreamOpened { stream, peer: PEER, ours: true });
    assert!(matches!(effects.streams[..], [StreamEffect::Close { stream: StreamId(5) }]));
}
