//! `[sweep]`: one scenario as a family of curves.

use super::read::plain;
use super::section::section;
use super::value::Literal;

section! {
    "[[sweep.point]]"
    /// One point of a sweep over several keys.
    pub struct SweepPoint {
        /// Name of the curve.
        label: String = plain(),
        /// Dotted keys and their values, such as `set = { "network.loss" = "50%" }`.
        set: Literal = plain(),
    }
}

section! {
    "[sweep]"
    /// The scenario once for each value, all with the same seeds: either `key` with `values`, or `[[sweep.point]]`.
    pub struct Sweep {
        /// The key that changes, such as `"network.loss"`.
        key: Option<String> = plain(),
        /// Its values, one curve each.
        values: Vec<Literal> = plain(),
        /// Points at which several keys change together.
        point: Vec<SweepPoint> = plain(),
    }
}
