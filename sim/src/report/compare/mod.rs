//! The results of a comparison of systems: CSV files, tables in Markdown, plots and the page that quotes them.
//!
//! `sim/COMPARE.md` documents each file and column.

pub mod figures;
pub mod markdown;
pub mod page;
pub mod rounds;
pub mod rows;
pub mod store;
