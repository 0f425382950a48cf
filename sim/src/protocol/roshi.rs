//! Roshi (SoundCloud, named by the posts): sets of which the last write of each member wins, by the clock of its client.
//!
//! Source: github.com/soundcloud/roshi at 243de21: its README, `cluster/README.md`, and the script that every replica runs
//! (`cluster/cluster.go`). A set's members stand in one of two lists, those inserted and those deleted, each with one score, which
//! is the time that the client gave. A write with a smaller score than the one held does nothing. Of equal scores the README
//! says that the one that is there stays; the script, since a change of May 2014 ("prioritize Insert, not just
//! first-writer"), lets a delete take the place of an insert and never an insert that of a delete. The script is what runs,
//! and built here: replicas that have had the same writes agree.
//!
//! Its repair compares scores and writes what has the greatest one again. Of an insert and a delete with equal scores it takes the
//! insert (`farm/repair_strategies.go`, issue 24), which the replicas that hold the delete refuse, so these stay as they
//! are: whoever has the insert and missed the delete differs for good, until a client writes that member with a later
//! score. Nothing is sent for such a pair here. (As published, the repair also keeps to the insert where the delete is
//! newer, if it sees the insert first. That is left out in Roshi's favour.)
//!
//! Each node is a replica, a server beside it, and its clients, whose clock is the node's, rounded down to
//! `compare.stamps`: Roshi leaves scores to clients, and Unix time has whole seconds. Writes go to all replicas at once,
//! reads to the one beside, as with heck; a read of all replicas would take the union and show whatever one of them still
//! has. The walker goes on all the time: each round a node sends a random other one keys with scores, as many as fit into
//! a datagram, beginning where the last ones ended; what is newer comes back, and what the other lacks is asked for. Its
//! round is that of heck's repair. A key of the workload is a pair of key and member, as Roshi compares nothing else. In
//! its favour: everybody knows all nodes at no cost, sets have no greatest size, and what was deleted is kept, walked and
//! repaired for ever.

use std::collections::BTreeMap;
use std::ops::Bound;

use heck_core::hash::mix;
use heck_core::rng::Stream;
use heck_core::time::{Span, Time};

use super::baseline::{
    Baseline, Command, DATAGRAM_BYTES, Event, Gauge, Id, Item, Lane, RECORD_BYTES, Start, Write, first_round,
    others, random_peer,
};
use super::bytes::{Reader, item_len, put, put_write, write_word};
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Message, Never, Protocol};

const SCORE_BYTES: u32 = 8;
const KEY_BYTES: u32 = 12;
const HEADER: u32 = 4;
const KEYS_MAX: usize = ((DATAGRAM_BYTES - HEADER) / KEY_BYTES) as usize;

/// An insert or a delete with the time on its client's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scored {
    /// What is written.
    pub write: Write,
    /// When, by that clock, in microseconds.
    pub score_us: u64,
}

impl Scored {
    /// Whether the script lets it take the place of what is held.
    const fn replaces(&self, held: &Self) -> bool {
        self.score_us > held.score_us
            || self.score_us == held.score_us && self.write.removes && !held.write.removes
    }
}

/// What a node sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// Writes.
    Writes(Vec<Scored>),
    /// Keys with the scores that the sender has; 0 for none.
    Scores(Vec<(u32, u64)>),
}

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct Roshi {
    node: u32,
    nodes: u32,
    lane: Lane,
    published: u32,
    stream: Stream,
    round: Span,
    next_round: Time,
    stamps: Span,
    /// The write that each key stands by.
    values: BTreeMap<u32, Scored>,
    /// The key that the walker read last.
    walked: u32,
}

impl Roshi {
    fn take(&mut self, scored: Scored, out: &mut Outbox<Self>) {
        let Item { key, index, .. } = scored.write.item;
        if self.values.get(&key).is_none_or(|held| scored.replaces(held)) {
            self.values.insert(key, scored);
            out.report(Event::Delivered { index });
        }
    }

    fn walk(&mut self, out: &mut Outbox<Self>) {
        self.next_round += self.round;
        let peer = random_peer(&mut self.stream, self.node, self.nodes);
        let after = self.values.range((Bound::Excluded(self.walked), Bound::Unbounded));
        let around = after.chain(self.values.range(..=self.walked));
        let scores: Vec<_> = around.map(|(&key, held)| (key, held.score_us)).take(KEYS_MAX).collect();
        if let Some((last, _)) = scores.last()
            && peer != self.node
        {
            self.walked = *last;
            out.send(peer, Packet::Scores(scores));
        }
    }

