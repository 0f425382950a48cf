//! One origin that this node checks.

use super::checker::Finding;
use super::judge::Judge;
use crate::entry::Confirmation;
use crate::entry::{HealthState, Hold};
use crate::hash::{mix, name_hash};
use crate::id::{Name, NodeId};
use crate::policy::Policy;
use crate::probe::Reply;
use crate::time::{Span, Time};
use alloc::sync::Arc;

/// What was claimed of an origin before an edit.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Before {
    pub(super) state: HealthState,
    /// When that is late, by the policy of that time.
    pub(super) late: Time,
}

/// Everything that a checker keeps of an origin.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Origin {
    pub(super) name: Name,
    pub(super) policy: Arc<Policy>,
    /// Whether its operator wants new traffic elsewhere.
    pub(super) draining: bool,
    pub(super) judge: Judge,
    /// When the check under way started, if one is.
    pub(super) started: Option<Time>,
    /// When the last check was due, or the next one is: the schedule, whatever held a check up.
    pub(super) due: Time,
    /// When a check last told something.
    pub(super) told: Time,
    /// What this node has claimed last, if anything.
    pub(super) claimed: Option<(HealthState, Hold)>,
    /// What it had claimed before an edit after which it has claimed nothing yet: that stands where the edit has not
    /// arrived.
    pub(super) claimed_before: Option<Before>,
    /// Whether the last check and the one to come keep the schedule; told only once it was checked.
    pub(super) on_schedule: bool,
    /// Whether a claim that it is late waits to be made.
    pub(super) owes_late: bool,
    /// How often others have contradicted a suspicion since the origin was last fine, and when they may be asked
    /// again.
    pub(super) contradicted: u8,
    pub(super) ask_after: Time,
    /// How many questions in a row had no answer while confirmers answered others.
    pub(super) unanswered: u8,
    /// What the confirmers said when it became unhealthy.
    pub(super) confirmation: Confirmation,
    /// The last answer that was not good.
    pub(super) cause: Option<Reply>,
    /// Whether another node's claim stands in the place of its own; how often that was so lately, and from when on it
    /// claims again.
    pub(super) is_contested: bool,
    pub(super) contests: u8,
    pub(super) claim_after: Time,
    /// Its share of the node's planned rate, in millionths of a probe per second.
    pub(super) rate: u64,
}

impl Origin {
    /// That an origin is in this state, and why.
    pub(super) fn finding(&self, state: HealthState, hold: Hold) -> Finding {
        let is_down = state == HealthState::Unhealthy;
        let confirmation = if is_down { self.confirmation } else { Confirmation::default() };
        let cause = self.cause.filter(|_| is_down || state == HealthState::Degraded);
        Finding { origin: self.name.clone(), state, hold, confirmation, cause }
    }

    /// What claims of this node may say of it, here or elsewhere.
    pub(super) fn stands(&self) -> Option<HealthState> {
        self.claimed.map(|(state, _)| state).or(self.claimed_before.map(|before| before.state))
    }

    /// When this node would have to say that it is late: of what it claims, or claimed before an edit.
    pub(super) fn late(&self, grace: Span) -> Time {
        match (self.claimed, self.claimed_before) {
            _ if self.owes_late => Time::NEVER,
            (Some((_, Hold::Held)), _) => self.told + self.patience(grace),
            (None, Some(before)) => before.late,
            _ => Time::NEVER,
        }
    }

    /// The entry of the origin was edited: from now on another policy counts, and what was claimed was claimed before.
    pub(super) fn edit(&mut self, policy: &Arc<Policy>, grace: Span) {
        if let Some((state, hold)) = self.claimed.take() {
            let late = if hold == Hold::Held { self.told + self.patience(grace) } else { Time::NEVER };
            self.claimed_before = Some(Before { state, late });
        }
        self.owes_late = false;
        self.policy = policy.clone();
    }

    /// What users are told: an operator who drains overrules everything but an outage.
    pub(super) const fn shown(&self) -> HealthState {
        match self.judge.state() {
            HealthState::Unhealthy => HealthState::Unhealthy,
            _ if self.draining => HealthState::Draining,
            state => state,
        }
    }

    /// How old what is known may get before the node is late: one check may be missed. Stretched intervals are no
    /// excuse, as whoever reads the claim knows the interval that was agreed.
    pub(super) fn patience(&self, grace: Span) -> Span {
        self.policy.interval.times(2) + self.policy.timeout + grace
    }
}

/// Where in its interval an origin is checked by an owner: a place that spreads evenly over origins and
/// owners, so that an origin which moves finds room at its new owner. From 1 µs to the whole interval.
pub(super) fn phase(origin: &Name, owner: NodeId, interval: Span) -> Span {
    let place = mix(name_hash(origin.as_str().as_bytes()), owner.0);
    let us = (u128::from(place) * u128::from(interval.as_us())) >> 64;
    Span(us as u64 + 1)
}
