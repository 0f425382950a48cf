//! Minting: local writes become entries, and are applied here first.

use super::{Change, State};
use crate::codec::NUMBER_LIMIT;
use crate::entry::{
    Ballot, Body, Claim, Confirmation, Entry, HealthState, Hold, Minted, OriginSpec, Replaced,
    SUPERSEDES_LIMIT, Scope, Superseded,
};
use crate::id::{Lane, Name, Store, Writer};
use crate::mutant::Mutant;
use crate::packet::Carried;
use crate::probe::Reply;
use crate::time::{Span, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Who writes an entry, and what goes along with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Author<'a> {
    /// Who writes.
    pub writer: Writer,
    /// The note of the entry; mostly empty.
    pub note: &'a [u8],
}

impl From<Writer> for Author<'_> {
    fn from(writer: Writer) -> Self {
        Self { writer, note: &[] }
    }
}

impl State {
    pub(super) fn mint<'a>(
        &mut self,
        author: impl Into<Author<'a>>,
        supersedes: Superseded,
        body: Body,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Arc<Entry> {
        let Author { writer, note } = author.into();
        let mut entry = self.next_entry(writer, supersedes, body);
        if !note.is_empty() {
            entry = Arc::new(Arc::unwrap_or_clone(entry).with_note(note));
        }
        self.apply(&Carried { entry: entry.clone(), age: Span::ZERO }, now, changes);
        entry
    }

    /// The entry with which a writer says something next.
    pub(super) fn next_entry(&self, writer: Writer, supersedes: Superseded, body: Body) -> Arc<Entry> {
        let lane = Lane { shard: body.shard(writer), store: body.store(), writer };
        let counter = self.context.lane(&lane).map_or(0, crate::interval::IntervalSet::max) + 1;
        let serial = self.context.progress(writer, lane.store).serial + 1;
        Arc::new(Entry::new(writer, counter, serial, supersedes, body))
    }

    fn superseded(&self, store: Store, name: &Name) -> Superseded {
        if self.planted.is(Mutant::ForgetSuperseded) {
            return Superseded::new();
        }
        self.versions(store, name).take(SUPERSEDES_LIMIT).map(|entry| Replaced::from(&**entry)).collect()
    }

    /// Adds or edits an origin. `None` when the very same entry from the same source is there already: then no
    /// dot is minted. An edit begins a new generation and carries the claims of the old one over, so that the
    /// origin's health is never unknown in between.
    pub fn put_origin<'a>(
        &mut self,
        author: impl Into<Author<'a>>,
        name: &Name,
        spec: OriginSpec,
        source: Name,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Option<Arc<Entry>> {
        let author = author.into();
        let body = Body::Origin { name: name.clone(), spec, source };
        let is_same = self.read(Store::Registry, name).is_some_and(|held| held.body == body);
        if is_same && !self.planted.is(Mutant::MintSameEntry) {
            return None;
        }
        let supersedes = self.superseded(Store::Registry, name);
        let counts = self.read(Store::Registry, name).map(|held| Minted::from(held.dot));
        let claims = counts.map(|generation| self.claims_of(name, generation)).unwrap_or_default();
        let entry = self.mint(author, supersedes, body, now, changes);
        for claim in claims {
            self.carry_claim(
                author.writer,
                &claim,
                Minted::from(entry.dot),
                claim.ballot.epoch,
                now,
                changes,
            );
        }
        Some(entry)
    }

    /// Writes a key.
    pub fn put_key<'a>(
        &mut self,
        author: impl Into<Author<'a>>,
        name: &Name,
        value: Arc<[u8]>,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Arc<Entry> {
        let body = Body::Key { name: name.clone(), value };
        self.mint(author, self.superseded(Store::Keys, name), body, now, changes)
    }

