//! The text files of a scenario's results: tables and manifest to text, and back.

use super::manifest::Manifest;
use super::outcome::Outcome;
use super::tabulate::Tables;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Name of the manifest, which also marks a directory as results.
pub const MANIFEST: &str = "manifest.toml";
/// Name of the file of convergence curves.
pub const CURVE: &str = "curve.csv";
/// Name of the file of single runs.
pub const RUNS: &str = "runs.csv";
/// Name of the file of statistics over seeds.
pub const SUMMARY: &str = "summary.csv";

/// Name of the file of checks of origins, where there were any.
pub const CHECKS: &str = "checks.csv";

/// Name of the file of how far two drivers are apart, where there were two.
pub const AGREEMENT: &str = "agreement.csv";

/// The text files, as they stand on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextFiles {
    /// `manifest.toml`.
    pub manifest: String,
    /// `curve.csv`.
    pub curve: String,
    /// `runs.csv`.
    pub runs: String,
    /// `summary.csv`.
    pub summary: String,
    /// `checks.csv`; none where nobody checks.
    pub checks: Option<String>,
    /// `agreement.csv`; none where there was one driver.
    pub agreement: Option<String>,
}

/// Results as they were read back; plots are made from this alone, never from an outcome in memory, so a plot
/// made later from the files is the same to the byte.
#[derive(Clone, PartialEq, Debug)]
pub struct Results {
    /// The manifest.
    pub manifest: Manifest,
    /// The rows of all CSV files.
    pub tables: Tables,
}

/// Why results cannot be turned into text or read back.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A CSV file does not hold the columns and values that it should.
    #[error("{file}: {source}")]
    Csv {
        /// The file's name.
        file: &'static str,
        /// What is wrong, with line and column.
        source: csv::Error,
    },
    /// The manifest cannot be written as TOML.
    #[error("{MANIFEST}: {0}")]
    WriteManifest(#[from] toml::ser::Error),
    /// The manifest is not what this version writes.
    #[error("{MANIFEST}: {0}")]
    ReadManifest(#[from] toml::de::Error),
}

impl TextFiles {
    /// The text files of an outcome.
    ///
    /// # Errors
    /// When a table cannot be written, which a well-formed outcome never causes.
    pub fn of(outcome: &Outcome) -> Result<Self, FilesError> {
        let tables = Tables::of(outcome);
        Ok(Self {
            manifest: toml::to_string(&Manifest::of(outcome))?,
            curve: to_csv(CURVE, &tables.curve)?,
            runs: to_csv(RUNS, &tables.runs)?,
            summary: to_csv(SUMMARY, &tables.summary)?,
            checks: match tables.checks.as_slice() {
                [] => None,
                rows => Some(to_csv(CHECKS, rows)?),
            },
            agreement: match tables.agreement.as_slice() {
                [] => None,
                rows => Some(to_csv(AGREEMENT, rows)?),
            },
        })
    }

    /// Reads the text back.
    ///
    /// # Errors
    /// When a file is not what this version writes; the error names file, line and column.
    pub fn parse(&self) -> Result<Results, FilesError> {
        let tables = Tables {
            curve: from_csv(CURVE, &self.curve)?,
            runs: from_csv(RUNS, &self.runs)?,
            summary: from_csv(SUMMARY, &self.summary)?,
            checks: match &self.checks {
                None => Vec::new(),
                Some(text) => from_csv(CHECKS, text)?,
            },
            agreement: match &self.agreement {
                None => Vec::new(),
                Some(text) => from_csv(AGREEMENT, text)?,
            },
        };
        Ok(Results { manifest: toml::from_str(&self.manifest)?, tables })
    }
}

pub(super) fn to_csv<Row: Serialize>(file: &'static str, rows: &[Row]) -> Result<String, FilesError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|source| FilesError::Csv { file, source })?;
    }
    let bytes =
        writer.into_inner().map_err(|error| FilesError::Csv { file, source: error.into_error().into() })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn from_csv<Row: DeserializeOwned>(
    file: &'static str,
    text: &str,
) -> Result<Vec<Row>, FilesError> {
    let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize().collect::<Result<_, _>>();
    rows.map_err(|source| FilesError::Csv { file, source })
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
