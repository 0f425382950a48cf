//! The rows of a comparison's CSV files.

use serde::{Deserialize, Serialize};

use super::rounds::{self, RoundRow};
use super::store::SYSTEMS;
use crate::compare::outcome::{Comparison, Moment, PointComparison, SystemRun};
use crate::report::decimal::Decimal;
use crate::report::files::{FilesError, from_csv, to_csv};
use crate::report::tabulate::hex;
use crate::scenario::compare::{Column, System};
use crate::stats::Sample;

/// Width of a bin of the density of delivery times.
pub const BIN_US: u64 = 5_000;
/// Beyond this a delivery is late whatever the city; the density ends here.
pub const DENSITY_END_US: u64 = 400_000;

/// A row of `systems.csv`: one system at one point, medians over runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SystemRow {
    /// The point.
    pub point: String,
    /// The system.
    pub system: String,
    /// Nodes.
    pub nodes: u32,
    /// Runs.
    pub runs: u64,
    /// Runs in which some message never reached somebody.
    pub never: u64,
    /// See [`Column`].
    pub all_s: Option<Decimal<3>>,
    /// Lower end of the 95 % interval of that median.
    pub all_s_low: Option<Decimal<3>>,
    /// Upper end.
    pub all_s_high: Option<Decimal<3>>,
    /// See [`Column`].
    pub p50_s: Option<Decimal<3>>,
    /// See [`Column`].
    pub p95_s: Option<Decimal<3>>,
    /// See [`Column`].
    pub delivered: Option<Decimal<6>>,
    /// See [`Column`].
    pub refused: Option<Decimal<1>>,
    /// See [`Column`].
    pub wait_ms: Option<Decimal<3>>,
    /// See [`Column`].
    pub bytes_per_node_s: Decimal<1>,
    /// See [`Column`].
    pub busiest_bytes_s: Decimal<1>,
    /// See [`Column`].
    pub datagram_max: Decimal<1>,
    /// See [`Column`].
    pub queue_max: Decimal<1>,
    /// See [`Column`].
    pub memory_max: Decimal<1>,
    /// See [`Column`].
    pub diverged: Option<Decimal<1>>,
    /// See [`Column`].
    pub overruled: Option<Decimal<1>>,
    /// See [`Column`].
    pub probes_per_interval: Option<Decimal<3>>,
    /// See [`Column`].
    pub known_s: Option<Decimal<3>>,
    /// Runs in which somebody never knew of an origin that went down.
    pub known_never: u64,
    /// See [`Column`].
    pub graph_cut: Option<u32>,
    /// See [`Column`].
    pub graph_parts: Option<u32>,
}

/// A row of `runs.csv`: one run of one system.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunRow {
    /// The point.
    pub point: String,
    /// The system.
    pub system: String,
    /// The seed.
    pub seed: u64,
    /// Hash of all that happened.
    pub trace_hash: String,
    /// Events.
    pub events: u64,
    /// Mean seconds until all had a message.
    pub all_s: Option<Decimal<3>>,
    /// The share of deliveries that happened.
    pub delivered: Option<Decimal<6>>,
    /// Bytes per node and second.
    pub bytes_per_node_s: Decimal<1>,
    /// The longest queue.
    pub queue_max: u64,
    /// The most that a node held.
    pub memory_max: u64,
}

/// A row of `curve.csv`: the share of deliveries that took no longer, over runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CurveRow {
    /// The point.
    pub point: String,
    /// The system.
    pub system: String,
    /// Since the publication.
    pub time_us: u64,
    /// Median over runs.
    pub share_p50: Decimal<6>,
    /// 5 % over runs.
    pub share_p05: Decimal<6>,
    /// 95 % over runs.
    pub share_p95: Decimal<6>,
}

