//! Nodes that join where packets are lost and streams stall.

use crate::common::{Cluster, Weather, addr, name};
use crate::law::{Law, Trial};
use crate::owners::node;
use heck_core::config::Config;
use heck_core::effects::{Effects, Event, Phase};
use heck_core::hash::mix;
use heck_core::id::Boot;
use heck_core::input::{Command, Input};
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity, Node};
use heck_core::packet::PacketKind;
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

const KEYS: u32 = 60;

pub const STALLED_STREAMS_DO_NOT_MATTER: Law = Law {
    name: "nodes that join at up to half of all packets lost, through streams that stall, have the state and the list of \
           members within half of the time after which they would serve without, and leave no stream open",
    seed: 67,
    cases: 12,
    check: stalled_streams_do_not_matter,
};

fn stalled_streams_do_not_matter(trial: &Trial) -> Result<(), String> {
    // So many of 1,000 frames stall their stream, and every later one between these two nodes for ten seconds.
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
        let stalled: RefCell<BTreeMap<(usize, usize), Time>> = RefCell::default();
        cluster.passes = Box::new(move |from, to, packet, now| {
            frames.set(frames.get() + 1);
            let kinds = [PacketKind::SyncRequest, PacketKind::SyncAnswer, PacketKind::SyncDone];
            if !kinds.contains(&packet.kind) {
                return true;
            }
            let mut stalled = stalled.borrow_mut();
            let until = stalled.entry((from, to)).or_default();
            if *until <= now && mix(frames.get(), 7) % 1_000 < stall_permille {
                *until = now + Span::from_secs(10);
            }
            *until <= now
        });
        let begun = cluster.now;
        for at in 1..count {
            cluster.command(at, &Command::Join { peers: [addr(0), addr(1)].into() });
        }
        let mut joined = vec![false; count];
        while cluster.now.since(begun) < Span(patience.as_us() / 2) {
            cluster.run_for(Span::from_ms(50));
            for (at, has_joined) in joined.iter_mut().enumerate().skip(1) {
                let view = cluster.node(at).view();
                if view.phase() == Phase::Joining || core::mem::replace(has_joined, true) {
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

#[test]
fn a_list_of_members_that_fits_no_reply_is_told_whole_before_a_node_has_joined() {
    // Half of the asking goes to members that do not exist, so that it takes long.
    let config = Arc::new(Config { join_timeout: Span::from_secs(120), ..Config::default() });
    let member = |at: usize| Member::new(name(&format!("node-{at}")), addr(at));
    let members = Members::new((0..1_600).map(member).collect());
    let formed = Arc::new(Base { members, formed: true, ..Base::default() });
    let new = |at: usize, base: &Arc<Base>| {
        let identity = Identity::new(name(&format!("node-{at}")), Boot(1), addr(at));
        Node::new(identity, config.clone(), base, None, Seed(1), Time::ZERO)
    };
    let (mut member, mut joiner) = (new(0, &formed), new(1_600, &Arc::default()));
    let (mut now, mut effects) = (Time::ZERO, Effects::default());
    let join = Command::Join { peers: [addr(0)].into() };
    joiner.step(now, Input::Command { token: 1, command: &join }, &mut effects);
    // Nobody but the one member exists, and no stream opens.
    while joiner.view().phase() == Phase::Joining {
        now += Span::from_ms(50);
        assert!(now < Time::ZERO + config.join_timeout);
        let mut asked = Effects::default();
        joiner.step(now, Input::Timeout, &mut asked);
        for sent in &asked.datagrams {
            if asked.targets[sent.to.start as usize] != addr(0) {
                continue;
            }
            let mut answered = Effects::default();
            member.step(now, Input::Datagram { from: addr(1_600), packet: &sent.packet }, &mut answered);
            for reply in answered.datagrams {
                if answered.targets[reply.to.start as usize] == addr(1_600) {
                    let input = Input::Datagram { from: addr(0), packet: &reply.packet };
                    joiner.step(now, input, &mut effects);
                }
            }
        }
        effects.clear();
    }
    assert_eq!(joiner.view().members().len(), 1_601);
    assert_eq!(member.view().members().len(), 1_600, "who asks has not joined");
}
