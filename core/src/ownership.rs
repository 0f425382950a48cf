//! Who checks an origin: the member with the greatest rendezvous hash (Thaler and Ravishankar 1998).

use crate::hash::name_hash;
use crate::id::Name;
use smallvec::SmallVec;

/// The unweighted rendezvous hash of a node for an origin: `xxh3_64(len16(origin) ‖ origin ‖ node)`, the
/// length little-endian. The greater one wins; ties go to the smaller name.
#[must_use]
pub fn rendezvous_hash(origin: &Name, node: &Name) -> u64 {
    let (origin, node) = (origin.as_str().as_bytes(), node.as_str().as_bytes());
    let mut bytes: SmallVec<[u8; 128]> = SmallVec::new();
    bytes.extend_from_slice(&(origin.len() as u16).to_le_bytes());
    bytes.extend_from_slice(origin);
    bytes.extend_from_slice(node);
    name_hash(&bytes)
}

/// The owner of an origin among `nodes`, by index.
pub fn owner<'a>(origin: &Name, nodes: impl IntoIterator<Item = &'a Name>) -> Option<usize> {
    let ranked =
        nodes.into_iter().enumerate().map(|(index, node)| (index, node, rendezvous_hash(origin, node)));
    let best = ranked.max_by(|a, b| a.2.cmp(&b.2).then_with(|| b.1.cmp(a.1)))?;
    Some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    #[test]
    fn a_departed_node_moves_its_own_origins_and_no_others() {
        let nodes: Vec<Name> = (0..10).map(|n| Name::new(&format!("node-{n}")).unwrap()).collect();
        let mut moved = 0;
        for origin in (0..1_000).map(|n| Name::new(&format!("origin-{n}")).unwrap()) {
            let before = owner(&origin, &nodes).unwrap();
            let after = owner(&origin, &nodes[..9]).unwrap();
            if before == 9 { moved += 1 } else { assert_eq!(before, after) }
        }
        assert!((60..150).contains(&moved), "{moved} of 1,000 origins moved");
    }

    #[test]
    fn the_hash_keeps_its_published_value() {
        let (origin, node) = (Name::new("origin").unwrap(), Name::new("node").unwrap());
        let mut bytes = Vec::from([6, 0]);
        bytes.extend_from_slice(b"originnode");
        assert_eq!(rendezvous_hash(&origin, &node), name_hash(&bytes));
    }
}
