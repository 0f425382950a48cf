//! Writes that wait until others have them.

use crate::common::{Cluster, Weather, name};
use crate::law::{Law, Trial};
use heck_core::config::Config;
use heck_core::effects::{Event, Refusal};
use heck_core::id::Dot;
use heck_core::input::Command;
use heck_core::time::{Span, Time};
use heck_core::witness::WAIT_LIMIT;
use proptest::prelude::*;

const WRITE: u64 = 1_001;
const SPREAD: u64 = 1_002;

/// Writes a key at node 0, which then waits for `count` others.
fn write(cluster: &mut Cluster, count: u16) -> Dot {
    cluster.command_as(0, WRITE, &Command::PutKey { name: name("k"), value: [1].as_slice().into() });
    let dot = loop {
        let dot = cluster.events.iter().find_map(|(_, _, event)| match event {
            Event::Done { token: WRITE, dot } => *dot,
            _ => None,
        });
        if let Some(dot) = dot {
            break dot;
        }
        cluster.run_for(Span::from_ms(10));
    };
    cluster.command_as(0, SPREAD, &Command::AwaitPeers { dot, count });
    dot
}

/// The answer to the command that waits, once there is one.
fn answer(cluster: &Cluster) -> Option<(Time, Result<(), Refusal>)> {
    cluster.events.iter().find_map(|(at, _, event)| match event {
        Event::Done { token: SPREAD, .. } => Some((*at, Ok(()))),
        Event::Failed { token: SPREAD, reason } => Some((*at, Err(*reason))),
        _ => None,
    })
}

pub const HELD_BY_OTHERS: Law = Law {
    name: "a write that waited for others is on their disks when the answer comes, and the answer comes",
    seed: 140,
    cases: 24,
    check: held_by_others,
};

fn held_by_others(trial: &Trial) -> Result<(), String> {
    trial.for_all(
        &(any::<u16>(), 0..600_u32, 0..2_000_u64, 1..6_u16),
        |(seed, loss_permille, sync_ms, count), planted| {
            let weather = Weather { loss_permille, sync: Span::from_ms(sync_ms), ..Weather::default() };
            let config = Config { planted, ..Config::default() };
            let mut cluster = Cluster::formed(6, config, weather, u64::from(seed));
            cluster.run_for(Span::from_secs(5));
            let dot = write(&mut cluster, count);
            let before = cluster.now;
            while answer(&cluster).is_none() && cluster.now < before + WAIT_LIMIT {
                cluster.run_for(Span::from_ms(5));
            }
            let holders = (1..6).filter(|&at| cluster.has_on_disk(at, &dot)).count();
            let answer = answer(&cluster);
            prop_assert!(
                matches!(answer, Some((_, Ok(())))),
                "{:?} although {} of {} have it",
                answer,
                holders,
                count
            );
            prop_assert!(holders >= usize::from(count), "{} of {} have it", holders, count);
            Ok(())
        },
    )
}

#[test]
fn a_client_can_wait_until_a_write_is_in_several_hands() {
    HELD_BY_OTHERS.hold();
}

#[test]
fn a_client_that_waits_for_nodes_that_are_not_there_is_told_how_many_have_the_write() {
    let mut cluster = Cluster::formed(3, Config::default(), Weather::default(), 3);
    cluster.reachable = Box::new(|a, b| (a == 2) == (b == 2));
    write(&mut cluster, 2);
    let before = cluster.now;
    cluster.run_for(WAIT_LIMIT + Span::from_secs(1));
    let (at, answer) = answer(&cluster).expect("there is an answer");
    assert_eq!(answer, Err(Refusal::NotSpread(1)));
    assert!(at.since(before) <= WAIT_LIMIT + Span::from_ms(1), "{at:?}");
}

#[test]
fn a_wait_whose_client_has_gone_leaves_its_place_and_is_not_answered() {
    let mut cluster = Cluster::formed(3, Config::default(), Weather::default(), 3);
    cluster.reachable = Box::new(|a, b| (a == 2) == (b == 2));
    let dot = write(&mut cluster, 2);
    let places = 256;
    for other in 1..places {
        cluster.command_as(0, SPREAD + other, &Command::AwaitPeers { dot, count: 2 });
    }
    let refused = |cluster: &Cluster, wanted: u64| {
        cluster.events.iter().any(|(_, _, event)| {
            matches!(event, Event::Failed { token, reason: Refusal::TooManyWait } if *token == wanted)
        })
    };
    cluster.command_as(0, 9_001, &Command::AwaitPeers { dot, count: 2 });
    assert!(refused(&cluster, 9_001), "all places are taken");
    cluster.command_as(0, 9_002, &Command::StopWaiting { of: SPREAD });
    cluster.command_as(0, 9_003, &Command::AwaitPeers { dot, count: 2 });
    assert!(!refused(&cluster, 9_003), "there is one again");
    cluster.run_for(WAIT_LIMIT + Span::from_secs(1));
    assert_eq!(answer(&cluster), None, "nobody waits for an answer");
}
