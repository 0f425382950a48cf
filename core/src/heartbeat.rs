//! This node's heartbeats, and those of others on their way through.
//!
//! Handed on twice by everyone whom it reaches, a heartbeat comes to four nodes in five (the share `s` that a rumour
//! told `k` times each reaches solves `1 - s = exp(-k s)`: Demers et al. 1987, section 1.4). The fifth asks for what is
//! overdue: that costs a fifth of what a third time of handing on would, and leaves nobody out.

use crate::codec::beat_len;
use crate::config::Config;
use crate::id::{NodeId, Store, Writer};
use crate::member::{Member, Members};
use crate::mutant::{Mutant, Planted};
use crate::packet::Beat;
use crate::rng::Stream;
use crate::state::{Context, Freshness};
use crate::time::{Span, Time};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// How often each node hands a heartbeat on, before loss is allowed for.
const SENDS: u32 = 2;
/// Heartbeats that wait to be handed on, at most; the oldest give way, as a newer one of their node will come.
const QUEUE_LIMIT: usize = 256;
/// Members that one request asks the heartbeats of, at most.
const OVERDUE_LIMIT: usize = 16;
/// Of so many members a request looks at least: all of them in a small cluster, as requests are lost too.
const LEAST_SEARCH: usize = 64;
/// The first heartbeat of a life comes within this time: until then, nobody knows how old its claims are.
const FIRST_WITHIN: Span = Span::from_secs(1);
/// No heartbeat is shorter on the wire.
const LEAST_LEN: usize = 8 + 1 + 1 + 1 + 1 + 1;

/// The schedule of own heartbeats and the queue of those to hand on.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Heartbeats {
    next: Time,
    number: u32,
    queue: VecDeque<(NodeId, u32)>,
    /// Where the search for overdue heartbeats goes on.
    searched_to: NodeId,
    planted: Planted,
}

/// How heartbeats go in a cluster of some size.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// The time between two heartbeats of one node.
    pub period: Span,
    /// How long one takes to get around: later ones are not handed on, and are asked for.
    pub spread: Span,
    /// Of how many members a request looks whether their heartbeats are overdue, so that all have their turn twice in a period.
    pub search: usize,
    /// How many sixteenths of a send it takes for one datagram to arrive.
    pub sends: u32,
}

impl Rhythm {
    /// The rhythm of a cluster with so many members, where it takes so many sixteenths of a send for one to arrive.
    #[must_use]
    pub fn new(config: &Config, members: usize, sends: u32) -> Self {
        let period = config.heartbeat_period(members);
        let interval = config.repair_interval;
        // A rumour takes about as many rounds as the number of nodes has doublings.
        let doublings = u64::from(usize::BITS - members.leading_zeros());
        let spread = interval.times(doublings).min(period);
        let requests = (period.as_us() / (2 * interval.as_us().max(1))).max(1) as usize;
        Self { period, spread, search: members.div_ceil(requests).max(LEAST_SEARCH), sends }
    }
}

impl Heartbeats {
    /// Starts with a heartbeat at a random time within the first second.
    #[must_use]
    pub fn new(config: &Config, now: Time, rng: &mut Stream) -> Self {
        Self {
            next: now + random_within(FIRST_WITHIN, rng),
            number: 0,
            queue: VecDeque::new(),
            searched_to: NodeId(0),
            planted: config.planted,
        }
    }

    /// When the next own heartbeat is due.
    #[must_use]
    pub const fn next_wake(&self) -> Time {
        self.next
    }

    /// How many own heartbeats this life has said.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Says the own heartbeat if it is due.
    pub fn tick(
        &mut self,
        me: Writer,
        rhythm: Rhythm,
        now: Time,
        context: &Context,
        freshness: &mut Freshness,
        rng: &mut Stream,
    ) {
        if now < self.next {
            return;
        }
        // Nodes that start together say their first together, and all others apart.
        let (is_first, period) = (self.number == 0, rhythm.period);
        self.next = if is_first { now + random_within(period, rng) } else { self.next + period };
        if self.next <= now {
            self.next = now + period;
        }
        self.number = self.number.saturating_add(1);
        let serial = context.progress(me, Store::Health).serial;
        let beat = Beat { writer: me, number: self.number, serial, age: Span::ZERO, hops: 0 };
        freshness.offer(&beat, now, context);
        self.hand_on(me.node, rhythm.sends);
    }

    /// Takes a heartbeat that has come. News is handed on unless it is late news: those who lack that ask for it.
    pub fn take(
        &mut self,
        beat: &Beat,
        rhythm: Rhythm,
        now: Time,
        context: &Context,
        freshness: &mut Freshness,
    ) {
        if freshness.offer(beat, now, context) && beat.age <= rhythm.spread {
            self.hand_on(beat.writer.node, rhythm.sends);
        }
    }