/// A row of `timeline.csv`: a moment of a system, medians over runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TimelineRow {
    /// The point.
    pub point: String,
    /// The system.
    pub system: String,
    /// Since the start of the run.
    pub time_us: u64,
    /// The share of the deliveries that are due which have happened.
    pub delivered: Decimal<6>,
    /// The longest queue.
    pub queue: Decimal<1>,
    /// The most that a node holds.
    pub memory: Decimal<1>,
    /// Bytes per node and second since the look before.
    pub bytes_per_node_s: Decimal<1>,
}

/// A row of `zones.csv`: deliveries to the nodes of one zone, all runs together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ZoneRow {
    /// The point.
    pub point: String,
    /// The system.
    pub system: String,
    /// The zone.
    pub zone: String,
    /// Median of what arrived.
    pub p50_ms: Decimal<3>,
    /// 95th percentile of what arrived.
    pub p95_ms: Decimal<3>,
    /// Deliveries that took 400 ms or longer; the density leaves them out.
    pub late: u64,
}

/// A row of `density.csv`: the share of a zone's deliveries in a bin of 5 ms.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DensityRow {
    /// The point.
    pub point: String,
    /// The system.
    pub system: String,
    /// The zone.
    pub zone: String,
    /// Where the bin begins.
    pub from_ms: u64,
    /// The share of deliveries in it.
    pub share: Decimal<6>,
}

/// A row of `cuts.csv`: an arrow or a node of a smallest cut of the graph of responsibility.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CutRow {
    /// The point.
    pub point: String,
    /// Of which cut it is part: [`ARROWS`] or [`NODES`].
    pub cut: String,
    /// The node that is responsible, or the node.
    pub from: u32,
    /// For whom it is responsible; none for a node.
    pub to: Option<u32>,
    /// Without the whole cut, from this node
    pub source: u32,
    /// nothing gets to that one.
    pub target: u32,
}

/// A cut of arrows.
pub const ARROWS: &str = "arrows";
/// A cut of nodes.
pub const NODES: &str = "nodes";

/// All rows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tables {
    /// `systems.csv`.
    pub systems: Vec<SystemRow>,
    /// `runs.csv`.
    pub runs: Vec<RunRow>,
    /// `curve.csv`.
    pub curve: Vec<CurveRow>,
    /// `timeline.csv`; none where something is swept.
    pub timeline: Vec<TimelineRow>,
    /// `zones.csv`; none where there is one zone, or something is swept.
    pub zones: Vec<ZoneRow>,
    /// `density.csv`; the same.
    pub density: Vec<DensityRow>,
    /// `rounds.csv`; none where no theory is asked for.
    pub rounds: Vec<RoundRow>,
    /// `cuts.csv`; none where there is no graph of responsibility, or it is too large.
    pub cuts: Vec<CutRow>,
}

impl SystemRow {
    /// The value of a column.
    #[must_use]
    pub fn value(&self, column: Column) -> Option<f64> {
        match column {
            Column::AllS => self.all_s.map(|value| value.0),
            Column::P50S => self.p50_s.map(|value| value.0),
            Column::P95S => self.p95_s.map(|value| value.0),
            Column::Delivered => self.delivered.map(|value| value.0),
            Column::Refused => self.refused.map(|value| value.0),
            Column::WaitMs => self.wait_ms.map(|value| value.0),
            Column::BytesPerNodeS => Some(self.bytes_per_node_s.0),
            Column::BusiestBytesS => Some(self.busiest_bytes_s.0),
            Column::DatagramMax => Some(self.datagram_max.0),
            Column::QueueMax => Some(self.queue_max.0),
            Column::MemoryMax => Some(self.memory_max.0),
            Column::Diverged => self.diverged.map(|value| value.0),
            Column::Overruled => self.overruled.map(|value| value.0),
            Column::ProbesPerInterval => self.probes_per_interval.map(|value| value.0),
            Column::KnownS => self.known_s.map(|value| value.0),
            Column::GraphCut => self.graph_cut.map(f64::from),
            Column::GraphParts => self.graph_parts.map(f64::from),
        }
    }
}

