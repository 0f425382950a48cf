//! What is measured of ownership and checks: how often origins are probed, by whom, how soon all know of a change, and
//! what was said wrongly.

use std::collections::{BTreeMap, BTreeSet};

use heck_core::effects::Event;
use heck_core::entry::{Body, Claim, HealthState, Hold, Scope};
use heck_core::node::{Node, View};
use heck_core::probe::Probe;
use heck_core::state::Change;
use heck_core::time::{Span, Time};

use super::answers::Sampling;
use super::origins::Origins;
use super::turns::Turns;
use crate::report::answers::Answers;
use crate::report::outcome::{CheckOutcome, UpdateOutcome};
use crate::scenario::Scenario;

/// What is known of the probes of one origin in one scope.
#[derive(Clone, Debug, Default)]
struct Probed {
    /// The nodes that check it and when each did last.
    by: Vec<(u32, Time)>,
    last: Option<Time>,
    longest: Span,
    twice: Span,
}

/// When an origin was not there to be checked: from its removal, wherever that was said first, until it is added again.
#[derive(Clone, Copy, Debug, Default)]
struct Absence {
    since: Option<Time>,
    /// When it was added again last.
    back: Time,
    /// How long it was gone before, within what is counted.
    before: Span,
}

impl Absence {
    /// How long it was gone by then, from `from` on.
    fn until(&self, now: Time, from: Time) -> Span {
        let open = self.since.map_or(Span::ZERO, |since| now.since(since.max(from)));
        self.before + open
    }
}

/// Watches checks.
#[derive(Debug)]
pub struct CheckWatch {
    pub origins: Origins,
    interval: Span,
    /// How long ago a node may have begun its last check of an origin and still count as checking it.
    patience: Span,
    fall_time: Span,
    from: Time,
    probed: BTreeMap<(Scope, u32), Probed>,
    absences: BTreeMap<u32, Absence>,
    /// Per origin, the interval that is counted and the probes in it.
    loads: Vec<(u64, u32)>,
    greatest_load: u32,
    checks: u64,
    confirming: u64,
    turns: Turns,
    claims: u64,
    late_claims: u64,
    moved: BTreeSet<(Scope, u32)>,
    false_unhealthy: u64,
    /// What nodes answer.
    sampling: Sampling,
}

impl CheckWatch {
    /// Watches a run in which nodes check; `None` where nobody does. Counting begins at `from`.
    #[must_use]
    pub fn new(scenario: &Scenario, origins: Origins, from: Time) -> Option<Self> {
        let policy = scenario.checks.as_ref()?.policy();
        let turns = Turns::new(origins.spells(), policy.slow.is_some());
        // One who is found down has failed for so long at most.
        let fall_time = (policy.interval + policy.timeout).times(12);
        Some(Self {
            loads: vec![(0, 0); scenario.cluster.origins as usize],
            origins,
            interval: policy.interval,
            patience: policy.interval.times(2) + policy.timeout,
            fall_time,
            from,
            probed: BTreeMap::new(),
            absences: BTreeMap::new(),
            greatest_load: 0,
            checks: 0,
            confirming: 0,
            turns,
            claims: 0,
            late_claims: 0,
            moved: BTreeSet::new(),
            false_unhealthy: 0,
            sampling: Sampling::new(scenario.cluster.nodes, scenario.cluster.origins),
        })
    }

    /// A node in a scope starts a probe.
    pub fn started(&mut self, node: u32, scope: Scope, probe: &Probe, now: Time) {
        let Some(origin) = self.origins.number(&probe.origin) else { return };
        let is_counted = now >= self.from;
        let bucket = now.0 / self.interval.as_us();
        let load = &mut self.loads[origin as usize];
        *load = if load.0 == bucket { (bucket, load.1 + 1) } else { (bucket, 1) };
        if is_counted {
            self.greatest_load = self.greatest_load.max(load.1);
        }
        if probe.probe.is_favour() {
            self.confirming += u64::from(is_counted);
            return;
        }
        let absence = self.absences.get(&origin).copied().unwrap_or_default();
        let probed = self.probed.entry((scope, origin)).or_default();
        if is_counted && absence.since.is_none() {
            self.checks += 1;
            let before = probed.last.unwrap_or(self.from).max(self.from).max(absence.back);
            probed.longest = probed.longest.max(now.since(before));
        }
        let own = probed.by.iter().position(|(by, _)| *by == node);
        let before = own.map(|at| probed.by[at].1);
        // Since this node's own last check another one has checked it as well; what lies between the two counts.
        if let Some(before) = before.filter(|before| now.since(*before) <= self.interval.times(2))
            && let Some(other) = probed.by.iter().filter(|(by, _)| *by != node).map(|(_, at)| *at).max()
            && other > before
            && is_counted
        {
            probed.twice = probed.twice + now.since(other);
        }
        match own {
            Some(at) => probed.by[at].1 = now,
            None => probed.by.push((node, now)),
        }
        probed.last = Some(now);
    }

