//! Traced changes that are on their way through this node.

use super::context::Context;
use heck_core::id::Dot;
use std::collections::{BTreeMap, VecDeque};

/// Changes that are remembered; of more, the oldest are forgotten and have no further spans here.
const LIMIT: usize = 4_096;

/// A change that was written or received here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Change {
    /// The span in which it was published, or received.
    pub context: Context,
    /// The span in which it was published, wherever that was.
    pub published: Context,
    /// When that began.
    pub begun_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    change: Change,
    is_sent: bool,
    is_delivered: bool,
}

/// The changes by their entries.
#[derive(Debug, Default)]
pub(super) struct Changes {
    held: BTreeMap<Dot, Kept>,
    /// In the order in which they came; those that are gone from `held` included.
    order: VecDeque<Dot>,
}

impl Changes {
    /// Notes a change that was written or received.
    pub(super) fn note(&mut self, dot: Dot, change: Change) {
        if self.held.insert(dot, Kept { change, is_sent: false, is_delivered: false }).is_none() {
            self.order.push_back(dot);
        }
        if self.order.len() > LIMIT {
            let oldest = self.order.pop_front();
            oldest.and_then(|dot| self.held.remove(&dot));
        }
    }

    /// The change that is sent with an entry, the first time that it is.
    pub(super) fn send(&mut self, dot: Dot) -> Option<Change> {
        self.first(dot, |kept| &mut kept.is_sent)
    }

    /// The change that can be seen with an entry, the first time.
    pub(super) fn deliver(&mut self, dot: Dot) -> Option<Change> {
        self.first(dot, |kept| &mut kept.is_delivered)
    }

    fn first(&mut self, dot: Dot, flag: impl FnOnce(&mut Kept) -> &mut bool) -> Option<Change> {
        let kept = self.held.get_mut(&dot)?;
        let was_set = std::mem::replace(flag(kept), true);
        (!was_set).then_some(kept.change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::id::{Lane, Shard, Store, Writer};

    fn dot(counter: u64) -> Dot {
        Dot { lane: Lane { shard: Shard(0), store: Store::Log, writer: Writer::default() }, counter }
    }

    #[test]
    fn a_change_is_sent_and_delivered_once_and_the_oldest_are_forgotten() {
        let mut changes = Changes::default();
        let context = Context { trace: 1, span: 1 };
        let change = Change { context, published: context, begun_us: 5 };
        for counter in 0..=LIMIT as u64 {
            changes.note(dot(counter), change);
        }
        assert_eq!(changes.deliver(dot(0)), None, "the oldest had to go");
        assert_eq!(changes.send(dot(1)), Some(change));
        assert_eq!(changes.send(dot(1)), None);
        assert_eq!(changes.deliver(dot(1)), Some(change));
        assert_eq!(changes.deliver(dot(1)), None);
        assert_eq!(changes.held.len(), LIMIT);
    }
}
