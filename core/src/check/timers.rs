//! When each origin is next to be looked at: a binary heap that knows the place of each origin, so that a time can
//! be moved or taken out without searching. O(log n) each, no allocation beyond the greatest number of origins.

use crate::time::Time;
use alloc::vec::Vec;

/// Marks an origin that waits for nothing.
const NOWHERE: u32 = u32::MAX;

/// At most one time for each of many origins, by number.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Timers {
    /// The earliest time first, each no later than its two children; ties by number.
    heap: Vec<(Time, u32)>,
    /// Where in the heap each origin stands.
    places: Vec<u32>,
}

impl Timers {
    /// Sets the time of an origin; [`Time::NEVER`] takes it out.
    pub(super) fn set(&mut self, origin: u32, time: Time) {
        if self.places.len() <= origin as usize {
            self.places.resize(origin as usize + 1, NOWHERE);
        }
        let place = self.places[origin as usize];
        match (place, time) {
            (NOWHERE, Time::NEVER) => {}
            (NOWHERE, _) => {
                self.heap.push((time, origin));
                let last = self.heap.len() - 1;
                self.places[origin as usize] = last as u32;
                self.rise(last);
            }
            (_, Time::NEVER) => {
                self.places[origin as usize] = NOWHERE;
                self.heap.swap_remove(place as usize);
                if let Some(&(_, moved)) = self.heap.get(place as usize) {
                    self.places[moved as usize] = place;
                    self.settle(place as usize);
                }
            }
            _ => {
                self.heap[place as usize].0 = time;
                self.settle(place as usize);
            }
        }
    }

    /// The earliest time and whose it is.
    pub(super) fn first(&self) -> Option<(Time, u32)> {
        self.heap.first().copied()
    }

    /// The time of an origin, if it has one.
    pub(super) fn get(&self, origin: u32) -> Option<Time> {
        let place = self.places.get(origin as usize)?;
        self.heap.get(*place as usize).map(|(time, _)| *time)
    }

    fn settle(&mut self, place: usize) {
        let place = self.rise(place);
        self.sink(place);
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = 2 * place + 1..(2 * place + 3).min(self.heap.len());
            let Some(least) = children.min_by_key(|child| self.heap[*child]) else { return };
            if self.heap[place] <= self.heap[least] {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for place in [a, b] {
            self.places[self.heap[place].1 as usize] = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(91),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_first_is_the_first_of_a_plain_map(
            changes in proptest::collection::vec((0_u32..40, proptest::option::of(0_u64..1_000)), 0..300),
        ) {
            let (mut timers, mut plain) = (Timers::default(), BTreeMap::new());
            for (origin, time) in changes {
                let time = time.map_or(Time::NEVER, Time);
                timers.set(origin, time);
                if time == Time::NEVER {
                    plain.remove(&origin);
                } else {
                    plain.insert(origin, time);
                }
                let first = plain.iter().map(|(origin, time)| (*time, *origin)).min();
                prop_assert_eq!(timers.first(), first);
                prop_assert_eq!(timers.get(origin), plain.get(&origin).copied());
            }
        }
    }
}
