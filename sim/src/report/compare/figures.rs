//! The plots of a comparison, made from its tables alone.

use super::rows::{BIN_US, DENSITY_END_US, DensityRow, SystemRow, Tables, TimelineRow};
use crate::report::axis;
use crate::report::figure::{Axis, Band, Entry, FAINT, Figure, GREY, Line, Panel, Stroke};
use crate::scenario::compare::{Column, System};

/// More panels than these make no picture.
const PANELS_MAX: usize = 9;
const PANEL_HEIGHT: i32 = 210;
/// What lies below stands on the axis.
const SOONEST_S: f64 = 0.01;
/// A smaller share of missing deliveries stands on the axis.
const LEAST_MISSING: f64 = 0.000_01;

/// What a panel of the timeline shows, and where it stands in a row.
type Measure = (&'static str, fn(&TimelineRow) -> f64);

/// What the plots need to know beside the tables.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Frame {
    /// The head of each plot.
    pub title: String,
    /// The swept key, if there is one.
    pub sweep: Option<String>,
    /// From when to when something is wrong at the first point, in microseconds.
    pub faults: Vec<(u64, u64)>,
}

/// The names in a column, in the order of their first appearance.
fn names<'a, T>(rows: &'a [T], of: impl Fn(&'a T) -> &'a str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in rows.iter().map(of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// heck looks the same in every plot.
pub(super) fn stroke(number: usize, name: &str) -> Stroke {
    if name == System::Heck.word() { Stroke::fixed() } else { Stroke::of_curve(number) }
}

fn legend(systems: &[&str]) -> Vec<Entry> {
    let entry = |(number, system): (usize, &&str)| Entry::Line(stroke(number, system), (*system).to_owned());
    systems.iter().enumerate().map(entry).collect()
}

/// heck is drawn first, so that no curve that is the same disappears beneath it.
fn panel(x: Axis, y: Axis, mut lines: Vec<Line>) -> Panel {
    lines.sort_by_key(|line| line.stroke != Stroke::fixed());
    Panel { height: PANEL_HEIGHT, x, y, bands: Vec::new(), lines, dots: Vec::new() }
}

/// The share that has a message over the time since its publication, a panel for each point.
#[must_use]
pub fn curves(frame: &Frame, tables: &Tables) -> Option<Figure> {
    let systems = names(&tables.curve, |row| &row.system);
    let slowest = tables.curve.iter().map(|row| row.time_us).max()?;
    let points = names(&tables.curve, |row| &row.point);
    let high = (slowest as f64 / 1e6).max(10.0 * SOONEST_S);
    let panels = points.iter().take(PANELS_MAX).map(|point| {
        let lines = systems.iter().enumerate().map(|(number, system)| {
            let rows = tables.curve.iter().filter(|row| row.system == *system && row.point == *point);
            let points = rows.map(|row| {
                let time_s = (row.time_us as f64 / 1e6).max(SOONEST_S);
                (libm::log10(time_s), 100.0 * row.share_p50.0)
            });
            Line { points: points.collect(), stroke: stroke(number, system) }
        });
        let head = if point.is_empty() { String::new() } else { format!("{point}: ") };
        let x = axis::log(format!("{head}seconds since the publication"), SOONEST_S, high);
        panel(x, axis::percent("of all deliveries (%)"), lines.collect())
    });
    Some(Figure {
        title: frame.title.clone(),
        notes: vec!["The share of deliveries that took no longer; medians over runs".to_owned()],
        panels: panels.collect(),
        legend: legend(&systems),
    })
}

/// Deliveries, queues and memory by the clock of the run, where something goes wrong in it.
#[must_use]
pub fn timeline(frame: &Frame, tables: &Tables) -> Option<Figure> {
    if frame.faults.is_empty() || frame.sweep.is_some() {
        return None;
    }
    let systems = names(&tables.timeline, |row| &row.system);
    let end_s = tables.timeline.iter().map(|row| row.time_us).max()? as f64 / 1e6;
    let measures: [Measure; 3] = [
        ("longest queue (messages)", |row| row.queue.0),
        ("most memory of a node (kB)", |row| row.memory.0 / 1e3),
        ("bytes per node and second", |row| row.bytes_per_node_s.0),
    ];
    let lines = |of: &dyn Fn(&TimelineRow) -> f64| -> Vec<Line> {
        let line = |(number, system): (usize, &&str)| {
            let rows = tables.timeline.iter().filter(|row| row.system == **system);
            let points = rows.map(|row| (row.time_us as f64 / 1e6, of(row)));
            Line { points: points.collect(), stroke: stroke(number, system) }
        };
        systems.iter().enumerate().map(line).collect()
    };
    let x = || axis::linear_to("seconds since the start of the run", end_s, 10);
    let shade = |panel: Panel| {
        let band = |&(from_us, until_us): &(u64, u64)| {
            let (from, until) = (from_us as f64 / 1e6, (until_us as f64 / 1e6).min(end_s));
            let (low, high) = (panel.y.low, panel.y.high);
            let outline = vec![(from, low), (until, low), (until, high), (from, high)];
            Band { outline, colour: GREY, opacity: FAINT }
        };
        let bands = frame.faults.iter().map(band).collect();
        Panel { bands, ..panel }
    };
    let y = axis::log_percent("due and not delivered (%)", LEAST_MISSING, "0");
    let missing = lines(&|row| libm::log10((1.0 - row.delivered.0).clamp(LEAST_MISSING, 1.0)));
    let mut panels = vec![shade(panel(x(), y, missing))];
    for (title, of) in measures {
        let highest = tables.timeline.iter().map(of).fold(0.0, f64::max).max(10.0);
        let y = axis::log(title, 1.0, highest);
        let of_log = move |row: &TimelineRow| libm::log10(of(row).max(1.0));
        panels.push(shade(panel(x(), y, lines(&of_log))));
    }
    Some(Figure {
        title: frame.title.clone(),
        notes: vec!["Shaded while something is wrong; what is below 1 stands on the axis".to_owned()],
        panels,
        legend: legend(&systems),
    })
}

/// The density of delivery times, a panel for each zone.
#[must_use]
pub fn density(frame: &Frame, tables: &Tables) -> Option<Figure> {
    let first = tables.density.first()?;
    let of_point: Vec<&DensityRow> = tables.density.iter().filter(|row| row.point == first.point).collect();
    let systems = names(&tables.systems, |row| &row.system);
    let mut zones: Vec<&str> = Vec::new();
    for row in &of_point {
        if !zones.contains(&row.zone.as_str()) {
            zones.push(&row.zone);
        }
    }
    let panels = zones.iter().map(|zone| {
        let in_zone: Vec<&&DensityRow> = of_point.iter().filter(|row| row.zone == *zone).collect();
        let highest = in_zone.iter().map(|row| row.share.0).fold(0.0, f64::max);
        let lines = systems.iter().enumerate().map(|(number, system)| {
            let share = |bin: u64| {
                let row =
                    in_zone.iter().find(|row| row.system == *system && row.from_ms == bin * BIN_US / 1_000);
                row.map_or(0.0, |row| row.share.0)
            };
            let middle_ms = |bin: u64| (bin as f64 + 0.5) * BIN_US as f64 / 1e3;
            let points = (0..DENSITY_END_US / BIN_US).map(|bin| (middle_ms(bin), share(bin)));
            Line { points: points.collect(), stroke: stroke(number, system) }
        });
        let x = axis::linear_to(format!("{zone}: delivery time (ms)"), DENSITY_END_US as f64 / 1e3, 8);
        panel(x, axis::linear("share in 5 ms", highest, 4), lines.collect())
    });
    Some(Figure {
        title: frame.title.clone(),
        notes: vec![
            "Deliveries to the nodes of each zone, all runs together; what took longer is beyond the axis"
                .to_owned(),
        ],
        panels: panels.collect(),
        legend: legend(&systems),
    })
}

/// How systems grow with the cluster, where its size is swept.
#[must_use]
pub fn growth(frame: &Frame, tables: &Tables) -> Option<Figure> {
    if frame.sweep.as_deref() != Some("cluster.nodes") {
        return None;
    }
    let systems = names(&tables.systems, |row| &row.system);
    let sizes = || tables.systems.iter().map(|row| f64::from(row.nodes));
    let (least, most) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
    let measures = [
        (Column::BytesPerNodeS, "bytes per node and second", 10.0),
        (Column::BusiestBytesS, "of the busiest node", 10.0),
        (Column::AllS, "seconds until all have a message", 0.01),
        (Column::MemoryMax, "most memory of a node (bytes)", 100.0),
    ];
    let panels = measures.into_iter().filter_map(|(column, title, low)| {
        let value = |row: &SystemRow| row.value(column).filter(|value| value.is_finite() && *value > 0.0);
        let highest = tables.systems.iter().filter_map(value).fold(0.0, f64::max);
        let lines = systems.iter().enumerate().map(|(number, system)| {
            let rows = tables.systems.iter().filter(|row| row.system == *system);
            let points = rows.filter_map(|row| {
                let y = value(row)?.max(low);
                Some((libm::log10(f64::from(row.nodes)), libm::log10(y)))
            });
            Line { points: points.collect(), stroke: stroke(number, system) }
        });
        let x = axis::log("nodes", least, most);
        (highest > 0.0).then(|| panel(x, axis::log(title, low, highest.max(10.0 * low)), lines.collect()))
    });
    Some(Figure {
        title: frame.title.clone(),
        notes: vec!["Medians over runs; what never came about has no point".to_owned()],
        panels: panels.collect(),
        legend: legend(&systems),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heck_looks_the_same_in_every_place_and_like_no_other_system() {
        for number in 0..12 {
            assert_eq!(stroke(number, "heck"), stroke(0, "heck"));
            assert_ne!(stroke(number, "roshi"), stroke(0, "heck"));
        }
    }
}
