//! Streams: order, retransmission, and all the ways in which they end.

use heck_core::time::Time;
use heck_sim::engine::disk::DiskLoss;
use heck_sim::engine::draw::Ratio;
use heck_sim::engine::latency::Latency;
use heck_sim::engine::link::{LinkRule, NodeSet};
use heck_sim::engine::network::Path;
use heck_sim::engine::world::World;

use super::toy::{Ask, Heard, Message, Toy};
use super::{ask, constant, heard, ms, secs, toys};

const STREAM: u64 = 0;

fn frames(bodies: std::ops::Range<u32>) -> Vec<Message> {
    bodies.map(Message::new).collect()
}

/// What a node heard of streams, commands left out.
fn stream_news(world: &World<Toy>, node: u32) -> Vec<(u64, Heard)> {
    let mut news = heard(world, node);
    news.retain(|(_, heard)| *heard != Heard::Command);
    news
}

/// Node 0 opens a stream to node 1 at 1 ms over a path of 10 ms and sends three frames.
fn opened() -> World<Toy> {
    let mut world = toys(2, &constant(10_000));
    ask(&mut world, ms(1), 0, Ask::Open { peer: 1, frames: frames(0..3) });
    world.run_until(ms(100), &mut ()).unwrap();
    world
}

fn sever(world: &mut World<Toy>, from: u32, to: u32) {
    world.network_mut().install(LinkRule::severed_one_way(NodeSet::of([from]), NodeSet::of([to])));
}

#[test]
fn a_stream_opens_after_a_round_trip_and_carries_frames_both_ways_in_order() {
    let mut world = opened();
    let opened = |peer, ours| Heard::Opened { stream: STREAM, peer, ours };
    let frame = |body| Heard::Frame { stream: STREAM, body };
    assert_eq!(stream_news(&world, 0), [(21_000, opened(1, true))]);
    let expected = [(31_000, opened(0, false)), (31_000, frame(0)), (31_000, frame(1)), (31_000, frame(2))];
    assert_eq!(stream_news(&world, 1), expected);
    assert_eq!(world.streams().collect::<Vec<_>>(), [(STREAM, [0, 1])]);
    ask(&mut world, ms(200), 1, Ask::Frame { stream: STREAM, frame: Message::new(9) });
    world.run_until(ms(300), &mut ()).unwrap();
    assert_eq!(stream_news(&world, 0)[1..], [(210_000, frame(9))]);
}

#[test]
fn frames_arrive_in_order_whatever_is_lost_and_delayed() {
    let path = Path::perfect(Latency::Uniform { min_us: 0, max_us: 500_000 }).with_loss(Ratio::of(1, 2));
    let mut world = toys(2, &path);
    ask(&mut world, ms(1), 0, Ask::Open { peer: 1, frames: frames(0..50) });
    ask(&mut world, ms(30), 0, Ask::Frame { stream: STREAM, frame: Message::new(50) });
    world.run_until(secs(10_000), &mut ()).unwrap();
    let bodies: Vec<u32> = stream_news(&world, 1)
        .iter()
        .filter_map(|(_, heard)| if let Heard::Frame { body, .. } = heard { Some(*body) } else { None })
        .collect();
    assert_eq!(bodies, (0..=50).collect::<Vec<_>>());
}

#[test]
fn a_lost_segment_costs_timeouts_that_double() {
    let mut world = opened();
    sever(&mut world, 0, 1);
    ask(&mut world, ms(100), 0, Ask::Frame { stream: STREAM, frame: Message::new(3) });
    ask(&mut world, ms(110), 0, Ask::Frame { stream: STREAM, frame: Message::new(4) });
    // Attempts at 100, 300, 700, 1500 ms; the partition heals before the fourth.
    world.run_until(ms(1_400), &mut ()).unwrap();
    *world.network_mut() = heck_sim::engine::network::Network::uniform(1, &constant(10_000));
    world.run_until(secs(60), &mut ()).unwrap();
    let frame = |body| (1_510_000, Heard::Frame { stream: STREAM, body });
    assert_eq!(stream_news(&world, 1)[4..], [frame(3), frame(4)]);
}

