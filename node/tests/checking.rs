//! Nodes on loopback that check real servers.

mod common;
#[path = "common/origin.rs"]
mod origin;

use common::{Process, config, members, name, sockets, until, wait};
use heck_core::entry::{Confirmation, HealthState, OriginSpec, Scope};
use heck_core::input::Command;
use heck_core::node::Health;
use heck_core::time::Span;
use heck_node::{Count, NodeConfig, Start};
use origin::{Origin, answer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Where the servers of a test run, whatever the test itself waits for.
fn servers() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts")
}

fn checking(mut config: NodeConfig) -> NodeConfig {
    config.probes.guard.loopback = true;
    config
}

fn one_node(dir: &std::path::Path) -> Process {
    let config = NodeConfig { start: Start::Bootstrap, ..config("a", dir, 1) };
    Process::start(sockets(), checking(config))
}

fn three_nodes(dir: &std::path::Path) -> Vec<Process> {
    let sockets: Vec<_> = NAMES.iter().map(|_| sockets()).collect();
    let members = members(&NAMES, &sockets);
    let start = |(seed, (name, sockets))| {
        let formed = NodeConfig { members: members.clone(), start: Start::Formed, ..config(name, dir, seed) };
        Process::start(sockets, checking(formed))
    };
    (1..).zip(NAMES.into_iter().zip(sockets)).map(start).collect()
}

fn put(node: &Process, origin: &str, spec: OriginSpec) {
    node.command(Command::PutOrigin { name: name(origin), spec, source: name("test") });
}

fn every(target: &str, interval_ms: u64, timeout_ms: u64) -> OriginSpec {
    OriginSpec::new(target).with(|policy| {
        policy.interval = Span::from_ms(interval_ms);
        policy.fast_interval = Span::from_ms(100);
        policy.timeout = Span::from_ms(timeout_ms);
    })
}

fn health(node: &Process, origin: &str) -> Option<Health> {
    let origin = name(origin);
    wait("a look at an origin", node.handle.view(move |view, now| view.health(Scope::CLUSTER, &origin, now)))
        .expect("the node runs")
}

fn states(nodes: &[Process], origin: &str) -> Vec<Option<HealthState>> {
    nodes.iter().map(|node| health(node, origin).map(|health| health.state)).collect()
}

fn until_all(nodes: &[Process], origin: &str, state: HealthState) {
    until(
        &format!("{origin} is {state:?} on all nodes"),
        || states(nodes, origin),
        |states| states.iter().all(|found| *found == Some(state)),
    );
}

fn probes_of(nodes: &[Process]) -> Vec<u64> {
    nodes.iter().map(|node| node.handle.counters().get(Count::ProbesStarted)).collect()
}

/// A server that answers while the switch is on, and says that it is not well otherwise.
fn switched(runtime: &Runtime) -> (Origin, Arc<AtomicBool>) {
    let is_up = Arc::new(AtomicBool::new(true));
    let switch = is_up.clone();
    let says = move |_: &str| Some(answer(if switch.load(Ordering::SeqCst) { 200 } else { 503 }, "", ""));
    (runtime.block_on(Origin::start(says)), is_up)
}

#[test]
fn an_origin_is_probed_by_one_node_seen_by_all_and_confirmed_by_others_only_when_it_seems_down() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, is_up) = switched(&runtime);
    let nodes = three_nodes(dir.path());
    put(&nodes[0], "web", every(&origin.url("/health"), 100, 2_000));
    until_all(&nodes, "web", HealthState::Healthy);

    // Twenty requests take two seconds when one node asks every 100 ms, and one second when two do.
    let (asked, start) = (origin.asked(), Instant::now());
    until("twenty more requests", || origin.asked(), |now| *now >= asked + 20);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(1_700), "twenty requests in {took:?}");
    let probes = probes_of(&nodes);
    assert_eq!(probes.iter().filter(|count| **count > 0).count(), 1, "{probes:?}");

    is_up.store(false, Ordering::SeqCst);
    until_all(&nodes, "web", HealthState::Unhealthy);
    for node in &nodes {
        let health = health(node, "web").unwrap();
        let Confirmation { asked, answered, agreed } = health.confirmation;
        // The question is settled once one of the two agrees with the owner.
        assert!(asked == 2 && agreed == answered && agreed >= 1, "{:?}", health.confirmation);
        assert_eq!(health.previous, HealthState::Healthy);
    }
    let of_others = || -> Vec<u64> {
        let counts = probes_of(&nodes).into_iter().zip(&probes);
        counts.filter(|(_, before)| **before == 0).map(|(after, _)| after).collect()
    };
    let confirming =
        until("both others were asked", of_others, |counts| counts.iter().all(|count| *count > 0));
    assert!(confirming.iter().all(|count| *count <= 3), "{confirming:?}");

    is_up.store(true, Ordering::SeqCst);
    until_all(&nodes, "web", HealthState::Healthy);
    let owner = nodes.iter().find(|node| {
        node.handle
            .last_probe(&name("web"))
            .is_some_and(|last| last.report.is_some_and(|(_, report)| report.status == Some(200)))
    });
    assert!(owner.is_some(), "what the last probe told can be read on the node that made it");
    nodes.into_iter().for_each(Process::shut_down);
}

