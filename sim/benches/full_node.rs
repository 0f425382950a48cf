//! Speed and memory of whole nodes: events a second, bytes a node, allocations once warm.
//!
//! `cargo bench -p heck-sim --bench full_node`, with the numbers of nodes as arguments if others are wanted. Two
//! states of a fleet are measured, under 50 % loss with writes going on and idle in sync without loss; each also
//! with heartbeats a day apart, because these fill caches: every node holds a register for every other. Last, a fleet that
//! checks its origins every 5 s.

use std::ops::ControlFlow;
use std::time::Instant;

use heck_core::probe::{ProbeOutcome, Reply};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use heck_sim::engine::observer::{Commands, Observer, Step};
use heck_sim::engine::world::World;
use heck_sim::protocol::heck::{Heck, HeckCommand};
use heck_sim::run::plan::Plan;
use heck_sim::run::setup::Setup;
use heck_sim::run::{Options, one};
use heck_sim::scenario::{Scenario, ScenarioFile};

const SEED: Seed = Seed(1);

fn scenario(nodes: u32, loss: &str, writes: &str, heartbeat: &str, checks: &str) -> Scenario {
    let text = format!(
        r#"
        question = "How fast does the simulator run whole nodes?"
        source = "none"
        expectation = "none"
        run.duration = "1h"
        cluster = {{ nodes = {nodes}, origins = 1000, keys = 1000, protocol = {{ {heartbeat} }} }}
        network = {{ latency = {{ uniform = {{ min = "5ms", max = "40ms" }} }}, loss = "{loss}" }}
        {checks}
        workload.background = {{ health_flips = "{writes}", origin_edits = "{writes}", key_writes = "{writes}" }}
        "#
    );
    match ScenarioFile::parse("bench/full-node.toml", &text, &[]) {
        Ok(file) => file.scenario,
        Err(report) => panic!("{report}"),
    }
}

/// Answers every probe after 20 ms.
struct Answers;

impl Observer<Heck> for Answers {
    fn after_step(&mut self, step: &Step<'_, Heck>, commands: &mut Commands<Heck>) -> ControlFlow<()> {
        let took = Span::from_ms(20);
        for probe in &step.outbox.scratch.probes {
            let outcome = ProbeOutcome { probe: probe.probe, reply: Reply::Status(200), took };
            let boot = step.protocol.node().view().writer().boot;
            commands.at(step.time + took, step.node, 0, HeckCommand::Probe { outcome, boot });
        }
        ControlFlow::Continue(())
    }
}

struct Fleet {
    world: World<Heck>,
    bytes_per_node: f64,
}

/// A fleet that has run for `warm_up`, with the memory that it holds beyond what all nodes share.
fn fleet(scenario: &Scenario, warm_up: Span, observer: &mut impl Observer<Heck>) -> Fleet {
    let config = scenario.cluster.protocol.config().expect("valid settings");
    let setup = Setup::new(scenario, config);
    let mut world = None;
    let held = allocation_counter::measure(|| {
        let mut fresh =
            one::world(scenario, &setup, SEED, &Options::default(), &[]).expect("a valid network");
        let plan = Plan::new(scenario, &setup, SEED).expect("nothing is followed");
        let commands =
            plan.commands.into_iter().take_while(|planned| planned.at < Time::ZERO + Span::from_secs(600));
        for planned in commands {
            fresh.command_at(planned.at, planned.node, 1, planned.command);
        }
        fresh.run_until(Time::ZERO + warm_up, observer).expect("nobody halts it");
        world = Some(fresh);
    });
    let nodes = f64::from(scenario.cluster.nodes);
    Fleet { world: world.expect("just built"), bytes_per_node: held.bytes_current as f64 / nodes }
}

fn measure(name: &str, scenario: &Scenario, span: Span, observer: &mut impl Observer<Heck>) {
    let Fleet { mut world, bytes_per_node } = fleet(scenario, Span::from_secs(90), observer);
    let before = world.trace().count();
    let until = world.now() + span;
    let mut wall_secs = 0.0;
    let counted = allocation_counter::measure(|| {
        let start = Instant::now();
        world.run_until(until, observer).expect("nobody halts it");
        wall_secs = start.elapsed().as_secs_f64();
    });
    let events = world.trace().count() - before;
    println!(
        "| {:>6} | {name:<24} | {:>8.2} | {bytes_per_node:>10.0} | {:>10.4} | {:>8.1} |",
        scenario.cluster.nodes,
        events as f64 / wall_secs / 1e6,
        counted.count_total as f64 / events as f64,
        span.as_us() as f64 / 1e6 / wall_secs,
    );
}

fn main() {
    let mut sizes: Vec<u32> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000];
    }
    println!("Whole nodes with 1,000 origins and 1,000 keys on one core; million events a second.\n");
    println!("|  nodes | fleet                    | events/s | bytes/node | allocs/ev. | sim s/s  |");
    println!("|-------:|:-------------------------|---------:|-----------:|-----------:|---------:|");
    for nodes in sizes {
        let span = Span::from_secs(if nodes > 2_000 { 20 } else { 120 });
        let seldom = "heartbeat = \"1d\"";
        measure("50 % loss, 0.3 writes/s", &scenario(nodes, "50%", "0.1/s", "", ""), span, &mut ());
        measure("the same, no heartbeats", &scenario(nodes, "50%", "0.1/s", seldom, ""), span, &mut ());
        measure("idle, in sync, no loss", &scenario(nodes, "0%", "0/s", "", ""), span, &mut ());
        measure("the same, no heartbeats", &scenario(nodes, "0%", "0/s", seldom, ""), span, &mut ());
        let checks = "checks = {}";
        measure("idle, origins checked", &scenario(nodes, "0%", "0/s", "", checks), span, &mut Answers);
    }
}
