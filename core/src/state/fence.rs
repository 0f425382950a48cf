//! Fences: what remains of the past lives of a node.
//!
//! Each life of a node leaves contexts behind. Some time after a restart the node mints a fence: where it counts,
//! every dot of those lives counts as seen, and their contexts go. Entries that are live keep their dots. Three
//! rules keep this from being seen from outside, however long a peer was cut off:
//! - A fence counts only where everything that it covers was seen: dot by dot, or because every shard was joined
//!   with a peer where it counts.
//! - Behind a fence a lane says two things only: that all of it was seen, and what of it is live. Whatever a peer
//!   still misses it therefore gets by exact repair, as in any other lane.
//! - A fence says how much its writer had seen of each life. What a peer holds beyond that, it writes again itself
//!   before it lets the fence count, or joins a shard with someone where it counts.

use super::context::{dots, is_whole};
use super::{Applied, Change, State};
use crate::codec::NUMBER_LIMIT;
use crate::entry::{
    Ballot, Body, Claim, Covered, Entry, Fence, Hold, LIVES_LIMIT, Minted, Replaced, Scope, Superseded,
};
use crate::id::{Boot, Dot, Lane, Name, NodeId, Shard, Store, Writer};
use crate::interval::{IntervalSet, Range};
use crate::mutant::Mutant;
use crate::packet::{Carried, LaneAnswer, LaneSeen};
use crate::time::{Span, Time};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The stores of which a fence's writer must have seen everything. Messages that were missed are reported instead.
const COVERED_STORES: [Store; 3] = [Store::Registry, Store::Keys, Store::Health];

