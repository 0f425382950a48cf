//! The timeline: who has which update, by the clock of the run, beside what was wrong meanwhile.

use super::axis;
use super::convergence::{facts, one_seed, question, rows_of};
use super::figure::{BLACK, Band, Colour, Entry, FAINT, Figure, Line, Panel, Stroke};
use super::files::Results;
use super::rows::CurveRow;
use crate::scenario::{ScenarioFile, Window};

/// Of more curves than this only the medians are drawn.
const CROWDED: usize = 8;
/// What is wrong has colours that curves reach late.
const SHADES: [Colour; 4] =
    [BLACK, Colour(0xe6, 0x9f, 0x00), Colour(0x8c, 0x56, 0x4b), Colour(0xcc, 0x79, 0xa7)];
/// How strongly what is wrong is shaded.
const SHADE: f64 = 0.11;
/// Empty space after the last curve, as a part of the whole.
const AFTER: f64 = 0.05;

/// A curve at its place in the run.
struct Curve<'a> {
    name: String,
    /// When its update happens, in seconds.
    at: f64,
    rows: Vec<&'a CurveRow>,
    stroke: Stroke,
}

/// All windows of one name.
struct Weather {
    name: String,
    /// Beginnings and ends in seconds, merged where they overlap.
    spans: Vec<(f64, f64)>,
    /// How many there were.
    count: usize,
    colour: Colour,
}

/// The timeline of some results; `None` for a sweep, where nothing goes wrong for a time, or where an update is
/// repeated and so has no one moment.
#[must_use]
pub fn figure(results: &Results) -> Option<Figure> {
    let [point] = results.manifest.points.as_slice() else { return None };
    let scenario = ScenarioFile::parse("options", &point.options, &[]).ok()?.scenario;
    let windows = scenario.windows();
    let follows = &scenario.workload.follow.0;
    if windows.is_empty() || follows.is_empty() || follows.iter().any(|follow| follow.repeat > 1) {
        return None;
    }
    // An update happens at a random moment of a round; its curve stands at the mean of them.
    let round = point.repair_interval_us as f64 / 1e6;
    let mut curves = Vec::new();
    for follow in follows {
        let first = follow.at.unwrap_or(scenario.workload.warmup).as_us() as f64 / 1e6;
        for (number, &kind) in follow.kinds.iter().enumerate() {
            let name = follow.curve(kind);
            let rows = rows_of(results, &point.label, &name);
            let at = first + follow.apart.as_us() as f64 / 1e6 * number as f64 + round / 2.0;
            curves.push(Curve { name, at, rows, stroke: Stroke::of_curve(curves.len()) });
        }
    }
    let least = 0.5 / f64::from(point.nodes.max(2));
    let end = scenario.run.duration.as_us() as f64 / 1e6;
    let last = curves.iter().map(|curve| curve.end(least)).fold(0.0, f64::max).min(end);
    let over = windows.iter().map(|window| seconds(window.until)).filter(|&until| until < end);
    let high = (over.fold(last, f64::max) * (1.0 + AFTER)).min(end);
    let weather = weather(&windows, high);
    let x = axis::linear_to("seconds since the start of the run", high, 12);
    let panel = |height, y, place: &dyn Fn(f64) -> f64| {
        let mut panel = Panel { height, x: x.clone(), y, bands: vec![], lines: vec![], dots: vec![] };
        weather.iter().for_each(|weather| panel.shade(weather));
        let medians_alone = curves.len() > CROWDED || one_seed(results);
        curves.iter().for_each(|curve| panel.follow(curve, high, least, medians_alone, place));
        panel
    };
    let whole = panel(330, axis::percent("nodes that have it (%)"), &|share| 100.0 * share);
    let missing = axis::log_percent("nodes still without it (%)", least, "none");
    let tail = panel(220, missing, &|share| libm::log10((1.0 - share).max(least)));
    Some(Figure {
        title: results.manifest.title.clone(),
        notes: question(results).into_iter().chain([facts(results)]).collect(),
        panels: vec![whole, tail],
        legend: legend(&curves, &weather, one_seed(results)),
    })
}

fn seconds(time: heck_core::time::Time) -> f64 {
    time.0 as f64 / 1e6
}

/// Windows of one name together, in the order in which they first begin in the file.
fn weather(windows: &[Window], high: f64) -> Vec<Weather> {
    let mut all: Vec<Weather> = Vec::new();
    for window in windows {
        let span = (seconds(window.from), seconds(window.until).min(high));
        let colour = SHADES[all.len() % SHADES.len()];
        if let Some(weather) = all.iter_mut().find(|weather| weather.name == window.name) {
            weather.spans.push(span);
            weather.count += 1;
        } else {
            all.push(Weather { name: window.name.clone(), spans: vec![span], count: 1, colour });
        }
    }
    for weather in &mut all {
        weather.spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        weather.spans.dedup_by(|next, kept| {
            let meets = next.0 <= kept.1;
            if meets {
                kept.1 = kept.1.max(next.1);
            }
            meets
        });
    }
    all
}

impl Curve<'_> {
    /// When its median has everyone, in seconds of the run; when it was last looked at, if it never has.
    fn end(&self, least: f64) -> f64 {
        let done = self.rows.iter().find(|row| 1.0 - row.share_p05.0 <= least).or(self.rows.last());
        self.at + done.map_or(0.0, |row| row.time_us as f64 / 1e6)
    }

    fn points(
        &self,
        high: f64,
        share: impl Fn(&CurveRow) -> f64,
        place: &dyn Fn(f64) -> f64,
    ) -> Vec<(f64, f64)> {
        let at = |row: &CurveRow| self.at + row.time_us as f64 / 1e6;
        let inside = self.rows.iter().filter(|row| at(row) <= high);
        inside.map(|row| (at(row), place(share(row)))).collect()
    }
}

