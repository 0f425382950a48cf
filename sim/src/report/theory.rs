//! The plot of the theory: the talk's recurrence, and the maps of real protocols beside it.

use super::axis;
use super::figure::{Axis, Entry, Figure, Line, Panel, Stroke};
use crate::theory::Messages;
use crate::theory::maps::{Map, ModelParameters};
use crate::theory::talk::Talk;

const ROUNDS: u32 = 60;
/// Half a node of 1,000.
const LEAST: f64 = 0.000_5;

/// The whole picture.
#[must_use]
pub fn figure() -> Figure {
    let (recurrence, mut legend) = recurrence();
    let (maps, entries) = maps();
    legend.extend(entries);
    Figure {
        title: "What theory says about gossip under loss".to_owned(),
        notes: vec![
            "Above: the talk's recurrence for 100 nodes, one of which starts; it counts one lossy message per \
             contact, real repair needs two (pull) or three (push of digests)"
                .to_owned(),
            "Below: large-N maps at 50 % loss, all messages lossy, after a broadcast that half of the nodes got"
                .to_owned(),
        ],
        panels: vec![recurrence, maps],
        legend,
    }
}

fn panel(height: i32, y: Axis, lines: Vec<Line>) -> Panel {
    let x = axis::linear_to("rounds", f64::from(ROUNDS), 12);
    Panel { height, x, y, bands: Vec::new(), lines, dots: Vec::new() }
}

fn recurrence() -> (Panel, Vec<Entry>) {
    let settings = [
        ("no loss", Messages::One, 0.0),
        ("50 %, one message", Messages::One, 0.5),
        ("50 %, two messages", Messages::Two, 0.5),
        ("50 %, three messages", Messages::Three, 0.5),
    ];
    let mut legend = vec![Entry::Head("Above: the recurrence".to_owned())];
    let mut lines = Vec::new();
    for (index, (name, messages, loss)) in settings.into_iter().enumerate() {
        let stroke = Stroke::of_curve(index);
        let talk = Talk { nodes: 100, start_share: 0.01, survival: messages.survival(loss) };
        let points = talk.infected(ROUNDS).into_iter().enumerate();
        lines.push(Line { points: points.map(|(round, percent)| (round as f64, percent)).collect(), stroke });
        legend.push(Entry::Line(stroke, name.to_owned()));
    }
    (panel(300, axis::percent("nodes that have it (%)"), lines), legend)
}

fn maps() -> (Panel, Vec<Entry>) {
    let loss = 0.5;
    let pull_and_push = |pushes_per_round| {
        Map::PullAndPush(ModelParameters { loss, pushes_per_round, ..ModelParameters::default() })
    };
    let settings = [
        ("push of digests", Map::PushDigest { loss }),
        ("pull", Map::Pull { loss }),
        ("pull and 1 push a round", pull_and_push(1.0)),
        ("pull and 2 pushes a round", pull_and_push(2.0)),
    ];
    let mut legend = vec![Entry::Head("Below: maps at 50 % loss".to_owned())];
    let mut lines = Vec::new();
    for (index, (name, map)) in settings.into_iter().enumerate() {
        let stroke = Stroke::of_curve(index);
        let logs = map.missing(loss, ROUNDS).into_iter().map(libm::log10).enumerate();
        let points = down_to(libm::log10(LEAST), logs.map(|(round, log)| (round as f64, log)));
        lines.push(Line { points, stroke });
        legend.push(Entry::Line(stroke, name.to_owned()));
    }
    (panel(300, axis::log_percent("nodes still without it (%)", LEAST, "0.05"), lines), legend)
}

/// The points of a falling line until it crosses `least`, with the crossing as its end.
fn down_to(least: f64, points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut above: Vec<(f64, f64)> = Vec::new();
    for (x, y) in points {
        if y > least {
            above.push((x, y));
            continue;
        }
        if let Some(&(before_x, before_y)) = above.last() {
            above.push((before_x + (x - before_x) * (before_y - least) / (before_y - y), least));
        }
        break;
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::draw::svg_of;

    #[test]
    fn a_line_ends_where_it_crosses_the_least() {
        let points = [(0.0, 0.0), (1.0, -1.0), (2.0, -3.0), (3.0, -5.0)];
        assert_eq!(down_to(-2.0, points.into_iter()), [(0.0, 0.0), (1.0, -1.0), (1.5, -2.0)]);
    }

    #[test]
    fn the_theory_plot_is_drawn_and_always_the_same() {
        let svg = svg_of(&figure()).expect("an SVG");
        for text in
            ["50 %, three messages", "pull and 1 push a round", "rounds", "nodes still without it (%)"]
        {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg, svg_of(&figure()).expect("an SVG"));
    }
}