    /// Removes an origin or deletes a key. `None` when it is not there.
    pub fn remove<'a>(
        &mut self,
        author: impl Into<Author<'a>>,
        store: Store,
        name: &Name,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Option<Arc<Entry>> {
        let supersedes = self.superseded(store, name);
        self.versions(store, name).next()?;
        let body = match store {
            Store::Registry => Body::OriginRemoved { name: name.clone() },
            _ => Body::KeyDeleted { name: name.clone() },
        };
        if self.planted.is(Mutant::DotlessRemove) {
            let entry = Arc::new(Entry::new(author.into().writer, 1, 0, supersedes, body));
            for dot in entry.superseded_dots() {
                self.kill(&dot, changes);
            }
            return Some(entry);
        }
        Some(self.mint(author, supersedes, body, now, changes))
    }

    /// Publishes a message.
    pub fn publish<'a>(
        &mut self,
        author: impl Into<Author<'a>>,
        topic: Name,
        payload: Arc<[u8]>,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Arc<Entry> {
        self.mint(author, Superseded::new(), Body::Message { topic, payload }, now, changes)
    }

    /// Says what `writer` found of an origin. The holder goes on in its epoch; anyone else takes over with the
    /// next one. `None` when the registry does not know the origin.
    pub fn claim_health(
        &mut self,
        writer: Writer,
        finding: &Finding,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> Option<Arc<Entry>> {
        let generation = Minted::from(self.read(Store::Registry, &finding.origin)?.dot);
        let held = self.claim(finding.scope, &finding.origin);
        let (epoch, sequence) = match held.map(|claim| claim.ballot) {
            Some(ballot) if ballot.writer == writer => {
                (ballot.epoch, (ballot.sequence + 1).min(NUMBER_LIMIT))
            }
            Some(ballot) if self.planted.is(Mutant::KeepEpoch) => (ballot.epoch, 1),
            Some(ballot) => ((ballot.epoch + 1).min(NUMBER_LIMIT), 1),
            None => (1, 1),
        };
        let unchanged =
            held.filter(|claim| claim.state == finding.state && !self.planted.is(Mutant::ForgetSince));
        let claim = Claim {
            scope: finding.scope,
            origin: finding.origin.clone(),
            generation,
            ballot: Ballot { epoch, rank: finding.rank, writer, sequence },
            hold: finding.hold,
            state: finding.state,
            previous: unchanged.map_or_else(
                || held.map_or(HealthState::Unknown, |claim| claim.state),
                |claim| claim.previous,
            ),
            since: unchanged.map_or(now, |claim| claim.since),
            confirmation: finding.confirmation,
            cause: finding.cause,
        };
        Some(self.mint(writer, Superseded::new(), Body::Claim(claim), now, changes))
    }

    /// Says again what a claim says, with another `hold`: the claim of the same writer that follows it. It changes nothing
    /// where that claim stands no more, as another's has taken its place or as its generation is gone.
    pub fn follow_claim(
        &mut self,
        claim: &Claim,
        hold: Hold,
        now: Time,
        changes: &mut Vec<Change>,
    ) -> (Arc<Entry>, Claim) {
        let sequence = (claim.ballot.sequence + 1).min(NUMBER_LIMIT);
        let again = Claim { ballot: Ballot { sequence, ..claim.ballot }, hold, ..claim.clone() };
        let body = Body::Claim(again.clone());
        (self.mint(claim.ballot.writer, Superseded::new(), body, now, changes), again)
    }
}

/// What a node found of an origin, before it becomes a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where it holds.
    pub scope: Scope,
    /// Of which origin.
    pub origin: Name,
    /// The writer's unweighted rendezvous hash for the origin.
    pub rank: u64,
    /// What was found.
    pub state: HealthState,
    /// Whether the writer goes on vouching for it.
    pub hold: Hold,
    /// What confirmers said when it became unhealthy.
    pub confirmation: Confirmation,
    /// The answer that made it so, if it is unhealthy or degraded.
    pub cause: Option<Reply>,
}
