//! What comes from peers: datagrams and streams.

use super::{Node, repair_local, sync_local};
use crate::broadcast::relay;
use crate::codec::{SECTION_OVERHEAD, carried_len, packet_len};
use crate::effects::{Effects, Event, Phase, Rejected, StreamEffect};
use crate::entry::Body;
use crate::heartbeat::Heartbeats;
use crate::id::{Addr, StreamId};
use crate::mutant::Mutant;
use crate::packet::{Packet, PacketKind, Window};
use crate::repair::{Local, fill_reply};
use crate::state::{Applied, State};
use crate::sync::{self, Framed, Sync};
use crate::time::Time;

/// A difference in this many of the 64 groups that lasts calls for a stream.
pub(super) const STREAM_ABOVE_GROUPS: u32 = 16;

impl Node {
    pub(super) fn datagram(&mut self, from: Addr, packet: &Packet, now: Time, effects: &mut Effects) {
        if !self.is_welcome(from, packet, now, effects) {
            effects.events.push(Event::Rejected(Rejected::Stranger));
            return;
        }
        match packet.kind {
            PacketKind::Ping => self.pinged(from, packet, now, effects),
            PacketKind::Ack => self.acknowledged(packet, now, effects),
            PacketKind::Confirm => self.asked_to_confirm(packet, now, effects),
            PacketKind::Confirmed => self.confirmed(packet, now, effects),
            PacketKind::Hurry => self.hurried(packet, now, effects),
            PacketKind::Have => self.asked_for(from, packet, effects),
            PacketKind::Has => self.held_by(packet, effects),
            PacketKind::Push => self.pushed(from, packet, now, effects),
            PacketKind::Request => self.requested(from, packet, now, effects),
            PacketKind::Reply => self.replied(from, packet, now, effects),
            PacketKind::SyncRequest | PacketKind::SyncAnswer | PacketKind::SyncDone => {
                effects.events.push(Event::Rejected(Rejected::WrongPlace));
            }
        }
    }

    fn pushed(&mut self, from: Addr, packet: &Packet, now: Time, effects: &mut Effects) {
        let before = repair_local!(self, now).hash();
        self.take_in(packet, now, effects);
        let is_news = repair_local!(self, now).hash() != before;
        if let Some(slice) = packet.relay
            && is_news
        {
            relay(packet, slice, &self.members, self.me.node, effects);
        }
        // The writer itself has what its sequence shows to be missing here.
        let shows_gap = is_news
            && packet.entries.iter().any(|carried| {
                let lane = carried.entry.dot.lane;
                let progress = self.state.context().progress(lane.writer, lane.store);
                lane.writer.node == packet.sender && progress.count < progress.serial
            });
        if shows_gap && self.phase != Phase::Joining && self.repair.take_gap_ask() {
            let writer = self.members.get(packet.sender).map_or(from, |member| member.addr);
            self.request(writer, false, now, effects);
        }
    }

    fn requested(&mut self, from: Addr, packet: &Packet, now: Time, effects: &mut Effects) {
        if packet.joins {
            self.asked_to_join(from, packet, now, effects);
            return;
        }
        self.take_in(packet, now, effects);
        if self.phase == Phase::Joining {
            // An empty node has nothing to answer with, and its digest would only draw traffic.
            return;
        }
        let mut reply = effects.packet();
        reply.reset(PacketKind::Reply, self.me.node);
        let room = self.config.room().min(self.config.reply_bytes);
        let room = self.repair.reply_room(room) as usize;
        self.answer_members(packet, now, room / 2, &mut reply);
        let local = repair_local!(self, now);
        fill_reply(local, packet, room, &mut self.scratch, &mut reply);
        self.fill_news(now, &mut reply);
        self.repair.charge_reply(packet_len(&reply) as u32);
        self.fill_beats(now, &packet.beats, &mut reply);
        let bytes = (self.config.room() as usize).saturating_sub(packet_len(&reply) + SECTION_OVERHEAD);
        let (rhythm, fresh) = (self.rhythm(), &self.freshness);
        Heartbeats::fill_overdue(&packet.overdue, fresh, rhythm, now, bytes, &mut reply.beats);
        effects.send(from, reply);
        let is_ahead = |window: &&Window| self.state.is_behind_in(**window, packet.listed(**window));
        if let Some(window) = packet.windows.iter().find(is_ahead)
            && let Some(member) = self.members.get(packet.sender)
            && !self.config.planted.is(Mutant::IgnoreAhead)
        {
            self.repair.note_ahead(member.addr, window.shard);
        }
    }

