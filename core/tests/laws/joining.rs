//! Nodes that join where packets are lost and streams stall.

use crate::common::{Cluster, Weather, addr, name};
use crate::law::{Law, Trial};
use crate::owners::node;
use heck_core::config::Config;
use heck_core::effects::{Event, Phase};
use heck_core::hash::mix;
use heck_core::input::Command;
use heck_core::packet::PacketKind;
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::cell::Cell;

const KEYS: u32 = 60;

pub const STALLED_STREAMS_DO_NOT_MATTER: Law = Law {
    name: "nodes that join at up to half of all packets lost, through streams that stall, have the state and the list of \
           members within half of the time after which they would serve without, and leave no stream open",
    seed: 67,
    cases: 12,
    check: stalled_streams_do_not_matter,
};

fn stalled_streams_do_not_matter(trial: &Trial) -> Result<(), String> {
    // Of 1,000 frames of streams, so many never arrive.
    let input = (any::<u16>(), 2..10_usize, 0..=500_u32, 500..=1_000_u64);
    trial.for_all(&input, |(seed, count, loss_permille, stall_permille), planted| {
        let config = Config { planted, ..Config::default() };
        let patience = config.join_timeout;
        let mut cluster = Cluster::cold(count, config, Weather::default(), u64::from(seed));
        cluster.command(0, &Command::Join { peers: [].into() });
        for key in 0..KEYS {
            let value = vec![7; 150].into();
            cluster.command(0, &Command::PutKey { name: name(&format!("key-{key}")), value });
        }
        cluster.weather.loss_permille = loss_permille;
        let frames = Cell::new(u64::from(seed));
        cluster.passes = Box::new(move |_, _, packet, _| {
            frames.set(frames.get() + 1);
            let kinds = [PacketKind::SyncRequest, PacketKind::SyncAnswer, PacketKind::SyncDone];
            !kinds.contains(&packet.kind) || mix(frames.get(), 7) % 1_000 >= stall_permille
        });
        let begun = cluster.now;
        for at in 1..count {
            cluster.command(at, &Command::Join { peers: [addr(0), addr(1)].into() });
        }
        let mut joined = vec![false; count];
        while cluster.now.since(begun) < Span(patience.as_us() / 2) {
            cluster.run_for(Span::from_ms(50));
            for at in 1..count {
                let view = cluster.node(at).view();
                if view.phase() == Phase::Joining || core::mem::replace(&mut joined[at], true) {
                    continue;
                }
                let held = (0..KEYS).filter(|key| view.key(&name(&format!("key-{key}"))).is_some()).count();
                prop_assert_eq!(held, KEYS as usize, "{} has joined with less", at);
                prop_assert!(view.members().get(node(0)).is_some());
            }
        }
        let synced = |at: usize| {
            let is_it =
                |(_, by, event): &(Time, usize, Event)| *by == at && *event == Event::Phase(Phase::Synced);
            cluster.events.iter().any(is_it)
        };
        let without: Vec<usize> = (1..count).filter(|&at| !synced(at)).collect();
        prop_assert!(without.is_empty(), "{:?} have not joined", without);
        cluster.passes = Box::new(|_, _, _, _| true);
        cluster.weather = Weather::default();
        cluster.run_for(Span::from_secs(90));
        prop_assert_eq!(cluster.open_streams(), 0);
        prop_assert!(cluster.agrees());
        Ok(())
    })
}

#[test]
fn who_joins_does_not_wait_for_streams_that_stall() {
    STALLED_STREAMS_DO_NOT_MATTER.hold();
}
