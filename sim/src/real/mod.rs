//! The same scenarios on real nodes: processes of `heck` in network namespaces of this machine, with the workload and
//! the faults of a run at their times, measured by the rules of the simulator.
//!
//! Nothing of it reaches the machine or its network, and nothing of it stays: neither after a run nor when that is
//! interrupted. What a process that was killed left behind, the next run removes.

mod client;
mod cluster;
mod drive;
mod flags;
mod leftovers;
mod load;
mod measure;
mod network;
mod observe;
mod process;
pub mod refuse;
mod rules;
mod stop;
mod traffic;
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use tokio::runtime::Builder;

use crate::report::outcome::{Both, Outcome, PointOutcome, RealFacts, RunOutcome};
use crate::run::origins::Origins;
use crate::run::plan::Plan;
use crate::run::setup::Setup;
use crate::run::touched;
use crate::scenario::{Event, Latency, Scenario, ScenarioFile};
use crate::units::show_span;
use cluster::Cluster;
use drive::Drive;
use measure::{Beforehand, Counts};
use network::Network;
use process::Program;
pub use stop::Stop;
use web::{Behaviour, Web};

/// So many runs are made unless the scenario or the command line says otherwise.
pub const USUAL_RUNS: u32 = 3;
/// The points of an outcome of both drivers.
pub const SIMULATED: &str = "simulated";
/// The other one.
pub const REAL: &str = "real";

/// Why there was no run, or not all of one. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The machine cannot do it, or lacks a program.
    #[error("{0}")]
    Unable(String),
    /// Something failed on the way.
    #[error("{0}")]
    Failed(String),
    /// It was told to stop.
    #[error("interrupted; everything that the run had started is taken down, and no results were written")]
    Interrupted,
}

/// What one run came to.
struct RealRun {
    outcome: RunOutcome,
    load: load::Load,
    counts: Counts,
    formed: Duration,
    sent: u64,
    passed: u64,
    refused: u32,
}

/// A machine that can run scenarios for real.
#[derive(Debug)]
pub struct Machine {
    heck: PathBuf,
    version: String,
}

impl Machine {
    /// Whether this one can, with this program.
    ///
    /// # Errors
    /// What is missing.
    pub fn new(heck: &Path) -> Result<Self, Trouble> {
        if let Some(why) = network::why_not() {
            return Err(Trouble::Unable(format!("this machine lends no network namespaces: {why}")));
        }
        // Runs are started in folders of their own.
        let heck = fs::canonicalize(heck).unwrap_or_else(|_| heck.to_owned());
        let version = version(&heck)?;
        Ok(Self { heck, version })
    }

    /// Begins to listen to signals, and removes what earlier runs have left behind. Tells how much that was.
    ///
    /// # Errors
    /// When the system does not do as it is told.
    pub fn prepare(&self) -> Result<(Stop, usize), Trouble> {
        let stop = Stop::listen()?;
        let left = leftovers::remove(&std::env::temp_dir())?;
        Ok((stop, left))
    }
}

/// What the program says of its version.
fn version(heck: &Path) -> Result<String, Trouble> {
    let unable = |why: String| {
        let heck = heck.display();
        Trouble::Unable(format!(
            "{heck}: {why}; build it with `cargo build --release -p heck-node` (without --release for a development build), or say \
             with --heck where it is"
        ))
    };
    let said = Command::new(heck).arg("--version").output().map_err(|error| unable(error.to_string()))?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if said.status.success() && version.starts_with("heck ") {
        return Ok(version);
    }
    Err(unable("it does not say that it is heck".to_owned()))
}

