//! When checks start: intervals, how far they stretch, and the pace of all of them together.

use super::checker::{Action, Checker, rate_of};
use super::origin::phase;
use super::pacer::WHOLE;
use crate::id::Name;
use crate::mutant::Mutant;
use crate::probe::ProbeId;
use crate::time::{Span, Time};
use alloc::vec::Vec;

/// A stretch of 1.
pub(super) const ONE: u64 = 1 << 16;

/// Checks a second and probes at once that any node may start, however little it owns: when it gains more.
const LEAST_RATE: u64 = 20 * WHOLE;
const LEAST_BURST: u64 = 8;

impl Checker {
    /// By how much intervals ought to be stretched: so that this node keeps to its rate with all origins healthy, and
    /// so that an origin is not checked by too many nodes of which each sees nobody but itself.
    pub(super) fn wanted_stretch(&self) -> u64 {
        let budget = u64::from(self.limits.probes_per_s) * WHOLE;
        let by_rate = ratio(self.base_rate.into(), budget.into());
        let (known, alive) = self.view;
        let checkers = u128::from(alive) * u128::from(self.limits.checkers_per_origin);
        let by_view = ratio(known.into(), checkers);
        let by_view = if self.limits.planted.is(Mutant::IgnoreCollapsedView) { ONE } else { by_view };
        by_rate.max(by_view).max(ONE)
    }

    pub(super) fn stretched(&self, span: Span) -> Span {
        let us = (u128::from(span.as_us().max(1_000)) * u128::from(self.stretch)) >> 16;
        Span(u64::try_from(us).unwrap_or(u64::MAX))
    }

    /// Takes the stretch back when it is wanted no more, and with it the checks that were put off for long.
    pub(super) fn shrink_stretch(&mut self, now: Time) {
        let wanted = self.wanted_stretch();
        if wanted >= self.stretch {
            self.stretch = wanted;
            return;
        }
        self.stretch = wanted;
        for slot in 0..self.origins.len() as u32 {
            let Some(origin) = &self.origins[slot as usize] else { continue };
            let interval = self.stretched(origin.policy.interval);
            let put_off = self.starts.get(slot).is_some_and(|due| due > now + interval);
            let due = if put_off { now + phase(&origin.name, self.me, interval) } else { origin.due };
            if put_off {
                self.starts.set(slot, due);
            }
            let Some(origin) = &mut self.origins[slot as usize] else { continue };
            origin.due = due;
            let rate = origin.rate.max(rate_of(interval));
            self.planned_rate = self.planned_rate.saturating_sub(origin.rate).saturating_add(rate);
            origin.rate = rate;
        }
    }

    /// Plans the next check of an origin: one interval after the last was due, whatever held that one up, so that
    /// the schedule stays as spread as it was. Checks that were missed are not made up for.
    pub(super) fn reschedule(&mut self, slot: u32, now: Time) {
        let Some(origin) = &self.origins[slot as usize] else { return };
        // Where others contradict, hurrying would only ask them more often.
        let hurries = origin.judge.is_changing() && origin.contradicted == 0;
        let policy = &origin.policy;
        let interval = if hurries { policy.fast_interval.min(policy.interval) } else { policy.interval };
        let interval = self.stretched(interval);
        let bunches = self.limits.planted.is(Mutant::BunchTheShortened);
        let place = if bunches { interval } else { phase(&origin.name, self.me, interval) };
        let waits_already = self.starts.get(slot).is_some();
        let mut next = match origin.due {
            due if !waits_already => due + interval,
            // A file of origins whose interval becomes shorter is no herd either.
            due if due > now + interval => now + place,
            due => due,
        };
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        let rate = rate_of(interval);
        self.planned_rate = self.planned_rate.saturating_sub(origin.rate).saturating_add(rate);
        origin.rate = rate;
        if next <= now {
            let missed = now.since(next).as_us() / interval.as_us() + 1;
            next += interval.times(missed);
        }
        origin.due = next;
        self.starts.set(slot, next);
    }

    /// Checks an origin as soon as the pace allows, unless a check is under way or was a moment ago; the schedule goes on as
    /// it was. False when this node does not check it.
    pub fn hurry(&mut self, name: &Name, now: Time) -> bool {
        let Some(&slot) = self.places.get(name) else { return false };
        let Some(origin) = &mut self.origins[slot as usize] else { return false };
        let interval = origin.policy.interval;
        let waits = self.starts.get(slot).is_some_and(|start| start > now);
        let is_fresh = origin.claimed.is_some() && now < origin.told + origin.policy.fast_interval;
        if waits && !is_fresh && origin.started.is_none() {
            origin.due = origin.due - interval;
            self.starts.set(slot, now);
        }
        true
    }

    /// Starts what is due: own checks as far as their pace allows, and probes for others at once, in turns with them
    /// where the node's budget does not suffice for both.
    pub(super) fn start_due(&mut self, now: Time, actions: &mut Vec<Action>) {
        let budget = u64::from(self.limits.probes_per_s) * WHOLE;
        let rate = (self.planned_rate.saturating_mul(5) / 4).max(LEAST_RATE).min(budget);
        self.pacer.set(rate, burst_of(rate), now);
        let is_paced = !self.limits.planted.is(Mutant::UnpacedProbes);
        loop {
            let due = self.starts.first().filter(|(at, _)| *at <= now);
            let due = due.filter(|_| !is_paced || self.pacer.has_one(now));
            let asked = self.favours.is_waiting();
            if (due.is_none() && !asked) || (!self.budget.take(now) && is_paced) {
                return;
            }
            let own = due.filter(|_| !asked || self.has_favoured);
            self.has_favoured = own.is_none();
            if own.is_none() && self.limits.planted.is(Mutant::ConfirmAtOwnPace) && !self.pacer.take(now) {
                return;
            }
            if let Some((_, slot)) = own {
                self.pacer.take(now);
                self.start(slot, now, actions);
            } else if let Some((number, origin, timeout)) = self.favours.start(now) {
                actions.push(Action::Probe { probe: ProbeId::of_favour(number), origin, timeout });
            }
        }
    }

    fn start(&mut self, slot: u32, now: Time, actions: &mut Vec<Action>) {
        self.starts.set(slot, Time::NEVER);
        let sequence = &mut self.sequences[slot as usize];
        *sequence = sequence.wrapping_add(1);
        let probe = ProbeId::of_origin(slot, *sequence);
        let Some(origin) = &mut self.origins[slot as usize] else { return };
        origin.started = Some(now);
        let (name, timeout) = (origin.name.clone(), origin.policy.timeout);
        actions.push(Action::Probe { probe, origin: name, timeout });
        self.rearm(slot);
    }
}

/// How many probes may start at once. A twenty-fifth of 1.25 seconds' probes is half of what falls on 100 ms.
pub(super) fn burst_of(rate: u64) -> u64 {
    (rate / WHOLE / 25).max(LEAST_BURST)
}

/// `a / b` in 1/65,536.
fn ratio(a: u128, b: u128) -> u64 {
    u64::try_from((a << 16) / b.max(1)).unwrap_or(u64::MAX)
}
