//! What the keys of a scenario must fulfil together.

mod compare;
mod fault;

use std::collections::BTreeSet;

use heck_core::config::ConfigError;
use heck_core::time::Span;

use super::Scenario;
use super::expect::{check_bar, limit_names, magnitude};
use super::fault::Fault;
use super::network::Latency;
use super::node_set::{NODE_SET, NodeSet, Share};
use super::problem::Problems;
use super::read::did_you_mean;
use super::tree::{Item, Node};
use super::value::Literal;
use super::workload::Kind;
use crate::units::{EventRate, Fraction, show_span};

/// Notes everything that is wrong with keys that are right each for itself.
pub(super) fn validate(scenario: &Scenario, root: &Node, problems: &mut Problems) {
    let mut check = Check { scenario, root, problems };
    check.zones();
    check.groups();
    check.protocol();
    check.checks();
    for (key, set, is_later_side) in node_sets(scenario) {
        check.node_set(&key, set, is_later_side);
    }
    for (index, follow) in scenario.workload.follow.0.iter().enumerate() {
        let key = check.follow_key(index);
        check.node_set(&format!("{key}.from"), &follow.from, false);
        if let Some(to) = &follow.to {
            check.node_set(&format!("{key}.to"), to, false);
        }
    }
    check.network();
    check.times();
    for (index, fault) in scenario.fault.iter().enumerate() {
        check.fault(index, fault);
    }
    check.workload();
    check.compare();
    check.expect();
    check.sweep();
    if check.problems.is_empty() {
        check.sides();
    }
}

/// Notes what has a meaning only beside a sweep, in a file that has none.
pub(super) fn unswept(scenario: &Scenario, root: &Node, problems: &mut Problems) {
    Check { scenario, root, problems }.compared_unswept();
}

struct Check<'a> {
    scenario: &'a Scenario,
    root: &'a Node,
    problems: &'a mut Problems,
}

