//! The files of a comparison, written whole or not at all.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::figures::{Frame, curves, density, growth, timeline};
use super::markdown;
use super::rounds;
use super::rows::Tables;
use crate::compare::outcome::Comparison;
use crate::report::figure::Figure;
use crate::report::files::{FilesError, MANIFEST, to_csv};
use crate::report::plot::{PlotError, both};
use crate::report::store::StoreError;
use crate::report::tabulate::hex;
use crate::report::write::{NamedFile, directory_of, replace};

/// Name of the file of one row for each system and point.
pub const SYSTEMS: &str = "systems.csv";

/// Name of the file of deliveries by zone.
pub const ZONES: &str = "zones.csv";

/// Name of the file of shares by round.
pub const ROUNDS: &str = "rounds.csv";

/// Name of the file of cuts of the graph of responsibility.
pub const CUTS: &str = "cuts.csv";

/// `manifest.toml` of a comparison: what was run, so that anyone can run it again. No time, host or commit.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Manifest {
    heck_sim: &'static str,
    scenario: String,
    question: String,
    seed: String,
    scenario_hash: String,
    /// One hash over the trace hashes of all runs.
    trace_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<String>,
    #[serde(rename = "point")]
    points: Vec<PointManifest>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct PointManifest {
    label: String,
    nodes: u32,
    systems: Vec<&'static str>,
    options: String,
}

fn manifest(comparison: &Comparison) -> Manifest {
    let runs = comparison.points.iter().flat_map(|point| &point.systems).flat_map(|(_, runs)| runs);
    let hashes: Vec<u8> = runs.flat_map(|run| run.trace_hash.to_le_bytes()).collect();
    let points = comparison.points.iter().map(|point| PointManifest {
        label: point.label.clone(),
        nodes: point.nodes,
        systems: point.systems.iter().map(|(system, _)| system.word()).collect(),
        options: point.options.clone(),
    });
    Manifest {
        heck_sim: env!("CARGO_PKG_VERSION"),
        scenario: comparison.scenario.clone(),
        question: comparison.question.clone(),
        seed: comparison.seed.to_string(),
        scenario_hash: hex(comparison.scenario_hash),
        trace_hash: hex(xxhash_rust::xxh3::xxh3_64(&hashes)),
        sweep: comparison.sweep.clone(),
        points: points.collect(),
    }
}

/// Writes manifest, CSV files, tables and plots to `<out>/<topic>/<question>/`, and returns that directory.
///
/// # Errors
/// When the directory holds something else than results, or cannot be written.
pub fn save(comparison: &Comparison, tables: &Tables, out: &Path) -> Result<PathBuf, StoreError> {
    let directory = directory_of(out, &comparison.scenario)?;
    let files = files(comparison, tables)
        .map_err(|source| StoreError::Content { directory: directory.clone(), source })?;
    let mut files = files;
    files.extend(plots(comparison, tables)?);
    replace(&directory, &files)?;
    Ok(directory)
}

/// All files but the plots.
///
/// # Errors
/// When a table cannot be written, which a well-formed comparison never causes.
pub fn files(comparison: &Comparison, tables: &Tables) -> Result<Vec<NamedFile>, FilesError> {
    let named = |name, text: String| NamedFile { name, bytes: text.into_bytes() };
    let mut files = vec![
        named(MANIFEST, toml::to_string(&manifest(comparison))?),
        named(SYSTEMS, to_csv(SYSTEMS, &tables.systems)?),
        named("runs.csv", to_csv("runs.csv", &tables.runs)?),
        named("systems.md", markdown::page(&comparison.question, tables)),
    ];
    if !tables.timeline.is_empty() {
        files.push(named("timeline.csv", to_csv("timeline.csv", &tables.timeline)?));
    }
    if !tables.curve.is_empty() {
        files.push(named("curve.csv", to_csv("curve.csv", &tables.curve)?));
    }
    if !tables.rounds.is_empty() {
        files.push(named(ROUNDS, to_csv(ROUNDS, &tables.rounds)?));
    }
    if !tables.cuts.is_empty() {
        files.push(named(CUTS, to_csv(CUTS, &tables.cuts)?));
    }
    if !tables.zones.is_empty() {
        files.push(named(ZONES, to_csv(ZONES, &tables.zones)?));
        files.push(named("density.csv", to_csv("density.csv", &tables.density)?));
    }
    Ok(files)
}

fn plots(comparison: &Comparison, tables: &Tables) -> Result<Vec<NamedFile>, PlotError> {
    let frame = Frame {
        title: comparison.question.clone(),
        sweep: comparison.sweep.clone(),
        faults: comparison.points.first().map(|point| point.faults.clone()).unwrap_or_default(),
    };
    let figures: [(&str, &str, Option<Figure>); 5] = [
        ("curves.svg", "curves.png", curves(&frame, tables)),
        ("rounds.svg", "rounds.png", rounds::figure(&frame.title, &tables.rounds)),
        ("timeline.svg", "timeline.png", timeline(&frame, tables)),
        ("density.svg", "density.png", density(&frame, tables)),
        ("growth.svg", "growth.png", growth(&frame, tables)),
    ];
    let mut files = Vec::new();
    for (svg, png, figure) in figures {
        if let Some(figure) = figure {
            files.extend(both(svg, png, &figure)?);
        }
    }
    Ok(files)
}
