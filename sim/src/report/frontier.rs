//! The frontier plot of a sweep: how long everyone waits against what it costs.

use super::axis;
use super::convergence::{everyone, question, slowest_kind};
use super::figure::{Dot, Figure, GREY, Panel, Stroke};
use super::files::Results;
use super::manifest::PointManifest;
use super::rows::{RunRow, SummaryRow};
use crate::stats::Sample;

/// One labelled dot per point; `None` when there is only one point.
#[must_use]
pub fn figure(results: &Results) -> Option<Figure> {
    let manifest = &results.manifest;
    if manifest.points.len() < 2 {
        return None;
    }
    let kind = slowest_kind(results);
    let dots = manifest.points.iter().enumerate();
    let dots: Vec<Dot> = dots.filter_map(|(index, point)| dot(results, index, point, kind)).collect();
    let widest = dots.iter().map(|dot| dot.at.0).fold(0.0, f64::max);
    let finite = dots.iter().map(|dot| dot.spread.1).filter(|rounds| rounds.is_finite());
    let slowest = finite.fold(0.0, f64::max);
    let beyond = dots.iter().any(|dot| dot.beyond);
    let parameter = manifest.sweep.as_deref().unwrap_or("point");
    let mut notes: Vec<String> = question(results).into_iter().collect();
    notes.push(format!(
        "One dot per {parameter}: mean over seeds, with a bar from the 5th to the 95th percentile; {kind}, the \
         slowest kind of update"
    ));
    if beyond {
        notes.push(
            "Hollow dots at the upper edge: some seeds never reached everyone, so there is no mean"
                .to_owned(),
        );
    }
    let panel = Panel {
        height: 430,
        x: axis::linear("sent per node and second (bytes)", widest * 1.12, 7),
        y: axis::linear("rounds until every node has it", slowest * 1.08, 7),
        bands: Vec::new(),
        lines: Vec::new(),
        dots,
    };
    let title = format!("{}: time against traffic", manifest.title);
    Some(Figure { title, notes, panels: vec![panel], legend: Vec::new() })
}

fn dot(results: &Results, index: usize, point: &PointManifest, kind: &str) -> Option<Dot> {
    let row: &SummaryRow = everyone(results, &point.label, kind)?;
    let bytes = bytes_per_node_s(results, &point.label);
    let beyond = row.mean_rounds.0.is_infinite();
    let label = if beyond {
        format!("{} (never: {} of {})", point.label, row.censored, row.n)
    } else {
        point.label.clone()
    };
    let colour = Stroke::of_curve(index).colour;
    let spread = (row.p05_rounds.0, row.p95_rounds.0);
    Some(Dot {
        at: (bytes, row.mean_rounds.0),
        spread,
        beyond,
        label,
        colour: if beyond { GREY } else { colour },
    })
}

/// Mean over seeds; the traffic of a run stands in each of its rows and counts once.
fn bytes_per_node_s(results: &Results, point: &str) -> f64 {
    let mut runs: Vec<&RunRow> = results.tables.runs.iter().filter(|row| row.point == point).collect();
    runs.dedup_by_key(|row| row.seed);
    Sample::new(runs.into_iter().map(|row| row.bytes_per_node_s.0)).mean()
}
