//! Rendezvous hashing (Thaler and Ravishankar 1998), weighted by the logarithmic method (Schindelhauer and
//! Schomaker 2005): a node of weight w for an origin has the score w / -log2(u), where u is the hash as a number
//! between 0 and 1. The greatest score owns; the others follow in the order of priority.

use super::candidate::Candidate;
use super::logarithm::{FRACTION_BITS, log2};
use crate::entry::Scope;
use crate::hash::name_hash;
use crate::id::{NAME_LIMIT, Name};
use crate::settings::Weight;
use alloc::vec::Vec;
use core::cmp::Ordering;
use smallvec::SmallVec;

/// The unweighted rendezvous hash of a node for an origin: `xxh3_64(len16(origin) ‖ origin ‖ node)`, the
/// length little-endian.
#[must_use]
pub fn rendezvous_hash(origin: &Name, node: &Name) -> u64 {
    Hasher::new(origin).hash(node)
}

/// Hashes one origin with many nodes: what is said of the origin is written once.
struct Hasher {
    bytes: SmallVec<[u8; 2 + 2 * NAME_LIMIT]>,
    prefix: usize,
}

impl Hasher {
    fn new(origin: &Name) -> Self {
        let origin = origin.as_str().as_bytes();
        let mut bytes = SmallVec::new();
        bytes.extend_from_slice(&(origin.len() as u16).to_le_bytes());
        bytes.extend_from_slice(origin);
        Self { prefix: bytes.len(), bytes }
    }

    fn hash(&mut self, node: &Name) -> u64 {
        self.bytes.truncate(self.prefix);
        self.bytes.extend_from_slice(node.as_str().as_bytes());
        name_hash(&self.bytes)
    }
}

/// What a candidate is worth for one origin; the greatest owns.
#[derive(Clone, Copy, Debug)]
struct Score<'a> {
    hash: u64,
    weight: Weight,
    name: &'a Name,
}

impl<'a> Score<'a> {
    fn new(hasher: &mut Hasher, candidate: &Candidate<'a>) -> Self {
        Self { hash: hasher.hash(candidate.name), weight: candidate.weight, name: candidate.name }
    }

    /// -log2(u), with [`FRACTION_BITS`] behind the point; never 0.
    const fn cost(&self) -> u64 {
        (64 << FRACTION_BITS) - log2(self.hash)
    }

    /// Compares w / -log2(u) without dividing, and without a logarithm where weight and hash agree. Where weights are
    /// equal the hashes decide, so that the order is that of the hashes however coarse the logarithm is; where
    /// nothing else does, the smaller name is first.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_hash = self.hash.cmp(&other.hash);
        let by_weight = self.weight.cmp(&other.weight);
        if by_weight.is_eq() {
            return by_hash.then_with(|| other.name.cmp(self.name));
        }
        if by_hash != by_weight.reverse() {
            return by_weight;
        }
        let mine = u128::from(self.weight.0) * u128::from(other.cost());
        let theirs = u128::from(other.weight.0) * u128::from(self.cost());
        mine.cmp(&theirs).then(by_hash)
    }
}

/// The candidates that take part in a scope, each with what it is known by and its score.
fn scores<'a, T>(
    origin: &Name,
    scope: Scope,
    candidates: impl IntoIterator<Item = (T, Candidate<'a>)>,
) -> impl Iterator<Item = (T, Score<'a>)> {
    let mut hasher = Hasher::new(origin);
    let taking_part = candidates.into_iter().filter(move |(_, candidate)| candidate.takes_part(scope));
    taking_part.map(move |(known_by, candidate)| (known_by, Score::new(&mut hasher, &candidate)))
}

/// Candidates by their places.
fn places<'a>(candidates: &[Candidate<'a>]) -> impl Iterator<Item = (usize, Candidate<'a>)> {
    candidates.iter().copied().enumerate()
}

/// The first of the order of an origin in a scope, among candidates that are known by something.
pub(super) fn first<'a, T>(
    origin: &Name,
    scope: Scope,
    candidates: impl IntoIterator<Item = (T, Candidate<'a>)>,
) -> Option<T> {
    scores(origin, scope, candidates).max_by(|a, b| a.1.cmp(&b.1)).map(|(known_by, _)| known_by)
}

/// The whole order of an origin in a scope.
pub(super) fn order<'a, T>(
    origin: &Name,
    scope: Scope,
    candidates: impl IntoIterator<Item = (T, Candidate<'a>)>,
) -> Vec<T> {
    let mut scored: Vec<(T, Score<'_>)> = scores(origin, scope, candidates).collect();
    scored.sort_unstable_by(|a, b| b.1.cmp(&a.1));
    scored.into_iter().map(|(known_by, _)| known_by).collect()
}

/// The first `count` of the order of an origin in a scope. Allocates only for more than four.
pub(super) fn head<'a, T>(
    origin: &Name,
    scope: Scope,
    candidates: impl IntoIterator<Item = (T, Candidate<'a>)>,
    count: usize,
) -> SmallVec<[T; 4]> {
    let mut best: SmallVec<[(T, Score<'_>); 4]> = SmallVec::new();
    for (known_by, score) in scores(origin, scope, candidates) {
        let place = best.partition_point(|(_, held)| held.cmp(&score).is_gt());
        if place < count {
            best.truncate(count - 1);
            best.insert(place, (known_by, score));
        }
    }
    best.into_iter().map(|(known_by, _)| known_by).collect()
}

/// The owner of an origin in a scope, by its place among the candidates. `None` when nobody there has a weight.
#[must_use]
pub fn owner(origin: &Name, scope: Scope, candidates: &[Candidate<'_>]) -> Option<usize> {
    first(origin, scope, places(candidates))
}

/// The places of all candidates of a scope with a weight, in the order in which they are to own an origin: the
/// owner, who confirms what it finds, and who takes over when it leaves.
#[must_use]
pub fn priority(origin: &Name, scope: Scope, candidates: &[Candidate<'_>]) -> Vec<usize> {
    order(origin, scope, places(candidates))
}

/// Some places at the head of the order.
pub type Places = SmallVec<[usize; 4]>;

/// The confirmers of an origin: the first `count` after the owner in [`priority`], fewer where there are no more.
/// Allocates only for more than three.
#[must_use]
pub fn confirmers(origin: &Name, scope: Scope, candidates: &[Candidate<'_>], count: usize) -> Places {
    head(origin, scope, places(candidates), count.saturating_add(1)).into_iter().skip(1).collect()
}

/// Whether `a` comes before `b` in the order of an origin; a candidate without a weight comes before nobody. When
/// a node joins, comparing it with each origin's owner finds what it takes over without looking at anybody else.
#[must_use]
pub fn precedes(origin: &Name, a: &Candidate<'_>, b: &Candidate<'_>) -> bool {
    if a.weight.0 == 0 || b.weight.0 == 0 {
        return a.weight.0 > 0;
    }
    let mut hasher = Hasher::new(origin);
    Score::new(&mut hasher, a).cmp(&Score::new(&mut hasher, b)).is_gt()
}
