//! Who is found dead, who is not, and how the living meet again.

use crate::common::{Cluster, Weather, addr, name};
use crate::law::{Law, Trial};
use heck_core::config::{Config, MembershipConfig};
use heck_core::effects::Event;
use heck_core::entry::Scope;
use heck_core::id::{Addr, Boot, NodeId};
use heck_core::input::Command;
use heck_core::member::Standing;
use heck_core::packet::{Card, MemberUpdate, Packet, PacketKind};
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::collections::BTreeSet;

pub fn formed(count: usize, loss_permille: u32, seed: u16, trial: &Config) -> Cluster {
    let weather = Weather { loss_permille, ..Weather::default() };
    Cluster::formed(count, trial.clone(), weather, u64::from(seed))
}

pub fn node(at: usize) -> NodeId {
    NodeId::of(&name(&format!("node-{at}")))
}

/// Who came to hold whom dead, and when.
pub fn deaths(cluster: &Cluster) -> Vec<(Time, usize, NodeId)> {
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

pub const SLOW_IS_NOT_DEAD: Law = Law {
    name: "answers that come as late as the timeout, now and then, make nobody dead in three minutes",
    seed: 83,
    cases: 4,
    check: slow_is_not_dead,
};

fn slow_is_not_dead(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let weather = Weather { loss_permille: 10, latency_us: (1_000, 300_000), ..Weather::default() };
        let config = Config { planted, ..Config::default() };
        let mut cluster = Cluster::formed(20, config, weather, u64::from(seed));
        cluster.run_for(Span::from_secs(180));
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

pub const COPIES_PART: Law = Law {
    name: "of two that run from copies of one disk, the one at the lower address keeps the name, and all hold both",
    seed: 83,
    cases: 8,
    check: copies_part,
};

fn copies_part(trial: &Trial) -> Result<(), String> {
    let inputs = (any::<u16>(), 0..=200_u32, any::<bool>(), any::<bool>());
    trial.for_all(&inputs, |(seed, loss_permille, at_lower, same_life), planted| {
        let (of, at) = if at_lower { (5, 2) } else { (2, 5) };
        let mut cluster = formed(8, loss_permille, seed, &Config { planted, ..Config::default() });
        cluster.run_for(Span::from_secs(20));
        cluster.crash(at);
        cluster.run_for(Span::from_secs(60));
        if same_life {
            cluster.crash(of);
            cluster.start(of, true);
        }
        cluster.start_copy(at, of, Boot(2));
        cluster.run_for(Span::from_secs(60));
        let names = |cluster: &Cluster| [2, 5].map(|at| cluster.node(at).view().name().clone());
        let shared = name(&format!("node-{of}"));
        let names = names(&cluster);
        prop_assert!(names[0] == shared && names[1] != shared, "{:?}", names);
        for other in cluster.running() {
            let held = |at: usize| other.view().members().get(NodeId::of(&names[at])).cloned();
            let (low, high) = (held(0).expect("the lower is held"), held(1).expect("the higher is held"));
            prop_assert_eq!((low.addr, high.addr), (addr(2), addr(5)));
            prop_assert!(low.standing.is_live() && high.standing.is_live());
        }
        let hashes: BTreeSet<u64> = cluster.running().map(|node| node.view().members().hash()).collect();
        prop_assert_eq!(hashes.len(), 1);
        Ok(())
    })
}

pub const COPIES_LEAVE: Law = Law {
    name: "who leaves yields its name to a copy that stays, and all agree about both",
    seed: 142,
    cases: 6,
    check: copies_leave,
};

fn copies_leave(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..=200_u32, any::<bool>()), |(seed, loss_permille, at_lower), planted| {
        let (of, at) = if at_lower { (5, 2) } else { (2, 5) };
        let config = Config { planted, fence_after: Span::from_secs(2), ..Config::default() };
        let mut cluster = formed(8, loss_permille, seed, &config);
        cluster.run_for(Span::from_secs(20));
        cluster.crash(at);
        // Nobody hears the original while the copy makes itself known.
        cluster.reachable = Box::new(move |a, b| a != of && b != of);
        cluster.start_copy(at, of, Boot(2));
        cluster.run_for(Span::from_secs(10));
        let key = name("written before it leaves");
        cluster.command(of, &Command::PutKey { name: key.clone(), value: [1].as_slice().into() });
        cluster.command(of, &Command::Leave);
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(90));
        let [left, stays] = [of, at].map(|at| cluster.node(at).view().name().clone());
        let shared = name(&format!("node-{of}"));
        prop_assert!(stays == shared && left != shared, "{} stays, {} leaves", stays, left);
        for other in cluster.running() {
            let held = |name| other.view().members().get(NodeId::of(name)).cloned();
            let held = held(&stays).expect("a member");
            prop_assert_eq!((held.addr, held.standing), (addr(at), Standing::Alive));
            prop_assert!(held.life.boot < Boot(8), "{:?}", held.life.boot);
            prop_assert!(other.view().key(&key).is_some(), "{} lacks what was written", other.view().name());
        }
        prop_assert!(cluster.agrees());
        Ok(())
    })
}

