//! The checker's door: what it is told, what it wants done, and what can be asked of it.

use super::favour::Favours;
use super::judge::Judge;
use super::origin::{Origin, phase};
use super::pacer::{Pacer, WHOLE};
use super::round::{Round, rounds_limit};
use super::schedule::{ONE, burst_of};
use super::timers::Timers;
use crate::entry::{Admin, Confirmation, HealthState, Hold, Minted};
use crate::id::{Name, NodeId};
use crate::limits::Limits;
use crate::mutant::Mutant;
use crate::policy::Policy;
use crate::probe::{ProbeId, Reply};
use crate::time::{Span, Time};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The bit that tells a probe made for another owner from those of own origins.
const FAVOUR: u64 = 1 << 63;

impl ProbeId {
    pub(super) fn of_origin(slot: u32, sequence: u32) -> Self {
        Self(u64::from(slot) << 32 | u64::from(sequence))
    }

    pub(super) fn of_favour(number: u32) -> Self {
        Self(FAVOUR | u64::from(number))
    }

    /// Whether the probe is made for another owner, who asked for a confirmation.
    #[must_use]
    pub const fn is_favour(self) -> bool {
        self.0 & FAVOUR != 0
    }

    pub(super) const fn favour(self) -> Option<u32> {
        if self.is_favour() { Some(self.0 as u32) } else { None }
    }

    /// The origin's place and the number of its check.
    pub(super) const fn origin(self) -> (u32, u32) {
        ((self.0 >> 32) as u32, self.0 as u32)
    }
}

/// What the checker wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Action {
    /// Probe an origin now, and tell [`Checker::outcome`] how it ended.
    Probe {
        /// To be repeated with the outcome.
        probe: ProbeId,
        /// Which origin.
        origin: Name,
        /// After how long it has failed.
        timeout: Span,
    },
    /// Ask confirmers whether an origin is down.
    Ask {
        /// Which origin.
        origin: Name,
        /// Answers must bear this number.
        round: u32,
        /// How many to ask: the first of the order after the owner.
        count: u8,
    },
    /// Tell another owner what was found for it.
    Answer {
        /// Who asked.
        to: NodeId,
        /// The number of its question.
        round: u32,
        /// About which origin.
        origin: Name,
        /// Which generation of its entry.
        generation: Minted,
        /// Whether it was found down.
        down: bool,
    },
    /// Claim this.
    Claim(Finding),
}

/// What this node has to say of an origin.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Finding {
    /// Of which origin.
    pub origin: Name,
    /// What was found, the operator's wish considered.
    pub state: HealthState,
    /// Whether this node vouches for it.
    pub hold: Hold,
    /// What confirmers said when it became unhealthy; zeros in any other state.
    pub confirmation: Confirmation,
    /// The answer that made it so, if it is unhealthy or degraded.
    pub cause: Option<Reply>,
}

/// What a checker knows of an origin; for displays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its state, the operator's wish considered.
    pub state: HealthState,
    /// Findings in a row that say what the last one said.
    pub consecutive: u16,
    /// What this node has claimed of it last, if anything.
    pub claimed: Option<(HealthState, Hold)>,
    /// When a check last told something; when it was gained, before the first.
    pub told: Time,
    /// When the next check is due, or the one under way was.
    pub due: Time,
    /// Whether confirmers are being asked.
    pub suspected: bool,
}

/// What is still to be claimed, in the order in which it came up.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Owed {
    /// This origin is late.
    Late(u32, Name),
    /// This origin is not checked here any more; it was last found in this state.
    Released(Name, HealthState),
}

/// The health checks of one node. See the [module](super) for how to drive it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Checker {
    pub(super) me: NodeId,
    pub(super) limits: Limits,
    /// How many confirmers could be asked.
    pub(super) confirmers: u8,
    /// Members known and members alive.
    pub(super) view: (u32, u32),
    pub(super) origins: Vec<Option<Origin>>,
    /// The number of the last check in each place, which outlives the origin there.
    pub(super) sequences: Vec<u32>,
    free: Vec<u32>,
    pub(super) places: BTreeMap<Name, u32>,
    /// When the next check of each origin is due.
    pub(super) starts: Timers,
    /// When something else is due: a check to be given up, a round to be decided, an origin to be called late.
    pub(super) deadlines: Timers,
    pub(super) rounds: BTreeMap<u32, Round>,
    pub(super) round: u32,
    /// When a confirmer last answered anything.
    pub(super) answered: Time,
    /// How many rounds may be open at once: fewer where confirmers answer some and have no time for others.
    pub(super) window: u32,
    pub(super) favours: Favours,
    /// What lets own checks start, and what lets any probe start.
    pub(super) pacer: Pacer,
    pub(super) budget: Pacer,
    /// Whether a probe for another was the last to start.
    pub(super) has_favoured: bool,
    pub(super) claims: Pacer,
    pub(super) owed: VecDeque<Owed>,
    /// Millionths of a probe per second, if every origin were healthy and no interval stretched; and as planned.
    pub(super) base_rate: u64,
    pub(super) planned_rate: u64,
    /// By how much intervals are stretched, in 1/65,536.
    pub(super) stretch: u64,
    /// When the next tick was asked for, and when one last came too late.
    promised: Time,
    pub(super) starved: Option<Time>,
}

