//! How old is what a writer says: one register per node instead of a write per check.
//!
//! A heartbeat vouches for all claims of its writer at once. It counts only where every claim made before it
//! has arrived; otherwise a heartbeat that overtakes a lost flip would present the old state as fresh. All of
//! this stands outside the state's hash.

use super::Context;
use crate::id::{Boot, NodeId, Store, Writer};
use crate::mutant::{Mutant, Planted};
use crate::overlay::Shared;
use crate::packet::Beat;
use crate::spread::place_of;
use crate::time::{Span, Time};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The newest heartbeat that counts for a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Fresh {
    /// Which life of the node vouched.
    pub boot: Boot,
    /// Its how-manieth heartbeat.
    pub number: u32,
    /// How many claims it had made by then.
    pub serial: u64,
    /// When it was said, on the local clock, as if it had spent no time in transit.
    pub as_of: Time,
    /// How many times it was handed on.
    pub hops: u8,
}

impl Fresh {
    fn of(beat: &Beat, now: Time) -> Self {
        let as_of = now - beat.age;
        Self { boot: beat.writer.boot, number: beat.number, serial: beat.serial, as_of, hops: beat.hops }
    }

    const fn order(&self) -> (Boot, u32) {
        (self.boot, self.number)
    }
}

/// One register per node. Heartbeats come from all nodes all the time, so a difference on a base would soon be
/// all of it: the first change copies the base's values in one piece, 32 bytes a node. Their places are looked
/// up in the shared base, which stays in the processor's cache where a thousand private indices would not.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Registers {
    base: Shared<NodeId, Fresh>,
    /// The values of the base's nodes, in its order, once one of them differs.
    own: Option<Vec<Fresh>>,
    /// Nodes that the base does not know.
    others: BTreeMap<NodeId, Fresh>,
}

impl Registers {
    fn new(base: Shared<NodeId, Fresh>) -> Self {
        Self { base, own: None, others: BTreeMap::new() }
    }

    fn place(&self, node: NodeId) -> Option<usize> {
        place_of(&self.base, node, |(of, _)| *of).ok()
    }

    fn get(&self, node: NodeId) -> Option<&Fresh> {
        match (self.place(node), &self.own) {
            (Some(at), Some(own)) => own.get(at),
            (Some(at), None) => self.base.get(at).map(|(_, fresh)| fresh),
            (None, _) => self.others.get(&node),
        }
    }

    fn set(&mut self, node: NodeId, fresh: Fresh) {
        match self.place(node) {
            Some(at) => {
                let base = &self.base;
                let own = self.own.get_or_insert_with(|| base.iter().map(|(_, fresh)| *fresh).collect());
                own[at] = fresh;
            }
            None => {
                self.others.insert(node, fresh);
            }
        }
    }

    fn all(&self) -> BTreeMap<NodeId, Fresh> {
        let mut all = self.others.clone();
        all.extend(self.base.iter().filter_map(|(node, _)| Some((*node, *self.get(*node)?))));
        all
    }

    fn rebase(&mut self, base: Shared<NodeId, Fresh>) {
        let all = self.all();
        if base.iter().any(|(node, _)| !all.contains_key(node)) {
            // A base that knows more would show what this node has not heard.
            return;
        }
        *self = Self::new(base);
        for (node, fresh) in all {
            if self.get(node) != Some(&fresh) {
                self.set(node, fresh);
            }
        }
    }

    fn private_len(&self) -> usize {
        self.own.as_ref().map_or(0, Vec::len) + self.others.len()
    }
}

/// The heartbeats of all nodes.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Freshness {
    known: Registers,
    pending: BTreeMap<NodeId, Fresh>,
    planted: Planted,
}

impl Freshness {
    /// The heartbeats that equal `base`.
    #[must_use]
    pub fn new(base: Shared<NodeId, Fresh>, planted: Planted) -> Self {
        Self { known: Registers::new(base), pending: BTreeMap::new(), planted }
    }

    /// Keeps the content and changes what it is a difference of.
    pub fn rebase(&mut self, base: Shared<NodeId, Fresh>) {
        self.known.rebase(base);
    }

    /// The content as a base for others.
    #[must_use]
    pub fn to_shared(&self) -> Shared<NodeId, Fresh> {
        Arc::new(self.known.all().into_iter().collect())
    }

