//! The engine as a whole, under toy protocols: determinism, wire mode, faults, loss, streams, disks, timers.

mod chaos;
mod streams;
mod toy;

use std::ops::ControlFlow;

use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use heck_sim::engine::disk::DiskLoss;
use heck_sim::engine::draw::Ratio;
use heck_sim::engine::latency::Latency;
use heck_sim::engine::link::{LinkRule, NodeSet};
use heck_sim::engine::loss::{Change, GilbertElliott, Scope};
use heck_sim::engine::network::{Network, Path};
use heck_sim::engine::node::Condition;
use heck_sim::engine::observer::{Commands, Observer, Step};
use heck_sim::engine::stalls::Starvation;
use heck_sim::engine::uplink::Uplink;
use heck_sim::engine::world::{Halt, World, WorldConfig};
use heck_sim::protocol::ping::Ping;
use toy::{Ask, Heard, Message, Toy};

fn secs(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

fn ms(ms: u64) -> Time {
    Time::ZERO + Span::from_ms(ms)
}

fn constant(us: u64) -> Path {
    Path::perfect(Latency::Constant { us })
}

/// A network that does a little of everything.
fn rough_network() -> Network {
    let latency =
        Latency::LogNormal { shift_us: 5_000, median_us: 20_000.0, sigma: 0.7, min_us: 0, max_us: 2_000_000 };
    let path = Path {
        loss: Ratio::of(1, 10),
        duplicate: Ratio::of(1, 20),
        reorder: Ratio::of(1, 20),
        reorder_delay_us: 100_000,
        ..Path::perfect(latency)
    };
    Network::uniform(2, &path)
}

fn ping_world(seed: u64, nodes: u32, wire: bool) -> World<Ping> {
    let mut config = WorldConfig::new(Seed(seed), rough_network());
    config.wire = wire;
    let mut world = World::new(config);
    for node in 0..nodes {
        world.add_node((node % 2) as u16, Ping::new(Seed(seed), node, nodes));
    }
    world
}

/// The trace hash of a run with faults.
fn rough_ping_hash(seed: u64, wire: bool) -> u64 {
    let mut world = ping_world(seed, 50, wire);
    world.run_until(secs(5), &mut ()).unwrap();
    world.crash(3, DiskLoss::Unsynced);
    world.pause(4);
    world.starve(
        5,
        Some(Starvation { run_us: 10_000, stall: Latency::Uniform { min_us: 0, max_us: 600_000 } }),
    );
    world.set_clock(6, secs(1_000), 50_000);
    world.run_until(secs(9), &mut ()).unwrap();
    world.restart(3, |_| Ping::new(Seed(seed), 3, 50));
    world.resume(4);
    world.run_until(secs(20), &mut ()).unwrap();
    world.trace().hash()
}

/// Two nodes or more that do what they are asked, over a path of 10 ms.
fn toys(count: u32, path: &Path) -> World<Toy> {
    let mut world = World::new(WorldConfig::new(Seed(1), Network::uniform(1, path)));
    for _ in 0..count {
        world.add_node(0, Toy::default());
    }
    world
}

fn ask(world: &mut World<Toy>, time: Time, node: u32, ask: Ask) {
    world.command_at(time, node, 0, ask);
}

/// Everything a node heard, with the times on its own clock in microseconds.
fn heard(world: &World<Toy>, node: u32) -> Vec<(u64, Heard)> {
    world.node(node).unwrap().heard.clone()
}

fn datagrams(world: &World<Toy>, node: u32) -> Vec<(u64, u32)> {
    let datagram = |(at_us, heard)| match heard {
        Heard::Datagram { body, .. } => Some((at_us, body)),
        _ => None,
    };
    heard(world, node).into_iter().filter_map(datagram).collect()
}

#[test]
fn the_same_seed_gives_the_same_hash_and_another_seed_another() {
    assert_eq!(rough_ping_hash(1, false), rough_ping_hash(1, false));
    assert_ne!(rough_ping_hash(1, false), rough_ping_hash(2, false));
}

#[test]
fn the_hash_of_a_rough_run_is_the_golden_one() {
    assert_eq!(format!("{:016x}", rough_ping_hash(7, false)), "5a1e2f48ef1dc642");
}

#[test]
fn wire_mode_has_the_hash_of_typed_mode() {
    assert_eq!(rough_ping_hash(3, true), rough_ping_hash(3, false));
}

#[test]
fn wire_mode_names_a_message_that_does_not_survive() {
    for (message, problem) in [
        (Message { body: 1, claimed_len: Some(9), ..Message::default() }, "wire_len says 9 bytes"),
        (Message { body: 2, forgets_body: true, ..Message::default() }, "the content changed"),
    ] {
        let mut config = WorldConfig::new(Seed(1), Network::uniform(1, &constant(10)));
        config.wire = true;
        let mut world: World<Toy> = World::new(config);
        world.add_node(0, Toy::default());
        world.add_node(0, Toy::default());
        ask(&mut world, ms(1), 0, Ask::Send { to: vec![1], message });
        let Err(Halt::Wire { node: 1, problem: told, .. }) = world.run_until(secs(1), &mut ()) else {
            panic!("no halt for {problem}");
        };
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn adding_a_node_leaves_the_draws_of_others_alone() {
    // Node 0 sends to node 1 through loss and random latency; a third node floods both or does not exist.
    let arrivals = |flood: bool| {
        let path = Path::perfect(Latency::Uniform { min_us: 0, max_us: 90_000 }).with_loss(Ratio::of(1, 2));
        let mut world = toys(2 + u32::from(flood), &path);
        for n in 0..100 {
            let message = Message::new(n);
            ask(&mut world, ms(u64::from(n) * 100), 0, Ask::Send { to: vec![1], message });
            if flood {
                ask(
                    &mut world,
                    ms(u64::from(n) * 90),
                    2,
                    Ask::Send { to: vec![0, 1], message: Message::new(9_999) },
                );
            }
        }
        world.run_until(secs(20), &mut ()).unwrap();
        let mut arrivals = datagrams(&world, 1);
        arrivals.retain(|&(_, body)| body < 1_000);
        arrivals
    };
    assert_eq!(arrivals(true), arrivals(false));
    assert!((30..70).contains(&arrivals(false).len()));
}

#[test]
fn loss_is_each_datagram_in_each_direction_independently() {
    // 200,000 pings at 50 %: acks come back for a quarter; five standard deviations are 0.5 %.
    let path = constant(10_000).with_loss(Ratio::of(1, 2));
    let mut world: World<Ping> = World::new(WorldConfig::new(Seed(11), Network::uniform(1, &path)));
    for node in 0..2_000 {
        world.add_node(0, Ping::new(Seed(11), node, 2_000));
    }
    world.run_until(secs(101), &mut ()).unwrap();
    let sums = world.running().fold((0, 0), |(rounds, acks), (_, ping)| {
        (rounds + u64::from(ping.rounds()), acks + u64::from(ping.acks()))
    });
    let answered = sums.1 as f64 / sums.0 as f64;
    assert!((answered - 0.25).abs() < 0.005, "{answered}");
    let traffic = world.total_traffic();
    let arrived = traffic.received as f64 / traffic.sent as f64;
    assert!((arrived - 0.5).abs() < 0.005, "{arrived}");
    let (_, in_flight) = world.pending();
    assert_eq!(traffic.sent - traffic.received - in_flight as u64, world.losses().lost);
}

#[test]
fn a_latency_beyond_all_time_is_never_rather_than_an_overflow() {
    let mut world = toys(2, &constant(u64::MAX));
    ask(&mut world, ms(1), 0, Ask::Send { to: vec![1], message: Message::new(1) });
    ask(&mut world, ms(1), 0, Ask::Open { peer: 1, frames: vec![] });
    world.run_until(secs(1_000_000_000), &mut ()).unwrap();
    assert_eq!(heard(&world, 1), []);
    assert_eq!(world.now(), secs(1_000_000_000));
}

#[test]
fn events_of_equal_time_happen_in_the_order_they_were_made() {
    let mut world = toys(3, &constant(10_000));
    for body in 0..100 {
        ask(&mut world, ms(5), body % 2, Ask::Send { to: vec![2], message: Message::new(body) });
    }
    world.run_until(secs(1), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 2), (0..100).map(|body| (15_000, body)).collect::<Vec<_>>());
}

#[test]
fn a_broadcast_stores_its_packet_once_and_hands_it_back() {
    let mut world = toys(1_000, &constant(10_000));
    ask(&mut world, ms(1), 0, Ask::Send { to: (1..1_000).collect(), message: Message::new(7) });
    world.run_until(ms(5), &mut ()).unwrap();
    assert_eq!(world.pending(), (999, 1));
    world.run_until(ms(50), &mut ()).unwrap();
    assert_eq!(world.pending(), (0, 0));
    assert_eq!(world.total_traffic().received, 999);
    ask(&mut world, ms(60), 5, Ask::CountRecycled);
    world.run_until(ms(60), &mut ()).unwrap();
    assert!(heard(&world, 5).contains(&(60_000, Heard::Recycled { packets: 1 })));
}

#[test]
fn unknown_destinations_swallow_datagrams() {
    let mut world = toys(2, &constant(10));
    ask(&mut world, ms(1), 0, Ask::Send { to: vec![99, 1], message: Message::new(1) });
    world.run_until(ms(2), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1).len(), 1);
    assert_eq!(world.traffic(0).sent, 2);
}

#[test]
fn a_one_way_partition_blocks_one_way_and_heals() {
    let mut world = toys(2, &constant(1_000));
    let cut = world.network_mut().install(LinkRule::severed_one_way(NodeSet::of([0]), NodeSet::of([1])));
    for (time, body) in [(1, 1), (20, 2)] {
        ask(&mut world, ms(time), 0, Ask::Send { to: vec![1], message: Message::new(body) });
        ask(&mut world, ms(time), 1, Ask::Send { to: vec![0], message: Message::new(body) });
    }
    world.run_until(ms(10), &mut ()).unwrap();
    assert!(world.network_mut().remove(cut));
    world.run_until(ms(30), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 0), [(2_000, 1), (21_000, 2)]);
    assert_eq!(datagrams(&world, 1), [(21_000, 2)]);
    assert_eq!(world.losses().severed, 1);
}

