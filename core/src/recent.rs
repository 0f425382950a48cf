//! What a node learned last: passed on as rumours, named in filters, and looked through for answers.

use crate::entry::Entry;
use crate::hash::mix;
use crate::id::Dot;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

/// An entry that was learned lately.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Recent {
    entry: Arc<Entry>,
    /// What short hashes are made from.
    key: u64,
    sends_left: u32,
}

/// A ring of the entries learned last, newest at the back.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Recents {
    ring: VecDeque<Recent>,
    limit: usize,
    /// How many of the newest can still have sends left: the scan for rumours stops there.
    hot: usize,
}

const fn dot_key(dot: &Dot) -> u64 {
    mix(dot.lane.fingerprint_seed(), dot.counter)
}

const fn short_hash(key: u64, salt: u32) -> u16 {
    (mix(key, salt as u64) >> 48) as u16
}

/// The short hash by which a filter with this salt names a dot.
#[must_use]
pub const fn filter_hash(dot: &Dot, salt: u32) -> u16 {
    short_hash(dot_key(dot), salt)
}

impl Recents {
    /// A ring of at most `limit` entries.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { ring: VecDeque::new(), limit, hot: 0 }
    }

    /// Remembers an entry that will be passed on `sends` times.
    pub fn push(&mut self, entry: Arc<Entry>, sends: u32) {
        if self.ring.len() == self.limit {
            self.ring.pop_front();
            self.hot = self.hot.min(self.ring.len());
        }
        let key = dot_key(&entry.dot);
        self.ring.push_back(Recent { entry, key, sends_left: sends });
        self.hot += 1;
    }

    /// Hands the entries that are still to be passed on to `take`, the newest first, and counts one send for
    /// each that is taken. Entries that were replaced by newer ones are passed over.
    pub fn rumours(
        &mut self,
        is_current: impl Fn(&Entry) -> bool,
        mut take: impl FnMut(&Arc<Entry>) -> bool,
    ) {
        let start = self.ring.len() - self.hot;
        for recent in self.ring.range_mut(start..).rev() {
            if recent.sends_left == 0 {
                continue;
            }
            if !is_current(&recent.entry) {
                recent.sends_left = 0;
            } else if take(&recent.entry) {
                recent.sends_left -= 1;
            }
        }
        while self.hot > 0 && self.ring[self.ring.len() - self.hot].sends_left == 0 {
            self.hot -= 1;
        }
    }

    /// All remembered entries, the newest first, each with a short hash of its dot. The salt makes two dots that
    /// collide once not collide for ever.
    pub fn newest_first(&self, salt: u32) -> impl Iterator<Item = (&Arc<Entry>, u16)> {
        self.ring.iter().rev().map(move |recent| (&recent.entry, short_hash(recent.key, salt)))
    }

    /// How many entries are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Body, Superseded};
    use crate::id::{Boot, Name, NodeId, Writer};
    use alloc::vec::Vec;

    fn entry(counter: u64) -> Arc<Entry> {
        let writer = Writer { node: NodeId(1), boot: Boot(1) };
        let body = Body::KeyDeleted { name: Name::new("k").unwrap() };
        Arc::new(Entry::new(writer, counter, counter, Superseded::new(), body))
    }

    fn taken(recents: &mut Recents, most: usize) -> Vec<u64> {
        let mut counters = Vec::new();
        recents.rumours(
            |_| true,
            |entry| {
                let fits = counters.len() < most;
                if fits {
                    counters.push(entry.dot.counter);
                }
                fits
            },
        );
        counters
    }

    #[test]
    fn each_rumour_is_passed_on_as_often_as_asked_and_the_newest_goes_first() {
        let mut recents = Recents::new(3);
        for counter in 1..=4 {
            recents.push(entry(counter), 2);
        }
        assert_eq!(recents.len(), 3, "the oldest made room");
        assert_eq!(taken(&mut recents, 2), [4, 3]);
        assert_eq!(taken(&mut recents, 9), [4, 3, 2]);
        assert_eq!(taken(&mut recents, 9), [2]);
        assert_eq!(taken(&mut recents, 9), [0_u64; 0]);
        assert_eq!(recents.hot, 0);
        assert_eq!(recents.newest_first(0).count(), 3, "spent rumours still answer requests");
    }

    #[test]
    fn a_rumour_that_was_replaced_is_not_passed_on() {
        let mut recents = Recents::new(3);
        recents.push(entry(1), 5);
        recents.rumours(|_| false, |_| panic!("it is not current"));
        assert_eq!(taken(&mut recents, 9), [0_u64; 0]);
    }
}
