//! Rows by name, with what changed when: what lists, long polls and watches are answered from.

use heck_core::id::Name;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

/// How many removed rows a table remembers for watchers that come back.
const REMOVED_LIMIT: usize = 1_024;

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row<T> {
    /// Its content.
    pub value: T,
    /// The fingerprint of what counts as a change.
    pub print: u64,
    /// The version of the table in which the fingerprint changed last.
    pub version: u64,
}

/// Rows by name. Versions are counted from the start of the process and mean nothing elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<Name, Row<T>>,
    /// The names of all rows by the versions of these, so that a watcher pays for what changed alone.
    by_version: BTreeMap<u64, Name>,
    version: u64,
    removed: VecDeque<(u64, Name)>,
    /// Removals up to this version are no longer remembered.
    forgotten: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        let (rows, by_version) = (BTreeMap::new(), BTreeMap::new());
        Self { rows, by_version, version: 0, removed: VecDeque::new(), forgotten: 0 }
    }
}

/// What happened to a row.
pub(crate) enum Change<'a, T> {
    /// It is new or another one.
    Set(&'a Name, &'a Row<T>),
    /// It is gone, since this version.
    Removed(&'a Name, u64),
}

impl<T> Change<'_, T> {
    /// The version with which it happened.
    pub(crate) const fn version(&self) -> u64 {
        match self {
            Self::Set(_, row) => row.version,
            Self::Removed(_, version) => *version,
        }
    }
}

impl<T> Table<T> {
    /// The version: it rises with each change.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn get(&self, name: &Name) -> Option<&Row<T>> {
        self.rows.get(name)
    }

    /// All rows by name, those up to `after` left out.
    pub(crate) fn after(&self, after: Option<&Name>) -> impl Iterator<Item = (&Name, &Row<T>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.range::<Name, _>((from, Bound::Unbounded))
    }

    /// Sets a row. It counts as changed only with another fingerprint.
    pub(super) fn set(&mut self, name: Name, value: T, print: u64) -> bool {
        match self.rows.get_mut(&name) {
            Some(row) if row.print == print => {
                row.value = value;
                false
            }
            _ => {
                self.version += 1;
                self.by_version.insert(self.version, name.clone());
                let before = self.rows.insert(name, Row { value, print, version: self.version });
                if let Some(before) = before {
                    self.by_version.remove(&before.version);
                }
                true
            }
        }
    }

    pub(super) fn remove(&mut self, name: &Name) -> bool {
        let before = self.rows.remove(name);
        if let Some(row) = &before {
            self.by_version.remove(&row.version);
            self.version += 1;
            self.removed.push_back((self.version, name.clone()));
            if self.removed.len() > REMOVED_LIMIT
                && let Some((version, _)) = self.removed.pop_front()
            {
                self.forgotten = version;
            }
        }
        before.is_some()
    }

    /// What changed since a version, in the order in which it did; none when that is no longer known.
    pub(crate) fn since(&self, version: u64) -> Option<Vec<Change<'_, T>>> {
        if version < self.forgotten || version > self.version {
            return None;
        }
        let names = self.by_version.range((Bound::Excluded(version), Bound::Unbounded));
        let set = names.filter_map(|(_, name)| self.rows.get_key_value(name));
        let mut changes: Vec<_> = set.map(|(name, row)| Change::Set(name, row)).collect();
        // A name that came back is there again.
        let gone = self.removed.iter().filter(|(at, name)| *at > version && !self.rows.contains_key(name));
        changes.extend(gone.map(|(at, name)| Change::Removed(name, *at)));
        changes.sort_by_key(Change::version);
        Some(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn seen(changes: Option<Vec<Change<'_, u8>>>) -> Vec<String> {
        let text = |change: Change<'_, u8>| match change {
            Change::Set(name, row) => format!("{name}={}", row.value),
            Change::Removed(name, _) => format!("-{name}"),
        };
        changes.expect("the version is known").into_iter().map(text).collect()
    }

    #[test]
    fn changes_since_a_version_are_told_once_and_in_order() {
        let mut table = Table::default();
        table.set(name("a"), 1, 1);
        table.set(name("b"), 2, 2);
        let before = table.version();
        table.set(name("b"), 9, 2);
        assert_eq!(table.version(), before, "the same fingerprint is no change");
        assert_eq!(table.get(&name("b")).unwrap().value, 9);
        table.set(name("c"), 3, 3);
        table.remove(&name("a"));
        table.set(name("b"), 4, 4);
        assert_eq!(seen(table.since(before)), ["c=3", "-a", "b=4"]);
        table.set(name("a"), 5, 5);
        assert_eq!(seen(table.since(before)), ["c=3", "b=4", "a=5"], "what came back is not removed");
        assert!(table.since(table.version()).unwrap().is_empty());
    }

    #[test]
    fn the_index_by_version_has_each_row_once() {
        let mut table = Table::default();
        for n in 0..200_u64 {
            let name = name(&format!("n{}", n % 7));
            if n % 5 == 0 {
                table.remove(&name);
            } else {
                table.set(name, 0, n);
            }
        }
        let by_rows: BTreeMap<_, _> =
            table.rows.iter().map(|(name, row)| (row.version, name.clone())).collect();
        assert_eq!(table.by_version, by_rows);
    }

    #[test]
    fn a_watcher_that_was_away_for_too_long_is_told_so() {
        let mut table = Table::default();
        for n in 0..=REMOVED_LIMIT {
            table.set(name(&format!("n{n}")), 0, 0);
        }
        let before = table.version();
        for n in 0..=REMOVED_LIMIT {
            table.remove(&name(&format!("n{n}")));
        }
        assert!(table.since(before).is_none(), "the first removal is forgotten");
        assert_eq!(table.since(before + 1).unwrap().len(), REMOVED_LIMIT);
        assert!(table.since(table.version() + 1).is_none(), "a version of another process");
    }
}
