//! The convergence plot: who has an update, as time goes by.

use super::axis;
use super::figure::{
    ANALYTIC, Axis, BLACK, BOUND, Band, Colour, Entry, FAINT, Figure, GREY, Line, Panel, Stroke,
};
use super::files::Results;
use super::frontier::unbeaten;
use super::manifest::PointManifest;
use super::outcome::EVERYONE;
use super::rows::{CurveRow, SummaryRow};
use crate::scenario::ScenarioFile;

/// The rows of one curve and how it looks.
struct Curve<'a> {
    name: String,
    rows: Vec<&'a CurveRow>,
    stroke: Stroke,
    /// Whether the theory is about it: its map knows of no faults.
    has_theory: bool,
}

/// The horizontal axis: its unit, and whether it is logarithmic.
#[derive(Clone, Copy, Debug)]
struct Clock {
    us_per_unit: f64,
    /// The least time on a logarithmic axis, in units.
    log_from: Option<f64>,
}

/// How a panel shows shares.
struct Scale {
    /// From the share of nodes that have it to the panel's vertical axis.
    height: fn(share: f64, least: f64) -> f64,
    /// Half a node, as a share: anything less missing is nothing missing.
    least: f64,
    clock: Clock,
}

/// A linear axis would press a curve into its first pixels that is nearly done when so small a part of the time that
/// is shown has passed.
const EARLY: f64 = 0.1;

/// Of more curves than this only the medians are drawn, and of a sweep those alone have colours that no other point
/// beats in both time and bytes, and the first one.
const CROWDED: usize = 8;
/// The stroke of the others.
const BEATEN: Stroke = Stroke { colour: Colour(0xbe, 0xbe, 0xbe), width: 1.2, dashes: &[] };
/// The stroke of the first point of a crowded sweep: what the others are compared with.
const FIRST: Stroke = Stroke { colour: BLACK, width: 2.6, dashes: &[] };

/// The plot of some results: one curve per kind of update, or for a sweep one per point.
#[must_use]
pub fn figure(results: &Results) -> Figure {
    let points = &results.manifest.points;
    let swept = points.len() > 1;
    let curves = if swept { curves_of_points(results) } else { curves_of_kinds(results) };
    let (clock, time_axis) = Clock::of(results, &curves);
    let crowded = curves.len() > CROWDED;
    let nodes = points.iter().map(|point| point.nodes).max().unwrap_or(1);
    let least = 0.5 / f64::from(nodes.max(2));
    let percent = Scale { height: |share, _| 100.0 * share, least, clock };
    let missing = Scale { height: |share, least| libm::log10((1.0 - share).max(least)), ..percent };
    let panel = |height, y, scale: &Scale| {
        let mut panel = Panel { height, x: time_axis.clone(), y, bands: vec![], lines: vec![], dots: vec![] };
        // What is grey lies below.
        let (below, above): (Vec<_>, Vec<_>) = curves.iter().partition(|curve| curve.stroke == BEATEN);
        below
            .into_iter()
            .chain(above)
            .for_each(|curve| panel.add(curve, scale, swept, crowded, one_seed(results)));
        if let (false, Some(curve)) = (swept, curves.first().filter(|curve| curve.has_theory)) {
            panel.add_theory(curve, scale, ANALYTIC, BOUND);
        }
        panel
    };
    let whole = panel(330, axis::percent("nodes that have it (%)"), &percent);
    let tail = panel(250, axis::log_percent("nodes still without it (%)", least, "none"), &missing);
    Figure {
        title: results.manifest.title.clone(),
        notes: notes(results),
        panels: vec![whole, tail],
        legend: legend(results, &curves),
    }
}

impl Scale {
    fn points(&self, curve: &Curve<'_>, share: impl Fn(&CurveRow) -> f64) -> Vec<(f64, f64)> {
        let at = |row: &CurveRow| self.clock.place(row.time_us as f64);
        curve.rows.iter().map(|row| (at(row), (self.height)(share(row), self.least))).collect()
    }

    /// A line until it reaches everyone; from there on it would only cover the edge and the other lines.
    fn line(&self, curve: &Curve<'_>, stroke: Stroke, share: impl Fn(&CurveRow) -> f64) -> Line {
        let mut points = self.points(curve, &share);
        let everyone = curve.rows.iter().position(|row| 1.0 - share(row) <= self.least);
        points.truncate(everyone.map_or(points.len(), |last| last + 1));
        Line { points, stroke }
    }
}

