//! The fences of this node's own past lives, and those of others.

use super::Node;
use crate::effects::{Effects, Event, Rejected};
use crate::entry::{Body, Entry};
use crate::id::{Shard, Store, Writer};
use crate::packet::{Carried, PacketKind};
use crate::state::Applied;
use crate::time::{Span, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How often a fence waits for entries that are known to be missing; they may be gone for good.
const MOST_DELAYS: u32 = 3;

impl Node {
    /// Copies what is live of this node's past lives and puts them behind a fence, if there are any. Waits while
    /// messages of theirs are kept: those cannot be copied without being delivered twice. Waits for a time, too,
    /// while some of their entries are known to be missing here: a fence answers for all that exist.
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
        if self.state.lacks_of_past_lives(me) && self.fence_delays < MOST_DELAYS {
            self.fence_delays += 1;
            return;
        }
        self.fence_delays = 0;
        self.state.fence_past_lives(me, now, &mut self.changes);
        self.learned_here(now, effects);
    }

    /// Takes a fence in, or keeps it until its copies have arrived.
    pub(super) fn offer_fence(
        &mut self,
        entry: &Arc<Entry>,
        kind: PacketKind,
        now: Time,
        effects: &mut Effects,
    ) {
        let Body::Fence(fence) = &entry.body else { return };
        let writer = entry.dot.lane.writer;
        if self.state.is_due(entry, fence) {
            // What the fence would take out although its writer had not seen it, this node writes again. So does a
            // node that came back in a life below a fence of its own name: it has taken a higher one by now.
            self.learned_from_peer(kind, effects);
            self.state.rescue(self.me, fence, writer.node, now, &mut self.changes);
            self.learned_here(now, effects);
        }
        let carried = Carried { entry: entry.clone(), age: Span::ZERO };
        let was_seen = self.state.context().has_seen(&entry.dot);
        match self.state.apply(&carried, now, &mut self.changes) {
            Applied::Refused => {
                effects.events.push(Event::Rejected(Rejected::EarlyFence));
                let kept = self.early_fences.entry(writer.node).or_insert_with(|| entry.clone());
                if kept.dot < entry.dot {
                    *kept = entry.clone();
                }
                self.note_early_fences();
            }
            Applied::New => self.keep(&carried, now, effects),
            Applied::Known if !was_seen => self.keep(&carried, now, effects),
            Applied::Known => {}
        }
    }

    /// Takes in the fences whose copies have arrived by now.
    pub(super) fn settle_fences(&mut self, kind: PacketKind, now: Time, effects: &mut Effects) {
        if self.early_fences.is_empty() {
            return;
        }
        let is_over = |entry: &Entry| {
            let is_due = matches!(&entry.body, Body::Fence(fence) if self.state.is_due(entry, fence));
            is_due || self.state.context().has_seen(&entry.dot)
        };
        let over: Vec<Arc<Entry>> =
            self.early_fences.values().filter(|entry| is_over(entry)).cloned().collect();
        for entry in &over {
            self.early_fences.remove(&entry.dot.lane.writer.node);
            self.offer_fence(entry, kind, now, effects);
        }
        if !over.is_empty() {
            self.note_early_fences();
        }
    }

    fn note_early_fences(&mut self) {
        self.repair.early.clear();
        self.repair.early.extend(self.early_fences.values().map(|entry| entry.dot));
    }
}
