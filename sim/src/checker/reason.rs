//! Why an entry that was seen is not live: every one needs a reason, or something was lost.

use heck_core::entry::{Body, Claim, Entry};
use heck_core::id::{Dot, Store};
use heck_core::state::State;

use super::history::History;

/// What became of an entry that a node has seen and does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It is as it should be.
    Good,
    /// A lesser claim is held in its place.
    Lesser,
    /// There is none.
    Missing,
}

/// Why `state` does not hold `entry`, which it has seen.
#[must_use]
pub fn reason(history: &mut History, state: &State, entry: &Entry) -> Reason {
    let dot = entry.dot;
    if state.context().is_fenced(dot.lane.writer) {
        return Reason::Good;
    }
    let is_good = match &entry.body {
        Body::Origin { .. } | Body::Key { .. } => {
            let number = history.number(dot);
            history.is_replaced_by(number, |end| state.context().has_seen(end))
        }
        Body::Claim(claim) => return claim_reason(history, state, &dot, claim),
        Body::Fence(fence) => {
            let held = state.context().fence_of(dot.lane.writer.node);
            held.is_some_and(|held| held >= fence.boot)
        }
        // A removal leaves nothing live, and a message expires; whether its subscribers heard of it is another
        // question.
        Body::OriginRemoved { .. } | Body::KeyDeleted { .. } | Body::Message { .. } => true,
    };
    if is_good { Reason::Good } else { Reason::Missing }
}

fn claim_reason(history: &mut History, state: &State, dot: &Dot, claim: &Claim) -> Reason {
    let generation = claim.generation.dot(dot.lane.shard, Store::Registry);
    // A node that was cut off may know of what replaced a generation and never hear of that one itself, when its writer's
    // life is behind a fence by then.
    let is_known = |dot: &Dot| state.context().has_seen(dot);
    let number = history.number(generation);
    if state.entry(&generation).is_none()
        && (is_known(&generation) || history.is_replaced_by(number, is_known))
    {
        return Reason::Good;
    }
    let mut held =
        state.claims(claim.scope, &claim.origin).filter(|held| held.generation == claim.generation);
    match held.next() {
        Some(held) if held.ballot > claim.ballot => Reason::Good,
        Some(_) => Reason::Lesser,
        // What beat it may be gone itself, behind a fence.
        None if history.greater_than(claim).any(|dot| state.context().has_seen(&dot)) => Reason::Good,
        None => Reason::Missing,
    }
}
