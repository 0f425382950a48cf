//! What a scenario's runs came to: plain data that the runner fills in and every writer reads.

use serde::{Deserialize, Serialize};

use super::answers::Answers;
pub use crate::theory::maps::ModelParameters;

/// A whole scenario: one point, or one per value of its sweep.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outcome {
    /// `<topic>/<question>`, as in `convergence/loss-50`; also the folder of the results.
    pub scenario: String,
    /// One line for the head of the plot and the table.
    pub title: String,
    /// What the scenario asks, in a sentence.
    pub question: String,
    /// The base seed from which the seeds of all runs follow.
    pub seed: u64,
    /// Hash of the scenario with every option resolved.
    pub scenario_hash: u64,
    /// The parameter that a sweep varies (`network.loss`), if it is a sweep.
    pub sweep: Option<String>,
    /// At least one.
    pub points: Vec<PointOutcome>,
    /// What is known of runs on real processes, where there were any: then the points are the two drivers, the
    /// simulator first.
    pub real: Option<RealFacts>,
}

/// What is known of the runs of a scenario on real processes, beside what was measured in them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RealFacts {
    /// What the program said of its version.
    pub heck: String,
    /// How often nodes were asked for their members, in microseconds.
    pub members_every_us: u64,
    /// The share of packets between nodes that was lost, cuts included; the mean over runs.
    pub packets_lost: f64,
    /// How long the nodes took to be a cluster that holds what it begins with, in seconds; the mean over runs.
    pub forming_s: f64,
    /// Writes that nodes did not take, in all runs.
    pub writes_refused: u32,
    /// The share of the machine's processor time that was used, by whomever; the mean over runs.
    pub processors_busy: f64,
    /// By how much a timer of the observer was late, its 99th percentile, in microseconds; that of the worst run.
    pub late_p99_us: u64,
    /// Datagrams that a node sent in a round.
    pub datagrams_per_node_round: Both,
    /// What they carried in a second, in bytes.
    pub datagram_bytes_per_node_s: Both,
}

/// A measure of both drivers, a mean over runs each.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Both {
    /// In the simulator.
    pub simulated: f64,
    /// On real processes.
    pub real: f64,
}

impl Both {
    /// How far the real one is from the simulated one, as a part of that.
    #[must_use]
    pub fn apart(self) -> f64 {
        if self.simulated == self.real { 0.0 } else { (self.real - self.simulated).abs() / self.simulated }
    }
}

/// One setting of the swept parameter (or the only one), under all seeds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PointOutcome {
    /// Short name for legends and CSV (`30%`, `k=2`); unique within the scenario.
    pub label: String,
    /// All nodes, the source of an update included.
    pub nodes: u32,
    /// A round, in microseconds; more than 0.
    pub repair_interval_us: u64,
    /// Finest step of the curves, in microseconds; more than 0.
    pub resolution_us: u64,
    /// The parameters of the analytic curve and of the lower bound that belong beside the measurement.
    pub model: ModelParameters,
    /// Every option of the scenario as it was resolved for this point (TOML text).
    pub options: String,
    /// One per seed, in the same order of seeds at every point, so that points compare in pairs.
    pub runs: Vec<RunOutcome>,
}

