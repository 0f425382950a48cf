//! Who owns and checks what, within which budget, and whether answers are as fresh as they say.

use std::collections::{BTreeMap, BTreeSet};

use heck_core::effects::Phase;
use heck_core::entry::Scope;
use heck_core::id::{Name, NodeId};
use heck_core::node::Node;
use heck_core::probe::{Probe, ProbeOutcome};
use heck_core::time::{Span, Time};

use super::freshness::Now;
use super::spacing::Spacing;
use super::words::{Names, seconds};

/// Most pairs of nodes and origins that are looked at when a run ends.
const PAIRS: usize = 400_000;

/// What the checkers must know of the checks of a run.
#[derive(Clone, Debug)]
pub struct CheckBounds {
    /// Probes that a node may start in a second.
    pub probes_per_s: u32,
    /// How old what is known may get before a node is late with it, and how long a check that tells something lasts at most.
    pub patience: Span,
    /// After this long a check tells nothing any more.
    pub lasts: Span,
    /// The shortest time between two checks of an origin.
    pub fast_interval: Span,
    /// How many nodes may come to check one origin, each by its own view, before intervals stretch.
    pub checkers_per_origin: u32,
}

/// Watches the probes of all nodes.
#[derive(Debug)]
pub struct CheckRecord {
    bounds: CheckBounds,
    numbers: BTreeMap<Name, u32>,
    /// Per node, the second that is counted and the probes in it.
    started: Vec<(u64, u32)>,
    /// When a node last checked an origin with an outcome that came in time.
    told: BTreeMap<(NodeId, u32), Time>,
    spacing: Spacing,
}

impl CheckRecord {
    /// Nothing has been probed.
    #[must_use]
    pub fn new(bounds: CheckBounds, origins: &[Name], nodes: usize) -> Self {
        let numbers = origins.iter().cloned().zip(0..).collect();
        let spacing = Spacing::new(bounds.fast_interval, bounds.checkers_per_origin);
        Self { bounds, numbers, started: vec![(0, 0); nodes], told: BTreeMap::new(), spacing }
    }

    /// A node starts a check of its own at `now`. Says if it checks that origin too often.
    pub fn spaced(&mut self, (index, node): (u32, &Node), probe: &Probe, now: Time) -> Option<String> {
        let origin = *self.numbers.get(&probe.origin)?;
        self.spacing.checked((index, node.view()), origin, probe, now)
    }

    /// A node starts a probe at `now`, whose outcome reaches it at `end`. Says if that is one too many.
    pub fn probed(
        &mut self,
        (index, node): (u32, &Node),
        probe: &Probe,
        outcome: &ProbeOutcome,
        (now, end): (Time, Time),
    ) -> Option<String> {
        if outcome.probe.0 >> 63 == 0
            && end.since(now) <= self.bounds.lasts
            && let Some(&origin) = self.numbers.get(&probe.origin)
        {
            self.told.insert((node.view().writer().node, origin), end);
        }
        let second = now.0 / 1_000_000;
        let counted = &mut self.started[index as usize];
        *counted = if counted.0 == second { (second, counted.1 + 1) } else { (second, 1) };
        let (most, burst) = (self.bounds.probes_per_s, (self.bounds.probes_per_s / 25).max(8));
        (counted.1 > most + burst).then(|| {
            format!("started {} probes in a second, {most} and {burst} at once are allowed", counted.1)
        })
    }

    /// Whether a node takes an answer to be younger than the last check of its writer makes it.
    pub fn understated(
        &self,
        nodes: &Names,
        now: Now,
        node: &Node,
        origins: impl Iterator<Item = u32>,
    ) -> Option<String> {
        let view = node.view();
        let names: Vec<&Name> = self.numbers.keys().collect();
        for origin in origins {
            let name = names.get(origin as usize)?;
            let number = self.numbers.get(*name).copied()?;
            let Some(health) = view.health(view.own_scope(), name, now.local) else { continue };
            let Some(age) = health.age else { continue };
            let told = self.told.get(&(health.writer.node, number)).copied().unwrap_or_default();
            let truth = now.world.since(told);
            let allowed = age + health.age_bound + self.bounds.patience;
            if truth > allowed {
                return Some(format!(
                    "says that the health of {name} is {} old and at most {}, but {}, who vouches for it, checked it \
                     {} ago",
                    seconds(age),
                    seconds(age + health.age_bound),
                    nodes.node(health.writer.node),
                    seconds(truth),
                ));
            }
        }
        None
    }

    /// How many origins there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether all nodes agree about the owner of each origin in each scope, and the owner alone checks it.
    pub fn disputed<'a>(
        &self,
        names: &Names,
        now: impl Fn(u32) -> Time,
        nodes: impl Iterator<Item = (u32, &'a Node)>,
    ) -> Option<(u32, String)> {
        let serving = |(_, node): &(u32, &Node)| node.view().phase() == Phase::Serving;
        let nodes: Vec<(u32, &Node)> = nodes.filter(serving).collect();
        let up: BTreeSet<NodeId> = nodes.iter().map(|(_, node)| node.view().writer().node).collect();
        let step = (nodes.len() * self.numbers.len() / PAIRS).max(1);
        for origin in self.numbers.keys().step_by(step) {
            let mut owners: BTreeMap<Scope, (u32, Option<NodeId>)> = BTreeMap::new();
            for &(index, node) in &nodes {
                let view = node.view();
                if view.origin(origin).is_none() {
                    continue;
                }
                let (scope, me) = (view.own_scope(), view.writer().node);
                let owner = view.owner(scope, origin, now(index));
                let (first, other) = *owners.entry(scope).or_insert((index, owner));
                if other != owner {
                    let (owner, other) = (names.owner(owner), names.owner(other));
                    let detail =
                        format!("takes {owner} for the owner of {origin}, and node {first} takes {other}");
                    return Some((index, detail));
                }
                if owner.is_none_or(|owner| !up.contains(&owner)) {
                    return Some((
                        index,
                        format!("takes {}, who is gone, for the owner of {origin}", names.owner(owner)),
                    ));
                }
                let (checks, owns) = (view.check(origin).is_some(), owner == Some(me));
                if checks != owns {
                    let does = if checks { "checks" } else { "does not check" };
                    return Some((index, format!("{does} {origin}, whose owner is {}", names.owner(owner))));
                }
            }
        }
        None
    }
}
