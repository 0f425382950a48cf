//! Making a failing scenario small: the file is changed towards fewer and simpler things for as long as it still breaks
//! the same invariant.
//!
//! Greedy and deterministic, from the coarse to the fine, until no change is left that keeps the failure (as in Zeller
//! and Hildebrandt 2002, "Simplifying and Isolating Failure-Inducing Input", whose halves come first here too). A change
//! of the cluster changes every draw of the run, so a candidate is tried under a few seeds.

use heck_core::mutant::Planted;
use rayon::prelude::*;
use toml::{Table, Value};

use super::draw::quiet_ms;
use super::judge::{Failure, Verdict, judge};
use super::table::{get, ms, read_ms, remove, set};

/// Under how many seeds a candidate is tried.
const SEEDS: i64 = 4;

/// What can go as a whole, the weightiest first.
const SECTIONS: [&str; 21] = [
    "churn",
    "checks",
    "cluster.zone",
    "cluster.start",
    "cluster.spare",
    "network.burst",
    "network.reorder",
    "network.duplicate",
    "network.loss",
    "workload.background.messages",
    "workload.background.key_writes",
    "workload.background.origin_edits",
    "workload.background.health_flips",
    "workload.follow",
    "workload.value_size",
    "workload.message_size",
    "cluster.disk_sync",
    "checks.window",
    "checks.scope",
    "checks.confirmers",
    "checks.claims_per_s",
];

/// A failing scenario, made small.
#[derive(Clone, PartialEq, Debug)]
pub struct Small {
    /// The file.
    pub file: Table,
    /// What breaks in it.
    pub failure: Failure,
    /// How many runs it took to find.
    pub runs: u32,
}

/// Makes `file`, in which `failure` was seen, as small as at most `most_runs` runs can.
#[must_use]
pub fn shrink(file: &Table, failure: &Failure, planted: Planted, most_runs: u32) -> Small {
    let small = Small { file: file.clone(), failure: failure.clone(), runs: 0 };
    let mut search = Search { small, planted, most_runs };
    loop {
        let before = search.small.file.clone();
        // Small clusters first: whatever else is tried is faster then.
        search.fewer_nodes();
        search.fewer_faults();
        search.fewer_sections();
        search.fewer_in_lists();
        search.shorter();
        search.fewer_things();
        search.simpler();
        if search.small.file == before || search.is_over() {
            return search.small;
        }
    }
}

struct Search {
    small: Small,
    planted: Planted,
    most_runs: u32,
}

impl Search {
    const fn is_over(&self) -> bool {
        self.small.runs >= self.most_runs
    }

    /// Takes the candidate if the same invariant still breaks in it, under some seed. The quiet time is always as long
    /// as the settings ask for: with less of it, every scenario would fail to agree.
    fn keep(&mut self, mut candidate: Table) -> bool {
        let restless_ms = restless_ms(&candidate);
        let quiet_ms = quiet_ms(&candidate);
        set(&mut candidate, "measure.quiet", ms(quiet_ms));
        set_restless(&mut candidate, restless_ms);
        if candidate == self.small.file {
            return false;
        }
        if self.is_over() {
            return false;
        }
        let first = get(&candidate, "run.seed").and_then(Value::as_integer).unwrap_or(1);
        self.small.runs += SEEDS as u32;
        let (planted, check) = (self.planted, &self.small.failure.check);
        // All at once, and the first of them counts, whichever is done first.
        let found = (0..SEEDS).into_par_iter().find_map_first(|number| {
            let mut candidate = candidate.clone();
            set(&mut candidate, "run.seed", first.wrapping_add(number) & i64::MAX);
            match judge(&candidate, planted) {
                Verdict::Failed(failure) if failure.check == *check => Some((candidate, failure)),
                _ => None,
            }
        });
        let Some((file, failure)) = found else { return false };
        (self.small.file, self.small.failure) = (file, failure);
        true
    }

    fn with(&self, change: impl FnOnce(&mut Table)) -> Table {
        let mut candidate = self.small.file.clone();
        change(&mut candidate);
        candidate
    }

