//! Who may own: a name, a weight, a zone.

use crate::entry::Scope;
use crate::id::Name;
use crate::settings::Weight;

/// A node that may own: alive or suspect, as dead nodes and those that left are not listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Its weight.
    pub weight: Weight,
    /// Its zone, as a scope.
    pub zone: Scope,
}

impl<'a> Candidate<'a> {
    /// A candidate of the default weight in no zone.
    #[must_use]
    pub const fn new(name: &'a Name) -> Self {
        Self { name, weight: Weight::DEFAULT, zone: Scope::NO_ZONE }
    }

    /// Whether it may own anything in a scope.
    #[must_use]
    pub fn takes_part(&self, scope: Scope) -> bool {
        self.weight.0 > 0 && (scope == Scope::CLUSTER || scope == self.zone)
    }
}
