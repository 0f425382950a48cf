//! Scenario files: TOML in, a validated [`Scenario`] out, or a report of everything that is wrong with it.
//!
//! ```
//! use heck_sim::scenario::ScenarioFile;
//!
//! let text = r#"
//!     question = "Do two nodes agree?"
//!     source = "none"
//!     expectation = "at once"
//!     run.duration = "10s"
//!     cluster.nodes = 2
//!     network.latency = "40ms"
//! "#;
//! let file = ScenarioFile::parse("topic/question.toml", text, &["network.loss=50%".to_owned()]).unwrap();
//! assert_eq!(file.scenario.network.loss.to_string(), "50%");
//!
//! let report = ScenarioFile::parse("topic/question.toml", text, &["network.los=50%".to_owned()]).unwrap_err();
//! assert!(report.to_string().contains("did you mean loss?"));
//! ```

mod checks;
mod cluster;
pub mod compare;
mod expect;
mod fault;
mod file;
mod measure;
mod network;
mod node_set;
mod problem;
mod protocol;
mod read;
mod reference;
mod run;
mod schedule;
mod section;
mod sweep;
mod tree;
mod validate;
mod value;
mod window;
mod workload;

#[cfg(test)]
mod tests;

use xxhash_rust::xxh3::xxh3_64;

pub use checks::{Checks, OriginSet, ScopeChoice};
pub use cluster::{Cluster, Group, Start, Zone, ZoneNodes};
pub use expect::{Expect, Limits, Missed, limit_names};
pub use fault::{
    Churn, ClockDrift, CopyDisk, Crash, CutStreams, Disk, Drift, DriftRange, Fault, Join, Leave, LossFault,
    OriginBlackHole, OriginDown, OriginFlap, OriginSlow, Partition, Pause, ProbeQueue, Restart, Resume,
    SlowDisk, Starve, Weigh,
};
pub use file::{LoadError, Point, ScenarioFile, name_of};
pub use measure::Measure;
pub use network::{Burst, BurstAt, Latency, Link, Lognormal, Network, Normal, Path, Reorder, Uniform};
pub use node_set::{NodeSet, Share};
pub use problem::{Problem, Report, Source};
pub use protocol::{Membership, Protocol};
pub use reference::reference;
pub use run::Run;
pub use schedule::{Event, EventKind, some};
pub use sweep::{Sweep, SweepPoint};
pub use value::{Literal, OneOrMore};
pub use window::Window;
pub use workload::{Background, Follow, Kind, Workload};

use read::{Section as _, plain};
use section::section;

section! {
    "top of the file"
    /// What the scenario asks, where the question comes from, and what is expected; the sections follow.
    pub struct Scenario {
        /// The question that the scenario answers.
        question: String = plain(),
        /// Where the question or its numbers come from.
        source: String = plain(),
        /// What is expected, in words; the limits stand in `[expect]`.
        expectation: String = plain(),
        /// How often and how long.
        run: Run = plain(),
        /// The nodes and their protocol.
        cluster: Cluster = plain(),
        /// What happens to datagrams.
        network: Network = plain(),
        /// How origins are checked.
        checks: Option<Checks> = plain(),
        /// What the fleet is told.
        workload: Workload = read::default("{}"),
        /// What goes wrong at given times.
        fault: Vec<Fault> = plain(),
        /// What goes wrong all the time.
        churn: Option<Churn> = plain(),
        /// What is reported.
        measure: Measure = read::default("{}"),
        /// What makes a run pass.
        expect: Expect = read::default("{}"),
        /// Aims that are missed.
        missed: Vec<Missed> = plain(),
        /// Several systems beside each other instead of heck alone.
        compare: Option<compare::Compare> = plain(),
        /// The same scenario with other values.
        sweep: Option<Sweep> = plain(),
    }
}

impl Scenario {
    /// All options, defaults included, in the order of the reference. Parsing it gives this scenario again.
    #[must_use]
    pub fn resolved(&self) -> toml::Table {
        let mut table = toml::Table::new();
        self.write_fields(&mut table);
        table
    }

    /// The text of [`Scenario::resolved`].
    #[must_use]
    pub fn resolved_toml(&self) -> String {
        format!("{}\n", self.resolved().to_string().trim_end())
    }

    /// xxh3-64 of the resolved text without the seed: equal for two scenarios that differ in nothing else.
    #[must_use]
    pub fn scenario_hash(&self) -> u64 {
        let mut table = self.resolved();
        if let Some(toml::Value::Table(run)) = table.get_mut("run") {
            run.remove("seed");
        }
        xxh3_64(table.to_string().as_bytes())
    }
}
