//! Consistent hashing on a ring with virtual nodes (Karger et al. 1997): to compare with. A lookup is a binary
//! search instead of a hash per node; its price is a table, and a balance that takes many points per node.

use crate::hash::name_hash;
use crate::id::Name;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// Points of nodes on a ring of 64-bit hashes.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Each point with the place of its node in the list, in the order of the points.
    points: Vec<(u64, u32)>,
}

impl Ring {
    /// A ring with `points` points for each of `nodes`: `xxh3_64(node ‖ i)`, i as four bytes, little-endian. Of two
    /// nodes with one point the smaller name has it.
    #[must_use]
    pub fn new(nodes: &[&Name], points: u32) -> Self {
        let of_node = |(at, node): (usize, &&Name)| {
            let mut bytes: SmallVec<[u8; 128]> = SmallVec::from_slice(node.as_str().as_bytes());
            let len = bytes.len();
            (0..points)
                .map(|point| {
                    bytes.truncate(len);
                    bytes.extend_from_slice(&point.to_le_bytes());
                    (name_hash(&bytes), at as u32)
                })
                .collect::<Vec<_>>()
        };
        let mut all: Vec<(u64, u32)> = nodes.iter().enumerate().flat_map(of_node).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| nodes[a.1 as usize].cmp(nodes[b.1 as usize])));
        all.dedup_by_key(|(hash, _)| *hash);
        Self { points: all }
    }

    /// The owner of an origin, by its place in the list: the node of the first point at or after
    /// `xxh3_64(origin)`, around the ring.
    #[must_use]
    pub fn owner(&self, origin: &Name) -> Option<usize> {
        let hash = name_hash(origin.as_str().as_bytes());
        let at = self.points.partition_point(|(point, _)| *point < hash);
        self.points.get(at).or_else(|| self.points.first()).map(|(_, node)| *node as usize)
    }
}
