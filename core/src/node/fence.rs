//! The fences of this node's own past lives, and those of others.

use super::Node;
use crate::effects::{Effects, Event, Rejected};
use crate::entry::{Body, Entry};
use crate::id::{Boot, Dot, Shard, Store, Writer};
use crate::packet::{Carried, LaneAnswer, PacketKind};
use crate::time::{Span, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How many rounds of repair may bring what a fence waits for before this node fetches it by stream.
const PATIENT_ROUNDS: u64 = 2;

/// How often a fence waits for entries that are known to be missing; they may be gone for good.
const MOST_DELAYS: u32 = 3;

/// A fence that does not count here yet.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct EarlyFence {
    entry: Arc<Entry>,
    since: Time,
}

impl EarlyFence {
    /// Which of two fences of one node says more.
    fn reach(&self) -> (Boot, Dot) {
        let boot = if let Body::Fence(fence) = &self.entry.body { fence.boot } else { Boot::default() };
        (boot, self.entry.dot)
    }
}

impl Node {
    /// Puts this node's past lives behind a fence, if there are any. Waits while messages of theirs are kept, so that
    /// nobody misses one that could still be had, and for a time while something of them is missing here: then the
    /// fence covers less, and more has to be written again.
    pub(super) fn fence_past_lives(&mut self, now: Time, effects: &mut Effects) {
        self.fence_at = now + self.config.fence_after;
        let me = self.me;
        let is_past = |writer: Writer| writer.node == me.node && writer.boot < me.boot;
        let is_message =
            |entry: &Arc<Entry>| entry.dot.lane.store == Store::Log && is_past(entry.dot.lane.writer);
        if self.state.entries_in(Shard::of_node(me.node)).any(is_message) {
            self.fence_at = now + self.config.retention.age;
            return;
        }
        if self.early_fences.contains_key(&me.node) {
            return;
        }
        if self.state.lacks_of_past_lives(me) && self.fence_delays < MOST_DELAYS {
            self.fence_delays += 1;
            return;
        }
        self.fence_delays = 0;
        self.state.fence_past_lives(me, now, &mut self.changes);
        self.learned_here(now, effects);
    }

    /// Lets a fence count, or keeps it until everything that it covers has been seen here.
    pub(super) fn offer_fence(
        &mut self,
        entry: &Arc<Entry>,
        kind: PacketKind,
        now: Time,
        effects: &mut Effects,
    ) {
        let Body::Fence(fence) = &entry.body else { return };
        if self.state.context().has_seen(&entry.dot) {
            return;
        }
        if self.state.is_due(entry, fence) {
            self.adopt_fence(entry, kind, now, effects);
            return;
        }
        effects.events.push(Event::Rejected(Rejected::EarlyFence));
        let node = entry.dot.lane.writer.node;
        if self.members.get(node).is_none() {
            return;
        }
        let early = EarlyFence { entry: entry.clone(), since: now };
        let kept = self.early_fences.entry(node).or_insert_with(|| early.clone());
        if kept.reach() < early.reach() {
            *kept = early;
        }
        self.note_early_fences();
    }

    /// Lets a fence count: everything that it covers has been seen here.
    pub(super) fn adopt_fence(
        &mut self,
        entry: &Arc<Entry>,
        kind: PacketKind,
        now: Time,
        effects: &mut Effects,
    ) {
        let Body::Fence(fence) = &entry.body else { return };
        let node = entry.dot.lane.writer.node;
        if !self.state.is_behind(entry, fence) {
            let beyond = self.state.beyond_fence(node, fence);
            self.rescue(&beyond, kind, now, effects);
        }
        self.state.adopt_fence(entry, fence, &mut self.changes);
        self.keep(&Carried { entry: entry.clone(), age: Span::ZERO }, now, effects);
        self.forget_idle_fences();
    }

    /// Lets the fences count that came with the end of a stream: every shard was joined with a peer where they did.
    pub(super) fn adopt_fences(
        &mut self,
        fences: &[Carried],
        kind: PacketKind,
        now: Time,
        effects: &mut Effects,
    ) {
        for carried in fences {
            if !self.state.context().has_seen(&carried.entry.dot) {
                self.beware_of_own_past(carried.entry.dot, carried.entry.serial, now, effects);
                self.adopt_fence(&carried.entry, kind, now, effects);
            }
        }
        self.learned_from_peer(kind, effects);
    }

    /// Writes again what an answer would take out although nobody behind the fence had seen it.
    pub(super) fn rescue_from(
        &mut self,
        lanes: &[LaneAnswer],
        kind: PacketKind,
        now: Time,
        effects: &mut Effects,
    ) {
        if self.state.can_adopt(lanes) {
            let beyond = self.state.beyond_answer(lanes);
            self.rescue(&beyond, kind, now, effects);
        }
    }

    fn rescue(&mut self, beyond: &[Arc<Entry>], kind: PacketKind, now: Time, effects: &mut Effects) {
        if !beyond.is_empty() {
            self.learned_from_peer(kind, effects);
            self.state.rescue(self.me, beyond, now, &mut self.changes);
            self.learned_here(now, effects);
        }
    }

    /// Lets the fences count of which nothing is missing by now.
    pub(super) fn settle_fences(&mut self, kind: PacketKind, now: Time, effects: &mut Effects) {
        if self.early_fences.is_empty() {
            return;
        }
        self.forget_idle_fences();
        let is_due =
            |entry: &Entry| matches!(&entry.body, Body::Fence(fence) if self.state.is_due(entry, fence));
        let early = self.early_fences.values().map(|early| &early.entry);
        let due: Vec<Arc<Entry>> = early.filter(|entry| is_due(entry)).cloned().collect();
        for entry in &due {
            self.adopt_fence(entry, kind, now, effects);
        }
    }

    /// Whether a fence has waited for longer than datagrams should need to bring what it waits for.
    pub(super) fn is_fence_overdue(&self, now: Time) -> bool {
        let patience = self.config.repair_interval.times(PATIENT_ROUNDS);
        self.early_fences.values().any(|early| now > early.since + patience)
    }

    /// Drops the fences that count by now, or behind which another one stands.
    fn forget_idle_fences(&mut self) {
        let state = &self.state;
        self.early_fences.retain(|_, EarlyFence { entry, .. }| {
            let is_behind = matches!(&entry.body, Body::Fence(fence) if state.is_behind(entry, fence));
            !is_behind && !state.context().has_seen(&entry.dot)
        });
        self.note_early_fences();
    }

    fn note_early_fences(&mut self) {
        self.repair.early.clear();
        self.repair.early.extend(self.early_fences.values().map(|early| early.entry.dot));
    }
}
