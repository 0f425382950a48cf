//! Which origins this node checks, and what becomes of what it finds: ownership, the checker and the claims meet here.

use super::Node;
use super::confirm::Asks;
use crate::check::{Action, Checker};
use crate::effects::{Effects, Phase};
use crate::entry::{Body, Claim, Entry, HealthState, Hold, Minted, Scope};
use crate::id::{Name, NodeId, Store};
use crate::limits::Limits;
use crate::member::Member;
use crate::mutant::Mutant;
use crate::ownership::{Assignment, Eligible, Moved, Owners};
use crate::packet::Question;
use crate::policy::Policy;
use crate::probe::{Probe, ProbeOutcome};
use crate::state::Change;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// For how many intervals a node goes on checking an origin that another owns by now, until the other claims it.
const HANDING_INTERVALS: u64 = 3;

/// What a node needs to check origins.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Checks {
    pub(super) checker: Checker,
    pub(super) assignment: Assignment,
    /// Whether the node takes part: none is owned before.
    is_on: bool,
    /// Live members that are not counted, and until when.
    held: BTreeMap<NodeId, Time>,
    /// Origins that others own by now, and until when this node goes on checking them.
    handing: BTreeMap<Name, Time>,
    /// No later than the first of these times.
    handing_over: Time,
    /// Own claims that stand here no more, by origin and generation, and that no own claim has followed.
    pub(super) elsewhere: BTreeMap<(Name, Minted), Claim>,
    pub(super) asks: Asks,
    news: Vec<News>,
    pub(super) actions: Vec<Action>,
    /// When something is due.
    due: Time,
}

/// What a step has changed that matters here.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum News {
    /// An origin was added, edited or removed.
    Registry(Name),
    /// Another node's claim stands for an origin that this one checks.
    Claimed(Arc<Entry>),
    /// A claim of this node stands no more.
    Dropped(Arc<Entry>),
}

/// Lends the list of members as this node sees it at a time.
macro_rules! eligible {
    ($node:expr, $now:expr) => {
        Eligible { members: &$node.members, counts: &|member: &Member| $node.counts(member, $now) }
    };
}

pub(super) use eligible;

impl Checks {
    pub(super) fn new(
        me: NodeId,
        scope: Scope,
        base: Owners,
        limits: &Limits,
        config: &crate::config::Config,
        now: Time,
    ) -> Box<Self> {
        let planted = config.planted;
        let limits = Limits { planted, ..limits.clone() };
        Box::new(Self {
            checker: Checker::new(me, limits, now),
            assignment: Assignment::new(scope, base, planted),
            is_on: false,
            held: BTreeMap::new(),
            handing: BTreeMap::new(),
            handing_over: Time::NEVER,
            elsewhere: BTreeMap::new(),
            asks: Asks::default(),
            news: Vec::new(),
            actions: Vec::new(),
            due: Time::ZERO,
        })
    }

    /// Keeps what of a step's changes matters here.
    pub(super) fn note(&mut self, change: &Change, me: crate::id::Writer) {
        if !self.is_on {
            return;
        }
        let (entry, is_learned) = match change {
            Change::Learned(entry) => (entry, true),
            Change::Dropped(entry) => (entry, false),
            Change::Gap { .. } => return,
        };
        match &entry.body {
            Body::Origin { name, .. } | Body::OriginRemoved { name } => {
                self.news.push(News::Registry(name.clone()));
            }
            Body::Claim(claim) if claim.scope == self.assignment.scope() => {
                let is_own = claim.ballot.writer == me;
                if is_learned && !is_own && self.checker.checks(&claim.origin) {
                    self.news.push(News::Claimed(entry.clone()));
                } else if !is_learned && is_own {
                    self.news.push(News::Dropped(entry.clone()));
                }
            }
            _ => {}
        }
    }

    /// How many origins this node owns, goes on checking for others, and holds for itself in the table of owners.
    pub(super) fn sizes(&self) -> [usize; 4] {
        [self.checker.len(), self.handing.len(), self.assignment.private_len(), self.elsewhere.len()]
    }
}

impl Node {
    /// Whether a member may own: it takes part, and is not in quarantine.
    pub(super) fn counts(&self, member: &Member, now: Time) -> bool {
        let membership = self.membership.as_ref();
        membership.map_or(member.standing.is_live(), |membership| membership.is_counted(member, now))
    }

    /// Nothing checked yet, in the scope in which this node owns, where owners are as in `owners` so far.
    pub(super) fn new_checks(&self, owners: Owners, now: Time) -> Option<Box<Checks>> {
        let limits = self.config.checks.as_ref()?;
        Some(Checks::new(self.me.node, self.own_scope(), owners, limits, &self.config, now))
    }

