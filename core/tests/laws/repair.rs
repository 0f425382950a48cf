//! Exchanges of whole nodes: no datagram is too large, and whatever is cut off goes on the next time.

use crate::common::{Cluster, Weather, name};
use crate::law::{Law, Trial};
use heck_core::config::{Broadcast, Config};
use heck_core::entry::{HealthState, Hold, OriginSpec, Scope};
use heck_core::id::{Dot, Lane, Name, Shard, Store};
use heck_core::input::{Command, Verdict};
use heck_core::mutant::Planted;
use heck_core::packet::group_of;
use heck_core::time::Span;
use proptest::prelude::*;

fn put(key: &Name, bytes: usize) -> Command {
    Command::PutKey { name: key.clone(), value: vec![7; bytes].into() }
}

fn delete(key: &Name) -> Command {
    Command::DeleteKey { name: key.clone() }
}

fn weather() -> impl Strategy<Value = Weather> {
    let latency_us = prop_oneof![Just((1_000, 20_000)), Just((1_000, 400_000))];
    (0..600_u32, 0..300_u32, latency_us).prop_map(|(loss_permille, duplicate_permille, latency_us)| Weather {
        loss_permille,
        duplicate_permille,
        latency_us,
        ..Weather::default()
    })
}

fn agree(cluster: &mut Cluster, secs: u64) -> Result<(), TestCaseError> {
    let agreed = cluster.run_until_agreed(Span::from_secs(secs));
    agreed.map(drop).ok_or_else(|| TestCaseError::fail(format!("no agreement after {secs} s")))
}

pub const DATAGRAMS_FIT: Law = Law {
    name: "no datagram exceeds its limit, whatever is written, missed and asked for",
    seed: 61,
    cases: 12,
    check: datagrams_fit,
};

fn datagrams_fit(trial: &Trial) -> Result<(), String> {
    let limits = (600..1_500_u32, 0..100_u32, 200..1_500_u32, 0..1_300_u32);
    let writes = proptest::collection::vec((0..5_usize, 0..60_u32, 0..3_000_usize), 20..80);
    trial.for_all(&(any::<u16>(), limits, weather(), writes), |(seed, limits, weather, writes), planted| {
        let (datagram_limit, sealing_reserve, reply_bytes, rumour_bytes) = limits;
        let room = datagram_limit - sealing_reserve;
        let config = Config {
            datagram_limit,
            sealing_reserve,
            reply_bytes,
            rumour_bytes,
            entry_datagram_limit: room.min(reply_bytes) - 100,
            heartbeat: Some(Span::from_ms(500)),
            planted,
            ..Config::default()
        };
        let mut cluster = Cluster::formed(5, config, weather, u64::from(seed));
        for (index, (node, key, bytes)) in writes.into_iter().enumerate() {
            cluster.reachable = Box::new(move |a, b| index % 20 < 10 || (a < 2) == (b < 2));
            let name = name(&format!("{key}"));
            cluster.command(node, &put(&name, bytes));
            let spec = OriginSpec::new("http://a/");
            cluster.command(node, &Command::PutOrigin { name: name.clone(), spec, source: name.clone() });
            let (scope, state, hold) = (Scope::default(), HealthState::Unhealthy, Hold::Held);
            cluster.tell(node, &Verdict { scope, origin: name, state, hold });
            cluster.run_for(Span::from_ms(300));
        }
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(30));
        prop_assert!(cluster.largest <= room as usize, "{} bytes where {} fit", cluster.largest, room);
        Ok(())
    })
}

/// Keys whose shards lie in the first few groups: a difference too small for a stream.
fn close_keys(count: usize) -> Vec<Name> {
    let all = (0..).map(|n| name(&format!("key-{n}")));
    all.filter(|key| Shard::of_name(key).0 < 32).take(count).collect()
}

/// A key of a shard far from those.
fn far_key() -> Name {
    let mut all = (0..).map(|n| name(&format!("far-{n}")));
    all.find(|key| Shard::of_name(key).0 > 200).expect("there are only 256 shards")
}

/// A cluster with few memories, where what is overwritten travels by windows alone.
fn forgetful(planted: Planted) -> Config {
    Config {
        recent_limit: 16,
        rumour_bytes: 0,
        reply_bytes: 500,
        entry_datagram_limit: 400,
        broadcast: Broadcast::None,
        membership: None,
        planted,
        ..Config::default()
    }
}

pub const WINDOWS_PROGRESS: Law = Law {
    name: "a shard is repaired although others, more than one request can list, go on differing",
    seed: 62,
    cases: 4,
    check: windows_progress,
};

fn windows_progress(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..300_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let mut cluster = Cluster::formed(4, forgetful(planted), weather, u64::from(seed));
        let (close, far) = (close_keys(60), far_key());
        cluster.reachable = Box::new(|a, b| (a < 2) == (b < 2));
        cluster.command(0, &put(&far, 3));
        cluster.command(0, &delete(&far));
        let written =
            cluster.node(0).view().state().context().progress(cluster.node(0).view().writer(), Store::Keys);
        for round in 0..220 {
            if round == 20 {
                cluster.reachable = Box::new(|_, _| true);
            }
            for (index, key) in close.iter().enumerate() {
                cluster.command((index + round) % 4, &put(key, 3));
            }
            cluster.run_for(Span::from_ms(500));
        }
        let writer = cluster.node(0).view().writer();
        let lane = Lane { shard: Shard::of_name(&far), store: Store::Keys, writer };
        let dots = (1..=written.serial).map(|counter| Dot { lane, counter });
        for dot in dots {
            let all = cluster.running().all(|node| node.view().has_seen(&dot));
            prop_assert!(all, "{:?} did not spread", dot);
        }
        Ok(())
    })
}

