//! What this node says of the origins that it checks, and what it answers for.
//!
//! A heartbeat vouches for all claims of its writer, wherever they stand. An own claim can go on standing at nodes where what took
//! its place here has not arrived: another node's claim, or an edit or the removal of its origin. So each own claim is followed:
//! by a later one that nobody can have without what took its place, or by one that says that it is vouched for no more.

use super::Node;
use super::checks::Checks;
use crate::check::Finding as Found;
use crate::effects::{Effects, Phase};
use crate::entry::{Claim, Confirmation, Entry, HealthState, Hold, Minted, Scope};
use crate::id::{Name, Store};
use crate::input::Verdict;
use crate::mutant::Mutant;
use crate::ownership::rendezvous_hash;
use crate::state::Finding;
use crate::time::Time;
use alloc::vec::Vec;

impl Node {
    /// Turns what the checker found into a claim. The owner's takes the place of any other. That something is late or
    /// not checked any more is said of own claims alone.
    pub(super) fn claim(&mut self, checks: &mut Checks, found: &Found, now: Time, effects: &mut Effects) {
        let scope = checks.assignment.scope();
        let is_known = self.state.read(Store::Registry, &found.origin).is_some();
        if !is_known && found.hold != Hold::Released {
            return;
        }
        if self.takes_over(scope, found, now) {
            let finding = self.word(scope, found);
            self.state.claim_health(self.me, &finding, now, &mut self.changes);
            self.learned_here(now, effects);
        }
        self.follow_others(checks, &found.origin, found.hold, now, effects);
    }

    /// Whether what was found takes the place of the claim that counts.
    fn takes_over(&self, scope: Scope, found: &Found, now: Time) -> bool {
        let standing = self.state.claim(scope, &found.origin);
        let others = standing.filter(|claim| claim.ballot.writer != self.me);
        match (found.hold, others) {
            (Hold::Released, None) => standing.is_some_and(|claim| claim.hold != Hold::Released),
            (_, None) | (Hold::Held, _) => true,
            (Hold::Released, Some(_)) => self.config.planted.is(Mutant::ReleaseOthers),
            (Hold::Late, Some(claim)) => {
                let writer = self.members.get(claim.ballot.writer.node);
                let insists = self.config.planted.is(Mutant::LateTakesOver);
                insists || claim.hold != Hold::Held || !writer.is_some_and(|writer| self.counts(writer, now))
            }
        }
    }

    /// What was found, with what the claim that counts says beside the state, if that is still the same.
    fn word(&self, scope: Scope, found: &Found) -> Finding {
        let standing = self.state.claim(scope, &found.origin);
        let carried = standing.filter(|claim| claim.state == found.state);
        let carried = carried.filter(|_| !self.config.planted.is(Mutant::ForgetConfirmation));
        let is_confirmed = found.confirmation != Confirmation::default();
        let confirmation = if is_confirmed {
            found.confirmation
        } else {
            carried.map_or(found.confirmation, |claim| claim.confirmation)
        };
        let cause = found.cause.or(carried.and_then(|claim| claim.cause));
        Finding { confirmation, cause, ..self.finding(scope, &found.origin, found.state, found.hold) }
    }

    /// Follows what else this node has claimed of an origin: of generations that do not count, and what gave way.
    fn follow_others(
        &mut self,
        checks: &mut Checks,
        origin: &Name,
        hold: Hold,
        now: Time,
        effects: &mut Effects,
    ) {
        let scope = checks.assignment.scope();
        let counts = self.state.read(Store::Registry, origin).map(|entry| Minted::from(entry.dot));
        let is_idle = |claim: &&Claim| {
            Some(claim.generation) != counts && claim.ballot.writer == self.me && claim.hold != Hold::Released
        };
        if !self.config.planted.is(Mutant::LeaveOtherGenerations) {
            let idle: Vec<Claim> = self.state.claims(scope, origin).filter(is_idle).cloned().collect();
            idle.iter().for_each(|claim| _ = self.follow(claim, Hold::Released, now, effects));
        }
        let first = (origin.clone(), Minted::default());
        let noted = checks.elsewhere.range(first..).take_while(|((name, _), _)| name == origin);
        let noted: Vec<(Name, Minted)> = noted.map(|(key, _)| key.clone()).collect();
        for key in noted {
            let Some(claim) = checks.elsewhere.remove(&key) else { continue };
            if self.is_followed(&claim) || self.config.planted.is(Mutant::LeaveBeatenClaims) {
                continue;
            }
            // Of a generation that does not count there is nothing to say but that nobody checks by it any more.
            let hold = if Some(key.1) == counts && hold == Hold::Late { hold } else { Hold::Released };
            let again = self.follow(&claim, hold, now, effects);
            if hold != Hold::Released {
                checks.elsewhere.insert(key, again);
            }
        }
    }