impl Tables {
    /// The rows of a comparison: points, then systems, in the order of the scenario.
    ///
    /// # Errors
    /// When a table cannot be written, which a well-formed comparison never causes.
    pub fn of(comparison: &Comparison) -> Result<Self, FilesError> {
        let mut tables = Self::default();
        let is_one = comparison.points.len() == 1;
        for point in &comparison.points {
            let times = moments(point);
            tables.rounds.extend(rounds::rows(point));
            tables.cuts.extend(cuts(point));
            for (system, runs) in &point.systems {
                let name = system.word();
                tables.systems.push(system_row(point, name, runs));
                tables.runs.extend(runs.iter().map(|run| run_row(point, name, run)));
                tables.curve.extend(curve(point, name, runs, &times));
                if is_one {
                    tables.timeline.extend(timeline(point, name, runs));
                }
                if is_one && point.zones.len() > 1 {
                    zones(point, name, runs, &mut tables);
                }
            }
        }
        // Tables and pages show what the files hold, rounded once.
        tables.systems = from_csv(SYSTEMS, &to_csv(SYSTEMS, &tables.systems)?)?;
        Ok(tables)
    }
}

pub(super) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// The mean over messages; never, if one of them never got there; none, if there was none.
fn mean_s(times: &[Option<u64>]) -> Option<f64> {
    let sum = times.iter().map(|time| time.map_or(f64::INFINITY, seconds)).sum::<f64>();
    (!times.is_empty()).then(|| sum / times.len() as f64)
}

/// The nearest rank among deliveries, those that never happened included.
fn quantile_us(took_us: &[u64], missing: u64, per_cent: u64) -> Option<f64> {
    let all = took_us.len() as u64 + missing;
    let rank = (all * per_cent).div_ceil(100).checked_sub(1)?;
    Some(took_us.get(rank as usize).map_or(f64::INFINITY, |&us| us as f64))
}

pub(super) fn took_us(run: &SystemRun) -> Vec<u64> {
    let mut took: Vec<u64> = run.took_us.iter().map(|(_, us)| *us).collect();
    took.sort_unstable();
    took
}

fn delivered(run: &SystemRun) -> Option<f64> {
    let all = run.took_us.len() as u64 + run.missing;
    (all > 0).then(|| run.took_us.len() as f64 / all as f64)
}

fn greatest(run: &SystemRun, of: impl Fn(&Moment) -> u64) -> u64 {
    run.moments.iter().map(of).max().unwrap_or_default()
}

