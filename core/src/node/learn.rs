//! What follows from news: events, records, rumours.

use super::Node;
use crate::effects::{Effects, Event, Record};
use crate::entry::Entry;
use crate::id::{Dot, Writer};
use crate::mutant::Mutant;
use crate::packet::{Carried, LaneAnswer, PacketKind};
use crate::repair::is_current;
use crate::state::Change;
use crate::time::{Span, Time};
use alloc::sync::Arc;

impl Node {
    /// Writes what was taken from a peer to disk.
    pub(super) fn keep(&mut self, carried: &Carried, now: Time, effects: &mut Effects) {
        self.journal.write(Record::Entry { at: now, carried: carried.clone() }, effects);
    }

    /// Writes that a shard was joined.
    pub(super) fn keep_joined(&mut self, lanes: &[LaneAnswer], effects: &mut Effects) {
        self.journal.write(Record::Joined(lanes.to_vec()), effects);
    }

    fn note_for_checks(&mut self) {
        if let Some(checks) = &mut self.checks {
            self.changes.iter().for_each(|change| checks.note(change, self.me));
        }
    }

    /// Writes an own entry to disk and sends it to everyone, though it changes nothing here.
    pub(super) fn send_off(&mut self, entry: &Arc<Entry>, now: Time, effects: &mut Effects) {
        self.outbox.push(entry, &self.config);
        self.recents.push(entry.clone(), self.rumour_sends());
        let carried = Carried { entry: entry.clone(), age: Span::ZERO };
        self.journal.write(Record::Entry { at: now, carried }, effects);
    }

    /// Hands on what is no news here, but may be needed elsewhere: heartbeats of its writer wait for it.
    pub(super) fn pass_on(&mut self, entry: &Arc<Entry>, kind: PacketKind) {
        if kind != PacketKind::SyncAnswer && is_current(&self.state, entry) {
            self.recents.push(entry.clone(), self.rumour_sends());
        }
    }

    /// Turns what a peer brought into events and rumours. What came by stream is old and is not passed on.
    pub(super) fn learned_from_peer(&mut self, kind: PacketKind, effects: &mut Effects) {
        let by_stream = kind == PacketKind::SyncAnswer;
        let sends = if by_stream { 0 } else { self.rumour_sends() };
        self.note_for_checks();
        for change in self.changes.drain(..) {
            if let Change::Learned(entry) = &change
                && !by_stream
            {
                self.recents.push(entry.clone(), sends);
            }
            effects.events.push(Event::Changed(change));
        }
    }

    /// Turns what was written here into events, records and a broadcast. Gives back the first dot minted: what
    /// follows it in the same step, such as claims carried over an edit, is a consequence.
    pub(super) fn learned_here(&mut self, now: Time, effects: &mut Effects) -> Option<Dot> {
        let sends = self.rumour_sends();
        let mut minted = None;
        self.note_for_checks();
        for change in self.changes.drain(..) {
            if let Change::Learned(entry) = &change {
                minted.get_or_insert(entry.dot);
                self.outbox.push(entry, &self.config);
                self.recents.push(entry.clone(), sends);
                let carried = Carried { entry: entry.clone(), age: Span::ZERO };
                self.journal.write(Record::Entry { at: now, carried }, effects);
            }
            effects.events.push(Event::Changed(change));
        }
        self.freshness.settle(self.state.context());
        minted
    }

    /// A dot of this node's own name that it did not mint: an earlier life whose end it does not remember, or
    /// a second holder of the name. Dots must be unique, so it takes a higher boot before it mints again.
    /// So does a serial that it has not reached.
    pub(super) fn beware_of_own_past(&mut self, dot: Dot, serial: u64, now: Time, effects: &mut Effects) {
        let Writer { node, boot } = dot.lane.writer;
        if node != self.me.node || boot < self.me.boot {
            return;
        }
        let context = self.state.context();
        let reached = context.progress(dot.lane.writer, dot.lane.store).serial;
        if boot == self.me.boot && context.has_seen(&dot) && serial <= reached {
            return;
        }
        if self.config.planted.is(Mutant::ReuseBoot) {
            return;
        }
        self.live_after(boot, now, effects);
    }

    /// Whether an entry was minted in this life of this node.
    pub(super) fn is_own(&self, entry: &Arc<Entry>) -> bool {
        entry.dot.lane.writer == self.me
    }
}
