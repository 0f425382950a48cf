//! `[measure]`: what is reported.

use heck_core::time::Span;

use super::read::default;
use super::section::section;
use super::workload::Kind;
use crate::units::Fraction;

section! {
    "[measure]"
    /// What is reported of the updates that are followed.
    pub struct Measure {
        /// Parts of the fleet for which the time until they hold an update is reported, ascending.
        milestones: Vec<Fraction> = default(r#"["50%", "90%", "99%", "99.9%", "100%"]"#),
        /// Step of the curves.
        resolution: Span = default("100ms").at_least("1us"),
        /// Kinds of updates that are reported, of those that are followed.
        kinds: Vec<Kind> = default(
            r#"["health_flip", "origin_added", "origin_removed", "key_written", "message_published"]"#
        ),
        /// Time at the end in which nothing new happens, and after which all nodes must agree.
        quiet: Span = default("0s"),
    }
}
