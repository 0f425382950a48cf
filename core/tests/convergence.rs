//! Clusters come to agree, whatever the weather.

mod common;

use common::{Cluster, Weather, addr, name};
use heck_core::config::Config;
use heck_core::effects::Phase;
use heck_core::entry::{HealthState, Hold, OriginSpec, Scope};
use heck_core::input::{Command, Verdict};
use heck_core::time::Span;

fn put_origin(origin: &str) -> Command {
    Command::PutOrigin { name: name(origin), spec: OriginSpec::new("http://a/"), source: name("test") }
}

fn put_key(key: &str, value: &[u8]) -> Command {
    Command::PutKey { name: name(key), value: value.into() }
}

fn probe(origin: &str, state: HealthState) -> Verdict {
    Verdict { scope: Scope::default(), origin: name(origin), state, hold: Hold::Held }
}

fn half_loss() -> Weather {
    Weather { loss_permille: 500, ..Weather::default() }
}

#[test]
fn every_kind_of_write_reaches_everyone_under_half_loss() {
    let mut cluster = Cluster::formed(50, Config::default(), half_loss(), 1);
    cluster.run_for(Span::from_secs(3));
    cluster.command(3, &put_origin("o1"));
    cluster.command(4, &put_key("k1", b"v"));
    cluster.command(5, &Command::Publish { topic: name("t"), payload: b"m".as_slice().into() });
    cluster.run_for(Span::from_secs(20));
    cluster.tell(6, &probe("o1", HealthState::Unhealthy));
    cluster.run_until_agreed(Span::from_secs(60)).expect("the cluster agrees");
    for node in cluster.running() {
        let view = node.view();
        assert_eq!(view.state().live_len(), 4);
        let claim = view.claim(Scope::default(), &name("o1")).expect("the claim arrived");
        assert_eq!(claim.state, HealthState::Unhealthy);
        assert_eq!(view.key(&name("k1")).map(|entry| entry.dot.counter), Some(1));
    }
    assert!(cluster.largest <= 1_352);
}

#[test]
fn a_removed_origin_takes_its_claims_along_and_comes_back_fresh() {
    let mut cluster = Cluster::formed(5, Config::default(), half_loss(), 2);
    cluster.command(0, &put_origin("o"));
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    cluster.tell(1, &probe("o", HealthState::Unhealthy));
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    cluster.command(2, &Command::RemoveOrigin { name: name("o") });
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    assert!(cluster.running().all(|node| node.view().state().live_len() == 0));
    cluster.command(3, &put_origin("o"));
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    for node in cluster.running() {
        assert!(node.view().origin(&name("o")).is_some());
        assert!(node.view().claim(Scope::default(), &name("o")).is_none(), "the old claim came back");
    }
}

#[test]
fn a_cold_cluster_joins_by_stream() {
    let mut cluster = Cluster::cold(8, Config::default(), half_loss(), 3);
    cluster.command(0, &Command::Join { peers: [].as_slice().into() });
    for origin in 0..500 {
        cluster.command(0, &put_origin(&format!("origin-{origin}")));
    }
    for node in 1..8 {
        assert_eq!(cluster.node(node).view().phase(), Phase::Joining);
        cluster.command(node, &Command::Join { peers: [addr(0)].as_slice().into() });
    }
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    for node in cluster.running() {
        assert_eq!(node.view().phase(), Phase::Serving);
        assert_eq!(node.view().state().live_len(), 500);
    }
}

#[test]
fn an_entry_too_large_for_a_datagram_goes_by_stream() {
    let mut cluster = Cluster::formed(20, Config::default(), half_loss(), 4);
    cluster.command(0, &put_key("large", &[7; 60_000]));
    cluster.run_until_agreed(Span::from_secs(120)).expect("agrees");
    assert!(cluster.running().all(|node| node.view().key(&name("large")).is_some()));
    assert!(cluster.largest <= 1_352);
}

#[test]
fn a_long_partition_heals() {
    let mut cluster = Cluster::formed(10, Config::default(), half_loss(), 5);
    cluster.reachable = Box::new(|a, b| (a < 5) == (b < 5));
    for n in 0..300 {
        cluster.command(n % 5, &put_key(&format!("left-{n}"), b"l"));
        cluster.command(5 + n % 5, &put_key(&format!("right-{n}"), b"r"));
        cluster.command(n % 10, &put_key(&format!("both-{}", n % 20), &n.to_le_bytes()));
        cluster.run_for(Span::from_ms(100));
    }
    cluster.run_for(Span::from_secs(60));
    assert!(!cluster.agrees());
    cluster.reachable = Box::new(|_, _| true);
    cluster.run_until_agreed(Span::from_secs(120)).expect("agrees");
    assert_eq!(cluster.node(0).view().state().live_len(), cluster.node(9).view().state().live_len());
}

#[test]
fn a_node_restarted_from_disk_catches_up_in_a_new_life() {
    let mut cluster = Cluster::formed(5, Config::default(), half_loss(), 6);
    for n in 0..50 {
        cluster.command(n % 5, &put_key(&format!("k-{n}"), b"v"));
        cluster.run_for(Span::from_ms(50));
    }
    cluster.crash(2);
    cluster.command(1, &put_key("k-1", b"newer"));
    cluster.run_for(Span::from_secs(5));
    cluster.start(2, true);
    cluster.command(2, &put_key("k-2", b"newest"));
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    assert_eq!(cluster.node(2).view().state().live_len(), 50);
    assert_eq!(cluster.node(2).view().writer().boot.0, 2);
}

#[test]
fn an_edited_origin_is_never_of_unknown_health_and_its_owner_claims_it_again() {
    let mut cluster = Cluster::formed(5, Config::default(), half_loss(), 7);
    cluster.command(0, &put_origin("o"));
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    cluster.tell(1, &probe("o", HealthState::Unhealthy));
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    let spec = OriginSpec::new("http://b/").with(|policy| policy.confirmers = Some(5));
    let edit = Command::PutOrigin { name: name("o"), spec, source: name("test") };
    cluster.command(2, &edit);
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    for node in cluster.running() {
        let claim = node.view().claim(Scope::default(), &name("o")).expect("the claim was carried over");
        assert_eq!((claim.state, claim.hold), (HealthState::Unhealthy, Hold::Released));
        let health = node.view().health(Scope::default(), &name("o"), cluster.now).expect("known");
        assert_eq!(health.age, None, "nobody vouches for a claim that was carried over");
    }
    cluster.tell(1, &probe("o", HealthState::Unhealthy));
    cluster.run_until_agreed(Span::from_secs(60)).expect("agrees");
    for node in cluster.running() {
        let claim = node.view().claim(Scope::default(), &name("o")).expect("the owner claims");
        assert_eq!((claim.ballot.writer, claim.hold), (cluster.node(1).view().writer(), Hold::Held));
    }
}