impl Panel {
    fn add(&mut self, curve: &Curve<'_>, scale: &Scale, swept: bool, crowded: bool, one_seed: bool) {
        if crowded {
            self.lines.push(scale.line(curve, curve.stroke, |row| row.share_p50.0));
            return;
        }
        if !one_seed {
            let mut outline = scale.points(curve, |row| row.share_p05.0);
            outline.extend(scale.points(curve, |row| row.share_p95.0).into_iter().rev());
            self.bands.push(Band { outline, colour: curve.stroke.colour, opacity: FAINT });
        }
        if swept && curve.has_theory {
            let thin = |stroke: Stroke| Stroke { colour: curve.stroke.colour, width: 1.1, ..stroke };
            self.add_theory(curve, scale, thin(ANALYTIC), thin(BOUND));
        }
        self.lines.push(scale.line(curve, curve.stroke, |row| row.share_p50.0));
    }

    fn add_theory(&mut self, curve: &Curve<'_>, scale: &Scale, analytic: Stroke, bound: Stroke) {
        self.lines.push(scale.line(curve, bound, |row| row.bound.0));
        self.lines.push(scale.line(curve, analytic, |row| row.analytic.0));
    }
}

/// The rows of one curve.
pub(super) fn rows_of<'a>(results: &'a Results, point: &str, kind: &str) -> Vec<&'a CurveRow> {
    results.tables.curve.iter().filter(|row| row.point == point && row.kind == kind).collect()
}

fn curves_of_kinds(results: &Results) -> Vec<Curve<'_>> {
    let point = results.manifest.points.first().map_or("", |point| &point.label);
    let kinds = kinds_of(results);
    let has_theory = results.manifest.points.first().is_some_and(is_calm);
    let curve = |(index, kind): (usize, &str)| Curve {
        name: kind.to_owned(),
        rows: rows_of(results, point, kind),
        stroke: Stroke::of_curve(index),
        has_theory,
    };
    kinds.into_iter().enumerate().map(curve).collect()
}

fn curves_of_points(results: &Results) -> Vec<Curve<'_>> {
    let kind = slowest_kind(results);
    let points = &results.manifest.points;
    let best = if points.len() > CROWDED { unbeaten(results) } else { Vec::new() };
    let stroke = |index: usize, label: &str| match best.iter().position(|best| *best == label) {
        _ if points.len() <= CROWDED => Stroke::of_curve(index),
        _ if index == 0 => FIRST,
        Some(place) => Stroke::of_curve(place),
        None => BEATEN,
    };
    let curve = |(index, point): (usize, &PointManifest)| Curve {
        name: point.label.clone(),
        rows: rows_of(results, &point.label, kind),
        stroke: stroke(index, &point.label),
        has_theory: is_calm(point),
    };
    points.iter().enumerate().map(curve).collect()
}

/// Whether nothing goes wrong at a point beside the loss that it has all the time.
fn is_calm(point: &PointManifest) -> bool {
    let file = ScenarioFile::parse("options", &point.options, &[]);
    file.map_or(true, |file| file.scenario.fault.is_empty() && file.scenario.churn.is_none())
}

/// Whether there is only one seed, so that nothing is a median or a mean.
pub(super) fn one_seed(results: &Results) -> bool {
    results.manifest.points.iter().all(|point| point.runs == 1)
}

fn kinds_of(results: &Results) -> Vec<&str> {
    let mut kinds: Vec<&str> = Vec::new();
    for row in &results.tables.curve {
        if !kinds.contains(&row.kind.as_str()) {
            kinds.push(&row.kind);
        }
    }
    kinds
}

/// The row of a point and kind for the milestone of everyone.
pub(super) fn everyone<'a>(results: &'a Results, point: &str, kind: &str) -> Option<&'a SummaryRow> {
    let rows = &mut results.tables.summary.iter();
    rows.find(|row| row.point == point && row.kind == kind && row.milestone == EVERYONE.percent)
}