#[test]
fn a_large_frame_is_as_many_segments_as_it_has() {
    // At 20 % loss one segment fails at once with 20 %; one of fifty almost always.
    let at_once = |len| {
        let path = constant(10_000).with_loss(Ratio::of(1, 5));
        let mut world = toys(2, &path);
        let count = 400;
        for _ in 0..count {
            ask(&mut world, ms(0), 0, Ask::Open { peer: 1, frames: vec![] });
        }
        world.run_until(secs(1_000), &mut ()).unwrap();
        for stream in 0..count {
            ask(&mut world, secs(1_000), 0, Ask::Frame { stream, frame: Message::of_len(1, len) });
        }
        world.run_until(secs(2_000), &mut ()).unwrap();
        let arrived = secs(1_000).0 + 10_000;
        let is_frame = |heard: &Heard| matches!(heard, Heard::Frame { .. });
        let news = stream_news(&world, 1);
        assert_eq!(news.iter().filter(|(_, heard)| is_frame(heard)).count() as u64, count);
        news.iter().filter(|(at_us, heard)| *at_us == arrived && is_frame(heard)).count()
    };
    let small = at_once(1_000);
    assert!((280..360).contains(&small), "{small}");
    assert!(at_once(50 * 1_448) < 5);
}

#[test]
fn a_partition_that_lasts_cuts_the_stream_at_both_ends() {
    let mut world = opened();
    sever(&mut world, 0, 1);
    ask(&mut world, ms(100), 0, Ask::Frame { stream: STREAM, frame: Message::new(3) });
    world.run_until(secs(10_000), &mut ()).unwrap();
    // 0.2 s doubling ten times to 102.4 s, then five times 120 s: 804.6 s after the first attempt.
    let closed = (804_700_000, Heard::Closed { stream: STREAM });
    assert_eq!(stream_news(&world, 0).last(), Some(&closed));
    assert_eq!(stream_news(&world, 1).last(), Some(&closed));
    assert_eq!(world.streams().count(), 0);
    assert_eq!(world.pending(), (0, 0));
}

#[test]
fn a_stream_to_nowhere_is_refused_or_given_up() {
    for (peer, closed_at) in [(99, 1_000), (0, 1_000), (1, 21_000), (2, 804_601_000)] {
        let mut world = toys(3, &constant(10_000));
        world.crash(1, DiskLoss::Nothing);
        sever(&mut world, 2, 0);
        ask(&mut world, ms(1), 0, Ask::Open { peer, frames: frames(0..1) });
        world.run_until(secs(10_000), &mut ()).unwrap();
        assert_eq!(stream_news(&world, 0), [(closed_at, Heard::Closed { stream: STREAM })], "peer {peer}");
        assert_eq!(world.streams().count(), 0);
    }
}

#[test]
fn a_crash_of_either_end_closes_the_stream_at_the_other() {
    for crashed in [0, 1] {
        let mut world = opened();
        ask(&mut world, ms(99), crashed, Ask::Frame { stream: STREAM, frame: Message::new(3) });
        world.run_until(ms(100), &mut ()).unwrap();
        world.crash(crashed, DiskLoss::Nothing);
        world.restart(crashed, |_| Toy::default());
        world.run_until(secs(10), &mut ()).unwrap();
        let closed = (110_000, Heard::Closed { stream: STREAM });
        assert_eq!(stream_news(&world, 1 - crashed).last(), Some(&closed));
        assert_eq!(stream_news(&world, crashed), [], "a new life knows nothing of the old one's streams");
    }
}

#[test]
fn the_news_of_a_cut_does_not_reach_a_later_life() {
    let mut world = opened();
    world.crash(0, DiskLoss::Nothing);
    world.run_until(ms(105), &mut ()).unwrap();
    world.crash(1, DiskLoss::Nothing);
    world.restart(1, |_| Toy::default());
    world.run_until(secs(10), &mut ()).unwrap();
    assert_eq!(stream_news(&world, 1), []);
}

#[test]
fn an_accepter_that_has_not_heard_of_a_stream_does_not_hear_of_its_end() {
    let end: [fn(&mut World<Toy>); 2] =
        [|world| assert!(world.cut_stream(STREAM)), |world| assert!(world.crash(0, DiskLoss::Nothing))];
    for end in end {
        let mut world = toys(2, &constant(10_000));
        ask(&mut world, ms(1), 0, Ask::Open { peer: 1, frames: frames(0..1) });
        // Open for the opener since 21 ms, for the accepter from 31 ms on.
        world.run_until(ms(25), &mut ()).unwrap();
        end(&mut world);
        world.run_until(secs(10), &mut ()).unwrap();
        assert_eq!(stream_news(&world, 1), []);
    }
}

