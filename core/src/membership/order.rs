//! In which order a node asks its peers: each once before any comes again.

use crate::id::NodeId;
use crate::member::{Member, Members};
use crate::rng::Stream;

/// A keyed permutation of all places of the member list: a few words instead of a shuffled list in each node. It is
/// a full cycle of x -> a x + c modulo a power of two (Hull and Dobell 1962), begun anew with other keys each time.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Order {
    bits: u32,
    factor: u32,
    step: u32,
    at: u32,
    left: u32,
}

impl Order {
    /// The next live member other than `me`; none when there is no other.
    pub fn next<'a>(&mut self, members: &'a Members, me: NodeId, rng: &mut Stream) -> Option<&'a Member> {
        let bits = u32::BITS - (members.places().saturating_sub(1) as u32).leading_zeros();
        // Two cycles: the rest of this one may hold nobody, and the next one may begin with those just asked.
        for _ in 0..2_u64 << bits {
            if self.left == 0 || self.bits != bits {
                let (factor, step) = (rng.next_u32() << 2 | 1, rng.next_u32() | 1);
                *self = Self { bits, factor, step, at: rng.next_u32(), left: 1 << bits };
            }
            self.left -= 1;
            self.at = self.at.wrapping_mul(self.factor).wrapping_add(self.step) & ((1 << bits) - 1);
            let peer = members.at(self.at as usize);
            if let Some(peer) = peer.filter(|peer| peer.node != me && peer.standing.is_live()) {
                return Some(peer);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Addr, Name};
    use crate::rng::Seed;
    use alloc::collections::BTreeSet;
    use alloc::format;

    #[test]
    fn every_peer_is_asked_once_in_each_cycle() {
        for count in [2, 3, 10, 64, 65] {
            let member = |n| Member::new(Name::new(&format!("n{n}")).unwrap(), Addr::default());
            let members = Members::new((0..count).map(member).collect());
            let me = members.iter().next().unwrap().node;
            let (mut order, mut rng) = (Order::default(), Stream::new(Seed(1), 1));
            for _ in 0..3 {
                let asked = (1..count).map(|_| order.next(&members, me, &mut rng).unwrap().node);
                assert_eq!(asked.collect::<BTreeSet<_>>().len(), count - 1);
            }
        }
    }

    #[test]
    fn a_node_alone_asks_nobody() {
        let alone = Members::new(alloc::vec![Member::new(Name::new("a").unwrap(), Addr::default())]);
        let me = alone.iter().next().unwrap().node;
        let (mut order, mut rng) = (Order::default(), Stream::new(Seed(1), 1));
        assert!(order.next(&alone, me, &mut rng).is_none());
        assert!(order.next(&Members::default(), me, &mut rng).is_none());
    }
}
