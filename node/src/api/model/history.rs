//! What changed of late: the last changes of health, of origins and of members, as this node learned of them.
//!
//! It is found by comparing what is read with what was held, so of changes that undo each other within some
//! milliseconds nothing is left. What the node held when it started is no change.

use super::OriginRow;
use super::health::HealthRow;
use heck_core::entry::{Admin, Body, Entry, HealthState};
use heck_core::id::{Boot, Name};
use heck_core::member::{Member, Standing};
use heck_core::node::View;
use heck_core::probe::Reply;
use heck_core::time::Time;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many changes of each sort are remembered: an import of ten thousand origins pushes out no change of health.
pub(crate) const REMEMBERED: usize = 1_000;
/// Sorts of changes: of health, of origins, of members.
const SORTS: usize = 3;

/// What changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// The state of an origin, by whose word, and the answer that made it so.
    Health { from: HealthState, to: HealthState, by: Option<Name>, cause: Option<Reply> },
    /// An origin was added.
    Added,
    /// An origin was removed.
    Removed,
    /// An origin is described otherwise.
    Edited,
    /// An operator wants something else of an origin.
    Admin { from: Admin, to: Admin },
    /// What is held of a member; none where it was not known before, or is forgotten.
    Member { from: Option<Standing>, to: Option<Standing> },
    /// A member began another life.
    Restarted,
}

impl What {
    const fn sort(&self) -> usize {
        match self {
            Self::Health { .. } => 0,
            Self::Added | Self::Removed | Self::Edited | Self::Admin { .. } => 1,
            Self::Member { .. } | Self::Restarted => 2,
        }
    }

    /// How an origin changed that was described like `before`, if it did.
    pub(super) fn of_origin(before: Option<&OriginRow>, now: Option<&Entry>) -> Option<Self> {
        let (before, now) = match (before, now) {
            (None, None) => return None,
            (None, Some(_)) => return Some(Self::Added),
            (Some(_), None) => return Some(Self::Removed),
            (Some(before), Some(now)) if before.entry.dot == now.dot => return None,
            (Some(before), Some(now)) => (&before.entry.body, &now.body),
        };
        match (before, now) {
            (Body::Origin { spec: before, .. }, Body::Origin { spec: now, .. })
                if before.admin != now.admin =>
            {
                Some(Self::Admin { from: before.admin, to: now.admin })
            }
            // The same may be written again under another dot.
            _ => (before != now).then_some(Self::Edited),
        }
    }

    /// How the health of an origin changed, if it did.
    pub(super) fn of_health(before: Option<&HealthRow>, now: &HealthRow) -> Option<Self> {
        let (from, to) = (before?.state, now.state);
        let by = now.said_by.clone();
        (from != to).then_some(Self::Health { from, to, by, cause: now.cause })
    }
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// Its number in the life of this process, from 1.
    pub number: u64,
    /// When this node learned of it, by its clock.
    pub at: Time,
    /// The origin or member.
    pub name: Name,
    pub what: What,
}

#[derive(Debug, Default)]
struct Held {
    /// The number of the last change.
    last: u64,
    sorts: [VecDeque<Happened>; SORTS],
}

/// The last changes. Clones are the same history.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(Arc<Mutex<Held>>);

impl History {
    fn lock(&self) -> MutexGuard<'_, Held> {
        // Each change is whole before the next begins.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, at: Time, changes: impl IntoIterator<Item = (Name, What)>) {
        let mut held = self.lock();
        for (name, what) in changes {
            held.last += 1;
            let number = held.last;
            let sort = &mut held.sorts[what.sort()];
            if sort.len() == REMEMBERED {
                sort.pop_front();
            }
            sort.push_back(Happened { number, at, name, what });
        }
    }

    /// The number of the last change.
    pub(crate) fn last(&self) -> u64 {
        self.lock().last
    }

    /// Changes behind the one with this number, the newest first, of one origin or member if one is named.
    pub(crate) fn since(&self, number: u64, of: Option<&Name>, limit: usize) -> Vec<Happened> {
        let held = self.lock();
        let is_wanted = |change: &&Happened| of.is_none_or(|name| *name == change.name);
        let newest = |sort: &VecDeque<Happened>| {
            let new = sort.iter().rev().take_while(|change| change.number > number);
            new.filter(is_wanted).take(limit).cloned().collect::<Vec<_>>()
        };
        let mut changes: Vec<_> = held.sorts.iter().flat_map(newest).collect();
        changes.sort_unstable_by_key(|change| std::cmp::Reverse(change.number));
        changes.truncate(limit);
        changes
    }
}

