//! All plots of some results, made from their text files alone.

use super::draw::{DrawError, svg_of};
use super::figure::Figure;
use super::files::Results;
use super::raster::{RasterError, png_of};
use super::write::NamedFile;
use super::{convergence, frontier, timeline, together, traffic};

/// PNG pixels per SVG pixel.
const PNG_SCALE: f32 = 1.6;

/// Why a plot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// While drawing.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// While turning SVG into PNG.
    #[error(transparent)]
    Raster(#[from] RasterError),
}

/// For a scenario that two drivers have run, the plot of both; otherwise the convergence plot, for a sweep the frontier, and where something went wrong for a time the timeline, each as SVG
/// and PNG; where no update was followed, the traffic plot in place of all.
///
/// # Errors
/// When a plot cannot be drawn.
pub fn plots(results: &Results) -> Result<Vec<NamedFile>, PlotError> {
    if results.tables.curve.is_empty() {
        return both("traffic.svg", "traffic.png", &traffic::figure(results));
    }
    if results.manifest.real.is_some() {
        return both("agreement.svg", "agreement.png", &together::figure(results));
    }
    let mut files = both("convergence.svg", "convergence.png", &convergence::figure(results))?;
    if let Some(figure) = frontier::figure(results) {
        files.extend(both("frontier.svg", "frontier.png", &figure)?);
    }
    if let Some(figure) = timeline::figure(results) {
        files.extend(both("timeline.svg", "timeline.png", &figure)?);
    }
    Ok(files)
}

/// A figure as SVG and PNG under these names.
///
/// # Errors
/// When the figure cannot be drawn.
pub fn both(
    svg_name: &'static str,
    png_name: &'static str,
    figure: &Figure,
) -> Result<Vec<NamedFile>, PlotError> {
    let svg = svg_of(figure)?;
    let png = png_of(&svg, PNG_SCALE)?;
    Ok(vec![NamedFile { name: svg_name, bytes: svg.into_bytes() }, NamedFile { name: png_name, bytes: png }])
}

#[cfg(test)]
#[path = "plot_tests.rs"]
mod tests;
