//! Whether the age that a node gives for an answer, with its bound, ever understates the true one.

use std::collections::BTreeMap;

use heck_core::entry::Scope;
use heck_core::id::{Name, Writer};
use heck_core::node::Node;
use heck_core::time::{Span, Time};

use super::history::History;
use super::words::seconds;

/// When each node said its heartbeats, by world time.
#[derive(Debug, Default)]
pub struct Beats {
    said: BTreeMap<Writer, Vec<(u32, Time)>>,
    /// The last of each node, in a table that stays in the processor's cache.
    last: Vec<u32>,
}

impl Beats {
    /// Looks whether a node has just said one.
    #[inline]
    pub fn after_step(&mut self, index: u32, node: &Node, time: Time) {
        let number = node.view().heartbeats_said();
        if self.last.len() <= index as usize {
            self.last.resize(index as usize + 1, 0);
        }
        let last = &mut self.last[index as usize];
        if *last != number {
            *last = number;
            self.said.entry(node.view().writer()).or_default().push((number, time));
        }
    }

    /// A node has begun a new life, and counts anew.
    pub fn restarted(&mut self, index: u32) {
        if let Some(last) = self.last.get_mut(index as usize) {
            *last = 0;
        }
    }

    /// When a heartbeat was said. Number 0 is what the cluster began with.
    fn time(&self, writer: Writer, number: u32) -> Option<Time> {
        if number == 0 {
            return Some(Time::ZERO);
        }
        // Of two that live under one name the later one counts.
        let said = self.said.get(&writer)?;
        said.iter().rev().find(|(said, _)| *said == number).map(|(_, time)| *time)
    }
}

/// A moment by the world's clock and by a node's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// World time.
    pub world: Time,
    /// What the node's clock shows.
    pub local: Time,
}

/// Whether what a node says of an origin is older than it says.
#[must_use]
pub fn understated(
    beats: &Beats,
    history: &History,
    node: &Node,
    now: Now,
    scope: Scope,
    origin: &Name,
) -> Option<String> {
    let view = node.view();
    let health = view.health(scope, origin, now.local)?;
    if health.writer == view.writer() && view.check(origin).is_some() {
        // It dates what it checks itself by its checks, which are looked at where probes are.
        return None;
    }
    let (age, fresh) = (health.age?, view.fresh(health.writer)?);
    let Some(said) = beats.time(health.writer, fresh.number) else {
        return Some(format!(
            "counts heartbeat no. {} of {}, which was never said",
            fresh.number,
            history.names().writer(health.writer)
        ));
    };
    let (true_age, most) = (now.world.since(said), Span(age.as_us() + health.age_bound.as_us()));
    if most < true_age {
        return Some(format!(
            "says that the health of {origin} is {} old and at most {}, but {} vouched for it {} ago",
            seconds(age),
            seconds(most),
            history.names().writer(health.writer),
            seconds(true_age)
        ));
    }
    let replaced = history.replaced_at(view.claim(scope, origin)?).filter(|&replaced| replaced < said)?;
    Some(format!(
        "says that the health of {origin} is {} old, but {} had changed it {} before that",
        seconds(age),
        history.names().writer(health.writer),
        seconds(said.since(replaced))
    ))
}