#[test]
fn a_partial_partition_cuts_one_pair_and_no_other() {
    let mut world = toys(3, &constant(1_000));
    world.network_mut().install(LinkRule::severed(NodeSet::of([0]), NodeSet::of([1])));
    for from in 0..3 {
        let to = (0..3).filter(|&to| to != from).collect();
        ask(&mut world, ms(1), from, Ask::Send { to, message: Message::new(from) });
    }
    world.run_until(ms(10), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 0), [(2_000, 2)]);
    assert_eq!(datagrams(&world, 1), [(2_000, 2)]);
    assert_eq!(datagrams(&world, 2), [(2_000, 0), (2_000, 1)]);
}

#[test]
fn zone_pairs_have_their_own_latency_and_loss_in_each_direction() {
    let mut network = Network::uniform(2, &constant(1_000));
    *network.path_mut(0, 1) = constant(70_000);
    *network.path_mut(1, 0) = constant(1).with_loss(Ratio::ALWAYS);
    let mut world: World<Toy> = World::new(WorldConfig::new(Seed(1), network));
    for zone in [0, 0, 1] {
        world.add_node(zone, Toy::default());
    }
    for from in 0..3 {
        let to = (0..3).filter(|&to| to != from).collect();
        ask(&mut world, ms(0), from, Ask::Send { to, message: Message::new(from) });
    }
    world.run_until(secs(1), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 0), [(1_000, 1)]);
    assert_eq!(datagrams(&world, 1), [(1_000, 0)]);
    assert_eq!(datagrams(&world, 2), [(70_000, 0), (70_000, 1)]);
}

