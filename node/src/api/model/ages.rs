//! How old answers are: one sample for each writer and interval, which ages by itself until the next.
//!
//! What this node says itself is as old as its own last check of that origin: such an origin has a sample of its own.

use super::health::{Group, HealthRow};
use super::table::Table;
use heck_core::entry::Hold;
use heck_core::id::Name;
use heck_core::node::{AnswerAge, View};
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

impl Age {
    /// What the node says now of an answer; nothing when its age is unknown.
    pub(crate) fn of(answer: &AnswerAge) -> Option<Self> {
        let age_ms = answer.age?.as_us() / 1_000;
        Some(Self { age_ms, bound_ms: answer.age_bound.as_us().div_ceil(1_000) + 1 })
    }
}

/// The ages of all groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages {
    samples: BTreeMap<Group, Sample>,
}

/// A group and an origin that its age can be read from.
pub(crate) type Witness = (Group, Name);

impl Ages {
    /// The age of a group's answers now. A sample taken some time ago misses the heartbeat, or the check of this node's
    /// own, that has come since.
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
            if let Some(group) = &row.value.group
                && !witnesses.contains_key(group)
            {
                witnesses.insert(group.clone(), name.clone());
            }
        }
        witnesses.into_iter().collect()
    }

    /// Forgets groups that no origin is in.
    pub(super) fn keep(&mut self, witnesses: &[Witness]) {
        self.samples.retain(|group, _| witnesses.binary_search_by(|(other, _)| other.cmp(group)).is_ok());
    }

    /// What a witness says now; nothing when it has gone over to another group meanwhile.
    pub(super) fn read(view: View<'_>, now: Time, witnesses: &[Witness]) -> Vec<(Group, AnswerAge)> {
        let scope = view.own_scope();
        let ask = |(group, name): &Witness| {
            let answer = view.answer_age(scope, name, now)?;
            (answer.writer == group.writer && answer.hold == Hold::Held).then(|| (group.clone(), answer))
        };
        witnesses.iter().filter_map(ask).collect()
    }

    pub(super) fn put(&mut self, taken: Instant, read: impl IntoIterator<Item = (Group, AnswerAge)>) {
        for (group, answer) in read {
            match answer.age {
                Some(age) => {
                    let (age_us, bound_us) = (age.as_us(), answer.age_bound.as_us());
                    self.samples.insert(group, Sample { taken, age_us, bound_us, is_stale: answer.is_stale });
                }
                None => _ = self.samples.remove(&group),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::id::{Boot, NodeId, Writer};
    use heck_core::time::Span;

    #[tokio::test(start_paused = true)]
    async fn what_a_node_says_itself_has_an_age_and_is_stale_by_origin() {
        let writer = Writer { node: NodeId::of(&Name::new("n").unwrap()), boot: Boot(1) };
        let interval = Span::from_secs(60);
        let group = |origin: Option<&str>| Group {
            writer,
            interval,
            origin: origin.map(|name| Name::new(name).unwrap()),
        };
        let answer = |secs, is_stale| AnswerAge {
            writer,
            hold: Hold::Held,
            age: Some(Span::from_secs(secs)),
            age_bound: Span::ZERO,
            is_stale,
        };
        let (own, late, theirs) = (group(Some("a")), group(Some("b")), group(None));
        let mut ages = Ages::default();
        let read = [(own.clone(), answer(1, false)), (late.clone(), answer(500, true))];
        ages.put(Instant::now(), read);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(ages.age(&own).map(|age| age.age_ms), Some(2_000));
        assert_eq!(ages.age(&late).map(|age| age.age_ms), Some(501_000));
        let stale = [&own, &late, &theirs].map(|group| ages.is_stale(group));
        assert_eq!(stale, [Some(false), Some(true), None]);
        ages.keep(&[(late.clone(), Name::new("b").unwrap())]);
        assert_eq!([&own, &late].map(|group| ages.is_stale(group)), [None, Some(true)]);
    }
}
