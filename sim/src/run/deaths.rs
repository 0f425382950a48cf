//! What nodes hold of each other: how soon a crash, a join or a departure is known to all, how many deaths were none,
//! and when all lists are right.

use std::collections::{BTreeMap, BTreeSet};

use heck_core::effects::Event;
use heck_core::id::{Name, NodeId};
use heck_core::member::Standing;
use heck_core::time::Time;

use crate::report::outcome::{Opinions, UpdateOutcome};

/// The names of followed changes of the member list.
pub const CRASH: &str = "crash known";
/// A node joined.
pub const JOIN: &str = "join known";
/// A node left.
pub const LEAVE: &str = "leave known";

/// So many changes of the list are followed one by one; in a storm of them only the list counts.
const FOLLOWED: usize = 128;

/// One change of the list that everyone should hear of.
struct Turn {
    kind: &'static str,
    node: u32,
    at: Time,
    /// When something else happened to the node: what was not known by then never will be.
    ended: Option<Time>,
    /// Who was up then and has been since.
    awaited: Vec<bool>,
    population: u32,
    reached_us: Vec<u64>,
}

/// Watches what nodes hold of each other.
pub struct Deaths {
    identities: BTreeMap<NodeId, u32>,
    turns: Vec<Turn>,
    up: Vec<bool>,
    /// Nodes that said that they leave.
    left: Vec<bool>,
    /// Whether some fault has ever been about the node.
    touched: Vec<bool>,
    /// Whether the node has begun a life since the start, or another one its own.
    reborn: Vec<bool>,
    /// Nobody hears of crashes where the list of members is given.
    is_given: bool,
    opinions: Opinions,
    /// Who holds whom dead that is up: of these nobody will say so again when they crash.
    wrong: BTreeSet<(u32, u32)>,
    changed: Time,
    right_since: Option<Time>,
    sizes: BTreeSet<u32>,
}

impl Deaths {
    /// The first `present` nodes are up. `touched` are those that some fault of the scenario is about.
    #[must_use]
    pub fn new(names: &[Name], present: u32, touched: Vec<bool>) -> Self {
        let identities: BTreeMap<_, _> = names.iter().map(NodeId::of).zip(0..).collect();
        let up: Vec<bool> = (0..names.len() as u32).map(|node| node < present).collect();
        Self {
            identities,
            turns: Vec::new(),
            left: vec![false; up.len()],
            reborn: vec![false; up.len()],
            up,
            touched,
            is_given: false,
            opinions: Opinions::default(),
            wrong: BTreeSet::new(),
            changed: Time::ZERO,
            right_since: Some(Time::ZERO),
            sizes: BTreeSet::new(),
        }
    }

    /// Follows no crash and no departure, as the list of members is given once and for all.
    #[must_use]
    pub fn of_a_given_list(self) -> Self {
        Self { is_given: true, ..self }
    }

    /// How many nodes are up and have not said that they leave.
    #[must_use]
    pub fn staying(&self) -> usize {
        self.up.iter().zip(&self.left).filter(|(up, left)| **up && !**left).count()
    }

    /// Whether a node is up and has not said that it leaves.
    #[must_use]
    pub fn stays(&self, node: u32) -> bool {
        self.up[node as usize] && !self.left[node as usize]
    }

    /// Something has changed that lists have to follow.
    pub fn changed(&mut self, now: Time) {
        self.changed = now;
        self.right_since = None;
    }

    /// Whether lists have yet to become right.
    #[must_use]
    pub const fn is_unsettled(&self) -> bool {
        self.right_since.is_none()
    }

    /// How long the lists are that nodes hold now, and whether all of them are right.
    pub fn settle(&mut self, sizes: impl Iterator<Item = u32>, are_right: bool, now: Time) {
        self.sizes.extend(sizes);
        if are_right {
            self.right_since.get_or_insert(now);
        }
    }

    /// How many different lengths of lists there were while they were not right.
    #[must_use]
    pub fn distinct_sizes(&self) -> u32 {
        self.sizes.len() as u32
    }

    /// From the last change until all lists were right, if they ever were; nothing where there was no change.
    #[must_use]
    pub fn right_us(&self) -> Option<u64> {
        self.right_since.map(|since| since.since(self.changed).as_us())
    }

    /// Which nodes are up.
    #[must_use]
    pub fn up(&self) -> &[bool] {
        &self.up
    }