impl Check<'_> {
    /// Notes that the value at the dotted path `key` is wrong.
    fn wrong(&mut self, key: &str, what: &str, allowed: impl Into<String>) {
        let parts: Vec<_> = key.split('.').collect();
        match parts.iter().try_fold(self.root, |node, part| node.get(part)) {
            Some(node) => self.problems.value(node, key, what, allowed),
            None => self.problems.at(self.root.place_of(&parts), key, what, allowed),
        }
    }

    fn unknown(&mut self, key: &str, name: &str, what: &str, names: &[&str]) {
        let what = format!("names no {what}{}", did_you_mean(name, names));
        let allowed = if names.is_empty() { "none is defined".to_owned() } else { names.join(", ") };
        self.wrong(key, &what, allowed);
    }

    fn zones(&mut self) {
        let cluster = &self.scenario.cluster;
        let mut names = BTreeSet::new();
        for (index, zone) in cluster.zone.iter().enumerate() {
            if zone.name == "*" || !names.insert(zone.name.as_str()) {
                let key = format!("cluster.zone.{index}.name");
                self.wrong(&key, "is taken", "a name that no other zone has, and not *");
            }
        }
        if cluster.spare >= cluster.nodes {
            let allowed = format!("at most {}, so that one node is there", cluster.nodes - 1);
            self.wrong("cluster.spare", "leaves nobody", allowed);
        }
        for (index, (zone, placed)) in cluster.zone.iter().zip(cluster.zones()).enumerate() {
            let asked = zone.nodes.of(cluster.nodes);
            let given = placed.nodes.end.saturating_sub(placed.nodes.start);
            // Rounding up gives each earlier zone at most one node too many, at the cost of the last.
            let slack = if matches!(zone.nodes, Share::Part(_)) { cluster.zone.len() as u32 } else { 0 };
            let exact = matches!(zone.nodes, Share::Count(count) if count != given);
            if given == 0 || exact || asked.abs_diff(given) > slack {
                let what = format!("leaves this zone {given} of {} nodes", cluster.nodes);
                let key = format!("cluster.zone.{index}.nodes");
                self.wrong(&key, &what, "shares that add up to cluster.nodes, none of them empty");
            }
        }
    }

    fn groups(&mut self) {
        let mut names = BTreeSet::new();
        for (index, group) in self.scenario.cluster.group.iter().enumerate() {
            if !names.insert(group.name.as_str()) {
                self.wrong(
                    &format!("cluster.group.{index}.name"),
                    "is taken",
                    "a name that no other group has",
                );
            }
            if matches!(group.nodes, NodeSet::Group(_)) {
                let key = format!("cluster.group.{index}.nodes");
                self.wrong(&key, "makes a group out of a group", NODE_SET);
            }
        }
    }

    fn protocol(&mut self) {
        if let Err(ConfigError { key, value, min, max }) = self.scenario.cluster.protocol.config() {
            let place = self.root.place_of(&["cluster", "protocol", key]);
            let what = format!("is {value}, which the core refuses beside the other settings");
            self.problems.at(place, &format!("cluster.protocol.{key}"), what, format!("{min} to {max}"));
        }
    }

    fn node_set(&mut self, key: &str, set: &NodeSet, is_later_side: bool) {
        let nodes = self.scenario.cluster.nodes;
        match set {
            NodeSet::All => {}
            NodeSet::Rest if is_later_side => {}
            NodeSet::Rest => {
                self.wrong(key, "has no meaning here", "\"rest\" only as a later side of a partition");
            }
            NodeSet::Random(share) => self.share(key, *share, nodes),
            NodeSet::Indices(indices) => {
                let out = indices.iter().position(|&index| index >= nodes);
                if let Some(position) = out {
                    let allowed = format!("an index from 0 to {}", nodes - 1);
                    self.wrong(&format!("{key}.{position}"), "is beyond the last node", allowed);
                }
                if indices.is_empty() {
                    self.wrong(key, "names no nodes", NODE_SET);
                }
            }
            NodeSet::Range(range) if range.end > nodes => {
                self.wrong(key, "goes beyond the last node", format!("a range within 0..{nodes}"));
            }
            NodeSet::Range(_) => {}
            NodeSet::Zone(zone) => {
                self.zone(&format!("{key}.zone"), zone);
            }
            NodeSet::RandomOfZone(zone, share) => {
                if let Some(nodes) = self.zone(&format!("{key}.zone"), zone) {
                    self.share(&format!("{key}.random"), *share, nodes);
                }
            }
            NodeSet::Group(group) => {
                let names: Vec<_> =
                    self.scenario.cluster.group.iter().map(|group| group.name.as_str()).collect();
                if !names.contains(&group.as_str()) {
                    self.unknown(&format!("{key}.group"), group, "group", &names);
                }
            }
        }
    }

    fn share(&mut self, key: &str, share: Share, nodes: u32) {
        match share {
            Share::Count(count) if count == 0 || count > nodes => {
                self.wrong(key, "is no possible number of nodes", format!("1 to {nodes}"));
            }
            Share::Part(Fraction::ZERO) => self.wrong(key, "is nobody", "more than 0%"),
            _ => {}
        }
    }

    /// The number of nodes of the zone called `name`, or a note that there is none.
    fn zone(&mut self, key: &str, name: &str) -> Option<u32> {
        let zones = self.scenario.cluster.zones();
        if let Some(zone) = zones.iter().find(|zone| zone.name == name) {
            return Some(zone.nodes.end.saturating_sub(zone.nodes.start));
        }
        let names: Vec<_> = zones.iter().map(|zone| zone.name).collect();
        self.unknown(key, name, "zone", &names);
        None
    }

    fn network(&mut self) {
        let network = &self.scenario.network;
        self.latency("network.latency", &network.latency);
        for (index, link) in network.link.iter().enumerate() {
            for (end, name) in [("from", &link.from), ("to", &link.to)] {
                if name != "*" {
                    self.zone(&format!("network.link.{index}.{end}"), name);
                }
            }
            if let Some(latency) = &link.latency {
                self.latency(&format!("network.link.{index}.latency"), latency);
            }
        }
    }

    fn latency(&mut self, key: &str, latency: &Latency) {
        match latency {
            Latency::Uniform(uniform) if uniform.min > uniform.max => {
                let allowed = format!("at least {}, its `min`", show_span(uniform.min));
                self.wrong(&format!("{key}.uniform.max"), "is less than `min`", allowed);
            }
            Latency::Normal(normal) if normal.min > normal.mean || normal.greatest() < normal.mean => {
                self.wrong(&format!("{key}.normal"), "is cut beside its mean", "`min` ≤ `mean` ≤ `max`");
            }
            Latency::Lognormal(shape)
                if shape.median <= shape.floor
                    || shape.p95 < shape.median
                    || shape.greatest() < shape.p95 =>
            {
                let allowed = "`floor` < `median` ≤ `p95` ≤ `max`";
                self.wrong(&format!("{key}.lognormal"), "is in disorder", allowed);
            }
            Latency::Quantiles(quantiles) if quantiles.is_empty() || !quantiles.is_sorted() => {
                let allowed = "one or more times, none less than the one before";
                self.wrong(&format!("{key}.quantiles"), "is not ascending", allowed);
            }
            _ => {}
        }
    }

    fn times(&mut self) {
        let Scenario { run, workload, measure, churn, .. } = self.scenario;
        let allowed = format!("less than run.duration, {}", show_span(run.duration));
        if workload.warmup >= run.duration {
            self.wrong("workload.warmup", "is longer than the run", allowed.clone());
        }
        if measure.quiet >= run.duration {
            self.wrong("measure.quiet", "is longer than the run", allowed.clone());
        }
        if let Some(churn) = churn {
            if churn.from >= run.duration {
                self.wrong("churn.from", "is after the end", allowed.clone());
            }
            if churn.until.is_some_and(|until| until <= churn.from || until > run.duration) {
                self.wrong("churn.until", "is not between churn.from and the end", allowed);
            }
        }
    }

    fn checks(&mut self) {
        let Some(checks) = &self.scenario.checks else { return };
        self.latency("checks.latency", &checks.latency);
        if let Err(ConfigError { key, value, min, max }) = checks.policy().validate() {
            let place = self.root.place_of(&["checks", key]);
            let what = format!("is {value}, which the core refuses beside the other settings");
            self.problems.at(place, &format!("checks.{key}"), what, format!("{min} to {max}"));
        }
    }

    fn workload(&mut self) {
        let Scenario { cluster, run, workload, measure, .. } = self.scenario;
        let background = &workload.background;
        let rates = [("health_flips", background.health_flips), ("origin_edits", background.origin_edits)];
        for (name, rate) in rates {
            if rate > EventRate::default() && cluster.origins == 0 {
                self.wrong(
                    &format!("workload.background.{name}"),
                    "has no origins to work on",
                    NEEDS_ORIGINS,
                );
            }
        }
        self.curves();
        let uses = [(Kind::HealthFlip, 1), (Kind::OriginRemoved, u32::MAX)];
        for (index, follow) in workload.follow.0.iter().enumerate() {
            let key = self.follow_key(index);
            for (kind, most) in uses {
                if follow.kinds.contains(&kind) && cluster.origins < follow.repeat.min(most) {
                    self.wrong(&format!("{key}.kinds"), "has no origins to work on", NEEDS_ORIGINS);
                }
            }
            let at = follow.at.unwrap_or(workload.warmup);
            let before = [
                follow.every.times(u64::from(follow.repeat) - 1),
                follow.apart.times(follow.kinds.len().saturating_sub(1) as u64),
            ];
            let last = before.iter().fold(at.as_us(), |last, span| last.saturating_add(span.as_us()));
            let end = run.duration.as_us().saturating_sub(measure.quiet.as_us());
            if at < workload.warmup {
                let allowed = format!("at least {}, the warm-up", show_span(workload.warmup));
                self.wrong(&format!("{key}.at"), "is within the warm-up", allowed);
            }
            if last >= end {
                let what = format!("lets the last updates happen at {}", show_span(Span(last)));
                let allowed = format!("before {}, where the quiet time begins", show_span(Span(end)));
                self.wrong(&format!("{key}.at"), &what, allowed);
            }
        }
    }

    /// Each curve has a name of its own.
    fn curves(&mut self) {
        let mut names = BTreeSet::new();
        let mut repeats: u32 = 0;
        for (index, follow) in self.scenario.workload.follow.0.iter().enumerate() {
            let key = self.follow_key(index);
            let unique: BTreeSet<_> = follow.kinds.iter().collect();
            if follow.kinds.is_empty() || unique.len() != follow.kinds.len() {
                let what = "is empty or names a kind twice";
                self.wrong(&format!("{key}.kinds"), what, "each kind at most once");
            }
            if unique.into_iter().any(|&kind| !names.insert(follow.curve(kind))) {
                let allowed = "a label that gives its curves names that no other table's have";
                self.wrong(&format!("{key}.label"), "names a curve that there is already", allowed);
            }
            repeats = repeats.saturating_add(follow.repeat);
            if index > 0 && repeats > MOST_REPEATS {
                let allowed = format!("at most {MOST_REPEATS} in all tables together");
                self.wrong(&format!("{key}.repeat"), "is too often", allowed);
            }
        }
    }

    /// Where a table of followed updates stands: one may be written without a list around it.
    fn follow_key(&self, index: usize) -> String {
        let written = self.root.get("workload").and_then(|workload| workload.get("follow"));
        let is_list = written.is_some_and(|node| matches!(node.item, Item::Array(_)));
        if is_list { format!("workload.follow.{index}") } else { "workload.follow".to_owned() }
    }

    fn expect(&mut self) {
        let table = self.scenario.resolved();
        let names = limit_names();
        for (index, missed) in self.scenario.missed.iter().enumerate() {
            let (aim_key, bar_key) = (format!("missed.{index}.aim"), format!("missed.{index}.bar"));
            if !names.contains(&missed.aim) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                self.unknown(&aim_key, &missed.aim, "limit", &names);
                continue;
            }
            let bar = self.root.get("missed").and_then(|list| list.get(&index.to_string())?.get("bar"));
            if !bar.is_some_and(|bar| check_bar(&missed.aim, bar, &bar_key, self.problems)) {
                continue;
            }
            let limit = missed
                .aim
                .split('.')
                .try_fold(table.get("expect"), |value, part| Some(value.and_then(|value| value.get(part))));
            let Some(limit) = limit.flatten() else { continue };
            let ordered =
                magnitude(&missed.aim, &Literal(limit.clone())).zip(magnitude(&missed.aim, &missed.bar));
            let is_max = missed.aim.ends_with("_max");
            if ordered.is_some_and(|(limit, bar)| if is_max { bar >= limit } else { bar <= limit }) {
                let allowed = format!("a bar that is stricter than the limit in [expect], {limit}");
                self.wrong(&bar_key, "is not missed", allowed);
            }
        }
        self.delivery_ratio();
        for name in LIMITS_OF_AGREEMENT {
            let is_there = table.get("expect").and_then(|expect| expect.get(name)).is_some();
            if is_there && self.scenario.run.real_runs.is_none() {
                let what = "is a limit of runs on real processes, of which there are none";
                self.wrong(&format!("expect.{name}"), what, "only a scenario with run.real_runs");
            }
        }
        for name in LIMITS_OF_CHECKS {
            let is_there = table.get("expect").and_then(|expect| expect.get(name)).is_some();
            if is_there && self.scenario.checks.is_none() {
                let what = "is a limit of checks, which nobody makes";
                self.wrong(&format!("expect.{name}"), what, "only a scenario with [checks]");
            }
        }
        let kinds: Vec<Kind> =
            self.scenario.workload.follow.0.iter().flat_map(|follow| follow.kinds.clone()).collect();
        for kind in Kind::ALL.iter().filter(|kind| !kinds.contains(kind)) {
            if table.get("expect").and_then(|expect| expect.get(kind.word())).is_some() {
                self.wrong(
                    &format!("expect.{}", kind.word()),
                    "is not followed",
                    "a kind of workload.follow.kinds",
                );
            }
        }
    }

    /// A ratio to "the" latency of the network needs one latency for all pairs of nodes.
    fn delivery_ratio(&mut self) {
        let Scenario { cluster, workload, expect, .. } = self.scenario;
        if cluster.zone.len() <= 1 {
            return;
        }
        let is_zone = |set: &NodeSet| matches!(set, NodeSet::Zone(_) | NodeSet::RandomOfZone(..));
        for (index, follow) in workload.follow.0.iter().enumerate() {
            if is_zone(&follow.from) && follow.to.as_ref().is_some_and(is_zone) {
                continue;
            }
            let own = follow.limits.as_ref().filter(|limits| limits.delivery_p95_ratio_max.is_some());
            let of_kind =
                follow.kinds.iter().find(|&&kind| expect.limits(kind).delivery_p95_ratio_max.is_some());
            let table = match (own, of_kind) {
                (Some(_), _) => format!("{}.limits", self.follow_key(index)),
                (None, Some(_)) if expect.every_kind.delivery_p95_ratio_max.is_some() => "expect".to_owned(),
                (None, Some(kind)) => format!("expect.{}", kind.word()),
                (None, None) => continue,
            };
            let key = format!("{table}.delivery_p95_ratio_max");
            let allowed = "a cluster of one zone, or updates that are followed from one zone to one";
            return self.wrong(&key, "has no one latency to compare with", allowed);
        }
    }

    fn sweep(&mut self) {
        let Some(sweep) = &self.scenario.sweep else { return };
        let by_key = sweep.key.is_some() && !sweep.values.is_empty() && sweep.point.is_empty();
        let by_point = sweep.key.is_none() && sweep.values.is_empty() && !sweep.point.is_empty();
        if !by_key && !by_point {
            let allowed = "either `key` and `values`, or one or more [[sweep.point]]";
            self.problems.at(self.root.place_of(&["sweep"]), "sweep", "has nothing to sweep", allowed);
        }
        let mut labels = BTreeSet::new();
        for (index, value) in sweep.values.iter().enumerate() {
            if !labels.insert(value.label()) {
                self.wrong(&format!("sweep.values.{index}"), "is there twice", "each value once");
            }
        }
        for (index, point) in sweep.point.iter().enumerate() {
            if !labels.insert(point.label.clone()) {
                self.wrong(&format!("sweep.point.{index}.label"), "is there twice", "each label once");
            }
            if !matches!(point.set.0, toml::Value::Table(_)) {
                self.wrong(&format!("sweep.point.{index}.set"), "is no table", "a table of dotted keys");
            }
        }
    }
}

