//! One direction of a TCP connection, a message in each segment: in-order delivery, selective acknowledgements, fast
//! retransmission and retransmission timeouts.
//!
//! A receiver acknowledges each segment: everything below a number, and ranges above it. A sender takes a segment for
//! lost when enough that were sent later have arrived (3 by RFC 6675; 1 where the slides are reproduced, which retransmit
//! on the first selective acknowledgement), or when the timeout of RFC 6298 passes: a round trip and at least 200 ms as in
//! Linux, doubling up to 120 s. A timeout sends everything again that is outstanding. What is not modelled: congestion and
//! receive windows, delayed acknowledgements, the bytes of TCP headers beyond those of a datagram.

use std::collections::{BTreeMap, VecDeque};

use heck_core::time::{Span, Time};

use super::packet::Body;
use crate::protocol::baseline::{Item, RECORD_BYTES};

const RTO_FIRST: Span = Span::from_secs(1);
/// What a timeout adds to the smoothed round trip at least.
const RTO_MIN: Span = Span::from_ms(200);
const RTO_MAX: Span = Span::from_secs(120);
/// So many ranges fit into the options of a TCP header beside a timestamp.
const SACK_RANGES: usize = 3;

/// A segment that may not have arrived.
#[derive(Clone, Debug)]
struct Segment {
    item: Item,
    sent: Time,
    /// Whether it was sent more than once: its acknowledgement then says nothing of the round trip (Karn).
    is_again: bool,
    has_arrived: bool,
}

/// The sending end.
#[derive(Clone, Debug)]
pub struct Sender {
    duplicate_acks: u32,
    /// The number of the first segment in `outstanding`.
    first: u32,
    outstanding: VecDeque<Segment>,
    /// Smoothed round trip and its variation.
    trip: Option<(Span, Span)>,
    failures: u32,
    deadline: Time,
    bytes: u64,
}

/// The receiving end.
#[derive(Clone, Default, Debug)]
pub struct Receiver {
    /// The number of the next segment that can be delivered.
    next: u32,
    /// What arrived above it: the kernel's buffer.
    early: BTreeMap<u32, Item>,
    /// The segment that arrived last, whose range is told first.
    last: u32,
    bytes: u64,
}

fn size(item: &Item) -> u64 {
    u64::from(item.bytes) + RECORD_BYTES
}

impl Sender {
    /// With nothing to send; `duplicate_acks` later arrivals tell of a loss.
    #[must_use]
    pub const fn new(duplicate_acks: u32) -> Self {
        let outstanding = VecDeque::new();
        let deadline = Time::NEVER;
        Self { duplicate_acks, first: 0, outstanding, trip: None, failures: 0, deadline, bytes: 0 }
    }

    /// When the timeout passes.
    #[must_use]
    pub const fn deadline(&self) -> Time {
        self.deadline
    }

