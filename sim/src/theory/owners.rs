//! Three ways to agree on an owner without asking anybody: how even they are, what moves when a node comes or goes, and
//! what a lookup costs.

use heck_core::entry::Scope;
use heck_core::id::Name;
use heck_core::ownership::{Candidate, Ring, modulo, owner};
use serde::Serialize;

/// A way to find an owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The hash of the origin modulo the number of nodes.
    Modulo,
    /// A ring of hashes with so many points for each node.
    Ring(u32),
    /// Rendezvous hashing, which heck uses.
    Rendezvous,
}

/// All ways of the table.
pub const WAYS: [Way; 4] = [Way::Modulo, Way::Ring(1), Way::Ring(100), Way::Rendezvous];
/// The sizes of the table.
pub const SIZES: [u32; 3] = [10, 100, 1_000];
/// Origins whose owners are looked up.
pub const ORIGINS: u32 = 20_000;

/// A row: one way at one size.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OwnersRow {
    /// Nodes.
    pub nodes: u32,
    /// The way.
    pub way: String,
    /// Origins of the node that has most, over the mean.
    pub greatest_over_mean: f64,
    /// Origins of the node that has fewest, over the mean.
    pub least_over_mean: f64,
    /// Percent of origins that move when the middle node leaves; its own have to, which are 100 / nodes on average.
    pub moved_on_leave_percent: f64,
    /// Percent of origins that move when a node joins; 100 / (nodes + 1) have to, on average.
    pub moved_on_join_percent: f64,
    /// Hashes of a lookup.
    pub hashes_per_lookup: u32,
    /// Hashes that are kept and searched.
    pub hashes_kept: u32,
}

impl Way {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Modulo => "modulo".to_owned(),
            Self::Ring(1) => "ring, 1 point a node".to_owned(),
            Self::Ring(points) => format!("ring, {points} points a node"),
            Self::Rendezvous => "rendezvous (heck)".to_owned(),
        }
    }

    /// The owner of each origin among these nodes, which come in any order.
    fn owners<'a>(self, origins: &[Name], nodes: &[&'a Name]) -> Vec<&'a Name> {
        let mut sorted = nodes.to_vec();
        sorted.sort_unstable();
        let nodes = sorted;
        let places: Vec<usize> = match self {
            Self::Modulo => {
                origins.iter().map(|origin| modulo::owner(origin, &nodes).unwrap_or_default()).collect()
            }
            Self::Ring(points) => {
                let ring = Ring::new(&nodes, points);
                origins.iter().map(|origin| ring.owner(origin).unwrap_or_default()).collect()
            }
            Self::Rendezvous => {
                let candidates: Vec<Candidate<'_>> = nodes.iter().map(|&name| Candidate::new(name)).collect();
                let of = |origin| owner(origin, Scope::CLUSTER, &candidates).unwrap_or_default();
                origins.iter().map(of).collect()
            }
        };
        places.into_iter().map(|place| nodes[place]).collect()
    }
}

fn names(what: &str, count: u32) -> Vec<Name> {
    let name = |number| Name::new(&format!("{what}-{number}"));
    (0..count).flat_map(name).collect()
}

/// The row of one way at one size.
#[must_use]
pub fn row(way: Way, nodes: u32) -> OwnersRow {
    let origins = names("origin", ORIGINS);
    let all = names("node", nodes + 1);
    let listed: Vec<&Name> = all.iter().take(nodes as usize).collect();
    let joined: Vec<&Name> = all.iter().collect();
    let gone = listed[nodes as usize / 2];
    let left: Vec<&Name> = listed.iter().copied().filter(|&name| name != gone).collect();
    let owners = way.owners(&origins, &listed);
    let moved = |after: &[&Name]| {
        let other = owners.iter().zip(after).filter(|(before, after)| before != after).count();
        100.0 * other as f64 / origins.len() as f64
    };
    let load = |node: &Name| owners.iter().filter(|owner| **owner == node).count() as f64;
    let loads: Vec<f64> = listed.iter().map(|node| load(node)).collect();
    let mean = origins.len() as f64 / f64::from(nodes);
    OwnersRow {
        nodes,
        way: way.name(),
        greatest_over_mean: loads.iter().copied().fold(0.0, f64::max) / mean,
        least_over_mean: loads.iter().copied().fold(f64::INFINITY, f64::min) / mean,
        moved_on_leave_percent: moved(&way.owners(&origins, &left)),
        moved_on_join_percent: moved(&way.owners(&origins, &joined)),
        hashes_per_lookup: if way == Way::Rendezvous { nodes } else { 1 },
        hashes_kept: if let Way::Ring(points) = way { nodes * points } else { 0 },
    }
}

/// The whole table.
#[must_use]
pub fn table() -> Vec<OwnersRow> {
    SIZES.iter().flat_map(|&nodes| WAYS.map(|way| row(way, nodes))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_to_move_moves_but_with_modulo() {
        for way in WAYS {
            let row = row(way, 10);
            if way == Way::Modulo {
                assert!(row.moved_on_leave_percent > 80.0 && row.moved_on_join_percent > 80.0, "{row:?}");
                continue;
            }
            let own = |share: f64| 100.0 * share / 10.0;
            assert!(row.moved_on_leave_percent <= own(row.greatest_over_mean) + 1e-9, "{row:?}");
            assert!(row.moved_on_leave_percent >= own(row.least_over_mean) - 1e-9, "{row:?}");
        }
        let rendezvous = row(Way::Rendezvous, 10);
        assert!((rendezvous.moved_on_join_percent - 100.0 / 11.0).abs() < 1.0, "{rendezvous:?}");
    }

    #[test]
    fn rendezvous_is_as_even_as_chance_and_a_ring_is_not() {
        let even = row(Way::Rendezvous, 100);
        // 200 origins a node: four standard deviations are 28 %.
        assert!(even.greatest_over_mean < 1.29 && even.least_over_mean > 0.71, "{even:?}");
        assert!(row(Way::Ring(1), 100).greatest_over_mean > 2.0);
    }
}
