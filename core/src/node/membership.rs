//! How the node keeps its list of members: what it lends to the mechanism, and what follows from it.

use super::receive::STREAM_ABOVE_GROUPS;
use super::{Identity, Node};
use crate::broadcast::spread;
use crate::codec::{NUMBER_LIMIT, SECTION_OVERHEAD, packet_len};
use crate::config::Broadcast;
use crate::effects::{Effects, Event, Phase, Record};
use crate::entry::Scope;
use crate::hash::mix;
use crate::id::{Addr, Boot, NodeId};
use crate::member::{Life, Member, Standing, member_group};
use crate::membership::{Learned, Local, tell};
use crate::mutant::Mutant;
use crate::packet::{Card, GROUPS, MemberUpdate, Packet, PacketKind};
use crate::repair::differing_members;
use crate::time::{Span, Time};
use alloc::boxed::Box;
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
                    room: $node.config.room(),
                    now: $now,
                },
            )),
            _ => None,
        }
    }};
}

/// Members that a node is told of when it can't be served.
const REDIRECTED: usize = 8;
/// So many members in groups that differ are too many for datagrams.
const STREAM_ABOVE_MEMBERS: usize = 200;
/// So many members that a peer shows to lack take five rounds and more by datagrams.
const STREAM_ABOVE_MISSING: usize = 64;

impl Node {
    /// Enters this life into the own list; others hear of it by and by, or at once while this node takes part.
    pub(super) fn enter_own_life(&mut self, now: Time) {
        if self.membership.is_none() {
            return;
        }
        let Identity { name, addr, zone, weight, .. } = self.identity.clone();
        let life = Life { boot: self.me.boot, incarnation: 0 };
        let settings = self.config.ownership.fingerprint([]);
        let own = Member { life, zone, weight, settings, ..Member::new(name, addr) };
        // Whoever leaves does so in any life.
        let standing = if self.phase == Phase::Leaving { Standing::Left } else { Standing::Alive };
        let held = self.members.get(self.me.node);
        if held.is_some_and(|held| {
            held.life.boot == life.boot && held.standing == standing && held.settings == settings
        }) {
            return;
        }
        self.members.put(Member { standing, ..own });
        if self.phase != Phase::Joining
            && let Some(membership) = &mut self.membership
        {
            membership.announce(self.me.node, now);
        }
    }

    /// This node says something else of itself from now on. To be found elsewhere is news as much as a refutation is.
    pub(super) fn describe(&mut self, addr: Addr, zone: Scope, weight: u16, now: Time) {
        let identity = Identity { addr, zone, weight, ..self.identity.clone() };
        if identity == self.identity {
            return;
        }
        self.identity = identity;
        let Some(own) = self.members.get(self.me.node).cloned() else { return };
        let incarnation = own.life.incarnation.saturating_add(1);
        let life = Life { incarnation, ..own.life };
        self.members.put(Member { addr, zone, weight, life, ..own });
        if self.phase != Phase::Joining {
            self.say_hello(now);
        }
    }

    /// Tells everyone that this node takes part.
    pub(super) fn say_hello(&mut self, now: Time) {
        if let Some((membership, local)) = lend!(self, now) {
            membership.pass_on(local.me, &local);
            membership.announce_once(local.me, now);
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
            Some(membership) => membership.next_peer(&self.members, self.me.node, &mut self.rng),
            None => self.members.random_peer(self.me.node, &mut self.rng).map(|peer| (None, peer.addr)),
        }
    }

    /// The request of a round is the ping of SWIM.
    pub(super) fn expect_answer(&mut self, node: Option<NodeId>, nonce: u32, now: Time) {
        if let (Some(node), Some((membership, local))) = (node, lend!(self, now)) {
            membership.asked(node, nonce, &local);
        }
    }