    /// Nodes have crashed.
    pub fn crashed(&mut self, nodes: &[u32], now: Time) {
        for &node in nodes {
            self.up[node as usize] = false;
            self.over(node, now);
        }
        for &node in nodes {
            for turn in &mut self.turns {
                // Whoever crashes itself cannot hear of an earlier change any more.
                if turn.ended.is_none() && std::mem::take(&mut turn.awaited[node as usize]) {
                    turn.population -= 1;
                }
            }
            // Who had left is in no list any more, and stops without a word.
            if !self.left[node as usize] {
                self.follow(CRASH, node, now);
                self.changed(now);
            }
        }
        let wrong = std::mem::take(&mut self.wrong);
        for &(observer, subject) in wrong.iter().filter(|(_, subject)| nodes.contains(subject)) {
            self.reached(observer, subject, CRASH, now);
        }
        self.wrong = wrong.into_iter().filter(|(_, subject)| !nodes.contains(subject)).collect();
    }

    fn follow(&mut self, kind: &'static str, node: u32, at: Time) {
        if self.is_given || self.turns.len() == FOLLOWED {
            return;
        }
        let mut awaited = self.up.clone();
        awaited[node as usize] = false;
        let population = awaited.iter().filter(|awaited| **awaited).count() as u32;
        self.turns.push(Turn { kind, node, at, ended: None, awaited, population, reached_us: Vec::new() });
    }

    fn over(&mut self, node: u32, now: Time) {
        for turn in self.turns.iter_mut().filter(|turn| turn.node == node) {
            turn.ended.get_or_insert(now);
        }
    }

    /// A node says that it leaves.
    pub fn leaves(&mut self, node: u32, now: Time) {
        if self.stays(node) {
            self.left[node as usize] = true;
            self.follow(LEAVE, node, now);
            self.changed(now);
        }
    }

    /// A node has started; as a newcomer, or after a crash.
    pub fn started(&mut self, node: u32, is_new: bool, now: Time) {
        self.over(node, now);
        self.reborn[node as usize] = true;
        (self.up[node as usize], self.left[node as usize]) = (true, false);
        self.wrong.retain(|(observer, _)| *observer != node);
        if is_new {
            self.follow(JOIN, node, now);
        }
        self.changed(now);
    }

    /// Another node has a copy of this one's disk, and with it the right to its name.
    pub fn copied(&mut self, node: u32) {
        self.reborn[node as usize] = true;
    }

    /// What a node's step said of others.
    pub fn heard(&mut self, observer: u32, events: &[Event], now: Time) {
        for event in events {
            match event {
                Event::Member { node, standing } => self.judged(observer, *node, *standing, now),
                Event::Refuted(_) => self.opinions.refutations += 1,
                Event::NewBoot(_) => {
                    self.opinions.forced_rejoins += u64::from(!self.reborn[observer as usize]);
                }
                Event::Renamed(name) => _ = self.identities.insert(NodeId::of(name), observer),
                _ => {}
            }
        }
    }

    fn judged(&mut self, observer: u32, node: NodeId, standing: Standing, now: Time) {
        let Some(&subject) = self.identities.get(&node) else { return };
        self.opinions.suspicions += u64::from(standing == Standing::Suspect);
        self.wrong.remove(&(observer, subject));
        let kind = match standing {
            Standing::Suspect => return,
            Standing::Alive => JOIN,
            Standing::Left => LEAVE,
            Standing::Dead if self.left[subject as usize] => {
                self.opinions.left_deaths += 1;
                return;
            }
            Standing::Dead if self.up[subject as usize] => {
                self.opinions.false_deaths += 1;
                let is_untouched = |node: u32| !self.touched[node as usize];
                let is_healthy = is_untouched(subject);
                self.opinions.healthy_deaths += u64::from(is_healthy);
                self.opinions.healthy_deaths_at_healthy += u64::from(is_healthy && is_untouched(observer));
                self.wrong.insert((observer, subject));
                return;
            }
            Standing::Dead => CRASH,
        };
        self.reached(observer, subject, kind, now);
    }

