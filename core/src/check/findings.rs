//! What outcomes and answers lead to: states, questions, claims.

use super::checker::{Action, Checker, Finding, Owed};
use super::favour::{Inquiry, Ready};
use super::judge::{Judge, Verdict};
use super::round::{Round, UNANSWERED_LIMIT, rounds_limit};
use crate::entry::{Confirmation, HealthState, Hold, Minted};
use crate::id::{Name, NodeId};
use crate::mutant::Mutant;
use crate::policy::{Grade, Policy};
use crate::probe::{ProbeId, Reply};
use crate::time::{Span, Time};
use alloc::vec::Vec;

/// After how many claims of others the time until the own claim is made again grows no more.
const CONTESTS_LIMIT: u8 = 6;

/// After how many contradicted suspicions the time between two questions grows no more.
const BACKOFF_LIMIT: u8 = 5;

/// The longest time between two questions, where the interval is not longer.
const BACKOFF_LONGEST: Span = Span::from_secs(3_600);

/// By how much fewer rounds are open after one that had no answer while others had; each that has one brings one back. So
/// about a fifth are passed over where confirmers cannot answer all.
const PASSED_OVER_COST: u32 = 4;

impl Checker {
    /// A probe ended. `took` is the time from its start to the answer, as whoever probed measured it. One that was
    /// given up, or is of an origin lost meanwhile, is ignored.
    pub fn outcome(
        &mut self,
        probe: ProbeId,
        reply: Reply,
        took: Span,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.note_lateness(now);
        if let Some(number) = probe.favour() {
            self.favour_outcome(number, reply, took, now, actions);
        } else {
            self.own_outcome(probe.origin(), reply, took, now, actions);
        }
        self.promise();
    }

    fn own_outcome(
        &mut self,
        (slot, sequence): (u32, u32),
        reply: Reply,
        took: Span,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let is_current = self.sequences.get(slot as usize) == Some(&sequence);
        if !is_current && !self.limits.planted.is(Mutant::OutcomeOfAnyProbe) {
            return;
        }
        let Some(Some(origin)) = self.origins.get_mut(slot as usize) else { return };
        let Some(started) = origin.started.take() else { return };
        let (policy, limits) = (origin.policy.clone(), &self.limits);
        let grade = policy.grade(reply, took);
        let grace = limits.grace;
        let circumstances = Circumstances { started, took, now, grace, starved: self.starved };
        if circumstances.are_void(grade, &policy) && !limits.planted.is(Mutant::BlameOrigin) {
            self.reschedule(slot, now);
            self.rearm(slot);
            return;
        }
        if grade != Grade::Good {
            origin.cause = Some(reply);
        }
        self.take_grade(slot, grade, now, actions);
    }

    /// A check has told something.
    fn take_grade(&mut self, slot: u32, grade: Grade, now: Time, actions: &mut Vec<Action>) {
        let limits = &self.limits;
        let Some(Some(origin)) = self.origins.get_mut(slot as usize) else { return };
        let rule = origin.policy.rule;
        let was_in_time = origin.claimed.is_none() || now <= origin.told + origin.patience(limits.grace);
        origin.told = now;
        let verdict = origin.judge.observe(grade, rule, limits.flap_memory, now, limits.planted);
        if origin.judge.is_calm(rule) && !limits.planted.is(Mutant::HoldGrudges) {
            (origin.contradicted, origin.unanswered) = (0, 0);
            origin.ask_after = Time::ZERO;
        }
        if verdict == Verdict::Suspects {
            self.suspect(slot, now, actions);
        } else {
            self.rounds.remove(&slot);
        }
        self.reschedule(slot, now);
        self.note_schedule(slot, was_in_time);
        self.claim_news(slot, now, actions);
        self.rearm(slot);
    }

    /// Whether an origin is on schedule: this check came before the node was late, and the next will have ended
    /// before. So a node that is behind all the time says so once, instead of twice with each check.
    fn note_schedule(&mut self, slot: u32, was_in_time: bool) {
        let grace = self.limits.grace;
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        let next_ends = origin.due + origin.policy.timeout + grace;
        origin.on_schedule = was_in_time && next_ends <= origin.told + origin.patience(grace);
    }

