//! Draws a [`Figure`] as SVG.
//!
//! plotters writes whole-number coordinates only, so everything is drawn at `FINE` times its size into a view
//! box of that size. Positions come from additions, multiplications and square roots alone: the text is the same
//! on every machine.

use super::dash;
use super::figure::{Axis, BLACK, Band, Colour, Dot, Entry, Figure, GREY, Line, Panel, Stroke};
use super::font;
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, RGBColor, ShapeStyle, TextStyle, WHITE};

/// Steps of a coordinate per pixel.
const FINE: f64 = 10.0;
/// Width of the area inside the axes.
const PANEL_WIDTH: f64 = 660.0;
const MARGIN: f64 = 24.0;
/// Room for the labels and the title of a vertical axis, at least.
const LEFT: f64 = 68.0;
/// Of it, what is not for the labels.
const LEFT_OF_LABELS: f64 = 34.0;
/// Room for the labels and the title of a horizontal axis, and before the next panel.
const BELOW: f64 = 62.0;
const LEGEND_GAP: f64 = 26.0;
const SAMPLE: f64 = 44.0;
const ENTRY_HEIGHT: f64 = 22.0;
const TITLE_SIZE: f64 = 19.0;
const NOTE_SIZE: f64 = 12.5;
const LABEL_SIZE: f64 = 12.5;
const AXIS_SIZE: f64 = 13.5;
const ENTRY_SIZE: f64 = 12.5;
const REMARK_SIZE: f64 = 11.0;
const GRID: Colour = Colour(0xe2, 0xe2, 0xe2);

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Writing into a string fails only where plotters itself is wrong.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the plot: {0}")]
pub struct DrawError(String);

/// The SVG of a figure.
///
/// # Errors
/// When plotters refuses an element.
pub fn svg_of(figure: &Figure) -> Result<String, DrawError> {
    let legend_width = legend_width(figure);
    let left = left_room(figure);
    let text_width = PANEL_WIDTH + left + legend_width;
    let title = wrap(&figure.title, TITLE_SIZE, true, text_width);
    let notes: Vec<String> =
        figure.notes.iter().flat_map(|note| wrap(note, NOTE_SIZE, false, text_width)).collect();
    let head = MARGIN + title.len() as f64 * 26.0 + notes.len() as f64 * 18.0 + 14.0;
    let panels: f64 = figure.panels.iter().map(|panel| f64::from(panel.height) + BELOW).sum();
    let width = 2.0 * MARGIN + left + PANEL_WIDTH + legend_width;
    let height = head + panels.max(legend_height(figure)) + 6.0;
    drawn((width, height), |svg, size| {
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let mut y = MARGIN;
        for line in &title {
            text(&area, line, (MARGIN, y), &Style::new(TITLE_SIZE, BLACK).bold())?;
            y += 26.0;
        }
        for line in &notes {
            text(&area, line, (MARGIN, y), &Style::new(NOTE_SIZE, GREY))?;
            y += 18.0;
        }
        let mut top = head;
        for panel in &figure.panels {
            Frame { panel, left: MARGIN + left, top }.draw(&area)?;
            top += f64::from(panel.height) + BELOW;
        }
        legend(&area, figure, (MARGIN + left + PANEL_WIDTH + LEGEND_GAP, head))?;
        area.present()
    })
}

/// An SVG of this size in pixels, drawn by `draw` at the finer size that it is given.
pub(super) fn drawn(
    (width, height): (f64, f64),
    draw: impl FnOnce(&mut String, (u32, u32)) -> Drawn,
) -> Result<String, DrawError> {
    let mut svg = String::new();
    draw(&mut svg, (fine(width) as u32, fine(height) as u32))
        .map_err(|error| DrawError(error.to_string()))?;
    let fine_size = format!("<svg width=\"{}\" height=\"{}\"", fine(width), fine(height));
    Ok(svg.replacen(&fine_size, &format!("<svg width=\"{width:.0}\" height=\"{height:.0}\""), 1))
}

fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}

fn fine_point((x, y): (f64, f64)) -> (i32, i32) {
    (fine(x), fine(y))
}

fn rgb(colour: Colour) -> RGBColor {
    RGBColor(colour.0, colour.1, colour.2)
}

/// How a text is set.
pub(super) struct Style {
    size: f64,
    colour: Colour,
    bold: bool,
    at: Pos,
    upwards: bool,
}

impl Style {
    pub(super) const fn new(size: f64, colour: Colour) -> Self {
        Self { size, colour, bold: false, at: Pos { h_pos: HPos::Left, v_pos: VPos::Top }, upwards: false }
    }