    fn reached(&mut self, observer: u32, subject: u32, kind: &str, now: Time) {
        let last = self.turns.iter_mut().rev().find(|turn| turn.node == subject && turn.kind == kind);
        if let Some(turn) = last
            && std::mem::take(&mut turn.awaited[observer as usize])
        {
            turn.reached_us.push(now.since(turn.at).as_us());
        }
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(self, now: Time) -> (Vec<UpdateOutcome>, Opinions) {
        let update = |turn: Turn| UpdateOutcome {
            kind: turn.kind.to_owned(),
            node: turn.node,
            population: turn.population,
            reached_us: turn.reached_us,
            observed_us: turn.ended.unwrap_or(now).since(turn.at).as_us(),
            delivery_ratio_p95: None,
        };
        (self.turns.into_iter().map(update).collect(), self.opinions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::id::Boot;
    use heck_core::time::Span;

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    fn name(node: u32) -> Name {
        Name::new(&format!("n{node}")).expect("a name")
    }

    fn four(touched: [bool; 4]) -> Deaths {
        Deaths::new(&[0, 1, 2, 3].map(name), 4, touched.into())
    }

    fn news(node: u32, standing: Standing) -> [Event; 1] {
        [Event::Member { node: NodeId::of(&name(node)), standing }]
    }

    fn death(node: u32) -> [Event; 1] {
        news(node, Standing::Dead)
    }

    #[test]
    fn a_crash_is_followed_to_whoever_stays_up() {
        let mut deaths = four([false; 4]);
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
        let mut deaths = four([false, true, false, false]);
        deaths.heard(0, &death(1), at(1));
        deaths.heard(0, &death(2), at(2));
        deaths.crashed(&[3], at(3));
        deaths.started(3, false, at(4));
        deaths.heard(0, &death(3), at(5));
        let (_, opinions) = deaths.outcome(at(6));
        deaths_are(opinions, [3, 2, 2]);
    }

    #[test]
    fn a_life_that_no_restart_and_no_copy_of_a_disk_explains_is_a_forced_rejoin() {
        let mut deaths = four([false; 4]);
        deaths.crashed(&[1], at(1));
        deaths.started(1, false, at(2));
        deaths.copied(2);
        (0..4).for_each(|node| deaths.heard(node, &[Event::NewBoot(Boot(2))], at(3)));
        assert_eq!(deaths.outcome(at(4)).1.forced_rejoins, 2, "those of nodes 0 and 3");
    }

    #[test]
    fn lists_follow_the_departure_of_a_node_and_not_its_end() {
        let mut deaths = four([false; 4]);
        deaths.leaves(1, at(4));
        deaths.settle([4, 3].into_iter(), false, at(5));
        deaths.settle([3].into_iter(), true, at(6));
        deaths.crashed(&[1], at(9));
        deaths.settle([3].into_iter(), true, at(9));
        assert_eq!(deaths.right_us(), Some(2_000_000));
        deaths.crashed(&[2], at(10));
        assert_eq!(deaths.right_us(), None);
    }

    #[test]
    fn whom_a_fault_is_about_does_not_count_as_a_healthy_observer() {
        let mut deaths = four([false, true, false, false]);
        deaths.heard(1, &death(2), at(1));
        deaths.heard(0, &death(2), at(2));
        let (_, opinions) = deaths.outcome(at(6));
        deaths_are(opinions, [2, 2, 1]);
    }

    fn deaths_are(opinions: Opinions, expected: [u64; 3]) {
        let Opinions { false_deaths, healthy_deaths, healthy_deaths_at_healthy, .. } = opinions;
        assert_eq!([false_deaths, healthy_deaths, healthy_deaths_at_healthy], expected);
    }

    #[test]
    fn whoever_held_a_node_dead_too_early_knows_of_its_crash_at_once() {
        let mut deaths = four([false; 4]);
        deaths.heard(0, &death(1), at(1));
        deaths.heard(2, &death(1), at(2));
        deaths.heard(2, &news(1, Standing::Alive), at(3));
        deaths.crashed(&[1], at(4));
        assert_eq!(deaths.outcome(at(6)).0[0].reached_us, [0]);
    }

    #[test]
    fn joins_and_departures_are_followed_and_who_left_is_not_to_be_held_dead() {
        let mut deaths = Deaths::new(&[0, 1, 2, 3].map(name), 3, vec![false; 4]);
        deaths.started(3, true, at(1));
        deaths.heard(0, &news(3, Standing::Alive), at(2));
        deaths.leaves(1, at(4));
        deaths.heard(0, &news(1, Standing::Left), at(5));
        deaths.crashed(&[1], at(6));
        deaths.heard(2, &death(1), at(9));
        assert_eq!(deaths.staying(), 3);
        let (updates, opinions) = deaths.outcome(at(10));
        let seen: Vec<_> = updates.iter().map(|update| (update.kind.as_str(), &*update.reached_us)).collect();
        assert_eq!(seen, [(JOIN, &[1_000_000_u64][..]), (LEAVE, &[1_000_000][..])]);
        assert_eq!((opinions.false_deaths, opinions.left_deaths), (0, 1));
    }
}
