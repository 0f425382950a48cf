//! What a job is: all that its parts have to have in common, and which part one is.

use std::io;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Shard;
use crate::scenario::ScenarioFile;
use crate::{compare, run};

/// What stands at the head of a part's file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of the simulator that wrote it.
    pub heck_sim: String,
    /// A hash of that program's own file: two builds may have the same version and do different things.
    pub build: u64,
    /// Which part it is.
    pub shard: Shard,
    /// Of what.
    pub job: Job,
}

/// A job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Job {
    /// `heck-sim run`.
    Run(RunJob),
    /// `heck-sim swarm`.
    Swarm(SwarmJob),
}

/// Scenarios that are run one after the other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunJob {
    /// What the command line changed, `section.key=value`.
    pub sets: Vec<String>,
    /// Whether packets were encoded on their way.
    pub wire: bool,
    /// The scenarios, in their order.
    pub scenarios: Vec<ScenarioJob>,
}

/// A scenario.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScenarioJob {
    /// Where its file stood.
    pub path: String,
    /// `<topic>/<question>`.
    pub name: String,
    /// The text of the file.
    pub text: String,
    /// The seed of the first run.
    pub seed: u64,
    /// Hash of the scenario with every option resolved.
    pub hash: u64,
    /// How many runs all parts make of it.
    pub runs: u64,
}

/// Seeds of the swarm.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SwarmJob {
    /// The first.
    pub seed: u64,
    /// How many.
    pub seeds: u64,
    /// The most runs that making one find small may take.
    pub shrink_runs: u32,
}

/// How many runs a scenario takes, of whichever kind.
#[must_use]
pub fn runs_of(file: &ScenarioFile) -> u64 {
    if file.scenario.compare.is_some() { compare::run_count(file) } else { run::run_count(file) }
}

impl ScenarioJob {
    /// The scenario of a file that stands at `path` and holds `text`.
    #[must_use]
    pub fn of(path: &str, text: String, file: &ScenarioFile) -> Self {
        Self {
            path: path.to_owned(),
            name: file.name.clone(),
            text,
            seed: file.scenario.run.seed,
            hash: file.scenario.scenario_hash(),
            runs: runs_of(file),
        }
    }
}

impl Header {
    /// The head of part `shard` of a job, written by this program.
    ///
    /// # Errors
    /// When this program's own file cannot be read.
    pub fn new(shard: Shard, job: Job) -> io::Result<Self> {
        Ok(Self { heck_sim: env!("CARGO_PKG_VERSION").to_owned(), build: this_build()?, shard, job })
    }

    /// How many records its file holds; none where that is not known beforehand.
    #[must_use]
    pub fn records(&self) -> Option<u64> {
        match &self.job {
            Job::Run(job) => {
                let of = |scenario: &ScenarioJob| self.shard.numbers(scenario.runs).count() as u64;
                Some(job.scenarios.iter().map(of).sum())
            }
            Job::Swarm(_) => None,
        }
    }

    /// The first thing in which two parts differ that all parts of a job have in common, as it is here and there. Builds are
    /// left out.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let of = |header: &Self| format!("{} parts", header.shard.of());
        let version = |header: &Self| format!("heck-sim {}", header.heck_sim);
        Difference::between("version", version(self), version(other))
            .or_else(|| self.job.difference(&other.job))
            .or_else(|| Difference::between("number of parts", of(self), of(other)))
    }
}

/// In what two parts differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// What it is.
    pub what: String,
    /// How it is in the one.
    pub one: String,
    /// How it is in the other.
    pub other: String,
}

impl Difference {
    fn between(what: &str, one: String, other: String) -> Option<Self> {
        (one != other).then(|| Self { what: what.to_owned(), one, other })
    }
}

impl Job {
    fn difference(&self, other: &Self) -> Option<Difference> {
        match (self, other) {
            (Self::Run(one), Self::Run(other)) => one.difference(other),
            (Self::Swarm(one), Self::Swarm(other)) => one.difference(other),
            (one, other) => Difference::between("command", one.verb(), other.verb()),
        }
    }

    fn verb(&self) -> String {
        let verb = match self {
            Self::Run(_) => "heck-sim run",
            Self::Swarm(_) => "heck-sim swarm",
        };
        verb.to_owned()
    }
}

impl RunJob {
    fn difference(&self, other: &Self) -> Option<Difference> {
        let names = |job: &Self| {
            let names: Vec<&str> = job.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
            names.join(", ")
        };
        let wire = |job: &Self| if job.wire { "--wire" } else { "none" }.to_owned();
        let sets = |job: &Self| match job.sets.as_slice() {
            [] => "none".to_owned(),
            sets => sets.join(" "),
        };
        let pairs = || self.scenarios.iter().zip(&other.scenarios);
        let text = || {
            pairs().find_map(|(one, other)| {
                let hash = |scenario: &ScenarioJob| format!("{:016x}", xxh3_64(scenario.text.as_bytes()));
                let what = format!("text of scenario {} (its hash)", one.name);
                Difference::between(&what, hash(one), hash(other))
            })
        };
        let seed = || {
            pairs().find_map(|(one, other)| {
                let what = format!("seed of {}", one.name);
                Difference::between(&what, one.seed.to_string(), other.seed.to_string())
            })
        };
        let hash = || {
            pairs().find_map(|(one, other)| {
                let show = |scenario: &ScenarioJob| format!("{:016x}, {}", scenario.hash, scenario.runs);
                let what = format!("hash and number of runs of {}", one.name);
                Difference::between(&what, show(one), show(other))
            })
        };
        Difference::between("scenario", names(self), names(other))
            .or_else(text)
            .or_else(seed)
            .or_else(|| Difference::between("settings", sets(self), sets(other)))
            .or_else(|| Difference::between("encoding", wire(self), wire(other)))
            .or_else(hash)
    }
}

impl SwarmJob {
    fn difference(&self, other: &Self) -> Option<Difference> {
        let pairs = [
            ("seed", self.seed, other.seed),
            ("number of seeds", self.seeds, other.seeds),
            ("--shrink-runs", self.shrink_runs.into(), other.shrink_runs.into()),
        ];
        pairs
            .into_iter()
            .find_map(|(what, one, other)| Difference::between(what, one.to_string(), other.to_string()))
    }
}

/// A hash of this program's own file.
fn this_build() -> io::Result<u64> {
    Ok(xxh3_64(&std::fs::read(std::env::current_exe()?)?))
}
