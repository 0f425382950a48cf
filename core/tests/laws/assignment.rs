//! The table of owners that is kept up to date change by change, against one computed anew.

use crate::common::{addr, name};
use crate::law::{Law, Trial};
use heck_core::entry::Scope;
use heck_core::id::{Name, NodeId};
use heck_core::member::{Member, Members, Standing};
use heck_core::mutant::Planted;
use heck_core::ownership::{Assignment, Eligible};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const ZONES: [Scope; 3] = [Scope::CLUSTER, Scope(7), Scope(8)];

/// What happens to members and origins.
#[derive(Clone, Debug)]
enum Step {
    Member {
        node: usize,
        standing: u8,
        weight: u16,
        zone: usize,
    },
    /// Counts no more, or again.
    Quarantine(usize),
    Add(usize),
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let weight = prop_oneof![Just(100_u16), Just(0), 1..300_u16];
    prop_oneof![
        4 => (0..14_usize, 0..4_u8, weight, 0..3_usize)
            .prop_map(|(node, standing, weight, zone)| Step::Member { node, standing, weight, zone }),
        1 => (0..14_usize).prop_map(Step::Quarantine),
        2 => (0..40_usize).prop_map(Step::Add),
        1 => (0..40_usize).prop_map(Step::Remove),
    ]
}

fn member(node: usize) -> Member {
    let zone = ZONES[1 + node % 2];
    Member { zone, ..Member::new(name(&format!("node-{node}")), addr(node)) }
}

fn origin(number: usize) -> Name {
    name(&format!("origin-{number}"))
}

pub const INCREMENTAL: Law = Law {
    name: "a table of owners that follows every change is the one that would be computed anew, and says what moved",
    seed: 110,
    cases: 60,
    check: incremental,
};

fn incremental(trial: &Trial) -> Result<(), String> {
    let scope = prop_oneof![Just(Scope::CLUSTER), Just(Scope(7))];
    let batches = prop::collection::vec(prop::collection::vec(step(), 1..5), 1..25);
    trial.for_all(&(scope, batches, 0..12_usize), |(scope, batches, shared), planted| {
        follow(scope, &batches, shared, planted)
    })
}

fn follow(scope: Scope, batches: &[Vec<Step>], shared: usize, planted: Planted) -> Result<(), TestCaseError> {
    let mut members = Members::new((0..10).map(member).collect());
    members.note_touched();
    let mut quarantined: BTreeSet<NodeId> = BTreeSet::new();
    let mut origins: BTreeSet<Name> = (0..shared).map(origin).collect();
    let names: Vec<Name> = origins.iter().cloned().collect();
    let all = |member: &Member| member.standing.is_live();
    let base = Eligible { members: &members, counts: &all }.owners(&names, scope);
    let mut table = Assignment::new(scope, base.clone(), planted);
    for batch in batches {
        let before: BTreeMap<Name, Option<NodeId>> =
            table.iter().map(|(origin, owner)| (origin.clone(), owner)).collect();
        let mut moved = Vec::new();
        let mut touched = Vec::new();
        for step in batch {
            match *step {
                Step::Member { node, standing, weight, zone } => {
                    let standing = Standing::from_u8(standing).expect("one of four");
                    members.put(Member { standing, weight, zone: ZONES[zone], ..member(node) });
                }
                Step::Quarantine(node) => {
                    let node = member(node).node;
                    if !quarantined.remove(&node) {
                        quarantined.insert(node);
                    }
                    touched.push(node);
                }
                Step::Add(number) => _ = origins.insert(origin(number)),
                Step::Remove(number) => _ = origins.remove(&origin(number)),
            }
        }
        let counts = |member: &Member| member.standing.is_live() && !quarantined.contains(&member.node);
        let eligible = Eligible { members: &members, counts: &counts };
        for gone in before.keys().filter(|name| !origins.contains(*name)) {
            moved.extend(table.forget(gone));
        }
        touched.extend(members.clone().take_touched());
        moved.extend(table.touch(&touched, eligible));
        for added in origins.iter().filter(|name| !before.contains_key(*name)) {
            moved.extend(table.settle(added, eligible));
        }
        let names: Vec<Name> = origins.iter().cloned().collect();
        let fresh = eligible.owners(&names, scope);
        let followed: Vec<(Name, Option<NodeId>)> =
            table.iter().map(|(origin, owner)| (origin.clone(), owner)).collect();
        prop_assert_eq!(&followed, &*fresh);
        let mut told = before;
        for change in moved {
            prop_assert_eq!(told.get(&change.origin).copied().flatten(), change.from);
            told.insert(change.origin, change.to);
        }
        told.retain(|name, _| origins.contains(name));
        origins.iter().for_each(|name| _ = told.entry(name.clone()).or_default());
        prop_assert_eq!(told.into_iter().collect::<Vec<_>>(), followed, "what was said to have moved");
        members.take_touched();
    }
    let shown = table.to_shared();
    table.rebase(Arc::default());
    prop_assert_eq!(&table.to_shared(), &shown);
    table.rebase(shown.clone());
    prop_assert_eq!((table.private_len(), table.to_shared()), (0, shown));
    Ok(())
}

#[test]
fn a_table_of_owners_that_follows_every_change_is_the_one_computed_anew() {
    INCREMENTAL.hold();
}

#[test]
fn a_table_holds_only_what_differs_from_the_one_that_nodes_share() {
    let mut members = Members::new((0..100).map(member).collect());
    members.note_touched();
    let names: BTreeSet<Name> = (0..1_000).map(origin).collect();
    let names: Vec<Name> = names.into_iter().collect();
    let all = |member: &Member| member.standing.is_live();
    let base = Eligible { members: &members, counts: &all }.owners(&names, Scope::CLUSTER);
    let mut table = Assignment::new(Scope::CLUSTER, base.clone(), Planted::NONE);
    let owned = base.iter().filter(|(_, owner)| *owner == Some(member(5).node)).count();
    members.put(Member { standing: Standing::Dead, ..member(5) });
    let touched = members.take_touched();
    let moved = table.touch(&touched, Eligible { members: &members, counts: &all });
    assert_eq!((moved.len(), table.private_len()), (owned, owned));
    members.put(member(5));
    let touched = members.take_touched();
    table.touch(&touched, Eligible { members: &members, counts: &all });
    assert_eq!((table.private_len(), table.to_shared()), (0, base));
}
