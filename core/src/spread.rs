//! Finding an identity in a sorted list of them.
//!
//! Identities are hashes, so they are spread evenly and where one stands is nearly known: of `n`, at about the same
//! share of the list as of all identities, give or take the square root of `n` (interpolation search: Peterson 1957). A
//! search that begins there touches two or three places near each other instead of a dozen all over the list, and what
//! it touches is the same however the identities lie: uneven ones cost time only.

use crate::id::NodeId;

/// Where `node` stands in a list that is sorted by identities, or where it would have to be put.
///
/// # Errors
/// The place at which it is missing.
pub fn place_of<T>(sorted: &[T], node: NodeId, key: impl Fn(&T) -> NodeId) -> Result<usize, usize> {
    let guess = ((u128::from(node.0) * sorted.len() as u128) >> 64) as usize;
    let (mut from, mut to) = (guess, guess);
    let mut stride = 1;
    // The place is within `from..to` once what stands before `from` is less and what stands at `to` is not.
    while from > 0 && key(&sorted[from - 1]) >= node {
        to = from - 1;
        from = from.saturating_sub(stride);
        stride *= 2;
    }
    stride = 1;
    while to < sorted.len() && key(&sorted[to]) < node {
        from = to + 1;
        to = (to + stride).min(sorted.len());
        stride *= 2;
    }
    let place = from + sorted[from..to].partition_point(|held| key(held) < node);
    match sorted.get(place) {
        Some(held) if key(held) == node => Ok(place),
        _ => Err(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(150),
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_identity_is_found_where_a_binary_search_finds_it(
            mut held in prop::collection::vec(prop_oneof![any::<u64>(), 0..40_u64, u64::MAX - 9..=u64::MAX], 0..80),
            wanted in prop_oneof![any::<u64>(), 0..40_u64, u64::MAX - 9..=u64::MAX],
        ) {
            held.sort_unstable();
            held.dedup();
            let nodes: Vec<NodeId> = held.iter().map(|&id| NodeId(id)).collect();
            for node in nodes.iter().copied().chain([NodeId(wanted)]) {
                prop_assert_eq!(place_of(&nodes, node, |held| *held), nodes.binary_search(&node));
            }
        }
    }
}
