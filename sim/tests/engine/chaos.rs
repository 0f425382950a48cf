//! Random mixtures of everything: nothing panics, nothing is left behind, and wire mode makes no difference.

use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use heck_sim::engine::disk::DiskLoss;
use heck_sim::engine::draw::Ratio;
use heck_sim::engine::latency::Latency;
use heck_sim::engine::link::{LinkRule, NodeSet};
use heck_sim::engine::loss::{Change, GilbertElliott, Scope};
use heck_sim::engine::network::{Network, Path};
use heck_sim::engine::stalls::Starvation;
use heck_sim::engine::uplink::Uplink;
use heck_sim::engine::world::{World, WorldConfig};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::toy::{Ask, Heard, Message, Toy};

const NODES: u32 = 5;

#[derive(Clone, Debug)]
enum Action {
    Ask(u32, Ask),
    Crash(u32, DiskLoss),
    Restart(u32),
    Pause(u32),
    Resume(u32),
    Starve(u32, Option<Starvation>),
    Clock(u32, u64, i32),
    Drift(u32, i32),
    Sever(u32, u32),
    Heal,
    Cut,
    Break(u32, bool),
}

fn node() -> impl Strategy<Value = u32> {
    // One more than there are, now and then.
    prop_oneof![9 => 0..NODES, 1 => Just(NODES)]
}

fn message() -> impl Strategy<Value = Message> {
    (any::<u32>(), 5..5_000_usize).prop_map(|(body, len)| Message::of_len(body, len))
}

fn stream() -> impl Strategy<Value = u64> {
    (0..NODES, 0..3_u64).prop_map(|(opener, count)| (u64::from(opener) << 32) | count)
}

fn ask() -> impl Strategy<Value = Ask> {
    let frames = prop::collection::vec(message(), 0..3);
    prop_oneof![
        6 => (prop::collection::vec(node(), 0..6), message()).prop_map(|(to, message)| Ask::Send { to, message }),
        1 => (0..20_000_000_u64).prop_map(|us| Ask::WakeAt(Time(us))),
        2 => (1..1_000_u64).prop_map(|sequence| Ask::Persist { sequence }),
        4 => (node(), frames).prop_map(|(peer, frames)| Ask::Open { peer, frames }),
        4 => (stream(), message()).prop_map(|(stream, frame)| Ask::Frame { stream, frame }),
        2 => stream().prop_map(|stream| Ask::Close { stream }),
    ]
}

fn starvation() -> impl Strategy<Value = Starvation> {
    let stall = (0..500_000_u64).prop_map(|max_us| Latency::Uniform { min_us: 0, max_us });
    (100..50_000_u64, stall).prop_map(|(run_us, stall)| Starvation { run_us, stall })
}

fn action() -> impl Strategy<Value = Action> {
    let loss = prop_oneof![Just(DiskLoss::Nothing), Just(DiskLoss::Unsynced), Just(DiskLoss::Everything)];
    prop_oneof![
        20 => (node(), ask()).prop_map(|(node, ask)| Action::Ask(node, ask)),
        2 => (node(), loss).prop_map(|(node, loss)| Action::Crash(node, loss)),
        3 => node().prop_map(Action::Restart),
        2 => node().prop_map(Action::Pause),
        2 => node().prop_map(Action::Resume),
        2 => (node(), prop::option::of(starvation())).prop_map(|(node, how)| Action::Starve(node, how)),
        1 => (node(), 0..1_000_000_000_u64, any::<i32>()).prop_map(|(node, us, ppm)| Action::Clock(node, us, ppm)),
        1 => (node(), any::<i32>()).prop_map(|(node, ppm)| Action::Drift(node, ppm)),
        2 => (node(), node()).prop_map(|(from, to)| Action::Sever(from, to)),
        2 => Just(Action::Heal),
        1 => Just(Action::Cut),
        1 => (node(), any::<bool>()).prop_map(|(node, broken)| Action::Break(node, broken)),
    ]
}

