//! Whole nodes that own, check, take over and hand over.

use crate::common::{Cluster, Weather, addr, name};
use crate::law::{Law, Trial};
use heck_core::config::Config;
use heck_core::effects::{Event, Refusal};
use heck_core::entry::{Claim, HealthState, Hold, OriginSpec, Scope};
use heck_core::id::{Dot, Name, NodeId};
use heck_core::input::Command;
use heck_core::mutant::Planted;
use heck_core::probe::{Failure, Reply};
use heck_core::state::Change;
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const INTERVAL: Span = Span::from_secs(5);
/// How long a first check, its claim and that claim's way may take.
const SLACK: Span = Span::from_secs(3);
pub const UP: Option<(Reply, Span)> = Some((Reply::Status(200), Span::from_ms(20)));

pub fn origin(number: usize) -> Name {
    name(&format!("origin-{number}"))
}

/// Has a node take another share of the work.
pub fn weigh(cluster: &mut Cluster, at: usize, weight: u16) {
    let held = cluster.node(at).view().members().get(node(at)).expect("itself").clone();
    cluster.command(at, &Command::Describe { addr: held.addr, zone: held.zone, weight });
}

pub fn node(at: usize) -> NodeId {
    NodeId::of(&name(&format!("node-{at}")))
}

/// A cluster that checks `count` origins, all of them healthy, for a minute already.
pub fn warm(nodes: usize, count: usize, weather: Weather, seed: u16, config: &Config) -> Cluster {
    let mut cluster = Cluster::formed(nodes, config.clone(), weather, u64::from(seed));
    cluster.origins = Box::new(|_, _, _| UP);
    for number in 0..count {
        let spec = OriginSpec::new("http://a/");
        let put = Command::PutOrigin { name: origin(number), spec, source: name("test") };
        cluster.command(number % nodes, &put);
    }
    cluster.run_for(Span::from_secs(60));
    cluster
}

pub fn settings(planted: Planted) -> Config {
    Config { planted, heartbeat: Some(Span::from_secs(2)), ..Config::default() }
}

pub fn claim(cluster: &Cluster, at: usize, number: usize) -> Option<Claim> {
    cluster.node(at).view().claim(Scope::CLUSTER, &origin(number)).cloned()
}

/// Fails unless all nodes but those that are `gone` agree about each owner, who alone checks the origin and claims it.
pub fn owned_once(cluster: &Cluster, count: usize, gone: &[usize]) -> Result<(), TestCaseError> {
    let up: Vec<usize> = (0..cluster.nodes.len()).filter(|at| !gone.contains(at)).collect();
    for number in 0..count {
        let origin = origin(number);
        let owners: BTreeSet<Option<NodeId>> = up
            .iter()
            .map(|&at| cluster.node(at).view().owner(Scope::CLUSTER, &origin, cluster.now))
            .collect();
        prop_assert_eq!(owners.len(), 1, "{} is owned by {:?}", origin, owners);
        let owner = owners.into_iter().next().flatten();
        for &at in &up {
            let view = cluster.node(at).view();
            let is_owner = owner == Some(view.writer().node);
            prop_assert_eq!(view.check(&origin).is_some(), is_owner, "who checks {}: {}", origin, at);
            prop_assert_eq!(view.priority(Scope::CLUSTER, &origin, cluster.now).first().copied(), owner);
            let claim = view.claim(Scope::CLUSTER, &origin).expect("there is a claim");
            prop_assert_eq!(Some(claim.ballot.writer.node), owner, "{} at {}: {:?}", origin, at, claim);
            prop_assert_eq!((claim.hold, claim.state), (Hold::Held, HealthState::Healthy));
            let health = view.health(Scope::CLUSTER, &origin, cluster.now).expect("it is known");
            prop_assert!(!health.is_stale, "{} at {}: {:?}", origin, at, health);
        }
    }
    Ok(())
}

