//! Members that come and go: one that died and came back again and again is not counted for a while.

use super::{Gone, Local, Membership};
use crate::effects::{Effects, Event};
use crate::id::{Boot, NodeId};
use crate::member::{Member, Standing};
use crate::time::{Span, Time};

/// A death after which the member was back within this time is a flap.
const FALSE_WITHIN: Span = Span::from_secs(60);
/// So long without a flap, and the next one is the first again.
const FORGIVEN_AFTER: Span = Span::from_secs(600);
/// Deaths so close to each other are one event: a partition, or a rack.
const TOGETHER: Span = Span::from_secs(30);
/// From so many deaths on: three, and in larger fleets a 32nd of the members up to a rack, as a few that flap each for itself
/// die close together, too.
const MANY: usize = 3;
const MANY_PART: usize = 32;
const RACK: usize = 16;
/// So long after one came back, the other dead are asked often.
const EAGER: Span = Span::from_secs(10);
/// Quarantine doubles no further.
const FLAPS_LIMIT: u32 = 6;

impl Membership {
    /// Whether a live member is counted: one that died and came back again and again is not for a while.
    #[must_use]
    pub fn is_counted(&self, member: &Member, now: Time) -> bool {
        member.standing.is_live() && !self.is_held(member.node, now)
    }

    /// Until when a live member is not counted, if it is not.
    #[must_use]
    pub fn held_until(&self, node: NodeId, now: Time) -> Option<Time> {
        self.gone.get(&node).map(|gone| gone.held_until).filter(|held| now < *held)
    }

    pub(super) fn is_held(&self, node: NodeId, now: Time) -> bool {
        self.held_until(node, now).is_some()
    }

    /// A member is back from the dead. The first time is free; a restart, or a return with many others, as after a
    /// partition, counts half.
    pub(super) fn come_back(&mut self, node: NodeId, is_restart: bool, local: &Local<'_>) {
        let Some(gone) = self.gone.get(&node) else { return };
        let (since, now) = (gone.since, local.now);
        let together = |other: &&Gone| other.since.since(since).max(since.since(other.since)) <= TOGETHER;
        let many = MANY.max((local.members.known() / MANY_PART).min(RACK));
        let is_many = self.gone.values().filter(together).count() >= many;
        let Some(gone) = self.gone.get_mut(&node) else { return };
        gone.reaped = None;
        if now.since(since) > FALSE_WITHIN {
            return;
        }
        if now.since(gone.flapped) > FORGIVEN_AFTER {
            gone.flaps = 0;
        }
        gone.flapped = now;
        gone.flaps = gone.flaps.saturating_add(if is_restart || is_many { 1 } else { 2 });
        if gone.flaps > 2 {
            let doublings = (gone.flaps / 2 - 1).min(FLAPS_LIMIT);
            gone.held_until = now + local.config.quarantine.times(1 << doublings);
            self.next_release = self.next_release.min(gone.held_until);
        }
    }

    /// Says of those whose quarantine is over that they are back.
    pub(super) fn release(&mut self, local: &Local<'_>, effects: &mut Effects) {
        if local.now < self.next_release {
            return;
        }
        let (before, now) = (self.next_release, local.now);
        self.next_release = Time::NEVER;
        for (&node, gone) in &self.gone {
            if gone.held_until > now {
                self.next_release = self.next_release.min(gone.held_until);
            } else if gone.held_until >= before
                && local.members.get(node).is_some_and(|held| held.standing.is_live())
            {
                effects.events.push(Event::Member { node, standing: Standing::Alive });
            }
        }
    }

    /// Someone that was gone is alive in this life.
    pub(super) fn welcome(
        &mut self,
        node: NodeId,
        before: Option<(Standing, Boot)>,
        boot: Boot,
        local: &Local<'_>,
    ) {
        match before {
            Some((Standing::Dead, dead)) => {
                self.come_back(node, dead != boot, local);
                // A partition may have healed: others will answer, too.
                self.eager_until = local.now + EAGER;
                self.next_heal = self.next_heal.min(local.now + local.config.period);
            }
            Some(_) => {}
            None => {
                if let Some(gone) = self.gone.get_mut(&node) {
                    gone.reaped = None;
                }
            }
        }
    }
}