    /// Follows an own claim by one that says the same and is vouched for as `hold` says. It changes nothing where that claim
    /// stands no more, and is sent to everyone all the same.
    fn follow(&mut self, claim: &Claim, hold: Hold, now: Time, effects: &mut Effects) -> Claim {
        let before = self.changes.len();
        let (entry, again) = self.state.follow_claim(claim, hold, now, &mut self.changes);
        if self.changes.len() == before {
            self.send_off(&entry, now, effects);
        }
        self.learned_here(now, effects);
        again
    }

    /// Whether an own claim stands here that follows this one wherever it arrives: one of the same generation. One of the edit
    /// that replaced that generation does not, as a later edit can come first and hide that this one ever was.
    fn is_followed(&self, claim: &Claim) -> bool {
        let mut own =
            self.state.claims(claim.scope, &claim.origin).filter(|own| own.ballot.writer == self.me);
        let any = self.config.planted.is(Mutant::FollowOneGeneration);
        own.any(|own| own.generation == claim.generation || any)
    }

    /// A claim of this node stands no more: it gave way to another one, of itself or of someone else, or was one about a
    /// generation of the origin that is gone.
    pub(super) fn note_elsewhere(&self, checks: &mut Checks, entry: &Entry) {
        let Some(claim) = entry.claim() else { return };
        // A claim of a life before this one, dropped in the step in which this one began, is not this life's to follow.
        if claim.ballot.writer != self.me || claim.hold == Hold::Released || self.is_followed(claim) {
            return;
        }
        let mut generations = self.state.claims(claim.scope, &claim.origin).map(|other| other.generation);
        let is_gone = !generations.any(|generation| generation == claim.generation);
        if is_gone && self.config.planted.is(Mutant::LeaveRemovedClaims) {
            return;
        }
        checks.elsewhere.insert((claim.origin.clone(), claim.generation), claim.clone());
        checks.checker.released_elsewhere(&claim.origin, claim.state);
    }

    /// Says of everything that this node claims that it vouches for it no more.
    pub(super) fn release_all(&mut self, now: Time, effects: &mut Effects) {
        let own = self.state.entries_of(Store::Health).filter(|entry| self.is_own(entry));
        let own = own.filter_map(|entry| entry.claim()).filter(|claim| claim.hold != Hold::Released);
        let mut own: Vec<Claim> = own.cloned().collect();
        if let Some(checks) = &mut self.checks {
            own.extend(core::mem::take(&mut checks.elsewhere).into_values());
        }
        own.iter().for_each(|claim| _ = self.follow(claim, Hold::Released, now, effects));
    }

    /// What this node says of an origin.
    fn finding(&self, scope: Scope, origin: &Name, state: HealthState, hold: Hold) -> Finding {
        Finding {
            scope,
            origin: origin.clone(),
            rank: rendezvous_hash(origin, &self.identity.name),
            state,
            hold,
            confirmation: Confirmation::default(),
            cause: None,
        }
    }

    /// Somebody beside the node has checked an origin. It becomes a claim when it says something new, or when another
    /// node or another life of this one holds the origin; otherwise the heartbeat vouches for the claim that stands.
    pub(super) fn told(&mut self, verdict: &Verdict, now: Time, effects: &mut Effects) {
        if self.phase != Phase::Serving {
            return;
        }
        let stands = self.state.claim(verdict.scope, &verdict.origin).is_some_and(|claim| {
            claim.ballot.writer == self.me && claim.state == verdict.state && claim.hold == verdict.hold
        });
        if stands {
            return;
        }
        let finding = self.finding(verdict.scope, &verdict.origin, verdict.state, verdict.hold);
        self.state.claim_health(self.me, &finding, now, &mut self.changes);
        self.learned_here(now, effects);
    }
}
