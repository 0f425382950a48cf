//! How old answers are: one sample for each writer and interval, which ages by itself until the next.

use super::health::{Group, HealthRow};
use super::table::Table;
use heck_core::entry::Hold;
use heck_core::id::Name;
use heck_core::node::{Health, View};
use heck_core::time::Time;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// An age, and the most by which it may understate, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Age {
    pub age_ms: u64,
    pub bound_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    taken: Instant,
    age_us: u64,
    bound_us: u64,
    is_stale: bool,
}

/// The ages of all groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages {
    samples: BTreeMap<Group, Sample>,
}

/// A group and an origin that its age can be read from.
pub(crate) type Witness = (Group, Name);

impl Ages {
    /// The age of a group's answers now. A sample taken some time ago can overstate it by that time, as a newer
    /// heartbeat may have come since.
    pub(crate) fn age(&self, group: &Group) -> Option<Age> {
        let sample = self.samples.get(group)?;
        let since_us = u64::try_from(sample.taken.elapsed().as_micros()).unwrap_or(u64::MAX);
        // No clock that anything could run by drifts by a hundredth.
        let drift_us = since_us / 100;
        Some(Age {
            age_ms: sample.age_us.saturating_add(since_us) / 1_000,
            bound_ms: sample.bound_us.saturating_add(drift_us).div_ceil(1_000) + 1,
        })
    }

    /// Whether a group's answers are stale, if that is known.
    pub(super) fn is_stale(&self, group: &Group) -> Option<bool> {
        self.samples.get(group).map(|sample| sample.is_stale)
    }

    /// One origin for each group.
    pub(super) fn witnesses(health: &Table<HealthRow>) -> Vec<Witness> {
        let mut witnesses = BTreeMap::new();
        for (name, row) in health.after(None) {
            if let Some(group) = row.value.group {
                witnesses.entry(group).or_insert_with(|| name.clone());
            }
        }
        witnesses.into_iter().collect()
    }

    /// Forgets groups that no origin is in.
    pub(super) fn keep(&mut self, witnesses: &[Witness]) {
        self.samples.retain(|group, _| witnesses.binary_search_by_key(group, |(group, _)| *group).is_ok());
    }

    /// What a witness says now; nothing when it has gone over to another group meanwhile.
    pub(super) fn read(view: View<'_>, now: Time, witnesses: &[Witness]) -> Vec<(Group, Health)> {
        let scope = view.own_scope();
        let ask = |(group, name): &Witness| {
            let health = view.health(scope, name, now)?;
            (health.writer == group.writer && health.hold == Hold::Held).then_some((*group, health))
        };
        witnesses.iter().filter_map(ask).collect()
    }

    pub(super) fn put(&mut self, taken: Instant, read: impl IntoIterator<Item = (Group, Health)>) {
        for (group, health) in read {
            match health.age {
                Some(age) => {
                    let (age_us, bound_us) = (age.as_us(), health.age_bound.as_us());
                    self.samples.insert(group, Sample { taken, age_us, bound_us, is_stale: health.is_stale });
                }
                None => _ = self.samples.remove(&group),
            }
        }
    }
}
