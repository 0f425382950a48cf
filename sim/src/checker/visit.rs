//! What is looked at when a node is visited: everything that it was seen to do must still show.

use heck_core::id::Shard;
use heck_core::node::Node;
use heck_core::state::State;

use super::history::Number;
use super::reason::{Reason, reason};
use super::{Check, Checkers};

/// How much of a node is looked at in one visit. Later visits look at what earlier ones left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effort {
    /// Entries that were minted in the run.
    pub entries: usize,
    /// Shards whose fingerprint is computed anew.
    pub shards: usize,
    /// Origins of which the age of their health is compared with the truth.
    pub origins: usize,
}

impl Effort {
    /// What a visit in the middle of a run costs: tens of microseconds.
    pub const BRIEF: Self = Self { entries: 64, shards: 2, origins: 2 };

    /// What the last visit to each of `nodes` nodes looks at: everything in small clusters and in all of them
    /// about as much.
    #[must_use]
    pub fn last(nodes: u32) -> Self {
        let share = |total: usize, least| (total / nodes.max(1) as usize).max(least);
        Self { entries: share(200_000, 64), shards: share(4_096, 2), origins: share(4_000, 2) }
    }
}

/// `count` positions of `len`, from where visit number `turn` begins; all of them, once, when there are fewer.
pub(super) fn turns(len: usize, count: usize, turn: usize) -> impl Iterator<Item = usize> {
    let start = if len == 0 { 0 } else { turn.wrapping_mul(count) % len };
    (0..count.min(len)).map(move |offset| (start + offset) % len)
}

impl Checkers {
    /// Whether what the node was seen to do still shows in what it holds.
    pub(super) fn holdings(&mut self, index: u32, node: &Node, effort: usize) -> Option<(Check, String)> {
        let state = node.view().state();
        let minted = self.history.minted().len();
        turns(minted, effort, self.turn).find_map(|position| {
            let number = self.history.minted()[position];
            self.holding(index, state, number)
        })
    }

    fn holding(&mut self, index: u32, state: &State, number: Number) -> Option<(Check, String)> {
        let dot = self.history.dot(number);
        let witness = &self.witnesses[index as usize];
        let (is_live, has_seen) = (state.entry(&dot).is_some(), state.context().has_seen(&dot));
        if is_live && witness.dead.contains(number) {
            return Some((
                Check::NoResurrection,
                format!("holds {}, which it had seen replaced", self.history.say(&dot)),
            ));
        }
        let learned = witness.learned.contains(number);
        if is_live || !has_seen {
            return (learned && !has_seen).then(|| {
                (Check::NoVanishing, format!("has forgotten that it had {}", self.history.say(&dot)))
            });
        }
        let was_told = state.context().is_fenced(dot.lane.writer) || witness.was_told_of(number, dot);
        let entry = self.history.entry(number)?.clone();
        let is_message = entry.dot.lane.store == heck_core::id::Store::Log;
        if is_message && !was_told {
            return Some((
                Check::DeliveredOnce,
                format!("passed over {} in silence", self.history.say(&dot)),
            ));
        }
        if let Some(detail) = self.unaffected(state, number) {
            return Some((Check::NoOverClaim, detail));
        }
        if reason(&mut self.history, state, &entry) == Reason::Good {
            return None;
        }
        let (check, had) = if learned { (Check::NoVanishing, "had") } else { (Check::NoOverClaim, "seen") };
        let what = self.history.say(&dot);
        Some((check, format!("has {had} {what}, but holds neither it nor what replaced it")))
    }

    /// What an entry that was seen replaces is not live. Only for an entry that nothing replaced in turn: of a
    /// chain of writes the last may arrive first, and what the middle ones replaced goes when they come.
    fn unaffected(&self, state: &State, number: Number) -> Option<String> {
        let entry = self.history.entry(number)?;
        // What the writer of a fence had not seen of its past lives counts as seen and never came: it went with a disk.
        let lane = &entry.dot.lane;
        let is_lost = state.context().is_fenced(lane.writer) && entry.serial > state.serial_of(lane);
        if is_lost || self.history.superseded_by(number).next().is_some() {
            return None;
        }
        let live = entry.superseded_dots().find(|dot| state.entry(dot).is_some())?;
        let (entry, live) = (self.history.names().entry(entry), self.history.say(&live));
        Some(format!("has seen {entry}, but still holds what that replaces: {live}"))
    }

    /// Whether the fingerprints that the node keeps are those of what it holds.
    pub(super) fn fingerprints(&self, node: &Node, effort: usize) -> Option<String> {
        let state = node.view().state();
        let touched = self.history.touched();
        // What was written to can have gone wrong; the rest takes its turn.
        let changed = turns(touched.len(), effort.div_ceil(2), self.turn).map(|index| touched[index]);
        let others = turns(256, effort / 2, self.turn).map(|shard| Shard(shard as u8));
        changed.chain(others).find_map(|shard| {
            let (kept, found) = (state.context().shard_hash(shard), state.recomputed_shard_hash(shard));
            (kept != found).then(|| {
                format!(
                    "keeps fingerprint {kept:016x} of part {} of the state, whose content has {found:016x}",
                    shard.0
                )
            })
        })
    }
}