#[test]
fn datagrams_over_the_mtu_and_over_the_uplinks_queue_are_dropped() {
    let mut world = toys(2, &constant(1_000));
    world.network_mut().set_mtu(3);
    ask(&mut world, ms(1), 0, Ask::Send { to: vec![1], message: Message::new(1) });
    world.run_until(ms(10), &mut ()).unwrap();
    assert_eq!(world.losses().oversize, 1);
    world.network_mut().set_mtu(1_400);
    // 5 + 28 bytes at 264 kbit/s take a millisecond; two fit in the queue.
    world.network_mut().set_uplinks(Some(Uplink { rate_bps: 264_000, queue_bytes: 66 }));
    for body in 0..4 {
        ask(&mut world, ms(20), 0, Ask::Send { to: vec![1], message: Message::new(body) });
    }
    world.run_until(ms(40), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [(22_000, 0), (23_000, 1)]);
    assert_eq!(world.losses().queue, 2);
}

#[test]
fn bursts_of_a_sender_hit_all_its_destinations() {
    let mut world = toys(40, &constant(1_000));
    let forever_us = 1 << 50;
    let bursts = world.network_mut().add_bursts(GilbertElliott {
        change: Change::OverTime { good_mean_us: forever_us, bad_mean_us: forever_us },
        loss_good: Ratio::NEVER,
        loss_bad: Ratio::ALWAYS,
        scope: Scope::Sender,
    });
    world.network_mut().each_path(|path| path.bursts = Some(bursts));
    for from in 0..20 {
        ask(&mut world, ms(1), from, Ask::Send { to: (20..40).collect(), message: Message::new(from) });
    }
    world.run_until(ms(10), &mut ()).unwrap();
    let heard_by_first = datagrams(&world, 20);
    assert!((3..18).contains(&heard_by_first.len()), "about half of the senders are bad for good");
    for node in 21..40 {
        assert_eq!(datagrams(&world, node), heard_by_first);
    }
    assert_eq!(world.losses().burst, 20 * (20 - heard_by_first.len() as u64));
}

