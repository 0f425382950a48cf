//! This node's heartbeats, and those of others on their way through.

use crate::codec::beat_len;
use crate::config::Config;
use crate::id::{NodeId, Store, Writer};
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
/// No heartbeat is shorter on the wire.
const LEAST_LEN: usize = 8 + 1 + 1 + 1 + 1 + 1;

/// The schedule of own heartbeats and the queue of those to hand on.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    next: Time,
    number: u32,
    queue: VecDeque<(NodeId, u32)>,
}

impl Heartbeats {
    /// Starts with a heartbeat at a random time within the first period.
    #[must_use]
    pub fn new(period: Span, now: Time, rng: &mut Stream) -> Self {
        let period_us = period.as_us().min(u64::from(u32::MAX)) as u32;
        Self { next: now + Span(u64::from(rng.below(period_us))), number: 0, queue: VecDeque::new() }
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

    /// Says the own heartbeat if it is due; `sends` as for [`hand_on`](Self::hand_on).
    pub fn tick(
        &mut self,
        me: Writer,
        period: Span,
        now: Time,
        context: &Context,
        freshness: &mut Freshness,
        sends: u32,
    ) {
        if now < self.next {
            return;
        }
        self.next += period;
        if self.next <= now {
            self.next = now + period;
        }
        self.number = self.number.saturating_add(1);
        let serial = context.progress(me, Store::Health).serial;
        let beat = Beat { writer: me, number: self.number, serial, age: Span::ZERO, hops: 0 };
        freshness.offer(&beat, now, context);
        self.hand_on(me.node, sends);
    }

    /// Begins the numbers anew, for a new life.
    pub const fn restart(&mut self) {
        self.number = 0;
    }

    /// Queues a node's newest heartbeat to be handed on; `sends` is how many sixteenths of a send it takes for one to arrive.
    pub fn hand_on(&mut self, node: NodeId, sends: u32) {
        if self.queue.len() == QUEUE_LIMIT {
            self.queue.pop_front();
        }
        // A little loss is no reason for half as much again: rounded up unless the next number is near.
        self.queue.push_back((node, ((SENDS * sends + 12) / 16).max(SENDS)));
    }

    /// Puts waiting heartbeats into a packet, the newest first, in at most `bytes`.
    pub fn fill(&mut self, freshness: &Freshness, now: Time, bytes: usize, beats: &mut Vec<Beat>) {
        let mut left = bytes;
        let mut at = self.queue.len();
        while at > 0 && left >= LEAST_LEN {
            at -= 1;
            let (node, sends) = &mut self.queue[at];
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

    /// The period of own heartbeats.
    #[must_use]
    pub fn period(config: &Config, members: usize) -> Span {
        config.heartbeat_period(members)
    }
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
                Heartbeats::new(Span::from_secs(10), Time::ZERO, &mut Stream::new(Seed(1), 0));
            heartbeats.hand_on(NodeId(1), sends);
            assert_eq!(heartbeats.queue.back(), Some(&(NodeId(1), times)), "{sends}");
        }
    }
}
