//! Several systems under the same network, faults and seeds: heck and the baselines, each run by itself deterministic.
//!
//! Every system gets the same publications ([`workload`]), the same faults, the same network and seeds, and is measured by
//! the same observer ([`watch`]); what differs between heck and the baselines stands in [`system`] alone.

mod baselines;
mod hecks;
pub mod outcome;
pub mod system;
pub mod watch;
pub mod workload;

use std::sync::Arc;

use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use rayon::prelude::*;

use crate::engine::latency::Latency;
use crate::engine::world::{Halt, World, WorldConfig};
use crate::protocol::baseline::Settings;
use crate::protocol::bimodal::{Bimodal, List, Ranges};
use crate::protocol::broadcast_kv::BroadcastKv;
use crate::protocol::central_broker::CentralBroker;
use crate::protocol::naive_checks::{AllCheckAll, SingleProcess};
use crate::protocol::push_pull::PushPull;
use crate::protocol::responsibility_graph::ResponsibilityGraph;
use crate::protocol::responsibility_graph::cut::{fewest_arrows, fewest_nodes};
use crate::protocol::responsibility_graph::graph::{Shape, parts, responsibilities};
use crate::protocol::roshi::Roshi;
use crate::protocol::scuttlebutt::Scuttlebutt;
use crate::protocol::total_order::TotalOrder;
use crate::run::origins::Origins;
use crate::run::{Options, RunError, setup};
use crate::scenario::compare::{Compare, GraphShape, System};
use crate::scenario::{EventKind, Point, Scenario, ScenarioFile};
use baselines::Baselines;
use hecks::Hecks;
use outcome::{Comparison, GraphFacts, PointComparison, SystemRun};
use system::Side;
use watch::Watch;
use workload::Workload;

/// In larger graphs the smallest cuts take too long to find.
const CUT_NODES_MAX: usize = 200;
/// With more arrows the smallest cut of nodes takes too long: it is looked for as often as it is large.
const CUT_ARROWS_MAX: usize = 2_000;

/// How many runs a comparison takes.
#[must_use]
pub fn run_count(file: &ScenarioFile) -> u64 {
    let systems = |point: &Point| point.scenario.compare.as_ref().map_or(0, |compare| compare.systems.len());
    file.points.iter().map(|point| u64::from(point.scenario.run.runs) * systems(point) as u64).sum()
}

/// All runs of a comparison, by number: point by point, at each point system by system, and of each seed by seed.
pub struct Runs<'a> {
    jobs: Vec<(&'a Scenario, &'a Compare, System, u64)>,
}

impl<'a> Runs<'a> {
    /// Those of a scenario.
    ///
    /// # Errors
    /// When it compares nothing.
    pub fn of(file: &'a ScenarioFile) -> Result<Self, RunError> {
        let mut jobs = Vec::new();
        for Point { scenario, .. } in &file.points {
            let Some(compare) = &scenario.compare else {
                return Err(RunError::Impossible("the scenario has no [compare]".to_owned()));
            };
            for &system in &compare.systems {
                let seeds =
                    (0..u64::from(scenario.run.runs)).map(|number| scenario.run.seed.wrapping_add(number));
                jobs.extend(seeds.map(|seed| (scenario, compare, system, seed)));
            }
        }
        Ok(Self { jobs })
    }

    /// Makes run number `number`, which is below [`run_count`].
    ///
    /// # Errors
    /// When the scenario cannot be run, or a message does not survive its encoding.
    pub fn run(&self, number: u64, options: &Options) -> Result<SystemRun, RunError> {
        let (scenario, compare, system, seed) = self.jobs[number as usize];
        run_system(scenario, compare, system, Seed(seed), options)
    }
}