pub const LONE_DOT_SPREADS: Law = Law {
    name: "a dot that only one node has seen, and whose entry is gone, reaches everyone",
    seed: 63,
    cases: 6,
    check: lone_dot_spreads,
};

fn lone_dot_spreads(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..500_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let mut cluster = Cluster::formed(20, forgetful(planted), weather, u64::from(seed));
        cluster.reachable = Box::new(|a, b| a != 7 && b != 7);
        cluster.command(7, &put(&name("k"), 3));
        cluster.command(7, &delete(&name("k")));
        for n in 0..20 {
            cluster.command(7, &Command::Publish { topic: name("t"), payload: vec![n].into() });
        }
        cluster.run_for(Span::from_secs(30));
        cluster.reachable = Box::new(|_, _| true);
        agree(&mut cluster, 120)
    })
}

pub const LONE_DEATH_SPREADS: Law = Law {
    name: "what only one node knows to be removed, although all have seen the same, goes everywhere",
    seed: 69,
    cases: 6,
    check: lone_death_spreads,
};

fn lone_death_spreads(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..500_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let mut cluster = Cluster::formed(40, forgetful(planted), weather, u64::from(seed));
        let key = name("k");
        cluster.command(0, &put(&key, 1));
        agree(&mut cluster, 120)?;
        // The second value names the first as replaced, the third only the second, and nobody but node 7 hears of
        // the second.
        cluster.reachable = Box::new(|a, b| (a == 7 || a == 8) && (b == 7 || b == 8));
        cluster.command(8, &put(&key, 2));
        cluster.run_for(Span::from_secs(30));
        cluster.crash(8);
        for n in 0..20 {
            cluster.command(7, &Command::Publish { topic: name("t"), payload: vec![n].into() });
        }
        cluster.command(7, &put(&key, 3));
        cluster.reachable = Box::new(|_, _| true);
        agree(&mut cluster, 90)
    })
}

pub const LARGE_SHARD_CONVERGES: Law = Law {
    name: "a shard with more lanes than a datagram holds is repaired",
    seed: 64,
    cases: 3,
    check: large_shard_converges,
};

fn large_shard_converges(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..400_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let mut cluster = Cluster::formed(4, forgetful(planted), weather, u64::from(seed));
        cluster.reachable = Box::new(|a, b| (a < 2) == (b < 2));
        for life in 0..120_u8 {
            let node = usize::from(life) % 4;
            cluster.command(node, &put(&name("k"), usize::from(life)));
            cluster.run_for(Span::from_ms(100));
            cluster.crash(node);
            cluster.start(node, true);
        }
        cluster.reachable = Box::new(|_, _| true);
        agree(&mut cluster, 200)
    })
}

pub const LATE_REPLIES_COUNT: Law = Law {
    name: "a round trip that takes longer than a round repairs all the same",
    seed: 65,
    cases: 6,
    check: late_replies_count,
};

fn late_replies_count(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..400_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, latency_us: (150_000, 190_000), ..Weather::default() };
        let config = Config { repair_interval: Span::from_ms(100), ..forgetful(planted) };
        let mut cluster = Cluster::formed(4, config, weather, u64::from(seed));
        cluster.reachable = Box::new(|a, b| (a < 2) == (b < 2));
        for key in &close_keys(10) {
            cluster.command(0, &put(key, 3));
            cluster.command(0, &delete(key));
        }
        cluster.run_for(Span::from_secs(5));
        cluster.reachable = Box::new(|_, _| true);
        agree(&mut cluster, 60)
    })
}

pub const MUCH_IS_FETCHED: Law = Law {
    name: "who has missed far more than one answer holds, in too few groups for a stream, has it within some rounds",
    seed: 154,
    cases: 4,
    check: much_is_fetched,
};

fn much_is_fetched(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..300_u32), |(seed, loss_permille), planted| {
        let weather = Weather { loss_permille, ..Weather::default() };
        let config = Config { planted, ..Config::default() };
        let mut cluster = Cluster::formed(4, config, weather, u64::from(seed));
        cluster.run_for(Span::from_secs(5));
        cluster.reachable = Box::new(|a, b| a != 3 && b != 3);
        let names = (0..).map(|number| name(&format!("key-{number}")));
        let mut few = names.filter(|name| group_of(Shard::of_name(name)) < 12);
        let names: Vec<Name> = few.by_ref().take(300).collect();
        for (number, key) in names.iter().enumerate() {
            cluster.command(number % 3, &put(key, 80));
            cluster.run_for(Span::from_ms(10));
        }
        cluster.reachable = Box::new(|_, _| true);
        agree(&mut cluster, 15)
    })
}

#[test]
fn much_that_was_missed_is_fetched_by_more_than_one_request_a_round() {
    MUCH_IS_FETCHED.hold();
}

#[test]
fn no_datagram_exceeds_its_limit() {
    DATAGRAMS_FIT.hold();
}

#[test]
fn windows_go_on_where_the_last_one_ended() {
    WINDOWS_PROGRESS.hold();
}

#[test]
fn what_only_one_node_has_seen_spreads() {
    LONE_DOT_SPREADS.hold();
}

#[test]
fn what_only_one_node_knows_to_be_removed_goes_everywhere() {
    LONE_DEATH_SPREADS.hold();
}

#[test]
fn a_shard_too_large_for_datagrams_is_repaired() {
    LARGE_SHARD_CONVERGES.hold();
}

#[test]
fn a_reply_that_comes_after_its_round_counts() {
    LATE_REPLIES_COUNT.hold();
}