    pub(super) const fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    pub(super) const fn at(mut self, h_pos: HPos, v_pos: VPos) -> Self {
        self.at = Pos { h_pos, v_pos };
        self
    }
}

pub(super) fn text(area: &Area<'_>, content: &str, at: (f64, f64), style: &Style) -> Drawn {
    let mut font = font::of_size(style.size * FINE, style.bold);
    if style.upwards {
        font = font.transform(FontTransform::Rotate270);
    }
    let colour = rgb(style.colour);
    let set = TextStyle::from(font).color(&colour).pos(style.at);
    area.draw(&Text::new(content.to_owned(), fine_point(at), set))
}

pub(super) fn line(area: &Area<'_>, points: &[(f64, f64)], stroke: &Stroke) -> Drawn {
    let style = ShapeStyle::from(&rgb(stroke.colour)).stroke_width(fine(stroke.width) as u32);
    for piece in dash::cut(points, stroke.dashes) {
        let piece: Vec<(i32, i32)> = piece.into_iter().map(fine_point).collect();
        area.draw(&PathElement::new(piece, style))?;
    }
    Ok(())
}

/// Lines of at most `width`, broken between words.
pub(super) fn wrap(content: &str, size: f64, bold: bool, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in content.split_whitespace() {
        match lines.last_mut() {
            Some(last) if font::width(&format!("{last} {word}"), size, bold) <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A panel at its place.
struct Frame<'a> {
    panel: &'a Panel,
    left: f64,
    top: f64,
}

impl Frame<'_> {
    fn height(&self) -> f64 {
        f64::from(self.panel.height)
    }

    fn bottom(&self) -> f64 {
        self.top + self.height()
    }

    fn x(&self, value: f64) -> f64 {
        self.left + PANEL_WIDTH * share(&self.panel.x, value)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom() - self.height() * share(&self.panel.y, value)
    }

    fn points(&self, values: &[(f64, f64)]) -> Vec<(f64, f64)> {
        values.iter().map(|&(x, y)| (self.x(x), self.y(y))).collect()
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        self.grid(area)?;
        for band in &self.panel.bands {
            self.band(area, band)?;
        }
        for Line { points, stroke } in &self.panel.lines {
            line(area, &self.points(points), stroke)?;
        }
        let corners =
            [(self.left, self.top), (self.left, self.bottom()), (self.left + PANEL_WIDTH, self.bottom())];
        line(area, &corners, &Stroke { colour: BLACK, width: 1.0, dashes: &[] })?;
        self.dots(area)
    }

    fn grid(&self, area: &Area<'_>) -> Drawn {
        let (right, bottom) = (self.left + PANEL_WIDTH, self.bottom());
        let thin = Stroke { colour: GRID, width: 0.9, dashes: &[] };
        for tick in &self.panel.x.ticks {
            let x = self.x(tick.at);
            line(area, &[(x, self.top), (x, bottom)], &thin)?;
            let style = Style::new(LABEL_SIZE, BLACK).at(HPos::Center, VPos::Top);
            text(area, &tick.label, (x, bottom + 7.0), &style)?;
        }
        for tick in &self.panel.y.ticks {
            let y = self.y(tick.at);
            line(area, &[(self.left, y), (right, y)], &thin)?;
            let style = Style::new(LABEL_SIZE, BLACK).at(HPos::Right, VPos::Center);
            text(area, &tick.label, (self.left - 8.0, y), &style)?;
        }
        let below = Style::new(AXIS_SIZE, BLACK).at(HPos::Center, VPos::Top);
        text(area, &self.panel.x.title, (self.left + PANEL_WIDTH / 2.0, bottom + 27.0), &below)?;
        let mut beside = Style::new(AXIS_SIZE, BLACK).at(HPos::Center, VPos::Top);
        beside.upwards = true;
        text(area, &self.panel.y.title, (MARGIN, self.top + self.height() / 2.0), &beside)
    }

    fn band(&self, area: &Area<'_>, band: &Band) -> Drawn {
        let outline: Vec<(i32, i32)> = self.points(&band.outline).into_iter().map(fine_point).collect();
        area.draw(&Polygon::new(outline, rgb(band.colour).mix(band.opacity).filled()))
    }

    fn dots(&self, area: &Area<'_>) -> Drawn {
        let mut taken: Vec<Place> = self.beneath();
        for dot in &self.panel.dots {
            let at = self.dot_at(dot);
            let (low, high) = (self.y(dot.spread.0), self.y(dot.spread.1));
            taken.push(Place::around(at, 8.0, 8.0));
            taken.push(Place { left: at.0 - 2.0, top: high, right: at.0 + 2.0, bottom: low });
            let bar = Stroke { colour: dot.colour, width: 1.6, dashes: &[] };
            line(area, &[(at.0, low), (at.0, high)], &bar)?;
        }
        let labels: Vec<Label<'_>> = self.labels(&mut taken);
        for label in &labels {
            if let Some(leader) = label.leader {
                line(area, &leader, &Stroke { colour: GREY, width: 0.8, dashes: &[] })?;
            }
        }
        for dot in &self.panel.dots {
            let at = self.dot_at(dot);
            let fill = if dot.beyond { WHITE } else { rgb(dot.colour) };
            area.draw(&Circle::new(fine_point(at), fine(DOT_RADIUS), fill.filled()))?;
            let edge = ShapeStyle::from(&rgb(dot.colour)).stroke_width(fine(1.6) as u32);
            area.draw(&Circle::new(fine_point(at), fine(DOT_RADIUS), edge))?;
        }
        for Label { words, place, .. } in labels {
            text(area, words, (place.left, place.top), &Style::new(LABEL_SIZE, BLACK))?;
        }
        Ok(())
    }

    /// What the lines of a panel with dots cover; all of them run straight across or down.
    fn beneath(&self) -> Vec<Place> {
        let lines = self.panel.lines.iter().filter(|_| !self.panel.dots.is_empty());
        let corners = lines.map(|line| self.points(&line.points));
        let covered = |(a, b): ((f64, f64), (f64, f64))| Place {
            left: a.0.min(b.0) - 1.0,
            top: a.1.min(b.1) - 1.0,
            right: a.0.max(b.0) + 1.0,
            bottom: a.1.max(b.1) + 1.0,
        };
        corners
            .flat_map(|at| at.windows(2).map(|pair| covered((pair[0], pair[1]))).collect::<Vec<_>>())
            .collect()
    }

    fn dot_at(&self, dot: &Dot) -> (f64, f64) {
        (self.x(dot.at.0), self.y(if dot.beyond { self.panel.y.high } else { dot.at.1 }))
    }

    /// The labels of all dots, those of the most crowded ones placed first.
    fn labels(&self, taken: &mut Vec<Place>) -> Vec<Label<'_>> {
        let crowd = |dot: &Dot| {
            let near = Place::around(self.dot_at(dot), 140.0, 40.0);
            let others = self.panel.dots.iter().map(|other| Place::around(self.dot_at(other), 1.0, 1.0));
            others.filter(|other| near.meets(other)).count()
        };
        let mut order: Vec<&Dot> = self.panel.dots.iter().collect();
        order.sort_by_key(|dot| std::cmp::Reverse(crowd(dot)));
        let label = |dot| {
            let label = self.label(dot, taken);
            taken.push(label.place);
            label
        };
        order.into_iter().map(label).collect()
    }

    /// A label where it covers nothing that is already there, as near to its dot as that allows; farther away it is
    /// joined to the dot by a line.
    fn label<'b>(&self, dot: &'b Dot, taken: &[Place]) -> Label<'b> {
        let (x, y) = self.dot_at(dot);
        let (half_width, half_height) = (font::width(&dot.label, LABEL_SIZE, false) / 2.0, 7.0);
        let frame = Place {
            left: self.left,
            top: self.top - 10.0,
            right: self.left + PANEL_WIDTH,
            bottom: self.bottom(),
        };
        // Right, left, above and below, then the corners. Beside a dot at the upper edge the grid line would run
        // through its label.
        let mut directions = [
            (1.0, 0.0),
            (-1.0, 0.0),
            (1.0, -1.0),
            (1.0, 1.0),
            (-1.0, -1.0),
            (-1.0, 1.0),
            (0.0, -1.0),
            (0.0, 1.0),
        ];
        if dot.beyond {
            directions.rotate_right(1);
        }
        let at = |gap: f64, (right, down): (f64, f64)| {
            let aside = if down == 0.0 { gap } else { gap * 0.8 };
            let middle = (x + right * (half_width + aside), y + down * (half_height + gap));
            Place::around(middle, half_width, half_height)
        };
        let free = |place: &Place| frame.holds(place) && !taken.iter().any(|other| other.meets(place));
        let gaps = [NEAR, 14.0, 20.0, 28.0, 38.0, 50.0, 64.0, 80.0, 100.0, 125.0, 150.0];
        let found = gaps.into_iter().find_map(|gap| {
            let places = directions.iter().map(|&direction| at(gap, direction));
            places.into_iter().find(|place| free(place)).map(|place| (gap, place))
        });
        let (gap, place) = found.unwrap_or((NEAR, at(NEAR, directions[0])));
        let end = (x.clamp(place.left, place.right), y.clamp(place.top, place.bottom));
        Label { words: &dot.label, place, leader: (gap > NEAR).then_some([(x, y), end]) }
    }
}

