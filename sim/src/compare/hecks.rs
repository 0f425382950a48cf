//! heck as a side of the comparison: its own node, unmodified, with the set-up and the faults of the other runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use heck_core::effects::Event as Happened;
use heck_core::entry::{Body, Entry, HealthState};
use heck_core::id::{Dot, Name};
use heck_core::input::Command;
use heck_core::node::Node;
use heck_core::rng::Seed;
use heck_core::state::Change;
use heck_core::time::Time;

use super::system::{Report, Side};
use super::workload::Publication;
use crate::engine::event::Kind;
use crate::engine::observer::{Commands, Step};
use crate::engine::world::World;
use crate::protocol::baseline::{Gauge, RECORD_BYTES};
use crate::protocol::heck::{Heck, HeckCommand};
use crate::run::RunError;
use crate::run::faults::Faults;
use crate::run::origins::Origins;
use crate::run::setup::{Setup, key_name, origin_name};
use crate::scenario::compare::Compare;
use crate::scenario::{Event, Scenario};

/// The first bytes of a payload are the number of its publication.
const STAMP: usize = 4;

/// All nodes of heck.
pub struct Hecks<'a> {
    scenario: &'a Scenario,
    compare: &'a Compare,
    seed: Seed,
    setup: Box<Setup>,
    /// Origins by name.
    numbers: BTreeMap<Name, u32>,
    /// Bytes of an entry of this workload.
    entry_bytes: u64,
    /// The publication of each removal, which carries no payload that could name it.
    removals: RefCell<BTreeMap<Dot, u32>>,
}

impl<'a> Hecks<'a> {
    pub fn new(scenario: &'a Scenario, compare: &'a Compare, seed: Seed) -> Result<Self, RunError> {
        let config = scenario.cluster.protocol.config();
        let config = config.map_err(|error| RunError::Impossible(error.to_string()))?;
        let entry_bytes = scenario.workload.message_size.as_u64() + RECORD_BYTES;
        let numbers = (0..scenario.cluster.origins).map(|number| (origin_name(number), number)).collect();
        let setup = Box::new(Setup::new(scenario, config));
        let removals = RefCell::default();
        Ok(Self { scenario, compare, seed, setup, numbers, entry_bytes, removals })
    }
}

fn stamped(payload: &[u8]) -> Option<u32> {
    payload.first_chunk::<STAMP>().map(|stamp| u32::from_le_bytes(*stamp))
}

/// The number of the publication that an entry holds.
fn published(entry: &Entry) -> Option<u32> {
    match &entry.body {
        Body::Message { payload, .. } => stamped(payload),
        Body::Key { value, .. } => stamped(value),
        _ => None,
    }
}

impl Side for Hecks<'_> {
    type Node = Heck;
    type Faults<'s>
        = Faults<'s>
    where
        Self: 's;

    fn populate(&self, world: &mut World<Heck>, zones: &[u16]) {
        let setup = &self.setup;
        for (node, &zone) in (0..).zip(zones) {
            let identity = setup.identity(node, node, setup.boot(1));
            let base = setup.base_of(node, &self.scenario.cluster);
            let built = Node::new(identity, setup.config.clone(), base, None, self.seed, Time::ZERO);
            world.add_node(zone, Heck::new(built));
        }
    }

    fn faults(&self) -> Result<Faults<'_>, RunError> {
        Faults::new(self.scenario, &self.setup, self.seed).map_err(RunError::Impossible)
    }

    fn apply(&self, faults: &mut Faults<'_>, event: &Event, world: &mut World<Heck>) {
        faults.apply(event, world);
    }

    fn publish(&self, publication: &Publication) -> HeckCommand {
        let mut payload = vec![0; (publication.bytes as usize).max(STAMP)];
        payload[..STAMP].copy_from_slice(&publication.index.to_le_bytes());
        let (name, payload): (_, Arc<[u8]>) = (key_name(publication.key), payload.into());
        HeckCommand::Client(if publication.removes {
            Command::DeleteKey { name }
        } else if self.compare.keys > 0 {
            Command::PutKey { name, value: payload }
        } else {
            Command::Publish { topic: name, payload }
        })
    }

    fn reports(&self, step: &Step<'_, Heck>, into: &mut Vec<Report>) {
        let is_asked = step.cause.kind == Kind::Command;
        for event in step.outbox.reported() {
            let Happened::Changed(Change::Learned(entry)) = event else { continue };
            if entry.body.is_removal() {
                let mut removals = self.removals.borrow_mut();
                if let Some(index) = Publication::of_token(step.cause.content).filter(|_| is_asked) {
                    removals.insert(entry.dot, index);
                }
                into.extend(removals.get(&entry.dot).copied().map(Report::Delivered));
            }
            if let Some(index) = published(entry) {
                into.push(Report::Delivered(index));
            }
            if let Body::Claim(claim) = &entry.body
                && let Some(&origin) = self.numbers.get(&claim.origin)
            {
                into.push(Report::Found { origin, well: claim.state != HealthState::Unhealthy });
            }
        }
    }

    fn probes(
        &self,
        step: &Step<'_, Heck>,
        origins: &mut Origins,
        commands: &mut Commands<Heck>,
        probed: &mut Vec<u32>,
    ) {
        let boot = step.protocol.node().view().writer().boot;
        for probe in &step.outbox.scratch.probes {
            probed.extend(origins.number(&probe.origin));
            let (end, outcome) = origins.probe(step.node, probe, step.time);
            commands.at(end, step.node, probe.probe.0, HeckCommand::Probe { outcome, boot });
        }
    }

    /// The queue is the ring of recent entries, which ride on the next requests.
    fn gauge(&self, node: &Heck) -> Gauge {
        let [entries, lanes, beats, recents, .., members] = node.node().view().private_sizes();
        let records = (lanes + beats + members) as u64;
        let memory_bytes = entries as u64 * self.entry_bytes + records * RECORD_BYTES;
        Gauge { queue: recents as u64, memory_bytes }
    }

    fn value(&self, node: &Heck, key: u32) -> Option<u32> {
        node.node().view().key(&key_name(key)).and_then(|entry| published(entry))
    }

    fn is_store(&self) -> bool {
        true
    }

    fn answers(&self, _: u32) -> bool {
        true
    }

    fn sealing_bytes(&self) -> u32 {
        self.setup.config.sealing_reserve
    }
}
