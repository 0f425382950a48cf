//! What a swarm met: each kind of fault and weather, each setting, each checker, each rare branch of the core.
//!
//! What a swarm never met it has shown nothing about, so that is told too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::table::get;
use crate::report::outcome::Met;
use crate::scenario::Fault;

/// Faults that only end another one; a drawn fault ends by itself.
const ENDS: [&str; 2] = ["restart", "resume"];
/// What a scenario has or has not, beside faults and settings.
const FEATURES: [(&str, &str); 20] = [
    ("spare nodes", "cluster.spare"),
    ("cold start", "cluster.start"),
    ("zones", "cluster.zone"),
    ("slow disks", "cluster.disk_sync"),
    ("lossy network", "network.loss"),
    ("bursts of loss", "network.burst"),
    ("duplicates", "network.duplicate"),
    ("reordering", "network.reorder"),
    ("narrow uplinks", "network.bandwidth"),
    ("checks", "checks"),
    ("windows of checks", "checks.window"),
    ("paced claims", "checks.claims_per_s"),
    ("churn", "churn"),
    ("flips", "workload.background.health_flips"),
    ("edits", "workload.background.origin_edits"),
    ("writes", "workload.background.key_writes"),
    ("messages", "workload.background.messages"),
    ("removals and additions", "workload.follow"),
    ("large values", "workload.value_size"),
    ("large messages", "workload.message_size"),
];

/// In how many scenarios something was met, and how often in all.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Scenarios.
    pub scenarios: u64,
    /// Times.
    pub times: u64,
}

/// What the scenarios of a swarm met, by kind and name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Coverage {
    met: BTreeMap<(String, String), Seen>,
}

impl Default for Coverage {
    fn default() -> Self {
        let faults = Fault::KINDS.iter().filter(|kind| !ENDS.contains(kind));
        let faults = faults.map(|name| ("fault", *name));
        let features = FEATURES.map(|(name, _)| ("feature", name));
        let never = |(kind, name): (&str, &str)| ((kind.to_owned(), name.to_owned()), Seen::default());
        Self { met: faults.chain(features).map(never).collect() }
    }
}

impl Coverage {
    /// Counts what is in the file of a scenario.
    pub fn add_file(&mut self, file: &Table) {
        let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
        let list = get(file, "fault").and_then(Value::as_array);
        let kinds = list.into_iter().flatten().filter_map(Value::as_table).flat_map(Table::keys);
        kinds.filter(|key| *key != "at").for_each(|kind| *faults.entry(kind).or_default() += 1);
        faults.into_iter().for_each(|(kind, count)| self.add("fault", kind, count));
        for (name, key) in FEATURES {
            self.add("feature", name, u64::from(get(file, key).is_some()));
        }
        let settings = get(file, "cluster.protocol").and_then(Value::as_table);
        settings.into_iter().flat_map(Table::keys).for_each(|key| self.add("setting", key, 1));
    }

    /// Counts what a run met.
    pub fn add_met(&mut self, met: &[Met]) {
        met.iter().for_each(|met| self.add(met.kind, met.name, met.count));
    }

    /// Counts what other scenarios met.
    pub fn add_all(&mut self, other: &Self) {
        for (kind, name, Seen { scenarios, times }) in other.rows() {
            let seen = self.seen(kind, name);
            seen.scenarios += scenarios;
            seen.times += times;
        }
    }

    fn add(&mut self, kind: &str, name: &str, count: u64) {
        let seen = self.seen(kind, name);
        seen.scenarios += u64::from(count > 0);
        seen.times += count;
    }

    fn seen(&mut self, kind: &str, name: &str) -> &mut Seen {
        self.met.entry((kind.to_owned(), name.to_owned())).or_default()
    }

    /// What was counted, by kind and name in their order.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, Seen)> {
        self.met.iter().map(|((kind, name), seen)| (kind.as_str(), name.as_str(), *seen))
    }

    /// What was never met.
    pub fn never(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows().filter(|(.., seen)| seen.times == 0).map(|(kind, name, _)| (kind, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_features_settings_and_what_runs_meet_are_counted_and_the_rest_is_told() {
        let file = "network.loss = \"5%\"\ncluster.protocol.gap_asks = 0\n\
                    fault = [{ at = \"1s\", crash = {} }, { at = \"2s\", crash = {} }]";
        let mut coverage = Coverage::default();
        let all = coverage.never().count();
        coverage.add_file(&file.parse().expect("a table"));
        let met = |name, count| Met { kind: "checker", name, count };
        coverage.add_met(&[met("no regress", 7), met("durable", 0)]);
        let seen = |wanted: &str| coverage.rows().find(|(_, name, _)| *name == wanted).map(|(.., seen)| seen);
        assert_eq!(seen("crash"), Some(Seen { scenarios: 1, times: 2 }));
        assert_eq!(seen("lossy network"), Some(Seen { scenarios: 1, times: 1 }));
        assert_eq!(seen("gap_asks"), Some(Seen { scenarios: 1, times: 1 }));
        assert_eq!(seen("no regress"), Some(Seen { scenarios: 1, times: 7 }));
        assert!(coverage.never().any(|row| row == ("checker", "durable")));
        assert_eq!(coverage.never().count(), all - 2 + 1, "crash and loss are met, and one checker is not");
    }
}
