//! What is claimed of an origin while several entries of it are about.

use crate::common::{Cluster, Weather, name};
use crate::law::{Law, Trial};
use crate::owners::{UP, node, origin, settings, understates, warm, weigh};
use heck_core::config::Config;
use heck_core::effects::Event;
use heck_core::entry::{Body, Claim, Entry, Hold, OriginSpec};
use heck_core::id::{Dot, Store};
use heck_core::input::Command;
use heck_core::packet::PacketKind;
use heck_core::state::Change;
use heck_core::time::Span;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const EVERY: Span = Span::from_ms(500);

fn put(cluster: &mut Cluster, at: usize, number: usize, target: &str) {
    let spec = OriginSpec::new(target).with(|policy| {
        (policy.interval, policy.fast_interval, policy.timeout) = (EVERY, EVERY, Span::from_ms(100));
    });
    cluster.command(at, &Command::PutOrigin { name: origin(number), spec, source: name("test") });
}

/// The live entries of one store about an origin, as what a node has told of its changes leaves them.
fn live(cluster: &Cluster, at: usize, store: Store, number: usize) -> BTreeMap<Dot, Arc<Entry>> {
    let mut entries = BTreeMap::new();
    for event in cluster.events.iter().filter(|(_, by, _)| *by == at).map(|(_, _, event)| event) {
        match event {
            Event::Changed(Change::Learned(entry)) => _ = entries.insert(entry.dot, entry.clone()),
            Event::Changed(Change::Dropped(entry)) => _ = entries.remove(&entry.dot),
            _ => {}
        }
    }
    entries.retain(|dot, entry| {
        let is_about = match &entry.body {
            Body::Claim(Claim { origin: about, .. }) | Body::Origin { name: about, .. } => {
                *about == origin(number)
            }
            _ => false,
        };
        dot.lane.store == store && is_about
    });
    entries
}

pub const ONE_COUNTS: Law = Law {
    name: "of an origin that was added on both sides of a cut, nothing is vouched for but what counts",
    seed: 151,
    cases: 4,
    check: one_counts,
};

fn one_counts(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let weather = Weather { loss_permille: 0, ..Weather::default() };
        let mut cluster = warm(4, 0, weather, seed, &settings(planted));
        cluster.reachable = Box::new(|a, b| a != 3 && b != 3);
        (0..12).for_each(|number| put(&mut cluster, number % 3, number, "http://here/"));
        cluster.run_for(Span::from_secs(3));
        (0..12).for_each(|number| put(&mut cluster, 3, number, "http://there/"));
        cluster.run_for(Span::from_ms(100));
        cluster.reachable = Box::new(|_, _| true);
        cluster.run_for(Span::from_secs(30));
        prop_assert!(cluster.agrees());
        for number in 0..12 {
            prop_assert_eq!(
                live(&cluster, 0, Store::Registry, number).len(),
                2,
                "both are there: {}",
                number
            );
            let counts = cluster.node(0).view().origin(&origin(number)).expect("it is there").dot.into();
            for entry in live(&cluster, 0, Store::Health, number).values() {
                let claim = entry.claim().expect("a claim");
                let is_idle = claim.generation != counts;
                prop_assert!(!is_idle || claim.hold == Hold::Released, "{}: {:?}", number, claim);
            }
        }
        Ok(())
    })
}

#[test]
fn of_two_entries_of_an_origin_the_one_that_counts_is_vouched_for() {
    ONE_COUNTS.hold();
}

pub const MISSED_BETWEEN: Law = Law {
    name: "no node takes a check to be younger than it is, though it has missed an edit between two others",
    seed: 152,
    cases: 12,
    check: missed_between,
};

fn missed_between(trial: &Trial) -> Result<(), String> {
    trial.for_all(&any::<u16>(), |seed, planted| {
        let weather = Weather { loss_permille: 0, ..Weather::default() };
        let config = Config { heartbeat: Some(Span::from_ms(300)), ..settings(planted) };
        let mut cluster = Cluster::formed(6, config, weather, u64::from(seed));
        cluster.origins = Box::new(|_, _, _| UP);
        // The greatest entry counts of those that are live, so what the greatest name wrote hides what others write after it.
        let greatest = (0..6).max_by_key(|at| node(*at)).expect("there are six");
        let editor = |step: usize| (greatest + step) % 6;
        let all = |cluster: &mut Cluster, by: usize, what: String| {
            (0..60).for_each(|number| put(cluster, by, number, &format!("http://{what}/")));
        };
        let away = editor(3);
        let patience = Span::from_ms(2 * 500 + 100 + 250);
        for round in 0..4 {
            all(&mut cluster, greatest, format!("first-{round}"));
            cluster.run_for(Span::from_secs(15));
            cluster.reachable = Box::new(move |a, b| a != away && b != away);
            all(&mut cluster, editor(1), format!("second-{round}"));
            cluster.run_for(Span::from_ms(60));
            // From here on everything arrives but what repair would bring.
            cluster.reachable = Box::new(|_, _| true);
            cluster.passes = Box::new(move |_, to, packet, _| to != away || packet.kind != PacketKind::Reply);
            all(&mut cluster, editor(2), format!("third-{round}"));
            cluster.run_for(Span::from_secs(1));
            weigh(&mut cluster, editor(1), if round % 2 == 0 { 60_000 } else { 1 });
            for _ in 0..100 {
                cluster.run_for(Span::from_ms(50));
                understates(&cluster, patience)?;
            }
            cluster.passes = Box::new(|_, _, _, _| true);
        }
        Ok(())
    })
}

#[test]
fn what_an_edit_replaced_that_did_not_arrive_is_not_vouched_for() {
    MISSED_BETWEEN.hold();
}