/// What was held of all members when they were read last; none before that.
#[derive(Debug, Default)]
pub(super) struct Standings(Option<BTreeMap<Name, (Boot, Standing)>>);

impl Standings {
    pub(super) fn read(view: View<'_>) -> BTreeMap<Name, (Boot, Standing)> {
        let held = |member: &Member| (member.name.clone(), (member.life.boot, member.standing));
        view.members().all().map(held).collect()
    }

    /// What changed since the last reading.
    pub(super) fn take(&mut self, now: BTreeMap<Name, (Boot, Standing)>) -> Vec<(Name, What)> {
        let Some(before) = self.0.take() else {
            self.0 = Some(now);
            return Vec::new();
        };
        let forgotten = before.iter().filter(|(name, _)| !now.contains_key(*name));
        let forgotten =
            forgotten.map(|(name, (_, from))| (name.clone(), What::Member { from: Some(*from), to: None }));
        let changed = now.iter().filter_map(|(name, (boot, to))| {
            let held = before.get(name);
            let what = match held {
                Some((_, from)) if from != to => What::Member { from: Some(*from), to: Some(*to) },
                Some((before, _)) if before < boot => What::Restarted,
                Some(_) => return None,
                None => What::Member { from: None, to: Some(*to) },
            };
            Some((name.clone(), what))
        });
        let changes = forgotten.chain(changed).collect();
        self.0 = Some(now);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn down() -> What {
        What::Health { from: HealthState::Healthy, to: HealthState::Unhealthy, by: None, cause: None }
    }

    #[test]
    fn the_newest_changes_come_first_and_only_those_behind_a_number() {
        let history = History::default();
        history.note(Time(1), [(name("a"), What::Added), (name("b"), What::Added)]);
        history.note(Time(2), [(name("a"), down())]);
        let seen = |number, of: Option<&str>, limit| {
            let changes = history.since(number, of.map(name).as_ref(), limit);
            changes.iter().map(|change| (change.number, change.name.to_string())).collect::<Vec<_>>()
        };
        let pair = |number, name: &str| (number, name.to_owned());
        assert_eq!(seen(0, None, 9), [pair(3, "a"), pair(2, "b"), pair(1, "a")]);
        assert_eq!(seen(0, None, 2), [pair(3, "a"), pair(2, "b")]);
        assert_eq!(seen(1, Some("a"), 9), [pair(3, "a")]);
        assert_eq!(seen(history.last(), None, 9), []);
    }

    #[test]
    fn many_changes_of_one_sort_push_out_none_of_another() {
        let history = History::default();
        history.note(Time(1), [(name("web"), down())]);
        history.note(Time(2), (0..2 * REMEMBERED).map(|n| (name(&format!("o{n}")), What::Added)));
        let all = history.since(0, None, usize::MAX);
        assert_eq!(all.len(), REMEMBERED + 1);
        assert_eq!((all[REMEMBERED].number, &all[REMEMBERED].what), (1, &down()));
    }

    #[test]
    fn members_that_come_go_restart_and_are_forgotten_are_told_and_the_first_reading_is_not() {
        let mut standings = Standings::default();
        let list = |members: &[(&str, u64, Standing)]| {
            members.iter().map(|(of, boot, standing)| (name(of), (Boot(*boot), *standing))).collect()
        };
        let first = list(&[("a", 1, Standing::Alive), ("b", 1, Standing::Alive), ("c", 1, Standing::Dead)]);
        assert_eq!(standings.take(first), []);
        let then = list(&[("a", 2, Standing::Alive), ("b", 1, Standing::Suspect), ("d", 1, Standing::Alive)]);
        let member = |from, to| What::Member { from, to };
        assert_eq!(
            standings.take(then),
            [
                (name("c"), member(Some(Standing::Dead), None)),
                (name("a"), What::Restarted),
                (name("b"), member(Some(Standing::Alive), Some(Standing::Suspect))),
                (name("d"), member(None, Some(Standing::Alive))),
            ]
        );
    }
}