pub const MOVED_IS_NO_COPY: Law = Law {
    name: "who has moved to a higher address keeps its name, though others still know the lower one",
    seed: 153,
    cases: 4,
    check: moved_is_no_copy,
};

fn moved_is_no_copy(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let config = Config { planted, ..Config::default() };
        let mut cluster = Cluster::formed(4, config, Weather::default(), u64::from(seed));
        cluster.run_for(Span::from_secs(5));
        let held = cluster.node(0).view().members().get(node(0)).expect("itself").clone();
        let port = held.addr.port + 1_000;
        // Nobody hears where it is now, while it hears of where it was.
        cluster.passes = Box::new(|from, _, _, _| from != 0);
        let moves =
            Command::Describe { addr: Addr { port, ..held.addr }, zone: held.zone, weight: held.weight };
        cluster.command(0, &moves);
        let word = MemberUpdate {
            node: held.node,
            life: held.life,
            standing: Standing::Alive,
            age: Span::ZERO,
            accuser: held.node,
            card: Some(Card::of(&held)),
        };
        let mut ping = Packet::default();
        ping.reset(PacketKind::Ping, node(1));
        ping.members.push(word);
        cluster.datagram(1, 0, &ping);
        cluster.run_for(Span::from_ms(100));
        let renamed = cluster.events.iter().any(|(.., event)| matches!(event, Event::Renamed(_)));
        prop_assert!(!renamed, "it took another name");
        Ok(())
    })
}

#[test]
fn old_news_of_an_address_is_no_copy() {
    MOVED_IS_NO_COPY.hold();
}

#[test]
fn who_leaves_yields_its_name_to_a_copy() {
    COPIES_LEAVE.hold();
}

pub const THE_LAST_GOES_ON: Law = Law {
    name: "whoever hears from nobody holds nobody dead for a while that grows with the fleet, then all, and forgives them all",
    seed: 143,
    cases: 6,
    check: the_last_goes_on,
};

fn the_last_goes_on(trial: &Trial) -> Result<(), String> {
    let cases = (any::<u16>(), 0..=500_u32, 3..=6_usize, any::<bool>(), (1..=4_u32, 2..=20_u64));
    trial.for_all(&cases, |(seed, loss_permille, count, is_cut, (repair_fanout, tenths)), planted| {
        let repair_interval = Span::from_ms(100 * tenths);
        let config = Config { planted, repair_fanout, repair_interval, ..Config::default() };
        let mut cluster = formed(count, loss_permille, seed, &config);
        cluster.run_for(Span::from_secs(60));
        // To the one that is left it is all the same whether the others are gone or only out of reach.
        if is_cut {
            cluster.reachable = Box::new(|a, b| (a == 0) == (b == 0));
        } else {
            (1..count).for_each(|at| cluster.crash(at));
        }
        let buried = |cluster: &Cluster| deaths(cluster).iter().filter(|(_, at, _)| *at == 0).count();
        let suspected = |cluster: &Cluster| {
            let is_it = |event: &Event| matches!(event, Event::Member { standing: Standing::Suspect, .. });
            cluster.events.iter().filter(|(_, at, event)| *at == 0 && is_it(event)).count()
        };
        let before = suspected(&cluster);
        // Thirty seconds for each other one, and rounds come a little early or late.
        cluster.run_for(Span::from_secs(30 * (count as u64 - 1) - 4));
        prop_assert_eq!(suspected(&cluster), before, "as well it may be cut off itself");
        // A suspicion that nobody confirms takes 16 s, and whoever is in doubt is asked once in 10 s at least.
        cluster.run_for(Span::from_secs(4 + 16 + 10 + 5));
        prop_assert_eq!(buried(&cluster), count - 1);
        if is_cut {
            cluster.reachable = Box::new(|_, _| true);
        } else {
            (1..count).for_each(|at| cluster.start(at, true));
        }
        cluster.run_for(Span::from_secs(120));
        let live: Vec<usize> = cluster.running().map(|node| node.view().members().len()).collect();
        prop_assert_eq!(live, vec![count; count]);
        Ok(())
    })
}

