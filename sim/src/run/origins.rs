//! What is true of the origins of a run when, and how probes of them end.

use std::collections::BTreeMap;

use heck_core::id::Name;
use heck_core::probe::{Failure, ProbeOutcome, Reply};
use heck_core::rng::{Seed, Stream};
use heck_core::time::{Span, Time};

use super::setup::{latency, origin_name};
use crate::engine::draw::{Dice, Purpose};
use crate::engine::latency::Latency;
use crate::scenario::{NodeSet, OriginSet, Scenario, some};

/// Names of the random streams of origins, far from those of nodes and of faults.
const ORIGIN_STREAM: u64 = u64::from_be_bytes(*b"\0origins");
const SEEN_STREAM: u64 = u64::from_be_bytes(*b"\0\0\0\0seen") << 16;

/// How an origin behaves.
#[derive(Clone, Debug)]
pub enum Condition {
    /// It refuses connections.
    Refuses,
    /// It does not answer.
    Silent,
    /// It answers after such a time.
    Slow(Latency),
    /// It refuses connections for a time and answers for a time, in turn.
    Flaps {
        /// How long it refuses.
        down: Span,
        /// How long it answers.
        up: Span,
    },
}

/// A time in which some origins behave in some way.
#[derive(Clone, Debug)]
pub struct Spell {
    /// Which, ascending.
    pub origins: Vec<u32>,
    /// The nodes that see them so, ascending; none for all.
    pub seen_by: Option<Vec<u32>>,
    /// From when on.
    pub from: Time,
    /// Until when.
    pub until: Time,
    /// How.
    pub condition: Condition,
}

/// A time in which some nodes carry out few probes at once.
#[derive(Clone, Debug)]
struct Queue {
    nodes: Vec<u32>,
    from: Time,
    until: Time,
    at_once: u32,
    work: Span,
}

/// The origins of a run.
#[derive(Debug)]
pub struct Origins {
    numbers: BTreeMap<Name, u32>,
    usual: Latency,
    spells: Vec<Spell>,
    queues: Vec<Queue>,
    /// When the servers of a node are free again.
    servers: BTreeMap<u32, Vec<Time>>,
    dice: Dice,
    drawn: u64,
}

impl Origins {
    /// The origins of the run with this seed.
    ///
    /// # Errors
    /// When a distribution has no values.
    pub fn new(scenario: &Scenario, seed: Seed) -> Result<Self, String> {
        let usual = match &scenario.checks {
            Some(checks) => latency(&checks.latency)?,
            None => Latency::Constant { us: 0 },
        };
        let end = Time::ZERO + scenario.run.duration;
        let mut origins = Self {
            numbers: (0..scenario.cluster.origins).map(|number| (origin_name(number), number)).collect(),
            usual,
            spells: Vec::new(),
            queues: Vec::new(),
            servers: BTreeMap::new(),
            dice: Dice::new(seed),
            drawn: 0,
        };
        for (rule, fault) in (0..).zip(&scenario.fault) {
            let from = Time::ZERO + fault.at;
            let until = |lasts: Option<Span>| lasts.map_or(end, |lasts| from + lasts);
            let chosen = |set: &OriginSet| choose(set, scenario.cluster.origins, seed, ORIGIN_STREAM + rule);
            let seen_by = |set: &NodeSet| match set {
                NodeSet::All => None,
                some => Some(scenario.nodes_of(some, seed, SEEN_STREAM + rule)),
            };
            let mut add = |set: &OriginSet, seen_by, lasts, condition| {
                let origins_of = chosen(set);
                origins.spells.push(Spell {
                    origins: origins_of,
                    seen_by,
                    from,
                    until: until(lasts),
                    condition,
                });
            };
            if let Some(down) = &fault.origin_down {
                add(&down.origins, seen_by(&down.from), down.lasts, Condition::Refuses);
            }
            if let Some(hole) = &fault.origin_black_hole {
                add(&hole.origins, seen_by(&hole.from), hole.lasts, Condition::Silent);
            }
            if let Some(slow) = &fault.origin_slow {
                add(&slow.origins, None, slow.lasts, Condition::Slow(latency(&slow.latency)?));
            }
            if let Some(flap) = &fault.origin_flap {
                let condition = Condition::Flaps { down: flap.down, up: flap.up };
                add(&flap.origins, None, flap.lasts, condition);
            }
            if let Some(queue) = &fault.probe_queue {
                let nodes = scenario.nodes_of(&queue.nodes, seed, SEEN_STREAM + rule);
                let (at_once, work) = (queue.at_once, queue.work);
                origins.queues.push(Queue { nodes, from, until: until(queue.lasts), at_once, work });
            }
        }
        Ok(origins)
    }