fn world(seed: u64, wire: bool) -> World<Toy> {
    let latency = Latency::Exponential { min_us: 100, mean_us: 30_000.0 };
    let path = Path {
        loss: Ratio::of(1, 5),
        duplicate: Ratio::of(1, 5),
        reorder: Ratio::of(1, 5),
        reorder_delay_us: 50_000,
        ..Path::perfect(latency)
    };
    let mut network = Network::uniform(1, &path);
    let bursts = network.add_bursts(GilbertElliott {
        change: Change::OverTime { good_mean_us: 1_000_000, bad_mean_us: 200_000 },
        loss_good: Ratio::NEVER,
        loss_bad: Ratio::of(9, 10),
        scope: Scope::Link,
    });
    network.each_path(|path| path.bursts = Some(bursts));
    network.set_uplinks(Some(Uplink { rate_bps: 1_000_000, queue_bytes: 20_000 }));
    let mut config = WorldConfig::new(Seed(seed), network);
    config.wire = wire;
    config.receive_queue = 4;
    let mut world = World::new(config);
    for _ in 0..NODES {
        world.add_node(0, Toy::default());
    }
    world
}

/// Lets the actions happen, each so long after the one before; then ends all faults and waits until nothing moves.
fn run(seed: u64, wire: bool, actions: &[(u64, Action)]) -> World<Toy> {
    let mut world = world(seed, wire);
    let mut severed = Vec::new();
    for (after_us, action) in actions {
        world.run_until(world.now() + Span(*after_us), &mut ()).unwrap();
        match action.clone() {
            Action::Ask(node, ask) => world.command_at(world.now(), node, 0, ask),
            Action::Crash(node, loss) => drop(world.crash(node, loss)),
            Action::Restart(node) => drop(world.restart(node, |_| Toy::default())),
            Action::Pause(node) => drop(world.pause(node)),
            Action::Resume(node) => drop(world.resume(node)),
            Action::Starve(node, how) => drop(world.starve(node, how)),
            Action::Clock(node, us, ppm) => world.set_clock(node, Time(us), ppm),
            Action::Drift(node, ppm) => world.set_drift(node, ppm),
            Action::Sever(from, to) => {
                let rule = LinkRule::severed(NodeSet::of([from]), NodeSet::of([to]));
                severed.push(world.network_mut().install(rule));
            }
            Action::Heal => {
                for id in severed.drain(..) {
                    world.network_mut().remove(id);
                }
            }
            Action::Cut => {
                let first = world.streams().next();
                if let Some((stream, _)) = first {
                    assert!(world.cut_stream(stream));
                }
            }
            Action::Break(node, broken) => world.break_streams(node, broken),
        }
    }
    for node in 0..NODES {
        world.resume(node);
        world.starve(node, None);
    }
    // Longer than the retransmissions of a stream that is given up. Slow clocks may want their timer later still.
    world.run_until(world.now() + Span::from_secs(100_000), &mut ()).unwrap();
    world
}

/// What one node heard on each stream: at most one opening, first, and one end, last.
fn streams_are_sane(world: &World<Toy>, node: u32) -> Result<(), TestCaseError> {
    let Some(toy) = world.node(node) else { return Ok(()) };
    let mut ended = Vec::new();
    let mut opened = Vec::new();
    for (_, heard) in &toy.heard {
        match heard {
            Heard::Opened { stream, .. } => {
                prop_assert!(!opened.contains(stream) && !ended.contains(stream));
                opened.push(*stream);
            }
            Heard::Frame { stream, .. } => {
                prop_assert!(opened.contains(stream) && !ended.contains(stream));
            }
            Heard::Closed { stream } => {
                let opened_here = (stream >> 32) as u32 == node;
                prop_assert!(!ended.contains(stream) && (opened_here || opened.contains(stream)));
                ended.push(*stream);
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_panics_leaks_or_depends_on_wire_mode(
        seed in 0..1_000_u64,
        actions in prop::collection::vec((0..400_000_u64, action()), 1..80),
    ) {
        let typed = run(seed, false, &actions);
        let wired = run(seed, true, &actions);
        prop_assert_eq!(typed.trace().hash(), wired.trace().hash());
        let (events, packets) = typed.pending();
        prop_assert_eq!(packets, 0, "packets under way that will never arrive");
        prop_assert!(events <= NODES as usize, "at most a timer each");
        for node in 0..NODES {
            streams_are_sane(&typed, node)?;
        }
    }
}