/// Limits of what real processes do beside the simulator.
const LIMITS_OF_AGREEMENT: [&str; 2] = ["beyond_spread_max", "traffic_apart_max"];

/// Limits that mean nothing where nobody checks.
const LIMITS_OF_CHECKS: [&str; 18] = [
    "checks_per_interval_max",
    "checks_per_interval_min",
    "load_max",
    "unchecked_max",
    "checked_twice_max",
    "moved_max",
    "moved_mean_min",
    "change_known_p50_max",
    "change_known_p99_max",
    "change_known_max",
    "false_unhealthy_max",
    "claims_per_node_max",
    "late_claims_min",
    "late_claims_max",
    "stale_share_max",
    "age_p50_max",
    "age_p99_max",
    "age_max",
];
const NEEDS_ORIGINS: &str = "cluster.origins above 0, and at least as many as are removed";
/// Beyond these the names of followed messages would run into those of background ones.
const MOST_REPEATS: u32 = 1_000;

/// Every choice of nodes in the scenario, its key, and whether it is a side of a partition after the first.
fn node_sets(scenario: &Scenario) -> Vec<(String, &NodeSet, bool)> {
    let mut sets = Vec::new();
    for (index, group) in scenario.cluster.group.iter().enumerate() {
        sets.push((format!("cluster.group.{index}.nodes"), &group.nodes, false));
    }
    for (index, fault) in scenario.fault.iter().enumerate() {
        let mut add = |kind: &str, set| sets.push((format!("fault.{index}.{kind}"), set, false));
        let Fault {
            crash,
            restart,
            pause,
            resume,
            loss,
            cut_streams,
            slow_disk,
            clock_drift,
            starve,
            join,
            leave,
            ..
        } = fault;
        fault.origin_down.iter().for_each(|down| add("origin_down.from", &down.from));
        fault.origin_black_hole.iter().for_each(|hole| add("origin_black_hole.from", &hole.from));
        fault.probe_queue.iter().for_each(|queue| add("probe_queue.nodes", &queue.nodes));
        fault.weigh.iter().for_each(|weigh| add("weigh.nodes", &weigh.nodes));
        crash.iter().for_each(|crash| add("crash.nodes", &crash.nodes));
        restart.iter().for_each(|restart| add("restart.nodes", &restart.nodes));
        pause.iter().for_each(|pause| add("pause.nodes", &pause.nodes));
        resume.iter().for_each(|resume| add("resume.nodes", &resume.nodes));
        cut_streams.iter().for_each(|cut| add("cut_streams.nodes", &cut.nodes));
        slow_disk.iter().for_each(|slow| add("slow_disk.nodes", &slow.nodes));
        clock_drift.iter().for_each(|drift| add("clock_drift.nodes", &drift.nodes));
        starve.iter().for_each(|starve| add("starve.nodes", &starve.nodes));
        join.iter().for_each(|join| add("join.nodes", &join.nodes));
        join.iter().for_each(|join| add("join.through", &join.through));
        leave.iter().for_each(|leave| add("leave.nodes", &leave.nodes));
        if let Some(loss) = loss {
            add("loss.from", &loss.from);
            add("loss.to", &loss.to);
        }
        for (side, set) in fault.partition.iter().flat_map(|partition| partition.sides.iter().enumerate()) {
            sets.push((format!("fault.{index}.partition.sides.{side}"), set, side > 0));
        }
    }
    sets.extend(scenario.churn.iter().map(|churn| ("churn.nodes".to_owned(), &churn.nodes, false)));
    sets
}
