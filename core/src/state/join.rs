//! Exact repair of a whole shard: a window says what the asker has seen, an answer says everything else.
//!
//! Whatever supersedes an entry lives in the same shard, so an answer that is complete for a shard may be
//! adopted whole: contexts, removals and claims at once, registry before health.

use super::context::{first_lane, is_whole, last_lane};
use super::{Applied, Change, State};
use crate::entry::Body;
use crate::id::{Lane, Shard, Store};
use crate::interval::{IntervalSet, Range};
use crate::mutant::Mutant;
use crate::packet::{Carried, LaneAnswer, LaneSeen, Window};
use crate::time::{Span, Time};
use alloc::vec::Vec;

impl State {
    /// Lists what this node has seen in a shard.
    pub fn window(&self, shard: Shard, out: &mut Vec<LaneSeen>) -> Window {
        let lanes = self.lanes(shard, &[]);
        out.extend(lanes.into_iter().map(|(lane, seen)| LaneSeen { lane, seen: seen.clone() }));
        Window { shard, live: self.context.live_hash(shard) }
    }

    /// What was seen of a shard, lane by lane in order. A lane of a life behind a fence is listed only where
    /// something of it is live, or where the peer lists it.
    fn lanes(&self, shard: Shard, theirs: &[LaneSeen]) -> Vec<(Lane, &IntervalSet)> {
        let mut lanes: Vec<_> = self.context.lanes_of(shard).map(|(lane, seen)| (*lane, seen)).collect();
        if !self.context.has_whole_lanes() {
            return lanes;
        }
        let live = self.entries_in(shard).map(|entry| entry.dot.lane);
        let live = live.filter(|_| !self.planted.is(Mutant::OmitFencedLanes));
        let listed = theirs.iter().map(|their| their.lane);
        let told = self.context.whole.range(first_lane(shard)..=last_lane(shard)).map(|(lane, _)| *lane);
        for lane in live.chain(listed).chain(told) {
            // Past fences themselves are nobody's concern once a later one counts.
            if lane.store != Store::Fence
                && self.context.is_whole(&lane)
                && let Some(seen) = self.context.lane(&lane)
            {
                lanes.push((lane, seen));
            }
        }
        lanes.sort_unstable_by_key(|(lane, _)| *lane);
        lanes.dedup_by_key(|(lane, _)| *lane);
        lanes
    }

    /// Everything of a shard that someone lacks who has seen `theirs`: the entries, and the lanes with which
    /// they complete the shard. Nothing is appended when the asker lacks nothing.
    pub fn answer(
        &self,
        window: Window,
        theirs: &[LaneSeen],
        now: Time,
        entries: &mut Vec<Carried>,
        lanes: &mut Vec<LaneAnswer>,
    ) {
        let start = lanes.len();
        let own = self.lanes(window.shard, theirs);
        if self.answer_whole(&own, theirs, now, entries, lanes) {
            return;
        }
        // Both have seen the same and hold different entries: the asker never heard what removed one, because
        // a write that came after it arrived first.
        let same_seen = own.len() == theirs.len() && theirs.iter().all(|their| self.has_same(their));
        if !same_seen || window.live == self.context.live_hash(window.shard) {
            lanes.truncate(start);
        }
    }

    /// As [`State::answer`], but the lanes are appended even when the asker has seen every dot. True when it
    /// has not.
    fn answer_whole(
        &self,
        own: &[(Lane, &IntervalSet)],
        theirs: &[LaneSeen],
        now: Time,
        entries: &mut Vec<Carried>,
        lanes: &mut Vec<LaneAnswer>,
    ) -> bool {
        let nothing = IntervalSet::new();
        let mut lacking = false;
        for (lane, seen) in own {
            let their = theirs.iter().find(|their| their.lane == *lane).map_or(&nothing, |their| &their.seen);
            let lacks = !their.is_superset(seen);
            if lacks {
                lacking = true;
                seen.for_each_missing_in(their, |range| self.carry(*lane, range, now, entries));
            }
            // An add-wins lane is listed even when nothing of it lacks: a removal in another lane may have
            // taken out one of its entries, and only the list of live dots tells.
            if lacks || lane.store.is_add_wins() {
                lanes.push(self.lane_answer(*lane, seen));
            }
        }
        lacking
    }

    /// Whether a peer may know more of a shard than this node, given the window of a request and what it lists: the
    /// peer has seen dots that this node has not, or both have seen the same and only one of them knows what
    /// removed an entry.
    #[must_use]
    pub fn is_behind_in(&self, window: Window, theirs: &[LaneSeen]) -> bool {
        let nothing = IntervalSet::new();
        let seen_by_me = |their: &LaneSeen| self.context.lane(&their.lane).unwrap_or(&nothing);
        if theirs.iter().any(|their| !seen_by_me(their).is_superset(&their.seen)) {
            return true;
        }
        // A peer behind the same fence lists none of its lanes in which nothing is live there.
        let is_listed = |lane: &Lane| theirs.iter().any(|their| their.lane == *lane);
        let own = self.lanes(window.shard, theirs);
        let same_seen = theirs.iter().all(|their| self.has_same(their))
            && own.iter().all(|(lane, _)| is_listed(lane) || self.context.is_whole(lane));
        same_seen && window.live != self.context.live_hash(window.shard)
    }