/// Radius of a dot, in pixels.
const DOT_RADIUS: f64 = 5.0;
/// From the middle of a dot to its label.
const NEAR: f64 = 11.0;

/// A label of a dot at its place.
struct Label<'a> {
    words: &'a str,
    place: Place,
    leader: Option<[(f64, f64); 2]>,
}

/// A value's place between the ends of its axis, kept inside.
fn share(axis: &Axis, value: f64) -> f64 {
    ((value - axis.low) / (axis.high - axis.low)).clamp(0.0, 1.0)
}

/// A rectangle on the page.
#[derive(Clone, Copy)]
struct Place {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Place {
    fn around((x, y): (f64, f64), half_width: f64, half_height: f64) -> Self {
        Self { left: x - half_width, top: y - half_height, right: x + half_width, bottom: y + half_height }
    }

    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }
}

/// Room for the longest label of a vertical axis beside its title.
fn left_room(figure: &Figure) -> f64 {
    let ticks = figure.panels.iter().flat_map(|panel| &panel.y.ticks);
    let longest = ticks.map(|tick| font::width(&tick.label, LABEL_SIZE, false)).fold(0.0, f64::max);
    LEFT.max((LEFT_OF_LABELS + longest).ceil())
}

fn entry_width(entry: &Entry) -> f64 {
    match entry {
        Entry::Head(words) => font::width(words, ENTRY_SIZE, true),
        Entry::Line(_, words) | Entry::Band(_, words) | Entry::Bar(_, words) => {
            SAMPLE + 8.0 + font::width(words, ENTRY_SIZE, false)
        }
        Entry::Remark(words) => font::width(words, REMARK_SIZE, false),
    }
}

