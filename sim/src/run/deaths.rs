//! Who is held dead by whom: how soon a crash is known to all, and how many deaths were none.

use heck_core::effects::Event;
use heck_core::id::NodeId;
use heck_core::member::Standing;
use heck_core::time::Time;

use crate::report::outcome::{Opinions, UpdateOutcome};

/// The name of a crash among the followed updates.
pub const CRASH: &str = "crash known";

/// One crash.
struct Crash {
    node: u32,
    at: Time,
    /// When the node started again: what was not known by then never will be.
    ended: Option<Time>,
    /// Who was up at the crash and has been since.
    awaited: Vec<bool>,
    population: u32,
    reached_us: Vec<u64>,
}

/// Watches what nodes hold of each other.
pub struct Deaths {
    identities: Vec<(NodeId, u32)>,
    crashes: Vec<Crash>,
    up: Vec<bool>,
    /// Whether some fault has ever been about the node.
    touched: Vec<bool>,
    opinions: Opinions,
}

impl Deaths {
    /// All nodes are up. `touched` are those that some fault of the scenario is about.
    #[must_use]
    pub fn new(identities: impl Iterator<Item = NodeId>, touched: Vec<bool>) -> Self {
        let mut identities: Vec<(NodeId, u32)> = identities.zip(0..).collect();
        identities.sort_unstable();
        let up = vec![true; identities.len()];
        Self { identities, crashes: Vec::new(), up, touched, opinions: Opinions::default() }
    }

    /// Nodes have crashed.
    pub fn crashed(&mut self, nodes: &[u32], now: Time) {
        for &node in nodes {
            self.up[node as usize] = false;
        }
        for &node in nodes {
            for crash in &mut self.crashes {
                // Whoever crashes itself cannot hear of an earlier crash any more.
                if crash.ended.is_none() && std::mem::take(&mut crash.awaited[node as usize]) {
                    crash.population -= 1;
                }
            }
            let awaited = self.up.clone();
            let population = awaited.iter().filter(|up| **up).count() as u32;
            self.crashes.push(Crash {
                node,
                at: now,
                ended: None,
                awaited,
                population,
                reached_us: Vec::new(),
            });
        }
    }

    /// A node has started again.
    pub fn restarted(&mut self, node: u32, now: Time) {
        self.up[node as usize] = true;
        for crash in self.crashes.iter_mut().filter(|crash| crash.node == node) {
            crash.ended.get_or_insert(now);
        }
    }

    /// What a node's step said of others.
    pub fn heard(&mut self, observer: u32, events: &[Event], now: Time) {
        for event in events {
            match event {
                Event::Member { node, standing } => self.judged(observer, *node, *standing, now),
                Event::Refuted(_) => self.opinions.refutations += 1,
                _ => {}
            }
        }
    }

    fn judged(&mut self, observer: u32, node: NodeId, standing: Standing, now: Time) {
        let Ok(at) = self.identities.binary_search_by_key(&node, |(identity, _)| *identity) else { return };
        let (_, subject) = self.identities[at];
        self.opinions.suspicions += u64::from(standing == Standing::Suspect);
        if standing != Standing::Dead {
            return;
        }
        if self.up[subject as usize] {
            self.opinions.false_deaths += 1;
            self.opinions.healthy_deaths += u64::from(!self.touched[subject as usize]);
            return;
        }
        let last = self.crashes.iter_mut().rev().find(|crash| crash.node == subject);
        if let Some(crash) = last
            && std::mem::take(&mut crash.awaited[observer as usize])
        {
            crash.reached_us.push(now.since(crash.at).as_us());
        }
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(self, now: Time) -> (Vec<UpdateOutcome>, Opinions) {
        let update = |crash: Crash| UpdateOutcome {
            kind: CRASH.to_owned(),
            node: crash.node,
            population: crash.population,
            reached_us: crash.reached_us,
            observed_us: crash.ended.unwrap_or(now).since(crash.at).as_us(),
            delivery_ratio_p95: None,
        };
        (self.crashes.into_iter().map(update).collect(), self.opinions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::time::Span;

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    fn death(node: u64) -> [Event; 1] {
        [Event::Member { node: NodeId(node), standing: Standing::Dead }]
    }

    #[test]
    fn a_crash_is_followed_to_whoever_stays_up() {
        let mut deaths = Deaths::new((0..4).map(NodeId), vec![false; 4]);
        deaths.crashed(&[1], at(10));
        deaths.heard(0, &death(1), at(15));
        deaths.crashed(&[3], at(16));
        deaths.heard(2, &death(1), at(18));
        deaths.heard(2, &death(1), at(19));
        let (updates, opinions) = deaths.outcome(at(20));
        assert_eq!(updates[0].reached_us, [5_000_000, 8_000_000]);
        assert_eq!((updates[0].population, updates[1].population), (2, 2));
        assert_eq!(opinions, Opinions::default());
    }

    #[test]
    fn the_death_of_someone_who_is_up_is_false() {
        let mut deaths = Deaths::new((0..4).map(NodeId), vec![false, true, false, false]);
        deaths.heard(0, &death(1), at(1));
        deaths.heard(0, &death(2), at(2));
        deaths.crashed(&[3], at(3));
        deaths.restarted(3, at(4));
        deaths.heard(0, &death(3), at(5));
        let (_, opinions) = deaths.outcome(at(6));
        assert_eq!((opinions.false_deaths, opinions.healthy_deaths), (3, 2));
    }
}
