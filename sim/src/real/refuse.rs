//! What a scenario asks for that cannot be done with real processes on one machine.

use heck_core::time::Span;

use super::flags;
use crate::scenario::{Disk, Fault, Kind, Latency, NodeSet, Scenario, Start};
use crate::units::show_span;

/// So many nodes two processors can run without being late.
pub const MOST_NODES: u32 = 60;
/// A latency up to this is about what packets take between processes of one machine.
const LOOPBACK: Span = Span::from_ms(5);
/// Simulated nodes that begin with nothing are a cluster by then, where not much is lost.
const FORMING: Span = Span::from_secs(10);

/// All reasons why a scenario cannot be run for real, a line each; none when it can.
#[must_use]
pub fn refusals(scenario: &Scenario) -> Vec<String> {
    let mut found = Refusals(Vec::new());
    found.cluster(scenario);
    found.network(scenario);
    found.workload(scenario);
    found.faults(scenario);
    found.0
}

struct Refusals(Vec<String>);

impl Refusals {
    fn add(&mut self, key: &str, what: impl AsRef<str>) {
        let line = format!("{key}: {}", what.as_ref());
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }

    fn cluster(&mut self, scenario: &Scenario) {
        let cluster = &scenario.cluster;
        if scenario.sweep.is_some() {
            self.add("sweep", "one setting at a time is run for real; choose a value with --set");
        }
        if cluster.nodes > MOST_NODES {
            let nodes = cluster.nodes;
            self.add(
                "cluster.nodes",
                format!("{nodes} processes are too many for one machine; at most {MOST_NODES}"),
            );
        }
        if cluster.start == Start::Cold && scenario.workload.warmup < FORMING {
            let least = show_span(FORMING);
            self.add(
                "cluster.start",
                format!("real nodes are measured once they are a cluster; a cold start takes a warm-up of {least} at least"),
            );
        }
        for (key, value) in flags::unknown(scenario) {
            self.add(&key, format!("a node has no setting for it, and {value} is not as usual"));
        }
        let origins = cluster.origins > 0
            || scenario.workload.background.origin_edits.mean_gap_us().is_some()
            || scenario.workload.follow.0.iter().any(|follow| follow.kinds.contains(&Kind::OriginAdded));
        match &scenario.checks {
            None if origins => self.add("checks", "real nodes check their origins; say [checks]"),
            Some(checks) if !matches!(checks.latency, Latency::Constant(_)) => {
                self.add("checks.latency", "the origins' server takes one time for all; only a constant one");
            }
            _ => {}
        }
    }

    fn network(&mut self, scenario: &Scenario) {
        let network = &scenario.network;
        if network.latency.greatest() > LOOPBACK {
            let most = show_span(LOOPBACK);
            self.add(
                "network.latency",
                format!(
                    "packets of one machine take no longer, and nothing here delays them; at most {most}"
                ),
            );
        }
        let others = [
            ("network.burst", network.burst.is_some(), "loss comes evenly"),
            ("network.duplicate", network.duplicate.ppb() > 0, "nothing here doubles packets"),
            ("network.reorder", network.reorder.is_some(), "nothing here holds packets back"),
            ("network.bandwidth", network.bandwidth.is_some(), "nothing here limits it"),
            (
                "network.link",
                !network.link.is_empty(),
                "all links are alike; `loss` faults take more from some",
            ),
        ];
        others.iter().filter(|(_, asked, _)| *asked).for_each(|(key, _, why)| self.add(key, why));
    }

    fn workload(&mut self, scenario: &Scenario) {
        let workload = &scenario.workload;
        let why = "health comes from checks alone; let origins go down by a fault";
        for (number, follow) in workload.follow.0.iter().enumerate() {
            if follow.kinds.contains(&Kind::HealthFlip) {
                self.add(&format!("workload.follow.{number}.kinds"), format!("health_flip: {why}"));
            }
        }
        if workload.background.health_flips.mean_gap_us().is_some() {
            self.add("workload.background.health_flips", why);
        }
    }

    fn faults(&mut self, scenario: &Scenario) {
        for (number, fault) in scenario.fault.iter().enumerate() {
            let key = |kind: &str| format!("fault.{number}.{kind}");
            for (kind, why) in unable(fault) {
                self.add(&key(kind), why);
            }
            let from = [
                ("origin_down.from", fault.origin_down.as_ref().map(|down| &down.from)),
                ("origin_black_hole.from", fault.origin_black_hole.as_ref().map(|hole| &hole.from)),
            ];
            for (kind, _) in from.iter().filter(|(_, from)| from.is_some_and(|from| *from != NodeSet::All)) {
                self.add(&key(kind), "an origin is the same for all nodes");
            }
        }
        let mut graces = scenario.fault.iter().filter_map(|fault| Some(fault.leave.as_ref()?.stops_after));
        let first = graces.next();
        if graces.any(|grace| Some(grace) != first) || (scenario.churn.is_some() && first.is_some()) {
            self.add("fault.leave.stops_after", "nodes have one time for it, which is a setting of theirs");
        }
        let crashes = scenario.fault.iter().enumerate().filter_map(|(number, fault)| {
            Some((format!("fault.{number}.crash.disk"), fault.crash.as_ref()?.disk))
        });
        let churn = scenario.churn.as_ref().map(|churn| ("churn.disk".to_owned(), churn.disk));
        for (key, _) in crashes.chain(churn).filter(|(_, disk)| *disk == Disk::Synced) {
            self.add(&key, "\"synced\": a process is killed and the power stays on; \"kept\" or \"lost\"");
        }
    }
}

