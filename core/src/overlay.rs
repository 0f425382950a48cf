//! A sorted map as a small private difference on a large shared base.
//!
//! A private copy of everything in each simulated node is quadratic in the fleet. Nodes of a formed cluster
//! agree on almost everything, so they share one immutable base, and each holds only what differs from it.
//! A real node's base is empty, and the difference is then the map itself.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::iter::Peekable;
use core::ops::RangeInclusive;

/// An immutable sorted map, shared by many overlays.
pub type Shared<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map: `base` with `diff` laid over it; `None` in `diff` hides a key of the base.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "recording",
    serde(bound(deserialize = "K: serde::Deserialize<'de> + Ord, V: serde::Deserialize<'de>"))
)]
pub struct Overlay<K, V> {
    base: Shared<K, V>,
    diff: BTreeMap<K, Option<V>>,
    len: usize,
}

impl<K: Ord + Clone, V: Clone + PartialEq> Overlay<K, V> {
    /// The map that equals `base`, whose keys must be sorted and distinct.
    #[must_use]
    pub fn new(base: Shared<K, V>) -> Self {
        debug_assert!(base.windows(2).all(|pair| pair[0].0 < pair[1].0), "a base is sorted and distinct");
        let len = base.len();
        Self { base, diff: BTreeMap::new(), len }
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many keys differ from the base: the private memory of this map.
    #[must_use]
    pub fn diff_len(&self) -> usize {
        self.diff.len()
    }

    fn in_base(&self, key: &K) -> Option<&V> {
        let at = self.base.binary_search_by(|(held, _)| held.cmp(key)).ok()?;
        Some(&self.base[at].1)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        match self.diff.get(key) {
            Some(value) => value.as_ref(),
            None => self.in_base(key),
        }
    }

    /// Whether `key` has a value.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Sets the value of `key`.
    pub fn insert(&mut self, key: K, value: V) {
        if !self.contains(&key) {
            self.len += 1;
        }
        self.diff.insert(key, Some(value));
    }

    /// Sets the value of `key`, and holds nothing for itself where the base says the same.
    pub fn put(&mut self, key: K, value: V) {
        if self.in_base(&key) == Some(&value) {
            self.len += usize::from(!self.contains(&key));
            self.diff.remove(&key);
        } else {
            self.insert(key, value);
        }
    }

    /// Removes `key`, giving back its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let based = self.in_base(key).cloned();
        let removed = match self.diff.get(key) {
            Some(held) => held.clone(),
            None => based.clone(),
        };
        if removed.is_some() {
            self.len -= 1;
            if based.is_some() {
                self.diff.insert(key.clone(), None);
            } else {
                self.diff.remove(key);
            }
        }
        removed
    }

    /// The value of `key` to change in place, made with `Default` when absent.
    pub fn entry_or_default(&mut self, key: &K) -> &mut V
    where
        V: Default,
    {
        if !self.diff.contains_key(key) {
            let value = self.in_base(key).cloned();
            self.len += usize::from(value.is_none());
            self.diff.insert(key.clone(), Some(value.unwrap_or_default()));
        }
        let slot = self.diff.entry(key.clone()).or_default();
        if slot.is_none() {
            self.len += 1;
        }
        slot.get_or_insert_with(V::default)
    }

    /// All keys and values in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { base: self.base.iter().peekable(), diff: self.diff.range(..).peekable() }
    }

    /// The keys and values within `keys`, in order.
    pub fn range(&self, keys: RangeInclusive<K>) -> Iter<'_, K, V> {
        let from = self.base.partition_point(|(key, _)| key < keys.start());
        let to = self.base.partition_point(|(key, _)| key <= keys.end());
        let base = if from <= to { &self.base[from..to] } else { &[] };
        Iter { base: base.iter().peekable(), diff: self.diff.range(keys).peekable() }
    }

    /// Keeps the content and changes what it is a difference of.
    pub fn rebase(&mut self, base: Shared<K, V>) {
        let mut diff = BTreeMap::new();
        let mut new = base.iter().peekable();
        for (key, value) in self.iter() {
            while let Some((hidden, _)) = new.next_if(|(other, _)| other < key) {
                diff.insert(hidden.clone(), None);
            }
            match new.next_if(|(other, _)| other == key) {
                Some((_, same)) if same == value => {}
                _ => {
                    diff.insert(key.clone(), Some(value.clone()));
                }
            }
        }
        diff.extend(new.map(|(hidden, _)| (hidden.clone(), None)));
        self.diff = diff;
        self.base = base;
    }

    /// The content as a base for others.
    #[must_use]
    pub fn to_shared(&self) -> Shared<K, V> {
        Arc::new(self.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> Default for Overlay<K, V> {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

/// Iterator over an [`Overlay`] in the order of its keys.
pub struct Iter<'a, K, V> {
    base: Peekable<core::slice::Iter<'a, (K, V)>>,
    diff: Peekable<btree_map::Range<'a, K, Option<V>>>,
}

impl<'a, K: Ord, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let take_diff = match (self.base.peek(), self.diff.peek()) {
                (Some((base_key, _)), Some((diff_key, _))) => {
                    if base_key == *diff_key {
                        self.base.next();
                        true
                    } else {
                        *diff_key < base_key
                    }
                }
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if !take_diff {
                return self.base.next().map(|(key, value)| (key, value));
            }
            if let Some((key, Some(value))) = self.diff.next() {
                return Some((key, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(overlay: &Overlay<u8, u16>) -> BTreeMap<u8, u16> {
        overlay.iter().map(|(&key, &value)| (key, value)).collect()
    }

    proptest! {
        #[test]
        fn an_overlay_behaves_as_a_plain_map_and_rebasing_changes_nothing_visible(
            base in prop::collection::btree_map(0u8..40, 0u16..3, 0..30),
            other in prop::collection::btree_map(0u8..40, 0u16..3, 0..30),
            steps in prop::collection::vec((0u8..5, 0u8..40, 0u16..3), 0..60),
            window in (0u8..40, 0u8..40),
        ) {
            let mut model = base.clone();
            let mut overlay = Overlay::new(Arc::new(base.into_iter().collect()));
            for (kind, key, value) in steps {
                match kind {
                    0 => { overlay.insert(key, value); model.insert(key, value); }
                    4 => { overlay.put(key, value); model.insert(key, value); }
                    1 => prop_assert_eq!(overlay.remove(&key), model.remove(&key)),
                    2 => {
                        *overlay.entry_or_default(&key) += value;
                        *model.entry(key).or_default() += value;
                    }
                    _ => overlay.rebase(Arc::new(other.clone().into_iter().collect())),
                }
                prop_assert_eq!(overlay.get(&key), model.get(&key));
                prop_assert_eq!(overlay.len(), model.len());
            }
            prop_assert_eq!(&plain(&overlay), &model);
            let (low, high) = (window.0.min(window.1), window.0.max(window.1));
            let ranged: BTreeMap<u8, u16> = overlay.range(low..=high).map(|(&k, &v)| (k, v)).collect();
            prop_assert_eq!(ranged, model.range(low..=high).map(|(&k, &v)| (k, v)).collect());
            let own = overlay.to_shared();
            overlay.rebase(own);
            prop_assert_eq!(overlay.diff_len(), 0);
            prop_assert_eq!(plain(&overlay), model);
        }
    }
}
