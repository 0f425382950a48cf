//! SVG to PNG.

use super::font;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Why an SVG could not be turned into a PNG.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    /// It is no SVG.
    #[error("cannot read the plot as SVG: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// It has no size, or one for which there is no memory.
    #[error("a plot of {0} × {1} pixels cannot be drawn")]
    Size(u32, u32),
    /// The image cannot be encoded.
    #[error("cannot encode the plot as PNG: {0}")]
    Encode(String),
}

/// The PNG of an SVG, drawn at `scale` times its own size with the embedded font alone.
///
/// # Errors
/// When the text is no SVG of a sensible size.
pub fn png_of(svg: &str, scale: f32) -> Result<Vec<u8>, RasterError> {
    let options =
        Options { fontdb: font::database(), font_family: "DejaVu Sans".to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size();
    let (width, height) = ((size.width() * scale).round() as u32, (size.height() * scale).round() as u32);
    let mut pixmap = Pixmap::new(width, height).ok_or(RasterError::Size(width, height))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| RasterError::Encode(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_svg_is_refused() {
        assert!(matches!(png_of("<p>no plot</p>", 1.0), Err(RasterError::Svg(_))));
    }
}