#[test]
fn duplicates_arrive_twice_and_reordered_datagrams_late() {
    let duplicating = Path { duplicate: Ratio::ALWAYS, ..constant(1_000) };
    let mut world = toys(2, &duplicating);
    ask(&mut world, ms(1), 0, Ask::Send { to: vec![1], message: Message::new(1) });
    world.run_until(ms(10), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [(2_000, 1), (2_000, 1)]);
    assert_eq!(world.pending(), (0, 0));

    let reordering = Path { reorder: Ratio::of(1, 2), reorder_delay_us: 5_000, ..constant(1_000) };
    let mut world = toys(2, &reordering);
    for body in 0..1_000 {
        ask(&mut world, ms(u64::from(body)), 0, Ask::Send { to: vec![1], message: Message::new(body) });
    }
    world.run_until(secs(2), &mut ()).unwrap();
    let late = datagrams(&world, 1)
        .iter()
        .filter(|&&(at_us, body)| at_us == u64::from(body) * 1_000 + 6_000)
        .count();
    assert!((420..580).contains(&late), "{late}");
}

#[test]
fn a_timer_fires_once_when_wanted_and_not_when_put_off() {
    let mut world = toys(1, &constant(1));
    ask(&mut world, ms(0), 0, Ask::WakeAt(ms(50)));
    ask(&mut world, ms(10), 0, Ask::WakeAt(ms(30)));
    ask(&mut world, ms(20), 0, Ask::WakeAt(ms(70)));
    ask(&mut world, ms(100), 0, Ask::WakeAt(ms(90)));
    ask(&mut world, ms(200), 0, Ask::WakeAt(ms(300)));
    ask(&mut world, ms(250), 0, Ask::WakeAt(Time::NEVER));
    world.run_until(secs(1), &mut ()).unwrap();
    let timeouts: Vec<u64> = heard(&world, 0)
        .iter()
        .filter(|(_, heard)| *heard == Heard::Timeout)
        .map(|&(at_us, _)| at_us)
        .collect();
    assert_eq!(timeouts, [70_000, 100_000]);
}