    fn favour_outcome(
        &mut self,
        number: u32,
        reply: Reply,
        took: Span,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let Some((started, policy)) = self.favours.probing(number) else { return };
        let grade = policy.grade(reply, took);
        let grace = self.limits.grace;
        let circumstances = Circumstances { started, took, now, grace, starved: self.starved };
        if circumstances.are_void(grade, policy) {
            self.favours.drop_probe(number);
            return;
        }
        actions.extend(self.favours.found(number, grade == Grade::Bad, now).map(Action::from));
    }

    /// Another owner asks whether an origin is down.
    pub fn asked(&mut self, inquiry: &Inquiry<'_>, now: Time, actions: &mut Vec<Action>) {
        self.note_lateness(now);
        actions.extend(self.favours.ask(inquiry, now).map(Action::from));
        self.start_due(now, actions);
        self.promise();
    }

    /// This generation of an origin's entry counts from now on, or none: what others asked about another one is not
    /// answered.
    pub fn edited(&mut self, origin: &Name, generation: Option<Minted>) {
        if !self.limits.planted.is(Mutant::AnswerForAnyGeneration) {
            self.favours.keep_only(origin, generation);
        }
    }

    /// A confirmer answered. Answers to questions that are decided are ignored.
    pub fn answer(
        &mut self,
        origin: &Name,
        round: u32,
        from: NodeId,
        down: bool,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.note_lateness(now);
        self.answered = now;
        if let Some(&slot) = self.places.get(origin)
            && let Some(open) = self.rounds.get_mut(&slot).filter(|open| open.number == round)
        {
            open.take(from, down, self.limits.planted);
            self.settle(slot, now, actions);
        }
        self.promise();
    }

    /// So many members could be asked, which may be fewer than were to be: the others are not waited for.
    pub fn asked_only(&mut self, origin: &Name, round: u32, count: u8, now: Time, actions: &mut Vec<Action>) {
        if let Some(&slot) = self.places.get(origin)
            && let Some(open) = self.rounds.get_mut(&slot).filter(|open| open.number == round)
        {
            open.ask_only(count);
            self.settle(slot, now, actions);
        }
        self.promise();
    }

    /// Decides a round that can be decided, and claims what comes of it.
    fn settle(&mut self, slot: u32, now: Time, actions: &mut Vec<Action>) {
        if self.decide(slot, now) {
            self.claim_news(slot, now, actions);
        }
        self.rearm(slot);
    }

    /// An origin looks unhealthy: asks others, unless they were asked a moment ago. Where so many are being asked about that
    /// no more could be answered, the next check asks.
    fn suspect(&mut self, slot: u32, now: Time, actions: &mut Vec<Action>) {
        let Some(origin) = &self.origins[slot as usize] else { return };
        if self.rounds.contains_key(&slot) || now < origin.ask_after {
            return;
        }
        let others = u8::try_from(self.view.1 - 1).unwrap_or(u8::MAX);
        let wanted = origin.policy.confirmers.map_or(self.confirmers, |own| own.min(others));
        let count = if self.limits.planted.is(Mutant::AskNobody) { 0 } else { wanted };
        if count > 0 && self.rounds.len() >= self.window as usize {
            return;
        }
        self.round = self.round.wrapping_add(1);
        let deadline = now + origin.policy.timeout + self.limits.transit;
        self.rounds.insert(slot, Round::new(self.round, count, now, deadline));
        if count > 0 {
            actions.push(Action::Ask { origin: origin.name.clone(), round: self.round, count });
        }
        self.decide(slot, now);
    }

