//! How the node keeps its list of members: what it lends to the mechanism, and what follows from it.

use super::Node;
use crate::broadcast::spread;
use crate::codec::{SECTION_OVERHEAD, packet_len};
use crate::config::Broadcast;
use crate::effects::{Effects, Event, Phase, Record};
use crate::id::{Addr, Boot, NodeId};
use crate::member::{Life, Member, Standing};
use crate::membership::{Learned, Local};
use crate::packet::{GROUPS, Packet, PacketKind};
use crate::time::{Span, Time};
use alloc::vec::Vec;

/// Splits the node into its membership and what that needs of the rest.
macro_rules! lend {
    ($node:expr, $now:expr) => {{
        let repeat = $node.repair.loss.scale(16);
        match ($node.membership.as_mut(), $node.config.membership.as_ref()) {
            (Some(membership), Some(config)) => Some((
                membership,
                Local {
                    me: $node.me.node,
                    config,
                    members: &mut $node.members,
                    rng: &mut $node.rng,
                    planted: $node.config.planted,
                    repeat,
                    now: $now,
                },
            )),
            _ => None,
        }
    }};
}

impl Node {
    /// Enters this life into the own list; others hear of it by and by, or at once while this node takes part.
    pub(super) fn enter_own_life(&mut self, now: Time) {
        let Some(membership) = &mut self.membership else { return };
        let life = Life { boot: self.me.boot, incarnation: 0 };
        let held = self.members.get(self.me.node);
        if held.is_some_and(|held| held.life.boot == life.boot && held.standing == Standing::Alive) {
            return;
        }
        let fresh = Member { life, ..Member::new(self.identity.name.clone(), self.identity.addr) };
        let (zone, weight) = held.map_or((fresh.zone, fresh.weight), |held| (held.zone, held.weight));
        self.members.put(Member { zone, weight, ..fresh });
        if self.phase != Phase::Joining {
            membership.announce(self.me.node, now);
        }
    }

    /// Tells everyone that this node takes part.
    pub(super) fn say_hello(&mut self, now: Time) {
        if let Some((membership, local)) = lend!(self, now) {
            membership.pass_on(local.me, &local);
            membership.announce(local.me, now);
        }
    }

    /// Tells everyone that this node leaves.
    pub(super) fn say_goodbye(&mut self, now: Time, effects: &mut Effects) {
        let Some(own) = self.members.get(self.me.node).cloned() else { return };
        if let Some((membership, mut local)) = lend!(self, now) {
            let left = Member { standing: Standing::Left, ..own };
            membership.change(left, Span::ZERO, &mut local, effects);
            membership.announce(local.me, now);
        }
    }

    /// Whom to ask in this round.
    pub(super) fn next_peer(&mut self) -> Option<(Option<NodeId>, Addr)> {
        match &mut self.membership {
            Some(membership) => {
                let (node, addr) = membership.next_peer(&self.members, self.me.node, &mut self.rng)?;
                Some((Some(node), addr))
            }
            None => self.members.random_peer(self.me.node, &mut self.rng).map(|peer| (None, peer.addr)),
        }
    }

    /// The request of a round is the ping of SWIM.
    pub(super) fn expect_answer(&mut self, node: Option<NodeId>, nonce: u32, now: Time) {
        if let (Some(node), Some((membership, local))) = (node, lend!(self, now)) {
            membership.asked(node, nonce, &local);
        }
    }

    pub(super) fn heard_answer(&mut self, nonce: u32, now: Time, effects: &mut Effects) {
        if let Some((membership, mut local)) = lend!(self, now) {
            membership.answered(nonce, &mut local, effects);
        }
    }

    pub(super) fn next_membership_wake(&self) -> Time {
        match &self.membership {
            Some(membership) if self.phase == Phase::Serving => membership.next_wake(),
            Some(membership) if self.phase == Phase::Leaving => membership.next_announcement(),
            _ => Time::NEVER,
        }
    }

    pub(super) fn membership_tick(&mut self, now: Time, effects: &mut Effects) {
        if self.phase == Phase::Serving
            && let Some((membership, mut local)) = lend!(self, now)
        {
            membership.tick(&mut local, effects);
        }
        if matches!(self.phase, Phase::Serving | Phase::Leaving)
            && let Some(membership) = &mut self.membership
        {
            let mut news = Vec::new();
            membership.take_announcements(&self.members, now, &mut news);
            if !news.is_empty() {
                let fill = |packet: &mut Packet| packet.members.extend_from_slice(&news);
                let me = self.me.node;
                spread(Broadcast::All, fill, &self.config, &self.members, me, &mut self.rng, effects);
            }
        }
    }