#[test]
fn a_stale_timer_leaves_no_timer_behind() {
    let mut world = toys(1, &constant(1));
    for (at, wake) in [(0, 50), (10, 40), (40, 70)] {
        ask(&mut world, ms(at), 0, Ask::WakeAt(ms(wake)));
    }
    world.run_until(ms(60), &mut ()).unwrap();
    assert_eq!(world.pending().0, 1);
}

#[test]
fn a_resumed_node_gets_the_timeout_that_it_missed() {
    let mut world = toys(1, &constant(1));
    ask(&mut world, ms(1), 0, Ask::WakeAt(ms(30)));
    world.run_until(ms(10), &mut ()).unwrap();
    world.pause(0);
    world.run_until(ms(100), &mut ()).unwrap();
    world.resume(0);
    world.run_until(ms(200), &mut ()).unwrap();
    assert_eq!(heard(&world, 0)[1..], [(100_000, Heard::Timeout)]);
}

#[test]
fn a_node_that_always_wants_to_wake_does_not_stop_time() {
    let mut world = toys(1, &constant(1));
    ask(&mut world, ms(0), 0, Ask::Insist);
    world.run_until(Time(100), &mut ()).unwrap();
    assert_eq!(heard(&world, 0).len(), 102, "the command, then a time-out each microsecond");
}

#[test]
fn a_crashed_node_hears_nothing_and_restarts_from_what_was_synced() {
    let mut world = toys(2, &constant(1_000));
    // Synced after 2 ms.
    ask(&mut world, ms(1), 1, Ask::Persist { sequence: 1 });
    ask(&mut world, ms(9), 1, Ask::Persist { sequence: 2 });
    world.run_until(ms(10), &mut ()).unwrap();
    assert_eq!(heard(&world, 1).last(), Some(&(9_000, Heard::Command)));
    assert!(heard(&world, 1).contains(&(3_000, Heard::Persisted { up_to: 1 })));
    assert!(world.crash(1, DiskLoss::Unsynced));
    assert!(!world.crash(1, DiskLoss::Unsynced));
    assert!(world.node(1).is_none());
    ask(&mut world, ms(20), 0, Ask::Send { to: vec![1], message: Message::new(1) });
    ask(&mut world, ms(20), 1, Ask::Persist { sequence: 9 });
    world.run_until(ms(30), &mut ()).unwrap();
    assert_eq!(world.pending(), (0, 0));
    let mut found = Vec::new();
    assert!(world.restart(1, |records| {
        found = records.to_vec();
        Toy::default()
    }));
    assert_eq!(found.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [1]);
    ask(&mut world, ms(40), 0, Ask::Send { to: vec![1], message: Message::new(2) });
    world.run_until(ms(50), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [(41_000, 2)]);
}

#[test]
fn a_paused_node_takes_what_waited_when_it_resumes_as_far_as_its_queue_held_it() {
    let mut config = WorldConfig::new(Seed(1), Network::uniform(1, &constant(1_000)));
    config.receive_queue = 3;
    let mut world: World<Toy> = World::new(config);
    world.add_node(0, Toy::default());
    world.add_node(0, Toy::default());
    ask(&mut world, ms(1), 1, Ask::WakeAt(ms(30)));
    world.run_until(ms(10), &mut ()).unwrap();
    assert!(world.pause(1));
    assert_eq!(world.condition(1), Some(Condition::Paused));
    for body in 0..5 {
        ask(&mut world, ms(20 + u64::from(body)), 0, Ask::Send { to: vec![1], message: Message::new(body) });
    }
    world.run_until(ms(100), &mut ()).unwrap();
    assert_eq!(heard(&world, 1).len(), 1);
    assert!(world.resume(1));
    world.run_until(ms(200), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [(100_000, 0), (100_000, 1), (100_000, 2)]);
    assert!(heard(&world, 1).contains(&(100_000, Heard::Timeout)));
    assert_eq!(world.pending(), (0, 0));
}

/// Ten milliseconds of running after every forty of standing still.
fn forty_of_fifty_ms() -> Option<Starvation> {
    Some(Starvation { run_us: 10_000, stall: Latency::Constant { us: 40_000 } })
}

