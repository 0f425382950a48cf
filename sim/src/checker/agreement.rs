//! Agreement after quiet: equal hashes, and what the hashes stand for is equal too.

use std::collections::BTreeSet;

use heck_core::id::{Shard, Store};
use heck_core::node::Node;
use heck_core::state::State;

use super::words::{Names, numbers};

/// Compares a node with the first one: the hashes, and what stands in these shards. Messages are left out: each
/// node forgets them by its own clock.
#[must_use]
pub fn difference(
    names: &Names,
    first: &Node,
    node: &Node,
    shards: impl Iterator<Item = Shard>,
) -> Option<String> {
    let (first, state) = (first.view().state(), node.view().state());
    let found = shards.map(|shard| in_shard(names, first, state, shard)).find(Option::is_some).flatten();
    let differs = first.hash() != state.hash();
    let seen = || (0..=u8::MAX).map(Shard).find_map(|shard| seen_differently(names, first, state, shard));
    found.or_else(|| {
        differs.then(|| seen().unwrap_or_else(|| "has another hash than the first node".to_owned()))
    })
}

fn in_shard(names: &Names, first: &State, state: &State, shard: Shard) -> Option<String> {
    fn lasting(
        state: &State,
        shard: Shard,
    ) -> impl Iterator<Item = &std::sync::Arc<heck_core::entry::Entry>> {
        state.entries_in(shard).filter(|entry| entry.dot.lane.store != Store::Log)
    }
    let (mut theirs, mut ours) = (lasting(first, shard), lasting(state, shard));
    loop {
        return Some(match (theirs.next(), ours.next()) {
            (None, None) => return None,
            (Some(theirs), Some(ours)) if theirs == ours => continue,
            (Some(theirs), Some(ours)) => {
                format!("holds {}, where the first node holds {}", names.entry(ours), names.entry(theirs))
            }
            (Some(theirs), None) => format!("lacks {}, which the first node holds", names.entry(theirs)),
            (None, Some(ours)) => format!("holds {}, which the first node lacks", names.entry(ours)),
        });
    }
}

/// The first lane of a shard of which two nodes have not seen the same.
fn seen_differently(names: &Names, first: &State, state: &State, shard: Shard) -> Option<String> {
    let lanes =
        |state: &State| state.context().lanes_of(shard).map(|(lane, _)| *lane).collect::<BTreeSet<_>>();
    lanes(first).union(&lanes(state)).find_map(|lane| {
        let (theirs, ours) = (first.context().lane(lane), state.context().lane(lane));
        (theirs != ours).then(|| {
            let (ours, theirs) = (numbers(ours), numbers(theirs));
            format!("has seen {ours} of {}, where the first node has seen {theirs}", names.lane(lane))
        })
    })
}
