//! Made-up outcomes for tests: no engine, but the shape of real runs.

use super::answers::Answers;
use super::outcome::{
    ModelParameters, Opinions, Outcome, PointOutcome, RealFacts, RunOutcome, Sent, Steps, Traffic,
    UpdateOutcome, Violation,
};
use heck_core::rng::{Seed, Stream};

const KINDS: [&str; 5] =
    ["health flip", "origin added", "origin removed", "key written", "message published"];

/// Five kinds of updates at 50 % loss under `seeds` seeds: a broadcast that half of the nodes get, then repair
/// at random times that grow rarer.
pub fn outcome(nodes: u32, seeds: u64) -> Outcome {
    Outcome {
        scenario: "convergence/example".to_owned(),
        title: "A made-up example, 50 % loss".to_owned(),
        question: "How soon does every node have an update?".to_owned(),
        seed: 1,
        scenario_hash: 0x1234_5678_9abc_def0,
        sweep: None,
        real: None,
        points: vec![point("50%", 0.5, nodes, seeds)],
    }
}

/// The same with one point per loss.
pub fn sweep(nodes: u32, seeds: u64) -> Outcome {
    let losses = [("0%", 0.0), ("10%", 0.1), ("30%", 0.3), ("50%", 0.5), ("70%", 0.7)];
    Outcome {
        scenario: "convergence/example-sweep".to_owned(),
        title: "A made-up sweep of loss".to_owned(),
        sweep: Some("network.loss".to_owned()),
        points: losses.map(|(label, loss)| point(label, loss, nodes, seeds)).into(),
        ..outcome(nodes, 0)
    }
}

/// The same by two drivers.
pub fn both_drivers(nodes: u32, runs: u64) -> Outcome {
    Outcome {
        scenario: "real/example".to_owned(),
        sweep: Some("driver".to_owned()),
        points: vec![point("simulated", 0.5, nodes, runs), point("real", 0.5, nodes, runs.div_ceil(2))],
        real: Some(RealFacts { heck: "heck 0.1.0".to_owned(), ..RealFacts::default() }),
        ..outcome(nodes, 0)
    }
}

fn point(label: &str, loss: f64, nodes: u32, seeds: u64) -> PointOutcome {
    PointOutcome {
        label: label.to_owned(),
        nodes,
        repair_interval_us: 1_000_000,
        resolution_us: 5_000,
        model: ModelParameters { loss, ..ModelParameters::default() },
        options: format!("[cluster]\nnodes = {nodes}\n\n[network]\nloss = \"{label}\"\n"),
        runs: (1..=seeds).map(|seed| run(seed, loss, nodes)).collect(),
    }
}

fn run(seed: u64, loss: f64, nodes: u32) -> RunOutcome {
    let mut draws = Stream::new(Seed(seed), (loss * 100.0) as u64);
    let kinds = KINDS.iter().enumerate();
    let updates = kinds.map(|(index, kind)| update(kind, index as u32, loss, nodes, &mut draws)).collect();
    let sent = |per_node: u64, size: u64| {
        let count = per_node * u64::from(nodes) + u64::from(draws.clone().below(nodes));
        Sent { count, bytes: count * size }
    };
    RunOutcome {
        checks: None,
        answers: Answers::default(),
        seed,
        trace_hash: seed * 0x0101_0101_0101_0101,
        events: 1_000 * u64::from(nodes),
        updates,
        measured_us: 40_000_000,
        traffic: Traffic {
            push: sent(10, 120),
            request: sent(40, 200 + (loss * 100.0) as u64),
            reply: sent(20, 300),
            probe: Sent::default(),
            beat: sent(8, 60),
            stream: Sent::default(),
        },
        largest_datagram: 1_391,
        datagrams_per_node_round: 1.95,
        agreement_us: Some(31_000_000 + seed),
        opinions: Opinions::default(),
        lists_right_us: Some(0),
        list_lengths: 0,
        peak_overlay: 300 + seed,
        removed: 0,
        removed_since_us: None,
        met: Vec::new(),
        steps: Steps::default(),
        last: Vec::new(),
        violations: Vec::<Violation>::new(),
    }
}

fn update(kind: &str, index: u32, loss: f64, nodes: u32, draws: &mut Stream) -> UpdateOutcome {
    let pull_succeeds = (1.0 - loss) * (1.0 - loss);
    let chance = |draws: &mut Stream| f64::from(draws.next_u32()) / 4_294_967_296.0;
    let mut reached_us: Vec<u64> = (1..nodes)
        .map(|_| {
            let mut time_us = 20_000 + u64::from(draws.below(60_000));
            if chance(draws) < loss {
                time_us += u64::from(draws.below(1_000_000));
                while chance(draws) > pull_succeeds {
                    time_us += 1_000_000 + u64::from(index) * 20_000;
                }
            }
            time_us
        })
        .collect();
    reached_us.sort_unstable();
    UpdateOutcome {
        kind: kind.to_owned(),
        node: index * 7,
        population: nodes - 1,
        reached_us,
        observed_us: 60_000_000,
        delivery_ratio_p95: None,
    }
}
