//! Which dots a node has seen, and the fingerprints by which two nodes find out that they differ.

use crate::codec::NUMBER_LIMIT;
use crate::hash::mix;
use crate::id::{Boot, Dot, Lane, NodeId, SHARDS, Shard, Store, Writer};
use crate::interval::{IntervalSet, Range};
use crate::mutant::{Mutant, Planted};
use crate::overlay::Overlay;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// One writer's entries in one store, over all shards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Sequence {
    /// Who writes.
    pub writer: Writer,
    /// Into which store.
    pub store: Store,
}

/// How far a sequence has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Progress {
    /// How many of its dots were seen.
    pub count: u64,
    /// The greatest serial that is known to exist. Every dot that was seen is known with its serial, so this is
    /// equal to `count` exactly when nothing is missing.
    pub serial: u64,
}

/// What counts as seen of a lane whose life is over: everything.
static WHOLE: IntervalSet = IntervalSet::constant(Range { first: 1, last: NUMBER_LIMIT });

/// The causal context: interval sets per lane, fences, and fingerprints kept up to date with each change.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Context {
    pub(super) seen: Overlay<Lane, IntervalSet>,
    pub(super) progress: Overlay<Sequence, Progress>,
    pub(super) fences: Overlay<NodeId, Boot>,
    /// Lanes of which a peer behind a fence has told everything, while this node does not stand behind it yet: all
    /// of their dots count as seen. With each the serial up to which the writer of the fence had seen its store.
    pub(super) whole: BTreeMap<Lane, u64>,
    #[cfg_attr(feature = "recording", serde(with = "crate::words"))]
    pub(super) fingerprints: Box<[u64; SHARDS]>,
    total: u64,
    planted: Planted,
}

/// The fingerprint of an interval set is a sum over the ends of its ranges, so that putting one counter in
/// changes at most two terms however many holes there are.
const fn first_term(seed: u64, first: u64) -> u64 {
    mix(seed, first << 2)
}

const fn last_term(seed: u64, last: u64) -> u64 {
    mix(seed, (last << 2) | 1)
}

const fn live_term(seed: u64, counter: u64) -> u64 {
    mix(seed, (counter << 2) | 2)
}

fn lane_sum(lane: &Lane, seen: &IntervalSet) -> u64 {
    let seed = lane.fingerprint_seed();
    seen.ranges().iter().fold(0, |sum: u64, range| {
        sum.wrapping_add(first_term(seed, range.first)).wrapping_add(last_term(seed, range.last))
    })
}

#[cfg(feature = "mutants")]
fn insert(seen: &mut IntervalSet, counter: u64, planted: Planted) -> bool {
    if planted.is(Mutant::SplitRanges) { seen.insert_apart(counter) } else { seen.insert(counter) }
}

#[cfg(not(feature = "mutants"))]
fn insert(seen: &mut IntervalSet, counter: u64, _: Planted) -> bool {
    seen.insert(counter)
}

impl Context {
    /// The context that has seen nothing.
    #[must_use]
    pub fn new(planted: Planted) -> Self {
        Self {
            seen: Overlay::default(),
            progress: Overlay::default(),
            fences: Overlay::default(),
            whole: BTreeMap::new(),
            fingerprints: Box::new([0; SHARDS]),
            total: 0,
            planted,
        }
    }

    pub(super) fn total_of(fingerprints: &[u64; SHARDS]) -> u64 {
        fingerprints.iter().fold(0, |sum, &fingerprint| sum.wrapping_add(fingerprint))
    }

    pub(super) fn set_fingerprints(&mut self, fingerprints: &[u64; SHARDS]) {
        *self.fingerprints = *fingerprints;
        self.total = Self::total_of(fingerprints);
    }