/// The kind of update that everyone waits for the longest: most seeds that never got there at any point, then the
/// greatest sum of medians. A sweep shows it alone, so that no kind looks better than it is.
pub(super) fn slowest_kind(results: &Results) -> &str {
    let wait = |kind: &&str| {
        let points = results.manifest.points.iter();
        let rows = points.filter_map(|point| everyone(results, &point.label, kind));
        rows.fold((0, 0.0), |(censored, rounds), row| (censored + row.censored, rounds + row.median_rounds.0))
    };
    let longer = |a: &&str, b: &&str| {
        let (a, b) = (wait(a), wait(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    // `max_by` gives the last of equals; the first is the stabler choice when kinds are added.
    kinds_of(results).into_iter().rev().max_by(longer).unwrap_or_default()
}

impl Clock {
    /// Rounds, unless the points differ in the length of a round or everything is over within two. Logarithmic when
    /// some curve would be nearly invisible otherwise.
    fn of(results: &Results, curves: &[Curve<'_>]) -> (Self, Axis) {
        let horizon_us = results.tables.curve.iter().map(|row| row.time_us).max().unwrap_or(1).max(1) as f64;
        let intervals: Vec<u64> =
            results.manifest.points.iter().map(|point| point.repair_interval_us).collect();
        let interval_us = intervals.first().copied().unwrap_or(1).max(1);
        let one_length = intervals.iter().all(|&other| other == interval_us);
        let interval = seconds_text(interval_us as f64 / 1e6);
        let (us_per_unit, title) = if one_length && horizon_us > 2.0 * interval_us as f64 {
            (interval_us as f64, format!("rounds since the update (1 round = {interval})"))
        } else if horizon_us < 2e6 {
            (1e3, "milliseconds since the update".to_owned())
        } else {
            (1e6, "seconds since the update".to_owned())
        };
        let nearly_done_us =
            curves.iter().filter_map(|curve| first_with(curve, 0.9)).fold(horizon_us, f64::min);
        let high = horizon_us / us_per_unit;
        if nearly_done_us >= EARLY * horizon_us {
            return (Self { us_per_unit, log_from: None }, axis::linear_to(title, high, 12));
        }
        let begin_us = curves.iter().filter_map(|curve| first_with(curve, 0.01)).fold(horizon_us, f64::min);
        let low = begin_us / us_per_unit;
        (Self { us_per_unit, log_from: Some(low) }, axis::log(title, low, high))
    }

    /// The place of a time on the axis.
    fn place(self, time_us: f64) -> f64 {
        let time = time_us / self.us_per_unit;
        self.log_from.map_or(time, |from| libm::log10(time.max(from)))
    }
}

/// The first moment after the update itself at which the median of a curve is at least `share`.
fn first_with(curve: &Curve<'_>, share: f64) -> Option<f64> {
    let mut later = curve.rows.iter().filter(|row| row.time_us > 0);
    later.find(|row| row.share_p50.0 >= share).map(|row| row.time_us as f64)
}

/// A number with a comma between thousands.
pub(super) fn thousands(number: f64) -> String {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}

pub(super) fn seconds_text(seconds: f64) -> String {
    if seconds < 1.0 { format!("{} ms", 1e3 * seconds) } else { format!("{seconds} s") }
}

fn notes(results: &Results) -> Vec<String> {
    let manifest = &results.manifest;
    let mut facts = facts(results);
    if manifest.points.len() > 1 {
        facts = format!("{facts}; shown: {}, the slowest kind of update", slowest_kind(results));
    }
    let question = question(results);
    question.into_iter().chain([facts]).collect()
}

/// The question, unless it stands in the title already.
pub(super) fn question(results: &Results) -> Option<String> {
    let manifest = &results.manifest;
    (manifest.question != manifest.title).then(|| manifest.question.clone())
}

/// How many nodes and seeds there were, at which loss.
pub(super) fn facts(results: &Results) -> String {
    let manifest = &results.manifest;
    let range = |values: Vec<f64>| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        if low == high { thousands(low) } else { format!("{} to {}", thousands(low), thousands(high)) }
    };
    let of = |value: &dyn Fn(&PointManifest) -> f64| range(manifest.points.iter().map(value).collect());
    let loss = of(&|point| (point.loss * 1e4).round() / 1e2);
    let (nodes, runs) = (of(&|point| f64::from(point.nodes)), of(&|point| point.runs as f64));
    let seeds = if runs == "1" { "seed" } else { "seeds" };
    format!("{nodes} nodes, {loss} % loss of each datagram in each direction, {runs} {seeds}")
}

fn legend(results: &Results, curves: &[Curve<'_>]) -> Vec<Entry> {
    let swept = results.manifest.points.len() > 1;
    let head = match (&results.manifest.sweep, one_seed(results)) {
        (Some(parameter), false) if swept => format!("Median, by {parameter}"),
        (Some(parameter), true) if swept => format!("One seed, by {parameter}"),
        (_, true) => "One seed".to_owned(),
        (_, false) => "Median over seeds".to_owned(),
    };
    let mut entries = vec![Entry::Head(head)];
    let (beaten, shown): (Vec<_>, Vec<_>) = curves.iter().partition(|curve| curve.stroke == BEATEN);
    entries.extend(shown.iter().map(|curve| Entry::Line(curve.stroke, curve.name.clone())));
    if !beaten.is_empty() {
        entries.push(Entry::Line(BEATEN, "slower and dearer than one of these:".to_owned()));
        entries.extend(beaten.iter().map(|curve| Entry::Remark(curve.name.clone())));
    }
    let colour: Colour = curves.first().map_or(GREY, |curve| curve.stroke.colour);
    if curves.len() <= CROWDED {
        let (has_spread, has_theory) =
            (!one_seed(results), curves.iter().any(|curve| curve.has_theory) || curves.is_empty());
        let head = match (has_spread, has_theory) {
            (true, true) => Some("Spread and theory"),
            (true, false) => Some("Spread"),
            (false, true) => Some("Theory"),
            (false, false) => None,
        };
        entries.extend(head.map(|head| Entry::Head(head.to_owned())));
        if has_spread {
            entries.push(Entry::Band(if swept { GREY } else { colour }, "5 to 95 % of seeds".to_owned()));
        }
        if has_theory {
            entries.push(Entry::Line(ANALYTIC, "large-N map".to_owned()));
            entries.push(Entry::Line(BOUND, "lower bound".to_owned()));
            entries.push(Entry::Remark("(all messages lossy)".to_owned()));
        }
        if !curves.iter().all(|curve| curve.has_theory) {
            entries.push(Entry::Remark("no theory with faults: it knows of none".to_owned()));
        }
    }
    let never = never(results, swept);
    if !never.is_empty() {
        entries.push(Entry::Head("Never reached everyone".to_owned()));
        entries.extend(never.into_iter().map(Entry::Remark));
    }
    entries
}

/// What was censored, in words, whether its curve is shown or not: it must not go unseen.
fn never(results: &Results, swept: bool) -> Vec<String> {
    let everyone = results.tables.summary.iter().filter(|row| row.milestone == EVERYONE.percent);
    let censored = everyone.filter(|row| row.censored > 0).map(|row| {
        let point = if swept { format!("{}, ", row.point) } else { String::new() };
        format!("{point}{}: {} of {} seeds", row.kind, row.censored, row.n)
    });
    let mut lines: Vec<String> = censored.collect();
    if lines.len() > 12 {
        let more = lines.len() - 11;
        lines.truncate(11);
        lines.push(format!("and {more} more (summary.csv)"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;
    use crate::report::files::TextFiles;
    use crate::report::outcome::Outcome;

    fn results(outcome: &Outcome) -> Results {
        TextFiles::of(outcome).expect("text").parse().expect("results")
    }

    #[test]
    fn each_kind_has_a_median_a_band_and_a_legend_entry_and_theory_is_drawn_once() {
        let figure = figure(&results(&example::outcome(100, 8)));
        for panel in &figure.panels {
            assert_eq!((panel.lines.len(), panel.bands.len()), (7, 5));
        }
        let entries = figure.legend.iter().filter(|entry| matches!(entry, Entry::Line(..)));
        assert_eq!(entries.count(), 7);
    }

    #[test]
    fn a_sweep_shows_the_slowest_kind_and_theory_for_each_point() {
        let mut outcome = example::sweep(100, 8);
        for run in &mut outcome.points[1].runs {
            run.updates[3].reached_us[98] += 1_000_000_000;
        }
        let late = results(&outcome);
        assert_eq!(slowest_kind(&late), "key written");
        outcome.points[0].runs[0].updates[2].reached_us.pop();
        assert_eq!(slowest_kind(&results(&outcome)), "origin removed", "never is later than late");
        let figure = figure(&late);
        assert_eq!((figure.panels[0].lines.len(), figure.panels[0].bands.len()), (15, 5));
        assert!(figure.notes.iter().any(|note| note.contains("key written, the slowest")));
    }

    #[test]
    fn of_many_curves_only_the_medians_are_drawn() {
        let mut outcome = example::sweep(40, 6);
        let more = outcome.points.clone().into_iter().map(|mut point| {
            point.label += ", again";
            point
        });
        outcome.points.extend(more.collect::<Vec<_>>());
        let figure = figure(&results(&outcome));
        assert_eq!((figure.panels[0].lines.len(), figure.panels[0].bands.len()), (10, 0));
        let words: Vec<&str> = figure
            .legend
            .iter()
            .filter_map(|entry| match entry {
                Entry::Line(_, words) | Entry::Remark(words) => Some(words.as_str()),
                _ => None,
            })
            .collect();
        assert!(outcome.points.iter().all(|point| words.contains(&point.label.as_str())), "{words:?}");
        let colours: Vec<Stroke> = figure.panels[0].lines.iter().map(|line| line.stroke).collect();
        let best = unbeaten(&results(&outcome)).len();
        assert!(
            colours.contains(&FIRST)
                && colours.iter().filter(|stroke| **stroke == BEATEN).count() >= 9 - best
        );
    }

    fn legend_words(figure: &Figure) -> String {
        format!("{:?}", figure.legend)
    }

    #[test]
    fn theory_is_left_out_where_faults_are_scheduled_and_the_legend_says_why() {
        let calm = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "100s"
cluster.nodes = 100
network.latency = "40ms"
"#;
        let drawn = |weather: &str| {
            let mut outcome = example::outcome(100, 8);
            outcome.points[0].options = format!("{calm}{weather}");
            figure(&results(&outcome))
        };
        for weather in [
            "fault = [{ at = \"1s\", crash = { nodes = 1 } }]\n",
            "churn = { crash = \"1/s\", down = \"1s\" }\n",
        ] {
            let figure = drawn(weather);
            assert_eq!(figure.panels[0].lines.len(), 5, "the curves alone");
            let words = legend_words(&figure);
            assert!(words.contains("it knows of none") && !words.contains("large-N map"), "{words}");
        }
        let figure = drawn("");
        assert_eq!(figure.panels[0].lines.len(), 7);
        assert!(legend_words(&figure).contains("large-N map"));
    }

    #[test]
    fn one_seed_is_no_median_and_has_no_spread() {
        let alone = figure(&results(&example::outcome(100, 1)));
        let words = legend_words(&alone);
        assert!(
            words.contains("One seed") && !words.contains("Median") && !words.contains("of seeds"),
            "{words}"
        );
        assert_eq!((alone.panels[0].lines.len(), alone.panels[0].bands.len()), (7, 0));
        assert!(legend_words(&figure(&results(&example::sweep(100, 1)))).contains("One seed, by "));
    }

    #[test]
    fn a_seed_that_never_got_there_stands_in_the_legend_though_its_curve_is_not_shown() {
        let mut outcome = example::sweep(100, 8);
        outcome.points[4].runs[2].updates[1].reached_us.pop();
        let figure = figure(&results(&outcome));
        let remark = Entry::Remark("70%, origin added: 1 of 8 seeds".to_owned());
        assert!(figure.legend.contains(&remark), "{:?}", figure.legend);
    }

    #[test]
    fn what_is_over_within_two_rounds_is_shown_in_milliseconds() {
        let mut outcome = example::outcome(100, 8);
        outcome.points[0].repair_interval_us = 60_000_000;
        for update in outcome.points[0].runs.iter_mut().flat_map(|run| &mut run.updates) {
            update.reached_us.iter_mut().for_each(|time_us| *time_us = 40_000);
        }
        assert_eq!(figure(&results(&outcome)).panels[0].x.title, "milliseconds since the update");
    }

    #[test]
    fn time_is_logarithmic_when_a_curve_is_over_at_once_and_another_is_not() {
        let axis = |outcome: &Outcome| figure(&results(outcome)).panels[0].x.clone();
        let mut outcome = example::outcome(100, 8);
        assert!(axis(&outcome).low == 0.0, "all curves take rounds");
        outcome = example::sweep(100, 8);
        let axis = axis(&outcome);
        assert!(axis.low < -1.0 && axis.ticks.iter().any(|tick| tick.label == "10"), "{axis:?}");
    }

    #[test]
    fn lines_end_where_everyone_has_it() {
        let figure = figure(&results(&example::outcome(100, 8)));
        for line in &figure.panels[1].lines {
            let floor = figure.panels[1].y.low;
            assert!(line.points.iter().filter(|point| point.1 <= floor).count() <= 1);
        }
    }

    #[test]
    fn thousands_are_grouped() {
        let shown = [0.0, 999.0, 1_000.0, 1_234_567.0, 12.5].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567", "12.5"]);
    }
}
