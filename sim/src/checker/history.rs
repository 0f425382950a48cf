//! What was ever written in a run, and what each node has seen of it: no over-claim, no resurrection.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heck_core::entry::{self, Body};
use heck_core::id::{Dot, Name, Store};
use heck_core::node::Node;

/// Every entry minted in this run, by dot, and per node those that it has seen dead.
#[derive(Debug)]
pub struct History {
    written: BTreeMap<Dot, Arc<entry::Entry>>,
    /// For each dot, the entries that supersede it.
    superseded_by: BTreeMap<Dot, Vec<Dot>>,
    by_name: BTreeMap<(Store, Name), Vec<Dot>>,
    dead: Vec<BTreeSet<Dot>>,
}

impl History {
    /// Nothing was written yet.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        Self {
            written: BTreeMap::new(),
            superseded_by: BTreeMap::new(),
            by_name: BTreeMap::new(),
            dead: vec![BTreeSet::new(); nodes as usize],
        }
    }

    /// How many entries were written.
    #[must_use]
    pub fn written(&self) -> usize {
        self.written.len()
    }

    /// A node took an entry in. Broken when it had seen it dead before.
    pub fn learned(&mut self, index: u32, entry: &Arc<entry::Entry>, node: &Node) -> Option<String> {
        let dot = entry.dot;
        if let Entry::Vacant(place) = self.written.entry(dot) {
            place.insert(entry.clone());
            for superseded in entry.superseded_dots() {
                self.superseded_by.entry(superseded).or_default().push(dot);
            }
            if let Some(name) = entry.body.map_name() {
                self.by_name.entry((dot.lane.store, name.clone())).or_default().push(dot);
            }
        }
        let dead = &mut self.dead[index as usize];
        let state = node.view().state();
        let mut broken = dead
            .contains(&dot)
            .then(|| format!("took {dot:?} in again, which it had seen superseded or removed"));
        // Whatever this entry replaced is dead here from now on, and stays so.
        for superseded in entry.superseded_dots() {
            if state.entry(&superseded).is_some() {
                broken = Some(format!("still holds {superseded:?}, which {dot:?} replaces"));
            }
            dead.insert(superseded);
        }
        broken
    }

    /// A node lives again with what was on its disk.
    pub fn restarted(&mut self, node: u32) {
        self.dead[node as usize].clear();
    }

    /// Whether a node claims to have seen an entry whose effect it does not have, or holds one that it has seen
    /// dead.
    #[must_use]
    pub fn over_claim(&self, index: u32, node: &Node) -> Option<String> {
        let state = node.view().state();
        if let Some(dot) = self.dead[index as usize].iter().find(|dot| state.entry(dot).is_some()) {
            return Some(format!("holds {dot:?} live, which it had seen dead"));
        }
        let seen = self.written.values().filter(|entry| state.context().has_seen(&entry.dot));
        let unheld = seen.filter(|entry| state.entry(&entry.dot).is_none());
        unheld.into_iter().find_map(|entry| self.unexplained(entry, node))
    }

    /// An entry that was seen and is not live needs a reason.
    fn unexplained(&self, entry: &Arc<entry::Entry>, node: &Node) -> Option<String> {
        let state = node.view().state();
        let dot = entry.dot;
        if state.context().is_fenced(dot.lane.writer) || entry.body.is_removal() {
            return None;
        }
        let explained = match &entry.body {
            Body::Origin { .. } | Body::Key { .. } => {
                let after = self.superseded_by.get(&dot);
                after.is_some_and(|after| after.iter().any(|dot| state.context().has_seen(dot)))
            }
            Body::Claim(claim) => {
                let generation = claim.generation.dot(dot.lane.shard, Store::Registry);
                let removed = state.context().has_seen(&generation) && state.entry(&generation).is_none();
                let beaten = state
                    .claims(claim.scope, &claim.origin)
                    .any(|held| held.generation == claim.generation && held.ballot > claim.ballot);
                removed || beaten
            }
            // Messages expire, and fences are replaced by greater ones.
            _ => true,
        };
        (!explained).then(|| format!("has seen {dot:?} but holds neither it nor what replaced it"))
    }
}
