//! What ownership promises: few origins move, loads are even and follow the weights, and every node that sees the
//! same members sees the same order. Each promise is a function of a way of hashing, and beside heck's way stands
//! one that breaks it. Bounds are five standard deviations of what chance gives, passed once in two million draws,
//! or the chi-square that is passed once in a thousand; seeds are fixed.

mod compare;
mod order;
mod vectors;
mod ways;

use heck_core::id::Name;
use heck_core::ownership::{Candidate, precedes};
use heck_core::settings::Weight;
use ways::{Way, by_place, by_remainder, heck, one_point_ring, product, unweighted};

const ORIGINS: usize = 10_000;

fn names(what: &str, count: usize) -> Vec<Name> {
    (0..count).map(|number| Name::new(&format!("{what}-{number}")).expect("a valid name")).collect()
}

fn candidates(nodes: &[Name]) -> Vec<Candidate<'_>> {
    nodes.iter().map(Candidate::new).collect()
}

fn weighted(nodes: &[Name], weights: impl IntoIterator<Item = u16>) -> Vec<Candidate<'_>> {
    let weigh = |(name, weight)| Candidate { weight: Weight(weight), ..Candidate::new(name) };
    nodes.iter().zip(weights).map(weigh).collect()
}

fn owners<'a>(way: Way, origins: &[Name], candidates: &[Candidate<'a>]) -> Vec<&'a Name> {
    let of = |origin| candidates[way(origin, candidates).expect("somebody has a weight")].name;
    origins.iter().map(of).collect()
}

fn loads(owners: &[&Name], nodes: &[Name]) -> Vec<usize> {
    nodes.iter().map(|node| owners.iter().filter(|owner| **owner == node).count()).collect()
}

fn moved(before: &[&Name], after: &[&Name]) -> usize {
    before.iter().zip(after).filter(|(before, after)| before != after).count()
}

/// Fails where a count lies five standard deviations or more from what [`ORIGINS`] draws with probability `p` give.
fn is_share(count: usize, p: f64) -> Result<(), String> {
    let n = ORIGINS as f64;
    let deviations = (count as f64 - n * p) / (n * p * (1.0 - p)).sqrt();
    if deviations.abs() < 5.0 {
        Ok(())
    } else {
        Err(format!("{count} of {n}: {deviations:.1} deviations off"))
    }
}

/// One in N moves when a node leaves, and nothing but what it owned.
fn leaving_moves_its_own(way: Way) -> Result<(), String> {
    let (nodes, origins) = (names("node", 50), names("origin", ORIGINS));
    let all = candidates(&nodes);
    let (before, after) = (owners(way, &origins, &all), owners(way, &origins, &all[1..]));
    let strangers = before.iter().zip(&after).filter(|(was, is)| was != is && **was != &nodes[0]).count();
    if strangers > 0 {
        return Err(format!("{strangers} origins of others move"));
    }
    is_share(moved(&before, &after), 1.0 / 50.0)
}

/// One in N moves when a node comes, all of it to that node, and from all others alike.
fn joining_takes_from_all_alike(way: Way) -> Result<(), String> {
    let (nodes, origins) = (names("node", 20), names("origin", ORIGINS));
    let all = candidates(&nodes);
    let (before, after) = (owners(way, &origins, &all[1..]), owners(way, &origins, &all));
    let elsewhere = before.iter().zip(&after).filter(|(was, is)| was != is && **is != &nodes[0]).count();
    if elsewhere > 0 {
        return Err(format!("{elsewhere} origins move between others"));
    }
    is_share(moved(&before, &after), 1.0 / 20.0)?;
    let mut gave = loads(&before, &nodes).into_iter().zip(loads(&after, &nodes)).skip(1);
    gave.try_for_each(|(before, after)| is_share(before - after, 1.0 / (19.0 * 20.0)))
}

/// The loads of equal nodes differ no more than chance makes them.
fn loads_are_even(way: Way) -> Result<(), String> {
    let (nodes, origins) = (names("node", 50), names("origin", ORIGINS));
    let loads = loads(&owners(way, &origins, &candidates(&nodes)), &nodes);
    let mean = ORIGINS as f64 / 50.0;
    let chi_square: f64 = loads.iter().map(|load| (*load as f64 - mean).powi(2) / mean).sum();
    // 49 degrees of freedom: 85.4 is passed once in a thousand times.
    if chi_square < 85.4 { Ok(()) } else { Err(format!("chi-square {chi_square:.1}: {loads:?}")) }
}

