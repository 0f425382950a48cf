//! What violations are told in: the names of nodes, and what entries say, instead of hashes and places.

use std::collections::BTreeMap;

use heck_core::entry::{Body, Claim, Entry, Hold};
use heck_core::id::{Dot, Lane, Name, NodeId, Store, Writer};
use heck_core::interval::{IntervalSet, Range};
use heck_core::member::{Life, Standing};
use heck_core::time::Span;

/// The names of all nodes of a run.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<NodeId, Name>);

impl Names {
    /// The nodes with these names.
    #[must_use]
    pub fn new(names: &[Name]) -> Self {
        Self(names.iter().map(|name| (NodeId::of(name), name.clone())).collect())
    }

    /// A node. One that has taken another name since the start is told by its identity.
    #[must_use]
    pub fn node(&self, node: NodeId) -> String {
        self.0.get(&node).map_or_else(|| format!("{node:?}"), Name::to_string)
    }

    /// A node that may not be there.
    #[must_use]
    pub fn owner(&self, owner: Option<NodeId>) -> String {
        owner.map_or_else(|| "nobody".to_owned(), |owner| self.node(owner))
    }

    /// A node in one of its lives.
    #[must_use]
    pub fn writer(&self, writer: Writer) -> String {
        format!("{} in life {}", self.node(writer.node), writer.boot.0)
    }

    /// What an entry says, and who wrote it.
    #[must_use]
    pub fn entry(&self, entry: &Entry) -> String {
        let what = match &entry.body {
            Body::Origin { name, .. } => format!("the origin {name}"),
            Body::OriginRemoved { name } => format!("the removal of the origin {name}"),
            Body::Key { name, value } => format!("the value of the key {name} ({} bytes)", value.len()),
            Body::KeyDeleted { name } => format!("the deletion of the key {name}"),
            Body::Claim(claim) => claimed(claim),
            Body::Message { topic, payload } => {
                format!("a message about {topic} ({} bytes)", payload.len())
            }
            Body::Fence(fence) => format!("the end of all lives up to {}", fence.boot.0),
        };
        let Dot { lane, counter } = entry.dot;
        format!("{what}, no. {counter} of {}", self.writer(lane.writer))
    }

    /// An entry of which only its place is known.
    #[must_use]
    pub fn dot(&self, dot: &Dot) -> String {
        format!("no. {} of {}", dot.counter, self.lane(&dot.lane))
    }

    /// All that a node has written to a store in a part of the state.
    #[must_use]
    pub fn lane(&self, lane: &Lane) -> String {
        let store = match lane.store {
            Store::Registry => "origins",
            Store::Keys => "keys",
            Store::Health => "claims",
            Store::Log => "messages",
            Store::Fence => "ends of lives",
        };
        format!("the {store} of {} in part {} of the state", self.writer(lane.writer), lane.shard.0)
    }
}

fn claimed(claim: &Claim) -> String {
    let state = claim.state.name();
    let hold = match claim.hold {
        Hold::Held => "",
        Hold::Released => ", released",
        Hold::Late => ", late",
    };
    let (epoch, sequence) = (claim.ballot.epoch, claim.ballot.sequence);
    format!("the claim that {} is {state}{hold} (epoch {epoch}, sequence {sequence})", claim.origin)
}

/// What is held of a member.
#[must_use]
pub fn opinion((life, standing): (Life, Standing)) -> String {
    let standing = match standing {
        Standing::Alive => "alive",
        Standing::Suspect => "suspect",
        Standing::Dead => "dead",
        Standing::Left => "gone",
    };
    format!("{standing} in life {}, incarnation {}", life.boot.0, life.incarnation)
}

/// The numbers that were seen.
#[must_use]
pub fn numbers(seen: Option<&IntervalSet>) -> String {
    let range = |&Range { first, last }: &Range| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    let ranges: Vec<String> = seen.into_iter().flat_map(|seen| seen.ranges().iter().map(range)).collect();
    if ranges.is_empty() { "nothing".to_owned() } else { format!("no. {}", ranges.join(", ")) }
}

/// A time in seconds.
#[must_use]
pub fn seconds(span: Span) -> String {
    format!("{:.3} s", span.as_us() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use heck_core::id::{Boot, Shard};

    use super::*;

    #[test]
    fn entries_places_and_numbers_are_told_in_words() {
        let name = Name::new("node-3").expect("a name");
        let (names, node) = (Names::new(std::slice::from_ref(&name)), NodeId::of(&name));
        let lane = Lane { shard: Shard(7), store: Store::Keys, writer: Writer { node, boot: Boot(2) } };
        let dot = Dot { lane, counter: 5 };
        assert_eq!(names.dot(&dot), "no. 5 of the keys of node-3 in life 2 in part 7 of the state");
        assert_eq!(names.owner(None), "nobody");
        let mut seen = IntervalSet::range(1, 4);
        seen.insert(9);
        assert_eq!((numbers(Some(&seen)), numbers(None)), ("no. 1 to 4, 9".into(), "nothing".into()));
        let life = Life { boot: Boot(2), incarnation: 1 };
        assert_eq!(opinion((life, Standing::Dead)), "dead in life 2, incarnation 1");
    }
}