    /// How many messages are not acknowledged.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.outstanding.len() as u64
    }

    /// What they take.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn timeout(&self) -> Span {
        let plain = self.trip.map_or(RTO_FIRST, |(smooth, varies)| smooth + varies.times(4).max(RTO_MIN));
        plain.times(1 << self.failures.min(20)).min(RTO_MAX)
    }

    fn set_deadline(&mut self, now: Time) {
        self.deadline = if self.outstanding.is_empty() { Time::NEVER } else { now + self.timeout() };
    }

    /// Takes a message that is sent now; gives its number.
    pub fn push(&mut self, item: Item, now: Time) -> u32 {
        let sequence = self.first + self.outstanding.len() as u32;
        self.bytes += size(&item);
        self.outstanding.push_back(Segment { item, sent: now, is_again: false, has_arrived: false });
        if self.deadline == Time::NEVER {
            self.set_deadline(now);
        }
        sequence
    }

    /// A connection attempt begins: the next one follows after the timeout, or `at_most` so much later.
    pub fn knock(&mut self, now: Time, at_most: Span) {
        self.deadline = now + self.timeout().min(at_most);
        self.failures += 1;
    }

    /// A connection attempt is to be made at once.
    pub const fn call_at(&mut self, now: Time) {
        self.deadline = now;
    }

    /// A new connection: what is outstanding gets new numbers, from 0.
    pub fn restart(&mut self, duplicate_acks: u32, now: Time) {
        let fresh = Self::new(duplicate_acks);
        let old = std::mem::replace(self, fresh);
        for segment in old.outstanding {
            if !segment.has_arrived {
                self.push(segment.item, now);
            }
        }
    }

    /// Everything outstanding, to be sent now.
    pub fn send_all(&mut self, now: Time) -> Vec<(u32, Item)> {
        self.failures = 0;
        let first = self.first;
        let sent = (first..).zip(&mut self.outstanding).map(|(sequence, segment)| {
            segment.sent = now;
            (sequence, segment.item)
        });
        let sent = sent.collect();
        self.set_deadline(now);
        sent
    }

    /// The timeout has passed: gives what is sent again.
    pub fn timed_out(&mut self, now: Time) -> Vec<(u32, Item)> {
        self.failures += 1;
        let first = self.first;
        let lost = (first..).zip(&mut self.outstanding).filter(|(_, segment)| !segment.has_arrived);
        let lost = lost.map(|(sequence, segment)| {
            (segment.sent, segment.is_again) = (now, true);
            (sequence, segment.item)
        });
        let lost = lost.collect();
        self.set_deadline(now);
        lost
    }

    /// Everything below a number and within ranges (first and last) has arrived: gives what is sent again.
    pub fn acknowledged(&mut self, below: u32, ranges: &[(u32, u32)], now: Time) -> Vec<(u32, Item)> {
        let mut newest: Option<Time> = None;
        let mut note = |segment: &mut Segment| {
            if !segment.has_arrived && !segment.is_again {
                newest = newest.max(Some(segment.sent));
            }
            segment.has_arrived = true;
        };
        let mut is_news = false;
        while self.first < below
            && let Some(mut segment) = self.outstanding.pop_front()
        {
            note(&mut segment);
            self.bytes -= size(&segment.item);
            self.first += 1;
            is_news = true;
        }
        for &(from, to) in ranges {
            for sequence in from.max(self.first)..=to {
                let at = (sequence - self.first) as usize;
                self.outstanding.get_mut(at).into_iter().for_each(&mut note);
            }
        }
        if let Some(sent) = newest {
            self.measure(now.since(sent));
        }
        if is_news {
            self.failures = 0;
            self.set_deadline(now);
        }
        self.retransmit(now)
    }

    /// RFC 6298.
    fn measure(&mut self, took: Span) {
        let took_us = took.as_us();
        self.trip = Some(match self.trip {
            None => (took, Span(took_us / 2)),
            Some((smooth, varies)) => {
                let off = smooth.as_us().abs_diff(took_us);
                (Span((7 * smooth.as_us() + took_us) / 8), Span((3 * varies.as_us() + off) / 4))
            }
        });
    }

    /// What enough arrivals of segments that were sent later tell to be lost; a retransmission is judged by its own time,
    /// as RACK does (RFC 8985).
    fn retransmit(&mut self, now: Time) -> Vec<(u32, Item)> {
        let numbered = (self.first..).zip(&self.outstanding);
        let arrived = numbered.filter(|(_, segment)| segment.has_arrived);
        let mut arrived: Vec<(Time, u32)> =
            arrived.map(|(sequence, segment)| (segment.sent, sequence)).collect();
        let enough = self.duplicate_acks.max(1) as usize;
        if arrived.len() < enough {
            return Vec::new();
        }
        arrived.sort_unstable_by(|a, b| b.cmp(a));
        let before = arrived[enough - 1];
        let mut again = Vec::new();
        for (sequence, segment) in (self.first..).zip(&mut self.outstanding) {
            if !segment.has_arrived && (segment.sent, sequence) < before {
                (segment.sent, segment.is_again) = (now, true);
                again.push((sequence, segment.item));
            }
        }
        again
    }
}