    /// Takes a heartbeat as given: for the start of a cluster that has run for long.
    pub fn assume(&mut self, node: NodeId, fresh: Fresh) {
        self.known.set(node, fresh);
    }

    /// The heartbeat that counts for this life of a node.
    #[must_use]
    pub fn of(&self, writer: Writer) -> Option<&Fresh> {
        self.known.get(writer.node).filter(|fresh| fresh.boot == writer.boot)
    }

    /// How many heartbeats this node holds for itself: those that wait for claims, and its copy of the base.
    #[must_use]
    pub fn private_len(&self) -> usize {
        self.pending.len() + self.known.private_len()
    }

    /// Whether a heartbeat is newer than all that is known of its node.
    #[must_use]
    pub fn is_news(&self, beat: &Beat) -> bool {
        let newest = self.newest(beat.writer.node).map(Fresh::order);
        newest.is_none_or(|newest| newest < (beat.writer.boot, beat.number))
    }

    /// Takes a heartbeat. True when it is news: newer than all that is known of its node, whether or not it
    /// counts already.
    pub fn offer(&mut self, beat: &Beat, now: Time, context: &Context) -> bool {
        let node = beat.writer.node;
        let mut fresh = Fresh::of(beat, now);
        if self.planted.is(Mutant::ForgetBeatAge) {
            fresh.as_of = now;
        }
        if !self.is_news(beat) {
            return false;
        }
        if self.counts(&fresh, beat.writer, context) {
            self.pending.remove(&node);
            self.known.set(node, fresh);
        } else {
            self.pending.insert(node, fresh);
        }
        true
    }

    /// All claims up to the heartbeat have arrived exactly when no claim that is known to exist is missing and
    /// as many exist as the heartbeat says.
    fn counts(&self, fresh: &Fresh, writer: Writer, context: &Context) -> bool {
        let progress = context.progress(writer, Store::Health);
        let whole = progress.count == progress.serial && progress.serial >= fresh.serial;
        whole || self.planted.is(Mutant::UnboundFreshness)
    }

    /// Lets the waiting heartbeats count whose claims have arrived.
    pub fn settle(&mut self, context: &Context) {
        if self.pending.is_empty() {
            return;
        }
        let mut pending = core::mem::take(&mut self.pending);
        pending.retain(|&node, fresh| {
            let writer = Writer { node, boot: fresh.boot };
            let counts = self.counts(fresh, writer, context);
            if counts {
                self.known.set(node, *fresh);
            }
            !counts
        });
        self.pending = pending;
    }

    /// The newest heartbeat of a node that has come, whether or not it counts already.
    #[must_use]
    pub fn newest(&self, node: NodeId) -> Option<&Fresh> {
        self.known.get(node).into_iter().chain(self.pending.get(&node)).max_by_key(|fresh| fresh.order())
    }

    /// The heartbeat as it is handed on, with the time that it was held here.
    #[must_use]
    pub fn beat(&self, node: NodeId, now: Time) -> Option<Beat> {
        let newest = self.newest(node)?;
        Some(Beat {
            writer: Writer { node, boot: newest.boot },
            number: newest.number,
            serial: newest.serial,
            // In the unit of the wire, so that it means the same wherever it is not encoded.
            age: Span(now.since(newest.as_of).as_us().next_multiple_of(1_000)),
            hops: if self.planted.is(Mutant::UncountedHops) { 1 } else { newest.hops.saturating_add(1) },
        })
    }

    /// How old what a writer says is: the age as measured, and the most by which it may understate, given the
    /// greatest transit per hop and the greatest drift of a clock in parts per million.
    #[must_use]
    pub fn age(&self, writer: Writer, now: Time, transit: Span, drift_ppm: u64) -> Option<(Span, Span)> {
        let fresh = self.of(writer)?;
        let age = now.since(fresh.as_of);
        // A slow clock measures `1 - drift` of the time that passes, so the rest is a share of what it measured
        // by `drift / (1 - drift)`; and each clock that took part was read in whole microseconds.
        let kept_ppm = 1_000_000_u64.saturating_sub(drift_ppm).max(1);
        let drift_us = (u128::from(age.as_us()) * u128::from(drift_ppm)).div_ceil(u128::from(kept_ppm));
        let readings = u64::from(fresh.hops) + 1;
        let drift = Span(u64::try_from(drift_us).unwrap_or(u64::MAX)) + Span(readings);
        Some((age, transit.times(u64::from(fresh.hops)) + drift))
    }
}