impl Panel {
    fn shade(&mut self, weather: &Weather) {
        for &(from, until) in &weather.spans {
            let (low, high) = (self.y.low, self.y.high);
            let outline = vec![(from, low), (until, low), (until, high), (from, high)];
            self.bands.push(Band { outline, colour: weather.colour, opacity: SHADE });
        }
    }

    /// A curve until everyone has it: from there on it would only cover the edge and the other lines.
    fn follow(
        &mut self,
        curve: &Curve<'_>,
        high: f64,
        least: f64,
        crowded: bool,
        place: &dyn Fn(f64) -> f64,
    ) {
        let until = |share: &dyn Fn(&CurveRow) -> f64| {
            let mut points = curve.points(high, share, place);
            let everyone = curve.rows.iter().position(|row| 1.0 - share(row) <= least);
            points.truncate(everyone.map_or(points.len(), |last| last + 1));
            points
        };
        if !crowded {
            let mut outline = curve.points(high, |row| row.share_p05.0, place);
            outline.extend(curve.points(high, |row| row.share_p95.0, place).into_iter().rev());
            self.bands.push(Band { outline, colour: curve.stroke.colour, opacity: FAINT });
        }
        self.lines.push(Line { points: until(&|row| row.share_p50.0), stroke: curve.stroke });
    }
}

fn legend(curves: &[Curve<'_>], weather: &[Weather], one_seed: bool) -> Vec<Entry> {
    let head = if one_seed { "One seed" } else { "Median over seeds" };
    let mut entries = vec![Entry::Head(head.to_owned())];
    entries.extend(curves.iter().map(|curve| Entry::Line(curve.stroke, curve.name.clone())));
    if let (true, Some(first)) = (curves.len() <= CROWDED && !one_seed, curves.first()) {
        entries.push(Entry::Band(first.stroke.colour, "5 to 95 % of seeds".to_owned()));
    }
    entries.push(Entry::Head("What was wrong".to_owned()));
    for Weather { name, spans, count, colour } in weather {
        let times = if *count > 1 { format!(", {count} times") } else { String::new() };
        entries.push(Entry::Band(*colour, format!("{name}{times}")));
        let (from, until) =
            (spans.first().map_or(0.0, |span| span.0), spans.last().map_or(0.0, |span| span.1));
        entries.push(Entry::Remark(format!("{from} to {until:.0} s")));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;
    use crate::report::files::TextFiles;
    use crate::report::outcome::Outcome;

    const SPLIT: &str = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "100s"
cluster.nodes = 60
network.latency = "40ms"
fault = [
    { at = "20s", partition = { sides = ["0..30", "rest"], lasts = "30s" } },
    { at = "30s", crash = { nodes = 2, lasts = "5s" } },
    { at = "32s", crash = { nodes = 2, lasts = "9s" } },
    { at = "60s", restart = { nodes = "all" } },
]
workload.follow = [
    { label = "before", at = "10s", kinds = ["key_written"] },
    { label = "within", at = "25s", kinds = ["key_written", "message_published"], apart = "5s" },
]
"#;

    /// The made-up example with these options, its first updates renamed as they call them.
    fn outcome(options: &str) -> Outcome {
        let mut outcome = example::outcome(60, 4);
        outcome.points[0].options = options.to_owned();
        for run in &mut outcome.points[0].runs {
            run.updates.truncate(3);
            let names = ["before", "within, key written", "within, message published"];
            run.updates.iter_mut().zip(names).for_each(|(update, name)| update.kind = name.to_owned());
        }
        outcome
    }

    fn drawn(outcome: &Outcome) -> Option<Figure> {
        figure(&TextFiles::of(outcome).expect("text").parse().expect("results"))
    }

    #[test]
    fn each_curve_begins_when_its_update_happens_and_windows_lie_behind_it() {
        let figure = drawn(&outcome(SPLIT)).expect("a timeline");
        for panel in &figure.panels {
            let begin: Vec<f64> = panel.lines.iter().map(|line| line.points[0].0).collect();
            assert_eq!(begin, [10.5, 25.5, 30.5]);
            let spans: Vec<(f64, f64)> =
                panel.bands[..2].iter().map(|band| (band.outline[0].0, band.outline[1].0)).collect();
            assert_eq!(spans, [(20.0, 50.0), (30.0, 41.0)], "crashes that overlap are one");
            assert_eq!(panel.bands.len(), 2 + 3);
        }
        assert!((52.0..56.0).contains(&figure.panels[0].x.high), "{}", figure.panels[0].x.high);
        let named = figure.legend.iter().filter_map(|entry| match entry {
            Entry::Band(_, name) | Entry::Line(_, name) => Some(name.as_str()),
            _ => None,
        });
        let names = ["before", "within, key written", "within, message published", "5 to 95 % of seeds"];
        assert_eq!(named.collect::<Vec<_>>(), [&names[..], &["partition", "down, 2 times"]].concat());
    }

    #[test]
    fn there_is_none_where_nothing_goes_wrong_an_update_is_repeated_or_something_is_swept() {
        assert!(drawn(&example::outcome(60, 4)).is_none());
        let calm = SPLIT.split("fault = [").next().expect("a part").to_owned();
        let follow = "workload.follow = { kinds = [\"key_written\"] }\n";
        assert!(drawn(&outcome(&format!("{calm}{follow}"))).is_none());
        assert!(drawn(&outcome(&SPLIT.replace("apart = \"5s\"", "apart = \"5s\", repeat = 2"))).is_none());
        let mut swept = outcome(SPLIT);
        swept.points.push(swept.points[0].clone());
        swept.points[1].label = "again".to_owned();
        assert!(drawn(&swept).is_none());
    }
}
