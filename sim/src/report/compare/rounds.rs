//! The share of nodes that have a message after so many rounds: measured, and by the talk's recurrence.

use serde::{Deserialize, Serialize};

use super::figures::stroke;
use super::rows::took_us;
use crate::compare::outcome::{PointComparison, SystemRun};
use crate::report::axis;
use crate::report::decimal::Decimal;
use crate::report::figure::{Entry, Figure, Line, Panel};
use crate::theory::Messages;
use crate::theory::talk::Talk;

/// The recurrence, by the messages of a contact that can be lost.
const MODELS: [(&str, Messages); 3] = [
    ("the talk's model (one message)", Messages::One),
    ("the same with two messages", Messages::Two),
    ("the same with three messages", Messages::Three),
];
/// Up to here each round has a row; then each is a sixteenth later.
const EACH: u32 = 60;
/// These have one as well: what the talk and the page name.
const NAMED: [u32; 4] = [100, 1_000, 10_000, 80_000];
/// More panels make no picture.
const PANELS_MAX: usize = 4;

/// A row of `rounds.csv`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoundRow {
    /// The point.
    pub point: String,
    /// A system or a model.
    pub curve: String,
    /// Rounds since the publication.
    pub round: u32,
    /// The share of all nodes, the publisher included: the mean over messages and runs.
    pub share: Decimal<15>,
}

/// The rows of a point; none where no theory is asked for.
#[must_use]
pub fn rows(point: &PointComparison) -> Vec<RoundRow> {
    let Some(loss) = point.theory else { return Vec::new() };
    let runs = point.systems.iter().flat_map(|(_, runs)| runs);
    let longest_us = runs.map(|run| run.measured_us).max().unwrap_or_default();
    let rounds = rounds((longest_us / point.round_us.max(1)).min(1_000_000) as u32);
    let row = |curve: &str, round: u32, share: f64| RoundRow {
        point: point.label.clone(),
        curve: curve.to_owned(),
        round,
        share: Decimal(share),
    };
    let mut rows = Vec::new();
    for (name, messages) in MODELS {
        let start_share = 1.0 / f64::from(point.nodes);
        let talk = Talk { nodes: point.nodes, start_share, survival: messages.survival(loss) };
        let last = rounds.last().copied().unwrap_or_default();
        let infected = talk.infected(last);
        rows.extend(
            rounds.iter().map(|&round| row(name, round, infected[round as usize] / f64::from(point.nodes))),
        );
    }
    for (system, runs) in &point.systems {
        let took: Vec<Vec<u64>> = runs.iter().map(took_us).collect();
        rows.extend(rounds.iter().map(|&round| {
            let until_us = u64::from(round) * point.round_us;
            row(system.word(), round, mean_share(runs, &took, until_us, point.nodes))
        }));
    }
    rows
}

fn mean_share(runs: &[SystemRun], took: &[Vec<u64>], until_us: u64, nodes: u32) -> f64 {
    let shares = runs.iter().zip(took).map(|(run, took)| {
        let messages = run.all_us.len().max(1) as f64;
        let others = took.partition_point(|&us| us <= until_us) as f64;
        (messages + others) / messages / f64::from(nodes)
    });
    shares.sum::<f64>() / runs.len().max(1) as f64
}

fn rounds(last: u32) -> Vec<u32> {
    let mut rounds: Vec<u32> = (0..=EACH.min(last)).collect();
    while let Some(&round) = rounds.last().filter(|round| **round < last) {
        rounds.push((round + round / 16).min(last));
    }
    rounds.extend(NAMED.into_iter().filter(|&round| round <= last));
    rounds.sort_unstable();
    rounds.dedup();
    rounds
}

/// Measured curves and models on the same axes, a panel for each point.
#[must_use]
pub fn figure(title: &str, rows: &[RoundRow]) -> Option<Figure> {
    let last = rows.iter().map(|row| row.round).max()?;
    let (mut points, mut curves): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for row in rows {
        if !points.contains(&row.point.as_str()) {
            points.push(&row.point);
        }
        if !curves.contains(&row.curve.as_str()) {
            curves.push(&row.curve);
        }
    }
    let is_long = last > 10 * EACH;
    let panels = points.iter().take(PANELS_MAX).map(|point| {
        let lines = curves.iter().enumerate().map(|(number, curve)| {
            let of = rows.iter().filter(|row| row.point == *point && row.curve == *curve);
            let place = |round: u32| {
                if is_long { libm::log10(f64::from(round.max(1))) } else { f64::from(round) }
            };
            let points = of.filter(|row| is_long || row.round <= EACH);
            let points = points.map(|row| (place(row.round), 100.0 * row.share.0)).collect();
            Line { points, stroke: stroke(number, curve) }
        });
        let head = if point.is_empty() { String::new() } else { format!("{point}: ") };
        let title = format!("{head}rounds since the publication");
        let x = if is_long {
            axis::log(title, 1.0, f64::from(last))
        } else {
            axis::linear_to(title, f64::from(last.min(EACH)), 12)
        };
        let y = axis::percent("nodes that have it (%)");
        Panel { height: 250, x, y, bands: Vec::new(), lines: lines.collect(), dots: Vec::new() }
    });
    let entry = |(number, curve): (usize, &&str)| Entry::Line(stroke(number, curve), (*curve).to_owned());
    Some(Figure {
        title: title.to_owned(),
        notes: vec!["Measured: the mean over messages and runs; models: the expected share".to_owned()],
        panels: panels.collect(),
        legend: curves.iter().enumerate().map(entry).collect(),
    })
}