    /// Names, in a request, at most `limit` members of whom no heartbeat of their life has come for a period and
    /// the time that it takes to get around.
    pub fn name_overdue(
        &mut self,
        members: &Members,
        freshness: &Freshness,
        rhythm: Rhythm,
        now: Time,
        limit: usize,
        overdue: &mut Vec<NodeId>,
    ) {
        let limit = if self.planted.is(Mutant::AskNoHeartbeats) { 0 } else { limit.min(OVERDUE_LIMIT) };
        let late = now - (rhythm.period + rhythm.spread);
        let is_overdue = |member: &Member| {
            let newest = freshness.newest(member.node).filter(|fresh| fresh.boot >= member.life.boot);
            member.standing.is_live() && newest.is_none_or(|fresh| fresh.as_of < late)
        };
        let ahead = members.between(core::mem::take(&mut self.searched_to), NodeId(u64::MAX));
        for (looked_at, member) in ahead.enumerate() {
            if looked_at == rhythm.search || overdue.len() == limit {
                self.searched_to = member.node;
                return;
            }
            if is_overdue(member) {
                overdue.push(member.node);
            }
        }
    }

    /// Adds to a reply, in at most `bytes`, the heartbeats that the request misses, where they are not overdue here too.
    pub fn fill_overdue(
        overdue: &[NodeId],
        freshness: &Freshness,
        rhythm: Rhythm,
        now: Time,
        bytes: usize,
        beats: &mut Vec<Beat>,
    ) {
        let mut left = bytes;
        for &node in overdue.iter().take(OVERDUE_LIMIT) {
            let Some(beat) = freshness.beat(node, now) else { continue };
            let len = beat_len(&beat);
            if beat.age > rhythm.period + rhythm.spread || beats.iter().any(|held| held.writer.node == node) {
                continue;
            }
            if len > left {
                break;
            }
            left -= len;
            beats.push(beat);
        }
    }

    /// Begins anew, for a new life.
    pub fn restart(&mut self, now: Time, rng: &mut Stream) {
        self.number = 0;
        self.next = now + random_within(FIRST_WITHIN, rng);
    }

    /// Queues a node's newest heartbeat to be handed on; `sends` is how many sixteenths of a send it takes for one to arrive.
    fn hand_on(&mut self, node: NodeId, sends: u32) {
        if self.queue.len() == QUEUE_LIMIT {
            self.queue.pop_front();
        }
        // A little loss is no reason for half as much again: rounded up unless the next number is near.
        self.queue.push_back((node, ((SENDS * sends + 12) / 16).max(SENDS)));
    }

    /// Puts waiting heartbeats into a packet, the newest first, in at most `bytes`; not those that its receiver has just
    /// `brought`: one in two would go back where it came from.
    pub fn fill(
        &mut self,
        freshness: &Freshness,
        now: Time,
        bytes: usize,
        brought: &[Beat],
        beats: &mut Vec<Beat>,
    ) {
        let mut left = bytes;
        let mut at = self.queue.len();
        while at > 0 && left >= LEAST_LEN {
            at -= 1;
            let (node, sends) = &mut self.queue[at];
            if brought.iter().any(|beat| beat.writer.node == *node) {
                continue;
            }
            let known = freshness.beat(*node, now);
            let Some(beat) = known.filter(|_| !beats.iter().any(|beat| beat.writer.node == *node)) else {
                // A newer heartbeat of the node stands behind this one.
                *sends = 0;
                continue;
            };
            let len = beat_len(&beat);
            if len > left {
                break;
            }
            left -= len;
            *sends -= 1;
            beats.push(beat);
        }
        // What has been handed on often enough leaves at once, so that the queue is never searched in vain.
        let mut kept = at;
        for index in at..self.queue.len() {
            if self.queue[index].1 > 0 {
                self.queue.swap(kept, index);
                kept += 1;
            }
        }
        self.queue.truncate(kept);
    }
}

fn random_within(span: Span, rng: &mut Stream) -> Span {
    Span(u64::from(rng.below(span.as_us().clamp(1, u64::from(u32::MAX)) as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn a_little_loss_is_no_reason_to_hand_a_heartbeat_on_once_more() {
        // In sixteenths of a send for one to arrive: no loss, a little, a sixth, half and three quarters of all.
        for (sends, times) in [(16, 2), (17, 2), (18, 3), (19, 3), (32, 4), (64, 8)] {
            let mut heartbeats =
                Heartbeats::new(&Config::default(), Time::ZERO, &mut Stream::new(Seed(1), 0));
            heartbeats.hand_on(NodeId(1), sends);
            assert_eq!(heartbeats.queue.back(), Some(&(NodeId(1), times)), "{sends}");
        }
    }
}