/// One run: one point under one seed. What was only asked for to look at the run itself is not written with it into a part of
/// a job ([`crate::shard`]).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct RunOutcome {
    /// The run's own seed.
    pub seed: u64,
    /// Hash over every event of the run, in order.
    pub trace_hash: u64,
    /// How many events the engine handled.
    pub events: u64,
    /// The updates that were followed.
    pub updates: Vec<UpdateOutcome>,
    /// Window over which [`RunOutcome::traffic`] was counted, in microseconds.
    pub measured_us: u64,
    /// Datagrams and bytes that nodes sent in that window, by category.
    pub traffic: Traffic,
    /// The largest UDP payload of the whole run, in bytes.
    pub largest_datagram: u32,
    /// Datagrams of all types per node and round, from the first update until the last node had the last
    /// one (until the end of the run if one never had it, or if no update was followed: then from the end of the
    /// warm-up).
    pub datagrams_per_node_round: f64,
    /// From the last write of the workload until all nodes held the same state, if they ever did.
    pub agreement_us: Option<u64>,
    /// What nodes came to hold of each other.
    pub opinions: Opinions,
    /// From the last crash, start, join or departure until all lists of members were right, if they ever were; 0 where
    /// nothing of that kind happened.
    pub lists_right_us: Option<u64>,
    /// How many different lengths of lists nodes held on the way there.
    pub list_lengths: u32,
    /// Entries, lanes, heartbeats and members that a node holds for itself beside what all share: the most that was seen.
    pub peak_overlay: u64,
    /// Nodes that were up at the end and that most of the others did not count.
    pub removed: u32,
    /// From the first event of the schedule until as many were not counted as at the end, for good; only where a limit asks
    /// for it.
    pub removed_since_us: Option<u64>,
    /// How origins were checked, where nodes check.
    pub checks: Option<CheckOutcome>,
    /// The answers of nodes about origins that some node checks, where nodes check.
    pub answers: Answers,
    /// What of the checkers and of the core the run met, if that was asked for.
    #[serde(skip)]
    pub met: Vec<Met>,
    /// The steps of the run, marked, if that was asked for.
    #[serde(skip)]
    pub steps: Steps,
    /// The last moments of the run, if that was asked for.
    #[serde(skip)]
    pub last: Vec<Moment>,
    /// What the checkers found; empty in a good run.
    pub violations: Vec<Violation>,
}

/// What nodes came to hold of each other in a whole run, counted once for each observer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Opinions {
    /// Someone was suspected.
    pub suspicions: u64,
    /// Someone was held dead who was up.
    pub false_deaths: u64,
    /// Of these, those of nodes that no fault was about.
    pub healthy_deaths: u64,
    /// Of these, those at observers that no fault was about either.
    pub healthy_deaths_at_healthy: u64,
    /// A node refuted what others said of it.
    pub refutations: u64,
    /// Someone was held dead who had said that it leaves.
    pub left_deaths: u64,
    /// A node took another life though it had not been restarted, nor had another one its disk.
    pub forced_rejoins: u64,
}

/// How origins were checked in a run, from the end of the warm-up on.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CheckOutcome {
    /// Checks per origin, scope and interval; 1 in steady state.
    pub checks_per_interval: f64,
    /// Probes that nodes started, those for others included.
    pub probes: u64,
    /// Of these, those that confirmers made for others.
    pub confirming: u64,
    /// The most probes that one origin saw in one interval, of all nodes together.
    pub greatest_load: u32,
    /// The longest that any origin went without a check beginning, in any scope.
    pub unchecked_us: u64,
    /// The longest that any origin was checked by two nodes of one scope, in all.
    pub twice_us: u64,
    /// The share of origins (in each scope) that a node came to claim that had not held them.
    pub moved: f64,
    /// Claims made.
    pub claims: u64,
    /// Of these, those that say that a checker is late.
    pub late_claims: u64,
    /// Claims that an origin is unhealthy which had been well all the time.
    pub false_unhealthy: u64,
}

/// The steps of a run, to hold against those of another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Steps {
    /// The hash of all steps so far, now and then and at the end.
    pub marks: Vec<u64>,
    /// Some of the steps, in words.
    pub kept: Vec<String>,
}

/// A step of a node, as a picture of messages shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// When, in microseconds of simulated time.
    pub time_us: u64,
    /// Where.
    pub node: u32,
    /// A word that tells the datagram that it heard from others, if it was one that woke it.
    pub heard: Option<u64>,
    /// What it sent.
    pub letters: Vec<Letter>,
    /// What it reported, in words.
    pub reports: Vec<String>,
}

/// A datagram that was sent, to one or many.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Letter {
    /// The word of its content.
    pub content: u64,
    /// What it is.
    pub what: String,
    /// To which nodes.
    pub to: Vec<u32>,
}