/// The times of the probes of each origin, and by whom.
fn probes(cluster: &Cluster, from: Time) -> BTreeMap<Name, Vec<(Time, usize)>> {
    let mut by_origin: BTreeMap<Name, Vec<(Time, usize)>> = BTreeMap::new();
    for (at, node, origin) in cluster.probes.iter().filter(|(at, ..)| *at >= from) {
        by_origin.entry(origin.clone()).or_default().push((*at, *node));
    }
    by_origin
}

/// The longest time between two probes of one origin since `from`.
fn longest_gap(cluster: &Cluster, from: Time) -> Span {
    let gaps = probes(cluster, from).into_values().map(|times| {
        let ends = times.iter().map(|(at, _)| *at).chain([cluster.now]);
        let mut before = from;
        ends.map(|at| at.since(core::mem::replace(&mut before, at))).max().unwrap_or_default()
    });
    gaps.max().unwrap_or_default()
}

pub const ONE_OWNER: Law = Law {
    name: "after a crash, a return, a leave, a new weight and a partition all agree about owners; each owner alone checks \
           and claims",
    seed: 111,
    cases: 5,
    check: one_owner,
};

fn one_owner(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..200_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let mut cluster = warm(8, 40, weather, seed, &settings(planted));
        let settled = Span::from_secs(60);
        owned_once(&cluster, 40, &[])?;
        cluster.crash(3);
        cluster.run_for(settled);
        owned_once(&cluster, 40, &[3])?;
        cluster.start(3, true);
        cluster.run_for(settled);
        owned_once(&cluster, 40, &[])?;
        weigh(&mut cluster, 5, 400);
        cluster.run_for(settled);
        owned_once(&cluster, 40, &[])?;
        cluster.reachable = Box::new(|a, b| (a < 4) == (b < 4));
        cluster.run_for(Span::from_secs(120));
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(300));
        owned_once(&cluster, 40, &[])?;
        cluster.command(6, &Command::Leave);
        cluster.run_for(settled);
        owned_once(&cluster, 40, &[6])
    })
}

pub const MOVES: Law = Law {
    name: "an origin that moves between nodes that live is never unchecked for longer than usual, \
           is not checked by two for longer, and its state never changes",
    seed: 112,
    cases: 6,
    check: moves,
};

fn moves(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..3_u16), |(seed, factor), planted| {
        let mut cluster = warm(8, 80, Weather::default(), seed, &settings(planted));
        let from = cluster.now;
        cluster.events.clear();
        weigh(&mut cluster, 2, 100 * factor * factor);
        cluster.run_for(Span::from_secs(60));
        owned_once(&cluster, 80, &[])?;
        // The last check before the move counts as well.
        let gap = longest_gap(&cluster, from - INTERVAL);
        prop_assert!(gap <= INTERVAL + Span::from_secs(1), "unchecked for {:?}", gap);
        for (origin, times) in probes(&cluster, from) {
            let nodes: BTreeSet<usize> = times.iter().map(|(_, node)| *node).collect();
            prop_assert!(nodes.len() <= 2, "{} was checked by {:?}", origin, nodes);
            let span = |node: usize| {
                let of_node = || times.iter().filter(|(_, by)| *by == node).map(|(at, _)| *at);
                (of_node().min().unwrap_or_default(), of_node().max().unwrap_or_default())
            };
            let spans: Vec<(Time, Time)> = nodes.into_iter().map(span).collect();
            if let [a, b] = spans[..] {
                let both = a.1.min(b.1).since(a.0.max(b.0));
                prop_assert!(both <= SLACK, "{} was checked twice for {:?}", origin, both);
            }
        }
        let mut claims: BTreeMap<Name, BTreeSet<Dot>> = BTreeMap::new();
        for (_, _, event) in &cluster.events {
            if let Event::Changed(Change::Learned(entry)) = event
                && let Some(claim) = entry.claim()
            {
                prop_assert_eq!(claim.state, HealthState::Healthy);
                if claim.hold == Hold::Held {
                    claims.entry(claim.origin.clone()).or_default().insert(entry.dot);
                }
            }
        }
        prop_assert!(claims.values().all(|dots| dots.len() == 1), "claimed more than once: {:?}", claims);
        Ok(())
    })
}

