//! Bimodal Multicast (slides 75-91; Birman et al. 1999): what is published goes to all at once, and gossip repairs what was
//! lost, by three messages.
//!
//! Each round a node sends a random other one a digest of what it holds; whoever lacks something of it asks; the first
//! sends it. Two settings of it are two systems: [`List`] is the paper's, whose digest is a list of ids and which drops
//! messages after 10 rounds; [`Ranges`] is the talk's last one, whose digest is ranges of ids and which keeps messages
//! for a day. Both get the round of heck's repair. A digest fills one datagram at most and begins each time where the
//! last one ended, and one question brings 64 KiB of answers at most. In their favour: everybody knows all nodes at no
//! cost, and an answer packs as many messages into a datagram as fit.

mod packet;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use heck_core::interval::IntervalSet;
use heck_core::rng::Stream;
use heck_core::time::{Span, Time};

use super::baseline::{
    Baseline, Command, DATAGRAM_BYTES, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start, first_round,
    others, random_peer,
};
use super::bytes::item_len;
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Never, Protocol};
pub use packet::{Digest, Packet, Stretch};

/// Bytes of messages that one question brings at most.
const ANSWER_BYTES: u32 = 64 << 10;

/// How long messages are kept, and what digests are made of.
pub trait Keeping: Debug + 'static {
    /// For how long a message is kept when a round is so long.
    fn keeps(round: Span) -> Span;

    /// What is held as a digest, from after `cursor` on and around to it, as much as fits into a datagram; with it the
    /// last id that it names.
    fn digest(held: &Held, cursor: Id) -> (Digest, Id);

    /// The same of what is missing.
    fn question(missing: &[Stretch]) -> Digest;
}

/// A digest that lists ids; messages are dropped after 10 rounds.
#[derive(Debug)]
pub enum List {}

/// A digest of ranges; messages are kept for a day.
#[derive(Debug)]
pub enum Ranges {}

/// The messages that a node can give to others.
#[derive(Clone, Debug, Default)]
pub struct Held {
    messages: BTreeMap<Id, (Item, Time)>,
    /// The same as ranges, by lane.
    lanes: BTreeMap<Lane, IntervalSet>,
    bytes: u64,
}

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct Bimodal<K> {
    node: u32,
    nodes: u32,
    lane: Lane,
    published: u32,
    stream: Stream,
    round: Span,
    broadcasts: bool,
    next_round: Time,
    held: Held,
    /// Everything that ever reached this node, also what it has dropped: nothing is delivered twice.
    seen: BTreeMap<Lane, IntervalSet>,
    cursor: Id,
    keeping: PhantomData<K>,
}

impl Keeping for List {
    fn keeps(round: Span) -> Span {
        round.times(10)
    }

    fn digest(held: &Held, cursor: Id) -> (Digest, Id) {
        let after = held.messages.range((std::ops::Bound::Excluded(cursor), std::ops::Bound::Unbounded));
        let around = after.chain(held.messages.range(..=cursor));
        let ids: Vec<Id> = around.map(|(&id, _)| id).take(Digest::IDS_MAX).collect();
        let last = ids.last().copied().unwrap_or(cursor);
        (Digest::List(ids), last)
    }

    fn question(missing: &[Stretch]) -> Digest {
        Digest::List(missing.iter().flat_map(|stretch| stretch.ids()).take(Digest::IDS_MAX).collect())
    }
}

impl Keeping for Ranges {
    fn keeps(_: Span) -> Span {
        Span::from_secs(86_400)
    }

    fn digest(held: &Held, cursor: Id) -> (Digest, Id) {
        let stretches = |lane: Lane, set: &IntervalSet, after: u64, until: u64| -> Vec<Stretch> {
            let ranges = set.ranges().iter().filter(|range| range.last > after && range.first <= until);
            ranges.map(|range| Stretch { lane, first: range.first as u32, last: range.last as u32 }).collect()
        };
        let (lane, at) = (cursor.lane, u64::from(cursor.sequence));
        let own = held.lanes.get(&lane).into_iter();
        let above = held.lanes.range((std::ops::Bound::Excluded(lane), std::ops::Bound::Unbounded));
        let below = held.lanes.range(..lane);
        let all = |(&lane, set): (&Lane, &IntervalSet)| stretches(lane, set, 0, u64::MAX);
        let first = own.clone().flat_map(|set| stretches(lane, set, at, u64::MAX));
        let last = own.flat_map(|set| stretches(lane, set, 0, at));
        let around = first.chain(above.flat_map(all)).chain(below.flat_map(all)).chain(last);
        let mut listed: Vec<Stretch> = around.take(Digest::STRETCHES_MAX).collect();
        let end = listed.last().map_or(cursor, |stretch| Id { lane: stretch.lane, sequence: stretch.last });
        listed.sort_unstable();
        listed.dedup();
        (Digest::Ranges(listed), end)
    }

