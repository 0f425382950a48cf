//! Ownership by the remainder of a hash: what most systems begin with. Nearly all origins move when the number of
//! nodes changes; it stands here to compare with.

use crate::hash::name_hash;
use crate::id::Name;

/// The owner of an origin among `nodes`, which every node must list in the same order: `xxh3_64(origin) mod n`.
#[must_use]
pub fn owner(origin: &Name, nodes: &[&Name]) -> Option<usize> {
    let count = nodes.len() as u64;
    name_hash(origin.as_str().as_bytes()).checked_rem(count).map(|at| at as usize)
}
