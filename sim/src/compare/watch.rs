//! What is measured of a system, whatever it is: deliveries, traffic, queues, memory, probes and values.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use heck_core::rng::Seed;
use heck_core::time::{Span, Time};

use super::outcome::{Moment, SystemRun};
use super::system::{Report, Side};
use super::workload::{Publication, Workload};
use crate::engine::event::Kind;
use crate::engine::observer::{Commands, Observer, Step};
use crate::engine::world::World;
use crate::run::origins::{Condition, Origins};
use crate::scenario::compare::Compare;
use crate::scenario::{Latency, Scenario};

/// Not yet.
const NEVER_US: u64 = u64::MAX;
/// A client that has heard nothing of its write by then takes it for refused.
const CLIENT_TIMEOUT: Span = Span::from_secs(5);

/// Watches a run.
pub struct Watch<'a, S> {
    side: &'a S,
    scenario: &'a Scenario,
    publications: &'a [Publication],
    origins: Origins,
    nodes: usize,
    warm: Time,
    /// Whether the command of each publication has reached a node that was up.
    asked: Vec<bool>,
    /// When each publication first reached each node.
    first_us: Vec<u64>,
    /// Since the warm-up, by node.
    sent_bytes: Vec<u64>,
    datagram_max: u32,
    probes: u64,
    /// When each origin goes down, and when each node first knew.
    down: BTreeMap<u32, Time>,
    known: BTreeMap<(u32, u32), Time>,
    moments: Vec<Moment>,
    reports: Vec<Report>,
    probed: Vec<u32>,
}

impl<'a, S: Side> Watch<'a, S> {
    /// Nothing has happened yet.
    pub fn new(side: &'a S, scenario: &'a Scenario, workload: &'a Workload, origins: Origins) -> Self {
        let nodes = scenario.cluster.nodes as usize;
        let mut down = BTreeMap::new();
        for spell in origins.spells() {
            let is_down = matches!(spell.condition, Condition::Refuses | Condition::Silent);
            if is_down && spell.seen_by.is_none() {
                for &origin in &spell.origins {
                    down.entry(origin).or_insert(spell.from);
                }
            }
        }
        let publications = &workload.publications;
        Self {
            side,
            scenario,
            publications,
            origins,
            nodes,
            warm: Time::ZERO + scenario.workload.warmup,
            asked: vec![false; publications.len()],
            first_us: vec![NEVER_US; publications.len() * nodes],
            sent_bytes: vec![0; nodes],
            datagram_max: 0,
            probes: 0,
            down,
            known: BTreeMap::new(),
            moments: Vec::new(),
            reports: Vec::new(),
            probed: Vec::new(),
        }
    }

    fn note(&mut self, node: u32, now: Time, report: Report) {
        match report {
            Report::Delivered(index) => {
                let place = index as usize * self.nodes + node as usize;
                if let Some(first) = self.first_us.get_mut(place).filter(|first| **first == NEVER_US) {
                    *first = now.0;
                }
            }
            Report::Found { origin, well: false } => {
                if self.down.get(&origin).is_some_and(|down| *down <= now) {
                    self.known.entry((origin, node)).or_insert(now);
                }
            }
            Report::Found { .. } => {}
        }
    }

    fn count(&mut self, step: &Step<'_, S::Node>) {
        let sealing = self.side.sealing_bytes();
        let mut bytes = 0;
        for sent in step.outbox.sent() {
            self.datagram_max = self.datagram_max.max(sent.len_bytes + sealing);
            bytes += u64::from(sent.len_bytes + sealing) * sent.destinations.len() as u64;
        }
        bytes += step.outbox.frames_sent().map(u64::from).sum::<u64>();
        if step.time >= self.warm {
            self.sent_bytes[step.node as usize] += bytes;
        }
    }

    /// Looks at all nodes that are up.
    pub fn sample(&mut self, world: &World<S::Node>) {
        let now = world.now();
        let gauges = world.running().map(|(_, node)| self.side.gauge(node));
        let (queue, memory_bytes) = gauges
            .fold((0, 0), |(queue, memory), gauge| (gauge.queue.max(queue), gauge.memory_bytes.max(memory)));
        let sent_bytes = self.sent_bytes.iter().sum();
        // Who counts as a receiver is known in the end.
        self.moments.push(Moment { at_us: now.0, due: 0, delivered: 0, queue, memory_bytes, sent_bytes });
    }

    /// What was due and delivered at each moment, of what counts as due in the end.
    fn progress(&mut self, up: &[u32]) {
        let (mut due_us, mut reached_us) = (Vec::new(), Vec::new());
        for (publication, first_us) in self.publications.iter().zip(self.first_us.chunks(self.nodes)) {
            if self.asked[publication.index as usize] {
                let receivers = || up.iter().filter(|&&node| node != publication.node);
                due_us.extend(receivers().map(|_| publication.at.0));
                reached_us.extend(receivers().map(|&node| first_us[node as usize]));
            }
        }
        reached_us.sort_unstable();
        for moment in &mut self.moments {
            moment.due = due_us.partition_point(|&us| us <= moment.at_us) as u64;
            moment.delivered = reached_us.partition_point(|&us| us <= moment.at_us) as u64;
        }
    }

