//! What a plot shows, without a word about how it is drawn.

/// A colour as red, green, blue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Colour(pub u8, pub u8, pub u8);

/// Text, axes and the analytic curve.
pub const BLACK: Colour = Colour(0x1a, 0x1a, 0x1a);
/// Secondary text and the lower bound.
pub const GREY: Colour = Colour(0x60, 0x60, 0x60);

/// The broad line that lies under all others.
const LAVENDER: Colour = Colour(0xa9, 0x9c, 0xf5);

/// Okabe and Ito's palette for colour-blind readers, in an order whose neighbours differ on paper too; its yellow
/// is left out, because it vanishes on white.
const PALETTE: [Colour; 7] = [
    Colour(0x00, 0x72, 0xb2),
    Colour(0xd5, 0x5e, 0x00),
    Colour(0x00, 0x9e, 0x73),
    Colour(0xcc, 0x79, 0xa7),
    Colour(0xe6, 0x9f, 0x00),
    Colour(0x56, 0xb4, 0xe9),
    Colour(0x00, 0x00, 0x00),
];

/// Lengths of dashes and gaps in turn, in pixels; empty is a solid line.
pub type Dashes = &'static [f64];

/// As many patterns as colours less two, so that a repeated colour comes with another pattern.
const PATTERNS: [Dashes; 5] =
    [&[], &[11.0, 4.0], &[4.0, 2.5], &[12.0, 3.5, 2.5, 3.5], &[12.0, 3.0, 2.0, 3.0, 2.0, 3.0]];

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stroke {
    /// Its colour.
    pub colour: Colour,
    /// Its width in pixels.
    pub width: f64,
    /// Its dashes.
    pub dashes: Dashes,
}

/// The stroke of the analytic curve.
pub const ANALYTIC: Stroke = Stroke { colour: BLACK, width: 1.3, dashes: &[7.0, 4.0] };
/// The stroke of the lower bound.
pub const BOUND: Stroke = Stroke { colour: GREY, width: 1.6, dashes: &[1.6, 3.2] };

impl Stroke {
    /// The stroke of the curve number `index`: colour and pattern differ from every other of up to 35.
    #[must_use]
    pub fn of_curve(index: usize) -> Self {
        let dashes = PATTERNS[index % PATTERNS.len()];
        Self { colour: PALETTE[index % PALETTE.len()], width: 2.0, dashes }
    }

    /// The stroke of a curve that looks the same in every plot. No numbered curve is as wide, and each can be told on top of it.
    #[must_use]
    pub const fn fixed() -> Self {
        Self { colour: LAVENDER, width: 6.0, dashes: &[] }
    }
}

/// A tick of an axis.
#[derive(Clone, PartialEq, Debug)]
pub struct Tick {
    /// Where, in the axis' own unit.
    pub at: f64,
    /// Its text; empty for a grid line without one.
    pub label: String,
}

/// A linear axis; for a logarithmic one the values are logarithms and the labels say what they stand for.
#[derive(Clone, PartialEq, Debug)]
pub struct Axis {
    /// What is shown, with its unit.
    pub title: String,
    /// The value at the left or lower end.
    pub low: f64,
    /// The value at the right or upper end, greater than `low`.
    pub high: f64,
    /// Ticks inside the range.
    pub ticks: Vec<Tick>,
}

/// A line through points in the units of its axes.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// How it looks.
    pub stroke: Stroke,
}

/// The opacity of a band around a curve: what lies below shines through.
pub const FAINT: f64 = 0.13;

/// An area between a lower and an upper line, or a bar.
#[derive(Clone, PartialEq, Debug)]
pub struct Band {
    /// The points around it.
    pub outline: Vec<(f64, f64)>,
    /// Its colour.
    pub colour: Colour,
    /// How much of it covers what lies below, 0 to 1.
    pub opacity: f64,
}

/// A labelled dot, with a bar for its spread.
#[derive(Clone, PartialEq, Debug)]
pub struct Dot {
    /// Where.
    pub at: (f64, f64),
    /// Lower and upper end of the vertical bar.
    pub spread: (f64, f64),
    /// Whether the true value lies above the axis: drawn hollow at its upper end.
    pub beyond: bool,
    /// What it is.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
}

/// One coordinate system.
#[derive(Clone, PartialEq, Debug)]
pub struct Panel {
    /// Height of the area inside the axes, in pixels.
    pub height: i32,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Drawn first.
    pub bands: Vec<Band>,
    /// Drawn over the bands.
    pub lines: Vec<Line>,
    /// Drawn last.
    pub dots: Vec<Dot>,
}

/// An entry of the legend.
#[derive(Clone, PartialEq, Debug)]
pub enum Entry {
    /// A head over the entries that follow.
    Head(String),
    /// A line and what it stands for.
    Line(Stroke, String),
    /// A band around a curve and what it stands for.
    Band(Colour, String),
    /// A bar and what it stands for.
    Bar(Colour, String),
    /// A smaller remark.
    Remark(String),
}

/// A whole picture: title, panels below each other, legend beside them.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// First line.
    pub title: String,
    /// Further lines, smaller.
    pub notes: Vec<String>,
    /// From top to bottom.
    pub panels: Vec<Panel>,
    /// Stands outside of the panels; empty for none.
    pub legend: Vec<Entry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_curves_of_a_plot_look_the_same() {
        for a in 0..35 {
            for b in 0..a {
                let (one, other) = (Stroke::of_curve(a), Stroke::of_curve(b));
                assert!(one.colour != other.colour || one.dashes != other.dashes, "{a} and {b}");
            }
        }
    }
}