    /// This node has another name, or owns in another scope: it begins anew to check.
    pub(super) fn restart_checks(&mut self, now: Time) {
        let scope = self.own_scope();
        let Some(checks) = &self.checks else { return };
        let is_same = checks.assignment.scope() == scope;
        let owners = if is_same { checks.assignment.to_shared() } else { Owners::default() };
        let earlier = core::mem::take(&mut self.checks);
        self.checks = self.new_checks(owners, now);
        if let Some((checks, earlier)) = self.checks.as_mut().zip(earlier) {
            checks.checker.number_after(&earlier.checker);
        }
    }

    /// The scope in which this node owns.
    pub(super) fn own_scope(&self) -> Scope {
        let zone = self.members.get(self.me.node).map_or(Scope::NO_ZONE, |own| own.zone);
        let zone = if zone == Scope::CLUSTER { Scope::NO_ZONE } else { zone };
        self.config.ownership.scoping.scope(zone)
    }

    /// Whether heartbeats of this node are true: it has said of every origin that it checks no more, or too late.
    pub(super) fn vouches(&self) -> bool {
        self.checks.as_ref().is_none_or(|checks| checks.checker.vouches())
    }

    pub(super) fn next_check_wake(&self) -> Time {
        let serving = self.checks.as_ref().filter(|_| self.phase == Phase::Serving);
        serving.map_or(Time::NEVER, |checks| checks.due)
    }

    /// A probe has ended.
    pub(super) fn probed(&mut self, outcome: ProbeOutcome, now: Time) {
        if let Some(checks) = self.checks.as_mut().filter(|checks| checks.is_on) {
            let ProbeOutcome { probe, reply, took } = outcome;
            checks.checker.outcome(probe, reply, took, now, &mut checks.actions);
        }
    }

    /// Checks what is due, as soon as the node serves; to be called last in every step.
    pub(super) fn checks_tick(&mut self, now: Time, effects: &mut Effects) {
        if self.phase != Phase::Serving {
            return;
        }
        if self.checks.as_ref().is_some_and(|checks| checks.assignment.scope() != self.own_scope()) {
            self.release_all(now, effects);
            self.restart_checks(now);
        }
        let Some(mut checks) = self.checks.take() else { return };
        if checks.is_on {
            self.follow_members(&mut checks, now);
            self.follow_news(&mut checks, now);
            Self::end_handing(&mut checks, now);
        } else {
            self.begin_checks(&mut checks, now);
        }
        checks.checker.tick(now, &mut checks.actions);
        self.act(&mut checks, now, effects);
        checks.asks.send_due(&checks.checker, &self.members, self.me.node, now, effects);
        let held = checks.held.values().min().copied().unwrap_or(Time::NEVER);
        let over = checks.handing_over;
        checks.due = checks.checker.next_wake().min(checks.asks.next_wake()).min(held).min(over);
        self.checks = Some(checks);
    }

    /// This node lives on under another boot: nothing that it claimed is its own any more.
    pub(super) fn claim_anew(&mut self, now: Time) {
        let Some(checks) = &mut self.checks else { return };
        checks.elsewhere.clear();
        let names: Vec<Name> = checks.checker.names().cloned().collect();
        for name in names {
            checks.checker.contested(&name, HealthState::Unknown, Hold::Released, now);
        }
    }

    fn begin_checks(&mut self, checks: &mut Checks, now: Time) {
        checks.is_on = true;
        checks.news.clear();
        self.set_view(checks);
        self.follow_members(checks, now);
        let is_read = |entry: &&Arc<Entry>| {
            let read = entry.body.map_name().and_then(|name| self.state.read(Store::Registry, name));
            read.is_some_and(|read| read.dot == entry.dot)
        };
        let entries = self.state.entries_of(Store::Registry).filter(is_read);
        let mut names: Vec<Name> = entries.filter_map(|entry| entry.body.map_name()).cloned().collect();
        names.sort_unstable();
        let gone: Vec<Name> = checks.assignment.iter().map(|(name, _)| name.clone()).collect();
        for name in gone.iter().filter(|name| names.binary_search(name).is_err()) {
            checks.assignment.forget(name);
        }
        for name in names.iter().filter(|name| gone.binary_search(name).is_err()) {
            checks.assignment.settle(name, eligible!(self, now));
        }
        let me = Some(self.me.node);
        let owned = checks.assignment.iter().filter(|(_, owner)| *owner == me);
        let owned: Vec<Name> = owned.map(|(name, _)| name.clone()).collect();
        // Claims of this life can be older than its checks only in a fleet that begins as one that has run for long: it
        // goes on with them.
        owned.iter().for_each(|name| self.gain(checks, name, true, now));
    }

