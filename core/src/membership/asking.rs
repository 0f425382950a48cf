//! Asking members whether they live: in rounds, again when in doubt, for others, and the dead.

use super::evidence::BIT;
use super::suspicion::{Doubt, Verdict};
use super::{Local, Membership, Updates, tell};
use crate::effects::Effects;
use crate::id::{Addr, NodeId};
use crate::member::{Member, Standing};
use crate::mutant::Mutant;
use crate::packet::{Packet, PacketKind, Subject};
use crate::time::{Span, Time};
use smallvec::SmallVec;

/// Doubts that are pursued in one step: a bound on what it sends. The others follow at once.
const PURSUED: usize = 16;
/// Errands that are done for others at a time, and those that are remembered for late answers.
const ERRANDS: usize = 64;
const ERRANDS_KEPT: usize = 128;
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
/// Whom someone else suspects already is left to that one for so long.
const OTHERS_TURN: Span = Span::from_secs(10);
/// A doubt that has come to nothing after so long is dropped.
const STALE_DOUBT: Span = Span::from_secs(60);

/// A packet that waits for its answer.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
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
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Errand {
    client: Addr,
    nonce: u32,
    subject: NodeId,
    addr: Addr,
    left: u8,
    tried: u8,
    /// When it is tried again, given up or forgotten.
    next: Time,
    /// It was reported that nobody answered.
    is_reported: bool,
}

impl Membership {
    /// A round asks a member; its reply bears the nonce.
    pub fn asked(&mut self, node: NodeId, nonce: u32, local: &Local<'_>) {
        if self.swim.is_on() {
            self.swim.asked(node, nonce, local);
        } else {
            self.await_answer(node, nonce, true, None, local);
        }
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

    /// A member answered. It may be late: then the miss is taken back. Whoever else lives at its address by now does
    /// not answer for it.
    pub fn answered(&mut self, by: NodeId, nonce: u32, local: &mut Local<'_>, effects: &mut Effects) {
        self.swim.answered(by, nonce);
        let is_it = |attempt: &Attempt| (attempt.nonce, attempt.node) == (nonce, by);
        let Some(at) = self.attempts.iter().position(is_it) else { return };
        let attempt = self.attempts.swap_remove(at);
        if attempt.is_round && !attempt.missed {
            self.baseline.note(true);
            self.reach.answered();
        }
        if let Some(errand) = attempt.errand {
            self.report(errand, true, local, effects);
        }
        let me = local.me;
        if let Some(doubt) = self.doubts.get_mut(&attempt.node) {
            if attempt.missed {
                doubt.retract(me, &self.baseline);
            } else {
                doubt.testify(me, 1, 1, &self.baseline);
            }
        }
    }

    /// A helper tells what became of its errand.
    pub fn reported(&mut self, helper: NodeId, nonce: u32, subject: Subject) {
        self.swim.reported(helper, nonce, subject);
        if let Some(doubt) = self.doubts.get_mut(&subject.node) {
            doubt.report(helper, nonce, subject.tried.into(), subject.answered.into(), &self.baseline);
        }
    }

    /// Someone wants to know whether a member lives.
    pub fn take_errand(
        &mut self,
        client: Addr,
        nonce: u32,
        subject: Subject,
        local: &Local<'_>,
        effects: &mut Effects,
    ) {
        let is_open = |errand: &&Errand| !errand.is_reported;
        let is_same = |errand: &Errand| errand.client == client && errand.subject == subject.node;
        let mut open = self.errands.iter().filter(is_open);
        if open.clone().count() >= ERRANDS || open.any(is_same) {
            return;
        }
        let Some(member) = local.members.get(subject.node) else {
            // Nobody asks who was forgotten here; whoever does not know that it is gone could ask for ever.
            if let Some(word) = self.gone(subject.node, local.members, local.now) {
                tell(client, [word], local.me, effects);
            }
            return;
        };
        self.errands.push(Errand {
            client,
            nonce,
            subject: subject.node,
            addr: member.addr,
            left: subject.tried.clamp(1, 16),
            tried: 0,
            next: local.now,
            is_reported: false,
        });
        if self.errands.len() > ERRANDS_KEPT
            && let Some(oldest) = self.errands.iter().position(|errand| errand.is_reported)
        {
            self.errands.remove(oldest);
        }
    }

    /// Sends the report of an errand. One that was in vain is remembered for an answer that is only late.
    fn report(&mut self, nonce: u32, answered: bool, local: &Local<'_>, effects: &mut Effects) {
        let Some(at) = self.errands.iter().position(|errand| errand.nonce == nonce) else { return };
        // Of attempts whose time has not passed nothing is known yet: whoever answers one of them is not silent to the
        // others.
        let is_over = |attempt: &&Attempt| attempt.errand == Some(nonce) && attempt.missed;
        let missed = self.attempts.iter().filter(is_over).count() as u8;
        let errand = &mut self.errands[at];
        let is_known = answered && !local.planted.is(Mutant::CountPending);
        let tried = if is_known { missed + 1 } else { errand.tried };
        let mut ack = effects.packet();
        ack.reset(PacketKind::Ack, local.me);
        ack.nonce = errand.nonce;
        ack.subject = Some(Subject { node: errand.subject, tried, answered: u8::from(answered) });
        effects.send(errand.client, ack);
        if answered {
            self.errands.swap_remove(at);
        } else {
            (errand.is_reported, errand.next) = (true, local.now + LATE);
        }
    }

    /// When something is due.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        let attempts = self.attempts.iter().filter(|attempt| !attempt.missed).map(|attempt| attempt.due);
        let doubts = self.doubts.values().map(|doubt| doubt.next_ask);
        let errands = self.errands.iter().map(|errand| errand.next);
        let swim = self.swim.next_wake(self.gossip.len() > 0);
        let others = [self.next_heal, self.next_announcement, self.next_reap, self.next_release, swim];
        attempts.chain(doubts).chain(errands).chain(others).min().unwrap_or(Time::NEVER)
    }