pub const HONEST_AGES: Law = Law {
    name: "no node takes a check to be younger than it is, while origins move under heavy loss",
    seed: 113,
    cases: 8,
    check: honest_ages,
};

fn honest_ages(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 400..600_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let config = Config { heartbeat: Some(Span::from_ms(300)), ..settings(planted) };
        let mut cluster = Cluster::formed(8, config, weather, u64::from(seed));
        cluster.origins = Box::new(|_, _, _| UP);
        for number in 0..60 {
            let brisk = OriginSpec::new("http://a/").with(|policy| {
                (policy.interval, policy.fast_interval) = (Span::from_ms(500), Span::from_ms(500));
                policy.timeout = Span::from_ms(100);
            });
            let put = Command::PutOrigin { name: origin(number), spec: brisk, source: name("test") };
            cluster.command(number % 8, &put);
        }
        cluster.run_for(Span::from_secs(30));
        // Two intervals, a timeout and the grace: what a node that is on time may have missed.
        let patience = Span::from_ms(2 * 500 + 100 + 250);
        for round in 0..40_u16 {
            let weight = 20 + 180 * (round % 2);
            weigh(&mut cluster, usize::from(round) % 8, weight);
            for _ in 0..10 {
                cluster.run_for(Span::from_ms(200));
                understates(&cluster, patience)?;
            }
        }
        Ok(())
    })
}

/// Fails where some node takes a check to be younger than it is, by more than may be missed on schedule.
pub fn understates(cluster: &Cluster, patience: Span) -> Result<(), TestCaseError> {
    let mut last: BTreeMap<(NodeId, &Name), Time> = BTreeMap::new();
    for (at, by, origin) in &cluster.probes {
        last.insert((node(*by), origin), *at);
    }
    for view in cluster.running().map(|node| node.view()) {
        for number in 0..60 {
            let origin = origin(number);
            let Some(health) = view.health(Scope::CLUSTER, &origin, cluster.now) else { continue };
            let Some(age) = health.age else { continue };
            let checked = last.get(&(health.writer.node, &origin)).copied().unwrap_or_default();
            let truth = cluster.now.since(checked);
            prop_assert!(
                truth <= age + health.age_bound + patience,
                "{} at {}: checked {:?} ago, said to be {:?} old, at most {:?} more",
                origin,
                view.name(),
                truth,
                age,
                health.age_bound
            );
        }
    }
    Ok(())
}

pub const CONFIRMERS_DECIDE: Law = Law {
    name: "an origin that its owner alone cannot reach stays healthy, and one that is down is down with the others' word",
    seed: 114,
    cases: 4,
    check: confirmers_decide,
};

fn confirmers_decide(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..300_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let mut cluster = warm(8, 10, weather, seed, &settings(planted));
        let owner = claim(&cluster, 0, 4).map(|claim| claim.ballot.writer.node);
        let down = Some((Reply::Failed(Failure::Connect), Span::from_ms(5)));
        cluster.origins = Box::new(move |by, probe, _| {
            let is_cut_off = probe.origin == origin(4) && Some(node(by)) == owner;
            if is_cut_off || probe.origin == origin(7) { down } else { UP }
        });
        cluster.events.clear();
        cluster.run_for(Span::from_secs(60));
        for at in 0..8 {
            prop_assert_eq!(claim(&cluster, at, 4).map(|claim| claim.state), Some(HealthState::Healthy));
            let down = claim(&cluster, at, 7).expect("there is a claim");
            prop_assert_eq!(down.state, HealthState::Unhealthy);
            prop_assert!(down.confirmation.agreed >= 1, "{:?}", down.confirmation);
        }
        Ok(())
    })
}

