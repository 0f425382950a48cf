//! A place in the message log: which messages a subscriber has had.
//!
//! Messages have no order across their writers, so a place is a set: for each writer, by node and life, the ranges
//! of its messages that were delivered. It means the same on every node. Clients get it as an opaque word:
//! base64 of a version byte and, for each writer, the node (8 bytes), the life, the number of ranges, and for each
//! range its distance from the one before and its length; all but the node as LEB128.

use super::problem::{Kind, Problem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heck_core::id::{Boot, Lane, NodeId, Shard, Store, Writer};
use heck_core::interval::{IntervalSet, Range};
use std::collections::BTreeMap;

const VERSION: u8 = 1;

/// Which messages of each writer were delivered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Position {
    had: BTreeMap<Writer, IntervalSet>,
}

/// The lane that a writer's messages are in.
pub(crate) const fn lane(writer: Writer) -> Lane {
    Lane { shard: Shard::of_node(writer.node), store: Store::Log, writer }
}

impl Position {
    /// What was delivered of a writer.
    pub(crate) fn of(&self, writer: Writer) -> Option<&IntervalSet> {
        self.had.get(&writer)
    }

    /// Counts one message as delivered; false when it was already.
    pub(crate) fn insert(&mut self, writer: Writer, counter: u64) -> bool {
        self.had.entry(writer).or_default().insert(counter)
    }

    /// Counts a range as delivered.
    pub(crate) fn insert_range(&mut self, writer: Writer, range: Range) {
        self.had.entry(writer).or_default().insert_range(range);
    }

    /// Counts all of a set as delivered.
    pub(crate) fn insert_all(&mut self, writer: Writer, set: &IntervalSet) {
        self.had.entry(writer).or_default().union(set);
    }

    /// The writers of which something was delivered.
    pub(crate) fn writers(&self) -> impl Iterator<Item = Writer> + '_ {
        self.had.keys().copied()
    }

    /// Forgets a writer whose messages have all expired everywhere.
    pub(crate) fn forget(&mut self, writer: Writer) {
        self.had.remove(&writer);
    }

    /// As an opaque word.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        for (writer, set) in &self.had {
            bytes.extend(writer.node.0.to_le_bytes());
            put(&mut bytes, writer.boot.0);
            put(&mut bytes, set.ranges().len() as u64);
            let mut end = 0;
            for range in set.ranges() {
                put(&mut bytes, range.first - end);
                put(&mut bytes, range.last - range.first);
                end = range.last;
            }
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the word of a client.
    pub(crate) fn decode(word: &str) -> Result<Self, Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(word).ok();
        bytes.and_then(|bytes| Self::read(&bytes)).ok_or_else(|| {
            Problem::new(Kind::BadRequest, "the position is none that a node has given").next(
                "Repeat the last `position` or event id as it was, or begin with `from=start` or `from=now`.",
            )
        })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (&version, mut rest) = bytes.split_first()?;
        if version != VERSION {
            return None;
        }
        let mut position = Self::default();
        while !rest.is_empty() {
            let (node, tail) = rest.split_first_chunk::<8>()?;
            rest = tail;
            let writer = Writer { node: NodeId(u64::from_le_bytes(*node)), boot: Boot(take(&mut rest)?) };
            let ranges = take(&mut rest)?;
            let mut end: u64 = 0;
            for _ in 0..ranges {
                let first = end.checked_add(take(&mut rest)?).filter(|&first| first > 0)?;
                let last = first.checked_add(take(&mut rest)?).filter(|&last| last < u64::MAX)?;
                position.insert_range(writer, Range { first, last });
                end = last;
            }
        }
        Some(position)
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn writer(node: u64, boot: u64) -> Writer {
        Writer { node: NodeId(node), boot: Boot(boot) }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(411),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_position_comes_back_from_its_word(
            had in prop::collection::vec((any::<u64>(), any::<u64>(), 1..u64::MAX / 2, 0_u64..1 << 40), 0..20)
        ) {
            let mut position = Position::default();
            for (node, boot, first, more) in had {
                position.insert_range(writer(node % 4, boot % 3), Range { first, last: first + more });
            }
            prop_assert_eq!(Position::decode(&position.encode()).ok(), Some(position));
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut with_version = vec![VERSION];
            with_version.extend(&bytes);
            for bytes in [bytes, with_version] {
                if let Some(position) = Position::read(&bytes) {
                    prop_assert_eq!(Position::read(&URL_SAFE_NO_PAD.decode(position.encode()).unwrap()), Some(position));
                }
            }
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        let mut position = Position::default();
        assert!(position.insert(writer(1, 2), 3) && !position.insert(writer(1, 2), 3));
        let word = position.encode();
        assert!(Position::decode(&word[..word.len() - 2]).is_err());
        for wrong in ["", "AA", "!!", "AQ=="] {
            assert!(Position::decode(wrong).is_err(), "{wrong}");
        }
    }
}
