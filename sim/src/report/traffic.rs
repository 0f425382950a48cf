//! The traffic plot of a scenario that follows no update: what each point costs, by category.

use super::axis;
use super::convergence::{facts, one_seed, thousands};
use super::figure::{Axis, Band, Colour, Entry, Figure, Panel, Stroke, Tick};
use super::files::Results;
use super::rows::RunRow;
use crate::stats::Sample;

/// A category of traffic: its name and its column of `runs.csv`.
type Category = (&'static str, fn(&RunRow) -> f64);

/// In the order in which bars are stacked: what should not grow first.
const CATEGORIES: [Category; 6] = [
    ("requests for repair", |row| row.request_bytes_per_node_s.0),
    ("replies to them", |row| row.reply_bytes_per_node_s.0),
    ("new updates", |row| row.push_bytes_per_node_s.0),
    ("pings and acks", |row| row.probe_bytes_per_node_s.0),
    ("streams", |row| row.stream_bytes_per_node_s.0),
    ("heartbeats", |row| row.beat_bytes_per_node_s.0),
];

/// Height of a bar with the space around it, in pixels.
const ROW_HEIGHT: i32 = 44;
/// Half of a bar, in rows.
const HALF_BAR: f64 = 0.32;

/// One bar per point, its parts side by side.
#[must_use]
pub fn figure(results: &Results) -> Figure {
    let manifest = &results.manifest;
    let bars: Vec<[f64; CATEGORIES.len()]> =
        manifest.points.iter().map(|point| means(results, &point.label)).collect();
    let widest = bars.iter().map(|parts| parts.iter().sum()).fold(0.0, f64::max);
    let mut bands = Vec::new();
    for (row, parts) in bars.iter().enumerate() {
        let (low, high) = (row as f64 + 0.5 - HALF_BAR, row as f64 + 0.5 + HALF_BAR);
        let mut from = 0.0;
        for (category, bytes) in parts.iter().enumerate().filter(|(_, bytes)| **bytes > 0.0) {
            let to = from + bytes;
            let outline = vec![(from, low), (to, low), (to, high), (from, high)];
            bands.push(Band { outline, colour: colour(category), opacity: 1.0 });
            from = to;
        }
    }
    let label = |(row, point): (usize, &super::manifest::PointManifest)| {
        let all: f64 = bars[row].iter().sum();
        let name = if point.label.is_empty() { "all" } else { &point.label };
        Tick { at: row as f64 + 0.5, label: format!("{name}: {} B/s", thousands(all.round())) }
    };
    let rows = manifest.points.len();
    // The first point stands on top.
    let y = Axis {
        title: String::new(),
        low: rows as f64,
        high: 0.0,
        ticks: manifest.points.iter().enumerate().map(label).collect(),
    };
    let panel = Panel {
        height: ROW_HEIGHT * rows.max(1) as i32,
        x: axis::linear("sent per node and second (bytes)", widest * 1.02, 7),
        y,
        bands,
        lines: Vec::new(),
        dots: Vec::new(),
    };
    let over = if one_seed(results) {
        "One seed; heartbeats ride on the other packets"
    } else {
        "Mean over seeds; heartbeats ride on the other packets"
    };
    let shown = |category: usize| bars.iter().any(|parts| parts[category] > 0.0);
    let entry = |category: usize| Entry::Bar(colour(category), CATEGORIES[category].0.to_owned());
    Figure {
        title: manifest.title.clone(),
        notes: vec![facts(results), over.to_owned()],
        panels: vec![panel],
        legend: (0..CATEGORIES.len()).filter(|&category| shown(category)).map(entry).collect(),
    }
}

fn colour(category: usize) -> Colour {
    Stroke::of_curve(category).colour
}

fn means(results: &Results, point: &str) -> [f64; CATEGORIES.len()] {
    let rows: Vec<&RunRow> = results.tables.runs.iter().filter(|row| row.point == point).collect();
    CATEGORIES.map(
        |(_, bytes)| {
            if rows.is_empty() { 0.0 } else { Sample::new(rows.iter().map(|row| bytes(row))).mean() }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;
    use crate::report::files::TextFiles;

    #[test]
    fn every_point_has_a_bar_as_long_as_its_traffic_and_every_category_with_bytes_a_part() {
        let mut outcome = example::sweep(40, 3);
        for run in outcome.points.iter_mut().flat_map(|point| &mut point.runs) {
            run.updates.clear();
        }
        let results = TextFiles::of(&outcome).expect("text").parse().expect("results");
        let figure = figure(&results);
        let panel = &figure.panels[0];
        assert_eq!((panel.bands.len(), panel.y.ticks.len(), figure.legend.len()), (5 * 4, 5, 4));
        for (row, point) in outcome.points.iter().enumerate() {
            let node_seconds = 40.0 * 40.0;
            let sent = point.runs.iter().map(|run| run.traffic.bytes() as f64 / node_seconds);
            let mean = sent.sum::<f64>() / point.runs.len() as f64;
            let end = panel.bands[row * 4 + 3].outline[1].0;
            assert!((end - mean).abs() < 0.1, "{row}: {end} is not {mean}");
        }
    }
}
