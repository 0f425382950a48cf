//! Sets of counters as sorted, disjoint, non-adjacent ranges: a context with holes costs two integers a hole.

use smallvec::SmallVec;

/// A range of counters, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Range {
    /// The first counter of the range.
    pub first: u64,
    /// The last counter of the range, not below `first`.
    pub last: u64,
}

/// A set of counters from 1 on. Sorted, disjoint, not adjacent; one range is stored inline.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct IntervalSet {
    ranges: SmallVec<[Range; 1]>,
}

impl IntervalSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { ranges: SmallVec::new() }
    }

    /// As [`IntervalSet::range`], for a constant that is not empty.
    #[must_use]
    pub const fn constant(range: Range) -> Self {
        Self { ranges: SmallVec::from_const([range]) }
    }

    /// All counters from `first` to `last`; empty when `last < first`.
    #[must_use]
    pub fn range(first: u64, last: u64) -> Self {
        let mut set = Self::new();
        if first <= last {
            set.ranges.push(Range { first, last });
        }
        set
    }

    /// The ranges in rising order.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many counters are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.last - range.first + 1).sum()
    }

    /// The greatest counter, 0 when empty.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.last)
    }

    /// Whether `counter` is in the set.
    #[must_use]
    pub fn contains(&self, counter: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.last < counter);
        self.ranges.get(at).is_some_and(|range| range.first <= counter)
    }

    /// Whether every counter from `first` to `last` is in the set.
    #[must_use]
    pub fn contains_range(&self, first: u64, last: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.last < first);
        self.ranges.get(at).is_some_and(|range| range.first <= first && last <= range.last)
    }

    /// Puts `counter` in; false when it was there already.
    pub fn insert(&mut self, counter: u64) -> bool {
        // Counters mostly arrive in order, so the end is tried first.
        if let Some(last) = self.ranges.last_mut() {
            if counter == last.last + 1 {
                last.last = counter;
                return true;
            }
            if counter <= last.last && counter >= last.first {
                return false;
            }
        }
        if self.contains(counter) {
            return false;
        }
        self.insert_range(Range { first: counter, last: counter });
        true
    }

    /// Puts `counter` in as a range of its own, whatever it touches: a planted bug.
    #[cfg(feature = "mutants")]
    pub(crate) fn insert_apart(&mut self, counter: u64) -> bool {
        if self.contains(counter) {
            return false;
        }
        let at = self.ranges.partition_point(|held| held.last < counter);
        self.ranges.insert(at, Range { first: counter, last: counter });
        true
    }

    /// Puts a whole range in, joining what it touches.
    pub fn insert_range(&mut self, range: Range) {
        let from = self.ranges.partition_point(|held| held.last.saturating_add(1) < range.first);
        let to = self.ranges.partition_point(|held| held.first <= range.last.saturating_add(1));
        if from >= to {
            self.ranges.insert(from, range);
            return;
        }
        let joined = Range {
            first: range.first.min(self.ranges[from].first),
            last: range.last.max(self.ranges[to - 1].last),
        };
        self.ranges[from] = joined;
        self.ranges.drain(from + 1..to);
    }

    /// Puts every counter of `other` in.
    pub fn union(&mut self, other: &Self) {
        for &range in &other.ranges {
            self.insert_range(range);
        }
    }

    /// Takes `counter` out; false when it was not there.
    pub fn remove(&mut self, counter: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.last < counter);
        let Some(&held) = self.ranges.get(at).filter(|range| range.first <= counter) else {
            return false;
        };
        match (held.first == counter, held.last == counter) {
            (true, true) => {
                self.ranges.remove(at);
            }
            (true, false) => self.ranges[at].first += 1,
            (false, true) => self.ranges[at].last -= 1,
            (false, false) => {
                self.ranges[at].last = counter - 1;
                self.ranges.insert(at + 1, Range { first: counter + 1, last: held.last });
            }
        }
        true
    }

    /// Whether every counter of `other` is here too.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other.ranges.iter().all(|range| self.contains_range(range.first, range.last))
    }

    /// Calls `visit` with each maximal range that is in `self` and not in `other`, in rising order.
    pub fn for_each_missing_in(&self, other: &Self, mut visit: impl FnMut(Range)) {
        let mut theirs = other.ranges.iter().peekable();
        for mine in &self.ranges {
            let mut first = mine.first;
            while let Some(their) = theirs.peek() {
                if their.last < first {
                    theirs.next();
                    continue;
                }
                if their.first > mine.last {
                    break;
                }
                if their.first > first {
                    visit(Range { first, last: their.first - 1 });
                }
                first = their.last.saturating_add(1);
                if first > mine.last {
                    break;
                }
            }
            if first <= mine.last {
                visit(Range { first, last: mine.last });
            }
        }
    }

    /// The bytes that this set holds outside its own struct.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        if self.ranges.spilled() { self.ranges.capacity() * size_of::<Range>() } else { 0 }
    }
}

impl FromIterator<u64> for IntervalSet {
    fn from_iter<I: IntoIterator<Item = u64>>(counters: I) -> Self {
        let mut set = Self::new();
        for counter in counters {
            set.insert(counter);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn well_formed(set: &IntervalSet) -> bool {
        set.ranges.iter().all(|range| range.first <= range.last)
            && set.ranges.windows(2).all(|pair| pair[0].last + 1 < pair[1].first)
    }

    fn members(set: &IntervalSet) -> BTreeSet<u64> {
        set.ranges.iter().flat_map(|range| range.first..=range.last).collect()
    }

    proptest! {
        #[test]
        fn ranges_stay_sorted_disjoint_and_not_adjacent_and_hold_what_a_plain_set_holds(
            steps in prop::collection::vec((0u8..3, 1u64..60, 0u64..8), 0..80)
        ) {
            let mut set = IntervalSet::new();
            let mut plain = BTreeSet::new();
            for (kind, first, more) in steps {
                match kind {
                    0 => prop_assert_eq!(set.insert(first), plain.insert(first)),
                    1 => prop_assert_eq!(set.remove(first), plain.remove(&first)),
                    _ => {
                        set.insert_range(Range { first, last: first + more });
                        plain.extend(first..=first + more);
                    }
                }
                prop_assert!(well_formed(&set), "{:?}", set);
                prop_assert_eq!(&members(&set), &plain);
            }
            prop_assert_eq!(set.len(), plain.len() as u64);
            prop_assert_eq!(set.max(), plain.last().copied().unwrap_or(0));
            for counter in 0..70 {
                prop_assert_eq!(set.contains(counter), plain.contains(&counter));
            }
        }

        #[test]
        fn missing_ranges_are_the_set_difference(
            a in prop::collection::vec(1u64..60, 0..40), b in prop::collection::vec(1u64..60, 0..40)
        ) {
            let left: IntervalSet = a.iter().copied().collect();
            let right: IntervalSet = b.iter().copied().collect();
            let mut missing = Vec::new();
            left.for_each_missing_in(&right, |range| missing.extend(range.first..=range.last));
            let expected: Vec<u64> = members(&left).difference(&members(&right)).copied().collect();
            prop_assert_eq!(&missing, &expected);
            prop_assert_eq!(right.is_superset(&left), expected.is_empty());
            let mut both = left.clone();
            both.union(&right);
            prop_assert!(well_formed(&both));
            prop_assert_eq!(members(&both), members(&left).union(&members(&right)).copied().collect());
        }
    }
}
