//! What the fleet is told in one run: background writes and the updates that are followed, drawn from the seed.

use std::sync::Arc;

use heck_core::entry::{Body, HealthState, Hold, OriginSpec, Scope};
use heck_core::id::Name;
use heck_core::input::{Command, Verdict};
use heck_core::rng::{Seed, Stream};
use heck_core::time::{Span, Time};

use super::setup::{Setup, key_name, origin_name};
use crate::protocol::heck::HeckCommand;
use crate::scenario::{Follow, Kind, NodeSet, Scenario};
use crate::units::EventRate;

/// Names of the random streams of a workload, far from those of nodes and of faults.
const BACKGROUND_STREAM: u64 = u64::from_be_bytes(*b"\0backgnd");
const FOLLOW_STREAM: u64 = u64::from_be_bytes(*b"\0\0follow");
const FROM_STREAM: u64 = u64::from_be_bytes(*b"\0\0\0\0from");
const TO_STREAM: u64 = u64::from_be_bytes(*b"\0\0\0\0\0\0to") << 32;

/// A command for a node at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// When.
    pub at: Time,
    /// For whom.
    pub node: u32,
    /// What.
    pub command: HeckCommand,
}

/// An update that is followed to every node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Followed {
    /// What its curve is called.
    pub curve: String,
    /// What kind of update.
    pub kind: Kind,
    /// When it happens.
    pub at: Time,
    /// Where it happens.
    pub node: u32,
    /// The nodes to which it is followed, ascending; shared by all updates of one table.
    pub to: Arc<[u32]>,
    /// The name by which its entry is told from all others: nothing else in the run writes it.
    pub name: Name,
}

/// Everything that a run's fleet is told, in no particular order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// The commands, those of the followed updates included.
    pub commands: Vec<Planned>,
    /// The followed updates.
    pub followed: Vec<Followed>,
    /// When the last command is given.
    pub last: Time,
}

impl Followed {
    /// Whether this is the content that the update writes.
    #[must_use]
    pub fn is_written_by(&self, body: &Body) -> bool {
        match (self.kind, body) {
            (Kind::HealthFlip, Body::Claim(claim)) => claim.origin == self.name,
            (Kind::OriginAdded, Body::Origin { name, .. })
            | (Kind::OriginRemoved, Body::OriginRemoved { name })
            | (Kind::KeyWritten, Body::Key { name, .. })
            | (Kind::MessagePublished, Body::Message { topic: name, .. }) => *name == self.name,
            _ => false,
        }
    }
}

impl Plan {
    /// The plan of the run with this seed.
    ///
    /// # Errors
    /// When the scenario follows more origins or keys than the cluster has.
    pub fn new(scenario: &Scenario, setup: &Setup, seed: Seed) -> Result<Self, String> {
        let mut maker = Maker::new(scenario, setup, seed)?;
        maker.follow();
        maker.background();
        let mut plan = maker.plan;
        plan.last = plan.commands.iter().map(|planned| planned.at).max().unwrap_or_default();
        Ok(plan)
    }
}

struct Maker<'a> {
    scenario: &'a Scenario,
    setup: &'a Setup,
    seed: Seed,
    /// Origins and keys below these numbers are left to background writes; those above are followed.
    free_origins: u32,
    free_keys: u32,
    plan: Plan,
}

/// What followed updates are about, each about something that nothing else in the run writes.
struct Names {
    /// The next origin and key of the start.
    origin: u32,
    key: u32,
    /// How many origins were added and messages published.
    added: u32,
    messages: u32,
}

impl Names {
    fn next(&mut self, kind: Kind, origins: u32) -> Name {
        let (counter, name): (_, &dyn Fn(u32) -> Name) = match kind {
            Kind::HealthFlip | Kind::OriginRemoved => (&mut self.origin, &origin_name),
            Kind::OriginAdded => (&mut self.added, &|added| origin_name(origins + added)),
            Kind::KeyWritten => (&mut self.key, &key_name),
            Kind::MessagePublished => (&mut self.messages, &|messages| key_name(u32::MAX - messages)),
        };
        let this = name(*counter);
        *counter += 1;
        this
    }
}

