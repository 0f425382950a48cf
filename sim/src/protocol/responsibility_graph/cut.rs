//! The weakest places of a graph of responsibility, by name: the fewest arrows, and the fewest nodes, without which somebody
//! can no longer be reached from somebody.
//!
//! As few arrows part two nodes as there are ways between them that share no arrow, and as few other nodes as there are ways
//! that share no node (Menger): a maximum flow. For nodes, each is split in two with an arrow between, which alone can be
//! filled. Among cuts of the same size the first pair of nodes decides, and for that pair the cut that is nearest to its first
//! node, of which there is one: so the names are the same in every run.

use petgraph::algo::ford_fulkerson;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use super::graph::directed;

/// The fewest of something without which somebody can no longer be reached from somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut<T> {
    /// What is taken away, ascending.
    pub without: Vec<T>,
    /// From this node,
    pub from: u32,
    /// nothing gets to that one any more.
    pub to: u32,
}

/// The fewest arrows, each from whom to whom; none where there is one node.
#[must_use]
pub fn fewest_arrows(graph: &[Vec<u32>]) -> Option<Cut<(u32, u32)>> {
    let network = directed(graph, |_, _| true);
    let mut best: Option<Cut<(u32, u32)>> = None;
    // Whatever is parted, node 0 is on one side of it.
    for other in 1..graph.len() as u32 {
        for (from, to) in [(0, other), (other, 0)] {
            let most = best.as_ref().map_or(usize::MAX, |best| best.without.len());
            if let Some(filled) = smaller_cut(&network, from, to, most) {
                let ends = filled.into_iter().filter_map(|arrow| network.edge_endpoints(arrow));
                let ends = ends.map(|(from, to)| (from.index() as u32, to.index() as u32));
                best = Some(Cut { without: ascending(ends), from, to });
            }
        }
    }
    best
}

/// The fewest nodes other than the two that are parted; none where everybody is responsible for everybody.
#[must_use]
pub fn fewest_nodes(graph: &[Vec<u32>]) -> Option<Cut<u32>> {
    let network = split(graph);
    let nodes = graph.len() as u32;
    let is_responsible = |node: u32, child: u32| graph[node as usize].contains(&child);
    let mut best: Option<Cut<u32>> = None;
    for first in 0..nodes {
        let size = |best: &Option<Cut<u32>>| best.as_ref().map_or(usize::MAX, |best| best.without.len());
        // Of more nodes than are in a smallest cut one is outside of it, so it is on one side of what is parted.
        if first as usize > size(&best) {
            break;
        }
        for other in (0..nodes).filter(|&other| other != first) {
            for (from, to) in [(first, other), (other, first)] {
                if is_responsible(from, to) {
                    continue;
                }
                if let Some(filled) = smaller_cut(&network, 2 * from + 1, 2 * to, size(&best)) {
                    let halves = filled.into_iter().filter_map(|arrow| network.edge_endpoints(arrow));
                    let without = ascending(halves.map(|(half, _)| half.index() as u32 / 2));
                    best = Some(Cut { without, from, to });
                }
            }
        }
    }
    best
}

fn ascending<T: Ord>(of: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = of.collect();
    all.sort_unstable();
    all
}

/// Every node in two: what comes goes into `2 * node` and leaves from `2 * node + 1`.
fn split(graph: &[Vec<u32>]) -> DiGraph<(), u32> {
    let nodes = graph.len() as u32;
    let halves = (0..nodes).map(|node| (2 * node, 2 * node + 1, 1));
    let arrows = (0..)
        .zip(graph)
        .flat_map(|(node, children)| children.iter().map(move |&child| (2 * node + 1, 2 * child, nodes)));
    DiGraph::from_edges(halves.chain(arrows))
}

