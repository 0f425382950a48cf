//! Who can reach whom, and since when nothing about that has changed: after a while every side of a partition has to have
//! one owner for each origin.

use std::collections::{BTreeMap, BTreeSet};

use heck_core::time::{Span, Time};

use super::setup;
use crate::scenario::{Event, EventKind, Membership, Scenario};
use crate::units::Fraction;

/// Exchanges that succeed, beside one for each doubling of the nodes, until something is known to all of a side.
const EXCHANGES: u64 = 10;
/// A buried half is found again within so many attempts to reach the dead.
const HEALS: u64 = 6;
/// Periods for each other node, two at least, after which whoever hears from nobody suspects all.
const ALONE_PERIODS: u64 = 30;

/// Links from nodes to nodes.
type Links = Vec<(Vec<u32>, Vec<u32>)>;

/// For each cut link, whether a node is among those from whom, and among those to whom it goes.
type Ends = [[bool; 2]];

/// What is in force of faults that decide who reaches whom.
#[derive(Debug)]
pub struct Sides {
    nodes: u32,
    /// Cut links, by the position of their fault.
    cuts: BTreeMap<usize, Links>,
    /// Faults under which some reach each other now and then.
    unclear: BTreeSet<usize>,
    /// Nodes that stand still.
    paused: BTreeSet<u32>,
    /// When something of that changed last, or who is there.
    changed: Time,
    /// How often something did.
    changes: u32,
    /// Whether the owners since then have been looked at: those of sides, and those of nodes that are left alone.
    is_done: bool,
    is_done_alone: bool,
    /// Whether less than half of the nodes bury the others as soon as more do. By evidence they take longer: to one who is hardly
    /// ever answered, silence says little, and it goes on with what it owned.
    minorities_bury: bool,
    patience: Patience,
}

/// How long one owner for each origin may take, as the settings have it.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Until everyone who is gone is buried, or who was buried is back, all know it, and the new owner of an origin has checked
    /// and claimed it, which the old one has heard of.
    usual: Span,
    /// Of that: one interval of checks, which is stretched where few of many are seen.
    interval: Span,
    checkers_per_origin: u64,
    /// How long one who comes back again does not count.
    quarantine: Span,
    /// How long one who is alone takes itself for cut off.
    alone: Span,
}

impl Patience {
    fn new(scenario: &Scenario) -> Option<Self> {
        let (checks, protocol) = (scenario.checks.as_ref()?, &scenario.cluster.protocol);
        let nodes = u64::from(scenario.cluster.nodes.max(2));
        let usual_percent = if protocol.membership == Membership::Evidence { 270 } else { 500 };
        let percent = protocol.suspicion_factor_percent.unwrap_or(usual_percent);
        let decades =
            libm::log10(nodes as f64).max(1.0) * f64::from(percent * protocol.suspicion_max_factor) / 100.0;
        let suspicion = Span((protocol.probe_period.as_us() as f64 * decades) as u64);
        let heal = Span(protocol.heal_interval.times(HEALS).as_us() * nodes.max(50) / 50);
        let arrives = 1.0 - setup::mean_loss(scenario).min(0.99);
        let exchange_us = protocol.repair_interval.as_us() as f64 / (arrives * arrives);
        let exchanges = EXCHANGES + u64::from(nodes.ilog2());
        let spread = Span((exchange_us * exchanges as f64) as u64);
        let claims = Span::from_secs(u64::from(scenario.cluster.origins / checks.claims_per_s));
        let probe = checks.timeout + checks.grace;
        // News of the change, and of the new owner's claim.
        let usual = Span(suspicion.as_us().max(heal.as_us())) + spread.times(2) + claims + probe;
        Some(Self {
            usual,
            interval: checks.interval,
            checkers_per_origin: checks.checkers_per_origin.into(),
            quarantine: protocol.quarantine,
            alone: protocol.probe_period.times(ALONE_PERIODS * (nodes - 1).max(2)),
        })
    }

    /// For a side of so many of all nodes, after so many changes.
    fn of(self, side: u64, nodes: u64, changes: u32) -> Span {
        let share = side.max(1) * self.checkers_per_origin;
        let interval = Span(self.interval.as_us() * nodes.max(share) / share);
        // The first fault and its end are counted as one death; each further one may double the time in quarantine.
        let doublings = changes.saturating_sub(2).min(8);
        let held = if doublings == 0 { Span::ZERO } else { self.quarantine.times(1 << (doublings - 1)) };
        self.usual + interval + held
    }
}

