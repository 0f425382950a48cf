//! How soon all nodes know of what really happens to origins.

use std::collections::BTreeMap;

use heck_core::entry::HealthState;
use heck_core::time::Time;

use super::origins::{Condition, Spell};
use crate::report::outcome::UpdateOutcome;

/// The name of an origin's fall among the followed updates.
pub const DOWN: &str = "origin down known";
/// The name of its rise.
pub const UP: &str = "origin up known";
/// The name of its slowing down.
pub const SLOW: &str = "origin slow known";

/// All of them.
pub const CHANGES: [&str; 3] = [DOWN, UP, SLOW];

/// A real change of an origin, and who knows of it.
#[derive(Debug)]
struct Turn {
    origin: u32,
    name: &'static str,
    at: Time,
    expected: HealthState,
    has_begun: bool,
    /// When the origin turned again.
    ended: Option<Time>,
    awaited: Vec<bool>,
    population: u32,
    reached_us: Vec<u64>,
}

/// All of them in a run.
#[derive(Debug)]
pub struct Turns {
    turns: Vec<Turn>,
    /// What nodes hold of origins that they do not hold to be healthy, by origin and node.
    shown: BTreeMap<(u32, u32), HealthState>,
}

impl Turns {
    /// Those at the ends of these spells. Slowness is one where nodes can tell.
    #[must_use]
    pub fn new(spells: &[Spell], knows_slow: bool) -> Self {
        let turns = spells.iter().flat_map(|spell| turns(spell, knows_slow)).collect();
        Self { turns, shown: BTreeMap::new() }
    }

    /// Begins those whose time has come. `up` tells which nodes are up.
    pub fn begin(&mut self, up: &[bool], now: Time) {
        for index in 0..self.turns.len() {
            let turn = &mut self.turns[index];
            if turn.has_begun || turn.at > now {
                continue;
            }
            turn.has_begun = true;
            turn.awaited = up.to_vec();
            turn.population = up.iter().filter(|up| **up).count() as u32;
            // Whoever holds the origin to be so already, rightly or not, has nothing to learn.
            for (node, awaited) in (0..).zip(&mut turn.awaited).filter(|(_, awaited)| **awaited) {
                let shown = self.shown.get(&(turn.origin, node)).copied().unwrap_or(HealthState::Healthy);
                if shown == turn.expected {
                    *awaited = false;
                    turn.reached_us.push(0);
                }
            }
            let (origin, at) = (turn.origin, turn.at);
            for earlier in self.turns.iter_mut().filter(|earlier| earlier.origin == origin && earlier.at < at)
            {
                earlier.ended.get_or_insert(at);
            }
        }
    }

    /// A node came to hold an origin to be in this state.
    pub fn heard(&mut self, node: u32, origin: u32, state: HealthState, now: Time) {
        if state == HealthState::Healthy {
            self.shown.remove(&(origin, node));
        } else {
            self.shown.insert((origin, node), state);
        }
        for turn in self.turns.iter_mut().filter(|turn| turn.origin == origin) {
            let is_open = turn.has_begun && turn.ended.is_none() && turn.expected == state;
            if is_open && std::mem::take(&mut turn.awaited[node as usize]) {
                turn.reached_us.push(now.since(turn.at).as_us());
            }
        }
    }

    /// A node has crashed: it cannot hear of anything any more.
    pub fn crashed(&mut self, node: u32) {
        for turn in self.turns.iter_mut().filter(|turn| turn.has_begun && turn.ended.is_none()) {
            if std::mem::take(&mut turn.awaited[node as usize]) {
                turn.population -= 1;
            }
        }
    }

    /// What came of those that happened before `now`.
    #[must_use]
    pub fn outcome(self, now: Time) -> Vec<UpdateOutcome> {
        let update = |turn: Turn| UpdateOutcome {
            kind: turn.name.to_owned(),
            node: turn.origin,
            population: turn.population,
            reached_us: turn.reached_us,
            observed_us: turn.ended.unwrap_or(now).since(turn.at).as_us(),
            delivery_ratio_p95: None,
        };
        let happened = self.turns.into_iter().filter(|turn| turn.has_begun && turn.at < now);
        happened.map(update).collect()
    }
}

/// The turns of origins at the ends of a spell that all nodes should come to know of.
fn turns(spell: &Spell, knows_slow: bool) -> Vec<Turn> {
    let (name, expected) = match spell.condition {
        Condition::Refuses | Condition::Silent => (DOWN, HealthState::Unhealthy),
        Condition::Slow(_) if knows_slow => (SLOW, HealthState::Degraded),
        Condition::Slow(_) | Condition::Flaps { .. } => return Vec::new(),
    };
    if spell.seen_by.is_some() {
        return Vec::new();
    }
    let turn = |origin, name, at, expected| Turn {
        origin,
        name,
        at,
        expected,
        has_begun: false,
        ended: None,
        awaited: Vec::new(),
        population: 0,
        reached_us: Vec::new(),
    };
    let begins = spell.origins.iter().map(|&origin| turn(origin, name, spell.from, expected));
    let ends = spell.origins.iter().map(|&origin| turn(origin, UP, spell.until, HealthState::Healthy));
    begins.chain(ends).collect()
}
