//! Graphs of responsibility, and what splits them.
//!
//! A message that a node does not get from its publisher comes from one that is responsible for it and has it. So a
//! message can be brought to everybody after the broadcast if from every node every other can be reached along the arrows;
//! failures that break this are cut sets, and [`super::cut`] names the smallest.

use heck_core::rng::{Seed, Stream};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// How a graph is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// The slides give A→B, A→D, B→D, B→E. Completed: in the order A, B, D, E, F, C each is responsible for the next
    /// ones, around. Nodes in the order of their index.
    Slides,
    /// The union of random circles through all nodes, one for each responsibility: a random regular graph, with as many
    /// arrows to each node as from it. A circle that repeats an arrow is drawn again; only where next to everybody is
    /// responsible for everybody, repeated arrows are left and count once.
    Random,
    /// One arrow within the zone, the others to the next zones; a zone of one node has none within.
    Zones,
}

/// Draws of random graphs, far from those of nodes.
const GRAPH_STREAM: u64 = u64::from_be_bytes(*b"\0\0\0graph");

/// So often a circle is drawn again.
const REDRAWS: u32 = 10_000;

fn random_circle(nodes: u32, stream: &mut Stream) -> Vec<u32> {
    let mut circle: Vec<u32> = (0..nodes).collect();
    for place in (1..nodes).rev() {
        circle.swap(place as usize, stream.below(place + 1) as usize);
    }
    circle
}

/// Each node of a circle with the one behind it.
fn circle_arrows(circle: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    circle.iter().copied().zip(circle.iter().copied().cycle().skip(1))
}

/// For whom each node is responsible, ascending.
#[must_use]
pub fn responsibilities(shape: Shape, degree: u32, zones: &[u16], seed: Seed) -> Vec<Vec<u32>> {
    let nodes = zones.len() as u32;
    let mut graph = vec![Vec::new(); nodes as usize];
    match shape {
        Shape::Slides => {
            for (node, children) in (0..).zip(&mut graph) {
                children.extend((1..=degree.min(nodes - 1)).map(|step| (node + step) % nodes));
            }
        }
        Shape::Random => {
            let mut stream = Stream::new(seed, GRAPH_STREAM);
            for _ in 0..degree {
                let mut circle = random_circle(nodes, &mut stream);
                for _ in 0..REDRAWS {
                    if circle_arrows(&circle).all(|(from, to)| !graph[from as usize].contains(&to)) {
                        break;
                    }
                    circle = random_circle(nodes, &mut stream);
                }
                circle_arrows(&circle).for_each(|(from, to)| graph[from as usize].push(to));
            }
        }
        Shape::Zones => {
            let last = zones.iter().copied().max().unwrap_or_default();
            let members: Vec<Vec<u32>> = (0..=last)
                .map(|zone| (0..nodes).filter(|&node| zones[node as usize] == zone).collect())
                .collect();
            for (node, children) in (0..nodes).zip(&mut graph) {
                let zone = usize::from(zones[node as usize]);
                let own = &members[zone];
                let place = own.iter().position(|&other| other == node).unwrap_or_default();
                children.push(own[(place + 1) % own.len()]);
                for step in 1..degree as usize {
                    let next = &members[(zone + step) % members.len()];
                    children.push(next[(place + step) % next.len()]);
                }
            }
        }
    }
    for (node, children) in (0..).zip(&mut graph) {
        children.sort_unstable();
        children.dedup();
        children.retain(|&child| child != node);
    }
    graph
}

/// The graph with only the arrows that `works` leaves.
pub(super) fn directed(graph: &[Vec<u32>], works: impl Fn(u32, u32) -> bool) -> DiGraph<(), u32> {
    let arrows = (0..).zip(graph).flat_map(|(from, children)| children.iter().map(move |&to| (from, to)));
    let mut directed = DiGraph::with_capacity(graph.len(), 0);
    graph.iter().for_each(|_| {
        directed.add_node(());
    });
    for (from, to) in arrows.filter(|&(from, to)| works(from, to)) {
        directed.add_edge(NodeIndex::new(from as usize), NodeIndex::new(to as usize), 1);
    }
    directed
}