#[test]
fn the_last_one_left_goes_on_alone() {
    THE_LAST_GOES_ON.hold();
}

pub const THE_CUT_OFF_BURY_NOBODY: Law = Law {
    name: "whoever suspects all others as it hears from nobody spares them once it hears from one",
    seed: 144,
    cases: 8,
    check: the_cut_off_bury_nobody,
};

fn the_cut_off_bury_nobody(trial: &Trial) -> Result<(), String> {
    let cases = (any::<u16>(), 0..=100_u32, 3..=6_usize, 11..=14_u64);
    trial.for_all(&cases, |(seed, loss_permille, count, late_s), planted| {
        let mut cluster = formed(count, loss_permille, seed, &Config { planted, ..Config::default() });
        cluster.run_for(Span::from_secs(60));
        cluster.reachable = Box::new(|a, b| (a == 0) == (b == 0));
        // All are suspected within ten seconds then, and not buried for sixteen. A single datagram gets through in between.
        cluster.run_for(Span::from_secs(30 * (count as u64 - 1) + late_s));
        let mut ping = Packet::default();
        ping.reset(PacketKind::Ping, node(1));
        cluster.datagram(1, 0, &ping);
        cluster.run_for(Span::from_secs(20));
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(90));
        let by_it = deaths(&cluster).into_iter().filter(|(_, at, _)| *at == 0).count();
        prop_assert_eq!(by_it, 0);
        let live: Vec<usize> = cluster.running().map(|node| node.view().members().len()).collect();
        prop_assert_eq!(live, vec![count; count]);
        Ok(())
    })
}

#[test]
fn who_was_cut_off_and_hears_from_one_buries_nobody() {
    THE_CUT_OFF_BURY_NOBODY.hold();
}

pub const THE_FORGOTTEN_STAY_DEAD: Law = Law {
    name: "no old news brings back who was buried and forgotten",
    seed: 84,
    cases: 4,
    check: the_forgotten_stay_dead,
};

fn forgetful() -> Config {
    let membership = MembershipConfig { reap_after: Span::from_secs(30), ..MembershipConfig::default() };
    Config { membership: Some(membership), ..Config::default() }
}

fn the_forgotten_stay_dead(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(any::<u16>(), 0..=300_u32), |(seed, loss_permille), planted| {
        let mut cluster = formed(8, loss_permille, seed, &Config { planted, ..forgetful() });
        cluster.run_for(Span::from_secs(20));
        let held = cluster.node(0).view().members().get(node(3)).expect("a member").clone();
        cluster.crash(3);
        cluster.run_for(Span::from_secs(90));
        let known = |cluster: &Cluster| {
            cluster.running().filter(|at| at.view().members().get(node(3)).is_some()).count()
        };
        prop_assert_eq!(known(&cluster), 0, "someone has not forgotten it");
        let mut packet = Packet::default();
        packet.reset(PacketKind::Ping, node(1));
        let (life, standing, accuser) = (held.life, Standing::Alive, node(3));
        let card = Some(Card::of(&held));
        packet.members.push(MemberUpdate { node: node(3), life, standing, age: Span::ZERO, accuser, card });
        cluster.datagram(1, 0, &packet);
        cluster.run_for(Span::from_secs(2));
        prop_assert_eq!(known(&cluster), 0);
        Ok(())
    })
}

#[test]
fn of_two_copies_one_takes_another_name() {
    COPIES_PART.hold();
}