    /// Says how many members are known, alive, and there to confirm.
    fn set_view(&self, checks: &mut Checks) {
        let alive = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let known = alive.saturating_add(u32::try_from(self.members.dead()).unwrap_or(u32::MAX));
        let others = u8::try_from(alive.saturating_sub(1)).unwrap_or(u8::MAX);
        checks.checker.set_view(known, alive, self.config.ownership.confirmers.min(others));
    }

    fn follow_members(&mut self, checks: &mut Checks, now: Time) {
        self.set_view(checks);
        let mut touched = self.members.take_touched();
        if checks.held.values().any(|until| *until <= now) {
            touched.extend(checks.held.extract_if(.., |_, until| *until <= now).map(|(node, _)| node));
        }
        if touched.is_empty() {
            return;
        }
        for &node in &touched {
            let held = self.membership.as_ref().and_then(|membership| membership.held_until(node, now));
            match held.filter(|_| self.members.get(node).is_some_and(|member| member.standing.is_live())) {
                Some(until) => _ = checks.held.insert(node, until),
                None => _ = checks.held.remove(&node),
            }
        }
        self.outlive_rivals(checks, &touched, now);
        for moved in checks.assignment.touch(&touched, eligible!(self, now)) {
            self.follow_move(checks, &moved, now);
        }
    }

    /// What members claimed of origins that are this node's and do not count any more is nobody's: it is as if they had
    /// released it.
    fn outlive_rivals(&self, checks: &mut Checks, touched: &[NodeId], now: Time) {
        let is_gone = |node: &NodeId| !self.members.get(*node).is_some_and(|member| self.counts(member, now));
        let gone: Vec<NodeId> = touched.iter().filter(|node| is_gone(node)).copied().collect();
        if gone.is_empty() || self.config.planted.is(Mutant::YieldToTheGone) {
            return;
        }
        let scope = checks.assignment.scope();
        let standing = checks.checker.names().filter_map(|name| self.state.claim(scope, name));
        let rivals = standing.filter(|claim| gone.contains(&claim.ballot.writer.node));
        for (name, state) in rivals.map(|claim| (claim.origin.clone(), claim.state)).collect::<Vec<_>>() {
            checks.checker.contested(&name, state, Hold::Released, now);
        }
    }

    fn follow_move(&self, checks: &mut Checks, moved: &Moved, now: Time) {
        let me = Some(self.me.node);
        if moved.to == me && checks.handing.remove(&moved.origin).is_some() {
            // What others said meanwhile was theirs to say. From now on it stands in the place of the own claim.
            let standing = self.state.claim(checks.assignment.scope(), &moved.origin);
            if let Some(claim) = standing.filter(|claim| claim.ballot.writer != self.me)
                && !self.config.planted.is(Mutant::MissReleaseWhileHanding)
            {
                checks.checker.contested(&moved.origin, claim.state, claim.hold, now);
            }
        } else if moved.to == me {
            self.gain(checks, &moved.origin, false, now);
        } else if moved.from == me && moved.to != me {
            self.hand_over(checks, &moved.origin, now);
        }
    }

    /// Checks an origin from now on, or as its entry now says; `goes_on` when what this life claimed of it still counts.
    fn gain(&self, checks: &mut Checks, name: &Name, goes_on: bool, now: Time) {
        let Some(Body::Origin { spec, .. }) = self.state.read(Store::Registry, name).map(|entry| &entry.body)
        else {
            return;
        };
        let standing = self.state.claim(checks.assignment.scope(), name);
        let carried = standing.map_or(HealthState::Unknown, |claim| claim.state);
        // What was given up and comes back is claimed anew after a check: its last one may be long past.
        let was_given_up = !goes_on && !checks.checker.checks(name);
        let counts = !was_given_up || self.config.planted.is(Mutant::VouchForThePast);
        checks.checker.gain(name, &valid(&spec.policy), spec.admin, carried, now);
        if !checks.checker.checks(name) && !self.config.planted.is(Mutant::ForgetLostWhileHanding) {
            checks.handing.remove(name);
        }
        if let Some(claim) = standing
            && claim.ballot.writer == self.me
            && claim.hold != Hold::Released
            && counts
            && !self.config.planted.is(Mutant::ForgetOwnClaims)
        {
            checks.checker.resume(name, claim.state, claim.hold);
        }
    }

