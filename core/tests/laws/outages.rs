//! Membership where much goes wrong at once: outages, detours, sleep, lost greetings. Most of these were found by review.

use crate::common::{Cluster, addr, name};
use crate::law::{Law, Trial};
use crate::membership::{deaths, formed, node};
use heck_core::config::Config;
use heck_core::effects::Event;
use heck_core::id::Boot;
use heck_core::id::NodeId;
use heck_core::member::{INCARNATION_LIMIT, Life, Standing};
use heck_core::packet::{MemberUpdate, Packet, PacketKind};
use heck_core::time::Span;
use proptest::prelude::*;
use std::collections::BTreeSet;

const fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}

fn live(cluster: &Cluster) -> BTreeSet<usize> {
    cluster.running().map(|node| node.view().members().len()).collect()
}

fn refutations(cluster: &Cluster) -> usize {
    cluster.events.iter().filter(|(.., event)| matches!(event, Event::Refuted(_))).count()
}

pub const SLEEP_IS_NOT_SILENCE: Law = Law {
    name: "nodes that stood still bury nobody whose answer waits for them",
    seed: 90,
    cases: 12,
    check: sleep_is_not_silence,
};

fn sleep_is_not_silence(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 2_000..3_500_u64), |(seed, wait_ms), planted| {
        let mut cluster = formed(20, 0, seed, &Config { planted, ..Config::default() });
        cluster.run_for(secs(100));
        cluster.reachable = Box::new(|a, b| a != 3 && b != 3);
        let is_suspected = |cluster: &Cluster| {
            cluster
                .events
                .iter()
                .any(|(.., event)| matches!(event, Event::Member { standing: Standing::Suspect, .. }))
        };
        while !is_suspected(&cluster) {
            cluster.run_for(Span::from_ms(100));
        }
        cluster.run_for(Span::from_ms(wait_ms));
        prop_assume!(deaths(&cluster).is_empty());
        cluster.reachable = Box::new(|_, _| true);
        for asleep in [0, 1, 2, 4, 5] {
            cluster.paused.insert(asleep, cluster.now + secs(10));
        }
        cluster.run_for(secs(20));
        let of_it: Vec<_> = deaths(&cluster).into_iter().filter(|(.., dead)| *dead == node(3)).collect();
        let by_sleepers = of_it.iter().filter(|(_, at, _)| [0, 1, 2, 4, 5].contains(at)).count();
        // Where those who were awake bury it as well, it was silent for too long.
        prop_assume!(by_sleepers == of_it.len());
        prop_assert_eq!(by_sleepers, 0);
        Ok(())
    })
}

#[test]
fn nodes_that_stood_still_bury_nobody() {
    SLEEP_IS_NOT_SILENCE.hold();
}

#[test]
fn survivors_of_a_mass_crash_bury_everyone_else_and_fall_quiet() {
    for (count, dead) in [(3, 1), (4, 2), (5, 3), (10, 8), (40, 36)] {
        let mut cluster = formed(count, 0, 5, &Config::default());
        cluster.run_for(secs(60));
        (0..dead).for_each(|at| cluster.crash(at));
        cluster.run_for(secs(60));
        assert_eq!(live(&cluster), BTreeSet::from([count - dead]), "of {count} {dead} crashed");
        let before = cluster.datagrams;
        cluster.run_for(secs(60));
        let each = (cluster.datagrams - before) / 60 / (count - dead) as u64;
        assert!(each <= 4, "{count} less {dead}: {each} datagrams a second and survivor");
    }
}

#[test]
fn a_short_outage_is_refuted_a_few_times_and_then_over() {
    for seed in 0..3 {
        let mut cluster = formed(40, 0, seed, &Config::default());
        cluster.run_for(secs(100));
        cluster.reachable = Box::new(|a, b| a != 3 && b != 3);
        cluster.run_for(secs(5));
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(secs(60));
        assert_eq!(deaths(&cluster), []);
        assert!(refutations(&cluster) <= 6, "{} refutations", refutations(&cluster));
    }
}

