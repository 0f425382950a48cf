//! How old the answers are that nodes give, and how many of them are stale: a sample of what clients would be told.

use heck_core::effects::Phase;
use heck_core::id::Name;
use heck_core::node::Node;
use heck_core::time::Time;

use super::setup::origin_name;
use crate::report::answers::Answers;

/// Most answers that are looked at in a step of a tenth of a second, in the whole fleet. What a thousand a second cost is
/// less than what the times of a run of 1,000 nodes differ by.
const ANSWERS_PER_STEP: u64 = 100;
/// Steps in a second: no answer is looked at more often than once a second.
const STEPS_PER_SECOND: u64 = 10;

/// Looks at the answers of all nodes about all origins in turn, each of them another one in one turn over the nodes.
#[derive(Debug)]
pub struct Sampling {
    names: Vec<Name>,
    nodes: u32,
    /// Number of the pair of a node and an origin that is next.
    next: u64,
    answers: Answers,
}

/// One node and what it is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Index of the node.
    pub node: u32,
    /// Number of the origin.
    pub origin: u32,
}

impl Sampling {
    /// Looks at the answers of `nodes` nodes about the first `origins` origins.
    #[must_use]
    pub fn new(nodes: u32, origins: u32) -> Self {
        let names = (0..origins).map(origin_name).collect();
        Self { names, nodes, next: 0, answers: Answers::default() }
    }

    /// Whom to ask for what in this step.
    pub fn turn(&mut self) -> Vec<Asked> {
        let (nodes, origins) = (u64::from(self.nodes), self.names.len() as u64);
        let pairs = nodes * origins;
        let count = pairs.div_ceil(STEPS_PER_SECOND).min(ANSWERS_PER_STEP);
        let turn = (0..count).map(|_| {
            let (node, turn) = (self.next % nodes, self.next / nodes);
            self.next = (self.next + 1) % pairs;
            // In one turn over the nodes each is asked for another origin.
            Asked { node: node as u32, origin: ((turn + node) % origins) as u32 }
        });
        turn.collect()
    }

    /// Notes what a node answers by its own clock; `checks` tells whether it checks the origin itself.
    pub fn note(&mut self, node: &Node, asked: Asked, clock: Time, checks: bool) {
        let (view, name) = (node.view(), &self.names[asked.origin as usize]);
        if view.phase() != Phase::Serving || view.origin(name).is_none() {
            return;
        }
        // A node that holds the origin and no claim for it answers that it does not know.
        let health = view.health(view.own_scope(), name, clock);
        self.answers.note(health.is_none_or(|health| health.is_stale));
        if !checks {
            self.answers.note_age(health.and_then(|health| health.age));
        }
    }

    /// What was seen.
    #[must_use]
    pub fn outcome(self) -> Answers {
        self.answers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_node_is_asked_for_every_origin_equally_often() {
        for (nodes, origins, steps) in [(7, 9, 9), (40, 50, 20), (50, 300, 150), (3, 1, 3), (1, 1, 1)] {
            let mut sampling = Sampling::new(nodes, origins);
            let mut asked: BTreeMap<(u32, u32), u32> = BTreeMap::new();
            for _ in 0..steps {
                sampling.turn().iter().for_each(|ask| *asked.entry((ask.node, ask.origin)).or_default() += 1);
            }
            assert_eq!(asked.len() as u32, nodes * origins, "{nodes} nodes, {origins} origins");
            assert!(asked.values().all(|&times| times == 1), "{nodes} nodes, {origins} origins");
        }
    }

    #[test]
    fn a_part_of_a_turn_is_spread_over_nodes_and_origins() {
        let mut sampling = Sampling::new(1_000, 1_000);
        let asked: Vec<Asked> = (0..10).flat_map(|_| sampling.turn()).collect();
        assert_eq!(asked.len(), 1_000, "a second's");
        let distinct =
            |of: fn(&Asked) -> u32| asked.iter().map(of).collect::<std::collections::BTreeSet<u32>>().len();
        assert!(distinct(|ask| ask.node) == 1_000, "{} nodes", distinct(|ask| ask.node));
        assert!(distinct(|ask| ask.origin) == 1_000, "{} origins", distinct(|ask| ask.origin));
    }

    #[test]
    fn without_origins_nobody_is_asked() {
        assert_eq!(Sampling::new(5, 0).turn(), []);
    }
}