fn system_row(point: &PointComparison, system: &str, runs: &[SystemRun]) -> SystemRow {
    let sample = |value: &dyn Fn(&SystemRun) -> Option<f64>| {
        let values: Option<Vec<f64>> = runs.iter().map(value).collect();
        values.filter(|values| !values.is_empty()).map(Sample::new)
    };
    let median = |value: &dyn Fn(&SystemRun) -> Option<f64>| sample(value).map(|sample| sample.median());
    let number = |value: &dyn Fn(&SystemRun) -> f64| Decimal(median(&|run| Some(value(run))).unwrap_or(0.0));
    let per_s = |bytes: u64, run: &SystemRun| bytes as f64 / seconds(run.measured_us.max(1));
    let all = sample(&|run| mean_s(&run.all_us));
    let interval = all.as_ref().map(|sample| sample.quantile_interval(0.5));
    let quantile = |per_cent| {
        let of = move |run: &SystemRun| quantile_us(&took_us(run), run.missing, per_cent).map(|us| us / 1e6);
        median(&of).map(Decimal)
    };
    let has_messages = runs.iter().any(|run| !run.all_us.is_empty());
    let probes = |run: &SystemRun| {
        let (origins, interval_us) = point.checks?;
        let intervals = run.measured_us as f64 / interval_us as f64;
        Some(run.probes as f64 / f64::from(origins) / intervals)
    };
    let graph = point.graph.as_ref().filter(|_| system == System::ResponsibilityGraph.word());
    SystemRow {
        point: point.label.clone(),
        system: system.to_owned(),
        nodes: point.nodes,
        runs: runs.len() as u64,
        never: runs.iter().filter(|run| run.missing > 0).count() as u64,
        all_s: all.map(|sample| Decimal(sample.median())),
        all_s_low: interval.map(|interval| Decimal(interval.low)),
        all_s_high: interval.map(|interval| Decimal(interval.high)),
        p50_s: quantile(50),
        p95_s: quantile(95),
        delivered: median(&delivered).map(Decimal),
        refused: has_messages.then(|| number(&|run| run.refused as f64)),
        wait_ms: median(&|run| run.wait_us.filter(|_| has_messages).map(|us| us as f64 / 1e3)).map(Decimal),
        bytes_per_node_s: number(&|run| per_s(run.sent_bytes, run) / f64::from(point.nodes)),
        busiest_bytes_s: number(&|run| per_s(run.busiest_bytes, run)),
        datagram_max: number(&|run| f64::from(run.datagram_max)),
        queue_max: number(&|run| greatest(run, |moment| moment.queue) as f64),
        memory_max: number(&|run| greatest(run, |moment| moment.memory_bytes) as f64),
        diverged: median(&|run| run.diverged.map(|keys| keys as f64)).map(Decimal),
        overruled: median(&|run| run.overruled.map(|keys| keys as f64)).map(Decimal),
        probes_per_interval: median(&probes).map(Decimal),
        known_s: median(&|run| mean_s(&run.known_us)).map(Decimal),
        known_never: runs.iter().filter(|run| run.known_us.contains(&None)).count() as u64,
        graph_cut: graph.and_then(|graph| graph.arrows.as_ref()).map(|cut| cut.without.len() as u32),
        graph_parts: graph.and_then(|graph| graph.parts).map(|parts| parts as u32),
    }
}

fn cuts(point: &PointComparison) -> Vec<CutRow> {
    let Some(graph) = &point.graph else { return Vec::new() };
    let mut rows = Vec::new();
    let mut add = |cut: &str, (from, to), (source, target)| {
        let (point, cut) = (point.label.clone(), cut.to_owned());
        rows.push(CutRow { point, cut, from, to, source, target });
    };
    if let Some(cut) = &graph.arrows {
        cut.without.iter().for_each(|&(from, to)| add(ARROWS, (from, Some(to)), (cut.from, cut.to)));
    }
    if let Some(cut) = &graph.nodes {
        cut.without.iter().for_each(|&node| add(NODES, (node, None), (cut.from, cut.to)));
    }
    rows
}

fn run_row(point: &PointComparison, system: &str, run: &SystemRun) -> RunRow {
    let per_node = run.sent_bytes as f64 / f64::from(point.nodes);
    RunRow {
        point: point.label.clone(),
        system: system.to_owned(),
        seed: run.seed,
        trace_hash: hex(run.trace_hash),
        events: run.events,
        all_s: mean_s(&run.all_us).map(Decimal),
        delivered: delivered(run).map(Decimal),
        bytes_per_node_s: Decimal(per_node / seconds(run.measured_us.max(1))),
        queue_max: greatest(run, |moment| moment.queue),
        memory_max: greatest(run, |moment| moment.memory_bytes),
    }
}

/// The moments of all curves of a point: at first 2 ms apart, later a sixteenth of the time that has passed, up to the
/// slowest delivery of all.
fn moments(point: &PointComparison) -> Vec<u64> {
    let runs = point.systems.iter().flat_map(|(_, runs)| runs);
    let slowest = runs.flat_map(|run| run.took_us.iter().map(|(_, us)| *us)).max().unwrap_or_default();
    let mut times = vec![0];
    while let Some(&last) = times.last().filter(|last| **last < slowest) {
        times.push((last + (last / 16).max(2_000)).min(slowest));
    }
    times
}