/// Runs all systems at all points under all seeds; `tick` is called after each run.
///
/// # Errors
/// When the scenario compares nothing or cannot be run, or a message does not survive its encoding. The first error in
/// the order of points, systems and seeds.
pub fn run_comparison(
    file: &ScenarioFile,
    options: &Options,
    tick: &(dyn Fn() + Sync),
) -> Result<Comparison, RunError> {
    let runs = Runs::of(file)?;
    let done: Vec<Result<SystemRun, RunError>> = (0..runs.jobs.len())
        .into_par_iter()
        .map(|number| {
            let done = runs.run(number as u64, options);
            tick();
            done
        })
        .collect();
    Ok(comparison_of(file, done.into_iter().collect::<Result<Vec<_>, _>>()?))
}

/// What all runs of a comparison came to, given each of them in the order of [`Runs`].
#[must_use]
pub fn comparison_of(file: &ScenarioFile, runs: Vec<SystemRun>) -> Comparison {
    let mut runs = runs.into_iter();
    let points = file.points.iter().map(|point| {
        let scenario = &point.scenario;
        let each = scenario.run.runs as usize;
        let systems = scenario.compare.as_ref().map(|compare| compare.systems.as_slice()).unwrap_or_default();
        let systems = systems.iter().map(|&system| (system, runs.by_ref().take(each).collect()));
        PointComparison::new(point, graph_facts(scenario), systems.collect())
    });
    let points = points.collect();
    Comparison::new(file, points)
}

/// Runs one system under one seed.
///
/// # Errors
/// When the scenario cannot be run, or a message does not survive its encoding.
pub fn run_system(
    scenario: &Scenario,
    compare: &Compare,
    system: System,
    seed: Seed,
    options: &Options,
) -> Result<SystemRun, RunError> {
    let job = Job { scenario, compare, seed, options };
    match system {
        System::Heck => job.run(&Hecks::new(scenario, compare, seed)?),
        System::SingleProcess => job.run(&job.baselines::<SingleProcess>()),
        System::AllCheckAll => job.run(&job.baselines::<AllCheckAll>()),
        System::CentralBroker => job.run(&job.baselines::<CentralBroker>()),
        System::ResponsibilityGraph => job.run(&job.baselines::<ResponsibilityGraph>()),
        System::BimodalList => job.run(&job.baselines::<Bimodal<List>>()),
        System::BimodalRanges => job.run(&job.baselines::<Bimodal<Ranges>>()),
        System::TotalOrder => job.run(&job.baselines::<TotalOrder>()),
        System::BroadcastKv => job.run(&job.baselines::<BroadcastKv>()),
        System::Roshi => job.run(&job.baselines::<Roshi>()),
        System::Scuttlebutt => job.run(&job.baselines::<Scuttlebutt>()),
        System::PushPull => job.run(&job.baselines::<PushPull>()),
    }
}

/// A run of some system.
struct Job<'a> {
    scenario: &'a Scenario,
    compare: &'a Compare,
    seed: Seed,
    options: &'a Options,
}