    fn faults(&self) -> Vec<Value> {
        get(&self.small.file, "fault").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    fn fewer_faults(&mut self) {
        let mut size = self.faults().len();
        while size > 0 {
            let mut at = 0;
            while at < self.faults().len() {
                let mut rest = self.faults();
                rest.drain(at..(at + size).min(rest.len()));
                if !self.keep(self.with(|file| put_faults(file, rest))) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    fn fewer_sections(&mut self) {
        let settings = get(&self.small.file, "cluster.protocol").and_then(Value::as_table);
        let settings: Vec<String> =
            settings.into_iter().flat_map(Table::keys).map(|key| format!("cluster.protocol.{key}")).collect();
        let _ = self.keep(self.with(|file| {
            remove(file, "cluster.protocol");
        }));
        for key in SECTIONS.iter().map(|key| (*key).to_owned()).chain(settings) {
            let _ = self.keep(self.with(|file| {
                remove(file, &key);
            }));
        }
    }

    fn fewer_nodes(&mut self) {
        let nodes = |file: &Table| get(file, "cluster.nodes").and_then(Value::as_integer).unwrap_or(1);
        for fewer in [1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 30, 50] {
            if fewer < nodes(&self.small.file) && self.keep(self.with(|file| cut_nodes(file, fewer))) {
                return;
            }
        }
    }

    /// Names fewer nodes and origins in each fault.
    fn fewer_in_lists(&mut self) {
        for at in 0..self.faults().len() {
            let mut lists = Vec::new();
            find_lists(&self.faults()[at], "", &mut lists);
            for key in lists {
                let Some(Value::Array(list)) = self.in_fault(at, &key) else { continue };
                for fewer in
                    [1, 2, list.len() / 2].into_iter().filter(|fewer| (1..list.len()).contains(fewer))
                {
                    let shorter = Value::Array(list[..fewer].to_vec());
                    if self.keep(self.with(|file| put_in_fault(file, at, &key, shorter))) {
                        break;
                    }
                }
            }
        }
    }

    fn in_fault(&self, at: usize, key: &str) -> Option<Value> {
        let faults = self.faults();
        let fault = faults.get(at)?.as_table()?;
        // Sides of a partition stand in a list of lists.
        match key.split_once("[0]") {
            Some((sides, _)) => get(fault, sides)?.as_array()?.first().cloned(),
            None => get(fault, key).cloned(),
        }
    }

    /// Ends the run earlier, and each fault.
    fn shorter(&mut self) {
        loop {
            let time_ms = restless_ms(&self.small.file);
            let shorter_ms = (time_ms / 2_000 * 1_000).max(1_000);
            if shorter_ms >= time_ms || !self.keep(self.with(|file| set_restless(file, shorter_ms))) {
                break;
            }
        }
        for at in 0..self.faults().len() {
            let mut lengths = vec!["at".to_owned()];
            if let Some(Value::Table(fault)) = self.faults().get(at) {
                lengths.extend(fault.keys().filter(|key| *key != "at").map(|kind| format!("{kind}.lasts")));
            }
            for key in lengths {
                let Some(time_ms) = self.in_fault(at, &key).as_ref().and_then(read_ms) else { continue };
                for fewer_ms in [1_000, 2_000, 5_000, 10_000] {
                    let shorter = Value::from(ms(fewer_ms));
                    if fewer_ms < time_ms
                        && self.keep(self.with(|file| put_in_fault(file, at, &key, shorter)))
                    {
                        break;
                    }
                }
            }
        }
    }

    fn fewer_things(&mut self) {
        for key in ["cluster.origins", "cluster.keys"] {
            for fewer in [0, 1, 2, 5, 20] {
                let held = get(&self.small.file, key).and_then(Value::as_integer).unwrap_or(0);
                if fewer < held && self.keep(self.with(|file| set(file, key, fewer))) {
                    break;
                }
            }
        }
    }

    fn simpler(&mut self) {
        let _ = self.keep(self.with(|file| set(file, "network.latency", "10ms")));
    }
}

/// The time before the quiet time.
fn restless_ms(file: &Table) -> u64 {
    let time_ms = |key| get(file, key).and_then(read_ms).unwrap_or(0);
    time_ms("run.duration").saturating_sub(time_ms("measure.quiet"))
}

fn set_restless(file: &mut Table, restless_ms: u64) {
    let quiet_ms = get(file, "measure.quiet").and_then(read_ms).unwrap_or(0);
    set(file, "run.duration", ms(restless_ms + quiet_ms));
}

fn put_faults(file: &mut Table, faults: Vec<Value>) {
    if faults.is_empty() {
        file.remove("fault");
    } else {
        set(file, "fault", Value::Array(faults));
    }
}

fn put_in_fault(file: &mut Table, at: usize, key: &str, value: Value) {
    let Some(Value::Array(faults)) = file.get_mut("fault") else { return };
    let Some(Value::Table(fault)) = faults.get_mut(at) else { return };
    match key.split_once("[0]") {
        Some((sides, _)) => {
            if let Some(Value::Table(inner)) = fault.get_mut("partition")
                && let Some(Value::Array(sides)) = inner.get_mut(sides.trim_start_matches("partition."))
            {
                sides[0] = value;
            }
        }
        None => set(fault, key, value),
    }
}

/// The keys of all lists of numbers in a fault.
fn find_lists(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Table(table) => {
            for (name, inner) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                find_lists(inner, &key, found);
            }
        }
        Value::Array(list) if list.first().is_some_and(Value::is_integer) => found.push(key.to_owned()),
        Value::Array(list) if list.first().is_some_and(Value::is_array) => found.push(format!("{key}[0]")),
        _ => {}
    }
}

/// Takes the last nodes away, and what names none but them.
fn cut_nodes(file: &mut Table, nodes: i64) {
    set(file, "cluster.nodes", nodes);
    remove(file, "cluster.spare");
    remove(file, "cluster.zone");
    let Some(Value::Array(faults)) = file.remove("fault") else { return };
    let kept = faults.into_iter().filter_map(|fault| {
        let Value::Table(fault) = fault else { return None };
        let mut cut = Table::new();
        for (key, value) in fault {
            cut.insert(key.clone(), if key.starts_with("origin") { value } else { cut_lists(value, nodes)? });
        }
        Some(Value::Table(cut))
    });
    put_faults(file, kept.collect());
}

/// The value without nodes from `nodes` on; none where a list would name nobody.
fn cut_lists(value: Value, nodes: i64) -> Option<Value> {
    match value {
        Value::Table(table) => {
            let cut = table.into_iter().map(|(key, inner)| Some((key, cut_lists(inner, nodes)?)));
            cut.collect::<Option<Table>>().map(Value::Table)
        }
        Value::Array(list) => {
            let is_kept = |value: &Value| value.as_integer().is_none_or(|node| node < nodes);
            let cut: Option<Vec<Value>> =
                list.into_iter().filter(is_kept).map(|inner| cut_lists(inner, nodes)).collect();
            cut.filter(|cut| !cut.is_empty()).map(Value::Array)
        }
        other => Some(other),
    }
}
