//! The plot of a scenario that two drivers have run: for each kind of update a panel with the curves of both.

use super::axis;
use super::convergence::{facts, question, rows_of};
use super::figure::{Axis, Band, Colour, Entry, FAINT, Figure, Line, Panel, Stroke};
use super::files::Results;
use super::rows::CurveRow;

/// Of more panels each is lower.
const FEW: usize = 2;
/// A curve is shown for a little longer than it needs, as a part of that.
const AFTER: f64 = 0.05;

/// The plot of both drivers.
#[must_use]
pub fn figure(results: &Results) -> Figure {
    let mut kinds: Vec<&str> = Vec::new();
    for row in &results.tables.agreement {
        kinds.push(&row.kind);
    }
    let height = if kinds.len() > FEW { 170 } else { 260 };
    Figure {
        title: results.manifest.title.clone(),
        notes: question(results).into_iter().chain([facts(results)]).collect(),
        panels: kinds.iter().map(|kind| panel(results, kind, height)).collect(),
        legend: legend(results),
    }
}

/// The rows of both drivers, with the stroke of each.
fn drivers<'a>(results: &'a Results, kind: &str) -> Vec<(Stroke, Vec<&'a CurveRow>)> {
    let points = results.manifest.points.iter().enumerate();
    points.map(|(index, point)| (Stroke::of_curve(index), rows_of(results, &point.label, kind))).collect()
}

fn panel(results: &Results, kind: &str, height: i32) -> Panel {
    let drivers = drivers(results, kind);
    let last_us = drivers.iter().map(|(_, rows)| end_us(rows)).max().unwrap_or_default().max(1);
    let high_us = (last_us as f64 * (1.0 + AFTER)).max(1.0);
    let (us_per_unit, x) = time_axis(kind, high_us);
    let mut panel = Panel {
        height,
        x,
        y: axis::percent("nodes that have it (%)"),
        bands: vec![],
        lines: vec![],
        dots: vec![],
    };
    for (stroke, rows) in drivers {
        let line = |share: &dyn Fn(&CurveRow) -> f64| {
            steps(&rows, high_us as u64, |time_us| time_us as f64 / us_per_unit, share)
        };
        let mut outline = line(&|row| row.share_p05.0);
        outline.extend(line(&|row| row.share_p95.0).into_iter().rev());
        panel.bands.push(Band { outline, colour: stroke.colour, opacity: FAINT });
        panel.lines.push(Line { points: line(&|row| row.share_p50.0), stroke });
    }
    panel
}

fn time_axis(kind: &str, high_us: f64) -> (f64, Axis) {
    let (us_per_unit, unit) = if high_us < 2e6 { (1e3, "milliseconds") } else { (1e6, "seconds") };
    (us_per_unit, axis::linear_to(format!("{kind}: {unit} since it happened"), high_us / us_per_unit, 10))
}

/// When the slowest part of the spread had everyone, or was last looked at.
fn end_us(rows: &[&CurveRow]) -> u64 {
    let least = rows.last().map_or(1.0, |row| row.share_p05.0);
    rows.iter().find(|row| row.share_p05.0 >= least).map_or(0, |row| row.time_us)
}

/// The points of a line, which goes on as it ends to the right edge.
fn steps(
    rows: &[&CurveRow],
    high_us: u64,
    place: impl Fn(u64) -> f64,
    share: &dyn Fn(&CurveRow) -> f64,
) -> Vec<(f64, f64)> {
    let shown = rows.iter().filter(|row| row.time_us <= high_us);
    let mut points: Vec<(f64, f64)> = shown.map(|row| (place(row.time_us), 100.0 * share(row))).collect();
    if let Some(&(_, last)) = points.last() {
        points.push((place(high_us), last));
    }
    points
}

fn legend(results: &Results) -> Vec<Entry> {
    let mut entries = vec![Entry::Head("Median over runs".to_owned())];
    for (index, point) in results.manifest.points.iter().enumerate() {
        let runs = if point.runs == 1 { "run" } else { "runs" };
        entries.push(Entry::Line(Stroke::of_curve(index), format!("{}, {} {runs}", point.label, point.runs)));
    }
    entries.push(Entry::Head("Spread".to_owned()));
    let colour: Colour = Stroke::of_curve(0).colour;
    entries.push(Entry::Band(colour, "5 % to 95 % of runs".to_owned()));
    entries.push(Entry::Head("Farthest apart".to_owned()));
    for row in &results.tables.agreement {
        entries.push(Entry::Remark(format!(
            "{}: {:.0} %; {:.2} s",
            row.kind,
            100.0 * row.distance.0,
            row.distance_s.0
        )));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;
    use crate::report::files::TextFiles;

    fn figure_of_five_kinds() -> Figure {
        let results = TextFiles::of(&example::both_drivers(20, 6)).expect("text").parse().expect("results");
        figure(&results)
    }

    #[test]
    fn each_kind_has_a_panel_with_median_and_band_of_both_drivers() {
        let figure = figure_of_five_kinds();
        assert_eq!(figure.panels.len(), 5);
        for panel in &figure.panels {
            assert_eq!((panel.lines.len(), panel.bands.len()), (2, 2));
            assert!(panel.lines[0].stroke != panel.lines[1].stroke);
            for line in &panel.lines {
                let last = line.points.last().expect("a line").0;
                assert!((last - panel.x.high).abs() < 1e-3, "it ends at {last}, not at the right edge");
            }
        }
    }

    #[test]
    fn the_legend_says_how_many_runs_there_were_and_how_far_they_are_apart() {
        let words = format!("{:?}", figure_of_five_kinds().legend);
        assert!(words.contains("simulated, 6 runs") && words.contains("real, 3 runs"), "{words}");
        assert!(words.contains("key written: "), "{words}");
    }
}