    /// Does what is due.
    pub fn tick(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        let late = local.now.since(self.next_wake());
        if late > ASLEEP && !local.planted.is(Mutant::TrustSleep) && !self.swim.is_on() {
            self.put_off(late);
        }
        self.count_misses(local);
        self.do_errands(local, effects);
        self.pursue(local, effects);
        if self.swim.is_on() {
            self.swim_tick(local, effects);
        }
        self.heal(local, effects);
        self.reap(local);
        self.release(local, effects);
    }

    /// This node slept: what it waited for may be waiting for it.
    fn put_off(&mut self, by: Span) {
        self.attempts.iter_mut().filter(|attempt| !attempt.missed).for_each(|attempt| attempt.due += by);
        self.doubts.values_mut().for_each(|doubt| doubt.put_off(by));
        self.errands.iter_mut().for_each(|errand| errand.next += by);
    }

    fn count_misses(&mut self, local: &Local<'_>) {
        let Local { now, me, .. } = *local;
        let forgotten = now - LATE;
        self.attempts.retain(|attempt| attempt.due > forgotten);
        let is_due = |attempt: &Attempt| !attempt.missed && attempt.due <= now;
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
        self.errands.retain(|errand| !errand.is_reported || errand.next > local.now);
        for at in 0..self.errands.len() {
            let errand = &mut self.errands[at];
            if errand.next > local.now || errand.is_reported {
                continue;
            }
            if errand.left == 0 {
                over.push(errand.nonce);
                continue;
            }
            errand.left -= 1;
            errand.tried += 1;
            let patience = self.swim.helper_patience(local.config);
            errand.next = local.now + if errand.left > 0 { ERRAND_STEP } else { patience };
            let (subject, addr, nonce) = (errand.subject, errand.addr, errand.nonce);
            self.ping(subject, addr, Some(nonce), local, effects);
        }
        for nonce in over {
            if self.swim.has_nacks() {
                self.report(nonce, false, local, effects);
            } else {
                self.errands.retain(|errand| errand.nonce != nonce);
            }
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
        let subject = local.members.get(node).filter(|member| member.standing != Standing::Alive);
        if let Some(member) = subject.filter(|_| self.swim.tells_suspects()) {
            packet.members.push(self.gone.update(member, &self.accusers, local.now));
        }
        effects.send(addr, packet);
        self.await_answer(node, nonce, false, errand, local);
    }

    /// Asks on where something is open, and decides where enough is known.
    fn pursue(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        let due = self.doubts.iter().filter(|(_, doubt)| doubt.next_ask <= local.now).map(|(node, _)| *node);
        let due: SmallVec<[NodeId; PURSUED]> = due.take(PURSUED).collect();
        if due.is_empty() {
            return;
        }
        let public = self.doubts.values().filter(|doubt| doubt.public.is_some()).count();
        for node in due {
            let Some(doubt) = self.doubts.get_mut(&node) else { continue };
            let Some(member) = local.members.get(node).filter(|member| member.standing.is_live()).cloned()
            else {
                self.doubts.remove(&node);
                continue;
            };
            let is_stale = doubt.public.is_none() && local.now.since(doubt.since) > STALE_DOUBT;
            let live = local.members.len();
            // Those who are suspected themselves can't be asked to witness.
            let witnesses = live.saturating_sub(public.max(1));
            let is_alone =
                self.alone.is_alone(live - 1, local.config.period) && !local.planted.is(Mutant::WaitForEver);
            let verdict = if local.planted.is(Mutant::TrustSilence) {
                if doubt.public.is_some() { Verdict::Bury } else { Verdict::Suspect }
            } else if is_alone {
                doubt.verdict_alone(local.config, live, local.now)
            } else {
                doubt.verdict(local.config, (live, witnesses), local.now)
            };
            match verdict {
                Verdict::Clear => _ = self.doubts.remove(&node),
                Verdict::Wait if is_stale => _ = self.doubts.remove(&node),
                Verdict::Wait => self.ask_on(&member, witnesses, local, effects),
                Verdict::Suspect => {
                    doubt.is_for_silence = is_alone;
                    if is_alone {
                        self.alone.act();
                    }
                    self.suspect(&member, witnesses, local, effects);
                }
                Verdict::Bury => self.bury(&member, local, effects),
            }
        }
    }

    pub(super) fn suspect(
        &mut self,
        member: &Member,
        witnesses: usize,
        local: &mut Local<'_>,
        effects: &mut Effects,
    ) {
        let Some(doubt) = self.doubts.get_mut(&member.node) else { return };
        doubt.public = Some(local.now);
        doubt.life = member.life;
        self.accusers.entry(member.node).or_insert(local.me);
        let suspected = Member { standing: Standing::Suspect, ..member.clone() };
        if member.standing == Standing::Alive {
            self.change(suspected.clone(), Span::ZERO, local, effects);
        }
        self.ask_on(&suspected, witnesses, local, effects);
    }

    pub(super) fn bury(&mut self, member: &Member, local: &mut Local<'_>, effects: &mut Effects) {
        let buried = Member { standing: Standing::Dead, ..member.clone() };
        self.change(buried, Span::ZERO, local, effects);
        self.announce(member.node, local.now);
    }

    /// Asks a doubted member again, and others to ask it.
    fn ask_on(&mut self, member: &Member, witnesses: usize, local: &mut Local<'_>, effects: &mut Effects) {
        let Some(doubt) = self.doubts.get_mut(&member.node) else { return };
        let is_public = doubt.public.is_some();
        if member.standing == Standing::Suspect && !is_public && local.now < doubt.since + OTHERS_TURN {
            // Someone else is about it, and will bury the member or take the suspicion back.
            doubt.next_ask = doubt.since + OTHERS_TURN;
            return;
        }
        doubt.asks = doubt.asks.saturating_add(1);
        // What says little need not be said often.
        let is_urgent = !is_public && self.baseline.miss() >= 2 * BIT;
        let pause = doubt.pause(local.config.timeout);
        doubt.next_ask = local.now + if is_urgent { Span(pause.as_us() / 2) } else { pause };
        let needs_help = doubt.needs_help(&self.baseline, witnesses);
        self.ping(member.node, member.addr, None, local, effects);
        // The way there and back is lossy too, so that whoever was reached asks the more often.
        let tries = (2 * local.repeat * local.repeat).div_ceil(16 * 16).min(8) as u8;
        let (helpers, tries) = match (needs_help, is_public) {
            (true, true) => ((local.config.helpers * local.repeat).div_ceil(16).min(16), tries.max(4)),
            (true, false) => (local.config.helpers, tries),
            (false, _) => (0, 0),
        };
        for _ in 0..helpers {
            let is_helper = |other: &&Member| {
                other.node != local.me && other.node != member.node && other.standing == Standing::Alive
            };
            let Some(helper) = local.members.random(is_helper, local.rng) else { break };
            let (helper, addr) = (helper.node, helper.addr);
            let mut packet: Packet = effects.packet();
            packet.reset(PacketKind::Ping, local.me);
            packet.nonce = local.rng.next_u32();
            packet.subject = Some(Subject { node: member.node, tried: tries, answered: 0 });
            if let Some(doubt) = self.doubts.get_mut(&member.node) {
                doubt.sent_for(helper, packet.nonce);
            }
            effects.send(addr, packet);
        }
    }

    /// Tries to reach one of the dead.
    fn heal(&mut self, local: &mut Local<'_>, effects: &mut Effects) {
        if local.now < self.next_heal {
            return;
        }
        let grown = Span(local.config.heal_interval.as_us() * (local.members.len() as u64).max(50) / 50);
        let is_eager = local.now < self.eager_until;
        self.next_heal = local.now + if is_eager { local.config.period } else { grown };
        if local.planted.is(Mutant::AbandonDead) {
            return;
        }
        let dead = self.lost(local).count();
        let is_known = |addr: &Addr| local.members.iter().any(|member| member.addr == *addr);
        let islands: SmallVec<[Addr; 4]> =
            self.seeds.iter().copied().filter(|addr| !is_known(addr)).take(dead.max(4)).collect();
        let Some(last) = (dead + islands.len()).checked_sub(1) else { return };
        let chosen = local.rng.below(last as u32 + 1) as usize;
        let own = self.word_of(local.me, local.members, local.now);
        let (addr, update) = match islands.get(chosen.wrapping_sub(dead)) {
            Some(addr) => (Some(*addr), None),
            None => {
                let Some((node, gone)) = self.lost(local).nth(chosen) else { return };
                let addr = gone.reaped.map(|(_, _, addr)| addr);
                let addr = addr.or(local.members.get(node).map(|held| held.addr));
                (addr, self.gone(node, local.members, local.now))
            }
        };
        if let Some(addr) = addr {
            // Whoever is not remembered there has to introduce itself.
            tell(addr, update.into_iter().chain(own), local.me, effects);
        }
    }
}
