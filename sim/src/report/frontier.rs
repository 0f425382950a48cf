//! The frontier plot of a sweep: how long everyone waits against what it costs.

use super::axis;
use super::convergence::{everyone, one_seed, seconds_text, slowest_kind};
use super::figure::{Axis, Colour, Dot, Figure, GREY, Line, Panel, Stroke};
use super::files::Results;
use super::manifest::PointManifest;
use super::rows::{RunRow, SummaryRow};
use crate::stats::Sample;

/// From this ratio of the greatest to the least value on, an axis is logarithmic.
const WIDE: f64 = 8.0;

/// The mean of one point: what it costs, and how long everyone waits.
struct Place<'a> {
    point: &'a PointManifest,
    row: &'a SummaryRow,
    bytes: f64,
}

/// One labelled dot per point; `None` when there is only one point.
#[must_use]
pub fn figure(results: &Results) -> Option<Figure> {
    let manifest = &results.manifest;
    if manifest.points.len() < 2 {
        return None;
    }
    let kind = slowest_kind(results);
    let places = places(results, kind);
    let x = fitting("sent per node and second (bytes)", places.iter().map(|place| place.bytes));
    let times = places.iter().flat_map(|place| [place.row.p05_s.0, place.row.mean_s.0, place.row.p95_s.0]);
    let y = fitting(&time_title(results), times);
    let dots: Vec<Dot> = places.iter().map(|place| dot(place, &places, &x, &y)).collect();
    let mut notes = vec![
        manifest.title.clone(),
        if one_seed(results) {
            format!("One seed each; shown: {kind}, the slowest kind of update")
        } else {
            format!(
                "Mean over seeds, with a bar from the 5th to the 95th percentile; shown: {kind}, the slowest kind of \
                 update"
            )
        },
        "Blue: what no other point beats in both time and bytes. Grey: what some blue point beats in both"
            .to_owned(),
    ];
    if dots.iter().any(|dot| dot.beyond) {
        notes.push(
            "Hollow dots at the upper edge: some seeds never reached everyone, so there is no mean".into(),
        );
    }
    let frontier = Line { points: staircase(&dots), stroke: FRONTIER };
    let panel = Panel { height: 470, x: x.axis, y: y.axis, bands: Vec::new(), lines: vec![frontier], dots };
    Some(Figure {
        title: "Time until every node has it, against bytes sent".to_owned(),
        notes,
        panels: vec![panel],
        legend: Vec::new(),
    })
}

/// The stroke of the line along the points that no other beats.
const FRONTIER: Stroke = Stroke { colour: Colour(0x9c, 0xc3, 0xe0), width: 1.6, dashes: &[] };
/// The colour of the points that some other beats in both.
const BEATEN: Colour = Colour(0x96, 0x96, 0x96);

/// The labels of the points that no other one beats in both time and bytes.
#[must_use]
pub(super) fn unbeaten(results: &Results) -> Vec<&str> {
    let places = places(results, slowest_kind(results));
    let unbeaten =
        places.iter().filter(|place| !place.row.mean_s.0.is_infinite() && !place.is_beaten(&places));
    unbeaten.map(|place| place.point.label.as_str()).collect()
}

fn places<'a>(results: &'a Results, kind: &str) -> Vec<Place<'a>> {
    results.manifest.points.iter().filter_map(|point| place(results, point, kind)).collect()
}

impl Place<'_> {
    /// Whether another point needs less of one and no more of the other.
    fn is_beaten(&self, others: &[Self]) -> bool {
        let at = |place: &Self| (place.bytes, place.row.mean_s.0);
        let (bytes, time) = at(self);
        others.iter().map(at).any(|other| other.0 <= bytes && other.1 <= time && other != (bytes, time))
    }
}

fn time_title(results: &Results) -> String {
    let intervals: Vec<u64> = results.manifest.points.iter().map(|point| point.repair_interval_us).collect();
    match intervals.as_slice() {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => {
            format!("seconds until every node has it (1 round = {})", seconds_text(*first as f64 / 1e6))
        }
        _ => "seconds until every node has it".to_owned(),
    }
}

/// An axis with the function that leads to its values.
struct Fitting {
    axis: Axis,
    value: fn(f64) -> f64,
}

