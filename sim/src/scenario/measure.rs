//! `[measure]`: what is reported.

use heck_core::time::Span;

use super::read::default;
use super::section::section;

section! {
    "[measure]"
    /// What is reported of the updates that are followed.
    pub struct Measure {
        /// Finest step of the curves. Later steps are a thirty-second of the time that has passed, at most a fifth of
        /// a round or a hundredth of the whole.
        resolution: Span = default("5ms").at_least("1us"),
        /// Time at the end in which nothing new happens, and after which all nodes must agree.
        quiet: Span = default("0s"),
    }
}