/// Node 0 sends node 1 a datagram at each of these milliseconds; it arrives one later.
fn send_at(world: &mut World<Toy>, times_ms: &[u64]) {
    for (body, &time) in (0..).zip(times_ms) {
        ask(world, ms(time), 0, Ask::Send { to: vec![1], message: Message::new(body) });
    }
}

#[test]
fn a_starved_node_reads_late_what_was_due_comes_first_and_what_comes_in_a_burst_is_read_at_once() {
    let mut world = toys(2, &constant(1_000));
    ask(&mut world, ms(1), 1, Ask::WakeAt(ms(38)));
    world.run_until(ms(2), &mut ()).unwrap();
    assert!(world.starve(1, forty_of_fifty_ms()));
    assert_eq!(world.condition(1), Some(Condition::Starved));
    // Stalls end at 42 ms and 92 ms; the fourth datagram arrives when the first one does, the fifth in the burst.
    send_at(&mut world, &[10, 20, 39, 41, 45, 60]);
    world.run_until(ms(200), &mut ()).unwrap();
    assert_eq!(
        heard(&world, 1)[1],
        (42_000, Heard::Timeout),
        "a node that waits for an answer gives up first"
    );
    let read_at = [(42_000, 0), (42_000, 1), (42_000, 2), (42_000, 3), (46_000, 4), (92_000, 5)];
    assert_eq!(datagrams(&world, 1), read_at);
    assert_eq!(world.pending(), (0, 0));
}

#[test]
fn a_stalled_node_loses_what_its_receive_queue_does_not_hold() {
    let mut config = WorldConfig::new(Seed(1), Network::uniform(1, &constant(1_000)));
    config.receive_queue = 2;
    let mut world: World<Toy> = World::new(config);
    world.add_node(0, Toy::default());
    world.add_node(0, Toy::default());
    world.starve(1, forty_of_fifty_ms());
    send_at(&mut world, &[5, 6, 7, 45, 55]);
    world.run_until(ms(200), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [(40_000, 0), (40_000, 1), (46_000, 3), (90_000, 4)]);
}

#[test]
fn a_node_that_is_fed_reads_at_once_what_waited() {
    let mut world = toys(2, &constant(1_000));
    assert!(!world.starve(1, None), "it was not starved");
    world.starve(1, forty_of_fifty_ms());
    send_at(&mut world, &[5, 15, 35]);
    world.run_until(ms(20), &mut ()).unwrap();
    assert!(world.starve(1, None));
    assert_eq!(world.condition(1), Some(Condition::Running));
    world.run_until(ms(100), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [(20_000, 0), (20_000, 1), (36_000, 2)]);
    assert!(!world.starve(2, forty_of_fifty_ms()), "there is no such node");
}

#[test]
fn starvation_outlasts_a_pause_and_a_crash() {
    let mut world = toys(2, &constant(1_000));
    world.starve(1, forty_of_fifty_ms());
    send_at(&mut world, &[5, 105]);
    world.run_until(ms(10), &mut ()).unwrap();
    assert!(world.pause(1));
    world.run_until(ms(60), &mut ()).unwrap();
    assert!(world.resume(1));
    assert_eq!(world.condition(1), Some(Condition::Starved));
    world.run_until(ms(80), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [], "it resumed within a stall, which ends at 90 ms");
    world.run_until(ms(95), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [(90_000, 0)]);
    world.crash(1, DiskLoss::Nothing);
    assert!(world.restart(1, |_| Toy::default()));
    assert_eq!(world.condition(1), Some(Condition::Starved));
    world.run_until(ms(200), &mut ()).unwrap();
    assert_eq!(datagrams(&world, 1), [(140_000, 1)]);
}