    /// A node took a step. `up` tells which nodes are up.
    pub fn stepped(&mut self, node: u32, view: View<'_>, events: &[Event], up: &[bool], now: Time) {
        self.turns.begin(up, now);
        let scope = view.own_scope();
        for event in events {
            let Event::Changed(Change::Learned(entry)) = event else { continue };
            if entry.dot.lane.writer == view.writer() {
                self.registered(&entry.body, now);
            }
            let Some(claim) = entry.claim() else { continue };
            let Some(origin) = self.origins.number(&claim.origin) else { continue };
            if claim.ballot.writer == view.writer() && now >= self.from {
                self.claimed(origin, claim, now);
            }
            if claim.scope == scope {
                self.turns.heard(node, origin, claim.state, now);
            }
        }
    }

    /// An origin was added, edited or removed somewhere.
    fn registered(&mut self, body: &Body, now: Time) {
        let Some(origin) = body.map_name().and_then(|name| self.origins.number(name)) else { return };
        match body {
            Body::OriginRemoved { .. } => {
                let absence = self.absences.entry(origin).or_default();
                absence.since = absence.since.or(Some(now));
            }
            Body::Origin { .. } => {
                if let Some(absence) =
                    self.absences.get_mut(&origin).filter(|absence| absence.since.is_some())
                {
                    let before = absence.until(now, self.from);
                    *absence = Absence { since: None, back: now, before };
                }
            }
            _ => {}
        }
    }

    fn claimed(&mut self, origin: u32, claim: &Claim, now: Time) {
        self.claims += 1;
        self.late_claims += u64::from(claim.hold == Hold::Late);
        if claim.hold != Hold::Released && claim.ballot.sequence == 1 {
            self.moved.insert((claim.scope, origin));
        }
        let begin = Time(now.0.saturating_sub(self.fall_time.as_us()));
        if claim.state == HealthState::Unhealthy
            && claim.previous != HealthState::Unhealthy
            && self.origins.was_well(origin, begin, now)
        {
            self.false_unhealthy += 1;
        }
    }

    /// Looks at some of the answers that nodes give now about origins that a node which is up checks. `node` gives a
    /// node that is up with what its clock shows.
    pub fn sample<'a>(&mut self, node: impl Fn(u32) -> Option<(&'a Node, Time)>, up: &[bool], now: Time) {
        if now <= self.from {
            return;
        }
        for asked in self.sampling.turn() {
            let Some((asked_node, clock)) = node(asked.node) else { continue };
            let scope = asked_node.view().own_scope();
            let Some(probed) = self.probed.get(&(scope, asked.origin)) else { continue };
            let is_recent = |at: Time| now.since(at) <= self.patience;
            let mut by = probed.by.iter().filter(|(by, at)| up[*by as usize] && is_recent(*at)).peekable();
            if by.peek().is_some() {
                let checks = by.any(|(by, _)| *by == asked.node);
                self.sampling.note(asked_node, asked, clock, checks);
            }
        }
    }

    /// A node has crashed: it cannot hear of anything any more.
    pub fn crashed(&mut self, node: u32) {
        self.turns.crashed(node);
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(self, now: Time) -> (Vec<UpdateOutcome>, CheckOutcome, Answers) {
        let counted = now.since(self.from);
        let absence = |origin: u32| self.absences.get(&origin).copied().unwrap_or_default();
        let there =
            |origin: u32| counted.as_us().saturating_sub(absence(origin).until(now, self.from).as_us());
        let there: u64 = self.probed.keys().map(|(_, origin)| there(*origin)).sum();
        let due = there as f64 / self.interval.as_us() as f64;
        let longest = self.probed.iter().map(|((_, origin), probed)| {
            let absence = absence(*origin);
            let end = absence.since.unwrap_or(now);
            let last = probed.last.unwrap_or(self.from).max(self.from).max(absence.back);
            probed.longest.max(end.since(last))
        });
        let outcome = CheckOutcome {
            checks_per_interval: if due > 0.0 { self.checks as f64 / due } else { 0.0 },
            probes: self.checks + self.confirming,
            confirming: self.confirming,
            greatest_load: self.greatest_load,
            unchecked_us: longest.max().unwrap_or_default().as_us(),
            twice_us: self.probed.values().map(|probed| probed.twice).max().unwrap_or_default().as_us(),
            moved: self.moved.len() as f64 / self.probed.len().max(1) as f64,
            claims: self.claims,
            late_claims: self.late_claims,
            false_unhealthy: self.false_unhealthy,
        };
        (self.turns.outcome(now), outcome, self.sampling.outcome())
    }
}