    pub(super) fn heard_answer(&mut self, packet: &Packet, now: Time, effects: &mut Effects) {
        if let Some((membership, mut local)) = lend!(self, now) {
            membership.answered(packet.sender, packet.nonce, &mut local, effects);
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
            let room = (self.config.room() as usize).saturating_sub(packet_len(&Packet::default()));
            let room = room.saturating_sub(SECTION_OVERHEAD);
            membership.take_announcements(&self.members, now, room, &mut news);
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
        if packet.joins && packet.kind == PacketKind::Request {
            return true;
        }
        let sender = self.members.get(packet.sender);
        let introduces =
            || packet.members.iter().any(|told| told.node == packet.sender && told.card.is_some());
        if sender.is_none() && (self.membership.is_none() || !introduces()) {
            let asks = matches!(packet.kind, PacketKind::Request | PacketKind::Ping | PacketKind::Ack);
            if let Some(membership) = &self.membership
                && asks
                && self.phase == Phase::Serving
            {
                // To be told that it is not known makes it say who it is. It may not know this node either.
                let (node, life, age) = (packet.sender, Life::default(), Span::ZERO);
                let unknown =
                    MemberUpdate { node, life, standing: Standing::Dead, age, accuser: node, card: None };
                let own = membership.word_of(self.me.node, &self.members, now);
                tell(from, [unknown].into_iter().chain(own), self.me.node, effects);
            }
            return false;
        }
        let Some(membership) = &mut self.membership else { return true };
        membership.heard(packet.sender, self.config.planted);
        let asks = matches!(packet.kind, PacketKind::Request | PacketKind::Ping);
        if asks
            && let Some(gone) = membership.gone(packet.sender, &self.members, now)
            && !packet.members.iter().any(|update| update.node == gone.node && update.life > gone.life)
        {
            tell(from, [gone], self.me.node, effects);
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
                membership.take_errand(from, packet.nonce, subject, &local, effects);
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
            Some(subject) => membership.reported(packet.sender, packet.nonce, subject),
            None => membership.answered(packet.sender, packet.nonce, &mut local, effects),
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

    /// Tells a node that can't be served now who else there is. Where many join through one, those who have joined serve
    /// the others.
    pub(super) fn redirect(&mut self, peer: Addr, now: Time, effects: &mut Effects) {
        let Some(membership) = self.membership.as_ref().filter(|_| self.phase == Phase::Serving) else {
            return;
        };
        let mut ack = effects.packet();
        ack.reset(PacketKind::Ack, self.me.node);
        ack.members.extend(membership.word_of(self.me.node, &self.members, now));
        for _ in 0..REDIRECTED {
            if let Some(other) = self.members.random_peer(self.me.node, &mut self.rng) {
                let node = other.node;
                ack.members.extend(membership.word_of(node, &self.members, now));
                if packet_len(&ack) > self.config.room() as usize {
                    ack.members.pop();
                }
            }
        }
        effects.send(peer, ack);
    }

    /// Tells who it is that answers.
    pub(super) fn introduce_self(&self, now: Time, reply: &mut Packet) {
        let membership = self.membership.as_ref();
        reply.members.extend(membership.and_then(|it| it.word_of(self.me.node, &self.members, now)));
    }

    /// Whom a joining node asks at this turn: in turn those it was told of by its operator and those it has heard of
    /// since.
    pub(super) fn host(&mut self, peers: &[Addr], turn: usize) -> Addr {
        if self.membership.is_none() {
            return peers[turn % peers.len()];
        }
        let is_others_turn = turn % 2 == 1;
        let other = self.members.random_peer(self.me.node, &mut self.rng).filter(|_| is_others_turn);
        other.map_or(peers[turn / 2 % peers.len()], |member| member.addr)
    }

    /// Adds to a reply what is known of the groups of members that differ, in at most `bytes`. Whether that is all that
    /// the asker can lack.
    pub(super) fn answer_members(
        &self,
        request: &Packet,
        now: Time,
        bytes: usize,
        reply: &mut Packet,
    ) -> bool {
        let Some(membership) = &self.membership else { return true };
        if !request.has_digest || self.config.planted.is(Mutant::OmitMembers) {
            return false;
        }
        reply.member_mask = differing_members(request, &self.members);
        let groups = |mask: u64| (0..GROUPS).filter(move |group| mask & (1 << group) != 0);
        // What is listed is answered exactly, and so before the rest.
        let listed = reply.member_mask & request.member_mask;
        let is_unknown = |member: &&Member| {
            !(request.member_mask & (1 << member_group(member.node)) != 0
                && request.member_filter.contains(&member.short_print(request.nonce)))
        };
        // Where much of a long list is unknown, or of a few groups as after a stream that was cut, it comes by stream.
        let differing = reply.member_mask.count_ones();
        let members = differing as usize * self.members.len() / GROUPS;
        let missing = groups(listed).flat_map(|group| self.members.group(group)).filter(is_unknown).count();
        reply.oversized |= missing > STREAM_ABOVE_MISSING
            || (differing > STREAM_ABOVE_GROUPS && members > STREAM_ABOVE_MEMBERS);
        // Of what does not fit the nonce chooses, so that the same do not stay out time after time.
        let first = request.nonce as usize % GROUPS;
        let others = (first..GROUPS).chain(0..first);
        let others = others.filter(|group| (reply.member_mask & !listed) & (1 << group) != 0);
        let mut left = bytes;
        let (mut tells_all, told) = (true, reply.members.len());
        let mut unknown = 0;
        for group in groups(listed).chain(others) {
            let members = || self.members.group(group);
            let start = request.nonce as usize % members().count().max(1);
            let rotated = || members().skip(start).chain(members().take(start)).filter(is_unknown);
            left -= membership.fill_cards(rotated(), now, left, &mut reply.members);
            // Only who joins wants to know, and counting costs more than filling.
            if request.joins && tells_all {
                unknown += rotated().count();
                tells_all = reply.members.len() - told == unknown;
            }
        }
        tells_all
    }

    /// Takes in what a packet says of members, and keeps on disk whom to look for after a restart.
    pub(super) fn learn_of_members(&mut self, packet: &Packet, now: Time, effects: &mut Effects) {
        for update in &packet.members {
            let heard = self.freshness.beat(update.node, now).map(|beat| beat.age);
            let known = self.members.get(update.node).map(Card::of);
            let learned = match lend!(self, now) {
                Some((membership, mut local)) => membership.learn(update, heard, &mut local, effects),
                None => return,
            };
            if let (Learned::New, Some(card)) = (&learned, &update.card)
                && card.settings != self.config.ownership.fingerprint([])
            {
                effects.events.push(Event::Disagrees { node: update.node, settings: card.settings });
            }
            match learned {
                Learned::Outlived => self.live_after(update.life.boot, now, effects),
                Learned::Namesake => self.rename(update, now, effects),
                Learned::New
                    if update.standing == Standing::Left
                        || (update.card.is_some() && update.card != known) =>
                {
                    self.keep_member(update.node, effects);
                }
                _ => {}
            }
        }
    }

    fn keep_member(&mut self, node: NodeId, effects: &mut Effects) {
        if let Some(member) = self.members.get(node).cloned() {
            self.journal.write(Record::Known(Box::new(member)), effects);
        }
    }

    /// There was a later life of this node's name: the next is lived here.
    pub(super) fn live_after(&mut self, boot: Boot, now: Time, effects: &mut Effects) {
        self.me.boot = Boot(boot.0.saturating_add(1).min(NUMBER_LIMIT));
        self.identity.boot = self.me.boot;
        self.heartbeats.restart(now, &mut self.rng);
        // What it hears of its past only now, a fence of it included, has to come before it makes one of its own: that
        // one would cover what it wrote behind the other, and nobody would write it again.
        (self.fence_at, self.fence_delays) = (now + self.config.fence_after, 0);
        self.journal.write(Record::Boot(self.me.boot), effects);
        effects.events.push(Event::NewBoot(self.me.boot));
        self.enter_own_life(now);
        self.claim_anew(now);
    }

    /// A live node at a lower address has this node's name, or one that stays while this one leaves: a disk was copied. This
    /// one takes another name, and a life that nobody can have lived.
    fn rename(&mut self, namesake: &MemberUpdate, now: Time, effects: &mut Effects) {
        if self.config.planted.is(Mutant::KeepName) {
            return;
        }
        let Identity { name, addr, .. } = &self.identity;
        let digits = addr
            .ip
            .iter()
            .fold(mix(namesake.life.boot.0, addr.port.into()), |sum, &byte| mix(sum, byte.into()));
        let name = name.with_digits(digits as u32);
        self.identity.name = name.clone();
        self.me.node = NodeId::of(&name);
        self.journal.write(Record::Named(name.clone()), effects);
        effects.events.push(Event::Renamed(name));
        self.live_after(namesake.life.boot.max(self.me.boot), now, effects);
        self.restart_checks(now);
        // Under the new name this is news of someone else.
        if let Some((membership, mut local)) = lend!(self, now) {
            membership.learn(namesake, None, &mut local, effects);
        }
        if self.phase == Phase::Leaving && !self.config.planted.is(Mutant::LeaveAsStranger) {
            self.introduce_who_leaves(now, effects);
        }
    }

    /// Says to everyone who this node is now. What is said of those who leave names no address, as all who care know it;
    /// of this name nobody does, and what a stranger still has to hand on is not taken.
    fn introduce_who_leaves(&self, now: Time, effects: &mut Effects) {
        let Some(membership) = &self.membership else { return };
        let Some(word) = membership.word_of(self.me.node, &self.members, now) else { return };
        let word = MemberUpdate { card: self.members.get(self.me.node).map(Card::of), ..word };
        for other in self.members.others(self.me.node) {
            tell(other.addr, [word.clone()], self.me.node, effects);
        }
    }
}