/// How often a run met something that it may well not meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Met {
    /// What kind of thing: `checker` or `branch`.
    pub kind: &'static str,
    /// Which.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

/// One update, followed from the node where it happened to all others.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct UpdateOutcome {
    /// What kind of update (`health flip`, `key written`).
    pub kind: String,
    /// The node where it happened.
    pub node: u32,
    /// How many other nodes there are to reach.
    pub population: u32,
    /// Sorted, in microseconds since the update: when each of the other nodes that got it got it.
    pub reached_us: Vec<u64>,
    /// How long the update was followed before the run ended, in microseconds: what censors a node missing above.
    pub observed_us: u64,
    /// 95th percentile over the other nodes of the time of delivery ÷ 95th percentile of the one-way latency; `None`
    /// where there is no one latency for all pairs of nodes.
    pub delivery_ratio_p95: Option<f64>,
}

/// Datagrams by what they are for, and streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// New dots pushed without being asked: initial broadcast, relays, payload pushes.
    pub push: Sent,
    /// Requests for repair.
    pub request: Sent,
    /// Replies to them.
    pub reply: Sent,
    /// Pings and acks: asking for someone who did not answer, and introductions.
    pub probe: Sent,
    /// Heartbeats of freshness, and the names of the nodes whose heartbeat is asked for. They ride on the other packets,
    /// so they are bytes and no datagrams; those packets are
    /// counted without them.
    pub beat: Sent,
    /// Stream frames (not datagrams), for state too large for one.
    pub stream: Sent,
}

/// A count and its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sent {
    /// How many were sent (counted where they leave, lost or not).
    pub count: u64,
    /// UDP payload bytes, sealing included.
    pub bytes: u64,
}

/// A broken invariant.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Violation {
    /// Name of the checker (`no resurrection`).
    pub check: String,
    /// When, in microseconds of simulated time.
    pub time_us: u64,
    /// Where, if at one node.
    pub node: Option<u32>,
    /// What was seen and what should have been.
    pub detail: String,
    /// The command that replays it.
    pub replay: String,
}

/// A limit of the scenario's `expect` section and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expectation {
    /// What is limited, and by how much (`rounds to 100 % <= 33, key written`).
    pub limit: String,
    /// What was measured, as text.
    pub measured: String,
    /// Of how many observations that is, and what they leave possible at 95 %; empty where there is nothing to say.
    pub certainty: String,
    /// Whether it held.
    pub verdict: Verdict,
}

/// How an expectation came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verdict {
    /// The limit holds.
    #[default]
    Met,
    /// The scenario states a limit looser than the project's aim: the limit holds, the aim does not.
    AimMissed,
    /// The limit does not hold: the run fails.
    Failed,
}

impl Traffic {
    /// Datagrams of all categories (streams are not datagrams).
    #[must_use]
    pub const fn datagrams(&self) -> u64 {
        self.push.count + self.request.count + self.reply.count + self.probe.count + self.beat.count
    }

    /// Bytes of requests for repair and of the replies to them, without the heartbeats on them.
    #[must_use]
    pub const fn repair_bytes(&self) -> u64 {
        self.request.bytes + self.reply.bytes
    }

    /// Bytes of all categories, streams included.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.datagram_bytes() + self.stream.bytes
    }

    /// Bytes of all datagrams: without streams.
    #[must_use]
    pub const fn datagram_bytes(&self) -> u64 {
        self.push.bytes + self.repair_bytes() + self.probe.bytes + self.beat.bytes
    }
}

impl UpdateOutcome {
    /// All nodes, the source included.
    #[must_use]
    pub const fn nodes(&self) -> u64 {
        self.population as u64 + 1
    }

    /// How many nodes have the update `time_us` after it happened, the source included.
    #[must_use]
    pub fn holders_at(&self, time_us: u64) -> u64 {
        1 + self.reached_us.partition_point(|&reached| reached <= time_us) as u64
    }