impl State {
    /// Puts the past lives of `me.node` behind a fence. `None` when there is no such life that is not fenced
    /// already. A store of a life of which something is missing here is not covered: whoever holds something of it
    /// writes that again, as this node does here.
    pub fn fence_past_lives(
        &mut self,
        me: Writer,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Option<Arc<Entry>> {
        let boot = self.last_past_life(me)?;
        let fence = Fence { boot, covered: self.covered(me.node, boot) };
        self.rescue(me, &self.beyond_fence(me.node, &fence), now, changes);
        // It counts here whatever is missing: what it does not cover has just been written again.
        let fence = Arc::new(fence);
        let entry = self.next_entry(me, Superseded::new(), Body::Fence(fence.clone()));
        self.adopt_fence(&entry, &fence, changes);
        Some(entry)
    }

    /// The last life of a node before this one of which something was seen and which is not fenced.
    #[must_use]
    pub fn last_past_life(&self, me: Writer) -> Option<Boot> {
        let lives = self.context.sequences_of(me.node).map(|(sequence, _)| sequence.writer.boot);
        lives.filter(|&boot| boot < me.boot).max()
    }

    /// Whether some of the writes of past lives are known to exist and have not arrived here.
    #[must_use]
    pub fn lacks_of_past_lives(&self, me: Writer) -> bool {
        let past = self.context.sequences_of(me.node).filter(|(sequence, _)| sequence.writer.boot < me.boot);
        let mut writes = past.filter(|(sequence, _)| COVERED_STORES.contains(&sequence.store));
        writes.any(|(_, progress)| progress.count != progress.serial)
    }

    /// Says again what a claim says, for this generation. Nobody vouches for a claim on behalf of its holder: it
    /// stays released until the owner claims, and with the least rank it yields to any claim of its epoch.
    pub(super) fn carry_claim(
        &mut self,
        me: Writer,
        claim: &Claim,
        generation: Minted,
        epoch: u64,
        now: Time,
        changes: &mut Vec<Change>,
    ) {
        let ballot = Ballot { epoch, rank: 0, writer: me, sequence: 1 };
        let carried = Claim { generation, ballot, hold: Hold::Released, ..claim.clone() };
        self.mint(me, Superseded::new(), Body::Claim(carried), now, changes);
    }

    /// The claims for one generation of an origin, in all scopes.
    pub(super) fn claims_of(&self, origin: &Name, generation: Minted) -> Vec<Claim> {
        let shard = Shard::of_name(origin);
        let key = |scope| super::Key { store: Store::Health, name: origin.clone(), scope };
        let of_origin = self.index.range(key(Scope(0))..=key(Scope(u64::MAX)));
        let dots = of_origin.flat_map(|(_, dots)| dots.iter().map(|minted| minted.dot(shard, Store::Health)));
        let claims = dots.filter_map(|dot| self.live.get(&dot)?.claim());
        claims.filter(|claim| claim.generation == generation).cloned().collect()
    }

    /// What was seen of the lives of `node` up to `boot`: what the last fence says of those behind it, and the
    /// rest as it stands.
    fn covered(&self, node: NodeId, boot: Boot) -> Vec<Covered> {
        let mut lives: BTreeMap<Boot, [u64; 4]> = BTreeMap::new();
        if let Some((_, fence)) = self.fences_of(node).next() {
            lives.extend(fence.covered.iter().map(|covered| (covered.boot, covered.serials)));
        }
        let sequences = self.context.sequences_of(node);
        for (sequence, progress) in sequences.filter(|(sequence, _)| sequence.writer.boot <= boot) {
            let serials = lives.entry(sequence.writer.boot).or_default();
            let is_all_here = progress.count == progress.serial || sequence.store == Store::Log;
            if let Some(serial) = serials.get_mut(sequence.store as usize) {
                *serial = if is_all_here { progress.serial } else { 0 };
            }
        }
        let skip = lives.len().saturating_sub(LIVES_LIMIT);
        lives.into_iter().skip(skip).map(|(boot, serials)| Covered { boot, serials }).collect()
    }

    /// The live fences of a node: at most one.
    fn fences_of(&self, node: NodeId) -> impl Iterator<Item = (Dot, &Arc<Fence>)> {
        let lane = |boot| Lane {
            shard: Shard::of_node(node),
            store: Store::Fence,
            writer: Writer { node, boot: Boot(boot) },
        };
        let first = Dot { lane: lane(0), counter: 0 };
        let last = Dot { lane: lane(u64::MAX), counter: u64::MAX };
        self.live.range(first..=last).filter_map(|(dot, entry)| match &entry.body {
            Body::Fence(fence) => Some((*dot, fence)),
            _ => None,
        })
    }

    /// The serial up to which everything of a lane had been seen when it came to count as seen as a whole; for any
    /// other lane the greatest serial known of its writer and store.
    #[must_use]
    pub fn serial_of(&self, lane: &Lane) -> u64 {
        if self.context.is_fenced(lane.writer) {
            let fence = self.fences_of(lane.writer.node).next();
            return fence.map_or(0, |(_, fence)| fence.covers(lane.writer.boot, lane.store));
        }
        let known = self.context.progress(lane.writer, lane.store).serial;
        self.context.whole.get(lane).copied().unwrap_or(known)
    }

    /// Whether a fence would count now: it is not known, and everything that it covers has been seen.
    #[must_use]
    pub fn is_due(&self, entry: &Entry, fence: &Fence) -> bool {
        let has_all = || self.has_all_of(entry.dot.lane.writer.node, fence);
        !self.context.has_seen(&entry.dot) && (self.planted.is(Mutant::HastyFence) || has_all())
    }

    fn has_all_of(&self, node: NodeId, fence: &Fence) -> bool {
        // Of lives before the first one that a long fence tells of only an earlier fence can vouch.
        let is_first_known = fence.covered.len() < LIVES_LIMIT
            || fence.covered.first().is_some_and(|first| Some(first.boot) <= self.context.fence_of(node));
        is_first_known
            && fence.covered.iter().all(|covered| {
                let writer = Writer { node, boot: covered.boot };
                COVERED_STORES.into_iter().all(|store| self.has_all_up_to(writer, store, covered))
            })
    }

    fn has_all_up_to(&self, writer: Writer, store: Store, covered: &Covered) -> bool {
        let serial = covered.serials[store as usize];
        if self.context.is_fenced(writer) {
            let lane = Lane { shard: Shard::of_node(writer.node), store, writer };
            return self.serial_of(&lane) >= serial;
        }
        let progress = self.context.progress(writer, store);
        progress.count == progress.serial && progress.serial >= serial
    }

    /// Whether another fence of the same node that counts here leaves nothing for this one to say.
    #[must_use]
    pub fn is_behind(&self, entry: &Entry, fence: &Fence) -> bool {
        let mut held = self.fences_of(entry.dot.lane.writer.node);
        held.any(|(dot, held)| (held.boot, dot) > (fence.boot, entry.dot))
    }

    /// The fences that count here and of which someone who lists `theirs` has not heard, in at most `bytes`.
    #[must_use]
    pub fn fences_beyond(&self, theirs: &[LaneSeen], bytes: usize) -> Vec<Carried> {
        let has_seen = |dot: &Dot| {
            let their = theirs.binary_search_by_key(&dot.lane, |their| their.lane).ok();
            their.is_some_and(|at| theirs[at].seen.contains(dot.counter))
        };
        let mut left = bytes;
        let beyond =
            self.entries_of(Store::Fence).filter(|entry| !has_seen(&entry.dot)).take_while(|entry| {
                let fits = entry.wire_len() as usize <= left;
                left = left.saturating_sub(entry.wire_len() as usize);
                fits
            });
        beyond.map(|entry| Carried { entry: entry.clone(), age: Span::ZERO }).collect()
    }

    /// Lets a fence count. The caller knows that everything that it covers has been seen here, and has written
    /// again what is [beyond it](Self::beyond_fence).
    pub fn adopt_fence(&mut self, entry: &Arc<Entry>, fence: &Fence, changes: &mut Vec<Change>) -> Applied {
        let is_behind = self.is_behind(entry, fence);
        self.see(entry);
        if is_behind {
            return Applied::Known;
        }
        let node = entry.dot.lane.writer.node;
        let held: Vec<Dot> = self.fences_of(node).map(|(dot, _)| dot).collect();
        for dot in held {
            self.kill(&dot, changes);
        }
        self.report_fenced_gaps(node, fence, changes);
        self.forget_messages(node, fence.boot, changes);
        self.context.raise_fence(node, fence.boot);
        self.live.insert(entry.dot, entry.clone());
        changes.push(Change::Learned(entry.clone()));
        Applied::New
    }

    pub(super) fn apply_fence(
        &mut self,
        entry: &Arc<Entry>,
        fence: &Fence,
        changes: &mut Vec<Change>,
    ) -> Applied {
        if self.is_due(entry, fence) { self.adopt_fence(entry, fence, changes) } else { Applied::Refused }
    }

    /// A fence waits until the messages behind it have expired: whoever has not had them by then is told.
    fn report_fenced_gaps(&self, node: NodeId, fence: &Fence, changes: &mut Vec<Change>) {
        let nothing = IntervalSet::new();
        for covered in &fence.covered {
            let writer = Writer { node, boot: covered.boot };
            if self.context.is_fenced(writer) || self.planted.is(Mutant::SilentGap) {
                continue;
            }
            // A node's messages all live in one shard, so their counters are their serials.
            let lane = Lane { shard: Shard::of_node(node), store: Store::Log, writer };
            let published = IntervalSet::range(1, covered.serials[Store::Log as usize]);
            published.for_each_missing_in(self.context.lane(&lane).unwrap_or(&nothing), |range| {
                changes.push(Change::Gap { lane, first: range.first, last: range.last });
            });
        }
    }

    /// By the writer's retention all messages behind its fence have expired, so they go here as well.
    fn forget_messages(&mut self, node: NodeId, boot: Boot, changes: &mut Vec<Change>) {
        let is_past = |dot: &Dot| dot.lane.writer.node == node && dot.lane.writer.boot <= boot;
        let of_node = self.entries_in(Shard::of_node(node)).map(|entry| entry.dot);
        let expired: Vec<Dot> = of_node.filter(|dot| dot.lane.store == Store::Log && is_past(dot)).collect();
        for dot in expired {
            self.kill(&dot, changes);
        }
        self.log.forget(is_past);
    }

    /// What is live of the lives behind a fence although its writer had not seen it.
    #[must_use]
    pub fn beyond_fence(&self, node: NodeId, fence: &Fence) -> Vec<Arc<Entry>> {
        let is_beyond = |entry: &&Arc<Entry>| {
            let Lane { store, writer, .. } = entry.dot.lane;
            writer.node == node
                && writer.boot <= fence.boot
                && entry.serial > fence.covers(writer.boot, store)
        };
        self.entries().filter(is_beyond).cloned().collect()
    }

    /// What is live here in the lanes that an answer calls whole, although whoever began that had not seen it.
    #[must_use]
    pub fn beyond_answer(&self, lanes: &[LaneAnswer]) -> Vec<Arc<Entry>> {
        let every = Range { first: 1, last: u64::MAX };
        let whole = lanes.iter().filter(|answer| is_whole(&answer.seen));
        let beyond = whole.flat_map(|answer| {
            let mine = self.live_in(answer.lane, every).map(|(_, entry)| entry);
            mine.filter(|entry| entry.serial > answer.serial && !answer.live.contains(entry.dot.counter))
        });
        beyond.cloned().collect()
    }

    /// Writes entries again under `me` before a fence takes them out. Messages are not published again: their
    /// subscribers would hear them twice.
    pub fn rescue(&mut self, me: Writer, entries: &[Arc<Entry>], now: Time, changes: &mut Vec<Change>) {
        if self.planted.is(Mutant::ForgetUncovered) {
            return;
        }
        for old in entries {
            // An origin takes its claims along when it is written again, so they may be gone by now.
            if !self.live.contains(&old.dot) {
                continue;
            }
            if let Some(claim) = old.claim() {
                self.carry_claim(
                    me,
                    claim,
                    claim.generation,
                    (claim.ballot.epoch + 1).min(NUMBER_LIMIT),
                    now,
                    changes,
                );
            } else if let Some(name) = old.body.map_name() {
                let claims = self.claims_of(name, Minted::from(old.dot));
                let replaced = Superseded::from_iter([Replaced::from(&**old)]);
                let again = self.next_entry(me, replaced, old.body.clone());
                // What a later version appended is part of what is rescued.
                let again = Arc::new(Entry::clone(&again).with_appended(old.appended()));
                self.apply(&Carried { entry: again.clone(), age: Span::ZERO }, now, changes);
                for claim in claims {
                    let generation = Minted::from(again.dot);
                    self.carry_claim(me, &claim, generation, claim.ballot.epoch, now, changes);
                }
            }
        }
    }

    /// The live entries of a lane within a range of counters.
    pub(super) fn live_in(&self, lane: Lane, range: Range) -> impl Iterator<Item = (&Dot, &Arc<Entry>)> {
        self.live.range(dots(lane, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Body;
    use crate::mutant::Planted;
    use crate::state::{Retention, StateBase};

    #[test]
    fn what_is_rescued_keeps_what_a_later_version_appended() {
        let mut state = State::new(
            &StateBase::default(),
            Retention { age: Span::from_secs(60), bytes: u64::MAX },
            Planted::NONE,
        );
        let past = Writer { node: NodeId(1), boot: Boot(1) };
        let me = Writer { node: NodeId(2), boot: Boot(1) };
        let name = Name::new("k").expect("a name");
        let body = Body::Key { name: name.clone(), value: [1].as_slice().into() };
        let old = Arc::new(Entry::new(past, 1, 1, Superseded::new(), body).with_appended(&[7, 7]));
        let mut changes = Vec::new();
        state.apply(&Carried { entry: old.clone(), age: Span::ZERO }, Time(1), &mut changes);
        state.rescue(me, &[old], Time(2), &mut changes);
        let again = state.read(Store::Keys, &name).expect("it was written again");
        assert_eq!((again.dot.lane.writer, again.appended()), (me, [7, 7].as_slice()));
    }
}
