//! Questions to confirmers: whether they find an origin down as well, asked again until they answer; and the wish of a
//! client that an origin be checked now, passed to its owner.

use super::Node;
use super::checks::{Checks, eligible, valid};
use crate::check::{Checker, Inquiry};
use crate::effects::{Effects, Event, Phase, Rejected};
use crate::entry::{Body, Minted};
use crate::id::{Name, NodeId, Store};
use crate::member::{Member, Members};
use crate::mutant::Mutant;
use crate::ownership::Eligible;
use crate::packet::{Packet, PacketKind, Question};
use crate::time::{Span, Time};
use alloc::collections::{BTreeMap, BTreeSet};
use smallvec::SmallVec;

/// How often a question is asked within the time that its answer may take.
const TRIES: u64 = 8;
/// For how long, and how often, an owner is told to hurry: it does not answer, and takes no notice of a second wish.
const HURRY_FOR: Span = Span::from_ms(500);
const HURRY_EVERY: Span = Span::from_ms(100);

/// A question that waits for answers.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Ask {
    kind: PacketKind,
    /// About which generation of the origin's entry; none where it is a wish to hurry.
    generation: Option<Minted>,
    /// Who has not answered yet.
    waiting: SmallVec<[NodeId; 4]>,
    next: Time,
    every: Span,
    until: Time,
}

/// About which origin, and in which round; 0 where it is a wish to hurry.
type Key = (Name, u32);

/// All questions of a node that wait for answers, and when each is next to be asked.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Asks {
    open: BTreeMap<Key, Ask>,
    due: BTreeSet<(Time, Key)>,
}

impl Asks {
    pub(super) fn next_wake(&self) -> Time {
        self.due.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    fn put(&mut self, key: Key, ask: Ask) {
        self.drop_ask(&key);
        self.due.insert((ask.next, key.clone()));
        self.open.insert(key, ask);
    }

    fn drop_ask(&mut self, key: &Key) {
        if let Some(ask) = self.open.remove(key) {
            self.due.remove(&(ask.next, key.clone()));
        }
    }

    /// Asks whoever has not answered, and forgets the questions whose time or whose round is over.
    pub(super) fn send_due(
        &mut self,
        checker: &Checker,
        members: &Members,
        me: NodeId,
        now: Time,
        effects: &mut Effects,
    ) {
        while self.next_wake() <= now {
            let Some((_, key)) = self.due.pop_first() else { return };
            let Some(mut ask) = self.open.remove(&key) else { continue };
            let (origin, round) = &key;
            if ask.kind == PacketKind::Confirm && !checker.is_asking(origin, *round) {
                continue;
            }
            for addr in ask.waiting.iter().filter_map(|node| members.get(*node)).map(|member| member.addr) {
                let mut packet = effects.packet();
                packet.reset(ask.kind, me);
                packet.nonce = *round;
                packet.question =
                    Some(Question { origin: origin.clone(), generation: ask.generation, down: false });
                effects.send(addr, packet);
            }
            if now < ask.until {
                ask.next = now + ask.every;
                self.put(key, ask);
            }
        }
    }

    /// Whether a node was asked what it answers, about this generation, and has not answered before.
    fn take(&mut self, from: NodeId, round: u32, answer: &Question) -> bool {
        let key = (answer.origin.clone(), round);
        let is_answered =
            |ask: &&mut Ask| ask.kind == PacketKind::Confirm && ask.generation == answer.generation;
        let Some(ask) = self.open.get_mut(&key).filter(is_answered) else { return false };
        let before = ask.waiting.len();
        ask.waiting.retain(|node| *node != from);
        let (left, is_first) = (ask.waiting.len(), ask.waiting.len() < before);
        if left == 0 {
            self.drop_ask(&key);
        }
        is_first
    }
}

impl Node {
    /// Asks the first of the order of an origin whether they find it down as well.
    pub(super) fn ask(&self, checks: &mut Checks, origin: &Name, round: u32, count: u8, now: Time) {
        let Some(entry) = self.state.read(Store::Registry, origin) else { return };
        let Body::Origin { spec, .. } = &entry.body else { return };
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
        let (kind, generation) = (PacketKind::Confirm, Some(entry.dot.into()));
        let ask = Ask { kind, generation, waiting, next: now, every, until: now + time };
        checks.asks.put((origin.clone(), round), ask);
    }

    /// Answers an owner.
    pub(super) fn confirm(&self, to: NodeId, round: u32, answer: Question, effects: &mut Effects) {
        let Some(member) = self.members.get(to) else { return };
        let mut packet = effects.packet();
        packet.reset(PacketKind::Confirmed, self.me.node);
        packet.nonce = round;
        packet.question = Some(answer);
        effects.send(member.addr, packet);
    }