impl Checker {
    /// A checker that owns nothing yet.
    #[must_use]
    pub fn new(me: NodeId, limits: Limits, now: Time) -> Self {
        let rate = u64::from(limits.probes_per_s) * WHOLE;
        let claim_rate = u64::from(limits.claims_per_s) * WHOLE;
        Self {
            me,
            confirmers: 0,
            view: (1, 1),
            origins: Vec::new(),
            sequences: Vec::new(),
            free: Vec::new(),
            places: BTreeMap::new(),
            starts: Timers::default(),
            deadlines: Timers::default(),
            rounds: BTreeMap::new(),
            round: 0,
            answered: Time::ZERO,
            window: rounds_limit(&limits),
            favours: Favours::new(&limits),
            pacer: Pacer::new(0, 1, now),
            budget: Pacer::new(rate, burst_of(rate), now),
            has_favoured: false,
            claims: Pacer::new(claim_rate, u64::from(limits.claims_per_s / 20).max(1), now),
            limits,
            owed: VecDeque::new(),
            base_rate: 0,
            planned_rate: 0,
            stretch: ONE,
            promised: Time::NEVER,
            starved: None,
        }
    }

    /// Goes on with the numbers of a checker whose place it takes, so that what that one's probes and questions bring is
    /// not taken for an answer to its own.
    pub fn number_after(&mut self, earlier: &Self) {
        if self.limits.planted.is(Mutant::ReuseProbeNumbers) {
            return;
        }
        self.sequences = earlier.sequences.iter().map(|number| number.wrapping_add(1)).collect();
        self.round = earlier.round;
        self.favours.number_after(&earlier.favours);
    }

    /// Says how many members are known (those that left are not, dead ones are until they are forgotten), how many
    /// of them are alive, this node included, and how many confirmers could be asked.
    pub fn set_view(&mut self, known: u32, alive: u32, confirmers: u8) {
        self.view = (known.max(1), alive.max(1));
        self.confirmers = confirmers;
        // Stretching more takes effect for what is gained next; shrinking waits for the tick, which sees all losses.
        self.stretch = self.stretch.max(self.wanted_stretch());
    }

    /// Checks an origin from now on, first within one interval; or goes on as another policy or another generation of
    /// its entry says. `carried` is the state of the claim that stands, whoever made it; where none does, it begins
    /// anew. A disabled one is lost.
    pub fn gain(&mut self, name: &Name, policy: &Arc<Policy>, admin: Admin, carried: HealthState, now: Time) {
        if admin == Admin::Disabled {
            self.lose(name);
            return;
        }
        let draining = admin == Admin::Draining;
        let Some(&slot) = self.places.get(name) else {
            self.add(name, policy, draining, carried, now);
            return;
        };
        self.sequences[slot as usize] = self.sequences[slot as usize].wrapping_add(1);
        self.rounds.remove(&slot);
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        // An edit carries the claims over. Where there is none, the origin was removed and added.
        let is_anew = carried == HealthState::Unknown && origin.judge.state() != HealthState::Unknown;
        let is_anew = is_anew && !self.limits.planted.is(Mutant::KeepRemovedHealth);
        if is_anew || origin.policy.rule != policy.rule {
            origin.judge = Judge::new(carried, policy.rule);
        }
        self.base_rate = self.base_rate.saturating_sub(rate_of(origin.policy.interval));
        self.base_rate = self.base_rate.saturating_add(rate_of(policy.interval));
        origin.edit(policy, self.limits.grace);
        if self.limits.planted.is(Mutant::ForgetClaimsBeforeEdit) {
            origin.claimed_before = None;
        }
        origin.draining = draining;
        origin.is_contested = false;
        origin.started = None;
        if !self.limits.planted.is(Mutant::KeepBackOff) {
            (origin.contradicted, origin.unanswered, origin.ask_after) = (0, 0, Time::ZERO);
        }
        // The schedule stays where it was, so that a file with 10,000 edited origins is no herd.
        self.reschedule(slot, now);
        self.rearm(slot);
    }

