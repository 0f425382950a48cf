//! The simulator of heck.
pub mod report;
pub mod stats;
pub mod theory;