    /// Fingerprint of the whole state.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.total
    }

    /// Fingerprint of one shard.
    #[must_use]
    pub fn shard_hash(&self, shard: Shard) -> u64 {
        self.fingerprints[shard.0 as usize]
    }

    fn change(&mut self, shard: Shard, plus: u64, minus: u64) {
        let delta = plus.wrapping_sub(minus);
        let fingerprint = &mut self.fingerprints[shard.0 as usize];
        *fingerprint = fingerprint.wrapping_add(delta);
        self.total = self.total.wrapping_add(delta);
    }

    /// Whether this life of a writer lies behind a fence: all of its dots count as seen.
    #[must_use]
    pub fn is_fenced(&self, writer: Writer) -> bool {
        !self.fences.is_empty() && self.fences.get(&writer.node).is_some_and(|&boot| writer.boot <= boot)
    }

    /// The last fenced life of `node`, if any.
    #[must_use]
    pub fn fence_of(&self, node: NodeId) -> Option<Boot> {
        self.fences.get(&node).copied()
    }

    /// Whether everything of this lane counts as seen.
    #[must_use]
    pub fn is_whole(&self, lane: &Lane) -> bool {
        self.is_fenced(lane.writer) || (!self.whole.is_empty() && self.whole.contains_key(lane))
    }

    /// Whether such lanes can exist.
    pub(super) fn has_whole_lanes(&self) -> bool {
        !self.fences.is_empty() || !self.whole.is_empty()
    }

    /// Lets all dots of a lane count as seen; `covered` is the serial up to which that was true where it began.
    pub(super) fn complete(&mut self, lane: &Lane, covered: u64) {
        if self.is_whole(lane) {
            return;
        }
        if let Some(seen) = self.seen.remove(lane) {
            self.change(lane.shard, 0, lane_sum(lane, &seen));
        }
        self.whole.insert(*lane, covered);
    }

    /// Whether `dot` was seen, live or not.
    #[must_use]
    pub fn has_seen(&self, dot: &Dot) -> bool {
        self.is_whole(&dot.lane) || self.seen.get(&dot.lane).is_some_and(|seen| seen.contains(dot.counter))
    }

    /// What was seen of a lane.
    #[must_use]
    pub fn lane(&self, lane: &Lane) -> Option<&IntervalSet> {
        if self.is_whole(lane) { Some(&WHOLE) } else { self.seen.get(lane) }
    }

    /// The lanes of a shard with what was seen of them, in order; those that are whole are left out.
    pub fn lanes_of(&self, shard: Shard) -> impl Iterator<Item = (&Lane, &IntervalSet)> {
        self.seen.range(first_lane(shard)..=last_lane(shard))
    }

    /// How far a sequence has arrived.
    #[must_use]
    pub fn progress(&self, writer: Writer, store: Store) -> Progress {
        self.progress.get(&Sequence { writer, store }).copied().unwrap_or_default()
    }

    /// Marks one dot as seen; false when it was already.
    pub fn see(&mut self, dot: &Dot) -> bool {
        if self.is_whole(&dot.lane) {
            return false;
        }
        let counter = dot.counter;
        let seen = self.seen.entry_or_default(&dot.lane);
        let before = counter > 1 && seen.contains(counter - 1);
        let after = seen.contains(counter + 1);
        if !insert(seen, counter, self.planted) {
            return false;
        }
        let seed = dot.lane.fingerprint_seed();
        let (plus_first, minus_last) =
            if before { (0, last_term(seed, counter - 1)) } else { (first_term(seed, counter), 0) };
        let (plus_last, minus_first) =
            if after { (0, first_term(seed, counter + 1)) } else { (last_term(seed, counter), 0) };
        let (plus, minus) = (plus_first.wrapping_add(plus_last), minus_last.wrapping_add(minus_first));
        self.change(dot.lane.shard, plus, minus);
        self.sequence(&dot.lane).count += 1;
        true
    }

    /// Marks a whole set as seen.
    pub fn see_all(&mut self, lane: &Lane, counters: &IntervalSet) {
        // What is known already must not become this node's own copy of a shared lane.
        let is_known = self.seen.get(lane).is_some_and(|seen| seen.is_superset(counters));
        if is_known || counters.is_empty() || self.is_whole(lane) {
            return;
        }
        let seen = self.seen.entry_or_default(lane);
        let (sum_before, count_before) = (lane_sum(lane, seen), seen.len());
        seen.union(counters);
        let (sum, count) = (lane_sum(lane, seen), seen.len());
        if count != count_before {
            self.change(lane.shard, sum, sum_before);
            self.sequence(lane).count += count - count_before;
        }
    }

    /// The sequences of all lives of a node, in order.
    pub(super) fn sequences_of(&self, node: NodeId) -> impl Iterator<Item = (&Sequence, &Progress)> {
        let life = |boot, store| Sequence { writer: Writer { node, boot: Boot(boot) }, store };
        self.progress.range(life(0, Store::Registry)..=life(u64::MAX, Store::Fence))
    }

    fn sequence(&mut self, lane: &Lane) -> &mut Progress {
        self.progress.entry_or_default(&Sequence { writer: lane.writer, store: lane.store })
    }

    /// Notes that a writer minted `serial` entries in a store. True when that shows a gap: some of them have
    /// not been seen.
    /// Of a lane in which everything counts as seen there is nothing to note.
    pub fn note_serial(&mut self, lane: &Lane, serial: u64) -> bool {
        if self.is_whole(lane) {
            return false;
        }
        let known = self.progress(lane.writer, lane.store);
        if serial > known.serial {
            self.sequence(lane).serial = serial;
        }
        known.count < serial
    }

    /// Counts an entry's liveness into its shard's fingerprint. Only add-wins stores: a claim gives
    /// way to a greater ballot, and a message to local time.
    pub(super) fn set_live(&mut self, dot: &Dot, live: bool) {
        if dot.lane.store.is_add_wins() {
            let term = live_term(dot.lane.fingerprint_seed(), dot.counter);
            let (plus, minus) = if live { (term, 0) } else { (0, term) };
            self.change(dot.lane.shard, plus, minus);
        }
    }

    /// Raises the fence of `node` to `boot` and forgets what it makes unnecessary; false when it stood there.
    pub(super) fn raise_fence(&mut self, node: NodeId, boot: Boot) -> bool {
        if self.fences.get(&node).is_some_and(|&held| held >= boot) {
            return false;
        }
        if !self.planted.is(Mutant::KeepFencedContexts) {
            self.forget_lanes(node, boot);
        }
        if !self.planted.is(Mutant::ForgetFence) {
            self.fences.insert(node, boot);
        }
        true
    }

    fn forget_lanes(&mut self, node: NodeId, boot: Boot) {
        let past = |writer: Writer| writer.node == node && writer.boot <= boot;
        let lanes: Vec<Lane> =
            self.seen.iter().map(|(lane, _)| *lane).filter(|lane| past(lane.writer)).collect();
        for lane in lanes {
            if let Some(seen) = self.seen.remove(&lane) {
                self.change(lane.shard, 0, lane_sum(&lane, &seen));
            }
        }
        self.whole.retain(|lane, _| !past(lane.writer));
        let sequences: Vec<Sequence> = self.sequences_of(node).map(|(sequence, _)| *sequence).collect();
        for sequence in sequences.iter().filter(|sequence| past(sequence.writer)) {
            self.progress.remove(sequence);
        }
    }

    /// Short fingerprint of what is live in a shard: its fingerprint without the part of the dots seen.
    #[must_use]
    pub fn live_hash(&self, shard: Shard) -> u32 {
        (mix(self.shard_hash(shard).wrapping_sub(self.recomputed_hash(shard)), 1) >> 32) as u32
    }

    /// Recomputes the context's part of a shard's fingerprint from scratch: what [`Context::see`] must agree with.
    #[must_use]
    pub fn recomputed_hash(&self, shard: Shard) -> u64 {
        self.lanes_of(shard).fold(0, |sum, (lane, seen)| sum.wrapping_add(lane_sum(lane, seen)))
    }

    /// How many lanes and ranges this node holds beyond its base: what grows with holes and new writers.
    #[must_use]
    pub fn private_lanes(&self) -> usize {
        self.seen.diff_len()
    }
}

/// Whether an answer says of a lane that everything counts as seen.
pub(super) fn is_whole(seen: &IntervalSet) -> bool {
    seen.contains_range(1, NUMBER_LIMIT)
}

/// The first lane that a shard can have.
#[must_use]
pub const fn first_lane(shard: Shard) -> Lane {
    Lane { shard, store: Store::Registry, writer: Writer { node: NodeId(0), boot: Boot(0) } }
}

/// The last lane that a shard can have.
#[must_use]
pub const fn last_lane(shard: Shard) -> Lane {
    Lane { shard, store: Store::Fence, writer: Writer { node: NodeId(u64::MAX), boot: Boot(u64::MAX) } }
}

/// All dots of a lane within a range of counters, as a range of the live map.
pub(super) const fn dots(lane: Lane, range: Range) -> core::ops::RangeInclusive<Dot> {
    Dot { lane, counter: range.first }..=Dot { lane, counter: range.last }
}
