//! Reports: an outcome in, CSV, manifest, tables and plots out.

pub mod decimal;
pub mod files;
pub mod manifest;
pub mod outcome;
pub mod rows;
pub mod tabulate;
pub mod write;

#[cfg(test)]
pub mod example;