/// An axis for these values; logarithmic when they differ widely.
fn fitting(title: &str, values: impl Iterator<Item = f64>) -> Fitting {
    let finite: Vec<f64> = values.filter(|value| value.is_finite() && *value > 0.0).collect();
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(0.0, f64::max);
    if high > WIDE * low {
        Fitting { axis: axis::log(title, low / 1.25, high * 1.3), value: libm::log10 }
    } else {
        Fitting { axis: axis::linear(title, high * 1.1, 7), value: |value| value }
    }
}

fn place<'a>(results: &'a Results, point: &'a PointManifest, kind: &str) -> Option<Place<'a>> {
    let row = everyone(results, &point.label, kind)?;
    Some(Place { point, row, bytes: bytes_per_node_s(results, &point.label) })
}

fn dot(place: &Place<'_>, all: &[Place<'_>], x: &Fitting, y: &Fitting) -> Dot {
    let Place { point, row, bytes } = place;
    let beyond = row.mean_s.0.is_infinite();
    let label = if beyond {
        format!("{} (never: {} of {})", point.label, row.censored, row.n)
    } else {
        point.label.clone()
    };
    let colour = match (beyond, place.is_beaten(all)) {
        (true, _) => GREY,
        (false, true) => BEATEN,
        (false, false) => Stroke::of_curve(0).colour,
    };
    let spread = ((y.value)(row.p05_s.0), (y.value)(row.p95_s.0));
    Dot { at: ((x.value)(*bytes), (y.value)(row.mean_s.0)), spread, beyond, label, colour }
}

/// The steps along the dots that no other one beats in both: from each to the right, then down to the next.
fn staircase(dots: &[Dot]) -> Vec<(f64, f64)> {
    let mut reached: Vec<(f64, f64)> = dots.iter().filter(|dot| !dot.beyond).map(|dot| dot.at).collect();
    reached.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for at in reached {
        match steps.last() {
            Some(last) if at.1 >= last.1 => {}
            Some(last) => steps.extend([(at.0, last.1), at]),
            None => steps.push(at),
        }
    }
    steps
}

/// Mean over seeds; the traffic of a run stands in each of its rows and counts once.
fn bytes_per_node_s(results: &Results, point: &str) -> f64 {
    let mut runs: Vec<&RunRow> = results.tables.runs.iter().filter(|row| row.point == point).collect();
    runs.dedup_by_key(|row| row.seed);
    Sample::new(runs.into_iter().map(|row| row.bytes_per_node_s.0)).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;
    use crate::report::files::TextFiles;

    fn dot_at(at: (f64, f64)) -> Dot {
        Dot { at, spread: (0.0, 0.0), beyond: false, label: String::new(), colour: GREY }
    }

    #[test]
    fn the_line_joins_what_no_other_point_beats_in_both() {
        let mut dots: Vec<Dot> =
            [(3.0, 1.0), (1.0, 9.0), (2.0, 9.5), (2.0, 4.0), (4.0, 1.0)].map(dot_at).into();
        dots.push(Dot { beyond: true, ..dot_at((0.5, f64::INFINITY)) });
        assert_eq!(staircase(&dots), [(1.0, 9.0), (2.0, 9.0), (2.0, 4.0), (3.0, 4.0), (3.0, 1.0)]);
    }

    #[test]
    fn colours_tell_what_no_other_point_beats() {
        let outcome = example::sweep(40, 6);
        let results = TextFiles::of(&outcome).expect("text").parse().expect("results");
        let (figure, best) = (figure(&results).expect("a sweep"), unbeaten(&results));
        let dots = &figure.panels[0].dots;
        let blue = dots.iter().filter(|dot| dot.colour != BEATEN).map(|dot| dot.label.as_str());
        assert_eq!(blue.collect::<Vec<_>>(), best);
        let steps = &figure.panels[0].lines[0].points;
        assert!(
            dots.iter().all(|dot| steps.contains(&dot.at) == (dot.colour != BEATEN)),
            "the line joins the blue ones"
        );
    }

    #[test]
    fn an_axis_is_logarithmic_when_its_values_differ_widely() {
        let wide = fitting("", [0.04, 20.0, f64::INFINITY].into_iter());
        assert!(wide.axis.low < libm::log10(0.04) && wide.axis.high > libm::log10(20.0));
        let narrow = fitting("", [3.0, 20.0].into_iter());
        assert!(narrow.axis.low == 0.0 && narrow.axis.high >= 20.0);
    }
}
