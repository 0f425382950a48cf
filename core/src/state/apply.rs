//! Taking entries in: what each store does with a new dot.

use super::log::payload_bytes;
use super::{Applied, Change, Key, State};
use crate::entry::{Body, Claim, Entry, Minted, Scope};
use crate::id::{Dot, Store};
use crate::mutant::Mutant;
use crate::packet::Carried;
use crate::time::{Span, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl State {
    /// Offers an entry. A delta applies whole: what the entry supersedes goes in the same step.
    pub fn apply(&mut self, carried: &Carried, now: Time, changes: &mut Vec<Change>) -> Applied {
        let entry = &carried.entry;
        if self.context.has_seen(&entry.dot) {
            if self.planted.is(Mutant::Resurrect)
                && !self.live.contains(&entry.dot)
                && entry.dot.lane.store.is_add_wins()
            {
                self.apply_to_map(entry, changes);
                return Applied::New;
            }
            // A newer write may have come first and named this one as superseded; what this one supersedes in
            // turn is known only now.
            self.kill_superseded(entry, changes);
            self.context.note_serial(&entry.dot.lane, entry.serial);
            return Applied::Known;
        }
        if self.planted.is(Mutant::LoseDelta) && entry.dot.counter.is_multiple_of(3) {
            self.see(entry);
            return Applied::Known;
        }
        match &entry.body {
            Body::Claim(claim) => self.apply_claim(entry, claim, changes),
            Body::Message { .. } => self.apply_message(entry, carried.age, now, changes),
            Body::Fence(fence) => self.apply_fence(entry, fence, changes),
            Body::Origin { .. } | Body::OriginRemoved { .. } | Body::Key { .. } | Body::KeyDeleted { .. } => {
                self.apply_to_map(entry, changes)
            }
        }
    }

    pub(super) fn see(&mut self, entry: &Entry) {
        self.context.see(&entry.dot);
        self.context.note_serial(&entry.dot.lane, entry.serial);
    }

    pub(super) fn insert_live(&mut self, entry: &Arc<Entry>) {
        self.context.set_live(&entry.dot, true);
        if let Some(key) = Key::of(&entry.body) {
            self.index.entry_or_default(&key).push(Minted::from(entry.dot));
        }
        self.live.insert(entry.dot, entry.clone());
    }

    /// Takes a live entry out. A removed generation of an origin takes its claims along.
    pub(super) fn kill(&mut self, dot: &Dot, changes: &mut Vec<Change>) {
        let Some(entry) = self.live.remove(dot) else { return };
        if !self.planted.is(Mutant::StaleFingerprint) {
            self.context.set_live(dot, false);
        }
        if let Some(key) = Key::of(&entry.body) {
            let versions = self.index.entry_or_default(&key);
            versions.retain(|held| *held != Minted::from(*dot));
            if versions.is_empty() {
                self.index.remove(&key);
            }
        }
        if let Body::Origin { name, .. } = &entry.body
            && !self.planted.is(Mutant::IgnoreGeneration)
        {
            self.kill_claims(name, Minted::from(*dot), changes);
        }
        changes.push(Change::Dropped(entry));
    }

    fn kill_claims(&mut self, origin: &crate::id::Name, generation: Minted, changes: &mut Vec<Change>) {
        let key = |scope| Key { store: Store::Health, name: origin.clone(), scope };
        let shard = crate::id::Shard::of_name(origin);
        let mut dead = Vec::new();
        for (_, claims) in self.index.range(key(Scope(0))..=key(Scope(u64::MAX))) {
            dead.extend(claims.iter().map(|minted| minted.dot(shard, Store::Health)));
        }
        dead.retain(|dot| {
            self.live
                .get(dot)
                .and_then(|entry| entry.claim())
                .is_some_and(|claim| claim.generation == generation)
        });
        for dot in dead {
            self.kill(&dot, changes);
        }
    }

    fn apply_to_map(&mut self, entry: &Arc<Entry>, changes: &mut Vec<Change>) -> Applied {
        // The entry goes in before what it replaces goes out, so a name is never seen empty in between.
        self.see(entry);
        changes.push(Change::Learned(entry.clone()));
        if !entry.body.is_removal() {
            self.insert_live(entry);
        }
        self.kill_superseded(entry, changes);
        if self.planted.is(Mutant::RemoveWins)
            && let (true, Some(name)) = (entry.body.is_removal(), entry.body.map_name())
        {
            let all: Vec<Dot> = self.versions(entry.dot.lane.store, name).map(|held| held.dot).collect();
            for dot in all {
                self.kill(&dot, changes);
            }
        }
        Applied::New
    }

    fn kill_superseded(&mut self, entry: &Entry, changes: &mut Vec<Change>) {
        for (dot, serial) in entry.superseded() {
            self.context.see(&dot);
            self.context.note_serial(&dot.lane, serial);
            self.kill(&dot, changes);
        }
    }

    fn apply_claim(&mut self, entry: &Arc<Entry>, claim: &Claim, changes: &mut Vec<Change>) -> Applied {
        let generation = claim.generation.dot(entry.dot.lane.shard, Store::Registry);
        if !self.live.contains(&generation) && !self.planted.is(Mutant::IgnoreGeneration) {
            if !self.context.has_seen(&generation) {
                if self.planted.is(Mutant::SeenThoughRefused) {
                    self.see(entry);
                }
                return Applied::Refused;
            }
            // The generation was removed: the claim is about nothing, and its dot is done with.
            self.see(entry);
            return Applied::Known;
        }
        let held = self.held_claim(claim);
        self.see(entry);
        if let Some((dot, wins)) = held {
            if !wins {
                return Applied::Known;
            }
            self.kill(&dot, changes);
        }
        self.insert_live(entry);
        changes.push(Change::Learned(entry.clone()));
        Applied::New
    }

    /// The claim held for the same origin, scope and generation, and whether `claim` is greater.
    fn held_claim(&self, claim: &Claim) -> Option<(Dot, bool)> {
        let shard = crate::id::Shard::of_name(&claim.origin);
        let dots = self.indexed(Store::Health, claim.scope, &claim.origin).iter();
        dots.map(|minted| minted.dot(shard, Store::Health)).find_map(|dot| {
            let held = self.live.get(&dot)?.claim()?;
            let same = held.generation == claim.generation || self.planted.is(Mutant::IgnoreGeneration);
            same.then(|| (dot, self.is_greater(claim, held)))
        })
    }

    fn is_greater(&self, claim: &Claim, held: &Claim) -> bool {
        if self.planted.is(Mutant::ClaimByArrival) {
            return true;
        }
        if self.planted.is(Mutant::ForgetSequence) && claim.ballot.writer == held.ballot.writer {
            return claim.ballot.epoch >= held.ballot.epoch;
        }
        if self.planted.is(Mutant::ClaimByClock) {
            return (claim.since, claim.ballot) > (held.since, held.ballot);
        }
        claim.ballot > held.ballot
    }

    fn apply_message(
        &mut self,
        entry: &Arc<Entry>,
        age: Span,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Applied {
        self.see(entry);
        let dot = entry.dot;
        let Some(expiry) = self.log.expiry(age, now) else {
            changes.push(Change::Gap { lane: dot.lane, first: dot.counter, last: dot.counter });
            return Applied::Known;
        };
        self.log.push(expiry, dot, payload_bytes(entry));
        self.live.insert(dot, entry.clone());
        changes.push(Change::Learned(entry.clone()));
        self.expire(now);
        Applied::New
    }
}
