//! Who is found dead, who is not, and how the living meet again.

use crate::common::{Cluster, Weather, name};
use crate::law::{Law, Trial};
use heck_core::config::Config;
use heck_core::effects::Event;
use heck_core::id::NodeId;
use heck_core::member::Standing;
use heck_core::time::{Span, Time};
use proptest::prelude::*;

fn formed(count: usize, loss_permille: u32, seed: u16, trial: &Config) -> Cluster {
    let weather = Weather { loss_permille, ..Weather::default() };
    Cluster::formed(count, trial.clone(), weather, u64::from(seed))
}

fn node(at: usize) -> NodeId {
    NodeId::of(&name(&format!("node-{at}")))
}

/// Who came to hold whom dead, and when.
fn deaths(cluster: &Cluster) -> Vec<(Time, usize, NodeId)> {
    let death = |&(time, at, ref event): &(Time, usize, Event)| match event {
        Event::Member { node, standing: Standing::Dead } => Some((time, at, *node)),
        _ => None,
    };
    cluster.events.iter().filter_map(death).collect()
}

pub const CRASHES_ARE_KNOWN: Law = Law {
    name: "a crash is known to everyone within 25 s at up to 50 % loss, and nobody else is held dead",
    seed: 80,
    cases: 6,
    check: crashes_are_known,
};

fn crashes_are_known(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..=500_u32), |(seed, loss_permille), planted| {
        let mut cluster = formed(20, loss_permille, seed, &Config { planted, ..Config::default() });
        cluster.run_for(Span::from_secs(60));
        cluster.crash(7);
        cluster.run_for(Span::from_secs(25));
        let deaths = deaths(&cluster);
        prop_assert!(deaths.iter().all(|(_, _, dead)| *dead == node(7)), "{:?}", deaths);
        prop_assert_eq!(deaths.len(), 19);
        Ok(())
    })
}

pub const LOSS_IS_NOT_DEATH: Law = Law {
    name: "loss alone, up to half of all datagrams, kills nobody in ten minutes",
    seed: 81,
    cases: 4,
    check: loss_is_not_death,
};

fn loss_is_not_death(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 300..=500_u32), |(seed, loss_permille), planted| {
        let mut cluster = formed(20, loss_permille, seed, &Config { planted, ..Config::default() });
        cluster.run_for(Span::from_secs(600));
        prop_assert_eq!(deaths(&cluster), []);
        Ok(())
    })
}

pub const PARTITIONS_HEAL: Law = Law {
    name: "two sides that have buried each other meet again within 30 s, and nobody buries its own side",
    seed: 82,
    cases: 4,
    check: partitions_heal,
};

fn partitions_heal(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..=100_u32), |(seed, loss_permille), planted| {
        let mut cluster = formed(16, loss_permille, seed, &Config { planted, ..Config::default() });
        cluster.run_for(Span::from_secs(30));
        cluster.reachable = Box::new(|a, b| (a < 8) == (b < 8));
        cluster.run_for(Span::from_secs(300));
        let live: Vec<usize> = cluster.running().map(|node| node.view().members().len()).collect();
        prop_assert_eq!(live, [8; 16], "the sides have not buried each other");
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(30));
        let live: Vec<usize> = cluster.running().map(|node| node.view().members().len()).collect();
        prop_assert_eq!(live, [16; 16]);
        let side = |dead: NodeId| (0..8).any(|at| node(at) == dead);
        let own = deaths(&cluster).into_iter().filter(|(_, at, dead)| (*at < 8) == side(*dead)).count();
        prop_assert_eq!(own, 0, "deaths of one's own side");
        Ok(())
    })
}

#[test]
fn a_crash_is_known_to_everyone() {
    CRASHES_ARE_KNOWN.hold();
}

#[test]
fn loss_alone_kills_nobody() {
    LOSS_IS_NOT_DEATH.hold();
}

#[test]
fn a_partition_heals_by_itself() {
    PARTITIONS_HEAL.hold();
}

#[test]
fn who_leaves_is_not_held_dead() {
    let mut cluster = formed(10, 100, 1, &Config::default());
    cluster.run_for(Span::from_secs(10));
    cluster.command(3, &heck_core::input::Command::Leave);
    cluster.run_for(Span::from_secs(5));
    cluster.crash(3);
    cluster.run_for(Span::from_secs(60));
    assert_eq!(deaths(&cluster), []);
    let standing = |at: usize| cluster.node(at).view().members().get(node(3)).map(|member| member.standing);
    assert!([0, 1, 2, 4, 5, 6, 7, 8, 9].into_iter().all(|at| standing(at) == Some(Standing::Left)));
}

#[test]
fn a_node_that_restarts_is_back_at_once_in_its_new_life() {
    let mut cluster = formed(10, 100, 2, &Config::default());
    cluster.run_for(Span::from_secs(10));
    cluster.crash(3);
    cluster.run_for(Span::from_secs(30));
    assert_eq!(deaths(&cluster).len(), 9);
    cluster.start(3, true);
    cluster.run_for(Span::from_secs(10));
    for other in cluster.running() {
        let member = other.view().members().get(node(3)).expect("a member").clone();
        assert_eq!(
            (member.standing, member.life.boot),
            (Standing::Alive, cluster.node(3).view().writer().boot)
        );
    }
}
