//! Fences: what remains of the past lives of a node.
//!
//! Each life of a node leaves contexts behind. Some time after a restart the node writes again, as copies, what
//! is live of its past lives, and mints a fence: from then on every dot of those lives counts as seen, and
//! their contexts go. Three rules keep this from being seen from outside, however long a peer was cut off:
//! - A fence is refused until all of its copies have arrived, so that no entry vanishes for a while.
//! - A copy stands for its originals: whatever replaced or removed one of them without having heard of the copy
//!   takes out the copy as well.
//! - A fence says how much its writer had seen of each life. What a peer holds beyond that, it writes again
//!   itself before the fence takes it out.

use super::context::dots;
use super::{Applied, Change, Progress, Sequence, State};
use crate::entry::{
    Ballot, Body, Claim, Copies, Covered, Entry, Fence, Hold, LIVES_LIMIT, Minted, SUPERSEDES_LIMIT, Scope,
    Superseded,
};
use crate::id::{Boot, Dot, Lane, Name, NodeId, Shard, Store, Writer};
use crate::interval::{IntervalSet, Range};
use crate::mutant::Mutant;
use crate::packet::LaneAnswer;
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl State {
    /// Copies what is live of the past lives of `me.node` and puts them behind a fence. `None` when there is no
    /// such life that is not fenced already.
    pub fn fence_past_lives(
        &mut self,
        me: Writer,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Option<Arc<Entry>> {
        let boot = self.last_past_life(me)?;
        let start = changes.len();
        if !self.planted.is(Mutant::FenceWithoutRewrite) {
            self.copy_past_lives(me, now, changes);
        }
        let copies = copies_in(&changes[start..], me);
        let fence = Fence { boot, copies, covered: self.covered(me.node, boot) };
        Some(self.mint(me, Superseded::new(), Body::Fence(Arc::new(fence)), now, changes))
    }

    /// The last life of a node before this one of which something was seen and which is not fenced.
    #[must_use]
    pub fn last_past_life(&self, me: Writer) -> Option<Boot> {
        let lives = self.lives(me.node).map(|(sequence, _)| sequence.writer.boot);
        lives.filter(|&boot| boot < me.boot).max()
    }

    /// Whether some of the writes of past lives are known to exist and have not arrived here.
    #[must_use]
    pub fn lacks_of_past_lives(&self, me: Writer) -> bool {
        let past = self.lives(me.node).filter(|(sequence, _)| sequence.writer.boot < me.boot);
        let mut writes = past.filter(|(sequence, _)| sequence.store.is_add_wins());
        writes.any(|(_, progress)| progress.count < progress.serial)
    }

    fn lives(&self, node: NodeId) -> impl Iterator<Item = (&Sequence, &Progress)> {
        let life = |boot, store| Sequence { writer: Writer { node, boot: Boot(boot) }, store };
        self.context.progress.range(life(0, Store::Registry)..=life(u64::MAX, Store::Fence))
    }

    fn copy_past_lives(&mut self, me: Writer, now: Time, changes: &mut Vec<Change>) {
        let is_past = |writer: Writer| writer.node == me.node && writer.boot < me.boot;
        let past = self.entries().filter(|entry| is_past(entry.dot.lane.writer));
        let named = past.filter_map(|entry| Some((entry.dot.lane.store, entry.body.map_name()?.clone())));
        for (store, name) in named.collect::<BTreeSet<(Store, Name)>>() {
            // Of a name all versions of this node are copied, oldest first: the one with the greatest dot keeps
            // it, and versions of other nodes stay what they were to them.
            let own = self.versions(store, &name).filter(|held| held.dot.lane.writer.node == me.node);
            let mut own: Vec<Arc<Entry>> = own.cloned().collect();
            own.sort_by_key(|held| Minted::from(held.dot));
            for old in own {
                self.copy(me, &old, now, changes);
            }
        }
        let claims = self.entries_of(Store::Health).filter(|entry| is_past(entry.dot.lane.writer));
        for entry in claims.cloned().collect::<Vec<_>>() {
            if let Some(claim) = entry.claim() {
                self.carry_claim(me, claim, claim.generation, claim.ballot.epoch + 1, now, changes);
            }
        }
    }

    fn copy(&mut self, me: Writer, old: &Entry, now: Time, changes: &mut Vec<Change>) {
        let mut originals = Superseded::from_iter([Minted::from(old.dot)]);
        if old.is_copy {
            originals.extend(old.supersedes.iter().copied().take(SUPERSEDES_LIMIT - 1));
        }
        let claims = old.body.map_name().map(|name| self.claims_of(name, Minted::from(old.dot)));
        let copy = self.mint_as(me, originals, true, old.body.clone(), now, changes);
        for claim in claims.into_iter().flatten() {
            self.carry_claim(me, &claim, Minted::from(copy.dot), claim.ballot.epoch, now, changes);
        }
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
        for (sequence, progress) in self.lives(node).filter(|(sequence, _)| sequence.writer.boot <= boot) {
            let serials = lives.entry(sequence.writer.boot).or_default();
            if let Some(serial) = serials.get_mut(sequence.store as usize) {
                *serial = progress.serial;
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

    /// Whether a fence would count now: it is not known, and all of its copies have arrived.
    #[must_use]
    pub fn is_due(&self, entry: &Entry, fence: &Fence) -> bool {
        let writer = entry.dot.lane.writer;
        let has_arrived = |copies: &Copies| {
            let lane = Lane { shard: copies.shard, store: copies.store, writer };
            self.context.lane(&lane).is_some_and(|seen| seen.contains_range(1, copies.last))
        };
        let hasty = self.planted.is(Mutant::HastyFence);
        !self.context.has_seen(&entry.dot) && (hasty || fence.copies.iter().all(has_arrived))
    }

    /// Writes again, under `me`, what a fence that is due would take out although its writer had not seen it.
    /// Messages are not published again: their subscribers would hear them twice.
    pub fn rescue(&mut self, me: Writer, fence: &Fence, node: NodeId, now: Time, changes: &mut Vec<Change>) {
        if self.planted.is(Mutant::ForgetUncovered) {
            return;
        }
        let is_lost = |entry: &&Arc<Entry>| {
            let writer = entry.dot.lane.writer;
            writer.node == node && writer.boot <= fence.boot && !fence.covers(entry)
        };
        for entry in self.entries().filter(is_lost).cloned().collect::<Vec<_>>() {
            // An origin takes its claims along when it is written again, so they may be gone by now.
            if !self.live.contains(&entry.dot) {
                continue;
            }
            if let Some(claim) = entry.claim() {
                self.carry_claim(me, claim, claim.generation, claim.ballot.epoch + 1, now, changes);
            } else if entry.body.map_name().is_some() {
                self.copy(me, &entry, now, changes);
            }
        }
    }

    pub(super) fn apply_fence(
        &mut self,
        entry: &Arc<Entry>,
        fence: &Fence,
        changes: &mut Vec<Change>,
    ) -> Applied {
        if !self.is_due(entry, fence) {
            return Applied::Refused;
        }
        self.see(entry);
        let node = entry.dot.lane.writer.node;
        let held: Vec<(Dot, Boot)> = self.fences_of(node).map(|(dot, fence)| (dot, fence.boot)).collect();
        if held.iter().any(|&(dot, boot)| (boot, dot) > (fence.boot, entry.dot)) {
            return Applied::Known;
        }
        for (dot, _) in held {
            self.kill(&dot, changes);
        }
        self.report_fenced_gaps(node, fence, changes);
        let is_past = |dot: &Dot| dot.lane.writer.node == node && dot.lane.writer.boot <= fence.boot;
        let dead: Vec<Dot> = self.live.iter().map(|(dot, _)| *dot).filter(is_past).collect();
        for dot in dead {
            self.kill(&dot, changes);
        }
        self.log.forget(is_past);
        self.context.raise_fence(node, fence.boot);
        self.live.insert(entry.dot, entry.clone());
        changes.push(Change::Learned(entry.clone()));
        Applied::New
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

    /// Whether a copy came too late: one of its originals has been replaced or removed here, by someone who had
    /// not heard of the copy. The originals of a life behind a fence tell nothing any more.
    pub(super) fn is_outlived(&self, copy: &Entry) -> bool {
        let is_seen = |dot: &Dot| self.context.lane(&dot.lane).is_some_and(|seen| seen.contains(dot.counter));
        copy.is_copy
            && !self.planted.is(Mutant::ForgetOriginals)
            && !copy.superseded_dots().any(|dot| self.live.contains(&dot))
            && copy.superseded_dots().any(|dot| is_seen(&dot))
            && self.siblings(copy).next().is_none()
    }

    /// Other live copies of the same originals: several peers may have written again what a fence left out, and then
    /// no copy ends the others.
    fn siblings(&self, copy: &Entry) -> impl Iterator<Item = &Arc<Entry>> {
        let versions = copy.body.map_name().map(|name| self.versions(copy.dot.lane.store, name));
        let is_other = move |held: &&Arc<Entry>| {
            let shares = |original| copy.supersedes.contains(original);
            held.is_copy && held.dot != copy.dot && held.supersedes.iter().any(shares)
        };
        versions.into_iter().flatten().filter(is_other)
    }

    /// The live copies of what a write replaced, when its writer knew the originals or other copies of them.
    pub(super) fn copies_of_superseded(&self, entry: &Entry) -> Vec<Dot> {
        let Some(name) = entry.body.map_name().filter(|_| !entry.is_copy && !entry.supersedes.is_empty())
        else {
            return Vec::new();
        };
        let mut ended = entry.supersedes.clone();
        for copy in entry.superseded_dots().filter_map(|dot| self.live.get(&dot)).filter(|held| held.is_copy)
        {
            ended.extend_from_slice(&copy.supersedes);
        }
        let is_copy = |held: &&Arc<Entry>| {
            let shares = |original| ended.contains(original);
            held.is_copy && held.supersedes.iter().any(shares) && !self.planted.is(Mutant::ForgetOriginals)
        };
        self.versions(entry.dot.lane.store, name).filter(is_copy).map(|held| held.dot).collect()
    }

    /// The live copies of a shard that the answering node has not seen, although it has seen the end of one of
    /// their originals.
    pub(super) fn copies_outlived_in(&self, lanes: &[LaneAnswer]) -> Vec<Dot> {
        let Some(shard) = lanes.first().map(|answer| answer.lane.shard) else { return Vec::new() };
        let find = |dot: &Dot| lanes.iter().find(|answer| answer.lane == dot.lane);
        let has_seen = |dot: &Dot| find(dot).is_some_and(|answer| answer.seen.contains(dot.counter));
        let holds = |dot: &Dot| find(dot).is_some_and(|answer| answer.live.contains(dot.counter));
        let copies = self.entries_in(shard).filter(|entry| entry.is_copy && !has_seen(&entry.dot));
        let outlived = copies.filter(|copy| {
            copy.superseded_dots().any(|dot| has_seen(&dot))
                && !copy.superseded_dots().any(|dot| holds(&dot))
                && !self.siblings(copy).any(|other| holds(&other.dot))
        });
        if self.planted.is(Mutant::ForgetOriginals) {
            return Vec::new();
        }
        outlived.map(|copy| copy.dot).collect()
    }

    /// The live entries of a lane within a range of counters.
    pub(super) fn live_in(&self, lane: Lane, range: Range) -> impl Iterator<Item = (&Dot, &Arc<Entry>)> {
        self.live.range(dots(lane, range))
    }
}

/// The last dot of `me` in each lane of the entries that were just minted.
fn copies_in(changes: &[Change], me: Writer) -> Vec<Copies> {
    let mut last: BTreeMap<(Shard, Store), u64> = BTreeMap::new();
    for change in changes {
        if let Change::Learned(entry) = change
            && entry.dot.lane.writer == me
        {
            last.insert((entry.dot.lane.shard, entry.dot.lane.store), entry.dot.counter);
        }
    }
    last.into_iter().map(|((shard, store), last)| Copies { shard, store, last }).collect()
}