fn legend_width(figure: &Figure) -> f64 {
    let widest = figure.legend.iter().map(entry_width).fold(0.0, f64::max);
    if figure.legend.is_empty() { 0.0 } else { (LEGEND_GAP + widest).ceil() }
}

fn entry_height(entry: &Entry) -> f64 {
    match entry {
        Entry::Head(_) => ENTRY_HEIGHT + 8.0,
        Entry::Remark(_) => 16.0,
        Entry::Line(..) | Entry::Band(..) | Entry::Bar(..) => ENTRY_HEIGHT,
    }
}

fn legend_height(figure: &Figure) -> f64 {
    figure.legend.iter().map(entry_height).sum()
}

fn legend(area: &Area<'_>, figure: &Figure, (left, top): (f64, f64)) -> Drawn {
    let mut y = top;
    for entry in &figure.legend {
        let next = y + entry_height(entry);
        let middle = next - ENTRY_HEIGHT / 2.0;
        let words_at = (left + SAMPLE + 8.0, middle);
        let style = Style::new(ENTRY_SIZE, BLACK).at(HPos::Left, VPos::Center);
        match entry {
            Entry::Head(words) => text(area, words, (left, middle), &style.bold())?,
            Entry::Remark(words) => text(area, words, (left, y), &Style::new(REMARK_SIZE, GREY))?,
            Entry::Line(stroke, words) => {
                line(area, &[(left, middle), (left + SAMPLE, middle)], stroke)?;
                text(area, words, words_at, &style)?;
            }
            Entry::Band(colour, words) | Entry::Bar(colour, words) => {
                let corners = [fine_point((left, middle - 7.0)), fine_point((left + SAMPLE, middle + 7.0))];
                let opacity = if matches!(entry, Entry::Bar(..)) { 1.0 } else { 0.22 };
                area.draw(&Rectangle::new(corners, rgb(*colour).mix(opacity).filled()))?;
                text(area, words, words_at, &style)?;
            }
        }
        y = next;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_at_the_width_and_none_is_lost() {
        let sentence = "How soon does every node have an update when half of all packets are lost?";
        let lines = wrap(sentence, 12.0, false, 200.0);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| font::width(line, 12.0, false) <= 200.0), "{lines:?}");
        assert_eq!(lines.join(" "), sentence);
    }

    #[test]
    fn text_is_escaped() {
        let figure = Figure {
            title: "a < b & c".to_owned(),
            notes: Vec::new(),
            panels: Vec::new(),
            legend: vec![Entry::Head("x > y".to_owned())],
        };
        let svg = svg_of(&figure).expect("an SVG");
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("x &gt; y"), "{svg}");
    }
}
