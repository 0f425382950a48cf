//! Reports: an outcome in, CSV, manifest, tables and plots out.

pub mod agreement;
pub mod answers;
pub mod axis;
pub mod compare;
pub mod convergence;
pub mod dash;
pub mod decimal;
pub mod draw;
pub mod figure;
pub mod files;
pub mod font;
pub mod frontier;
pub mod json;
pub mod manifest;
pub mod met;
pub mod outcome;
pub mod plot;
pub mod raster;
pub mod rows;
pub mod sequence;
pub mod store;
pub mod table;
pub mod tabulate;
pub mod theory;
pub mod timeline;
pub mod together;
pub mod traffic;
pub mod write;

#[cfg(test)]
pub mod example;
