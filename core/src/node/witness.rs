//! Who has a write: questions of others, and what they answer.

use super::Node;
use crate::effects::Effects;
use crate::id::Addr;
use crate::mutant::Mutant;
use crate::packet::Packet;

impl Node {
    /// A peer asks whether a write is on this node's disk. Whoever has not got it yet says nothing, and is asked again.
    pub(super) fn asked_for(&mut self, from: Addr, packet: &Packet, effects: &mut Effects) {
        let Some(dot) = packet.dot.filter(|dot| self.state.context().has_seen(dot)) else { return };
        // Everything that was written so far holds the entry as well, or what replaced it.
        self.witnesses.promise(self.journal.written(), from, dot);
        let is_hasty = self.config.planted.is(Mutant::PromiseEarly);
        let up_to = if is_hasty { self.journal.written() } else { self.journal.synced() };
        self.witnesses.persisted(up_to, self.me.node, effects);
    }

    /// A peer says that a write is on its disk.
    pub(super) fn held_by(&mut self, packet: &Packet, effects: &mut Effects) {
        if let Some(dot) = packet.dot {
            self.witnesses.held(packet.sender, dot, effects);
        }
    }

    /// Everything up to this record is on disk.
    pub(super) fn persisted(&mut self, up_to: u64, effects: &mut Effects) {
        self.journal.persisted(up_to, effects);
        self.witnesses.persisted(up_to, self.me.node, effects);
    }
}