    fn question(missing: &[Stretch]) -> Digest {
        Digest::Ranges(missing.iter().copied().take(Digest::STRETCHES_MAX).collect())
    }
}

impl Held {
    fn put(&mut self, item: Item, now: Time) {
        if self.messages.insert(item.id, (item, now)).is_none() {
            self.lanes.entry(item.id.lane).or_default().insert(u64::from(item.id.sequence));
            self.bytes += u64::from(item.bytes) + RECORD_BYTES;
        }
    }

    fn drop_older(&mut self, than: Time) {
        let old: Vec<Id> =
            self.messages.iter().filter(|(_, (_, at))| *at <= than).map(|(&id, _)| id).collect();
        for id in old {
            if let Some((item, _)) = self.messages.remove(&id)
                && let Some(set) = self.lanes.get_mut(&id.lane)
            {
                set.remove(u64::from(id.sequence));
                self.bytes -= u64::from(item.bytes) + RECORD_BYTES;
            }
        }
        self.lanes.retain(|_, set| !set.is_empty());
    }

    fn of(&self, stretch: Stretch) -> impl Iterator<Item = &Item> {
        let id = |sequence| Id { lane: stretch.lane, sequence };
        self.messages.range(id(stretch.first)..=id(stretch.last)).map(|(_, (item, _))| item)
    }
}

impl<K: Keeping> Bimodal<K> {
    fn take(&mut self, item: Item, now: Time, out: &mut Outbox<Self>) {
        if self.seen.entry(item.id.lane).or_default().insert(u64::from(item.id.sequence)) {
            self.held.put(item, now);
            out.report(Event::Delivered { index: item.index });
        }
    }

    /// What of a digest never reached this node.
    fn missing(&self, digest: &Digest) -> Vec<Stretch> {
        let mut missing = Vec::new();
        let nothing = IntervalSet::new();
        for stretch in digest.stretches() {
            let offered = IntervalSet::range(u64::from(stretch.first), u64::from(stretch.last));
            let seen = self.seen.get(&stretch.lane).unwrap_or(&nothing);
            offered.for_each_missing_in(seen, |range| {
                let (first, last) = (range.first as u32, range.last as u32);
                missing.push(Stretch { lane: stretch.lane, first, last });
            });
        }
        missing
    }

    /// Sends what is asked for, several messages in a datagram.
    fn answer(&self, to: u32, question: &Digest, out: &mut Outbox<Self>) {
        let (mut packed, mut len, mut sum) = (Vec::new(), Packet::HEADER, 0);
        for item in question.stretches().flat_map(|stretch| self.held.of(stretch)) {
            sum += item_len(item);
            if sum > ANSWER_BYTES {
                break;
            }
            if len + item_len(item) > DATAGRAM_BYTES {
                out.send(to, Packet::Items(std::mem::take(&mut packed)));
                len = Packet::HEADER;
            }
            len += item_len(item);
            packed.push(*item);
        }
        if !packed.is_empty() {
            out.send(to, Packet::Items(packed));
        }
    }

    fn gossip(&mut self, now: Time, out: &mut Outbox<Self>) {
        self.next_round += self.round;
        let kept_since = now.0.saturating_sub(K::keeps(self.round).as_us());
        if kept_since > 0 {
            self.held.drop_older(Time(kept_since));
        }
        let peer = random_peer(&mut self.stream, self.node, self.nodes);
        if peer != self.node && !self.held.messages.is_empty() {
            let (digest, cursor) = K::digest(&self.held, self.cursor);
            self.cursor = cursor;
            out.send(peer, Packet::Digest(digest));
        }
    }
}