/// Runs a scenario for real, as often as it says, and puts what came of it beside what the simulator came to. `say` is
/// told how it goes.
///
/// # Errors
/// When a run breaks off.
pub fn run_beside(
    file: &ScenarioFile,
    simulated: Outcome,
    (machine, stop): (&Machine, &Stop),
    say: &mut dyn FnMut(&str),
) -> Result<Outcome, Trouble> {
    let scenario = &file.scenario;
    let config = scenario.cluster.protocol.config().map_err(|error| Trouble::Failed(error.to_string()))?;
    let setup = Setup::new(scenario, config);
    let mut runs = Vec::new();
    let count = scenario.run.real_runs.unwrap_or(USUAL_RUNS);
    for number in 0..count {
        let seed = scenario.run.seed.wrapping_add(u64::from(number));
        say(&format!("real run {} of {count}, seed {seed}", number + 1));
        let job = Job { scenario, setup: &setup, seed: Seed(seed), number, heck: &machine.heck, stop };
        // What is told on the way comes from other threads; this one alone may write.
        let (tell, told) = channel::<String>();
        let run = thread::scope(|scope| {
            let run = scope.spawn(move || job.run(&tell));
            told.iter().for_each(|line| say(&line));
            run.join()
        });
        runs.push(run.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    }
    Ok(beside(simulated, runs, machine.version.clone()))
}

/// One outcome of both drivers, a point each.
fn beside(mut simulated: Outcome, runs: Vec<RealRun>, heck: String) -> Outcome {
    let mean =
        |value: &dyn Fn(&RealRun) -> f64| runs.iter().map(value).sum::<f64>() / runs.len().max(1) as f64;
    let Some(point) = simulated.points.first_mut() else { return simulated };
    let node_seconds = |window_us: u64| f64::from(point.nodes) * window_us.max(1) as f64 / 1e6;
    let simulated_mean = |value: &dyn Fn(&RunOutcome) -> f64| {
        point.runs.iter().map(value).sum::<f64>() / point.runs.len().max(1) as f64
    };
    let facts = RealFacts {
        datagrams_per_node_round: Both {
            simulated: simulated_mean(&|run| run.datagrams_per_node_round),
            real: mean(&|run| run.outcome.datagrams_per_node_round),
        },
        datagram_bytes_per_node_s: Both {
            simulated: simulated_mean(&|run| {
                run.traffic.datagram_bytes() as f64 / node_seconds(run.measured_us)
            }),
            real: mean(&|run| run.counts.bytes / node_seconds(run.counts.window.as_us())),
        },
        heck,
        members_every_us: observe::MEMBERS_EVERY.as_micros() as u64,
        packets_lost: mean(&|run| (run.sent.saturating_sub(run.passed)) as f64 / run.sent.max(1) as f64),
        forming_s: mean(&|run| run.formed.as_secs_f64()),
        writes_refused: runs.iter().map(|run| run.refused).sum(),
        processors_busy: mean(&|run| run.load.busy),
        late_p99_us: runs.iter().map(|run| run.load.late_p99_us).max().unwrap_or_default(),
    };
    SIMULATED.clone_into(&mut point.label);
    let runs = runs.into_iter().map(|run| run.outcome).collect();
    let real = PointOutcome { label: REAL.to_owned(), runs, ..point.clone() };
    simulated.points.push(real);
    simulated.sweep = Some("driver".to_owned());
    simulated.real = Some(facts);
    simulated
}

/// A run that is to be made.
struct Job<'a> {
    scenario: &'a Scenario,
    setup: &'a Setup,
    seed: Seed,
    number: u32,
    heck: &'a Path,
    stop: &'a Stop,
}

