//! The whole order of an origin: who owns, who confirms, who takes over; in the cluster and in each zone.

use crate::{candidates, names, weighted};
use heck_core::entry::Scope;
use heck_core::id::Name;
use heck_core::ownership::{Candidate, confirmers, owner, priority, rendezvous_hash};
use heck_core::settings::{Scoping, Settings, Weight};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The order of an origin, by name.
type Order = fn(&Name, &[Candidate<'_>]) -> Vec<Name>;

fn heck_order(origin: &Name, seen: &[Candidate<'_>]) -> Vec<Name> {
    priority(origin, Scope::CLUSTER, seen).into_iter().map(|at| seen[at].name.clone()).collect()
}

/// The owner by heck's way, then the others by name: whoever follows the owner depends on who owns.
fn owner_then_names(origin: &Name, seen: &[Candidate<'_>]) -> Vec<Name> {
    let mut order = heck_order(origin, seen);
    if let Some((_, others)) = order.split_first_mut() {
        others.sort();
    }
    order
}

/// Whoever leaves, the others keep their order: the one to take over is known before.
fn others_keep_their_order(order: Order, weights: &[u16], origin: &Name, gone: usize) -> Result<(), String> {
    let nodes = names("node", weights.len());
    let mut seen = weighted(&nodes, weights.iter().copied());
    let before = order(origin, &seen);
    let left = seen.remove(gone % weights.len()).name;
    let expected: Vec<Name> = before.into_iter().filter(|name| name != left).collect();
    let after = order(origin, &seen);
    if after == expected { Ok(()) } else { Err(format!("{after:?} instead of {expected:?}")) }
}

#[test]
fn an_order_that_depends_on_who_owns_is_seen() {
    let origins = names("origin", 20);
    let broken = |origin: &Name| others_keep_their_order(owner_then_names, &[100; 10], origin, 3).is_err();
    assert!(origins.iter().any(broken), "the test cannot fail");
}

#[test]
fn nobody_owns_where_nobody_has_a_weight() {
    let (nodes, origin) = (names("node", 2), &names("origin", 1)[0]);
    let none = weighted(&nodes, [0, 0]);
    let scope = Scope::CLUSTER;
    assert_eq!((owner(origin, scope, &none), priority(origin, scope, &none)), (None, vec![]));
    assert!(confirmers(origin, scope, &none, 2).is_empty());
    assert_eq!(owner(origin, scope, &[]), None);
}

#[test]
fn each_zone_has_an_order_of_its_own_members_alone() {
    let (nodes, origins) = (names("node", 30), names("origin", 200));
    let zones = [Scope::of_zone(&names("zone", 2)[0]), Scope::of_zone(&names("zone", 2)[1]), Scope::NO_ZONE];
    let mut all = candidates(&nodes);
    for (at, candidate) in all.iter_mut().enumerate() {
        candidate.zone = zones[at % 3];
    }
    for origin in &origins {
        let whole = priority(origin, Scoping::Cluster.scope(zones[1]), &all);
        assert_eq!(whole.len(), 30);
        for zone in zones {
            let scope = Scoping::Zones.scope(zone);
            let own: Vec<usize> = whole.iter().copied().filter(|at| all[*at].zone == zone).collect();
            assert_eq!(priority(origin, scope, &all), own);
            assert_eq!(owner(origin, scope, &all), own.first().copied());
            assert_eq!(confirmers(origin, scope, &all, 2).as_slice(), &own[1..3]);
        }
    }
    assert_eq!(
        owner(&origins[0], Scope::of_zone(&names("zone", 3)[2]), &all),
        None,
        "a zone without members"
    );
}

#[test]
fn the_fingerprint_shows_any_setting_that_changes_owners_or_confirmers() {
    let nodes = names("node", 4);
    let weights =
        |weights: [u16; 4]| -> Vec<(&Name, Weight)> { nodes.iter().zip(weights.map(Weight)).collect() };
    let settings = Settings::default();
    let plain = settings.fingerprint(weights([100; 4]));
    let others = [
        Settings { scoping: Scoping::Zones, ..settings }.fingerprint(weights([100; 4])),
        Settings { confirmers: 3, ..settings }.fingerprint(weights([100; 4])),
        settings.fingerprint(weights([100, 100, 100, 50])),
        settings.fingerprint(weights([50, 100, 100, 100])),
        settings.fingerprint(weights([50, 100, 100, 50])),
        settings.fingerprint(weights([0, 100, 100, 100])),
    ];
    let mut all = others.to_vec();
    all.push(plain);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), others.len() + 1, "two settings look the same: {others:x?}");
    assert_eq!(plain, settings.fingerprint([]), "members of the default weight may come and go");
    let mut backwards = weights([50, 100, 7, 50]);
    let forwards = settings.fingerprint(backwards.iter().copied());
    backwards.reverse();
    assert_eq!(settings.fingerprint(backwards), forwards, "the order of the list shows");
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(82),
        failure_persistence: None,
        cases: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_view_with_the_same_members_has_the_same_order_and_confirmers(
        weights in proptest::collection::vec(0..300_u16, 1..30),
        origin in "[a-z0-9./:-]{1,40}",
        shift in any::<usize>(),
        count in 0_usize..8,
    ) {
        let (nodes, origin) = (names("node", weights.len()), Name::new(&origin).unwrap());
        let mut seen = weighted(&nodes, weights.iter().copied());
        let first = heck_order(&origin, &seen);
        prop_assert_eq!(first.len(), weights.iter().filter(|weight| **weight > 0).count());
        seen.reverse();
        seen.rotate_left(shift % weights.len());
        prop_assert_eq!(&heck_order(&origin, &seen), &first);
        let own = owner(&origin, Scope::CLUSTER, &seen).map(|at| seen[at].name);
        prop_assert_eq!(own, first.first());
        let asked: Vec<&Name> =
            confirmers(&origin, Scope::CLUSTER, &seen, count).into_iter().map(|at| seen[at].name).collect();
        prop_assert_eq!(asked, first.iter().skip(1).take(count).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_leaves_the_others_keep_their_order(
        weights in proptest::collection::vec(0..300_u16, 1..30),
        origin in "[a-z0-9./:-]{1,40}",
        gone in any::<usize>(),
    ) {
        let origin = Name::new(&origin).unwrap();
        prop_assert_eq!(others_keep_their_order(heck_order, &weights, &origin, gone), Ok(()));
    }

    #[test]
    fn with_equal_weights_the_greater_hash_comes_first(weight in 1..u16::MAX, origin in "[a-z]{1,10}") {
        let (nodes, origin) = (names("node", 20), Name::new(&origin).unwrap());
        let all = weighted(&nodes, [weight; 20]);
        let order = priority(&origin, Scope::CLUSTER, &all);
        let hashes: Vec<u64> = order.into_iter().map(|at| rendezvous_hash(&origin, &nodes[at])).collect();
        prop_assert!(hashes.is_sorted_by(|a, b| a >= b));
    }
}