    /// What it came to; the zone of each node is given.
    #[must_use]
    pub fn outcome(mut self, world: &World<S::Node>, seed: Seed, zones: &[u16]) -> SystemRun {
        let up: Vec<u32> = world.running().map(|(node, _)| node).collect();
        let mut run = SystemRun {
            seed: seed.0,
            trace_hash: world.trace().hash(),
            events: world.trace().count(),
            measured_us: world.now().since(self.warm).as_us(),
            sent_bytes: self.sent_bytes.iter().sum(),
            busiest_bytes: self.sent_bytes.iter().copied().max().unwrap_or_default(),
            datagram_max: self.datagram_max,
            probes: self.probes,
            ..SystemRun::default()
        };
        self.deliveries(&up, zones, &mut run);
        if let Some(compare) = self.scenario.compare.as_ref().filter(|compare| compare.keys > 0) {
            self.values(compare, world, &mut run);
        }
        let asked: Vec<u32> = up.iter().copied().filter(|&node| self.side.answers(node)).collect();
        let known = self.down.iter().map(|(&origin, &down)| {
            let known = asked.iter().map(|&node| self.known.get(&(origin, node)));
            let all = known.collect::<Option<Vec<_>>>();
            all.and_then(|all| all.into_iter().max()).map(|last| last.since(down).as_us())
        });
        run.known_us = known.collect();
        self.progress(&up);
        run.moments = self.moments;
        run
    }

    /// The wait is what a delivery took beyond the latency of the network, where that is constant.
    fn deliveries(&self, up: &[u32], zones: &[u16], run: &mut SystemRun) {
        let names: Vec<String> =
            self.scenario.cluster.zones().iter().map(|zone| zone.name.to_owned()).collect();
        let latency = |from: u32, to: u32| {
            let name = |node: u32| names[usize::from(zones[node as usize])].as_str();
            match self.scenario.network.path(name(from), name(to)).latency {
                Latency::Constant(span) => Some(span.as_us()),
                _ => None,
            }
        };
        let mut wait_us = Some(0_u64);
        for (publication, first_us) in self.publications.iter().zip(self.first_us.chunks(self.nodes)) {
            if !self.asked[publication.index as usize] {
                continue;
            }
            let at_us = publication.at.0;
            let accepted_us = first_us[publication.node as usize];
            run.refused += u64::from(accepted_us > at_us + CLIENT_TIMEOUT.as_us());
            let mut all_us = Some(0_u64);
            for &node in up.iter().filter(|&&node| node != publication.node) {
                let reached_us = first_us[node as usize];
                if reached_us == NEVER_US {
                    run.missing += 1;
                    all_us = None;
                    continue;
                }
                let took_us = reached_us - at_us;
                let zone = zones[node as usize];
                run.took_us.push((zone, took_us));
                all_us = all_us.map(|all_us| all_us.max(took_us));
                let least_us = latency(publication.node, node);
                wait_us = wait_us.zip(least_us).map(|(sum, least_us)| sum + took_us.saturating_sub(least_us));
            }
            run.all_us.push(all_us);
        }
        run.took_us.sort_unstable();
        run.wait_us = wait_us;
    }

    /// Where keys are taken out again, a value is that one is there; otherwise it is the number of its write.
    fn values(&self, compare: &Compare, world: &World<S::Node>, run: &mut SystemRun) {
        if !self.side.is_store() {
            return;
        }
        let is_set = compare.remove_every.is_some();
        let read = |value: Option<u32>| if is_set { value.map(|_| 0) } else { value };
        let (mut diverged, mut overruled) = (0, 0);
        for key in 0..compare.keys {
            let values: Vec<Option<u32>> =
                world.running().map(|(_, node)| read(self.side.value(node, key))).collect();
            let is_write =
                |publication: &&Publication| publication.key == key && self.asked[publication.index as usize];
            let last = self.publications.iter().rfind(is_write);
            let last = read(last.filter(|last| !last.removes).map(|last| last.index));
            let right = values.iter().filter(|&&value| value == last).count();
            diverged += u64::from(values.windows(2).any(|pair| pair[0] != pair[1]));
            overruled += u64::from(2 * right < values.len());
        }
        (run.diverged, run.overruled) = (Some(diverged), Some(overruled));
    }
}

impl<S: Side> Observer<S::Node> for Watch<'_, S> {
    fn after_step(&mut self, step: &Step<'_, S::Node>, commands: &mut Commands<S::Node>) -> ControlFlow<()> {
        if step.cause.kind == Kind::Command
            && let Some(index) = Publication::of_token(step.cause.content)
            && let Some(asked) = self.asked.get_mut(index as usize)
        {
            *asked = true;
        }
        let mut reports = std::mem::take(&mut self.reports);
        self.side.reports(step, &mut reports);
        reports.drain(..).for_each(|report| self.note(step.node, step.time, report));
        self.reports = reports;
        self.side.probes(step, &mut self.origins, commands, &mut self.probed);
        if step.time >= self.warm {
            self.probes += self.probed.len() as u64;
        }
        self.probed.clear();
        self.count(step);
        ControlFlow::Continue(())
    }
}