#[test]
fn a_paused_end_goes_on_retransmitting() {
    let mut world = opened();
    let severed = LinkRule::severed_one_way(NodeSet::of([0]), NodeSet::of([1]));
    let severed = world.network_mut().install(severed);
    ask(&mut world, ms(100), 0, Ask::Frame { stream: STREAM, frame: Message::new(3) });
    world.run_until(ms(150), &mut ()).unwrap();
    world.pause(0);
    world.network_mut().remove(severed);
    world.run_until(secs(10), &mut ()).unwrap();
    assert_eq!(stream_news(&world, 1)[4..], [(310_000, Heard::Frame { stream: STREAM, body: 3 })]);
}

#[test]
fn a_fault_cuts_a_stream_at_both_ends_at_once() {
    let mut world = opened();
    assert!(world.cut_stream(STREAM));
    assert!(!world.cut_stream(STREAM));
    world.run_until(secs(1), &mut ()).unwrap();
    for node in [0, 1] {
        assert_eq!(stream_news(&world, node).last(), Some(&(100_000, Heard::Closed { stream: STREAM })));
    }
}

#[test]
fn streams_of_a_node_break_as_long_as_the_fault_lasts() {
    let mut world = opened();
    world.break_streams(1, true);
    ask(&mut world, ms(200), 0, Ask::Open { peer: 1, frames: frames(0..1) });
    world.run_until(secs(1), &mut ()).unwrap();
    let closed = |at_us, stream| (at_us, Heard::Closed { stream });
    assert_eq!(stream_news(&world, 0)[1..], [closed(100_000, 0), closed(220_000, 1)]);
    assert_eq!(stream_news(&world, 1)[4..], [closed(100_000, 0)]);
    world.break_streams(1, false);
    ask(&mut world, secs(2), 0, Ask::Open { peer: 1, frames: frames(0..1) });
    world.run_until(secs(3), &mut ()).unwrap();
    assert_eq!(stream_news(&world, 1).last(), Some(&(2_030_000, Heard::Frame { stream: 2, body: 0 })));
}

#[test]
fn a_stream_that_one_end_closes_still_delivers_what_was_sent() {
    let mut world = opened();
    ask(&mut world, ms(200), 0, Ask::Frame { stream: STREAM, frame: Message::new(3) });
    ask(&mut world, ms(200), 0, Ask::Close { stream: STREAM });
    ask(&mut world, ms(200), 0, Ask::Frame { stream: STREAM, frame: Message::new(4) });
    // Arrives at 205 ms, while the end of the stream is still under way.
    ask(&mut world, ms(195), 1, Ask::Frame { stream: STREAM, frame: Message::new(5) });
    world.run_until(secs(10), &mut ()).unwrap();
    let expected =
        [(210_000, Heard::Frame { stream: STREAM, body: 3 }), (210_000, Heard::Closed { stream: STREAM })];
    assert_eq!(stream_news(&world, 1)[4..], expected);
    assert_eq!(stream_news(&world, 0).len(), 1, "who closes hears nothing more");
    assert_eq!(world.streams().count(), 0);
    assert_eq!(world.pending(), (0, 0));
}

#[test]
fn a_stream_closed_while_it_opens_is_forgotten() {
    let mut world = toys(2, &constant(10_000));
    ask(&mut world, ms(1), 0, Ask::Open { peer: 1, frames: frames(0..1) });
    ask(&mut world, ms(2), 0, Ask::Close { stream: STREAM });
    world.run_until(Time(10_000_000), &mut ()).unwrap();
    assert_eq!(stream_news(&world, 0), []);
    assert_eq!(stream_news(&world, 1), []);
}

#[test]
fn a_paused_end_hears_of_its_streams_when_it_resumes() {
    let mut world = opened();
    world.pause(1);
    ask(&mut world, ms(200), 0, Ask::Frame { stream: STREAM, frame: Message::new(3) });
    world.run_until(secs(5), &mut ()).unwrap();
    world.resume(1);
    world.run_until(secs(6), &mut ()).unwrap();
    assert_eq!(stream_news(&world, 1)[4..], [(5_000_000, Heard::Frame { stream: STREAM, body: 3 })]);
}
