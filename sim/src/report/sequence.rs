//! Message-sequence pictures: a line for each node, time downwards, an arrow for each datagram that arrived.

use std::collections::{BTreeMap, BTreeSet};

use plotters::backend::SVGBackend;
use plotters::drawing::IntoDrawingArea as _;
use plotters::style::WHITE;
use plotters::style::text_anchor::{HPos, VPos};

use super::draw::{DrawError, Drawn, Style, drawn, line, text, wrap};
use super::figure::{BLACK, Colour, GREY, Stroke};
use super::outcome::{Moment, Violation};

/// So many moments are drawn, the last ones.
const MOMENTS: usize = 44;
/// And so many nodes, those that say and hear most.
const NODES: usize = 8;
const COLUMN: f64 = 190.0;
const ROW: f64 = 19.0;
const MARGIN: f64 = 24.0;
/// Room for the time of a row.
const LEFT: f64 = 96.0;
/// Room beside the last node for what nodes report.
const RIGHT: f64 = 560.0;
const HEAD_SIZE: f64 = 13.0;
const NOTE_SIZE: f64 = 12.0;
const WORD_SIZE: f64 = 9.5;
/// A report is cut after so many characters.
const REPORT: usize = 96;
const RED: Colour = Colour(0xd5, 0x5e, 0x00);
const BLUE: Colour = Colour(0x00, 0x72, 0xb2);

/// What a picture shows.
#[derive(Debug)]
pub struct Sequence<'a> {
    /// What happened, in order.
    pub moments: &'a [Moment],
    /// What broke.
    pub violation: &'a Violation,
}

/// An arrow between two rows; `None` where nobody is seen to have heard.
struct Arrow<'a> {
    from: (usize, u32),
    to: (Option<usize>, u32),
    what: &'a str,
}

/// The SVG of a picture.
///
/// # Errors
/// When plotters refuses an element.
pub fn svg_of(sequence: &Sequence<'_>) -> Result<String, DrawError> {
    let violation = sequence.violation;
    let until = sequence.moments.partition_point(|moment| moment.time_us <= violation.time_us);
    let shown = &sequence.moments[until.saturating_sub(MOMENTS)..until];
    let columns = columns(shown, violation.node);
    let shown: Vec<&Moment> = shown.iter().filter(|moment| columns.contains_key(&moment.node)).collect();
    let arrows = arrows(&shown, &columns);
    let width = 2.0 * MARGIN + LEFT + COLUMN * columns.len().saturating_sub(1) as f64 + RIGHT;
    let told = format!("{:.6} s: {}: {}", violation.time_us as f64 / 1e6, violation.check, violation.detail);
    let told = wrap(&told, NOTE_SIZE, false, width - 2.0 * MARGIN);
    let top = MARGIN + told.len() as f64 * 17.0 + 44.0;
    let height = top + ROW * (shown.len() as f64 + 1.0) + MARGIN;
    let picture = Picture { columns: &columns, top, rows: shown.len() };
    drawn((width, height), |svg, size| {
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        for (number, words) in told.iter().enumerate() {
            text(&area, words, (MARGIN, MARGIN + number as f64 * 17.0), &Style::new(NOTE_SIZE, RED))?;
        }
        picture.lifelines(&area)?;
        for arrow in &arrows {
            picture.arrow(&area, arrow)?;
        }
        for (row, moment) in shown.iter().enumerate() {
            picture.moment(&area, row, moment)?;
        }
        area.present()
    })
}

/// Where each node stands. Of many nodes those with the most to say and hear, and in any case the one where it broke.
fn columns(moments: &[Moment], broken: Option<u32>) -> BTreeMap<u32, usize> {
    let mut busy: BTreeMap<u32, usize> = BTreeMap::new();
    for moment in moments {
        let weight = 1 + moment.letters.len() + 4 * moment.reports.len();
        *busy.entry(moment.node).or_default() += weight;
    }
    if let Some(node) = broken {
        *busy.entry(node).or_default() += usize::MAX / 2;
    }
    let mut nodes: Vec<(usize, u32)> = busy.into_iter().map(|(node, weight)| (weight, node)).collect();
    nodes.sort_unstable_by(|a, b| b.cmp(a));
    nodes.truncate(NODES);
    let nodes: BTreeSet<u32> = nodes.into_iter().map(|(_, node)| node).collect();
    nodes.into_iter().zip(0..).collect()
}

