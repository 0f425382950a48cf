//! Reports: outcomes in, CSV, manifest, tables and plots out.
pub mod outcome;