    /// Decides a round that can be decided. Whether the origin is unhealthy since, which is then to be claimed.
    fn decide(&mut self, slot: u32, now: Time) -> bool {
        let Some(round) = self.rounds.get(&slot) else { return false };
        let (Some(down), confirmation) = (round.decision(now), round.confirmation()) else { return false };
        let is_passed_over = round.is_silent() && self.answered > round.began;
        self.rounds.remove(&slot);
        let Some(origin) = &mut self.origins[slot as usize] else { return false };
        if is_passed_over && !self.limits.planted.is(Mutant::TakeBusyForConsent) {
            // Confirmers are there and have no time: theirs is no consent. The next check asks again.
            self.window = self.window.saturating_sub(PASSED_OVER_COST).max(1);
            origin.unanswered += 1;
            if origin.unanswered < UNANSWERED_LIMIT {
                return false;
            }
        } else if confirmation.answered > 0 {
            self.window = (self.window + 1).min(rounds_limit(&self.limits));
        }
        origin.unanswered = 0;
        if down {
            origin.judge.confirm_down(self.limits.flap_memory, now);
            origin.confirmation = confirmation;
        } else {
            origin.contradicted = (origin.contradicted + 1).min(BACKOFF_LIMIT);
            let interval = origin.policy.interval;
            let longest = interval.max(BACKOFF_LONGEST);
            origin.ask_after = now + interval.times(1 << origin.contradicted).min(longest);
        }
        down
    }

    /// Does what is due of an origin beside its next check.
    pub(super) fn meet_deadline(&mut self, slot: u32, now: Time, actions: &mut Vec<Action>) {
        let grace = self.limits.grace;
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        if origin.started.is_some_and(|started| now >= given_up(started, &origin.policy, grace)) {
            origin.started = None;
            self.sequences[slot as usize] = self.sequences[slot as usize].wrapping_add(1);
            if self.limits.planted.is(Mutant::BlameOrigin) {
                self.take_grade(slot, Grade::Bad, now, actions);
            } else {
                self.reschedule(slot, now);
            }
        }
        if self.decide(slot, now) {
            self.claim_news(slot, now, actions);
        }
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        if now >= origin.late(grace) {
            origin.owes_late = true;
            origin.on_schedule = false;
            if !self.limits.planted.is(Mutant::NeverLate) {
                self.owed.push_back(Owed::Late(slot, origin.name.clone()));
            }
        }
        self.rearm(slot);
    }

    /// Sets the deadline of an origin to the next thing that is due of it beside its next check.
    pub(super) fn rearm(&mut self, slot: u32) {
        let grace = self.limits.grace;
        let Some(origin) = &self.origins[slot as usize] else { return };
        let lost = origin.started.map_or(Time::NEVER, |started| given_up(started, &origin.policy, grace));
        let decided = self.rounds.get(&slot).map_or(Time::NEVER, |round| round.deadline);
        self.deadlines.set(slot, lost.min(decided).min(origin.late(grace)));
    }

    /// Claims what an origin is now, if it is not what was claimed last.
    fn claim_news(&mut self, slot: u32, now: Time, actions: &mut Vec<Action>) {
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        let news = (origin.shown(), if origin.on_schedule { Hold::Held } else { Hold::Late });
        origin.owes_late = false;
        let is_to_say_again = origin.is_contested && now >= origin.claim_after;
        if origin.claimed == Some(news) && !is_to_say_again {
            return;
        }
        origin.claimed = Some(news);
        origin.is_contested = false;
        actions.push(Action::Claim(origin.finding(news.0, news.1)));
    }

    /// The claim that stands for an origin that was checked here all the time is this node's own, in this life: it goes on
    /// holding it.
    pub fn resume(&mut self, name: &Name, state: HealthState, hold: Hold) {
        let Some(&slot) = self.places.get(name) else { return };
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        origin.claimed = Some((state, hold));
        origin.on_schedule = hold == Hold::Held;
        self.rearm(slot);
    }