fn arrows<'a>(shown: &[&'a Moment], columns: &BTreeMap<u32, usize>) -> Vec<Arrow<'a>> {
    let mut arrows = Vec::new();
    for (row, moment) in shown.iter().enumerate() {
        for letter in &moment.letters {
            for &to in letter.to.iter().filter(|to| columns.contains_key(to)) {
                let is_it = |later: &&Moment| later.node == to && later.heard == Some(letter.content);
                let heard = shown[row..].iter().position(is_it).map(|offset| row + offset);
                arrows.push(Arrow { from: (row, moment.node), to: (heard, to), what: &letter.what });
            }
        }
    }
    arrows
}

struct Picture<'a> {
    columns: &'a BTreeMap<u32, usize>,
    top: f64,
    rows: usize,
}

type Area<'a> = super::draw::Area<'a>;

impl Picture<'_> {
    fn x(&self, node: u32) -> f64 {
        MARGIN + LEFT + COLUMN * self.columns.get(&node).copied().unwrap_or_default() as f64
    }

    fn y(&self, row: usize) -> f64 {
        self.top + ROW * (row as f64 + 1.0)
    }

    fn lifelines(&self, area: &Area<'_>) -> Drawn {
        for &node in self.columns.keys() {
            let x = self.x(node);
            let head = Style::new(HEAD_SIZE, BLACK).bold().at(HPos::Center, VPos::Bottom);
            text(area, &format!("node {node}"), (x, self.top - 4.0), &head)?;
            let stroke = Stroke { colour: GREY, width: 1.0, dashes: &[] };
            line(area, &[(x, self.top), (x, self.y(self.rows))], &stroke)?;
        }
        Ok(())
    }

    fn moment(&self, area: &Area<'_>, row: usize, moment: &Moment) -> Drawn {
        let (x, y) = (self.x(moment.node), self.y(row));
        let at = format!("{:.3} s", moment.time_us as f64 / 1e6);
        let small = |colour| Style::new(WORD_SIZE, colour).at(HPos::Left, VPos::Center);
        text(area, &at, (MARGIN, y), &small(GREY))?;
        line(area, &[(x - 3.0, y), (x + 3.0, y)], &Stroke { colour: BLACK, width: 2.5, dashes: &[] })?;
        if moment.reports.is_empty() {
            return Ok(());
        }
        // Beside all lines, as arrows cross everything between them.
        let last = self.columns.len().saturating_sub(1) as f64;
        let beside = MARGIN + LEFT + COLUMN * last + 24.0;
        let mut words = format!("node {}: {}", moment.node, moment.reports.join("; "));
        if let Some((at, _)) = words.char_indices().nth(REPORT) {
            words.truncate(at);
            words.push_str(" …");
        }
        text(area, &words, (beside, y), &small(BLACK))
    }

    fn arrow(&self, area: &Area<'_>, arrow: &Arrow<'_>) -> Drawn {
        let (row, from) = arrow.from;
        let start = (self.x(from), self.y(row));
        let side = if self.x(arrow.to.1) < start.0 { -1.0 } else { 1.0 };
        let (end, stroke) = match arrow.to.0 {
            Some(heard) => {
                ((self.x(arrow.to.1), self.y(heard)), Stroke { colour: BLUE, width: 1.0, dashes: &[] })
            }
            // Lost, or on its way beyond the end of the picture.
            None => {
                let stub = (start.0 + side * COLUMN * 0.3, start.1 + ROW * 0.4);
                (stub, Stroke { colour: GREY, width: 1.0, dashes: &[3.0, 3.0] })
            }
        };
        line(area, &[start, end], &stroke)?;
        let solid = Stroke { dashes: &[], ..stroke };
        for across in [-3.0, 3.0] {
            let back = if arrow.to.0.is_some() { 7.0 } else { -3.0 };
            line(area, &[(end.0 - side * back, end.1 + across), end], &solid)?;
        }
        let words = Style::new(WORD_SIZE - 1.5, solid.colour)
            .at(if side > 0.0 { HPos::Left } else { HPos::Right }, VPos::Bottom);
        text(area, arrow.what, (start.0 + side * 8.0, start.1 - 1.0), &words)
    }
}