/// The kinds of this fault that cannot be had, with the reason.
fn unable(fault: &Fault) -> impl Iterator<Item = (&'static str, &'static str)> {
    let kinds = [
        ("cut_streams", fault.cut_streams.is_some(), "nothing here breaks streams alone"),
        ("slow_disk", fault.slow_disk.is_some(), "the disk is the machine's"),
        ("clock_drift", fault.clock_drift.is_some(), "the clock is the machine's"),
        ("starve", fault.starve.is_some(), "processors are shared by all; only `pause`"),
        ("copy_disk", fault.copy_disk.is_some(), "no disk is copied here"),
        ("origin_slow", fault.origin_slow.is_some(), "origins answer in one time, refuse or are silent"),
        ("origin_flap", fault.origin_flap.is_some(), "origins answer in one time, refuse or are silent"),
        ("probe_queue", fault.probe_queue.is_some(), "nodes carry out their probes as they do"),
        ("weigh", fault.weigh.is_some(), "the weight of a node is a setting that it starts with"),
    ];
    kinds.into_iter().filter(|(_, asked, _)| *asked).map(|(kind, _, why)| (kind, why))
}

/// How long a node that leaves goes on before it stops.
#[must_use]
pub fn leave_grace(scenario: &Scenario) -> Option<Span> {
    scenario.fault.iter().find_map(|fault| Some(fault.leave.as_ref()?.stops_after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioFile;

    const POSSIBLE: &str = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "60s"
cluster = { nodes = 10, spare = 1, origins = 8, keys = 4 }
network = { latency = "1ms", loss = "30%" }
checks = { interval = "2s" }
workload.follow = { kinds = ["key_written", "origin_added", "origin_removed", "message_published"] }

[[fault]]
at = "10s"
partition = { sides = ["0..5", "rest"], lasts = "5s" }

[[fault]]
at = "20s"
crash = { nodes = [3], disk = "kept", lasts = "5s" }

[[fault]]
at = "21s"
origin_black_hole = { origins = [1], lasts = "5s" }

[[fault]]
at = "30s"
join = { nodes = [9] }

[[fault]]
at = "40s"
leave = { nodes = [2] }
"#;

    fn refused(sets: &[&str]) -> Vec<String> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let file =
            ScenarioFile::parse("real/q.toml", POSSIBLE, &sets).unwrap_or_else(|error| panic!("{error}"));
        refusals(&file.scenario)
    }

    #[test]
    fn what_can_be_done_is_not_refused() {
        assert_eq!(refused(&[]), [""; 0]);
        assert_eq!(refused(&["cluster.start=cold", "workload.warmup=10s"]), [""; 0]);
    }

    #[test]
    fn what_cannot_be_done_is_named_with_its_key_and_the_reason() {
        for (set, key) in [
            ("cluster.nodes=61", "cluster.nodes: 61 processes"),
            ("cluster.start=cold", "cluster.start: "),
            ("cluster.protocol.membership=fixed", "cluster.protocol.membership: a node has no setting"),
            ("checks.latency={ uniform = { min = \"1ms\", max = \"9ms\" } }", "checks.latency: "),
            ("network.latency=40ms", "network.latency: "),
            ("network.burst={ good = \"9s\", bad = \"1s\" }", "network.burst: "),
            ("network.duplicate=1%", "network.duplicate: "),
            ("network.reorder={ fraction = \"1%\", by = \"1ms\" }", "network.reorder: "),
            ("network.bandwidth=1Mbit/s", "network.bandwidth: "),
            ("workload.follow.kinds=[\"health_flip\"]", "workload.follow.0.kinds: health_flip"),
            ("workload.background.health_flips=1/s", "workload.background.health_flips: "),
            ("fault.0={ at = \"1s\", clock_drift = { nodes = \"all\", ppm = 9 } }", "fault.0.clock_drift: "),
            ("fault.0={ at = \"1s\", starve = { nodes = \"all\", stall = \"1s\" } }", "fault.0.starve: "),
            ("fault.0={ at = \"1s\", weigh = { nodes = \"all\", weight = 1 } }", "fault.0.weigh: "),
            ("fault.1.crash.disk=synced", "fault.1.crash.disk: \"synced\""),
            ("fault.2.origin_black_hole.from=[1]", "fault.2.origin_black_hole.from: "),
            ("sweep={ key = \"network.loss\", values = [\"1%\"] }", "sweep: "),
        ] {
            let lines = refused(&[set]);
            assert!(lines.iter().any(|line| line.starts_with(key)), "{set}: {lines:?}");
        }
    }
}