    fn add(&mut self, name: &Name, policy: &Arc<Policy>, draining: bool, carried: HealthState, now: Time) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.origins.push(None);
            self.sequences.resize(self.sequences.len().max(self.origins.len()), 0);
            self.origins.len() as u32 - 1
        });
        self.base_rate = self.base_rate.saturating_add(rate_of(policy.interval));
        self.stretch = self.stretch.max(self.wanted_stretch());
        let interval = self.stretched(policy.interval);
        let forgets = self.limits.planted.is(Mutant::ForgetCarried);
        let carried = if forgets { HealthState::Unknown } else { carried };
        let at_once = self.limits.planted.is(Mutant::CheckAllAtOnce);
        let due = if at_once { now } else { now + phase(name, self.me, interval) };
        let rate = rate_of(interval);
        self.planned_rate = self.planned_rate.saturating_add(rate);
        self.origins[slot as usize] = Some(Origin {
            name: name.clone(),
            policy: policy.clone(),
            draining,
            judge: Judge::new(carried, policy.rule),
            started: None,
            due,
            told: now,
            claimed: None,
            claimed_before: None,
            on_schedule: false,
            owes_late: false,
            contradicted: 0,
            unanswered: 0,
            ask_after: Time::ZERO,
            confirmation: Confirmation::default(),
            cause: None,
            is_contested: false,
            contests: 0,
            claim_after: Time::ZERO,
            rate,
        });
        self.places.insert(name.clone(), slot);
        self.starts.set(slot, due);
    }

    /// Checks an origin no more. What was claimed of it will be released.
    pub fn lose(&mut self, name: &Name) {
        let Some(slot) = self.places.remove(name) else { return };
        let Some(origin) = self.origins[slot as usize].take() else { return };
        self.sequences[slot as usize] = self.sequences[slot as usize].wrapping_add(1);
        self.base_rate = self.base_rate.saturating_sub(rate_of(origin.policy.interval));
        self.planned_rate = self.planned_rate.saturating_sub(origin.rate);
        self.starts.set(slot, Time::NEVER);
        self.deadlines.set(slot, Time::NEVER);
        self.rounds.remove(&slot);
        self.free.push(slot);
        // What was promised for the origin's sake is not waited for any more.
        self.promised = self.promised.max(self.next_wake());
        if let Some(state) = origin.stands()
            && !self.limits.planted.is(Mutant::LoseWithoutRelease)
        {
            self.owed.push_back(Owed::Released(origin.name, state));
        }
    }

    /// A claim of this node stands no more here, and may elsewhere: of an origin that is not checked here any more it is to
    /// be released.
    pub fn released_elsewhere(&mut self, name: &Name, state: HealthState) {
        let is_owed = matches!(self.owed.back(), Some(Owed::Released(owed, _)) if owed == name);
        if !self.checks(name) && !is_owed {
            self.owed.push_back(Owed::Released(name.clone(), state));
        }
    }

    /// Loses everything, as a node that leaves does.
    pub fn lose_all(&mut self) {
        let names: Vec<Name> = self.places.keys().cloned().collect();
        names.iter().for_each(|name| self.lose(name));
    }

    /// Does what is due. Harmless when nothing is.
    pub fn tick(&mut self, now: Time, actions: &mut Vec<Action>) {
        self.note_lateness(now);
        self.shrink_stretch(now);
        while let Some((_, slot)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.meet_deadline(slot, now, actions);
        }
        self.start_due(now, actions);
        self.pay_claims(now, actions);
        self.promised = self.next_wake();
    }

    /// When [`Checker::tick`] is next wanted.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        let (own, any) = (self.pacer.ready(), self.budget.ready());
        let start = self.starts.first().map_or(Time::NEVER, |(at, _)| at.max(own).max(any));
        let favour = if self.favours.is_waiting() { any } else { Time::NEVER };
        let claim = if self.owed.is_empty() { Time::NEVER } else { self.claims.ready() };
        let deadline = self.deadlines.first().map_or(Time::NEVER, |(at, _)| at);
        start.min(favour).min(claim).min(deadline)
    }

    /// Whether a heartbeat of this node may vouch for its claims: no release and no lateness waits to be claimed. To
    /// be asked after a tick at the same time.
    #[must_use]
    pub fn vouches(&self) -> bool {
        self.owed.is_empty() || self.limits.planted.is(Mutant::VouchWhileOwing)
    }

    /// How many origins it checks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it checks this origin.
    #[must_use]
    pub fn checks(&self, name: &Name) -> bool {
        self.places.contains_key(name)
    }

    /// The origins that it checks, in the order of their names.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.places.keys()
    }

    /// Whether it checks none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What it knows of an origin that it checks.
    #[must_use]
    pub fn status(&self, name: &Name) -> Option<Status> {
        let slot = *self.places.get(name)?;
        let origin = self.origins[slot as usize].as_ref()?;
        Some(Status {
            state: origin.shown(),
            consecutive: origin.judge.streak(),
            claimed: origin.claimed,
            told: origin.told,
            due: origin.due,
            suspected: self.rounds.contains_key(&slot),
        })
    }

    /// Whether a round of questions about an origin is open.
    #[must_use]
    pub fn is_asking(&self, name: &Name, round: u32) -> bool {
        let open = self.places.get(name).and_then(|slot| self.rounds.get(slot));
        open.is_some_and(|open| open.number == round)
    }

    /// Notices when this node was woken later than it asked for. To be called first by whatever takes an input.
    pub(super) fn note_lateness(&mut self, now: Time) {
        if now.since(self.promised) > self.limits.grace {
            self.starved = Some(now);
        }
    }

    /// To be called last by whatever takes an input.
    pub(super) fn promise(&mut self) {
        self.promised = self.next_wake();
    }
}

/// Millionths of a probe per second that an interval makes.
pub(super) fn rate_of(interval: Span) -> u64 {
    WHOLE * 1_000_000 / interval.as_us().max(1_000)
}
