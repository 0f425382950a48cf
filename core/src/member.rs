//! The members of the cluster: here a fixed list that the driver gives at the start, shared by all nodes.

use crate::id::{Addr, Name, NodeId};
use crate::packet::Relay;
use crate::rng::Stream;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// One member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its identity.
    pub node: NodeId,
    /// Its name.
    pub name: Name,
    /// Where it can be reached.
    pub addr: Addr,
}

impl Member {
    /// A member by its name and address.
    #[must_use]
    pub fn new(name: Name, addr: Addr) -> Self {
        Self { node: NodeId::of(&name), name, addr }
    }
}

/// All members in the order of their identities.
#[derive(Clone, Debug, Default)]
pub struct Members {
    sorted: Arc<Vec<Member>>,
}

impl Members {
    /// Sorts a list of members; of two with one name, the first stays.
    #[must_use]
    pub fn new(mut list: Vec<Member>) -> Self {
        list.sort_by_key(|member| member.node);
        list.dedup_by_key(|member| member.node);
        Self { sorted: Arc::new(list) }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// All members in the order of their identities.
    pub fn iter(&self) -> core::slice::Iter<'_, Member> {
        self.sorted.iter()
    }

    /// The member with this identity.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Member> {
        let at = self.sorted.binary_search_by_key(&node, |member| member.node).ok()?;
        self.sorted.get(at)
    }

    /// Every member but `me`.
    pub fn others(&self, me: NodeId) -> impl Iterator<Item = &Member> {
        self.sorted.iter().filter(move |member| member.node != me)
    }

    /// A random member other than `me`; none when there is no other.
    #[must_use]
    pub fn random_peer(&self, me: NodeId, rng: &mut Stream) -> Option<&Member> {
        let own = self.sorted.binary_search_by_key(&me, |member| member.node).ok();
        let others = self.sorted.len() - usize::from(own.is_some());
        if others == 0 {
            return None;
        }
        let drawn = rng.below(others as u32) as usize;
        let at = if own.is_some_and(|own| drawn >= own) { drawn + 1 } else { drawn };
        self.sorted.get(at)
    }

    /// The members whose identity lies in one of `of` equal parts of all identities: a choice that does not
    /// depend on who else is a member.
    #[must_use]
    pub fn slice(&self, relay: Relay) -> &[Member] {
        let edge = |part: u16| ((u128::from(part) << 64) / u128::from(relay.of)) as u64;
        let from = self.sorted.partition_point(|member| member.node.0 < edge(relay.slice));
        let to = if relay.slice + 1 == relay.of {
            self.sorted.len()
        } else {
            self.sorted.partition_point(|member| member.node.0 < edge(relay.slice + 1))
        };
        &self.sorted[from..to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use alloc::format;

    fn members(count: usize) -> Members {
        let member = |n| Member::new(Name::new(&format!("n{n}")).unwrap(), Addr::default());
        Members::new((0..count).map(member).collect())
    }

    #[test]
    fn slices_part_all_members() {
        let members = members(100);
        for of in [1, 2, 7, 10] {
            let parts = (0..of).map(|slice| members.slice(Relay { slice, of }).len());
            assert_eq!(parts.sum::<usize>(), 100);
        }
    }

    #[test]
    fn a_random_peer_is_any_member_but_the_node_itself() {
        let members = members(5);
        let me = members.iter().nth(2).unwrap().node;
        let mut rng = Stream::new(Seed(3), 0);
        let mut drawn: Vec<NodeId> =
            (0..200).map(|_| members.random_peer(me, &mut rng).unwrap().node).collect();
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn, members.others(me).map(|member| member.node).collect::<Vec<_>>());
        assert!(Members::new(Vec::new()).random_peer(me, &mut rng).is_none());
    }
}
