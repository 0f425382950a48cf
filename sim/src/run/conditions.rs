//! Faults that no protocol has a part in: links, clocks, processors, disks and streams that are not as they should be.

use std::collections::BTreeMap;

use super::in_force::InForce;
use super::setup::{latency, ratio};
use crate::engine::latency::Latency;
use crate::engine::link::{LinkRule, NodeSet, RuleId};
use crate::engine::protocol::Protocol;
use crate::engine::stalls::Starvation;
use crate::engine::world::World;
use crate::scenario::{Event, EventKind, Scenario};

/// What is in force of such faults.
pub struct Conditions<'a> {
    scenario: &'a Scenario,
    /// How long syncs or stalls take, by the position of their fault.
    times: BTreeMap<usize, Latency>,
    /// The link rules of each loss or partition in force.
    rules: BTreeMap<usize, Vec<RuleId>>,
    slow_disks: InForce<Latency>,
    drifts: InForce<i32>,
    starved: InForce<Starvation>,
}

impl<'a> Conditions<'a> {
    /// Nothing has happened yet.
    ///
    /// # Errors
    /// When a distribution of a fault has no values.
    pub fn new(scenario: &'a Scenario) -> Result<Self, String> {
        let mut times = BTreeMap::new();
        for (rule, fault) in scenario.fault.iter().enumerate() {
            let sync = fault.slow_disk.as_ref().map(|slow| &slow.sync);
            if let Some(time) = sync.or(fault.starve.as_ref().map(|starve| &starve.stall)) {
                times.insert(rule, latency(time)?);
            }
        }
        Ok(Self {
            scenario,
            times,
            rules: BTreeMap::new(),
            slow_disks: InForce::default(),
            drifts: InForce::default(),
            starved: InForce::default(),
        })
    }

    /// Lets an event happen now if it is of this kind; nothing happens at any other.
    pub fn apply<P: Protocol>(&mut self, event: &Event, world: &mut World<P>) {
        match &event.kind {
            EventKind::Pause { nodes } => {
                for &node in nodes {
                    world.pause(node);
                }
            }
            EventKind::Resume { nodes } => {
                for &node in nodes {
                    world.resume(node);
                }
            }
            EventKind::Loss { rule, links, fraction } => {
                let install = |(from, to): &(Vec<u32>, Vec<u32>)| {
                    let (from, to) = (NodeSet::of(from.iter().copied()), NodeSet::of(to.iter().copied()));
                    let loss = ratio(*fraction);
                    let link = LinkRule { from, to, both_ways: false, loss, extra_delay_us: 0 };
                    world.network_mut().install(link)
                };
                let ids = links.iter().map(install).collect();
                self.rules.insert(*rule, ids);
            }
            EventKind::SlowDisk { .. } | EventKind::ClockDrift { .. } | EventKind::Starve { .. } => {
                self.slow_down(&event.kind, world);
            }
            EventKind::End { rule } => self.end(*rule, world),
            EventKind::CutStreams { nodes } => {
                for &node in nodes {
                    world.break_streams(node, true);
                    world.break_streams(node, false);
                }
            }
            _ => {}
        }
    }

    /// Disks, clocks and processors that are not as they should be.
    fn slow_down<P: Protocol>(&mut self, kind: &EventKind, world: &mut World<P>) {
        match kind {
            EventKind::SlowDisk { rule, nodes } => {
                let Some(sync) = self.times.get(rule) else { return };
                self.slow_disks.begin(*rule, nodes.iter().map(|&node| (node, sync.clone())));
                for &node in nodes {
                    world.disks_mut().set_sync(node, Some(sync.clone()));
                }
            }
            EventKind::ClockDrift { rule, clocks } => {
                self.drifts.begin(*rule, clocks.iter().copied());
                for &(node, ppm) in clocks {
                    world.set_drift(node, ppm);
                }
            }
            EventKind::Starve { rule, nodes } => {
                let fault = self.scenario.fault[*rule].starve.as_ref();
                let Some((starve, stall)) = fault.zip(self.times.get(rule)) else { return };
                let how = Starvation { run_us: starve.run.as_us(), stall: stall.clone() };
                self.starved.begin(*rule, nodes.iter().map(|&node| (node, how.clone())));
                for &node in nodes {
                    world.starve(node, Some(how.clone()));
                }
            }
            _ => {}
        }
    }

    /// Ends a fault. What it overlaid is as it was before, or as the last fault that is still in force has it.
    fn end<P: Protocol>(&mut self, rule: usize, world: &mut World<P>) {
        for id in self.rules.remove(&rule).unwrap_or_default() {
            world.network_mut().remove(id);
        }
        for (node, sync) in self.slow_disks.end(rule) {
            world.disks_mut().set_sync(node, sync);
        }
        for (node, ppm) in self.drifts.end(rule) {
            world.set_drift(node, ppm.unwrap_or(0));
        }
        for (node, how) in self.starved.end(rule) {
            world.starve(node, how);
        }
    }
}