    /// Another node owns an origin from now on. This one goes on checking it until the other has claimed it.
    fn hand_over(&self, checks: &mut Checks, name: &Name, now: Time) {
        let Some(status) = checks.checker.status(name) else { return };
        let owner = checks.assignment.owner(name);
        let standing = self.state.claim(checks.assignment.scope(), name);
        let is_taken = standing
            .is_some_and(|claim| claim.ballot.writer.node != self.me.node && claim.hold == Hold::Held);
        let interval = match self.state.read(Store::Registry, name).map(|entry| &entry.body) {
            Some(Body::Origin { spec, .. }) => valid(&spec.policy).interval,
            _ => return lose(checks, name),
        };
        let at_once = self.config.planted.is(Mutant::DropAtOnce);
        if status.claimed.is_none() || owner.is_none() || is_taken || at_once {
            lose(checks, name);
        } else {
            let for_ever = self.config.planted.is(Mutant::NeverHandOver);
            let until = if for_ever { Time::NEVER } else { now + interval.times(HANDING_INTERVALS) };
            checks.handing.insert(name.clone(), until);
            checks.handing_over = checks.handing_over.min(until);
        }
    }

    fn end_handing(checks: &mut Checks, now: Time) {
        if now < checks.handing_over {
            return;
        }
        let over = checks.handing.iter().filter(|(_, until)| **until <= now);
        let over: Vec<Name> = over.map(|(name, _)| name.clone()).collect();
        over.iter().for_each(|name| lose(checks, name));
        checks.handing_over = checks.handing.values().min().copied().unwrap_or(Time::NEVER);
    }

    fn follow_news(&self, checks: &mut Checks, now: Time) {
        let mut news = core::mem::take(&mut checks.news);
        for item in news.drain(..) {
            match item {
                News::Registry(name) => self.follow_registry(checks, &name, now),
                News::Claimed(entry) => self.follow_claim(checks, &entry, now),
                News::Dropped(entry) => self.note_elsewhere(checks, &entry),
            }
        }
        checks.news = news;
    }

    fn follow_registry(&self, checks: &mut Checks, name: &Name, now: Time) {
        let counts = self.state.read(Store::Registry, name);
        checks.checker.edited(name, counts.map(|entry| entry.dot.into()));
        if counts.is_none() {
            checks.assignment.forget(name);
            lose(checks, name);
        } else if !checks.assignment.contains(name) {
            if let Some(moved) = checks.assignment.settle(name, eligible!(self, now)) {
                self.follow_move(checks, &moved, now);
            }
        } else if checks.assignment.owner(name) == Some(self.me.node) || checks.checker.checks(name) {
            self.gain(checks, name, false, now);
        }
    }

    fn follow_claim(&self, checks: &mut Checks, entry: &Entry, now: Time) {
        let Some(claim) = entry.claim() else { return };
        let standing = self.state.claim(claim.scope, &claim.origin);
        if standing.is_none_or(|standing| standing.ballot != claim.ballot) {
            return;
        }
        if checks.handing.contains_key(&claim.origin) {
            if claim.hold != Hold::Released && !self.config.planted.is(Mutant::NeverHandOver) {
                lose(checks, &claim.origin);
            }
            return;
        }
        if !self.config.planted.is(Mutant::YieldToAnyone) {
            checks.checker.contested(&claim.origin, claim.state, claim.hold, now);
        }
    }

    fn act(&mut self, checks: &mut Checks, now: Time, effects: &mut Effects) {
        // Something may follow at once, as where nobody can be asked.
        while !checks.actions.is_empty() {
            let mut actions = core::mem::take(&mut checks.actions);
            self.act_on(&mut actions, checks, now, effects);
            if checks.actions.is_empty() {
                checks.actions = actions;
            }
        }
    }

    fn act_on(&mut self, actions: &mut Vec<Action>, checks: &mut Checks, now: Time, effects: &mut Effects) {
        for action in actions.drain(..) {
            match action {
                Action::Probe { probe, origin, timeout } => {
                    if let Some(Body::Origin { spec, .. }) =
                        self.state.read(Store::Registry, &origin).map(|entry| &entry.body)
                    {
                        effects.probes.push(Probe { probe, target: spec.target.clone(), origin, timeout });
                    }
                }
                Action::Ask { origin, round, count } => self.ask(checks, &origin, round, count, now),
                Action::Answer { to, round, origin, generation, down } => {
                    let answer = Question { origin, generation: Some(generation), down };
                    self.confirm(to, round, answer, effects);
                }
                Action::Claim(found) => self.claim(checks, &found, now, effects),
            }
        }
    }
}

fn lose(checks: &mut Checks, name: &Name) {
    checks.handing.remove(name);
    checks.checker.lose(name);
}

/// A policy as the checker can take it: another version of heck may have allowed what this one does not.
pub(super) fn valid(policy: &Arc<Policy>) -> Arc<Policy> {
    if policy.validate().is_ok() { policy.clone() } else { Arc::new(policy.clamped()) }
}