#[test]
fn whatever_happens_to_members_each_origin_has_one_owner_again() {
    ONE_OWNER.hold();
}

#[test]
fn an_origin_that_moves_is_checked_all_the_time_and_hardly_twice() {
    MOVES.hold();
}

#[test]
fn no_check_is_taken_to_be_younger_than_it_is() {
    HONEST_AGES.hold();
}

#[test]
fn what_the_owner_alone_cannot_reach_stays_healthy() {
    CONFIRMERS_DECIDE.hold();
}

#[test]
fn in_steady_state_each_origin_is_checked_once_in_an_interval() {
    let mut cluster = warm(10, 50, Weather::default(), 1, &settings(Planted::NONE));
    let from = cluster.now;
    cluster.events.clear();
    cluster.run_for(INTERVAL.times(100));
    let probes = probes(&cluster, from);
    assert_eq!(probes.len(), 50);
    assert!(probes.values().all(|times| times.len() == 100));
    let is_claim =
        |event: &Event| matches!(event, Event::Changed(Change::Learned(entry)) if entry.claim().is_some());
    assert_eq!(cluster.events.iter().filter(|(_, _, event)| is_claim(event)).count(), 0);
}

#[test]
fn a_node_checks_nothing_before_it_serves_and_nothing_after_it_left() {
    let mut cluster = Cluster::cold(3, settings(Planted::NONE), Weather::default(), 1);
    cluster.origins = Box::new(|_, _, _| UP);
    cluster.command(0, &Command::Join { peers: [].into() });
    for number in 0..30 {
        let put = Command::PutOrigin {
            name: origin(number),
            spec: OriginSpec::new("http://a/"),
            source: name("t"),
        };
        cluster.command(0, &put);
    }
    cluster.run_for(Span::from_secs(20));
    assert!(cluster.probes.iter().all(|(_, by, _)| *by == 0));
    let joined = cluster.now;
    let peers = [addr(0)];
    cluster.command(1, &Command::Join { peers: peers.into() });
    cluster.run_for(Span::from_secs(20));
    assert!(cluster.probes.iter().any(|(at, by, _)| *by == 1 && *at > joined));
    cluster.command(1, &Command::Leave);
    let left = cluster.now;
    let released = claim_holds(&cluster, 1);
    assert!(released.iter().all(|(writer, hold)| *writer != node(1) || *hold == Hold::Released));
    cluster.run_for(Span::from_secs(20));
    assert!(cluster.probes.iter().all(|(at, by, _)| *by != 1 || *at <= left));
    assert!(claim_holds(&cluster, 0).iter().all(|held| *held == (node(0), Hold::Held)));
}

fn claim_holds(cluster: &Cluster, at: usize) -> Vec<(NodeId, Hold)> {
    (0..30)
        .filter_map(|number| claim(cluster, at, number))
        .map(|claim| (claim.ballot.writer.node, claim.hold))
        .collect()
}

#[test]
fn a_copy_that_takes_another_name_owns_under_that_one() {
    let mut cluster = warm(6, 60, Weather::default(), 3, &settings(Planted::NONE));
    cluster.crash(5);
    cluster.run_for(Span::from_secs(60));
    cluster.start_copy(5, 2, heck_core::id::Boot(2));
    cluster.run_for(Span::from_secs(90));
    let name = cluster.node(5).view().name().clone();
    assert!(name.as_str().starts_with("node-2-"), "{name}");
    owned_once(&cluster, 60, &[]).expect("each origin has one owner");
    assert!((0..60).any(|number| cluster.node(5).view().check(&origin(number)).is_some()));
}

