//! What the rules of the replicated state promise of each node at any time, and of all in the end.

use super::{KEYS, PATIENCE, World, Write, key};
use heck_core::Node;
use heck_core::id::{Dot, Shard, Store};
use heck_core::input::Input;
use std::collections::BTreeSet;

/// The versions of a key that a node shows.
pub fn shown(node: &Node, number: usize) -> Vec<Dot> {
    node.view().state().versions(Store::Keys, &key(number)).map(|entry| entry.dot).collect()
}

impl World {
    fn writes_of(&self, number: usize) -> impl Iterator<Item = &Write> {
        self.writes.iter().filter(move |write| write.key == number)
    }

    /// What a node that has seen some writes must show: those that none of them replaces.
    fn unreplaced(&self, number: usize, has_seen: impl Fn(&Dot) -> bool) -> BTreeSet<Dot> {
        let seen = || self.writes_of(number).filter(|write| has_seen(&write.dot));
        let is_replaced = |dot: &Dot| seen().any(|write| write.saw.contains(dot));
        seen().filter(|write| write.is_put && !is_replaced(&write.dot)).map(|write| write.dot).collect()
    }

    /// What must hold of a node after each step.
    pub(super) fn check(&self, at: usize) -> Result<(), String> {
        let place = &self.places[at];
        let Some(node) = &place.node else { return Ok(()) };
        let (view, state) = (node.view(), node.view().state());
        if let Some(lost) = place.acknowledged.iter().find(|dot| !state.context().has_seen(dot)) {
            return Err(format!("node {at} has lost {lost:?}, which it had acknowledged"));
        }
        for number in 0..KEYS {
            let held = shown(node, number);
            let must = self.unreplaced(number, |dot| state.context().has_seen(dot));
            if let Some(vanished) = must.iter().find(|dot| !held.contains(dot)) {
                return Err(format!(
                    "node {at} has seen {vanished:?}, which nothing replaced, and does not hold it"
                ));
            }
            for dot in &held {
                let replaces = |write: &Write| held.contains(&write.dot) && write.saw.contains(dot);
                if let Some(write) = self.writes_of(number).find(|write| replaces(write)) {
                    return Err(format!("node {at} holds {dot:?} beside {:?}, which replaced it", write.dot));
                }
                if place.dropped.contains(dot) || !state.context().has_seen(dot) {
                    return Err(format!("node {at} holds {dot:?}, which was gone or never counted as seen"));
                }
            }
            if view.key(&key(number)).map(|entry| entry.dot) != held.iter().max().copied() {
                return Err(format!("node {at} does not read the greatest of {held:?}"));
            }
            let shard = Shard::of_name(&key(number));
            if state.recomputed_shard_hash(shard) != state.context().shard_hash(shard) {
                return Err(format!("node {at} has another fingerprint of {shard:?} than it should"));
            }
        }
        Ok(())
    }

    /// All start again, nothing is lost and nobody writes: in the end all hold what nothing replaced.
    pub(super) fn quiet(&mut self) -> Result<(), String> {
        self.in_flight.clear();
        for at in 0..self.places.len() {
            if self.places[at].node.is_none() {
                self.start(at);
            }
            self.sync(at)?;
        }
        let end = self.now + PATIENCE;
        while !self.agree() {
            let wake = |at: usize| self.nodes().nth(at).map(|node| node.next_wake().0);
            let at = (0..self.places.len()).min_by_key(|&at| wake(at)).expect("there are nodes");
            self.now = self.now.max(wake(at).expect("all run"));
            if self.now > end {
                return Err("the nodes do not agree".into());
            }
            self.step(at, Input::Timeout)?;
            while !self.in_flight.is_empty() {
                let datagram = self.in_flight.remove(0);
                self.deliver(&datagram)?;
            }
            (0..self.places.len()).try_for_each(|at| self.sync(at))?;
        }
        self.check_agreed()
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.places.iter().filter_map(|place| place.node.as_ref())
    }

    fn agree(&self) -> bool {
        let mut hashes = self.nodes().map(|node| node.view().hash());
        hashes.next().is_none_or(|first| hashes.all(|hash| hash == first))
    }

    fn is_acknowledged(&self, dot: &Dot) -> bool {
        self.places.iter().any(|place| place.acknowledged.contains(dot))
    }

    fn check_agreed(&self) -> Result<(), String> {
        for (at, node) in self.nodes().enumerate() {
            self.check(at)?;
            let state = node.view().state();
            let lost = |dot: &&Dot| self.is_acknowledged(dot) && !state.context().has_seen(dot);
            if let Some(lost) = self.writes.iter().map(|write| &write.dot).find(lost) {
                return Err(format!("node {at} has never seen {lost:?}, which was acknowledged"));
            }
            for number in 0..KEYS {
                let must = self.unreplaced(number, |dot| state.context().has_seen(dot));
                // A write that a crash took from its writer may be known by name only, from the one that replaced it:
                // what it had replaced itself then stays.
                let may_stay = |dot: &Dot| {
                    let replaced_by = self.writes_of(number).filter(|write| write.saw.contains(dot));
                    replaced_by.into_iter().all(|write| !self.is_acknowledged(&write.dot))
                };
                let held: BTreeSet<Dot> = shown(node, number).into_iter().collect();
                if let Some(dot) = held.difference(&must).find(|dot| !may_stay(dot)) {
                    return Err(format!("node {at} still holds {dot:?}, which was replaced"));
                }
            }
            let log: BTreeSet<Dot> = state.entries_of(Store::Log).map(|entry| entry.dot).collect();
            let missing = |dot: &&Dot| self.is_acknowledged(dot) && !log.contains(dot);
            if let Some(dot) = self.messages.iter().find(missing) {
                return Err(format!("node {at} lacks the message {dot:?}"));
            }
        }
        Ok(())
    }
}