    /// Answers one who is no member yet. Anyone can ask like that, so the question must be worth its answer, the answers
    /// have a budget of their own, and what is meant for members stays out of them.
    fn asked_to_join(&mut self, from: Addr, packet: &Packet, now: Time, effects: &mut Effects) {
        let room = self.config.room().min(self.config.reply_bytes);
        if self.phase == Phase::Joining || !packet.has_digest || !self.repair.take_join_reply(room) {
            return;
        }
        let mut reply = effects.packet();
        reply.reset(PacketKind::Reply, self.me.node);
        self.introduce_self(now, &mut reply);
        reply.joins = self.answer_members(packet, now, room as usize / 2, &mut reply);
        let local = repair_local!(self, now);
        fill_reply(local, packet, room as usize, &mut self.scratch, &mut reply);
        effects.send(from, reply);
    }

    fn replied(&mut self, from: Addr, packet: &Packet, now: Time, effects: &mut Effects) {
        let news = self.take_in(packet, now, effects);
        self.heard_answer(packet, now, effects);
        // News of members may take half of a reply.
        let part = if packet.members.is_empty() { 2 } else { 4 };
        let is_full = news >= self.config.room().min(self.config.reply_bytes) as usize / part;
        if !self.repair.replied(packet, repair_local!(self, now)) {
            effects.events.push(Event::Rejected(Rejected::LateReply));
            return;
        }
        if self.phase == Phase::Joining {
            let is_whole = packet.joins && self.state.hash() == packet.hash;
            if is_whole || self.config.planted.is(Mutant::JoinByPart) {
                self.sync.abandon(effects);
                self.finish_join(Phase::Synced, now, effects);
            }
            return;
        }
        let is_eager = !self.config.planted.is(Mutant::AskOnceARound);
        if is_eager && !packet.agrees && (is_full || self.repair.has_unlisted()) {
            self.repair.note_more();
        }
        let too_large = !packet.agrees && self.repair.take_too_large();
        let waits = !packet.agrees && self.is_fence_overdue(now);
        if packet.oversized || too_large || waits || self.repair.lasting_groups() > STREAM_ABOVE_GROUPS {
            self.sync.fetch(from, &self.config, now, effects);
        }
    }