    /// Sends what is newer here, and asks for what is newer there by saying what stands here.
    fn compare(&self, to: u32, scores: &[(u32, u64)], out: &mut Outbox<Self>) {
        let mut older = Vec::new();
        let (mut packed, mut len) = (Vec::new(), HEADER);
        for &(key, score_us) in scores {
            let held = self.values.get(&key);
            match held {
                Some(held) if held.score_us > score_us => {
                    let more = SCORE_BYTES + item_len(&held.write.item);
                    if len + more > DATAGRAM_BYTES {
                        out.send(to, Packet::Writes(std::mem::take(&mut packed)));
                        len = HEADER;
                    }
                    len += more;
                    packed.push(*held);
                }
                _ if held.is_none_or(|held| held.score_us < score_us) => {
                    older.push((key, held.map_or(0, |held| held.score_us)));
                }
                _ => {}
            }
        }
        if !packed.is_empty() {
            out.send(to, Packet::Writes(packed));
        }
        if !older.is_empty() {
            out.send(to, Packet::Scores(older));
        }
    }
}

impl Protocol for Roshi {
    type Packet = Packet;
    type Frame = Never;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Timeout => self.walk(out),
            Input::Command { command: Command::Publish { index, key, bytes, removes }, .. } => {
                self.published += 1;
                let item = Item { id: Id { lane: self.lane, sequence: self.published }, index, key, bytes };
                // A stamp stands for its last microsecond, as a score of zero is none.
                let score_us = now.0 - now.0 % self.stamps.as_us() + (self.stamps.as_us() - 1);
                let scored = Scored { write: Write { item, removes }, score_us };
                self.take(scored, out);
                // The client is told that all is well even where the write did nothing.
                out.report(Event::Delivered { index });
                out.send_to_all(others(self.node, self.nodes), Packet::Writes(vec![scored]));
            }
            Input::Datagram { from, packet } => match packet {
                Packet::Writes(writes) => writes.iter().for_each(|&write| self.take(write, out)),
                Packet::Scores(scores) => self.compare(from, scores, out),
            },
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.next_round
    }
}

impl Baseline for Roshi {
    const IS_STORE: bool = true;

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
            next_round,
            stamps: start.settings.stamps,
            values: BTreeMap::new(),
            walked: 0,
        }
    }

    fn gauge(&self) -> Gauge {
        let payloads: u64 = self.values.values().map(|held| u64::from(held.write.item.bytes)).sum();
        Gauge { queue: 0, memory_bytes: payloads + RECORD_BYTES * self.values.len() as u64 }
    }

    fn value(&self, key: u32) -> Option<u32> {
        self.values.get(&key).filter(|held| !held.write.removes).map(|held| held.write.item.index)
    }
}

impl Message for Packet {
    fn wire_len(&self) -> u32 {
        HEADER
            + match self {
                Self::Writes(writes) => {
                    writes.iter().map(|scored| SCORE_BYTES + item_len(&scored.write.item)).sum()
                }
                Self::Scores(scores) => scores.len() as u32 * KEY_BYTES,
            }
    }