#[test]
fn who_was_forgotten_stays_dead() {
    THE_FORGOTTEN_STAY_DEAD.hold();
}

#[test]
fn who_comes_back_with_an_old_list_hears_who_was_forgotten_meanwhile() {
    for seed in 0..3 {
        let mut cluster = formed(10, 300, seed, &forgetful());
        cluster.run_for(Span::from_secs(20));
        cluster.crash(5);
        cluster.crash(3);
        cluster.run_for(Span::from_secs(120));
        cluster.start(5, true);
        cluster.run_for(Span::from_secs(60));
        let lists: Vec<usize> = cluster.running().map(|node| node.view().members().len()).collect();
        assert_eq!(lists, [9; 9], "seed {seed}");
    }
}

#[test]
fn sides_that_have_forgotten_each_other_meet_again() {
    for seed in 0..3 {
        let mut cluster = formed(12, 50, seed, &forgetful());
        cluster.run_for(Span::from_secs(20));
        cluster.reachable = Box::new(|a, b| (a < 6) == (b < 6));
        cluster.run_for(Span::from_secs(150));
        let known = |cluster: &Cluster| -> Vec<usize> {
            cluster.running().map(|node| node.view().members().all().count()).collect()
        };
        assert_eq!(known(&cluster), [6; 12], "the sides have not forgotten each other");
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(40));
        let live: Vec<usize> = cluster.running().map(|node| node.view().members().len()).collect();
        assert_eq!(live, [12; 12]);
    }
}

#[test]
fn a_node_that_moves_is_found_at_its_new_address() {
    let mut cluster = formed(10, 100, 3, &Config::default());
    cluster.run_for(Span::from_secs(10));
    cluster.command(7, &Command::Leave);
    cluster.crash(3);
    cluster.run_for(Span::from_secs(5));
    cluster.crash(7);
    cluster.start_copy(7, 3, Boot(2));
    cluster.run_for(Span::from_secs(10));
    for other in cluster.running() {
        let held = other.view().members().get(node(3)).expect("a member").clone();
        assert_eq!((held.addr, held.standing), (addr(7), Standing::Alive));
    }
    assert_eq!(cluster.node(7).view().name(), &name("node-3"));
}

#[test]
fn what_a_node_says_of_itself_can_change_while_it_runs() {
    let mut cluster = formed(6, 100, 4, &Config::default());
    cluster.run_for(Span::from_secs(10));
    let zone = Scope::of_zone(&name("north"));
    cluster.command(2, &Command::Describe { addr: addr(2), zone, weight: 250 });
    cluster.run_for(Span::from_secs(5));
    for other in cluster.running() {
        let held = other.view().members().get(node(2)).expect("a member").clone();
        assert_eq!((held.zone, held.weight, held.life.incarnation), (zone, 250, 1));
    }
}

#[test]
fn a_stranger_joins_through_one_peer_and_knows_everyone_after_a_restart() {
    let mut cluster = formed(6, 100, 5, &Config::default());
    cluster.run_for(Span::from_secs(5));
    cluster.crash(5);
    cluster.run_for(Span::from_secs(30));
    cluster.start_stranger(5, &[0]);
    cluster.run_for(Span::from_secs(20));
    let live = |cluster: &Cluster| -> Vec<usize> {
        cluster.running().map(|node| node.view().members().len()).collect()
    };
    assert_eq!(live(&cluster), [6; 6]);
    cluster.crash(5);
    cluster.run_for(Span::from_secs(5));
    cluster.start_stranger(5, &[]);
    assert_eq!(cluster.node(5).view().members().len(), 6);
    cluster.run_for(Span::from_secs(10));
    assert_eq!(live(&cluster), [6; 6]);
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
fn who_answers_slowly_is_not_held_dead() {
    SLOW_IS_NOT_DEAD.hold();
}

#[test]
fn a_partition_heals_by_itself() {
    PARTITIONS_HEAL.hold();
}

#[test]
fn who_leaves_is_not_held_dead() {
    let mut cluster = formed(10, 100, 1, &Config::default());
    cluster.run_for(Span::from_secs(10));
    cluster.command(3, &Command::Leave);
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