    /// Whether a datagram is taken: a stranger must introduce itself. Someone who counts as gone is told, so that it can refute that.
    pub(super) fn is_welcome(
        &mut self,
        from: Addr,
        packet: &Packet,
        now: Time,
        effects: &mut Effects,
    ) -> bool {
        let sender = self.members.get(packet.sender);
        let introduces =
            || packet.members.iter().any(|told| told.node == packet.sender && told.card.is_some());
        if sender.is_none() && (self.membership.is_none() || !introduces()) {
            return false;
        }
        let Some(membership) = &mut self.membership else { return true };
        let asks = matches!(packet.kind, PacketKind::Request | PacketKind::Ping);
        if let Some(member) = sender
            && asks
            && !member.standing.is_live()
            && !packet.members.iter().any(|update| update.node == member.node && update.life > member.life)
        {
            membership.tell_gone(from, member, self.me.node, now, effects);
        }
        true
    }

    pub(super) fn pinged(&mut self, from: Addr, packet: &Packet, now: Time, effects: &mut Effects) {
        self.take_in(packet, now, effects);
        if self.phase == Phase::Joining {
            return;
        }
        if let Some(subject) = packet.subject {
            if let Some((membership, local)) = lend!(self, now) {
                membership.take_errand(from, packet.nonce, subject, &local);
            }
            return;
        }
        let mut ack = effects.packet();
        ack.reset(PacketKind::Ack, self.me.node);
        ack.nonce = packet.nonce;
        self.fill_news(now, &mut ack);
        effects.send(from, ack);
    }

    pub(super) fn acknowledged(&mut self, packet: &Packet, now: Time, effects: &mut Effects) {
        self.take_in(packet, now, effects);
        let Some((membership, mut local)) = lend!(self, now) else { return };
        match packet.subject {
            Some(subject) => membership.reported(packet.sender, subject, &local),
            None => membership.answered(packet.nonce, &mut local, effects),
        }
    }

    /// Adds news of members to a packet that is about to leave.
    pub(super) fn fill_news(&mut self, now: Time, packet: &mut Packet) {
        let room = (self.config.room() as usize).saturating_sub(packet_len(packet) + SECTION_OVERHEAD);
        if let Some((membership, local)) = lend!(self, now) {
            let bytes = room.min(local.config.news_bytes as usize);
            membership.fill(local.members, now, bytes, &mut packet.members);
        }
    }

    /// Adds to a reply what is known of the groups of members that differ. Gives back how many bytes it takes.
    pub(super) fn answer_members(
        &self,
        request: &Packet,
        now: Time,
        bytes: usize,
        reply: &mut Packet,
    ) -> usize {
        let Some(membership) = self.membership.as_ref().filter(|_| request.has_digest) else { return 0 };
        let own = crate::repair::member_groups(&self.members, request.nonce);
        let mut left = bytes;
        let first = request.nonce as usize % GROUPS;
        for group in
            (first..GROUPS).chain(0..first).filter(|&group| own[group] != request.member_groups[group])
        {
            left -= membership.fill_group(&self.members, group, request.nonce, now, left, &mut reply.members);
        }
        bytes - left
    }

    /// Takes in what a packet says of members.
    pub(super) fn learn_of_members(&mut self, packet: &Packet, now: Time, effects: &mut Effects) {
        for update in &packet.members {
            let heard = self.freshness.beat(update.node, now).map(|beat| beat.age);
            let learned = match lend!(self, now) {
                Some((membership, mut local)) => membership.learn(update, heard, &mut local, effects),
                None => return,
            };
            if learned == Learned::Conflict {
                self.leave_life_to(update.life.boot, now, effects);
            }
        }
    }

    /// Someone else lives under this name in this life or a later one: this node takes a life of its own.
    fn leave_life_to(&mut self, boot: Boot, now: Time, effects: &mut Effects) {
        self.me.boot = Boot((boot.0 + 1).min(crate::codec::NUMBER_LIMIT));
        self.identity.boot = self.me.boot;
        self.heartbeats.restart();
        self.journal.write(Record::Boot(self.me.boot), effects);
        effects.events.push(Event::NewBoot(self.me.boot));
        self.enter_own_life(now);
    }
}