    /// When a milestone of all nodes, the source included, had the update; `None` if they never did.
    #[must_use]
    pub fn time_to_us(&self, milestone: Milestone) -> Option<u64> {
        let wanted = (self.nodes() * u64::from(milestone.per_mille)).div_ceil(1_000).max(1);
        match wanted - 1 {
            0 => Some(0),
            others => self.reached_us.get(others as usize - 1).copied(),
        }
    }
}

/// A share of all nodes, in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Milestone {
    /// Thousandths of all nodes, 1..=1000.
    pub per_mille: u16,
    /// As people write it (`99.9`), in percent.
    pub percent: &'static str,
}

/// The milestones of every report. With fewer than 1,000 nodes some of them are the same node.
pub const MILESTONES: [Milestone; 5] = [
    Milestone { per_mille: 500, percent: "50" },
    Milestone { per_mille: 900, percent: "90" },
    Milestone { per_mille: 990, percent: "99" },
    Milestone { per_mille: 999, percent: "99.9" },
    EVERYONE,
];

/// Every node, the source included.
pub const EVERYONE: Milestone = Milestone { per_mille: 1_000, percent: "100" };

impl RunOutcome {
    /// The kinds of updates that were followed, each once, in the order in which they first appear.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for update in &self.updates {
            if !kinds.contains(&update.kind.as_str()) {
                kinds.push(&update.kind);
            }
        }
        kinds
    }
}

impl PointOutcome {
    /// The kinds of updates of all runs, each once, in the order in which they first appear.
    #[must_use]
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for kind in self.runs.iter().flat_map(RunOutcome::kinds) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// The updates of one kind, with the run that each belongs to.
    pub fn updates_of<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a RunOutcome, &'a UpdateOutcome)> + 'a {
        self.runs.iter().flat_map(move |run| {
            run.updates.iter().filter(move |update| update.kind == kind).map(move |update| (run, update))
        })
    }
}

impl Outcome {
    /// One hash over the trace hashes of all runs, in order: equal exactly when every run took the same course.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        let mut bytes = Vec::new();
        for point in &self.points {
            bytes.extend_from_slice(&(point.runs.len() as u64).to_le_bytes());
            for run in &point.runs {
                bytes.extend_from_slice(&run.seed.to_le_bytes());
                bytes.extend_from_slice(&run.trace_hash.to_le_bytes());
            }
        }
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    /// Everything that the checkers found, with its run.
    pub fn violations(&self) -> impl Iterator<Item = (&RunOutcome, &Violation)> {
        let runs = self.points.iter().flat_map(|point| &point.runs);
        runs.flat_map(|run| run.violations.iter().map(move |violation| (run, violation)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_count_the_source() {
        let update =
            UpdateOutcome { population: 999, reached_us: (1..=998).collect(), ..UpdateOutcome::default() };
        let times: Vec<_> = MILESTONES.iter().map(|&milestone| update.time_to_us(milestone)).collect();
        assert_eq!(times, [Some(499), Some(899), Some(989), Some(998), None]);
        assert_eq!((update.holders_at(0), update.holders_at(998)), (1, 999));
    }

    #[test]
    fn a_lone_node_has_its_own_update_at_once() {
        let alone = UpdateOutcome::default();
        assert_eq!(alone.time_to_us(EVERYONE), Some(0));
    }

    #[test]
    fn the_trace_hash_of_all_runs_depends_on_each_of_them() {
        let run = |seed, trace_hash| RunOutcome { seed, trace_hash, ..RunOutcome::default() };
        let outcome = |runs| Outcome {
            points: vec![PointOutcome { runs, ..PointOutcome::default() }],
            ..Outcome::default()
        };
        let whole = outcome(vec![run(1, 10), run(2, 20)]).trace_hash();
        assert_ne!(whole, outcome(vec![run(1, 10), run(2, 21)]).trace_hash());
        assert_ne!(whole, outcome(vec![run(2, 20), run(1, 10)]).trace_hash());
        assert_eq!(whole, outcome(vec![run(1, 10), run(2, 20)]).trace_hash());
    }
}
