//! How long lists of members become equal.

use crate::common::{addr, name};
use crate::law::{Law, Trial};
use heck_core::config::Config;
use heck_core::effects::Effects;
use heck_core::id::Boot;
use heck_core::input::Input;
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity, Node};
use heck_core::packet::{Packet, PacketKind};
use heck_core::recent::Recents;
use heck_core::repair::{Local, Repair, fill_request};
use heck_core::rng::{Seed, Stream};
use heck_core::state::{State, StateBase};
use heck_core::time::Time;
use proptest::prelude::*;
use std::sync::Arc;

pub const FEW_MEMBERS_TAKE_FEW_ROUNDS: Law = Law {
    name: "a node that has missed a few of thousands of members learns them in ten exchanges with one peer",
    seed: 130,
    cases: 6,
    check: few_members_take_few_rounds,
};

/// Members enough for groups that a reply has no room for.
const MEMBERS: usize = 3_000;

fn few_members_take_few_rounds(trial: &Trial) -> Result<(), String> {
    let missed = proptest::collection::btree_set(2..MEMBERS, 1..8);
    trial.for_all(&(any::<u64>(), missed), |(seed, missed), planted| {
        let config = Arc::new(Config { planted, ..Config::default() });
        let member = |at: usize| Member::new(name(&format!("node-{at}")), addr(at));
        let mut stale = Members::new((0..MEMBERS).map(member).collect());
        let mut fresh = stale.clone();
        missed.iter().for_each(|&at| fresh.put(member(at).in_life(Boot(7))));
        let base = Arc::new(Base { members: fresh.clone(), formed: true, ..Base::default() });
        let identity = Identity::new(name("node-0"), Boot(0), addr(0));
        let mut peer = Node::new(identity, config.clone(), &base, None, Seed(seed), Time::ZERO);

        let mut rng = Stream::new(Seed(seed), 1);
        let (state, recents) =
            (State::new(&StateBase::default(), config.retention, planted), Recents::new(8));
        let nobody = Members::new(Vec::new());
        let local =
            Local { state: &state, recents: &recents, config: &config, members: &nobody, now: Time::ZERO };
        let mut repair = Repair::new(&config, Time::ZERO, &mut rng);
        for _ in 0..10 {
            let mut request = Packet::default();
            request.reset(PacketKind::Request, member(1).node);
            let held = Local { members: &stale, ..local };
            fill_request(&mut repair, held, false, &mut rng, &mut request);
            let mut effects = Effects::default();
            peer.step(Time::ZERO, Input::Datagram { from: addr(1), packet: &request }, &mut effects);
            let reply =
                effects.datagrams.into_iter().find(|datagram| datagram.packet.kind == PacketKind::Reply);
            let reply = reply.expect("a request is answered").packet;
            for update in &reply.members {
                if let Some(card) = &update.card {
                    stale.put(Member::new(card.name.clone(), card.addr).in_life(update.life.boot));
                }
            }
            let is_awaited = repair.replied(&reply, Local { members: &stale, ..local });
            prop_assert!(is_awaited);
        }
        prop_assert_eq!(stale.hash(), fresh.hash());
        Ok(())
    })
}

#[test]
fn a_few_members_of_thousands_are_learned_in_a_few_exchanges() {
    FEW_MEMBERS_TAKE_FEW_ROUNDS.hold();
}