fn curve(point: &PointComparison, system: &str, runs: &[SystemRun], times: &[u64]) -> Vec<CurveRow> {
    let took: Vec<(Vec<u64>, u64)> = runs.iter().map(|run| (took_us(run), run.missing)).collect();
    if took.iter().all(|(took, missing)| took.is_empty() && *missing == 0) {
        return Vec::new();
    }
    let rows = times.iter().map(|&time_us| {
        let shares = Sample::new(took.iter().map(|(took, missing)| {
            let by_then = took.partition_point(|&us| us <= time_us);
            by_then as f64 / (took.len() as f64 + *missing as f64).max(1.0)
        }));
        CurveRow {
            point: point.label.clone(),
            system: system.to_owned(),
            time_us,
            share_p50: Decimal(shares.median()),
            share_p05: Decimal(shares.quantile(0.05)),
            share_p95: Decimal(shares.quantile(0.95)),
        }
    });
    rows.collect()
}

fn timeline(point: &PointComparison, system: &str, runs: &[SystemRun]) -> Vec<TimelineRow> {
    let length = runs.iter().map(|run| run.moments.len()).min().unwrap_or_default();
    let rows = (0..length).map(|number| {
        let median = |of: &dyn Fn(&SystemRun) -> f64| Sample::new(runs.iter().map(of)).median();
        let at = |run: &SystemRun| run.moments[number];
        let before =
            |run: &SystemRun| number.checked_sub(1).map_or(Moment::default(), |before| run.moments[before]);
        let rate = |run: &SystemRun| {
            let took = seconds(at(run).at_us - before(run).at_us).max(1e-6);
            (at(run).sent_bytes - before(run).sent_bytes) as f64 / f64::from(point.nodes) / took
        };
        TimelineRow {
            point: point.label.clone(),
            system: system.to_owned(),
            time_us: runs.first().map_or(0, |run| at(run).at_us),
            delivered: Decimal(median(&|run| at(run).delivered as f64 / (at(run).due.max(1)) as f64)),
            queue: Decimal(median(&|run| at(run).queue as f64)),
            memory: Decimal(median(&|run| at(run).memory_bytes as f64)),
            bytes_per_node_s: Decimal(median(&rate)),
        }
    });
    rows.collect()
}

fn zones(point: &PointComparison, system: &str, runs: &[SystemRun], tables: &mut Tables) {
    for (number, zone) in (0..).zip(&point.zones) {
        let of_zone = |run: &SystemRun| {
            let of: Vec<u64> =
                run.took_us.iter().filter(|(zone, _)| *zone == number).map(|(_, us)| *us).collect();
            of
        };
        let mut took: Vec<u64> = runs.iter().flat_map(of_zone).collect();
        took.sort_unstable();
        let quantile = |per_cent| Decimal(quantile_us(&took, 0, per_cent).unwrap_or(f64::INFINITY) / 1e3);
        let (point, system, zone) = (point.label.clone(), system.to_owned(), zone.clone());
        let in_time = took.partition_point(|&us| us < DENSITY_END_US);
        for bin in 0..DENSITY_END_US / BIN_US {
            let below = |us: u64| took.partition_point(|&took| took < us);
            let count = below((bin + 1) * BIN_US) - below(bin * BIN_US);
            if count > 0 {
                let (point, system, zone) = (point.clone(), system.clone(), zone.clone());
                let share = Decimal(count as f64 / took.len() as f64);
                tables.density.push(DensityRow { point, system, zone, from_ms: bin * BIN_US / 1_000, share });
            }
        }
        let (p50_ms, p95_ms) = (quantile(50), quantile(95));
        let late = (took.len() - in_time) as u64;
        tables.zones.push(ZoneRow { point, system, zone, p50_ms, p95_ms, late });
    }
}
