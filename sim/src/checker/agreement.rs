//! Agreement after quiet: equal hashes, and what the hashes stand for is equal too.

use heck_core::node::Node;

/// Compares the states of all nodes with that of the first; names each node that differs, and in what.
pub fn differences<'a>(mut nodes: impl Iterator<Item = (u32, &'a Node)>) -> Vec<(u32, String)> {
    let Some((first_index, first)) = nodes.next() else { return Vec::new() };
    let first = first.view().state();
    let mut found = Vec::new();
    for (index, node) in nodes {
        let state = node.view().state();
        let same_hash = state.hash() == first.hash();
        // Hashes are compared with everything they stand for, so that a collision or a stale sum shows. Messages
        // are left out: each node forgets them by its own clock.
        let lasting = |state: &'a heck_core::state::State| {
            state.entries().filter(|entry| entry.dot.lane.store != heck_core::id::Store::Log)
        };
        let differing = lasting(state).map(|entry| entry.dot).zip(lasting(first).map(|entry| entry.dot));
        let first_difference = differing.into_iter().find(|(a, b)| a != b);
        let same_count = lasting(state).count() == lasting(first).count();
        if same_hash && first_difference.is_none() && same_count {
            continue;
        }
        let detail = match first_difference {
            Some((here, there)) => format!("holds {here:?} where node {first_index} holds {there:?}"),
            None if !same_count => format!("holds another number of entries than node {first_index}"),
            None => format!("holds the same entries as node {first_index} under another hash"),
        };
        found.push((index, detail));
    }
    found
}