/// The share of a node is its weight's share of all weights, and without a weight it has none.
fn loads_follow_weights(way: Way) -> Result<(), String> {
    let (nodes, origins) = (names("node", 10), names("origin", ORIGINS));
    let weights = [0, 1, 2, 5, 10, 20, 50, 100, 200, 400];
    let loads = loads(&owners(way, &origins, &weighted(&nodes, weights)), &nodes);
    if loads[0] > 0 {
        return Err(format!("{} origins without a weight", loads[0]));
    }
    let sum = f64::from(weights.iter().sum::<u16>());
    let mut shares = loads.iter().zip(weights).skip(1);
    shares.try_for_each(|(load, weight)| is_share(*load, f64::from(weight) / sum))
}

/// A greater weight moves origins to that node alone, as many as its share grows by.
fn weight_moves_to_its_node(way: Way) -> Result<(), String> {
    let (nodes, origins) = (names("node", 20), names("origin", ORIGINS));
    let mut all = candidates(&nodes);
    let before = owners(way, &origins, &all);
    all[3].weight = Weight(150);
    let after = owners(way, &origins, &all);
    let elsewhere = before.iter().zip(&after).filter(|(was, is)| was != is && **is != &nodes[3]).count();
    if elsewhere > 0 {
        return Err(format!("{elsewhere} origins move between others"));
    }
    is_share(moved(&before, &after), 150.0 / 2_050.0 - 100.0 / 2_000.0)
}

/// Whoever lists the members, and in whatever order, finds the same owners.
fn lists_do_not_matter(way: Way) -> Result<(), String> {
    let (nodes, origins) = (names("node", 20), names("origin", ORIGINS));
    let mut listed = weighted(&nodes, (0..20).map(|node| 80 + 2 * node));
    let first = owners(way, &origins, &listed);
    listed.reverse();
    listed.rotate_left(7);
    match moved(&first, &owners(way, &origins, &listed)) {
        0 => Ok(()),
        others => Err(format!("{others} origins have two owners")),
    }
}

fn holds(promise: fn(Way) -> Result<(), String>, breaks_it: Way) {
    assert_eq!(promise(heck), Ok(()));
    assert!(promise(breaks_it).is_err(), "the test cannot fail");
}

#[test]
fn one_in_n_origins_moves_when_a_node_leaves_and_all_of_them_were_its_own() {
    holds(leaving_moves_its_own, by_remainder);
}

#[test]
fn one_in_n_origins_moves_when_a_node_comes_and_all_others_give_alike() {
    holds(joining_takes_from_all_alike, by_remainder);
    assert!(joining_takes_from_all_alike(one_point_ring).is_err(), "on a ring one neighbour gives all");
}

#[test]
fn loads_are_even_within_chance() {
    holds(loads_are_even, one_point_ring);
}

#[test]
fn loads_follow_the_weights() {
    holds(loads_follow_weights, product);
    assert!(loads_follow_weights(unweighted).is_err());
}

#[test]
fn a_new_weight_moves_origins_to_that_node_alone_and_as_many_as_it_adds() {
    holds(weight_moves_to_its_node, unweighted);
}

#[test]
fn the_order_of_the_list_of_members_does_not_matter() {
    holds(lists_do_not_matter, by_place);
}

#[test]
fn comparing_a_newcomer_with_each_owner_finds_what_it_takes_over() {
    let (nodes, origins) = (names("node", 20), names("origin", ORIGINS));
    let all = weighted(&nodes, (0..20).map(|node| 20 * (node % 7)));
    let newcomer = all[5];
    let without: Vec<Candidate<'_>> =
        all.iter().copied().filter(|other| other.name != newcomer.name).collect();
    for origin in &origins {
        let owner = without[heck(origin, &without).expect("most have a weight")];
        let takes = heck(origin, &all).map(|at| all[at].name) == Some(newcomer.name);
        assert_eq!(precedes(origin, &newcomer, &owner), takes, "{origin}");
        assert_eq!(precedes(origin, &owner, &newcomer), !takes, "{origin}");
        assert!(!precedes(origin, &all[0], &newcomer), "a node without a weight comes before nobody");
    }
}