impl Receiver {
    /// How many messages wait for an earlier one.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.early.len() as u64
    }

    /// What they take.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A segment has arrived: gives what can be delivered, in order.
    pub fn take(&mut self, sequence: u32, item: Item) -> Vec<Item> {
        self.last = sequence;
        if sequence >= self.next && self.early.insert(sequence, item).is_none() {
            self.bytes += size(&item);
        }
        let mut ready = Vec::new();
        while let Some(item) = self.early.remove(&self.next) {
            self.bytes -= size(&item);
            self.next += 1;
            ready.push(item);
        }
        ready
    }

    /// What has arrived: the range with the newest segment first, then those from the lowest on.
    #[must_use]
    pub fn acknowledgement(&self) -> Body {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        if self.early.contains_key(&self.last) {
            ranges.push(self.range_around(self.last));
        }
        let mut from = self.next;
        while ranges.len() < SACK_RANGES
            && let Some((&first, _)) = self.early.range(from..).next()
        {
            let range = self.range_around(first);
            if ranges.first() != Some(&range) {
                ranges.push(range);
            }
            from = range.1 + 1;
        }
        Body::Acknowledged { below: self.next, ranges }
    }

    fn range_around(&self, sequence: u32) -> (u32, u32) {
        let is_here = |sequence: &u32| self.early.contains_key(sequence);
        let first = (0..sequence).rev().take_while(is_here).last().unwrap_or(sequence);
        let last = (sequence + 1..).take_while(is_here).last().unwrap_or(sequence);
        (first, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::baseline::{Id, Lane};

    fn item(index: u32) -> Item {
        Item { id: Id { lane: Lane { node: 1, life: 1 }, sequence: index }, index, key: 0, bytes: 100 }
    }

    #[test]
    fn a_receiver_delivers_each_message_once_and_in_order() {
        let mut receiver = Receiver::default();
        let order = [3, 1, 1, 0, 4, 2, 0, 5];
        let delivered: Vec<u32> = order
            .into_iter()
            .flat_map(|sequence| receiver.take(sequence, item(sequence)))
            .map(|item| item.index)
            .collect();
        assert_eq!(delivered, [0, 1, 2, 3, 4, 5]);
        assert_eq!((receiver.waiting(), receiver.bytes()), (0, 0));
    }

    #[test]
    fn an_acknowledgement_names_the_newest_range_first() {
        let mut receiver = Receiver::default();
        for sequence in [0, 2, 3, 9, 6] {
            receiver.take(sequence, item(sequence));
        }
        let expected = Body::Acknowledged { below: 1, ranges: vec![(6, 6), (2, 3), (9, 9)] };
        assert_eq!(receiver.acknowledgement(), expected);
    }

    #[test]
    fn a_loss_is_repaired_when_so_many_later_segments_have_arrived() {
        for duplicate_acks in [1, 3] {
            let mut sender = Sender::new(duplicate_acks);
            (0..8).for_each(|index| {
                sender.push(item(index), Time(u64::from(index)));
            });
            for last in 1..=duplicate_acks {
                let again = sender.acknowledged(0, &[(1, last)], Time(1_000));
                assert_eq!(again.len(), usize::from(last == duplicate_acks), "{duplicate_acks}: {last}");
            }
            assert!(sender.acknowledged(0, &[(1, 7)], Time(2_000)).is_empty(), "only once");
            (8..11).for_each(|index| {
                sender.push(item(index), Time(3_000));
            });
            let again = sender.acknowledged(0, &[(1, 10)], Time(4_000));
            assert_eq!(again.len(), 1, "segments sent after the repair arrived, and it did not");
            assert_eq!(sender.timed_out(Time(9_000)).len(), 1, "the timeout repairs a lost repair");
        }
    }

    #[test]
    fn the_timeout_follows_the_round_trip_and_doubles() {
        let mut sender = Sender::new(3);
        sender.push(item(0), Time(0));
        assert_eq!(sender.deadline(), Time(1_000_000), "before anything is measured");
        sender.acknowledged(1, &[], Time(400_000));
        sender.push(item(1), Time(500_000));
        assert_eq!(sender.deadline(), Time(500_000 + 400_000 + 4 * 200_000));
        sender.timed_out(Time(1_700_000));
        assert_eq!(sender.deadline(), Time(1_700_000 + 2 * 1_200_000));
    }
}