#[test]
fn a_node_that_moves_to_another_zone_owns_there_and_releases_what_it_claimed_here() {
    let ownership = heck_core::settings::Settings {
        scoping: heck_core::settings::Scoping::Zones,
        ..heck_core::settings::Settings::default()
    };
    let config = Config { ownership, ..settings(Planted::NONE) };
    let mut cluster = warm(6, 60, Weather::default(), 4, &config);
    for at in 0..3 {
        cluster.command(at, &Command::Describe { addr: addr(at), zone: Scope(7), weight: 100 });
    }
    cluster.run_for(Span::from_secs(60));
    for number in 0..60 {
        let checkers: Vec<usize> =
            (0..6).filter(|&at| cluster.node(at).view().check(&origin(number)).is_some()).collect();
        assert_eq!(checkers.len(), 2, "{number}: {checkers:?}");
        assert!(checkers[0] < 3 && checkers[1] >= 3, "{number}: {checkers:?}");
        for (scope, at) in [(Scope(7), checkers[0]), (Scope::NO_ZONE, checkers[1])] {
            for seen in cluster.running() {
                let claim = seen.view().claim(scope, &origin(number)).expect("a claim in each zone");
                assert_eq!((claim.ballot.writer.node, claim.hold), (node(at), Hold::Held));
            }
        }
    }
}

#[test]
fn members_with_other_settings_are_named() {
    let mut cluster = warm(3, 3, Weather::default(), 1, &settings(Planted::NONE));
    let ownership = heck_core::settings::Settings { confirmers: 5, ..Default::default() };
    cluster.reconfigure(Config { ownership, ..settings(Planted::NONE) });
    cluster.crash(2);
    cluster.start(2, true);
    cluster.run_for(Span::from_secs(10));
    let disagreeing = |at: usize| cluster.node(at).view().disagreeing().count();
    assert_eq!((disagreeing(0), disagreeing(1), disagreeing(2)), (1, 1, 2));
    assert!(cluster.events.iter().any(|(_, _, event)| matches!(event, Event::Disagrees { .. })));
}

pub const HURRIED: Law = Law {
    name: "what a client of any node wants checked is checked within a second, and its schedule goes on as it was",
    seed: 116,
    cases: 8,
    check: hurried,
};

fn hurried(trial: &Trial) -> Result<(), String> {
    let wish = (any::<u16>(), 0..100_u32, 0..8_usize, 0..40_usize, 0..5_000_u64);
    trial.for_all(&wish, |(seed, loss_permille, at, number, after_ms), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let mut cluster = warm(8, 40, weather, seed, &settings(planted));
        cluster.run_for(Span::from_ms(after_ms));
        let wished = cluster.now;
        for _ in 0..3 {
            cluster.command(at, &Command::CheckNow { name: origin(number) });
        }
        cluster.run_for(Span::from_secs(20));
        let of_origin = |from: Time| probes(&cluster, from).remove(&origin(number)).unwrap_or_default();
        let just_before = of_origin(wished - Span::from_ms(1_100));
        let (first, _) = just_before.first().copied().unwrap_or_default();
        prop_assert!(first <= wished + Span::from_secs(1) && !just_before.is_empty(), "{:?}", just_before);
        // Four or five by the schedule, and the one that was wished for.
        let times = of_origin(wished);
        prop_assert!((4..=6).contains(&times.len()), "{:?}", times);
        let scheduled = times.windows(2).skip(2).map(|pair| pair[1].0.since(pair[0].0));
        let odd = scheduled.filter(|gap| gap.as_us().abs_diff(INTERVAL.as_us()) > 200_000).count();
        prop_assert_eq!(odd, 0, "{:?}", times);
        owned_once(&cluster, 40, &[])
    })
}

#[test]
fn a_client_can_have_an_origin_checked_now() {
    HURRIED.hold();
}

#[test]
fn nobody_can_have_an_origin_checked_that_is_not_there() {
    let mut cluster = warm(2, 1, Weather::default(), 1, &settings(Planted::NONE));
    let before = cluster.events.len();
    cluster.command(0, &Command::CheckNow { name: origin(7) });
    let refused = cluster.events[before..]
        .iter()
        .any(|(_, _, event)| matches!(event, Event::Failed { reason: Refusal::Missing, .. }));
    assert!(refused, "{:?}", &cluster.events[before..]);
}
