//! What is true of each system, whatever is lost.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use heck_core::rng::{Seed, Stream};
use heck_core::time::{Span, Time};
use heck_sim::compare::run_system;
use heck_sim::engine::draw::Ratio;
use heck_sim::engine::event::Kind;
use heck_sim::engine::latency::Latency;
use heck_sim::engine::network::{Network, Path as NetworkPath};
use heck_sim::engine::observer::{Commands, Observer, Step};
use heck_sim::engine::world::{World, WorldConfig};
use heck_sim::protocol::baseline::{Baseline, Command, Event, Settings, Start};
use heck_sim::protocol::central_broker::CentralBroker;
use heck_sim::protocol::naive_checks::AllCheckAll;
use heck_sim::protocol::push_pull::{PushPull, retransmit_limit};
use heck_sim::protocol::scuttlebutt::Scuttlebutt;
use heck_sim::protocol::total_order::TotalOrder;
use heck_sim::run::Options;
use heck_sim::scenario::ScenarioFile;
use heck_sim::scenario::compare::System;
use heck_sim::stats::Sample;
use heck_sim::theory::monte_carlo::{Experiment, Process, Start as From};

use super::run;

/// Those who check have so many to check.
const ORIGINS: u32 = 4;

/// The order in which each node delivers.
struct Order(Vec<Vec<u32>>);

impl<P: Baseline> Observer<P> for Order {
    fn after_step(&mut self, step: &Step<'_, P>, _: &mut Commands<P>) -> ControlFlow<()> {
        for event in step.outbox.reported() {
            if let Event::Delivered { index } = event {
                self.0[step.node as usize].push(*index);
            }
        }
        ControlFlow::Continue(())
    }
}

/// What each of 9 nodes delivers when node 3 publishes the even and node 7 the odd ones of 200 messages at such a loss.
fn orders<P: Baseline>(seed: u64, loss_percent: u32) -> Vec<Vec<u32>> {
    let mut order = Order(vec![Vec::new(); 9]);
    watch::<P>(seed, loss_percent, &mut order);
    order.0
}

/// Shows that to somebody, for two minutes.
fn watch<P: Baseline>(seed: u64, loss_percent: u32, observer: &mut impl Observer<P>) {
    let latency = Latency::Uniform { min_us: 5_000, max_us: 80_000 };
    let path = NetworkPath::perfect(latency).with_loss(Ratio::of(loss_percent, 100));
    let mut world: World<P> = World::new(WorldConfig::new(Seed(seed), Network::uniform(1, &path)));
    let settings = Arc::new(Settings {
        round: Span::from_secs(1),
        broadcasts: true,
        duplicate_acks: 3,
        stamps: Span(1),
        responsible_for: Arc::default(),
        origins: ORIGINS,
        check_interval: Span::from_secs(5),
        fast_interval: Span::from_secs(1),
        fall: 3,
        rise: 2,
    });
    for node in 0..9 {
        let (settings, seed) = (settings.clone(), Seed(seed));
        world.add_node(0, P::begin(&Start { node, nodes: 9, life: 1, now: Time::ZERO, seed, settings }));
    }
    for index in 0..200 {
        let at = Time::ZERO + Span::from_secs(5) + Span::from_ms(20 * u64::from(index));
        let command = Command::Publish { index, key: index, bytes: 100, removes: false };
        world.command_at(at, 3 + 4 * (index % 2), 1, command);
    }
    world.run_until(Time::ZERO + Span::from_secs(120), observer).expect("a run");
}

#[test]
fn tcp_delivers_what_one_node_publishes_in_its_order_and_all_of_it() {
    for seed in 1..4 {
        for order in orders::<CentralBroker>(seed, 30) {
            for parity in 0..2 {
                let of_one: Vec<u32> = order.iter().copied().filter(|index| index % 2 == parity).collect();
                assert_eq!(
                    of_one,
                    (0..200).filter(|index| index % 2 == parity).collect::<Vec<_>>(),
                    "{seed}"
                );
            }
        }
    }
}

#[test]
fn scuttlebutt_delivers_what_one_node_publishes_in_its_order() {
    for order in orders::<Scuttlebutt>(5, 30) {
        for parity in 0..2 {
            let of_one: Vec<u32> = order.iter().copied().filter(|index| index % 2 == parity).collect();
            let published: Vec<u32> = (0..200).filter(|index| index % 2 == parity).collect();
            assert_eq!(of_one, published);
        }
    }
}

