//! Reading the node in pages: each is one brief look, and between two the node goes on.

use super::health::HealthRow;
use heck_core::entry::Entry;
use heck_core::id::{Name, SHARDS, Shard, Store};
use heck_core::node::View;
use heck_core::time::Time;
use std::sync::Arc;

/// Names read in one look: a look takes well below a millisecond.
pub(super) const PAGE: usize = 128;

/// What was read of a name in the registry.
pub(super) type Read = (Name, Option<(Arc<Entry>, HealthRow)>);

/// Reads these origins.
pub(super) fn origins(view: View<'_>, now: Time, names: &[Name]) -> Vec<Read> {
    names.iter().map(|name| (name.clone(), origin(view, now, name))).collect()
}

fn origin(view: View<'_>, now: Time, name: &Name) -> Option<(Arc<Entry>, HealthRow)> {
    let entry = view.origin(name)?.clone();
    Some((entry, HealthRow::read(view, view.own_scope(), name, now)?))
}

/// Reads these keys.
pub(super) fn keys(view: View<'_>, names: &[Name]) -> Vec<(Name, Option<Arc<Entry>>)> {
    names.iter().map(|name| (name.clone(), view.key(name).cloned())).collect()
}

/// The names of a page of shards, and the shard that the next page starts at. There are few shards with much, so
/// a page is cut by what it has found.
pub(super) fn names(view: View<'_>, from: usize) -> (Vec<Name>, Vec<Name>, usize) {
    let (mut origins, mut keys, mut shard) = (Vec::new(), Vec::new(), from);
    while shard < SHARDS && origins.len() + keys.len() < 4 * PAGE {
        for entry in view.state().entries_in(Shard(shard as u8)) {
            let Some(name) = entry.body.map_name() else { continue };
            match entry.dot.lane.store {
                Store::Registry => origins.push(name.clone()),
                Store::Keys => keys.push(name.clone()),
                Store::Health | Store::Log | Store::Fence => {}
            }
        }
        shard += 1;
    }
    (origins, keys, shard)
}
