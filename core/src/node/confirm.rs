//! Questions to confirmers: whether they find an origin down as well, asked again until they answer; and the wish of a
//! client that an origin be checked now, passed to its owner.

use super::Node;
use super::checks::{Checks, eligible, valid};
use crate::effects::{Effects, Event, Phase, Rejected};
use crate::entry::Body;
use crate::id::{Name, NodeId, Store};
use crate::member::{Member, Members};
use crate::mutant::Mutant;
use crate::ownership::Eligible;
use crate::packet::{Packet, PacketKind, Question};
use crate::time::{Span, Time};
use alloc::vec::Vec;
use smallvec::SmallVec;

/// How often a question is asked within the time that its answer may take.
const TRIES: u64 = 8;
/// For how long, and how often, an owner is told to hurry: it does not answer, and takes no notice of a second wish.
const HURRY_FOR: Span = Span::from_ms(500);
const HURRY_EVERY: Span = Span::from_ms(100);

/// A question that waits for answers.
#[derive(Clone, Debug)]
struct Ask {
    kind: PacketKind,
    origin: Name,
    round: u32,
    /// Who has not answered yet.
    waiting: SmallVec<[NodeId; 4]>,
    next: Time,
    every: Span,
    until: Time,
}

/// All questions of a node that wait for answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Asks(Vec<Ask>);

impl Asks {
    pub(super) fn next_wake(&self) -> Time {
        self.0.iter().map(|ask| ask.next).min().unwrap_or(Time::NEVER)
    }

    /// Asks whoever has not answered, and forgets the questions whose time is over.
    pub(super) fn send_due(&mut self, members: &Members, me: NodeId, now: Time, effects: &mut Effects) {
        self.0.retain_mut(|ask| {
            if ask.next > now {
                return true;
            }
            ask.next = now + ask.every;
            for addr in ask.waiting.iter().filter_map(|node| members.get(*node)).map(|member| member.addr) {
                let mut packet = effects.packet();
                packet.reset(ask.kind, me);
                packet.nonce = ask.round;
                packet.question = Some(Question { origin: ask.origin.clone(), down: false });
                effects.send(addr, packet);
            }
            now < ask.until
        });
    }

    /// Whether a node was asked this and has not answered before.
    fn take(&mut self, from: NodeId, round: u32, origin: &Name) -> bool {
        let is_it =
            |ask: &Ask| ask.kind == PacketKind::Confirm && ask.round == round && ask.origin == *origin;
        let Some(at) = self.0.iter().position(is_it) else { return false };
        let waiting = &mut self.0[at].waiting;
        let before = waiting.len();
        waiting.retain(|node| *node != from);
        let is_first = waiting.len() < before;
        if waiting.is_empty() {
            self.0.swap_remove(at);
        }
        is_first
    }
}

impl Node {
    /// Asks the first of the order of an origin whether they find it down as well.
    pub(super) fn ask(&self, checks: &mut Checks, origin: &Name, round: u32, count: u8, now: Time) {
        let Some(Body::Origin { spec, .. }) =
            self.state.read(Store::Registry, origin).map(|entry| &entry.body)
        else {
            return;
        };
        let (scope, limits) = (checks.assignment.scope(), self.config.checks.as_ref());
        let waiting = eligible!(self, now).confirmers(origin, scope, self.me.node, count.into());
        let time = valid(&spec.policy).timeout + limits.map_or(Span::ZERO, |limits| limits.transit);
        let found = u8::try_from(waiting.len()).unwrap_or(u8::MAX);
        if found < count && !self.config.planted.is(Mutant::AwaitTheAbsent) {
            checks.checker.asked_only(origin, round, found, now, &mut checks.actions);
        }
        if waiting.is_empty() {
            return;
        }
        let every = Span((time.as_us() / TRIES).max(50_000));
        checks.asks.0.push(Ask {
            kind: PacketKind::Confirm,
            origin: origin.clone(),
            round,
            waiting,
            next: now,
            every,
            until: now + time,
        });
    }

    /// Answers an owner.
    pub(super) fn confirm(&self, to: NodeId, round: u32, origin: &Name, down: bool, effects: &mut Effects) {
        let Some(member) = self.members.get(to) else { return };
        let mut packet = effects.packet();
        packet.reset(PacketKind::Confirmed, self.me.node);
        packet.nonce = round;
        packet.question = Some(Question { origin: origin.clone(), down });
        effects.send(member.addr, packet);
    }

    /// A client wants an origin checked now: by this node if it checks it, otherwise by its owner.
    pub(super) fn hurry(&mut self, origin: &Name, now: Time) {
        let Some(mut checks) = self.checks.take() else { return };
        if !checks.checker.hurry(origin, now) {
            let owner = checks.assignment.owner(origin).filter(|owner| *owner != self.me.node);
            checks.asks.0.extend(owner.map(|owner| Ask {
                kind: PacketKind::Hurry,
                origin: origin.clone(),
                round: 0,
                waiting: SmallVec::from_elem(owner, 1),
                next: now,
                every: HURRY_EVERY,
                until: now + HURRY_FOR,
            }));
        }
        self.checks = Some(checks);
    }

    /// A client of another node wants an origin checked now.
    pub(super) fn hurried(&mut self, packet: &Packet, now: Time, effects: &mut Effects) {
        let origin = packet.question.as_ref().map(|question| &question.origin);
        let hurries = origin.zip(self.checks.as_mut());
        if !hurries.is_some_and(|(origin, checks)| checks.checker.hurry(origin, now)) {
            effects.events.push(Event::Rejected(Rejected::NotAsked));
        }
    }

    /// An owner asks whether an origin is down.
    pub(super) fn asked_to_confirm(&mut self, packet: &Packet, now: Time, effects: &mut Effects) {
        let known = packet.question.as_ref().filter(|_| self.phase == Phase::Serving).and_then(|question| {
            let entry = self.state.read(Store::Registry, &question.origin)?;
            match &entry.body {
                Body::Origin { name, spec, .. } => Some((name.clone(), valid(&spec.policy))),
                _ => None,
            }
        });
        match (known, &mut self.checks) {
            (Some((name, policy)), Some(checks)) => {
                let Checks { checker, actions, .. } = &mut **checks;
                checker.asked(packet.sender, packet.nonce, &name, &policy, now, actions);
            }
            _ => effects.events.push(Event::Rejected(Rejected::NotAsked)),
        }
    }

    /// Someone who was asked has answered.
    pub(super) fn confirmed(&mut self, packet: &Packet, now: Time, effects: &mut Effects) {
        let Some((question, checks)) = packet.question.as_ref().zip(self.checks.as_mut()) else {
            effects.events.push(Event::Rejected(Rejected::NotAsked));
            return;
        };
        if checks.asks.take(packet.sender, packet.nonce, &question.origin) {
            let Checks { checker, actions, .. } = &mut **checks;
            checker.answer(&question.origin, packet.nonce, packet.sender, question.down, now, actions);
        }
    }
}