    /// A client wants an origin checked now: by this node if it checks it, otherwise by its owner.
    pub(super) fn hurry(&mut self, origin: &Name, now: Time) {
        let Some(mut checks) = self.checks.take() else { return };
        if !checks.checker.hurry(origin, now) {
            let owner = checks.assignment.owner(origin).filter(|owner| *owner != self.me.node);
            if let Some(owner) = owner {
                let waiting = SmallVec::from_elem(owner, 1);
                let (kind, every, until) = (PacketKind::Hurry, HURRY_EVERY, now + HURRY_FOR);
                let ask = Ask { kind, generation: None, waiting, next: now, every, until };
                checks.asks.put((origin.clone(), 0), ask);
            }
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

    /// An owner asks whether an origin is down. It is not answered while it means another generation of the entry than
    /// the one that counts here: it asks again, and one of the two learns of the edit that it lacks meanwhile.
    pub(super) fn asked_to_confirm(&mut self, packet: &Packet, now: Time, effects: &mut Effects) {
        let known = packet.question.as_ref().filter(|_| self.phase == Phase::Serving).and_then(|question| {
            let entry = self.state.read(Store::Registry, &question.origin)?;
            let is_same = question.generation == Some(entry.dot.into());
            match &entry.body {
                Body::Origin { spec, .. }
                    if is_same || self.config.planted.is(Mutant::AnswerForAnyGeneration) =>
                {
                    Some((&question.origin, question.generation?, valid(&spec.policy)))
                }
                _ => None,
            }
        });
        match (known, &mut self.checks) {
            (Some((origin, generation, policy)), Some(checks)) => {
                let Checks { checker, actions, .. } = &mut **checks;
                let (from, round) = (packet.sender, packet.nonce);
                checker.asked(&Inquiry { from, round, origin, generation, policy: &policy }, now, actions);
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
        if checks.asks.take(packet.sender, packet.nonce, question) {
            let Checks { checker, actions, .. } = &mut **checks;
            checker.answer(&question.origin, packet.nonce, packet.sender, question.down, now, actions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Addr;
    use crate::limits::Limits;
    use alloc::vec;

    #[test]
    fn a_question_whose_round_is_over_is_not_asked_again_and_a_wish_to_hurry_is_told_until_its_time_is_over()
    {
        let name = |text| Name::new(text).expect("a valid name");
        let peer = Member::new(name("peer"), Addr { ip: [1; 16], port: 1 });
        let (node, members) = (peer.node, Members::new(vec![peer]));
        let checker = Checker::new(NodeId(1), Limits::default(), Time::ZERO);
        let mut asks = Asks::default();
        for (kind, round) in [(PacketKind::Confirm, 7), (PacketKind::Hurry, 0), (PacketKind::Hurry, 0)] {
            let waiting = SmallVec::from_elem(node, 1);
            let (next, every, until) = (Time(1), HURRY_EVERY, Time(1) + HURRY_FOR);
            let ask = Ask { kind, generation: None, waiting, next, every, until };
            asks.put((name("origin"), round), ask);
        }
        let mut sent = 0;
        while asks.next_wake() < Time::NEVER {
            let mut effects = Effects::default();
            asks.send_due(&checker, &members, NodeId(1), asks.next_wake(), &mut effects);
            assert!(effects.datagrams.iter().all(|sent| sent.packet.kind == PacketKind::Hurry));
            sent += effects.datagrams.len();
        }
        assert_eq!(sent, 6);
        assert!(asks.open.is_empty() && asks.due.is_empty());
    }

    #[test]
    fn an_answer_counts_once_of_each_who_was_asked_and_only_about_the_generation_in_question() {
        let origin = Name::new("origin").expect("a valid name");
        let about = |counter| Question {
            origin: origin.clone(),
            generation: Some(Minted { counter, ..Minted::default() }),
            down: true,
        };
        let unsaid = Question { generation: None, ..about(2) };
        let mut asks = Asks::default();
        let (kind, generation) = (PacketKind::Confirm, about(2).generation);
        let (waiting, next, every) = (SmallVec::from_elem(NodeId(1), 1), Time(1), HURRY_EVERY);
        asks.put((origin.clone(), 7), Ask { kind, generation, waiting, next, every, until: Time(2) });
        for (from, round, answer) in
            [(1, 7, &about(1)), (1, 7, &unsaid), (1, 8, &about(2)), (2, 7, &about(2))]
        {
            assert!(!asks.take(NodeId(from), round, answer), "{from} {round} {answer:?}");
        }
        assert!(asks.take(NodeId(1), 7, &about(2)));
        assert!(!asks.take(NodeId(1), 7, &about(2)));
    }
}
