//! How old is what a writer says: one register per node instead of a write per check.
//!
//! A heartbeat vouches for all claims of its writer at once. It counts only where every claim made before it
//! has arrived; otherwise a heartbeat that overtakes a lost flip would present the old state as fresh. All of
//! this stands outside the state's hash.

use super::Context;
use crate::id::{Boot, NodeId, Store, Writer};
use crate::mutant::{Mutant, Planted};
use crate::overlay::{Overlay, Shared};
use crate::packet::Beat;
use crate::time::{Span, Time};
use alloc::collections::BTreeMap;

/// The newest heartbeat that counts for a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fresh {
    /// Which life of the node vouched.
    pub boot: Boot,
    /// Its how-manieth heartbeat.
    pub number: u64,
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

    const fn order(&self) -> (Boot, u64) {
        (self.boot, self.number)
    }
}

/// The heartbeats of all nodes.
#[derive(Clone, Debug, Default)]
pub struct Freshness {
    known: Overlay<NodeId, Fresh>,
    pending: BTreeMap<NodeId, Fresh>,
    planted: Planted,
}

impl Freshness {
    /// The heartbeats that equal `base`.
    #[must_use]
    pub fn new(base: Shared<NodeId, Fresh>, planted: Planted) -> Self {
        Self { known: Overlay::new(base), pending: BTreeMap::new(), planted }
    }

    /// Keeps the content and changes what it is a difference of.
    pub fn rebase(&mut self, base: Shared<NodeId, Fresh>) {
        self.known.rebase(base);
    }

    /// The content as a base for others.
    #[must_use]
    pub fn to_shared(&self) -> Shared<NodeId, Fresh> {
        self.known.to_shared()
    }

    /// Takes a heartbeat as given: for the start of a cluster that has run for long.
    pub fn assume(&mut self, node: NodeId, fresh: Fresh) {
        self.known.insert(node, fresh);
    }

    /// The heartbeat that counts for this life of a node.
    #[must_use]
    pub fn of(&self, writer: Writer) -> Option<&Fresh> {
        self.known.get(&writer.node).filter(|fresh| fresh.boot == writer.boot)
    }

    /// How many heartbeats wait for claims, and how many differ from the base.
    #[must_use]
    pub fn private_len(&self) -> usize {
        self.pending.len() + self.known.diff_len()
    }

    /// Takes a heartbeat. True when it is news: newer than all that is known of its node, whether or not it
    /// counts already.
    pub fn offer(&mut self, beat: &Beat, now: Time, context: &Context) -> bool {
        let node = beat.writer.node;
        let fresh = Fresh::of(beat, now);
        let is_older = |held: &Fresh| held.order() >= fresh.order();
        if self.known.get(&node).is_some_and(is_older) || self.pending.get(&node).is_some_and(is_older) {
            return false;
        }
        if self.counts(&fresh, beat.writer, context) {
            self.pending.remove(&node);
            self.known.insert(node, fresh);
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
                self.known.insert(node, *fresh);
            }
            !counts
        });
        self.pending = pending;
    }

    /// The heartbeat as it is handed on, with the time that it was held here.
    #[must_use]
    pub fn beat(&self, node: NodeId, now: Time) -> Option<Beat> {
        let known = self.known.get(&node);
        let newest = known.into_iter().chain(self.pending.get(&node)).max_by_key(|fresh| fresh.order())?;
        Some(Beat {
            writer: Writer { node, boot: newest.boot },
            number: newest.number,
            serial: newest.serial,
            age: now.since(newest.as_of),
            hops: newest.hops.saturating_add(1),
        })
    }

    /// How old what a writer says is: the age as measured, and the most by which it may understate, given the
    /// greatest transit per hop and the greatest drift of a clock in parts per million.
    #[must_use]
    pub fn age(&self, writer: Writer, now: Time, transit: Span, drift_ppm: u64) -> Option<(Span, Span)> {
        let fresh = self.of(writer)?;
        let age = now.since(fresh.as_of);
        let drift = Span(age.as_us() / 1_000_000 * drift_ppm + drift_ppm);
        Some((age, transit.times(u64::from(fresh.hops)) + drift))
    }
}
