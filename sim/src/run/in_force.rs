//! Faults of one kind that overlay each other at a node.

/// What is in force at nodes, by the position of the fault that put it there; of several, the one that began last.
#[derive(Debug)]
pub struct InForce<T> {
    /// In the order in which they began.
    rules: Vec<(usize, Vec<(u32, T)>)>,
}

impl<T> Default for InForce<T> {
    fn default() -> Self {
        Self { rules: Vec::new() }
    }
}

impl<T: Clone> InForce<T> {
    /// A fault begins; its nodes are in ascending order.
    pub fn begin(&mut self, rule: usize, nodes: impl Iterator<Item = (u32, T)>) {
        self.rules.push((rule, nodes.collect()));
    }

    /// A fault ends. Gives the nodes at which it was what counted, with what counts there now.
    pub fn end(&mut self, rule: usize) -> Vec<(u32, Option<T>)> {
        let Some(position) = self.rules.iter().position(|(other, _)| *other == rule) else {
            return Vec::new();
        };
        let (_, nodes) = self.rules.remove(position);
        let (before, after) = self.rules.split_at(position);
        let at = |rules: &[(usize, Vec<(u32, T)>)], node: u32| {
            rules.iter().rev().find_map(|(_, nodes)| {
                let found = nodes.binary_search_by_key(&node, |(node, _)| *node).ok()?;
                Some(nodes[found].1.clone())
            })
        };
        let uncovered = nodes.into_iter().map(|(node, _)| node).filter(|&node| at(after, node).is_none());
        uncovered.map(|node| (node, at(before, node))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_that_began_last_counts_and_what_it_covered_is_back_when_it_ends() {
        let mut force = InForce::default();
        force.begin(0, [(1, "a"), (2, "a")].into_iter());
        force.begin(7, [(2, "b"), (3, "b")].into_iter());
        force.begin(4, [(3, "c")].into_iter());
        assert_eq!(force.end(7), [(2, Some("a"))], "node 3 has what began later");
        assert_eq!(force.end(4), [(3, None)]);
        assert_eq!(force.end(0), [(1, None), (2, None)]);
        assert_eq!(force.end(0), []);
    }
}