impl<'a> Job<'a> {
    fn baselines<P>(&self) -> Baselines<'a, P> {
        let (scenario, compare) = (self.scenario, self.compare);
        let zones = zones_of(scenario);
        let graph = graph_of(compare, &zones, self.seed);
        let settings = Settings {
            round: scenario.cluster.protocol.repair_interval,
            broadcasts: compare.broadcast,
            duplicate_acks: compare.duplicate_acks,
            stamps: compare.stamps.unwrap_or(Span(1)),
            responsible_for: Arc::new(graph),
            origins: if scenario.checks.is_some() { scenario.cluster.origins } else { 0 },
            check_interval: scenario.checks.as_ref().map_or(Span::from_secs(5), |checks| checks.interval),
            fast_interval: scenario.checks.as_ref().map_or(Span::from_secs(1), |checks| checks.fast_interval),
            fall: scenario.checks.as_ref().map_or(1, |checks| checks.fall),
            rise: scenario.checks.as_ref().map_or(1, |checks| checks.rise),
        };
        Baselines::new(scenario, self.seed, settings.into())
    }

    fn run<S: Side>(&self, side: &S) -> Result<SystemRun, RunError> {
        let Job { scenario, compare, seed, options } = *self;
        let schedule = scenario.schedule(seed);
        let (network, zones) = setup::network(scenario).map_err(RunError::Impossible)?;
        let mut config = WorldConfig::new(seed, network);
        config.wire = options.wire;
        config.disk = crate::engine::disk::DiskConfig {
            sync: Latency::Constant { us: scenario.cluster.disk_sync.as_us() },
            stored: true,
        };
        let mut world: World<S::Node> = World::new(config);
        side.populate(&mut world, &zones);
        let workload = Workload::new(scenario, compare, seed);
        for publication in &workload.publications {
            world.command_at(
                publication.at,
                publication.node,
                publication.token(),
                side.publish(publication),
            );
        }
        let mut faults = side.faults()?;
        let origins = Origins::new(scenario, seed).map_err(RunError::Impossible)?;
        let mut watch = Watch::new(side, scenario, &workload, origins);
        let mut events = schedule.iter().peekable();
        let (mut now, end) = (Time::ZERO, Time::ZERO + scenario.run.duration);
        let halted = |halt| match halt {
            Halt::Observer => RunError::Impossible("the run was ended by its observer".to_owned()),
            Halt::Wire { time, node, problem } => RunError::Wire(format!(
                "seed {}: at {} us, node {node} received what does not survive its encoding: {problem}",
                seed.0, time.0
            )),
        };
        while now < end {
            let step_end = (now + compare.sample).min(end);
            while let Some(event) = events.next_if(|event| event.at <= step_end) {
                world.run_until(event.at, &mut watch).map_err(halted)?;
                side.apply(&mut faults, event, &mut world);
            }
            world.run_until(step_end, &mut watch).map_err(halted)?;
            now = step_end;
            watch.sample(&world);
        }
        Ok(watch.outcome(&world, seed, &zones))
    }
}

fn graph_of(compare: &Compare, zones: &[u16], seed: Seed) -> Vec<Vec<u32>> {
    let shape = match compare.graph {
        GraphShape::Slides => Shape::Slides,
        GraphShape::Random => Shape::Random,
        GraphShape::Zones => Shape::Zones,
    };
    responsibilities(shape, compare.responsible, zones, seed)
}

/// What holds the graph of responsibility together under the first seed.
fn graph_facts(scenario: &Scenario) -> Option<GraphFacts> {
    let compare = scenario.compare.as_ref()?;
    if !compare.systems.contains(&System::ResponsibilityGraph) {
        return None;
    }
    let seed = Seed(scenario.run.seed);
    let graph = graph_of(compare, &zones_of(scenario), seed);
    let is_small = graph.len() <= CUT_NODES_MAX;
    let arrows = is_small.then(|| fewest_arrows(&graph)).flatten();
    let is_sparse = graph.iter().map(Vec::len).sum::<usize>() <= CUT_ARROWS_MAX;
    let nodes = (is_small && is_sparse).then(|| fewest_nodes(&graph)).flatten();
    let schedule = scenario.schedule(seed);
    let partition = schedule.iter().find_map(|event| match &event.kind {
        EventKind::Loss { rule, links, .. } => scenario.fault[*rule].partition.is_some().then_some(links),
        _ => None,
    });
    let parts = partition.map(|links| {
        let is_cut = |from: u32, to: u32| {
            links.iter().any(|(senders, receivers)| {
                senders.binary_search(&from).is_ok() && receivers.binary_search(&to).is_ok()
            })
        };
        parts(&graph, |from, to| !is_cut(from, to))
    });
    Some(GraphFacts { arrows, nodes, parts })
}

/// The zone of each node.
fn zones_of(scenario: &Scenario) -> Vec<u16> {
    let mut zones = vec![0; scenario.cluster.nodes as usize];
    for (number, zone) in (0..).zip(scenario.cluster.zones()) {
        zone.nodes.for_each(|node| zones[node as usize] = number);
    }
    zones
}