#[test]
fn the_origins_of_a_node_that_dies_are_probed_by_another() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, is_up) = switched(&runtime);
    let mut nodes = three_nodes(dir.path());
    put(&nodes[0], "web", every(&origin.url("/"), 100, 2_000));
    until_all(&nodes, "web", HealthState::Healthy);
    let owner = probes_of(&nodes).iter().position(|count| *count > 0).unwrap();
    nodes.remove(owner).kill();
    is_up.store(false, Ordering::SeqCst);
    until_all(&nodes, "web", HealthState::Unhealthy);
    nodes.into_iter().for_each(Process::shut_down);
}

#[test]
fn origins_that_answer_nothing_delay_no_other() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, _) = switched(&runtime);
    let hole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let node = one_node(dir.path());
    let (good, silent) = (40, 10);
    for number in 0..good {
        put(&node, &format!("good{number}"), every(&origin.url(&format!("/{number}")), 500, 400));
    }
    for number in 0..silent {
        let target = format!("http://{}/", hole.local_addr().unwrap());
        put(&node, &format!("hole{number}"), every(&target, 500, 400));
    }
    let nodes = [node];
    for number in 0..silent {
        until_all(&nodes, &format!("hole{number}"), HealthState::Unhealthy);
    }
    // Ten rounds of the good ones take five seconds, and 45 if each round waited 400 ms for each silent one.
    let (asked, start) = (origin.asked(), Instant::now());
    until("ten rounds", || origin.asked(), |now| *now >= asked + 10 * good);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "ten rounds of 500 ms in {took:?}");
    for number in 0..good {
        let state = health(&nodes[0], &format!("good{number}")).map(|health| health.state);
        assert_eq!(state, Some(HealthState::Healthy), "good{number}");
    }
    nodes.into_iter().for_each(Process::shut_down);
}

#[test]
fn what_the_checker_lacks_never_shows_an_origin_as_unhealthy() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let (origin, _) = switched(&runtime);
    let node = one_node(dir.path());
    put(&node, "web", every(&origin.url("/"), 100, 100));
    let nodes = [node];
    until_all(&nodes, "web", HealthState::Healthy);
    // From here on the check needs a secret that this node does not have.
    let target = format!(r#"{{"url":"{}","headers":{{"x":{{"secret":"none"}}}}}}"#, origin.url("/"));
    put(&nodes[0], "web", every(&target, 100, 100));
    let counters = || nodes[0].handle.counters().get(Count::ProbesHinderedBySettings);
    until("probes that are hindered", counters, |count| *count >= 5);
    let seen = || health(&nodes[0], "web").map(|health| (health.state, health.is_stale));
    until("the origin shows as stale", seen, |seen| matches!(seen, Some((_, true))));
    assert_eq!(seen(), Some((HealthState::Healthy, true)));
    nodes.into_iter().for_each(Process::shut_down);
}

#[test]
fn first_checks_spread_over_the_interval() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), servers());
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = times.clone();
    let says = move |_: &str| {
        noted.lock().unwrap().push(Instant::now());
        Some(answer(200, "", ""))
    };
    let origin = runtime.block_on(Origin::start(says));
    let node = one_node(dir.path());
    let origins = 100;
    for number in 0..origins {
        put(&node, &format!("o{number}"), every(&origin.url("/"), 2_000, 1_000));
    }
    until("a first check of all", || origin.asked(), |asked| *asked >= origins);
    let times = times.lock().unwrap();
    let in_window = |from: &Instant| {
        times.iter().filter(|at| *at >= from && at.duration_since(*from) < Duration::from_millis(200)).count()
    };
    let most = times.iter().map(in_window).max().unwrap();
    // Ten are expected in 200 ms. A machine that pauses may bunch some; a herd would be all of them.
    assert!(most <= origins / 2, "{most} checks in 200 ms");
    node.shut_down();
}