impl Sides {
    /// Nothing has happened. `None` where nobody owns anything, or nobody ever finds out who is dead.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Option<Self> {
        if scenario.cluster.protocol.membership == Membership::Fixed {
            return None;
        }
        Some(Self {
            nodes: scenario.cluster.nodes,
            cuts: BTreeMap::new(),
            unclear: BTreeSet::new(),
            paused: BTreeSet::new(),
            changed: Time::ZERO,
            changes: 0,
            is_done: false,
            is_done_alone: false,
            minorities_bury: scenario.cluster.protocol.membership != Membership::Evidence,
            patience: Patience::new(scenario)?,
        })
    }

    /// Something happens.
    pub fn happened(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Loss { rule, links, fraction } if *fraction == Fraction::ONE => {
                self.cuts.insert(*rule, links.clone());
            }
            EventKind::Loss { rule, .. } | EventKind::Starve { rule, .. } => _ = self.unclear.insert(*rule),
            EventKind::End { rule } => {
                self.cuts.remove(rule);
                self.unclear.remove(rule);
            }
            EventKind::Pause { nodes } => self.paused.extend(nodes),
            EventKind::Resume { nodes } => self.paused.retain(|node| !nodes.contains(node)),
            EventKind::Origins { .. } | EventKind::CutStreams { .. } => return,
            _ => {}
        }
        self.changed = event.at;
        self.changes += 1;
        (self.is_done, self.is_done_alone) = (false, false);
    }

    /// The sides of which each has to have one owner for each origin by now; once after each change.
    pub fn due(&mut self, now: Time, is_up: impl Fn(u32) -> bool) -> Vec<Vec<u32>> {
        if !self.unclear.is_empty() || !self.paused.is_empty() {
            return Vec::new();
        }
        let (nodes, is_evidence) = (self.nodes as usize, !self.minorities_bury);
        let alone_at = self.changed + self.patience.of(1, nodes as u64, self.changes) + self.patience.alone;
        let is_due_alone = is_evidence && !self.is_done_alone && now >= alone_at;
        if self.is_done && !is_due_alone {
            return Vec::new();
        }
        let up = |side: &[u32]| side.iter().filter(|&&node| is_up(node)).count();
        let mut sides = self.sides();
        sides.retain(|side| up(side) > 0);
        let (alone, mut several): (Vec<_>, Vec<_>) =
            sides.into_iter().partition(|side| is_evidence && up(side) == 1);
        several.retain(|side| self.minorities_bury || 2 * side.len() >= nodes);
        let least = several.iter().map(|side| up(side)).min().unwrap_or(nodes) as u64;
        let is_due =
            !self.is_done && now >= self.changed + self.patience.of(least, nodes as u64, self.changes);
        (self.is_done, self.is_done_alone) = (self.is_done || is_due, self.is_done_alone || is_due_alone);
        let mut due = if is_due { several } else { Vec::new() };
        due.extend(alone.into_iter().filter(|_| is_due_alone));
        due
    }

    /// The parts of the fleet in which all reach each other, and nobody else; empty where it has no such parts.
    #[must_use]
    pub fn sides(&self) -> Vec<Vec<u32>> {
        let links: Vec<&(Vec<u32>, Vec<u32>)> = self.cuts.values().flatten().collect();
        // Nodes that are on the same ends of all cut links reach the same others.
        let mut alike: BTreeMap<Box<Ends>, Vec<u32>> = BTreeMap::new();
        for node in 0..self.nodes {
            let ends = links.iter().map(|(from, to)| [from, to].map(|end| end.binary_search(&node).is_ok()));
            alike.entry(ends.collect()).or_default().push(node);
        }
        let reach = |one: &Ends, other: &Ends| {
            one.iter().zip(other).all(|(one, other)| !(one[0] && other[1] || one[1] && other[0]))
        };
        let mut sides: Vec<(Vec<&Ends>, Vec<u32>)> = Vec::new();
        for (ends, nodes) in &alike {
            let is_split = nodes.len() > 1 && !reach(ends, ends);
            let mut met = sides.iter_mut().filter(|(side, _)| side.iter().any(|other| reach(ends, other)));
            let (first, second) = (met.next(), met.next());
            match first {
                None if !is_split => sides.push((vec![ends], nodes.clone())),
                Some((side, members)) if !is_split && second.is_none() => {
                    if !side.iter().all(|other| reach(ends, other)) {
                        return Vec::new();
                    }
                    side.push(ends);
                    members.extend(nodes);
                }
                _ => return Vec::new(),
            }
        }
        sides.into_iter().map(|(_, nodes)| nodes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioFile;

    fn scenario_of(faults: &str) -> Scenario {
        let text = format!(
            "question = \"q\"\nsource = \"s\"\nexpectation = \"e\"\nrun.duration = \"200s\"\n\
             cluster.nodes = 6\nnetwork.latency = \"40ms\"\nchecks = {{}}\nfault = [{faults}]"
        );
        ScenarioFile::parse("q.toml", &text, &[]).expect("a scenario").scenario
    }

    fn sides(faults: &str) -> Vec<Vec<u32>> {
        let scenario = scenario_of(faults);
        let mut sides = Sides::new(&scenario).expect("owners");
        for event in scenario.schedule(heck_core::rng::Seed(1)).iter().filter(|event| event.at.0 < 5_000_000)
        {
            sides.happened(event);
        }
        sides
            .sides()
            .into_iter()
            .map(|mut side| {
                side.sort_unstable();
                side
            })
            .collect()
    }

    #[test]
    fn sides_are_those_who_all_reach_each_other_and_nobody_else() {
        let cut =
            |sides: &str| format!("{{ at = \"1s\", partition = {{ sides = {sides}, lasts = \"9s\" }} }}");
        assert_eq!(sides(""), [vec![0, 1, 2, 3, 4, 5]]);
        let mut halves = sides(&cut("[[0, 1], \"rest\"]"));
        halves.sort_unstable();
        assert_eq!(halves, [vec![0, 1], vec![2, 3, 4, 5]]);
        let mut three = sides(&[cut("[[0, 1], \"rest\"]"), cut("[[5], \"rest\"]")].join(", "));
        three.sort_unstable();
        assert_eq!(three, [vec![0, 1], vec![2, 3, 4], vec![5]]);
        assert_eq!(sides(&cut("[[0], [1]]")), Vec::<Vec<u32>>::new(), "the others reach both");
        assert_eq!(
            sides("{ at = \"1s\", partition = { sides = [[0], \"rest\"], lasts = \"2s\" } }").len(),
            1,
            "healed"
        );
    }

    #[test]
    fn owners_are_looked_at_once_when_the_time_that_settings_allow_has_passed_since_the_last_change() {
        let scenario =
            scenario_of("{ at = \"20s\", partition = { sides = [[0], \"rest\"], lasts = \"100s\" } }");
        let mut sides = Sides::new(&scenario).expect("owners");
        let at = |secs: u64| Time::ZERO + Span::from_secs(secs);
        sides.happened(&scenario.schedule(heck_core::rng::Seed(1))[0]);
        // 30 s to find or bury, twice 12 exchanges of a second, a check of 2.25 s and an interval of 5 s.
        let mut due = |until: u64, is_up: fn(u32) -> bool| {
            let due = (20..until).map(|secs| (secs, sides.due(at(secs), is_up)));
            due.filter(|(_, sides)| !sides.is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(due(234, |_| true), [(82, vec![vec![1, 2, 3, 4, 5]])]);
        // 150 s more, and an interval that is stretched as one of six sees few.
        assert_eq!(due(300, |_| true), [(234, vec![vec![0]])], "the one has waited for all others");
        assert_eq!(sides.sides().len(), 2);
    }

    #[test]
    fn of_a_fleet_of_which_one_is_up_it_is_asked_as_late_as_that_one_may_know() {
        let mut alone = Sides::new(&scenario_of("")).expect("owners");
        let asked = |sides: &mut Sides, is_up: fn(u32) -> bool| {
            (0..400).find(|&secs| !sides.due(Time::ZERO + Span::from_secs(secs), is_up).is_empty())
        };
        assert_eq!(asked(&mut alone, |node| node == 2), Some(214));
        let mut two = Sides::new(&scenario_of("")).expect("owners");
        assert_eq!(asked(&mut two, |node| node < 2), Some(62));
        assert_eq!(asked(&mut two, |_| false), None);
    }
}
