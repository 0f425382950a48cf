//! Rules about who reaches whom: partitions (symmetric, one-way, partial), and loss or delay of chosen links.

use super::draw::Ratio;

/// A set of nodes: the listed ones, or all but the listed ones (which then includes nodes added later).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NodeSet {
    bits: Vec<u64>,
    all_but: bool,
}

impl NodeSet {
    /// The listed nodes.
    pub fn of(nodes: impl IntoIterator<Item = u32>) -> Self {
        let mut bits: Vec<u64> = Vec::new();
        for node in nodes {
            let word = node as usize / 64;
            if word >= bits.len() {
                bits.resize(word + 1, 0);
            }
            bits[word] |= 1 << (node % 64);
        }
        Self { bits, all_but: false }
    }

    /// Every node except the listed ones.
    pub fn all_but(nodes: impl IntoIterator<Item = u32>) -> Self {
        Self { all_but: true, ..Self::of(nodes) }
    }

    /// Every node.
    #[must_use]
    pub fn all() -> Self {
        Self::all_but([])
    }

    /// Whether a node belongs to it.
    #[must_use]
    #[inline]
    pub fn contains(&self, node: u32) -> bool {
        let listed = self.bits.get(node as usize / 64).is_some_and(|word| word >> (node % 64) & 1 == 1);
        listed != self.all_but
    }
}

/// What befalls everything that nodes of one set send to nodes of another.
#[derive(Clone, Debug)]
pub struct LinkRule {
    /// The senders.
    pub from: NodeSet,
    /// The receivers.
    pub to: NodeSet,
    /// Whether the way back is the same. A link to which both directions apply is hit once.
    pub both_ways: bool,
    /// The probability that a datagram is lost, beside all other losses. [`Ratio::ALWAYS`] severs the link.
    pub loss: Ratio,
    /// What the link adds to each latency.
    pub extra_delay_us: u64,
}

impl LinkRule {
    /// Nothing gets from one set to the other; the way back stays open.
    #[must_use]
    pub const fn severed_one_way(from: NodeSet, to: NodeSet) -> Self {
        Self { from, to, both_ways: false, loss: Ratio::ALWAYS, extra_delay_us: 0 }
    }

    /// Nothing gets from one set to the other, nor back.
    #[must_use]
    pub fn severed(from: NodeSet, to: NodeSet) -> Self {
        Self { both_ways: true, ..Self::severed_one_way(from, to) }
    }

    #[inline]
    fn applies(&self, from: u32, to: u32) -> bool {
        (self.from.contains(from) && self.to.contains(to))
            || (self.both_ways && self.from.contains(to) && self.to.contains(from))
    }
}

/// Names an installed rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RuleId(u64);

/// The rules in force.
#[derive(Default, Debug)]
pub struct LinkRules {
    rules: Vec<(RuleId, LinkRule)>,
    installed: u64,
}

/// What all rules together do to a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkEffect {
    /// The probability that at least one rule loses the datagram.
    pub loss: Ratio,
    /// The sum of the delays.
    pub extra_delay_us: u64,
}

impl LinkRules {
    /// Installs a rule.
    pub fn install(&mut self, rule: LinkRule) -> RuleId {
        let id = RuleId(self.installed);
        self.installed += 1;
        self.rules.push((id, rule));
        id
    }

    /// Removes a rule; false if it was removed before.
    pub fn remove(&mut self, id: RuleId) -> bool {
        let before = self.rules.len();
        self.rules.retain(|(other, _)| *other != id);
        self.rules.len() < before
    }

    /// What the rules do to datagrams from one node to another.
    #[must_use]
    #[inline]
    pub fn effect(&self, from: u32, to: u32) -> LinkEffect {
        let mut effect = LinkEffect { loss: Ratio::NEVER, extra_delay_us: 0 };
        for (_, rule) in &self.rules {
            if rule.applies(from, to) {
                effect.loss = effect.loss.or(rule.loss);
                effect.extra_delay_us = effect.extra_delay_us.saturating_add(rule.extra_delay_us);
            }
        }
        effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_list_members_or_exceptions() {
        let some = NodeSet::of([1, 64, 130]);
        let others = NodeSet::all_but([1, 64, 130]);
        for node in 0..300 {
            assert_eq!(some.contains(node), [1, 64, 130].contains(&node));
            assert_ne!(some.contains(node), others.contains(node));
        }
        assert!(NodeSet::all().contains(u32::MAX));
        assert!(!NodeSet::default().contains(0));
    }

    #[test]
    fn rules_work_in_one_direction_add_up_and_can_be_removed() {
        let mut rules = LinkRules::default();
        let severed = rules.install(LinkRule::severed_one_way(NodeSet::of([0]), NodeSet::of([1])));
        let half = LinkRule {
            from: NodeSet::of([2]),
            to: NodeSet::all(),
            both_ways: false,
            loss: Ratio::of(1, 2),
            extra_delay_us: 10,
        };
        rules.install(half.clone());
        rules.install(half);
        assert_eq!(rules.effect(0, 1).loss, Ratio::ALWAYS);
        assert_eq!(rules.effect(1, 0).loss, Ratio::NEVER);
        assert_eq!(rules.effect(2, 9), LinkEffect { loss: Ratio::of(3, 4), extra_delay_us: 20 });
        let both_ways = LinkRule {
            both_ways: true,
            loss: Ratio::of(1, 2),
            ..LinkRule::severed(NodeSet::of([5, 6]), NodeSet::of([6, 7]))
        };
        rules.install(both_ways);
        for (from, to, loss) in
            [(5, 7, Ratio::of(1, 2)), (7, 5, Ratio::of(1, 2)), (6, 6, Ratio::of(1, 2)), (5, 5, Ratio::NEVER)]
        {
            assert_eq!(rules.effect(from, to).loss, loss, "{from} to {to}");
        }
        assert!(rules.remove(severed));
        assert!(!rules.remove(severed));
        assert_eq!(rules.effect(0, 1).loss, Ratio::NEVER);
    }
}