#[test]
fn push_pull_delivers_everything_once_to_everybody_whatever_its_broadcasts_lose() {
    for (seed, loss_percent) in [(1, 0), (2, 30), (3, 50)] {
        for mut order in orders::<PushPull>(seed, loss_percent) {
            order.sort_unstable();
            assert_eq!(order, (0..200).collect::<Vec<_>>(), "seed {seed}, {loss_percent} %");
        }
    }
    // Most nodes have not exchanged full state before 20 s, and broadcasts alone lose some.
    let sets = ["network.loss=70%", "compare.messages=20", "compare.every=\"50ms\"", "run.duration=\"20s\""];
    let missing = |sets: &[&str]| (1..4).map(|seed| run(System::PushPull, seed, sets).missing).sum::<u64>();
    assert!(missing(&sets) > 0);
}

/// How often each node sends each message in datagrams, and to how many a step sends at most.
#[derive(Default)]
struct Broadcasts {
    sends: BTreeMap<(u32, u32), u32>,
    peers_max: usize,
}

impl Observer<PushPull> for Broadcasts {
    fn after_step(&mut self, step: &Step<'_, PushPull>, _: &mut Commands<PushPull>) -> ControlFlow<()> {
        self.peers_max = self.peers_max.max(step.outbox.sent().count());
        for sent in step.outbox.sent() {
            assert!(sent.len_bytes <= 1_400 && sent.destinations.len() == 1);
            for item in &sent.packet.0 {
                *self.sends.entry((step.node, item.index)).or_default() += 1;
            }
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn push_pull_sends_each_message_as_often_as_memberlist_whatever_is_lost() {
    for (seed, loss_percent) in [(1, 0), (2, 50)] {
        let mut broadcasts = Broadcasts::default();
        watch::<PushPull>(seed, loss_percent, &mut broadcasts);
        // Nobody hears whether a broadcast arrives, so each of 9 nodes sends each of 200 messages 4 times for each digit.
        assert_eq!((broadcasts.sends.len(), broadcasts.peers_max), (9 * 200, 3), "seed {seed}");
        assert_eq!(retransmit_limit(9), 4);
        assert!(broadcasts.sends.values().all(|&sends| sends == 4), "seed {seed}");
    }
}

/// Answers probes, of which a share is lost, and keeps beside each node what it should answer: what three failures or two
/// successes in a row have last said. Origin 0 is down all the time.
struct Reference {
    lost_percent: u32,
    stream: Stream,
    /// What is held by node and origin: whether it is well, outcomes in a row against that, and the last probe.
    held: BTreeMap<(u32, u32), (bool, u32, Time)>,
    /// What is known of a probe's end, by token.
    ends: Vec<(u32, bool)>,
    found: u32,
    slowest: Span,
}

/// Tokens of probes here, far from that of publications.
const PROBES: u64 = 1_000;

impl Reference {
    /// What the end of a probe leads to.
    fn probed(&mut self, node: u32, origin: u32, well: bool) -> Option<Event> {
        let (held, against, _) = self.held.get_mut(&(node, origin)).expect("it was probed");
        *against = if *held == well { 0 } else { *against + 1 };
        if *against < if well { 2 } else { 3 } {
            return None;
        }
        (*held, *against) = (well, 0);
        self.found += 1;
        Some(Event::Found { origin, well })
    }
}

impl Observer<AllCheckAll> for Reference {
    fn after_step(
        &mut self,
        step: &Step<'_, AllCheckAll>,
        commands: &mut Commands<AllCheckAll>,
    ) -> ControlFlow<()> {
        assert_eq!(step.outbox.sent().count(), 0, "nothing is told to anybody");
        let end =
            step.cause.content.checked_sub(PROBES).and_then(|place| self.ends.get(place as usize).copied());
        let end = end.filter(|_| step.cause.kind == Kind::Command);
        let expected = end.and_then(|(origin, well)| self.probed(step.node, origin, well));
        let mut found = Vec::new();
        for event in step.outbox.reported() {
            let Event::Probe { origin } = *event else {
                found.push(*event);
                continue;
            };
            let well = origin != 0 && self.stream.below(100) >= self.lost_percent;
            let token = PROBES + self.ends.len() as u64;
            self.ends.push((origin, well));
            let (_, _, last) = self.held.entry((step.node, origin)).or_insert((true, 0, step.time));
            self.slowest = self.slowest.max(step.time.since(*last));
            *last = step.time;
            commands.at(step.time + Span::from_ms(50), step.node, token, Command::Probed { origin, well });
        }
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "at {:?}, node {}", step.time, step.node);
        ControlFlow::Continue(())
    }
}

#[test]
fn all_who_check_answer_what_failures_and_successes_in_a_row_say_whatever_is_lost() {
    for (seed, lost_percent) in [(1, 0), (2, 30), (3, 50), (4, 90)] {
        let stream = Stream::new(Seed(seed), 1);
        let (held, ends, slowest) = (BTreeMap::new(), Vec::new(), Span::ZERO);
        let mut reference = Reference { lost_percent, stream, held, ends, found: 0, slowest };
        watch::<AllCheckAll>(seed, 50, &mut reference);
        assert_eq!(reference.held.len(), 9 * ORIGINS as usize, "seed {seed}: everybody checks everything");
        assert_eq!(reference.slowest, Span::from_secs(5), "seed {seed}: nothing is late");
        // Without loss each node finds origin 0 down, and no other.
        assert!(if lost_percent == 0 { reference.found == 9 } else { reference.found > 9 }, "seed {seed}");
    }
}

#[test]
fn consensus_gives_all_nodes_one_order() {
    for seed in 1..4 {
        let whole = orders::<TotalOrder>(seed, 10);
        assert_eq!(whole[0].len(), 200, "seed {seed}");
        assert!(whole.iter().all(|order| *order == whole[0]), "seed {seed}");
        // Where streams crawl not everything is decided in time, and what is stands in one order all the same.
        let parts = orders::<TotalOrder>(seed, 40);
        let longest = parts.iter().max_by_key(|order| order.len()).expect("nodes");
        assert!(!longest.is_empty() && parts.iter().all(|order| longest.starts_with(order)), "seed {seed}");
    }
}

/// The shipped scenario of slides 31-35.
#[test]
fn one_loss_costs_the_exact_sum_behind_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/talk/head-of-line.toml");
    let file = ScenarioFile::load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
    let wait = |point: usize, system| {
        let scenario = &file.points[point].scenario;
        let compare = scenario.compare.as_ref().expect("a comparison");
        let run = run_system(scenario, compare, system, Seed(1), &Options::default()).expect("a run");
        assert_eq!(run.missing, 0, "{}", system.word());
        run.wait_us.expect("a constant latency")
    };
    // 80,200 ms behind the lost message, and its own 401 ms; 81,003 and 403 with three duplicates.
    assert_eq!(wait(0, System::CentralBroker), 80_601_000);
    assert_eq!(wait(1, System::CentralBroker), 81_406_000);
    assert!(wait(0, System::BimodalRanges) < 3_000_000, "one message is late, and no other");
}

const CUT: &str = "fault=[{ at = \"8s\", partition = { sides = [[5], \"rest\"], lasts = \"14s\" } }]";

#[test]
fn a_list_of_ten_rounds_loses_what_is_older_and_ranges_of_a_day_do_not() {
    for seed in 1..4 {
        let lost = run(System::BimodalList, seed, &[CUT]).missing;
        assert!(lost > 0, "seed {seed}: node 5 was away for 14 rounds");
        assert_eq!(run(System::BimodalRanges, seed, &[CUT]).missing, 0, "seed {seed}");
        let short = CUT.replace("14s", "3s");
        assert_eq!(run(System::BimodalList, seed, &[&short, "network.loss=0%"]).missing, 0, "seed {seed}");
    }
}

#[test]
fn without_repair_as_much_is_missing_as_is_lost() {
    let missing: u64 = (1..21).map(|seed| run(System::BroadcastKv, seed, &[]).missing).sum();
    let share = missing as f64 / (20.0 * 40.0 * 11.0);
    assert!((share - 0.1).abs() < 0.01, "{share}");
}

#[test]
fn last_arrival_wins_diverges_where_writes_pass_each_other_and_scores_do_not() {
    let keys = ["compare.keys=4", "compare.every=\"2ms\"", "compare.messages=200", "network.loss=0%"];
    for seed in 1..4 {
        for sets in [&keys[..], &[&keys[..], &["compare.remove_every=2"]].concat()] {
            let broadcast = run(System::BroadcastKv, seed, sets);
            assert!(broadcast.diverged > Some(0), "seed {seed}: writes pass each other");
            assert_eq!(run(System::Roshi, seed, sets).diverged, Some(0), "seed {seed}");
            assert_eq!(run(System::Heck, seed, sets).diverged, Some(0), "seed {seed}");
        }
    }
}

#[test]
fn a_clock_behind_makes_writes_that_lose_in_roshi_and_not_in_heck() {
    let drift = "fault=[{ at = \"100ms\", clock_drift = { nodes = [1, 2, 3, 4, 5], ppm = -200000 } }]";
    let keys = [drift, "compare.keys=4", "compare.every=\"500ms\"", "run.duration=\"60s\""];
    // With 40 messages all members are removed last, with 36 all are added last.
    for more in [&[][..], &["compare.remove_every=2"], &["compare.remove_every=2", "compare.messages=36"]] {
        let sets = [&keys[..], more].concat();
        let sum =
            |of: &dyn Fn(u64) -> Option<u64>| (1..6).map(|seed| of(seed).expect("a store")).sum::<u64>();
        assert!(sum(&|seed| run(System::Roshi, seed, &sets).overruled) > 0, "{more:?}");
        assert_eq!(sum(&|seed| run(System::Roshi, seed, &sets).diverged), 0, "{more:?}: they agree on it");
        assert_eq!(sum(&|seed| run(System::Heck, seed, &sets).overruled), 0, "{more:?}");
    }
}

/// Three members are added at 5.0 s, removed at 5.3 s and added again at 5.6 s, while node 11 is away from 5.2 s to 15 s.
#[test]
fn equal_scores_lose_the_later_add_in_roshi_and_leave_who_missed_the_delete_apart_and_neither_in_heck() {
    let cut = "fault=[{ at = \"5200ms\", partition = { sides = [[11], \"rest\"], lasts = \"10s\" } }]";
    let sets = [
        cut,
        "network.loss=0%",
        "compare.from=\"0..11\"",
        "compare.keys=3",
        "compare.every=\"100ms\"",
        "compare.remove_every=2",
    ];
    let runs = |system, messages: &str, stamps: &str| {
        let [messages, stamps] =
            [format!("compare.messages={messages}"), format!("compare.stamps=\"{stamps}\"")];
        (1..4).map(move |seed| {
            let run = run(system, seed, &[&sets[..], &[&messages, &stamps]].concat());
            (run.diverged, run.overruled)
        })
    };
    // Nine end with an add, which nobody takes; node 11 has the first one all along.
    assert!(runs(System::Roshi, "9", "1s").all(|both| both == (Some(3), Some(3))));
    // Six end with a removal, which all but node 11 have.
    assert!(runs(System::Roshi, "6", "1s").all(|both| both == (Some(3), Some(0))));
    // With finer scores the walker repairs everything.
    assert!(
        runs(System::Roshi, "9", "1ms")
            .chain(runs(System::Roshi, "6", "1ms"))
            .all(|both| both == (Some(0), Some(0)))
    );
    assert!(
        runs(System::Heck, "9", "1s")
            .chain(runs(System::Heck, "6", "1s"))
            .all(|both| both == (Some(0), Some(0)))
    );
}

#[test]
fn who_is_responsible_for_a_dead_node_remembers_everything_for_it() {
    let crash = "fault=[{ at = \"4s\", crash = { nodes = [5], disk = \"lost\" } }]";
    let sets = [crash, "network.loss=0%", "compare.from=[0, 1]"];
    let longest = |system| {
        let run = run(system, 1, &sets);
        run.moments.last().expect("moments").queue
    };
    assert_eq!(longest(System::ResponsibilityGraph), 40, "every message, until the end");
    assert_eq!(longest(System::BimodalRanges), 0);
}

#[test]
fn a_minority_cannot_write_with_consensus_and_can_with_heck() {
    // Voters are 0, 2, 4, 7 and 9: nodes 0 to 2 have two of them.
    let cut = "fault=[{ at = \"3s\", partition = { sides = [[0, 1, 2], \"rest\"], lasts = \"20s\" } }]";
    let sets = [cut, "compare.from=[1]", "network.loss=0%"];
    let run_of = |system| run(system, 2, &sets);
    assert_eq!(run_of(System::TotalOrder).refused, 40);
    assert_eq!(run_of(System::TotalOrder).missing, 0, "after the heal they are in order");
    assert_eq!(run_of(System::Heck).refused, 0);
}

#[test]
fn a_broker_that_crashes_stops_everything_and_edge_nodes_bring_their_messages_again() {
    let down = "fault=[{ at = \"7s\", crash = { nodes = [0], disk = \"lost\" } }, \
                { at = \"15s\", restart = { nodes = [0] } }]";
    let sets = [down, "network.loss=0%", "compare.from=[3]"];
    let run_of = run(System::CentralBroker, 1, &sets);
    let slowest = run_of.took_us.iter().map(|(_, us)| *us).max().expect("deliveries");
    assert!(slowest > 5_000_000, "what was published while it was down waited: {slowest} us");
    assert_eq!(run_of.missing, 0, "and came when it was back");
    let stays_down = run(System::CentralBroker, 1, &[&down.replace("15s", "39s"), sets[1], sets[2]]);
    assert!(stays_down.missing > 100);
    assert_eq!(run(System::Heck, 1, &sets).missing, 0);
}

#[test]
fn an_edge_node_that_comes_back_calls_the_broker_at_once() {
    let away = "fault=[{ at = \"7s\", crash = { nodes = [5], disk = \"lost\" } }, \
                { at = \"15s\", restart = { nodes = [5] } }]";
    let run = run(System::CentralBroker, 1, &[away, "network.loss=0%", "compare.from=[3]"]);
    assert_eq!(run.missing, 0);
    // What was published at 7 s waits 8 s for the restart, and some trips of 40 ms.
    let slowest = run.took_us.iter().map(|(_, us)| *us).max().expect("deliveries");
    assert!((8_000_000..8_400_000).contains(&slowest), "{slowest} us");
}

#[test]
fn a_proposal_that_is_lost_is_made_again_before_its_client_gives_up() {
    for seed in 1..6 {
        assert_eq!(run(System::TotalOrder, seed, &[]).refused, 0, "seed {seed}");
    }
}

#[test]
fn voters_that_were_cut_off_open_new_streams_instead_of_waiting_for_old_ones() {
    let cut = "fault=[{ at = \"3s\", partition = { sides = [[0, 1, 2], \"rest\"], lasts = \"60s\" } }]";
    let sets = [cut, "compare.from=[1]", "network.loss=0%", "run.duration=\"150s\""];
    let run = run(System::TotalOrder, 2, &sets);
    assert_eq!(run.missing, 0);
    // The heal is 58 s after the first message; the old streams would try again 102 s after the cut.
    let slowest = run.took_us.iter().map(|(_, us)| *us).max().expect("deliveries");
    assert!(slowest < 70_000_000, "{slowest} us");
}

#[test]
fn naive_checkers_load_origins_as_their_numbers_say() {
    let sets = ["checks={ interval = \"5s\" }", "cluster.origins=7", "compare.messages=0", "network.loss=0%"];
    // 35 s after the warm-up are seven intervals.
    assert_eq!(run(System::SingleProcess, 1, &sets).probes, 7 * 7);
    assert_eq!(run(System::AllCheckAll, 1, &sets).probes, 7 * 7 * 12);
    let crash = "fault=[{ at = \"10s\", crash = { nodes = [0], disk = \"lost\" } }, \
                 { at = \"12s\", origin_down = { origins = [1] } }]";
    let with = |system| run(system, 1, &[&sets[..], &[crash]].concat()).known_us;
    assert_eq!(with(System::SingleProcess), [None], "nobody is left to ask");
    let known = with(System::AllCheckAll)[0].expect("all know");
    // The next check fails within the interval, and two more do a second apart each.
    assert!((2_000_000..=7_100_000).contains(&known), "three failures: {known} us");
}

/// The published Monte-Carlo of pushed digests with three lossy messages: 42 rounds after a broadcast, 83 from one node,
/// at 100 nodes and 50 % loss.
#[test]
fn three_message_repair_takes_the_rounds_of_the_model() {
    let rounds = |broadcast: bool| {
        let broadcast = format!("compare.broadcast={broadcast}");
        let sets = [
            "cluster.nodes=100",
            "network.loss=50%",
            "compare.messages=1",
            "run.duration=\"300s\"",
            &broadcast,
        ];
        let seconds = (1..31).map(|seed| {
            let all = run(System::BimodalRanges, seed, &sets).all_us[0];
            all.map_or(f64::INFINITY, |us| us as f64 / 1e6)
        });
        Sample::new(seconds).mean()
    };
    for (broadcast, start) in [(true, From::Broadcast), (false, From::Holders(1))] {
        let experiment = Experiment { process: Process::PushDigest, nodes: 100, loss: 0.5, start };
        let model = experiment.rounds_to_everyone(10_000, 1, 400).mean();
        let measured = rounds(broadcast);
        assert!((measured - model).abs() < 0.15 * model, "{measured} s measured, {model} rounds expected");
    }
}