impl Job<'_> {
    fn run(&self, tell: &Sender<String>) -> Result<RealRun, Trouble> {
        let (scenario, setup, seed) = (self.scenario, self.setup, self.seed);
        let schedule = scenario.schedule(seed);
        let plan = Plan::new(scenario, setup, seed).map_err(Trouble::Failed)?;
        let origins = Origins::new(scenario, seed).map_err(Trouble::Failed)?;
        let prefix = format!("{}{}-{}", leftovers::PREFIX, std::process::id(), self.number);
        let failed = |error: std::io::Error| Trouble::Failed(error.to_string());
        // What is declared first goes last: processes, then the network, then the folder.
        let folder = tempfile::Builder::new().prefix(&format!("{prefix}-")).tempdir().map_err(failed)?;
        let network = Network::build(&prefix, scenario.cluster.nodes, self.stop)?;
        let program = Program::new(self.heck, folder.path(), self.flags())?;
        let web = Web::start(&network.web(), behaviour(scenario, &plan, &origins))?;
        let mut run = network::inside(network.router(), || {
            let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
            runtime.block_on(async {
                tokio::select! {
                    done = self.drive(&plan, &schedule, &origins, program, &network, &web, tell) => done,
                    () = self.stop.due() => Err(Trouble::Interrupted),
                }
            })
        })
        .map_err(failed)
        .flatten()?;
        run.outcome.seed = seed.0;
        (run.sent, run.passed) = network.counted()?;
        Ok(run)
    }

    /// The flags of all nodes.
    fn flags(&self) -> Vec<String> {
        let grace = refuse::leave_grace(self.scenario);
        let grace = grace.map(|grace| format!("--leave-grace={}", show_span(grace)));
        flags::flags(self.scenario).into_iter().chain(grace).collect()
    }

    #[allow(clippy::too_many_arguments, reason = "all that a run consists of, each used once")]
    async fn drive(
        &self,
        plan: &Plan,
        schedule: &[Event],
        origins: &Origins,
        program: Program,
        network: &Network,
        web: &Web,
        tell: &Sender<String>,
    ) -> Result<RealRun, Trouble> {
        let (scenario, setup, start) = (self.scenario, self.setup, Instant::now());
        let namespaces = (0..scenario.cluster.nodes).map(|node| network.node(node));
        let cluster = Cluster::new(scenario, setup, program, namespaces);
        let mut drive = Drive::new(scenario, cluster, web, network.router().to_owned());
        // Nodes form under the loss of the run, so that they know it when they are measured.
        drive.lose().await?;
        drive.cluster.form().await?;
        drive.cluster.fill().await?;
        let formed = start.elapsed();
        // Nobody may listen any more.
        let _ = tell.send(format!("  formed and filled in {:.1} s", formed.as_secs_f64()));
        let load = load::Watch::begin();
        let (record, refused) = drive.go(plan, schedule).await?;
        let load = load.end();
        let beforehand = Beforehand {
            names: &setup.names,
            present: scenario.cluster.present(),
            touched: touched(schedule, scenario.cluster.nodes),
            followed: &plan.followed,
            origins,
            knows_slow: scenario.checks.as_ref().is_some_and(|checks| checks.slow.is_some()),
        };
        let (updates, opinions) = record.outcome(beforehand);
        let warmup = Time::ZERO + scenario.workload.warmup;
        let counts = record.counts(&plan.followed, &updates, warmup);
        let rounds = counts.window.as_us() as f64 / scenario.cluster.protocol.repair_interval.as_us() as f64;
        let of_nodes = f64::from(scenario.cluster.nodes);
        let outcome = RunOutcome {
            updates,
            opinions,
            measured_us: counts.window.as_us(),
            datagrams_per_node_round: if rounds > 0.0 { counts.datagrams / of_nodes / rounds } else { 0.0 },
            ..RunOutcome::default()
        };
        // The whole of the network is counted when everything has ended.
        Ok(RealRun { outcome, load, counts, formed, sent: 0, passed: 0, refused })
    }
}

fn behaviour(scenario: &Scenario, plan: &Plan, origins: &Origins) -> Behaviour {
    let added = plan.followed.iter().filter_map(|followed| drive::number_of(followed.name.as_str()));
    let count = added.map(|number| number + 1).max().unwrap_or_default().max(scenario.cluster.origins);
    let latency = match scenario.checks.as_ref().map(|checks| &checks.latency) {
        Some(Latency::Constant(latency)) => *latency,
        _ => Span::ZERO,
    };
    Behaviour { origins: count, latency, spells: origins.spells().to_vec() }
}
