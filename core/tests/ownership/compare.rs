//! The other two ways of hashing beside heck's: how many origins move, and how even the loads are.

use crate::ways::heck;
use crate::{ORIGINS, candidates, is_share, loads, names, owners};
use heck_core::id::Name;
use heck_core::ownership::{Ring, modulo};

#[test]
fn hashing_by_remainder_moves_nearly_all_origins_and_a_ring_one_in_n() {
    let (nodes, origins) = (names("node", 50), names("origin", ORIGINS));
    let nodes: Vec<&Name> = nodes.iter().collect();
    let by_modulo = |nodes: &[&Name]| -> Vec<usize> {
        origins.iter().filter_map(|origin| modulo::owner(origin, nodes)).collect()
    };
    let same = by_modulo(&nodes).iter().zip(by_modulo(&nodes[..49])).filter(|(a, b)| **a == *b).count();
    assert_eq!(is_share(ORIGINS - same, 49.0 / 50.0), Ok(()));

    let (before, after) = (Ring::new(&nodes, 100), Ring::new(&nodes[..49], 100));
    let moves: Vec<usize> = origins
        .iter()
        .filter_map(|origin| before.owner(origin).filter(|owner| after.owner(origin) != Some(*owner)))
        .collect();
    assert!(moves.iter().all(|owner| *owner == 49), "others than those of the node that left move");
    // The share of a node with 100 points varies by a tenth of itself: five of those to each side.
    assert!((100..300).contains(&moves.len()), "{} of {ORIGINS} move", moves.len());
}

#[test]
fn a_ring_is_less_even_than_rendezvous_and_the_remainder_as_even() {
    let (nodes, origins) = (names("node", 50), names("origin", ORIGINS));
    let listed: Vec<&Name> = nodes.iter().collect();
    let ring = Ring::new(&listed, 100);
    let of_ring: Vec<&Name> =
        origins.iter().map(|origin| listed[ring.owner(origin).expect("a node")]).collect();
    let of_modulo: Vec<&Name> =
        origins.iter().map(|origin| listed[modulo::owner(origin, &listed).expect("a node")]).collect();
    let variance = |owners: &[&Name]| -> f64 {
        let mean = ORIGINS as f64 / 50.0;
        loads(owners, &nodes).into_iter().map(|load| (load as f64 - mean).powi(2)).sum::<f64>() / 50.0
    };
    let all = candidates(&nodes);
    let of_heck = owners(heck, &origins, &all);
    // Chance alone gives a variance of 196; 100 points a node add (200 / 10)² = 400.
    let (by_heck, by_ring, by_modulo) = (variance(&of_heck), variance(&of_ring), variance(&of_modulo));
    assert!(by_heck < 350.0 && by_modulo < 350.0, "{by_heck} and {by_modulo}");
    assert!(by_ring > 1.5 * by_heck, "{by_ring} against {by_heck}");
    assert_eq!(Ring::new(&[], 100).owner(&origins[0]), None);
    assert_eq!(modulo::owner(&origins[0], &[]), None);
}
