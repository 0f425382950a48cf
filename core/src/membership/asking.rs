//! Asking members whether they live: in rounds, again when in doubt, for others, and the dead.

use super::evidence::BIT;
use super::suspicion::{Doubt, Verdict};
use super::{Local, Membership, Updates};
use crate::config::Detector;
use crate::effects::Effects;
use crate::id::{Addr, NodeId};
use crate::member::{Member, Standing};
use crate::mutant::Mutant;
use crate::packet::{Packet, PacketKind, Subject};
use crate::time::{Span, Time};

/// Doubts that are pursued at a time; an observer that doubts more than this has a problem of its own.
const PURSUED: usize = 16;
/// Errands done for others at a time.
const ERRANDS: usize = 64;
/// Attempts that are remembered for late answers.
const ATTEMPTS: usize = 256;
/// An answer that comes later than this is to no attempt any more.
const LATE: Span = Span::from_secs(30);
/// A node that acts on a deadline so long after it was itself asleep, and what it waited for may be waiting for it.
const ASLEEP: Span = Span::from_ms(250);
/// After a miss it is asked again so soon.
const NEXT_ASK: Span = Span::from_ms(100);
/// Time between two attempts of an errand.
const ERRAND_STEP: Span = Span::from_ms(100);
/// A doubt that neither grew nor shrank for so long is dropped.
const STALE_DOUBT: Span = Span::from_secs(60);

/// A packet that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    node: NodeId,
    nonce: u32,
    due: Time,
    /// Whether it was the ping of a round: these are what the baseline is made of.
    is_round: bool,
    /// Whether its time has passed.
    missed: bool,
    /// Whose errand it is part of.
    errand: Option<u32>,
}

/// Asking on behalf of another member.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    client: Addr,
    nonce: u32,
    subject: NodeId,
    addr: Addr,
    left: u8,
    tried: u8,
    next: Time,
}

impl Membership {
    /// A round asks a member; its reply bears the nonce.
    pub fn asked(&mut self, node: NodeId, nonce: u32, local: &Local<'_>) {
        self.await_answer(node, nonce, true, None, local);
    }

    fn await_answer(
        &mut self,
        node: NodeId,
        nonce: u32,
        is_round: bool,
        errand: Option<u32>,
        local: &Local<'_>,
    ) {
        if self.attempts.len() == ATTEMPTS {
            self.attempts.remove(0);
        }
        let due = local.now + local.config.timeout;
        self.attempts.push(Attempt { node, nonce, due, is_round, missed: false, errand });
    }

    /// A member answered. It may be late: then the miss is taken back.
    pub fn answered(&mut self, nonce: u32, local: &mut Local<'_>, effects: &mut Effects) {
        let Some(at) = self.attempts.iter().position(|attempt| attempt.nonce == nonce) else { return };
        let attempt = self.attempts.swap_remove(at);
        if attempt.is_round && !attempt.missed {
            self.baseline.note(true);
        }
        if let Some(errand) = attempt.errand {
            self.report(errand, true, local, effects);
        }
        let me = local.me;
        if let Some(doubt) = self.doubts.get_mut(&attempt.node) {
            if local.config.detector != Detector::Evidence {
                if doubt.public.is_none() {
                    self.doubts.remove(&attempt.node);
                }
            } else if attempt.missed {
                doubt.retract(me, &self.baseline);
            } else {
                doubt.testify(me, 1, 1, &self.baseline);
            }
        }
    }

    /// A helper tells what became of its errand.
    pub fn reported(&mut self, helper: NodeId, subject: Subject, local: &Local<'_>) {
        let Some(doubt) = self.doubts.get_mut(&subject.node) else { return };
        if local.config.detector == Detector::Evidence {
            doubt.testify(helper, subject.tried.into(), subject.answered.into(), &self.baseline);
        } else if subject.answered > 0 && doubt.public.is_none() {
            self.doubts.remove(&subject.node);
        }
    }

    /// Someone wants to know whether a member lives.
    pub fn take_errand(&mut self, client: Addr, nonce: u32, subject: Subject, local: &Local<'_>) {
        let is_open = |errand: &Errand| errand.client == client && errand.subject == subject.node;
        if self.errands.len() >= ERRANDS || self.errands.iter().any(is_open) {
            return;
        }
        let Some(member) = local.members.get(subject.node) else { return };
        self.errands.push(Errand {
            client,
            nonce,
            subject: subject.node,
            addr: member.addr,
            left: subject.tried.clamp(1, 16),
            tried: 0,
            next: local.now,
        });
    }