/// The arrows of the smallest cut between two nodes that is nearest to the first, if they carry less than `most`.
fn smaller_cut(network: &DiGraph<(), u32>, from: u32, to: u32, most: usize) -> Option<Vec<EdgeIndex>> {
    let (from, to) = (NodeIndex::new(from as usize), NodeIndex::new(to as usize));
    let (flow, flows) = ford_fulkerson(network, from, to);
    if flow as usize >= most {
        return None;
    }
    // Where more could still flow to: along what is not filled, and back along what carries something.
    let mut is_near = vec![false; network.node_count()];
    is_near[from.index()] = true;
    let mut waiting = vec![from];
    while let Some(node) = waiting.pop() {
        let ahead = network.edges(node).filter(|arrow| flows[arrow.id().index()] < *arrow.weight());
        let back = network.edges_directed(node, petgraph::Direction::Incoming);
        let back = back.filter(|arrow| flows[arrow.id().index()] > 0).map(|arrow| arrow.source());
        for next in ahead.map(|arrow| arrow.target()).chain(back) {
            if !std::mem::replace(&mut is_near[next.index()], true) {
                waiting.push(next);
            }
        }
    }
    let is_filled = |arrow: &petgraph::graph::EdgeReference<'_, u32>| {
        is_near[arrow.source().index()] && !is_near[arrow.target().index()]
    };
    Some(network.edge_references().filter(is_filled).map(|arrow| arrow.id()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::responsibility_graph::graph::{Shape, responsibilities};
    use heck_core::rng::{Seed, Stream};

    /// Whether `to` can be reached from `from` without some arrows and nodes.
    fn reaches(graph: &[Vec<u32>], from: u32, to: u32, arrows: &[(u32, u32)], nodes: &[u32]) -> bool {
        let mut seen = vec![false; graph.len()];
        let mut waiting = vec![from];
        while let Some(node) = waiting.pop() {
            if node == to {
                return true;
            }
            for &child in &graph[node as usize] {
                let is_open = !arrows.contains(&(node, child)) && !nodes.contains(&child);
                if is_open && !std::mem::replace(&mut seen[child as usize], true) {
                    waiting.push(child);
                }
            }
        }
        false
    }

    /// Whether somebody outside of `nodes` cannot be reached from somebody outside of them.
    fn falls_apart(graph: &[Vec<u32>], arrows: &[(u32, u32)], nodes: &[u32]) -> bool {
        let left: Vec<u32> = (0..graph.len() as u32).filter(|node| !nodes.contains(node)).collect();
        let one_way = |from, to| reaches(graph, from, to, arrows, nodes);
        left.iter().any(|&other| !one_way(left[0], other) || !one_way(other, left[0]))
    }

    /// All ways to take so many of them.
    fn choices<T: Copy>(of: &[T], count: usize) -> Vec<Vec<T>> {
        if count == 0 {
            return vec![Vec::new()];
        }
        let with = |(place, &one): (usize, &T)| {
            let rest = choices(&of[place + 1..], count - 1);
            rest.into_iter().map(move |mut rest| {
                rest.push(one);
                rest
            })
        };
        of.iter().enumerate().flat_map(with).collect()
    }

    fn all_arrows(graph: &[Vec<u32>]) -> Vec<(u32, u32)> {
        (0..).zip(graph).flat_map(|(from, to)| to.iter().map(move |&to| (from, to))).collect()
    }

    /// A cut does what it says, and nothing smaller does.
    fn assert_smallest(graph: &[Vec<u32>], what: &str) {
        let arrows = all_arrows(graph);
        let cut = fewest_arrows(graph).expect("two nodes");
        assert!(
            cut.without.is_sorted() && cut.without.iter().all(|arrow| arrows.contains(arrow)),
            "{what}: {cut:?}"
        );
        assert!(!reaches(graph, cut.from, cut.to, &cut.without, &[]), "{what}: {cut:?}");
        for fewer in (0..cut.without.len()).flat_map(|count| choices(&arrows, count)) {
            assert!(!falls_apart(graph, &fewer, &[]), "{what}: {fewer:?} do, and {cut:?} is told");
        }
        let all: Vec<u32> = (0..graph.len() as u32).collect();
        let most = match fewest_nodes(graph) {
            Some(cut) => {
                assert!(cut.without.is_sorted() && !cut.without.contains(&cut.from), "{what}: {cut:?}");
                assert!(!cut.without.contains(&cut.to) && cut.from != cut.to, "{what}: {cut:?}");
                assert!(!reaches(graph, cut.from, cut.to, &[], &cut.without), "{what}: {cut:?}");
                cut.without.len()
            }
            None => graph.len(),
        };
        for fewer in (0..most).flat_map(|count| choices(&all, count)) {
            assert!(!falls_apart(graph, &[], &fewer), "{what}: {fewer:?} do, and {most} are told");
        }
    }

    /// A, B, D, E, F, C.
    #[test]
    fn in_the_graph_of_the_slides_whoever_is_responsible_for_two_is_cut_off_with_these_two() {
        let graph = responsibilities(Shape::Slides, 2, &[0; 6], Seed(1));
        let [a, b, d, e] = [0, 1, 2, 3];
        assert_eq!(fewest_arrows(&graph), Some(Cut { without: vec![(a, b), (a, d)], from: a, to: b }));
        assert_eq!(fewest_nodes(&graph), Some(Cut { without: vec![d, e], from: b, to: a }));
    }

    #[test]
    fn a_bridge_is_an_arrow_and_both_of_its_ends_are_nodes_that_part_the_graph() {
        // Two triangles in which everybody knows everybody; 2 and 3 remind each other.
        let graph = [vec![1, 2], vec![0, 2], vec![0, 1, 3], vec![2, 4, 5], vec![3, 5], vec![3, 4]];
        assert_eq!(fewest_arrows(&graph), Some(Cut { without: vec![(2, 3)], from: 0, to: 3 }));
        assert_eq!(fewest_nodes(&graph), Some(Cut { without: vec![2], from: 0, to: 3 }));
    }

    #[test]
    fn where_everybody_reminds_everybody_no_nodes_part_the_rest() {
        let graph: Vec<Vec<u32>> =
            (0..5).map(|node| (0..5).filter(|&other| other != node).collect()).collect();
        assert_eq!(fewest_arrows(&graph).map(|cut| cut.without.len()), Some(4));
        assert_eq!(fewest_nodes(&graph), None);
        assert_eq!((fewest_arrows(&[vec![]]), fewest_nodes(&[vec![]])), (None, None));
    }

    #[test]
    fn what_has_fallen_apart_needs_nothing_taken_away() {
        let graph = [vec![1], vec![0], vec![0]];
        assert_eq!(fewest_arrows(&graph), Some(Cut { without: vec![], from: 0, to: 2 }));
        assert_eq!(fewest_nodes(&graph), Some(Cut { without: vec![], from: 0, to: 2 }));
    }

    #[test]
    fn no_fewer_arrows_or_nodes_part_a_small_graph_than_are_named() {
        let mut stream = Stream::new(Seed(11), 1);
        for round in 0..150 {
            let nodes = 2 + stream.below(4);
            let percent = 20 + stream.below(80);
            let graph: Vec<Vec<u32>> = (0..nodes)
                .map(|node| (0..nodes).filter(|&to| to != node && stream.below(100) < percent).collect())
                .collect();
            assert_smallest(&graph, &format!("round {round}, {graph:?}"));
        }
        for seed in 1..6 {
            for shape in [Shape::Slides, Shape::Random, Shape::Zones] {
                let graph = responsibilities(shape, 2, &[0, 0, 0, 1, 1, 2, 2, 2], Seed(seed));
                assert_smallest(&graph, &format!("{shape:?}, seed {seed}, {graph:?}"));
            }
        }
    }
}
