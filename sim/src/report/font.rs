//! The one font of all plots, embedded: no plot depends on what a machine has installed.

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};
use resvg::usvg::fontdb::Database;
use std::sync::{Arc, Once};

static REGULAR: &[u8] = include_bytes!("../../assets/DejaVuSans-subset.ttf");
static BOLD: &[u8] = include_bytes!("../../assets/DejaVuSans-Bold-subset.ttf");

/// The generic name under which plots ask for it; a viewer of the SVG may use its own.
const FAMILY: &str = "sans-serif";
/// plotters counts a font's size as line height and divides by this to get the size of the em.
const LINE_PER_EM: f64 = 1.24;

/// The font at this size of the em.
#[must_use]
pub fn of_size(em: f64, bold: bool) -> FontDesc<'static> {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        // Registering fails only for bytes that are no font, and a test draws with both of these.
        let _ = register_font(FAMILY, FontStyle::Normal, REGULAR);
        let _ = register_font(FAMILY, FontStyle::Bold, BOLD);
    });
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::SansSerif, em * LINE_PER_EM, style)
}

/// How wide a text is at this size of the em, in the same unit; a few percent too much, for safety.
#[must_use]
pub fn width(text: &str, em: f64, bold: bool) -> f64 {
    // Measured at a hundredfold size: plotters rounds to whole pixels.
    let box_size = of_size(100.0, bold).box_size(text);
    box_size.map_or(0.0, |(width, _)| f64::from(width) * em / 100.0)
}

/// A font database for rasterising that holds this font alone.
#[must_use]
pub fn database() -> Arc<Database> {
    let mut database = Database::new();
    database.load_font_data(REGULAR.to_vec());
    database.load_font_data(BOLD.to_vec());
    database.set_sans_serif_family("DejaVu Sans");
    Arc::new(database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_embedded_font() {
        // An em of DejaVu Sans is 2048 units; "m" is 1995 wide, bold 2134. The estimate is up to 7 % above.
        for (bold, units) in [(false, 1_995.0), (true, 2_134.0)] {
            let (measured, exact) = (width("m", 10.0, bold), units * 10.0 / 2_048.0);
            assert!(measured >= exact && measured < 1.08 * exact, "{bold}: {measured}, {exact}");
        }
        assert_eq!(width("", 10.0, false), 0.0);
    }

    #[test]
    fn the_database_holds_both_weights_and_nothing_of_the_machine() {
        assert_eq!(database().faces().count(), 2);
    }
}