    /// Applies whatever a packet carries. Gives back the bytes of the entries that were news.
    pub(super) fn take_in(&mut self, packet: &Packet, now: Time, effects: &mut Effects) -> usize {
        if packet.is_bare() {
            return 0;
        }
        let mut news = 0;
        self.learn_of_members(packet, now, effects);
        for carried in &packet.entries {
            let dot = carried.entry.dot;
            self.beware_of_own_past(dot, carried.entry.serial, now, effects);
            for (superseded, serial) in carried.entry.superseded() {
                self.beware_of_own_past(superseded, serial, now, effects);
            }
            if matches!(carried.entry.body, Body::Fence(_)) {
                self.offer_fence(&carried.entry, packet.kind, now, effects);
                continue;
            }
            let before = self.changes.len();
            let progress = |state: &State| state.context().progress(dot.lane.writer, dot.lane.store);
            let known = (self.state.hash(), progress(&self.state));
            match self.state.apply(carried, now, &mut self.changes) {
                Applied::Refused => effects.events.push(Event::Rejected(Rejected::UnknownGeneration)),
                Applied::New => {
                    news += carried_len(carried);
                    self.keep(carried, now, effects);
                }
                // A write that came after one that replaces it still took out what it replaces itself, and a
                // message that had expired left a gap: a restart must not undo that.
                Applied::Known if self.changes.len() > before => self.keep(carried, now, effects),
                // Beaten, or about nothing, or replaced before it came; but it was not known, or shows what
                // else there is: a joined shard may count on it.
                Applied::Known if (self.state.hash(), progress(&self.state)) != known => {
                    news += carried_len(carried);
                    self.keep(carried, now, effects);
                    self.pass_on(&carried.entry, packet.kind);
                }
                Applied::Known => {}
            }
        }
        let mut lanes = packet.answer_lanes.as_slice();
        for &shard in &packet.answers {
            let count = lanes.iter().take_while(|answer| answer.lane.shard == shard).count();
            let (answer, rest) = lanes.split_at(count);
            lanes = rest;
            for lane in answer {
                let last = crate::id::Dot { lane: lane.lane, counter: lane.seen.max() };
                self.beware_of_own_past(last, lane.serial, now, effects);
            }
            self.rescue_from(answer, packet.kind, now, effects);
            if self.state.adopt(answer, &mut self.changes) {
                self.keep_joined(answer, effects);
            } else {
                if packet.kind == PacketKind::SyncAnswer {
                    self.sync.note_incomplete();
                }
                effects.events.push(Event::Rejected(Rejected::IncompleteAnswer));
            }
        }
        self.settle_fences(packet.kind, now, effects);
        let rhythm = self.rhythm();
        for beat in &packet.beats {
            // Most that come have come before, and what is no news needs no further look.
            if self.freshness.is_news(beat)
                && beat.writer.node != self.me.node
                && self.members.get(beat.writer.node).is_some()
            {
                let context = self.state.context();
                self.heartbeats.take(beat, rhythm, now, context, &mut self.freshness);
            }
        }
        self.learned_from_peer(packet.kind, effects);
        self.freshness.settle(self.state.context());
        news
    }

    pub(super) fn stream_opened(
        &mut self,
        stream: StreamId,
        peer: Addr,
        ours: bool,
        now: Time,
        effects: &mut Effects,
    ) {
        if !ours && self.phase == Phase::Joining {
            // Whoever asks here would take an empty state for the cluster's.
            effects.streams.push(StreamEffect::Close { stream });
            effects.events.push(Event::Rejected(Rejected::StillJoining));
            return;
        }
        if ours {
            self.join.note_progress(&self.config, now);
        }
        let local = sync_local!(self, now);
        if !self.sync.opened(stream, ours, local, effects) {
            effects.events.push(Event::Rejected(Rejected::TooManyStreams));
            self.redirect(peer, now, effects);
        }
    }

    /// A stream has ended, or did not come about.
    pub(super) fn stream_ended(&mut self, end: impl FnOnce(&mut Sync)) {
        let was_fetching = self.sync.is_fetching();
        end(&mut self.sync);
        if was_fetching && !self.sync.is_fetching() {
            self.join.note_refusal(&self.config);
        }
    }

    pub(super) fn stream_frame(
        &mut self,
        stream: StreamId,
        packet: &Packet,
        now: Time,
        effects: &mut Effects,
    ) {
        if self.membership.is_none() && self.members.get(packet.sender).is_none() {
            effects.events.push(Event::Rejected(Rejected::Stranger));
            return;
        }
        let local = sync_local!(self, now);
        match self.sync.frame(stream, packet, local, effects) {
            Framed::Misplaced => effects.events.push(Event::Rejected(Rejected::WrongPlace)),
            Framed::Used => {
                self.join.note_progress(&self.config, now);
                self.take_in(packet, now, effects);
            }
            Framed::Done { is_whole } => {
                self.learn_of_members(packet, now, effects);
                if is_whole {
                    self.adopt_fences(&packet.entries, PacketKind::SyncAnswer, now, effects);
                }
                if self.phase == Phase::Joining {
                    self.finish_join(Phase::Synced, now, effects);
                }
            }
        }
    }
}
