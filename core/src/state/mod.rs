//! The replicated state: one causal context over 256 shards, and the live entries of five stores.
//!
//! Each [`Shard`] is a delta-CRDT of its own. Joining two shards keeps a live dot if both hold it or if the
//! other side has not seen it; claims are merged by ballot, messages expire by local time.

mod apply;
mod context;
mod fence;
mod freshness;
mod join;
mod log;
mod write;

pub use context::{Context, Progress, Sequence, first_lane, last_lane};
pub use freshness::{Fresh, Freshness};
pub use log::Retention;
pub use write::{Author, Finding};

use crate::entry::{Body, Claim, Entry, Minted, Scope, Versions};
use crate::id::{Dot, Lane, Name, SHARDS, Shard, Store};
use crate::mutant::Planted;
use crate::overlay::{Overlay, Shared};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use log::LogQueue;

/// What a change did to the visible state.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// An entry was learned, here or from a peer. For a removal: it took effect.
    Learned(Arc<Entry>),
    /// An entry is no longer live: superseded, removed, fenced or beaten by another claim.
    Dropped(Arc<Entry>),
    /// Messages of this lane, both counters included, expired before they reached this node.
    Gap {
        /// Whose messages.
        lane: Lane,
        /// The first missing one.
        first: u64,
        /// The last missing one.
        last: u64,
    },
}

/// What became of an entry that was offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It is new and took effect.
    New,
    /// It was seen before, or something newer is held; if it was not marked as seen, it is now.
    Known,
    /// A claim for an entry of the registry that has not arrived yet, or a fence of lives of which something is missing:
    /// not taken, and not marked as seen.
    Refused,
}

/// What live entries are found by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Key {
    store: Store,
    name: Name,
    scope: Scope,
}

/// The replicated state of one node.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    context: Context,
    live: Overlay<Dot, Arc<Entry>>,
    index: Overlay<Key, Versions>,
    log: LogQueue,
    planted: Planted,
}

/// A state that many nodes share: the immutable part under their overlays.
#[derive(Clone, Debug, Default)]
pub struct StateBase {
    seen: Shared<Lane, crate::interval::IntervalSet>,
    progress: Shared<Sequence, Progress>,
    fences: Shared<crate::id::NodeId, crate::id::Boot>,
    whole: BTreeMap<Lane, u64>,
    live: Shared<Dot, Arc<Entry>>,
    index: Shared<Key, Versions>,
    fingerprints: Option<Box<[u64; SHARDS]>>,
    log: LogQueue,
}

impl StateBase {
    /// How many entries are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no entry is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The live entries of one store.
    pub fn entries_of(&self, store: Store) -> impl Iterator<Item = &Arc<Entry>> {
        let entries = self.live.iter().map(|(_, entry)| entry);
        entries.filter(move |entry| entry.dot.lane.store == store)
    }
}

impl State {
    /// The state that equals `base`.
    #[must_use]
    pub fn new(base: &StateBase, retention: Retention, planted: Planted) -> Self {
        let mut context = Context::new(planted);
        context.seen = Overlay::new(base.seen.clone());
        context.progress = Overlay::new(base.progress.clone());
        context.fences = Overlay::new(base.fences.clone());
        context.whole.clone_from(&base.whole);
        if let Some(fingerprints) = &base.fingerprints {
            context.set_fingerprints(fingerprints);
        }
        let mut log = base.log.clone();
        log.set_retention(retention);
        let (live, index) = (Overlay::new(base.live.clone()), Overlay::new(base.index.clone()));
        Self { context, live, index, log, planted }
    }

    /// This state as a base for others. Messages are part of it, with the times at which they expire.
    #[must_use]
    pub fn to_base(&self) -> StateBase {
        StateBase {
            seen: self.context.seen.to_shared(),
            progress: self.context.progress.to_shared(),
            fences: self.context.fences.to_shared(),
            whole: self.context.whole.clone(),
            live: self.live.to_shared(),
            index: self.index.to_shared(),
            fingerprints: Some(self.context.fingerprints.clone()),
            log: self.log.clone(),
        }
    }