#[test]
fn a_member_that_answers_late_is_not_buried() {
    for detour_ms in [250, 300, 400, 500] {
        let mut cluster = formed(20, 0, 17, &Config::default());
        cluster.run_for(secs(60));
        cluster.far = Some((3, Span::from_ms(detour_ms)));
        cluster.run_for(secs(300));
        let deaths: Vec<_> = deaths(&cluster).into_iter().filter(|(_, at, _)| *at != 3).collect();
        assert_eq!(deaths, [], "{detour_ms} ms more each way, {} refutations", refutations(&cluster));
    }
}

#[test]
fn whoever_lives_at_the_address_of_a_dead_member_does_not_answer_for_it() {
    let mut cluster = formed(8, 0, 10, &Config::default());
    cluster.run_for(secs(30));
    cluster.crash(3);
    cluster.start_other(3, "other", 0);
    cluster.run_for(secs(60));
    for held in cluster.running().map(|other| other.view().members().get(node(3)).map(|held| held.standing)) {
        assert_eq!(held, Some(Standing::Dead));
    }
    assert_eq!(live(&cluster), BTreeSet::from([8]));
}

#[test]
fn a_newcomer_whose_greetings_are_lost_is_known_all_the_same() {
    for seed in 0..5 {
        let mut cluster = formed(6, 0, 20 + seed, &Config::default());
        cluster.crash(5);
        cluster.run_for(secs(60));
        cluster.start_other(5, "fresh", 0);
        // Streams that are open go on.
        cluster.run_for(Span::from_ms(45));
        cluster.reachable = Box::new(|a, b| a != 5 && b != 5);
        cluster.run_for(secs(5));
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(secs(20));
        assert_eq!(live(&cluster), BTreeSet::from([6]), "seed {seed}");
    }
}

#[test]
fn nodes_that_all_join_each_other_become_one_cluster() {
    for seed in 0..5 {
        let mut cluster = formed(4, 100, 30 + seed, &Config::default());
        (0..4).for_each(|at| cluster.crash(at));
        for at in 0..4 {
            cluster.forget_disk(at);
            cluster.start_stranger(at, &[0, 1, 2, 3]);
        }
        cluster.run_for(secs(90));
        assert_eq!(live(&cluster), BTreeSet::from([4]), "seed {seed}");
    }
}

#[test]
fn a_life_that_was_refuted_to_its_limit_is_followed_by_another() {
    let mut cluster = formed(8, 0, 11, &Config::default());
    cluster.run_for(secs(20));
    let mut packet = Packet::default();
    packet.reset(PacketKind::Push, node(0));
    let life = Life { boot: Boot(1), incarnation: INCARNATION_LIMIT };
    let (standing, accuser) = (Standing::Dead, node(3));
    packet.members.push(MemberUpdate { node: node(3), life, standing, age: Span::ZERO, accuser, card: None });
    (1..8).for_each(|to| cluster.datagram(0, to, &packet));
    cluster.run_for(secs(20));
    assert_eq!(live(&cluster), BTreeSet::from([8]));
    assert!(refutations(&cluster) < 3);
}

#[test]
fn lists_of_old_members_and_newcomers_become_equal() {
    let mut cluster = formed(8, 0, 9, &Config::default());
    cluster.run_for(secs(20));
    // Node 3 refutes once, and dies.
    cluster.reachable = Box::new(|a, b| a != 3 && b != 3);
    cluster.run_for(secs(6));
    cluster.reachable = Box::new(|_, _| true);
    cluster.run_for(secs(30));
    cluster.crash(3);
    cluster.crash(7);
    cluster.run_for(secs(60));
    cluster.start_other(7, "fresh", 0);
    cluster.run_for(secs(30));
    let hashes: BTreeSet<u64> = cluster.running().map(|node| node.view().members().hash()).collect();
    assert_eq!(hashes.len(), 1);
    let fresh = cluster.node(7).view().members();
    assert!([3, 7].iter().all(|&at| fresh.get(node(at)).is_some_and(|held| held.standing == Standing::Dead)));
    assert_eq!(fresh.get(NodeId::of(&name("fresh"))).map(|own| own.addr), Some(addr(7)));
}