impl<'a> Maker<'a> {
    fn new(scenario: &'a Scenario, setup: &'a Setup, seed: Seed) -> Result<Self, String> {
        let cluster = &scenario.cluster;
        let used = |wanted: &[Kind]| -> u32 {
            let of =
                |follow: &Follow| follow.kinds.iter().filter(|kind| wanted.contains(kind)).count() as u32;
            scenario.workload.follow.0.iter().map(|follow| follow.repeat * of(follow)).sum()
        };
        let origins = used(&[Kind::HealthFlip, Kind::OriginRemoved]);
        let free_origins = cluster.origins.checked_sub(origins).ok_or_else(|| {
            format!(
                "workload.follow needs {origins} origins of its own for health_flip and origin_removed, but \
                 cluster.origins is {}",
                cluster.origins
            )
        })?;
        let free_keys = cluster.keys.saturating_sub(used(&[Kind::KeyWritten]));
        Ok(Self { scenario, setup, seed, free_origins, free_keys, plan: Plan::default() })
    }

    fn give(&mut self, at: Time, node: u32, command: HeckCommand) {
        self.plan.commands.push(Planned { at, node, command });
    }

    fn follow(&mut self) {
        let mut random = Stream::new(self.seed, FOLLOW_STREAM);
        let mut names = Names { origin: self.free_origins, key: self.free_keys, added: 0, messages: 0 };
        for (table, follow) in (0..).zip(&self.scenario.workload.follow.0) {
            let from = self.scenario.nodes_of(&follow.from, self.seed, FROM_STREAM + table);
            let to = follow.to.as_ref().unwrap_or(&NodeSet::All);
            let to = self.scenario.nodes_of(to, self.seed, TO_STREAM + table).into();
            self.follow_table(follow, &from, &to, &mut names, &mut random);
        }
    }

    fn follow_table(
        &mut self,
        follow: &Follow,
        from: &[u32],
        to: &Arc<[u32]>,
        names: &mut Names,
        random: &mut Stream,
    ) {
        let scenario = self.scenario;
        let first = Time::ZERO + follow.at.unwrap_or(scenario.workload.warmup);
        let round_us = scenario.cluster.protocol.repair_interval.as_us().min(u64::from(u32::MAX)) as u32;
        for repeat in 0..follow.repeat {
            for (number, &kind) in (0..).zip(&follow.kinds) {
                // Somewhere within a round: an update does not wait for the clocks of nodes.
                let phase = Span(u64::from(random.below(round_us)));
                let at = first + follow.every.times(u64::from(repeat)) + follow.apart.times(number) + phase;
                let mut node = from[random.below(from.len() as u32) as usize];
                if kind == Kind::HealthFlip {
                    let owner = self.setup.owners[names.origin as usize];
                    node = if from.binary_search(&owner).is_ok() { owner } else { node };
                }
                let name = names.next(kind, scenario.cluster.origins);
                let command = self.command(kind, &name, repeat, HealthState::Unhealthy);
                self.give(at, node, command);
                let (curve, to) = (follow.curve(kind), to.clone());
                self.plan.followed.push(Followed { curve, kind, at, node, to, name });
            }
        }
    }

    fn command(&self, kind: Kind, name: &Name, number: u32, state: HealthState) -> HeckCommand {
        let workload = &self.scenario.workload;
        let bytes = |size: u64| {
            let mut bytes = vec![0_u8; size as usize];
            let stamp = number.to_le_bytes();
            let len = bytes.len().min(stamp.len());
            bytes[..len].copy_from_slice(&stamp[..len]);
            bytes.into()
        };
        HeckCommand::Client(match kind {
            Kind::HealthFlip => {
                let (scope, origin) = (Scope::default(), name.clone());
                return HeckCommand::Verdict(Verdict { scope, origin, state, hold: Hold::Held });
            }
            Kind::OriginAdded => {
                // Each edit says something new, and leaves alone how the origin is checked.
                let spec = OriginSpec::new(&format!("http://{name}.example/healthz?edit={number}"));
                let spec = match &self.scenario.checks {
                    Some(checks) => spec.with(|policy| *policy = checks.policy()),
                    None => spec,
                };
                Command::PutOrigin { name: name.clone(), spec, source: key_name(0) }
            }
            Kind::OriginRemoved => Command::RemoveOrigin { name: name.clone() },
            Kind::KeyWritten => {
                Command::PutKey { name: name.clone(), value: bytes(workload.value_size.as_u64()) }
            }
            Kind::MessagePublished => {
                Command::Publish { topic: name.clone(), payload: bytes(workload.message_size.as_u64()) }
            }
        })
    }