    fn has_same(&self, their: &LaneSeen) -> bool {
        self.context.lane(&their.lane) == Some(&their.seen)
    }

    fn lane_answer(&self, lane: Lane, seen: &IntervalSet) -> LaneAnswer {
        let whole = Range { first: 1, last: u64::MAX };
        let live = self.live_in(lane, whole).map(|(dot, _)| dot.counter).collect();
        LaneAnswer { lane, seen: seen.clone(), live, serial: self.serial_of(&lane) }
    }

    fn carry(&self, lane: Lane, range: Range, now: Time, entries: &mut Vec<Carried>) {
        for (dot, entry) in self.live_in(lane, range) {
            let age = if lane.store == Store::Log { self.message_age(dot, now) } else { Span::ZERO };
            entries.push(Carried { entry: entry.clone(), age });
        }
    }

    /// Whether every entry that an answer for a whole shard counts on has come and was taken.
    ///
    /// Fences stand apart from the rest of a shard: one that is refused as yet leaves out its own lane only.
    #[must_use]
    pub fn can_adopt(&self, lanes: &[LaneAnswer]) -> bool {
        let is_held = |answer: &LaneAnswer| answer.lane.store == Store::Fence || self.holds_live_of(answer);
        lanes.iter().all(is_held) || self.planted.is(Mutant::AdoptTruncatedAnswer)
    }

    /// Joins an answer for a whole shard, whose entries have been applied before. False, and nothing changes,
    /// unless it [can be adopted](Self::can_adopt). What is live here [beyond it](Self::beyond_answer) goes.
    pub fn adopt(&mut self, lanes: &[LaneAnswer], changes: &mut Vec<Change>) -> bool {
        if !self.can_adopt(lanes) {
            return false;
        }
        let mut dead = Vec::new();
        for answer in lanes.iter().filter(|answer| answer.lane.store.is_add_wins()) {
            if self.planted.is(Mutant::IgnoreLiveList) {
                break;
            }
            let whole = Range { first: 1, last: u64::MAX };
            let mine = self.live_in(answer.lane, whole).map(|(dot, _)| *dot);
            dead.extend(
                mine.filter(|dot| answer.seen.contains(dot.counter) && !answer.live.contains(dot.counter)),
            );
        }
        for answer in lanes {
            let lane = &answer.lane;
            if lane.store == Store::Fence && (!self.holds_live_of(answer) || is_whole(&answer.seen)) {
                continue;
            }
            self.report_gaps(answer, changes);
            if is_whole(&answer.seen) {
                self.context.complete(lane, answer.serial);
            } else {
                self.context.see_all(lane, &answer.seen);
                self.context.note_serial(lane, answer.serial);
            }
        }
        for dot in dead {
            self.kill(&dot, changes);
        }
        true
    }

    fn holds_live_of(&self, answer: &LaneAnswer) -> bool {
        let nothing = IntervalSet::new();
        let seen = self.context.lane(&answer.lane).unwrap_or(&nothing);
        seen.is_superset(&answer.live)
    }

    /// Messages that the answering node has seen but no longer holds have expired: their subscribers here are
    /// told, instead of hearing nothing.
    fn report_gaps(&self, answer: &LaneAnswer, changes: &mut Vec<Change>) {
        let lane = answer.lane;
        let silent = self.planted.is(Mutant::SilentGap);
        if lane.store != Store::Log || self.context.is_whole(&lane) || silent {
            return;
        }
        let nothing = IntervalSet::new();
        let seen = self.context.lane(&lane).unwrap_or(&nothing);
        // A node's messages all live in one shard, so their counters are their serials.
        let published = IntervalSet::range(1, answer.serial);
        let told = if is_whole(&answer.seen) { &published } else { &answer.seen };
        told.for_each_missing_in(seen, |range| {
            changes.push(Change::Gap { lane, first: range.first, last: range.last });
        });
    }

    /// Joins the whole of another state, kept by the same clock: what a complete answer for every shard does, but for
    /// the rescue that a node makes before. For tests of the laws of the join.
    pub fn join(&mut self, other: &Self, now: Time, changes: &mut Vec<Change>) {
        let (mut entries, mut lanes, mut window) = (Vec::new(), Vec::new(), Vec::new());
        for shard in (0..=u8::MAX).map(Shard) {
            entries.clear();
            lanes.clear();
            window.clear();
            self.window(shard, &mut window);
            // A peer that has seen all of the shard may still hold what the other saw removed; in an exchange
            // that shows once both have seen the same, here at once.
            other.answer_whole(&other.lanes(shard, &window), &window, now, &mut entries, &mut lanes);
            self.apply_all(&entries, now, changes);
            self.adopt(&lanes, changes);
        }
        for entry in other.entries_of(Store::Fence) {
            if let Body::Fence(fence) = &entry.body
                && !self.context.has_seen(&entry.dot)
            {
                self.adopt_fence(entry, fence, changes);
            }
        }
    }

    /// Offers several entries in the order of their stores within each shard.
    pub fn apply_all(&mut self, entries: &[Carried], now: Time, changes: &mut Vec<Change>) -> Vec<Applied> {
        entries.iter().map(|carried| self.apply(carried, now, changes)).collect()
    }
}
