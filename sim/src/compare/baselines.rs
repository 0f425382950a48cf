//! The baselines as a side of the comparison.

use std::marker::PhantomData;
use std::sync::Arc;

use heck_core::probe::Reply;
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};

use super::system::{Report, Side};
use super::workload::Publication;
use crate::engine::disk::DiskLoss;
use crate::engine::observer::{Commands, Step};
use crate::engine::world::World;
use crate::protocol::baseline::{Baseline, Command, Event as Reported, Gauge, Settings, Start};
use crate::run::RunError;
use crate::run::conditions::Conditions;
use crate::run::origins::Origins;
use crate::scenario::{Event, EventKind, Scenario};

/// All nodes of a baseline.
pub struct Baselines<'a, P> {
    scenario: &'a Scenario,
    seed: Seed,
    settings: Arc<Settings>,
    protocol: PhantomData<P>,
}

/// What is in force, and the lives that nodes have begun.
pub struct Faults<'a> {
    conditions: Conditions<'a>,
    lives: Vec<u32>,
}

impl<'a, P> Baselines<'a, P> {
    pub fn new(scenario: &'a Scenario, seed: Seed, settings: Arc<Settings>) -> Self {
        Self { scenario, seed, settings, protocol: PhantomData }
    }

    fn start(&self, node: u32, life: u32, now: Time) -> Start {
        let nodes = self.scenario.cluster.nodes;
        Start { node, nodes, life, now, seed: self.seed, settings: self.settings.clone() }
    }
}

impl<P: Baseline> Side for Baselines<'_, P> {
    type Node = P;
    type Faults<'s>
        = Faults<'s>
    where
        Self: 's;

    fn populate(&self, world: &mut World<P>, zones: &[u16]) {
        for (node, &zone) in (0..).zip(zones) {
            world.add_node(zone, P::begin(&self.start(node, 1, Time::ZERO)));
        }
    }

    fn faults(&self) -> Result<Faults<'_>, RunError> {
        let conditions = Conditions::new(self.scenario).map_err(RunError::Impossible)?;
        Ok(Faults { conditions, lives: vec![1; self.scenario.cluster.nodes as usize] })
    }

    /// Baselines write nothing to disks, so a crash takes everything from them.
    fn apply(&self, faults: &mut Faults<'_>, event: &Event, world: &mut World<P>) {
        match &event.kind {
            EventKind::Crash { nodes, .. } => {
                for &node in nodes {
                    world.crash(node, DiskLoss::Everything);
                }
            }
            EventKind::Restart { nodes } => {
                for &node in nodes {
                    let life = faults.lives[node as usize] + 1;
                    let now = world.clock(node);
                    if world.restart(node, |_| P::begin(&self.start(node, life, now))) {
                        faults.lives[node as usize] = life;
                    }
                }
            }
            _ => faults.conditions.apply(event, world),
        }
    }

    fn publish(&self, publication: &Publication) -> Command {
        let Publication { index, key, bytes, removes, .. } = *publication;
        Command::Publish { index, key, bytes, removes }
    }

    fn reports(&self, step: &Step<'_, P>, into: &mut Vec<Report>) {
        into.extend(step.outbox.reported().iter().filter_map(|event| match *event {
            Reported::Delivered { index } => Some(Report::Delivered(index)),
            Reported::Found { origin, well } => Some(Report::Found { origin, well }),
            Reported::Probe { .. } => None,
        }));
    }

    fn probes(
        &self,
        step: &Step<'_, P>,
        origins: &mut Origins,
        commands: &mut Commands<P>,
        probed: &mut Vec<u32>,
    ) {
        let timeout = self.scenario.checks.as_ref().map_or(Span::ZERO, |checks| checks.timeout);
        for event in step.outbox.reported() {
            let Reported::Probe { origin } = *event else { continue };
            probed.push(origin);
            let (end, reply, _) = origins.ask(step.node, Some(origin), timeout, step.time);
            let well = matches!(reply, Reply::Status(200));
            commands.at(end, step.node, 0, Command::Probed { origin, well });
        }
    }

    fn gauge(&self, node: &P) -> Gauge {
        node.gauge()
    }

    fn value(&self, node: &P, key: u32) -> Option<u32> {
        node.value(key)
    }

    fn is_store(&self) -> bool {
        P::IS_STORE
    }

    fn answers(&self, node: u32) -> bool {
        P::answers(node)
    }

    fn sealing_bytes(&self) -> u32 {
        0
    }
}