    fn background(&mut self) {
        let background = &self.scenario.workload.background;
        let mut random = Stream::new(self.seed, BACKGROUND_STREAM);
        let mut ill = vec![false; self.free_origins as usize];
        let rates = [
            (Kind::HealthFlip, background.health_flips, self.free_origins),
            (Kind::OriginAdded, background.origin_edits, self.free_origins),
            (Kind::KeyWritten, background.key_writes, self.free_keys.max(1)),
            (Kind::MessagePublished, background.messages, 1),
        ];
        for (kind, rate, things) in rates {
            if things == 0 {
                continue;
            }
            let mut number = 0;
            for at in self.poisson(rate, &mut random) {
                number += 1;
                let thing = random.below(things);
                let mut node = random.below(self.scenario.cluster.nodes);
                let mut state = HealthState::Healthy;
                let name = match kind {
                    Kind::KeyWritten => key_name(thing),
                    Kind::MessagePublished => key_name(u32::MAX - 1_000),
                    _ => origin_name(thing),
                };
                if kind == Kind::HealthFlip {
                    let ill = &mut ill[thing as usize];
                    *ill = !*ill;
                    state = if *ill { HealthState::Unhealthy } else { HealthState::Healthy };
                    node = self.setup.owners[thing as usize];
                }
                let command = self.command(kind, &name, number, state);
                self.give(at, node, command);
            }
        }
    }

    /// The times of a Poisson process from the start of the run to the beginning of the quiet time.
    fn poisson(&self, rate: EventRate, random: &mut Stream) -> Vec<Time> {
        let Some(mean_gap_us) = rate.mean_gap_us() else { return Vec::new() };
        let quiet_us = self.scenario.measure.quiet.as_us();
        let end = Time(self.scenario.run.duration.as_us().saturating_sub(quiet_us));
        let mut times = Vec::new();
        let mut at = Time::ZERO;
        loop {
            let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            at += Span(((-libm::log(uniform) * mean_gap_us) as u64).max(1));
            if at >= end {
                return times;
            }
            times.push(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario::ScenarioFile;

    const TEN_NODES: &str = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "100s"
cluster = { nodes = 10, origins = 50, keys = 50 }
network.latency = "40ms"
workload.warmup = "10s"
"#;

    fn plan(follow: &str, seed: u64) -> (Plan, Setup) {
        let text = format!("{TEN_NODES}workload.follow = {follow}\n");
        let scenario = ScenarioFile::parse("q.toml", &text, &[]).expect("a scenario").scenario;
        let setup = Setup::new(&scenario, scenario.cluster.protocol.config().expect("settings"));
        (Plan::new(&scenario, &setup, Seed(seed)).expect("a plan"), setup)
    }

    #[test]
    fn kinds_of_a_repetition_happen_apart() {
        let (plan, _) = plan(r#"{ apart = "7s", every = "40s", repeat = 2 }"#, 3);
        let starts = [10, 17, 24, 31, 38, 50, 57, 64, 71, 78].map(|secs| Time::ZERO + Span::from_secs(secs));
        assert_eq!(plan.followed.len(), starts.len());
        for (followed, start) in plan.followed.iter().zip(starts) {
            assert!((start..start + Span::from_secs(1)).contains(&followed.at), "{followed:?}");
        }
    }

    #[test]
    fn several_tables_write_from_their_own_nodes_and_never_about_the_same_thing() {
        let follow = r#"[
            { label = "left", from = [0, 1], repeat = 3 },
            { label = "right", from = [7, 8], repeat = 2, at = "40s" },
        ]"#;
        let (plan, _) = plan(follow, 3);
        assert_eq!(plan.followed.len(), 25);
        for followed in &plan.followed {
            let nodes = if followed.curve.starts_with("left, ") { [0, 1] } else { [7, 8] };
            assert!(nodes.contains(&followed.node), "{followed:?}");
        }
        let names: BTreeSet<_> = plan.followed.iter().map(|followed| &followed.name).collect();
        assert_eq!(names.len(), 25);
    }

    #[test]
    fn a_change_of_health_happens_at_the_owner_only_where_updates_may_happen() {
        let of = |follow: &str| {
            let (plan, setup) = plan(follow, 5);
            let flips = plan.followed.iter().filter(|followed| followed.kind == Kind::HealthFlip);
            let nodes: Vec<u32> = flips.map(|followed| followed.node).collect();
            let origins = setup.owners.len();
            (nodes, setup.owners[origins - 20..].to_vec())
        };
        let (anywhere, owners) = of(r#"{ kinds = ["health_flip"], repeat = 20, every = "1s" }"#);
        assert_eq!(anywhere, owners);
        let (few, owners) = of(r#"{ kinds = ["health_flip"], repeat = 20, every = "1s", from = [2, 3, 5] }"#);
        assert!(few.iter().all(|node| [2, 3, 5].contains(node)), "{few:?}");
        assert!(few.iter().zip(&owners).any(|(node, owner)| node == owner));
        assert!(few.iter().zip(&owners).any(|(node, owner)| node != owner));
    }
}