impl<K: Keeping> Protocol for Bimodal<K> {
    type Packet = Packet;
    type Frame = Never;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => self.gossip(now, out),
            Input::Command { command: Command::Publish { index, key, bytes, .. }, .. } => {
                self.published += 1;
                let item = Item { id: Id { lane: self.lane, sequence: self.published }, index, key, bytes };
                self.take(item, now, out);
                if self.broadcasts {
                    out.send_to_all(others(self.node, self.nodes), Packet::Items(vec![item]));
                }
            }
            Input::Datagram { from, packet } => match packet {
                Packet::Items(items) => items.iter().for_each(|&item| self.take(item, now, out)),
                Packet::Digest(digest) => {
                    let missing = self.missing(digest);
                    if !missing.is_empty() {
                        out.send(from, Packet::Ask(K::question(&missing)));
                    }
                }
                Packet::Ask(question) => self.answer(from, question, out),
            },
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.next_round
    }
}

impl<K: Keeping> Baseline for Bimodal<K> {
    fn begin(start: &Start) -> Self {
        let mut stream = start.stream();
        let round = start.settings.round;
        let next_round = first_round(&mut stream, start.now, round);
        Self {
            node: start.node,
            nodes: start.nodes,
            lane: start.lane(),
            published: 0,
            stream,
            round,
            broadcasts: start.settings.broadcasts,
            next_round,
            held: Held::default(),
            seen: BTreeMap::new(),
            cursor: Id { lane: Lane { node: 0, life: 0 }, sequence: 0 },
            keeping: PhantomData,
        }
    }

    fn gauge(&self) -> Gauge {
        let ranges: usize = self.seen.values().map(|set| set.ranges().len()).sum();
        Gauge { queue: 0, memory_bytes: self.held.bytes + RECORD_BYTES * ranges as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(node: u32, sequence: u32) -> Item {
        let id = Id { lane: Lane { node, life: 1 }, sequence };
        Item { id, index: sequence, key: 0, bytes: 10 }
    }

    fn held(sequences: impl IntoIterator<Item = u32>) -> Held {
        let mut held = Held::default();
        sequences.into_iter().for_each(|sequence| held.put(item(sequence % 3, sequence), Time(5)));
        held
    }

    #[test]
    fn digests_that_are_cut_go_around_all_that_is_held() {
        // Every other message of three lanes: 900 ranges, many more than fit.
        let held = held((1..=1_800).filter(|sequence| sequence % 2 == 0));
        let whole: Vec<Id> = held.messages.keys().copied().collect();
        for digest in [List::digest, Ranges::digest] {
            let mut cursor = whole[0];
            let mut named = std::collections::BTreeSet::new();
            for _ in 0..=whole.len() / Digest::STRETCHES_MAX.min(Digest::IDS_MAX) {
                let (digest, next) = digest(&held, cursor);
                assert!(Packet::Digest(digest.clone()).encoded_len() <= DATAGRAM_BYTES);
                named.extend(digest.stretches().flat_map(Stretch::ids));
                cursor = next;
            }
            assert_eq!(named.into_iter().collect::<Vec<_>>(), whole);
        }
    }

    #[test]
    fn a_whole_day_without_holes_is_one_range_a_lane_and_thousands_of_ids() {
        let held = held(1..=3_000);
        let start = Id { lane: Lane { node: 0, life: 0 }, sequence: 0 };
        let Digest::List(ids) = List::digest(&held, start).0 else { panic!("no list") };
        assert_eq!(ids.len(), Digest::IDS_MAX, "a list is cut");
        let mut held = Held::default();
        (1..=3_000).for_each(|sequence| held.put(item(1, sequence), Time(5)));
        let Digest::Ranges(ranges) = Ranges::digest(&held, start).0 else { panic!("no ranges") };
        assert_eq!(ranges, [Stretch { lane: Lane { node: 1, life: 1 }, first: 1, last: 3_000 }]);
    }

    #[test]
    fn what_is_dropped_is_no_longer_offered() {
        let mut held = held(1..=10);
        held.put(item(9, 99), Time(50));
        held.drop_older(Time(20));
        assert_eq!(held.messages.len(), 1);
        assert_eq!(held.bytes, 10 + RECORD_BYTES);
        assert_eq!(held.lanes.len(), 1);
    }
}
