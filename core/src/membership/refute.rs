//! What others say of this node itself: doubts are refuted, lives that it does not know of outlived, and of two nodes under one
//! name one takes another.

use super::{INCARNATION_LIMIT, Learned, Local, Membership};
use crate::effects::{Effects, Event};
use crate::member::{Life, Member, Standing};
use crate::mutant::Mutant;
use crate::packet::MemberUpdate;

impl Membership {
    /// Someone else's opinion of this node.
    pub(super) fn learn_of_myself(
        &mut self,
        update: &MemberUpdate,
        local: &mut Local<'_>,
        effects: &mut Effects,
    ) -> Learned {
        let Some(own) = local.members.get(local.me) else { return Learned::Known };
        let other = update.card.as_ref().map(|card| card.addr).filter(|addr| *addr != own.addr);
        let is_old_news = update.life < own.life && !local.planted.is(Mutant::TakeOldAddressForCopy);
        if let Some(addr) = other
            && update.life.boot >= own.life.boot
            && !is_old_news
            && update.standing == Standing::Alive
        {
            // Two live nodes have one name: a disk was copied. Who doubts a life may not have heard where it is by now.
            // The lower address keeps the name, unless it leaves and
            // the other lives later: it would tell everyone in ever later lives that it has left, and the other that it lives.
            let is_later = update.life.boot > own.life.boot;
            let leaves_it = own.standing == Standing::Left && !local.planted.is(Mutant::LeaveForTwo);
            match (addr < own.addr || leaves_it && is_later, is_later) {
                (true, _) => return Learned::Namesake,
                (false, true) => return Learned::Outlived,
                (false, false) => self.gossip.push(local.me, self.sends(local)),
            }
        }
        if update.life.boot > own.life.boot {
            return Learned::Outlived;
        }
        let is_doubted = update.standing != Standing::Alive || update.life > own.life;
        if update.life < own.life && (is_doubted || other.is_some()) && !self.swim.is_on() {
            // Whoever says so has not heard of what this node says of itself now: that it lives, or where by now.
            self.gossip.push(local.me, self.sends(local));
        }
        if update.life < own.life || !is_doubted {
            return Learned::Known;
        }
        if own.standing == Standing::Left || local.planted.is(Mutant::ForgetRefutation) {
            return Learned::Known;
        }
        if update.life.incarnation >= INCARNATION_LIMIT {
            return Learned::Outlived;
        }
        let life = Life { incarnation: update.life.incarnation + 1, ..own.life };
        let refuted = Member { life, ..own.clone() };
        local.members.put(refuted);
        self.gossip.push(local.me, self.sends(local));
        self.swim.refuted();
        if update.standing != Standing::Suspect && !self.swim.is_on() {
            self.announce_once(local.me, local.now);
        }
        effects.events.push(Event::Refuted(life.incarnation));
        Learned::Refuted
    }
}