    /// Another node's claim stands for an origin that this one checks. Before this one has claimed anything, it goes on
    /// from there. Afterwards it claims again with the next check that tells something; when that happens again and
    /// again, later each time, so that two nodes of which each takes itself for the owner do not outdo each other.
    pub fn contested(&mut self, name: &Name, state: HealthState, hold: Hold, now: Time) {
        let Some(&slot) = self.places.get(name) else { return };
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        if origin.claimed.is_none() {
            let tells = state != HealthState::Unknown || self.limits.planted.is(Mutant::WipeUnclaimed);
            if tells && origin.shown() != state {
                origin.judge = Judge::new(state, origin.policy.rule);
            }
            return;
        }
        origin.is_contested = true;
        if hold == Hold::Released || self.limits.planted.is(Mutant::InsistAtOnce) {
            origin.claim_after = now;
            return;
        }
        if now.since(origin.claim_after) > origin.policy.interval.times(1 << CONTESTS_LIMIT) {
            origin.contests = 0;
        }
        origin.claim_after = now + origin.policy.interval.times((1 << origin.contests) - 1);
        origin.contests = (origin.contests + 1).min(CONTESTS_LIMIT);
    }

    /// Claims what is owed, as fast as is allowed.
    pub(super) fn pay_claims(&mut self, now: Time, actions: &mut Vec<Action>) {
        while let Some(owed) = self.owed.front() {
            let finding = match owed {
                Owed::Late(slot, name) => self.late(*slot, name),
                Owed::Released(name, state) => self.released(name, *state),
            };
            if let Some(finding) = finding {
                if !self.claims.take(now) {
                    return;
                }
                if let Owed::Late(slot, _) = *owed
                    && let Some(origin) = &mut self.origins[slot as usize]
                {
                    origin.owes_late = false;
                    origin.claimed_before = None;
                    if origin.claimed.is_some() {
                        origin.claimed = Some((finding.state, finding.hold));
                    }
                }
                actions.push(Action::Claim(finding));
            }
            self.owed.pop_front();
        }
    }

    /// That an origin is late, unless it has been checked meanwhile. What was claimed before an edit is not vouched for any
    /// more; of the origin as it is now nothing was claimed yet.
    fn late(&self, slot: u32, name: &Name) -> Option<Finding> {
        let origin = self.origins.get(slot as usize)?.as_ref()?;
        let state = origin.stands().filter(|_| origin.owes_late && origin.name == *name)?;
        Some(origin.finding(state, if origin.claimed.is_some() { Hold::Late } else { Hold::Released }))
    }

    /// That an origin is released, unless it has come back and was claimed anew.
    fn released(&self, name: &Name, state: HealthState) -> Option<Finding> {
        let back = self.places.get(name).and_then(|slot| self.origins[*slot as usize].as_ref());
        if back.is_some_and(|origin| origin.claimed.is_some()) {
            return None;
        }
        let (origin, confirmation) = (name.clone(), Confirmation::default());
        Some(Finding { origin, state, hold: Hold::Released, confirmation, cause: None })
    }
}

impl From<Ready> for Action {
    fn from(ready: Ready) -> Self {
        let Ready { to, round, origin, generation, down } = ready;
        Self::Answer { to, round, origin, generation, down }
    }
}

/// When a probe without an outcome is given up: just after the last moment at which one would tell something.
fn given_up(started: Time, policy: &Policy, grace: Span) -> Time {
    started + policy.timeout + grace + Span(1)
}

/// What a checker needs to know of its own part in an outcome.
struct Circumstances {
    started: Time,
    took: Span,
    now: Time,
    grace: Span,
    starved: Option<Time>,
}

impl Circumstances {
    /// Whether an outcome tells nothing of the origin: it comes too late; or whoever measured was late to notice the
    /// timeout; or it speaks against the origin and this node itself was woken late meanwhile.
    fn are_void(&self, grade: Grade, policy: &Policy) -> bool {
        let too_late = self.now >= given_up(self.started, policy, self.grace);
        let noticed_late = self.took > policy.timeout + Span(self.grace.as_us() / 4);
        let was_starved = self.starved.is_some_and(|starved| starved >= self.started);
        too_late || noticed_late || (grade != Grade::Good && was_starved)
    }
}