    /// Sends the report of an errand and ends it.
    fn report(&mut self, nonce: u32, answered: bool, local: &Local<'_>, effects: &mut Effects) {
        let Some(at) = self.errands.iter().position(|errand| errand.nonce == nonce) else { return };
        let errand = self.errands.swap_remove(at);
        let mut ack = effects.packet();
        ack.reset(PacketKind::Ack, local.me);
        ack.nonce = errand.nonce;
        ack.subject =
            Some(Subject { node: errand.subject, tried: errand.tried, answered: u8::from(answered) });
        effects.send(errand.client, ack);
    }

    /// When something is due.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        let attempts = self.attempts.iter().filter(|attempt| !attempt.missed).map(|attempt| attempt.due);
        let doubts = self.doubts.values().map(|doubt| doubt.next_ask);
        let errands = self.errands.iter().map(|errand| errand.next);
        let others = [self.next_heal, self.next_announcement, self.next_reap];
        attempts.chain(doubts).chain(errands).chain(others).min().unwrap_or(Time::NEVER)
    }

    /// Does what is due.
    pub fn tick(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        self.count_misses(local);
        self.do_errands(local, effects);
        self.pursue(local, effects);
        self.heal(local, effects);
        self.reap(local);
    }

    fn count_misses(&mut self, local: &Local<'_>) {
        let Local { now, me, .. } = *local;
        let forgotten = now - LATE;
        self.attempts.retain(|attempt| attempt.due > forgotten);
        let is_due = |attempt: &Attempt| !attempt.missed && attempt.due <= now;
        if self.attempts.iter().any(|attempt| is_due(attempt) && now.since(attempt.due) > ASLEEP) {
            let again = now + local.config.timeout;
            self.attempts
                .iter_mut()
                .filter(|attempt| is_due(attempt))
                .for_each(|attempt| attempt.due = again);
            return;
        }
        for attempt in self.attempts.iter_mut().filter(|attempt| is_due(attempt)) {
            attempt.missed = true;
            if attempt.is_round {
                self.baseline.note(false);
            }
            if attempt.errand.is_some() {
                continue;
            }
            let Some(member) = local.members.get(attempt.node).filter(|member| member.standing.is_live())
            else {
                continue;
            };
            let doubt = self.doubts.entry(attempt.node).or_insert_with(|| Doubt::new(member.life, now));
            doubt.testify(me, 1, 0, &self.baseline);
            doubt.next_ask = doubt.next_ask.min(now + NEXT_ASK);
        }
    }

    fn do_errands(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        let mut over = alloc::vec::Vec::new();
        for at in 0..self.errands.len() {
            let errand = &mut self.errands[at];
            if errand.next > local.now {
                continue;
            }
            if errand.left == 0 {
                over.push(errand.nonce);
                continue;
            }
            errand.left -= 1;
            errand.tried += 1;
            errand.next = local.now + if errand.left > 0 { ERRAND_STEP } else { local.config.timeout };
            let (subject, addr, nonce) = (errand.subject, errand.addr, errand.nonce);
            self.ping(subject, addr, Some(nonce), local, effects);
        }
        for nonce in over {
            self.report(nonce, false, local, effects);
        }
    }

    fn ping(
        &mut self,
        node: NodeId,
        addr: Addr,
        errand: Option<u32>,
        local: &mut Local<'_>,
        effects: &mut Effects,
    ) {
        let nonce = local.rng.next_u32();
        let mut packet = effects.packet();
        packet.reset(PacketKind::Ping, local.me);
        packet.nonce = nonce;
        // The buddy system of Lifeguard: whoever is suspected hears of it first.
        let subject = local.members.get(node).filter(|member| member.standing != Standing::Alive);
        if let Some(member) = subject {
            packet.members.push(self.gone.update(member, &self.accusers, local.now));
        }
        effects.send(addr, packet);
        self.await_answer(node, nonce, false, errand, local);
    }

    /// Asks on where something is open, and decides where enough is known.
    fn pursue(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        let due = self.doubts.iter().filter(|(_, doubt)| doubt.next_ask <= local.now).map(|(node, _)| *node);
        let due: smallvec::SmallVec<[NodeId; PURSUED]> = due.take(PURSUED).collect();
        for node in due {
            let Some(doubt) = self.doubts.get_mut(&node) else { continue };
            let Some(member) = local.members.get(node).filter(|member| member.standing.is_live()).cloned()
            else {
                self.doubts.remove(&node);
                continue;
            };
            let is_stale = doubt.public.is_none() && local.now.since(doubt.since) > STALE_DOUBT;
            let verdict = if local.planted.is(Mutant::TrustSilence) {
                if doubt.public.is_some() { Verdict::Bury } else { Verdict::Suspect }
            } else {
                doubt.verdict(local.config, local.members.len(), local.now)
            };
            match verdict {
                Verdict::Clear => _ = self.doubts.remove(&node),
                Verdict::Wait if is_stale => _ = self.doubts.remove(&node),
                Verdict::Wait => self.ask_on(&member, local, effects),
                Verdict::Suspect => self.suspect(&member, local, effects),
                Verdict::Bury => self.bury(&member, local, effects),
            }
        }
    }

    fn suspect(&mut self, member: &Member, local: &mut Local<'_>, effects: &mut Effects) {
        let Some(doubt) = self.doubts.get_mut(&member.node) else { return };
        if local.config.detector != Detector::Evidence && doubt.asks == 0 {
            // SWIM asks others before it says so, and waits for them for the rest of its period.
            self.ask_on(member, local, effects);
            return;
        }
        doubt.public = Some(local.now);
        doubt.life = member.life;
        self.accusers.entry(member.node).or_insert(local.me);
        let suspected = Member { standing: Standing::Suspect, ..member.clone() };
        if member.standing == Standing::Alive {
            self.change(suspected.clone(), Span::ZERO, local, effects);
        }
        self.ask_on(&suspected, local, effects);
    }

    fn bury(&mut self, member: &Member, local: &mut Local<'_>, effects: &mut Effects) {
        let buried = Member { standing: Standing::Dead, ..member.clone() };
        self.change(buried, Span::ZERO, local, effects);
        self.announce(member.node, local.now);
    }

    /// Asks a doubted member again, and others to ask it.
    fn ask_on(&mut self, member: &Member, local: &mut Local<'_>, effects: &mut Effects) {
        let Some(doubt) = self.doubts.get_mut(&member.node) else { return };
        let is_public = doubt.public.is_some();
        doubt.asks = doubt.asks.saturating_add(1);
        let asks = doubt.asks;
        let is_swim = local.config.detector != Detector::Evidence;
        // What says little need not be said often.
        let is_urgent = !is_public && !is_swim && self.baseline.miss() >= 2 * BIT;
        doubt.next_ask =
            local.now + if is_urgent { Span(local.config.timeout.as_us() / 2) } else { local.config.timeout };
        let needs_help = doubt.needs_help();
        if is_swim && asks > 1 {
            return;
        }
        self.ping(member.node, member.addr, None, local, effects);
        let (helpers, tries) = match (is_swim, is_public) {
            (true, _) => (local.config.helpers, 1),
            (false, true) => ((local.config.helpers * local.repeat).div_ceil(16).min(16), 4),
            (false, false) if needs_help => (local.config.helpers, 2),
            (false, false) => (0, 0),
        };
        for _ in 0..helpers {
            let is_helper = |other: &&Member| {
                other.node != local.me && other.node != member.node && other.standing == Standing::Alive
            };
            let Some(helper) = local.members.random(is_helper, local.rng) else { break };
            let mut packet: Packet = effects.packet();
            packet.reset(PacketKind::Ping, local.me);
            packet.nonce = local.rng.next_u32();
            packet.subject = Some(Subject { node: member.node, tried: tries, answered: 0 });
            effects.send(helper.addr, packet);
        }
    }

    /// Tries to reach one of the dead.
    fn heal(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        if local.now < self.next_heal {
            return;
        }
        let grown = local.config.heal_interval.as_us() * (local.members.len() as u64).max(50) / 50;
        self.next_heal = local.now + Span(grown);
        let count = self.lost(local).count();
        if count == 0 || local.planted.is(Mutant::AbandonDead) {
            return;
        }
        let chosen = local.rng.below(count as u32) as usize;
        let Some((node, gone)) = self.lost(local).nth(chosen) else { return };
        let addr = gone.reaped.map(|(_, _, addr)| addr).or(local.members.get(node).map(|held| held.addr));
        let update = self.gone(node, local.members, local.now);
        let own = local.members.get(local.me).map(|own| self.gone.update(own, &self.accusers, local.now));
        if let Some((addr, update)) = addr.zip(update) {
            let mut ping = effects.packet();
            ping.reset(PacketKind::Ping, local.me);
            // Whoever is not remembered there has to introduce itself.
            ping.members.extend([update].into_iter().chain(own));
            effects.send(addr, ping);
        }
    }
}
