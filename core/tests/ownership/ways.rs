//! Ways to find an owner: heck's own, and wrong ones that the promises tell from it.

use heck_core::entry::Scope;
use heck_core::hash::mix;
use heck_core::id::Name;
use heck_core::ownership::{Candidate, Ring, modulo, owner, rendezvous_hash};

/// The place of the owner among the candidates.
pub type Way = fn(&Name, &[Candidate<'_>]) -> Option<usize>;

/// As heck does it.
pub fn heck(origin: &Name, candidates: &[Candidate<'_>]) -> Option<usize> {
    owner(origin, Scope::CLUSTER, candidates)
}

/// The remainder of a hash: nearly everything moves when the number of nodes changes.
pub fn by_remainder(origin: &Name, candidates: &[Candidate<'_>]) -> Option<usize> {
    let nodes: Vec<&Name> = candidates.iter().map(|candidate| candidate.name).collect();
    modulo::owner(origin, &nodes)
}

/// A ring where each node has one point: uneven, and a neighbour bears what comes and goes.
pub fn one_point_ring(origin: &Name, candidates: &[Candidate<'_>]) -> Option<usize> {
    let nodes: Vec<&Name> = candidates.iter().map(|candidate| candidate.name).collect();
    Ring::new(&nodes, 1).owner(origin)
}

/// Rendezvous hashing that forgets the weights, but for 0.
pub fn unweighted(origin: &Name, candidates: &[Candidate<'_>]) -> Option<usize> {
    greatest(candidates, |_, candidate| u128::from(rendezvous_hash(origin, candidate.name)))
}

/// Rendezvous hashing with hash times weight as the score: looks weighted, but heavy nodes get far too much.
pub fn product(origin: &Name, candidates: &[Candidate<'_>]) -> Option<usize> {
    let score = |_, candidate: &Candidate<'_>| {
        u128::from(rendezvous_hash(origin, candidate.name)) * u128::from(candidate.weight.0)
    };
    greatest(candidates, score)
}

/// Rendezvous hashing over places in the list instead of names: each view has its own owners.
pub fn by_place(origin: &Name, candidates: &[Candidate<'_>]) -> Option<usize> {
    greatest(candidates, |at, _| u128::from(mix(origin.hash(), at as u64)))
}

fn greatest(candidates: &[Candidate<'_>], score: impl Fn(usize, &Candidate<'_>) -> u128) -> Option<usize> {
    let willing = candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight.0 > 0);
    willing.max_by_key(|(at, candidate)| score(*at, candidate)).map(|(at, _)| at)
}
