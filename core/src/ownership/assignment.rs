//! Who owns each origin of one scope, kept up to date change by change.
//!
//! When a member comes, only origins for which it precedes the owner change hands; when one goes, only those that it
//! owned. So a change costs two hashes for each origin, or a comparison, and no sum over members and origins is ever
//! formed again. The table is a difference to one that many simulated nodes share.

use super::candidate::Candidate;
use super::rendezvous::{first, head, order, precedes};
use crate::entry::Scope;
use crate::id::{Name, NodeId};
use crate::member::{Member, Members};
use crate::mutant::{Mutant, Planted};
use crate::overlay::{Overlay, Shared};
use crate::settings::Weight;
use alloc::sync::Arc;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// A table of owners that many nodes share; nobody owns an origin where nobody has a weight.
pub type Owners = Shared<Name, Option<NodeId>>;

/// The members that may own anything, as one node sees them.
#[derive(Clone, Copy)]
pub struct Eligible<'a> {
    /// All members.
    pub members: &'a Members,
    /// Whether one of them counts now.
    pub counts: &'a dyn Fn(&Member) -> bool,
}

/// An origin that has changed hands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Which.
    pub origin: Name,
    /// Who owned it.
    pub from: Option<NodeId>,
    /// Who owns it now.
    pub to: Option<NodeId>,
}

/// The owner of each origin of one scope.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Assignment {
    scope: Scope,
    owners: Overlay<Name, Option<NodeId>>,
    planted: Planted,
}

impl<'a> Eligible<'a> {
    fn counted(self) -> impl Iterator<Item = (NodeId, Candidate<'a>)> {
        let counts = self.counts;
        let counted = self.members.iter().filter(move |member| counts(member));
        counted.map(|member| (member.node, candidate(member)))
    }

    fn candidate(self, node: NodeId) -> Option<Candidate<'a>> {
        self.members.get(node).filter(|member| (self.counts)(member)).map(candidate)
    }

    /// The owner of an origin in a scope, found among all members.
    #[must_use]
    pub fn owner(self, origin: &Name, scope: Scope) -> Option<NodeId> {
        first(origin, scope, self.counted())
    }

    /// All that may own an origin in a scope, in the order in which they are to.
    #[must_use]
    pub fn order(self, origin: &Name, scope: Scope) -> Vec<NodeId> {
        order(origin, scope, self.counted())
    }

    /// The first `count` of the order but `me`: whom an owner asks.
    #[must_use]
    pub fn confirmers(self, origin: &Name, scope: Scope, me: NodeId, count: usize) -> SmallVec<[NodeId; 4]> {
        head(origin, scope, self.counted().filter(|(node, _)| *node != me), count)
    }

    /// How many may own anything in a scope.
    #[must_use]
    pub fn count(self, scope: Scope) -> usize {
        self.counted().filter(|(_, candidate)| candidate.takes_part(scope)).count()
    }

    /// The owners of all of some origins in a scope, which must be sorted and distinct.
    #[must_use]
    pub fn owners(self, origins: &[Name], scope: Scope) -> Owners {
        Arc::new(origins.iter().map(|origin| (origin.clone(), self.owner(origin, scope))).collect())
    }
}

/// A member as one who may own. A zone without a name is that of all nodes without a zone.
fn candidate(member: &Member) -> Candidate<'_> {
    let zone = if member.zone == Scope::CLUSTER { Scope::NO_ZONE } else { member.zone };
    Candidate { name: &member.name, weight: Weight(member.weight), zone }
}

impl Assignment {
    /// Begins with what a shared table says.
    #[must_use]
    pub fn new(scope: Scope, base: Owners, planted: Planted) -> Self {
        Self { scope, owners: Overlay::new(base), planted }
    }

    /// The scope.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// How many origins there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether there is no origin.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whether an origin is in the table.
    #[must_use]
    pub fn contains(&self, origin: &Name) -> bool {
        self.owners.contains(origin)
    }

    /// The owner of an origin.
    #[must_use]
    pub fn owner(&self, origin: &Name) -> Option<NodeId> {
        self.owners.get(origin).copied().flatten()
    }

    /// All origins and their owners.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, Option<NodeId>)> {
        self.owners.iter().map(|(origin, owner)| (origin, *owner))
    }

    /// Finds the owner of an origin anew, among all members. What has changed, if anything has.
    pub fn settle(&mut self, origin: &Name, eligible: Eligible<'_>) -> Option<Moved> {
        let from = self.owner(origin);
        let to = eligible.owner(origin, self.scope);
        self.owners.put(origin.clone(), to);
        (from != to).then(|| Moved { origin: origin.clone(), from, to })
    }

    /// An origin is no more.
    pub fn forget(&mut self, origin: &Name) -> Option<Moved> {
        let from = self.owners.remove(origin).flatten();
        from.map(|from| Moved { origin: origin.clone(), from: Some(from), to: None })
    }

    /// Some members have come or gone, count again or no more, or have another weight or zone. All origins that change
    /// hands by it, in the order of their names.
    pub fn touch(&mut self, nodes: &[NodeId], eligible: Eligible<'_>) -> Vec<Moved> {
        let mut nodes: SmallVec<[NodeId; 8]> = nodes.iter().copied().collect();
        nodes.sort_unstable();
        nodes.dedup();
        let takes_part = |node: &NodeId| {
            let candidate = eligible.candidate(*node)?;
            candidate.takes_part(self.scope).then_some((*node, candidate))
        };
        let able: SmallVec<[(NodeId, Candidate<'_>); 8]> = nodes.iter().filter_map(takes_part).collect();
        let mut moved = Vec::new();
        for (origin, &from) in self.owners.iter() {
            let is_touched = |owner: NodeId| nodes.binary_search(&owner).is_ok();
            let to = match from {
                Some(owner) if !is_touched(owner) || self.planted.is(Mutant::KeepLostOwner) => {
                    self.overtaken(origin, owner, &able, eligible)
                }
                None if able.is_empty() => None,
                _ => eligible.owner(origin, self.scope),
            };
            if to != from {
                moved.push(Moved { origin: origin.clone(), from, to });
            }
        }
        for Moved { origin, to, .. } in &moved {
            self.owners.put(origin.clone(), *to);
        }
        moved
    }

    /// The first of the order among an owner and those who may have come before it.
    fn overtaken(
        &self,
        origin: &Name,
        owner: NodeId,
        able: &[(NodeId, Candidate<'_>)],
        eligible: Eligible<'_>,
    ) -> Option<NodeId> {
        if able.is_empty() || self.planted.is(Mutant::IgnoreNewcomers) {
            return Some(owner);
        }
        let mut best = (owner, eligible.candidate(owner)?);
        for &(node, candidate) in able {
            if precedes(origin, &candidate, &best.1) {
                best = (node, candidate);
            }
        }
        Some(best.0)
    }

    /// Keeps what is visible and changes what it is a difference of.
    pub fn rebase(&mut self, base: Owners) {
        self.owners.rebase(base);
    }

    /// The table as a base for others.
    #[must_use]
    pub fn to_shared(&self) -> Owners {
        self.owners.to_shared()
    }

    /// How many owners this node holds for itself.
    #[must_use]
    pub fn private_len(&self) -> usize {
        self.owners.diff_len()
    }
}