/// Into how many parts the graph falls where only some arrows work: within a part everybody can be reached from
/// everybody, and 1 is a whole graph.
#[must_use]
pub fn parts(graph: &[Vec<u32>], works: impl Fn(u32, u32) -> bool) -> usize {
    kosaraju_scc(&directed(graph, works)).len()
}

#[cfg(test)]
mod tests {
    use super::super::cut::fewest_arrows;
    use super::*;

    fn smallest_cut(graph: &[Vec<u32>]) -> u32 {
        fewest_arrows(graph).map_or(0, |cut| cut.without.len() as u32)
    }

    /// A, B, D, E, F, C.
    fn slides() -> Vec<Vec<u32>> {
        responsibilities(Shape::Slides, 2, &[0; 6], Seed(1))
    }

    #[test]
    fn the_graph_of_the_slides_has_the_arrows_that_they_draw() {
        let graph = slides();
        let [a, b, d, e] = [0, 1, 2, 3];
        assert_eq!(graph[a], [b as u32, d as u32], "A is responsible for both B and D");
        assert_eq!(graph[b], [d as u32, e as u32], "B is responsible for D and E");
    }

    #[test]
    fn two_failed_paths_split_the_graph_of_the_slides_and_one_does_not() {
        let graph = slides();
        assert_eq!(smallest_cut(&graph), 2);
        for from in 0..6 {
            for to in 0..6 {
                assert_eq!(parts(&graph, |a, b| (a, b) != (from, to)), 1);
            }
        }
        assert!(parts(&graph, |_, to| to != 3) > 1, "nobody reaches E");
    }

    #[test]
    fn more_responsibility_takes_larger_cuts() {
        let zones: Vec<u16> = (0..40).map(|node| node / 10).collect();
        let cuts = |degree| {
            [Shape::Slides, Shape::Random, Shape::Zones]
                .map(|shape| smallest_cut(&responsibilities(shape, degree, &zones, Seed(3))))
        };
        let mut fewer = cuts(2);
        for degree in 3..5 {
            let more = cuts(degree);
            assert_eq!(more[..2], [degree, degree], "nothing less than all arrows to or from a node");
            // Arrows within a zone and between zones are few, so the cut may lie between two zones.
            assert!(more[2] > 0 && more[2] <= degree && more[2] >= fewer[2], "{fewer:?} {more:?}");
            fewer = more;
        }
        assert!(fewer[2] > cuts(2)[2], "zones: {:?} with two each, {fewer:?} with four", cuts(2));
    }

    #[test]
    fn a_random_graph_has_as_many_arrows_to_each_node_as_from_it() {
        for seed in 1..20 {
            let graph = responsibilities(Shape::Random, 4, &[0; 100], Seed(seed));
            for node in 0..100 {
                let to = graph.iter().filter(|children| children.contains(&node)).count();
                assert_eq!((graph[node as usize].len(), to), (4, 4), "seed {seed}, node {node}");
            }
        }
    }

    #[test]
    fn a_circle_of_zones_falls_apart_with_one_of_them_and_two_ways_out_of_each_hold_the_others_together() {
        let zones: Vec<u16> = (0..40).map(|node| node / 10).collect();
        let is_whole = |from: u32, to: u32| (zones[from as usize] == 0) == (zones[to as usize] == 0);
        for (degree, expected) in [(2, 4), (3, 2)] {
            let graph = responsibilities(Shape::Zones, degree, &zones, Seed(3));
            assert_eq!(parts(&graph, |_, _| true), 1);
            assert_eq!(parts(&graph, is_whole), expected, "{degree}");
        }
    }
}