    /// Keeps the content and changes what it is a difference of.
    pub fn rebase(&mut self, base: &StateBase) {
        self.context.seen.rebase(base.seen.clone());
        self.context.progress.rebase(base.progress.clone());
        self.context.fences.rebase(base.fences.clone());
        self.live.rebase(base.live.clone());
        self.index.rebase(base.index.clone());
    }

    /// The planted bug, if any.
    #[must_use]
    pub const fn planted(&self) -> Planted {
        self.planted
    }

    /// What was seen.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Fingerprint of the whole state: equal states have equal hashes.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.context.hash()
    }

    /// The live entry of a dot.
    #[must_use]
    pub fn entry(&self, dot: &Dot) -> Option<&Arc<Entry>> {
        self.live.get(dot)
    }

    /// All live entries in the order of their dots.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.live.iter().map(|(_, entry)| entry)
    }

    /// How many entries are live.
    #[must_use]
    pub const fn live_len(&self) -> usize {
        self.live.len()
    }

    /// How many live entries differ from the base.
    #[must_use]
    pub fn private_entries(&self) -> usize {
        self.live.diff_len()
    }

    fn indexed(&self, store: Store, scope: Scope, name: &Name) -> &[Minted] {
        let key = Key { store, name: name.clone(), scope };
        self.index.get(&key).map_or(&[], |dots| dots.as_slice())
    }

    /// The live entries of a name in the registry or among the keys; several only after concurrent writes.
    pub fn versions(&self, store: Store, name: &Name) -> impl Iterator<Item = &Arc<Entry>> {
        let shard = Shard::of_name(name);
        let dots = self.indexed(store, Scope::default(), name).iter();
        dots.filter_map(move |minted| self.live.get(&minted.dot(shard, store)))
    }

    /// The entry that counts for a name: of several concurrent ones, that of the greatest dot.
    #[must_use]
    pub fn read(&self, store: Store, name: &Name) -> Option<&Arc<Entry>> {
        self.versions(store, name).max_by_key(|entry| Minted::from(entry.dot))
    }

    /// The claim that counts for an origin in a scope: the one for the generation that counts.
    #[must_use]
    pub fn claim(&self, scope: Scope, origin: &Name) -> Option<&Claim> {
        let generation = Minted::from(self.read(Store::Registry, origin)?.dot);
        self.claims(scope, origin).find(|claim| claim.generation == generation)
    }

    /// The claims for all live generations of an origin in a scope.
    pub fn claims(&self, scope: Scope, origin: &Name) -> impl Iterator<Item = &Claim> {
        let shard = Shard::of_name(origin);
        let dots = self.indexed(Store::Health, scope, origin).iter();
        dots.filter_map(move |minted| self.live.get(&minted.dot(shard, Store::Health))?.claim())
    }

    /// The live entries of one store in the order of shards and dots.
    pub fn entries_of(&self, store: Store) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries().filter(move |entry| entry.dot.lane.store == store)
    }

    /// The live entries of one shard in the order of their dots.
    pub fn entries_in(&self, shard: Shard) -> impl Iterator<Item = &Arc<Entry>> {
        let first = Dot { lane: first_lane(shard), counter: 0 };
        let last = Dot { lane: last_lane(shard), counter: u64::MAX };
        self.live.range(first..=last).map(|(_, entry)| entry)
    }

    /// When the next message expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Time> {
        self.log.next_expiry()
    }

    /// Bytes and number of the messages held.
    #[must_use]
    pub fn log_size(&self) -> (u64, usize) {
        self.log.size()
    }

    /// The shard's fingerprint computed from scratch; equal to the one that is kept, or the state is broken.
    #[must_use]
    pub fn recomputed_shard_hash(&self, shard: Shard) -> u64 {
        let mut scratch = Context::new(Planted::NONE);
        for entry in self.entries_in(shard) {
            scratch.set_live(&entry.dot, true);
        }
        self.context.recomputed_hash(shard).wrapping_add(scratch.shard_hash(shard))
    }
}

impl Key {
    fn of(body: &Body) -> Option<Self> {
        let (name, scope) = match body {
            Body::Claim(claim) => (&claim.origin, claim.scope),
            other => (other.map_name()?, Scope::default()),
        };
        Some(Self { store: body.store(), name: name.clone(), scope })
    }
}