    fn content_word(&self) -> u64 {
        match self {
            Self::Writes(writes) => writes
                .iter()
                .fold(1, |word, scored| mix(mix(word, scored.score_us), write_word(&scored.write))),
            Self::Scores(scores) => {
                scores.iter().fold(2, |word, (key, score)| mix(mix(word, u64::from(*key)), *score))
            }
        }
    }

    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Writes(writes) => {
                put(into, &[0]);
                for Scored { write, score_us } in writes {
                    into.extend_from_slice(&score_us.to_le_bytes());
                    put_write(into, write);
                }
            }
            Self::Scores(scores) => {
                put(into, &[1]);
                for (key, score_us) in scores {
                    put(into, &[*key]);
                    into.extend_from_slice(&score_us.to_le_bytes());
                }
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        let score = |reader: &mut Reader<'_>| -> Result<u64, String> {
            Ok(u64::from(reader.number()?) | u64::from(reader.number()?) << 32)
        };
        Ok(match reader.number()? {
            0 => Self::Writes(reader.rest(|reader| {
                let score_us = score(reader)?;
                Ok(Scored { write: reader.write()?, score_us })
            })?),
            1 => Self::Scores(reader.rest(|reader| Ok((reader.number()?, score(reader)?)))?),
            kind => return Err(format!("{kind} is no kind of packet; 0 and 1 are")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u32 = 7;

    fn node(node: u32) -> Roshi {
        let stream = Stream::new(heck_core::rng::Seed(1), u64::from(node));
        let (round, stamps, values) = (Span::from_secs(1), Span(1), BTreeMap::new());
        let (lane, next_round) = (Lane { node, life: 1 }, Time::ZERO);
        Roshi { node, nodes: 2, lane, published: 0, stream, round, next_round, stamps, values, walked: 0 }
    }

    fn scored(index: u32, removes: bool, score_us: u64) -> Scored {
        let id = Id { lane: Lane { node: 0, life: 1 }, sequence: index };
        let item = Item { id, index, key: KEY, bytes: 8 };
        Scored { write: Write { item, removes }, score_us }
    }

    /// What is in, and by which score it stands, after these writes.
    fn after(writes: &[Scored]) -> (bool, u64) {
        let (mut node, mut out) = (node(1), Outbox::default());
        writes.iter().for_each(|&write| node.take(write, &mut out));
        (node.value(KEY).is_some(), node.values[&KEY].score_us)
    }

    /// The README's table of states and operations but for equal scores, and for these the script.
    #[test]
    fn a_write_does_what_the_script_does_with_it() {
        let (add, remove) = (false, true);
        for (held, write, expected) in [
            ((add, 1), (add, 0), (true, 1)),
            ((add, 1), (add, 1), (true, 1)),
            ((add, 1), (add, 2), (true, 2)),
            ((add, 1), (remove, 0), (true, 1)),
            ((add, 1), (remove, 1), (false, 1)),
            ((add, 1), (remove, 2), (false, 2)),
            ((remove, 1), (add, 0), (false, 1)),
            ((remove, 1), (add, 1), (false, 1)),
            ((remove, 1), (add, 2), (true, 2)),
            ((remove, 1), (remove, 0), (false, 1)),
            ((remove, 1), (remove, 1), (false, 1)),
            ((remove, 1), (remove, 2), (false, 2)),
        ] {
            let writes = [scored(1, held.0, held.1), scored(2, write.0, write.1)];
            assert_eq!(after(&writes), expected, "{held:?}, then {write:?}");
        }
    }

    #[test]
    fn replicas_that_have_had_the_same_writes_agree_whatever_their_order_and_repetition() {
        let mut stream = Stream::new(heck_core::rng::Seed(5), 1);
        for round in 0..2_000 {
            let mut writes: Vec<_> = (0..1 + stream.below(6))
                .map(|index| scored(index, stream.below(2) == 0, u64::from(stream.below(3))))
                .collect();
            let once = after(&writes);
            writes.push(writes[stream.below(writes.len() as u32) as usize]);
            for place in (1..writes.len()).rev() {
                writes.swap(place, stream.below(place as u32 + 1) as usize);
            }
            assert_eq!(after(&writes), once, "round {round}: {writes:?}");
        }
    }

    /// Two nodes walk towards each other until nothing is sent but scores.
    fn repair(pair: &mut [Roshi; 2]) {
        for round in 0..4 {
            let from = round % 2;
            let mut packets = vec![(from, Packet::Scores(vec![]))];
            let key = pair[from].values.get(&KEY).map_or(0, |held| held.score_us);
            packets[0].1 = Packet::Scores(vec![(KEY, key)]);
            while let Some((from, packet)) = packets.pop() {
                let mut out = Outbox::default();
                let input = Input::Datagram { from: from as u32, packet: &packet };
                pair[1 - from].step(Time::ZERO, input, &mut out);
                packets.extend(out.sent().map(|sent| (1 - from, sent.packet.clone())));
            }
        }
    }

    #[test]
    fn the_walker_brings_the_greater_score_and_leaves_equal_ones_that_differ() {
        let mut out = Outbox::default();
        for (there, is_equal) in [(scored(2, true, 60), true), (scored(2, true, 50), false)] {
            let mut pair = [node(0), node(1)];
            pair[0].take(scored(1, false, 50), &mut out);
            pair[1].take(scored(1, false, 50), &mut out);
            // Node 0 misses this one.
            pair[1].take(there, &mut out);
            repair(&mut pair);
            assert_eq!(pair[0].value(KEY) == pair[1].value(KEY), is_equal, "{there:?}");
        }
    }
}