    /// The number of an origin of the start.
    #[must_use]
    pub fn number(&self, name: &Name) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// All times in which origins are not as usual.
    #[must_use]
    pub fn spells(&self) -> &[Spell] {
        &self.spells
    }

    /// Whether an origin was as it should be for everyone all the time between two moments.
    #[must_use]
    pub fn was_well(&self, origin: u32, from: Time, until: Time) -> bool {
        !self.spells.iter().any(|spell| {
            let is_bad = !matches!(spell.condition, Condition::Slow(_)) && spell.seen_by.is_none();
            is_bad
                && spell.from <= until
                && spell.until >= from
                && spell.origins.binary_search(&origin).is_ok()
        })
    }

    /// How a probe that starts now ends, and when its outcome reaches the node. Of an origin that the cluster did not
    /// hold at the start nobody knows anything: it answers as usual.
    pub fn probe(&mut self, node: u32, probe: &heck_core::probe::Probe, now: Time) -> (Time, ProbeOutcome) {
        let (end, reply, took) = self.ask(node, self.number(&probe.origin), probe.timeout, now);
        (end, ProbeOutcome { probe: probe.probe, reply, took })
    }

    /// The same of an origin by its number: when the node knows, what it got, and how long the origin took.
    pub fn ask(&mut self, node: u32, origin: Option<u32>, timeout: Span, now: Time) -> (Time, Reply, Span) {
        let queue = self
            .queues
            .iter()
            .find(|queue| queue.from <= now && now < queue.until && queue.nodes.binary_search(&node).is_ok());
        let (at_once, work) = queue.map_or((0, Span::ZERO), |queue| (queue.at_once, queue.work));
        let mut start = now;
        if at_once > 0 {
            let servers = self.servers.entry(node).or_default();
            servers.resize(at_once as usize, Time::ZERO);
            start = servers.iter().min().copied().unwrap_or_default().max(now);
        }
        let (reply, took) = self.answer(node, origin, start);
        let (reply, took) =
            if took > timeout { (Reply::Failed(Failure::Timeout), timeout) } else { (reply, took) };
        let end = start + took + work;
        if at_once > 0
            && let Some(server) = self.servers.get_mut(&node).and_then(|servers| servers.iter_mut().min())
        {
            *server = end;
        }
        (end, reply, took)
    }

    fn answer(&mut self, node: u32, origin: Option<u32>, now: Time) -> (Reply, Span) {
        self.drawn += 1;
        let word = self.dice.draw(Purpose::Probe, node, self.drawn).word(0);
        let well = |latency: &Latency| (Reply::Status(200), Span(latency.sample_us(word)));
        let refused = (Reply::Failed(Failure::Connect), Span::from_ms(1));
        let is_now = |spell: &&Spell| {
            spell.from <= now
                && now < spell.until
                && origin.is_some_and(|origin| spell.origins.binary_search(&origin).is_ok())
                && spell.seen_by.as_ref().is_none_or(|nodes| nodes.binary_search(&node).is_ok())
        };
        match self.spells.iter().rev().find(is_now).map(|spell| (&spell.condition, spell.from)) {
            None => well(&self.usual),
            Some((Condition::Refuses, _)) => refused,
            Some((Condition::Silent, _)) => (Reply::Failed(Failure::Timeout), Span(u64::MAX)),
            Some((Condition::Slow(latency), _)) => well(latency),
            Some((Condition::Flaps { down, up }, from)) => {
                let phase = now.since(from).as_us() % (*down + *up).as_us().max(1);
                if phase < down.as_us() { refused } else { well(&self.usual) }
            }
        }
    }
}

/// The origins that a set means in this run, ascending.
fn choose(set: &OriginSet, all: u32, seed: Seed, stream: u64) -> Vec<u32> {
    match set {
        OriginSet::All => (0..all).collect(),
        OriginSet::Random(share) => some((0..all).collect(), share.of(all), &mut Stream::new(seed, stream)),
        OriginSet::Indices(list) => {
            let mut origins = list.clone();
            origins.sort_unstable();
            origins.dedup();
            origins
        }
    }
}