#[test]
fn a_stalled_nodes_disk_and_streams_wait_with_the_rest_and_keep_their_order() {
    let mut world = toys(2, &constant(1_000));
    let frames: Vec<Message> = (0..5).map(Message::new).collect();
    world.starve(1, forty_of_fifty_ms());
    ask(&mut world, ms(2), 0, Ask::Open { peer: 1, frames });
    ask(&mut world, ms(41), 1, Ask::Persist { sequence: 1 });
    ask(&mut world, ms(49), 1, Ask::Persist { sequence: 2 });
    world.run_until(ms(400), &mut ()).unwrap();
    let frames: Vec<u32> = heard(&world, 1)
        .iter()
        .filter_map(|(_, heard)| if let Heard::Frame { body, .. } = heard { Some(*body) } else { None })
        .collect();
    assert_eq!(frames, [0, 1, 2, 3, 4]);
    let synced: Vec<_> =
        heard(&world, 1).into_iter().filter(|(_, heard)| matches!(heard, Heard::Persisted { .. })).collect();
    // Written at 41 ms and 49 ms, synced two later: the second within a stall.
    assert_eq!(synced, [(43_000, Heard::Persisted { up_to: 1 }), (90_000, Heard::Persisted { up_to: 2 })]);
}

#[test]
fn a_node_sees_its_own_clock_and_is_woken_by_it() {
    let mut world = toys(1, &constant(1));
    world.set_clock(0, secs(1_000), 1_000_000);
    ask(&mut world, secs(1), 0, Ask::WakeAt(secs(1_010)));
    world.run_until(secs(4), &mut ()).unwrap();
    assert_eq!(heard(&world, 0), [(secs(1_002).0, Heard::Command)]);
    world.run_until(secs(6), &mut ()).unwrap();
    assert_eq!(heard(&world, 0)[1], (secs(1_010).0, Heard::Timeout));
}

#[test]
fn a_clock_that_drifts_wakes_its_node_early_or_late_and_goes_on_from_what_it_shows() {
    let mut world = toys(2, &constant(1));
    for (node, drift_ppm) in [(0, 250_000), (1, -200_000)] {
        ask(&mut world, secs(1), node, Ask::WakeAt(secs(20)));
        world.run_until(secs(10 + u64::from(node)), &mut ()).unwrap();
        world.set_drift(node, drift_ppm);
    }
    world.run_until(secs(30), &mut ()).unwrap();
    assert_eq!((world.clock(0), world.clock(1)), (secs(35), Time(26_200_000)));
    assert_eq!(heard(&world, 0)[1..], [(secs(20).0, Heard::Timeout)]);
    assert_eq!(heard(&world, 1)[1..], [(secs(20).0, Heard::Timeout)]);
    world.set_drift(0, 0);
    world.run_until(secs(40), &mut ()).unwrap();
    assert_eq!((world.clock(0), world.clock(1)), (secs(45), Time(34_200_000)));
}

/// Counts steps, asks node 1 for something once, and halts the run at a time.
struct Watcher {
    steps: Vec<(u64, u32, usize)>,
    halt_at: Time,
}

impl Observer<Toy> for Watcher {
    fn after_step(&mut self, step: &Step<'_, Toy>, commands: &mut Commands<Toy>) -> ControlFlow<()> {
        let sent = step.outbox.sent().map(|sent| sent.destinations.len()).sum();
        self.steps.push((step.time.0, step.node, sent));
        if step.outbox.reported() == ["asked"] && step.node == 0 {
            let answer = Ask::Send { to: vec![0], message: Message::new(1) };
            commands.at(step.time + Span::from_ms(5), 1, 7, answer);
        }
        if step.time >= self.halt_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn an_observer_sees_each_step_gives_commands_and_halts_the_run() {
    let mut world = toys(2, &constant(1_000));
    let mut watcher = Watcher { steps: Vec::new(), halt_at: ms(7) };
    ask(&mut world, ms(1), 0, Ask::Send { to: vec![1, 1], message: Message::new(1) });
    assert_eq!(world.run_until(secs(1), &mut watcher), Err(Halt::Observer));
    let expected = [(1_000, 0, 2), (2_000, 1, 0), (2_000, 1, 0), (6_000, 1, 1), (7_000, 0, 0)];
    assert_eq!(watcher.steps, expected);
    assert_eq!(world.now(), ms(7));
    watcher.halt_at = Time::NEVER;
    assert_eq!(world.run_until(secs(1), &mut watcher), Ok(()));
    assert_eq!(world.now(), secs(1));
}
