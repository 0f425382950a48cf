//! Which nodes something happens to.

use std::ops::Range;

use super::problem::Problems;
use super::read::{Shape, TableReader, Value, join, plain};
use super::tree::{Item, Node};
use crate::units::Fraction;

/// How many of some nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// That many.
    Count(u32),
    /// That part of them, rounded up.
    Part(Fraction),
}

const SHARE: &str = "a number of nodes such as 3, or a fraction such as \"10%\"";

impl Share {
    /// How many of `whole` nodes that is, at most all of them.
    #[must_use]
    pub fn of(self, whole: u32) -> u32 {
        match self {
            Self::Count(count) => count.min(whole),
            Self::Part(part) => part.of(whole),
        }
    }
}

impl Value for Share {
    fn shape() -> Shape {
        Shape::Named("share", SHARE)
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        match &node.item {
            Item::Integer(_) => u32::read(node, key, problems).map(Self::Count),
            Item::Text(text) => match Fraction::parse(text) {
                Ok(part) => Some(Self::Part(part)),
                Err(error) => {
                    problems.value(node, key, error, SHARE);
                    None
                }
            },
            _ => {
                problems.value(node, key, "is no number of nodes", SHARE);
                None
            }
        }
    }

    fn write(&self) -> Option<toml::Value> {
        match self {
            Self::Count(count) => count.write(),
            Self::Part(part) => part.write(),
        }
    }
}

/// A choice of nodes. Random ones are drawn anew in every run, from that run's seed.
#[derive(Clone, PartialEq, Debug)]
pub enum NodeSet {
    /// Every node: `"all"`.
    All,
    /// Whatever no earlier set of the same list holds: `"rest"`.
    Rest,
    /// So many at random: `3` or `"10%"`.
    Random(Share),
    /// These, counted from 0: `[0, 7]`.
    Indices(Vec<u32>),
    /// From the first up to but not including the second: `"0..500"`.
    Range(Range<u32>),
    /// Every node of a zone: `{ zone = "eu" }`.
    Zone(String),
    /// So many at random out of a zone: `{ zone = "eu", random = 3 }`.
    RandomOfZone(String, Share),
    /// A `[[cluster.group]]`, the same nodes wherever it is named: `{ group = "victims" }`.
    Group(String),
}

/// How a choice of nodes is written.
pub const NODE_SET: &str = "\"all\", so many at random (3 or \"10%\"), indices from 0 ([0, 7] or \"0..500\"), \
     { zone = \"eu\" }, { zone = \"eu\", random = 3 } or { group = \"name\" }; as a side of a partition also \"rest\"";

impl Value for NodeSet {
    fn shape() -> Shape {
        Shape::Named("nodes", NODE_SET)
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        match &node.item {
            Item::Text(text) if text == "all" => Some(Self::All),
            Item::Text(text) if text == "rest" => Some(Self::Rest),
            Item::Text(text) if text.contains("..") => {
                let range = range(text);
                if range.is_none() {
                    problems.value(node, key, "is no range of nodes", NODE_SET);
                }
                range.map(Self::Range)
            }
            Item::Text(text) => match Fraction::parse(text) {
                Ok(part) => Some(Self::Random(Share::Part(part))),
                Err(_) => {
                    problems.value(node, key, "names no nodes", NODE_SET);
                    None
                }
            },
            Item::Integer(_) => u32::read(node, key, problems).map(|count| Self::Random(Share::Count(count))),
            Item::Array(_) => Vec::read(node, key, problems).map(Self::Indices),
            Item::Table(_) => read_table(node, key, problems),
            _ => {
                problems.value(node, key, "names no nodes", NODE_SET);
                None
            }
        }
    }

    fn write(&self) -> Option<toml::Value> {
        let table = |entries: Vec<(&str, Option<toml::Value>)>| {
            let present = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
            Some(toml::Value::Table(present.collect()))
        };
        match self {
            Self::All => Some("all".into()),
            Self::Rest => Some("rest".into()),
            Self::Random(share) => share.write(),
            Self::Indices(indices) => indices.write(),
            Self::Range(range) => Some(format!("{}..{}", range.start, range.end).into()),
            Self::Zone(zone) => table(vec![("zone", zone.write())]),
            Self::RandomOfZone(zone, share) => table(vec![("zone", zone.write()), ("random", share.write())]),
            Self::Group(group) => table(vec![("group", group.write())]),
        }
    }
}

fn range(text: &str) -> Option<Range<u32>> {
    let (start, end) = text.split_once("..")?;
    let range = start.trim().parse().ok()?..end.trim().parse().ok()?;
    (range.start < range.end).then_some(range)
}

fn read_table(node: &Node, key: &str, problems: &mut Problems) -> Option<NodeSet> {
    let mut table = TableReader::new(node, key, problems)?;
    let zone: Option<String> = table.field("zone", plain(), problems)?;
    let random: Option<Share> = table.field("random", plain(), problems)?;
    let group: Option<String> = table.field("group", plain(), problems)?;
    table.finish(problems);
    match (zone, random, group) {
        (Some(zone), None, None) => Some(NodeSet::Zone(zone)),
        (Some(zone), Some(share), None) => Some(NodeSet::RandomOfZone(zone, share)),
        (None, None, Some(group)) => Some(NodeSet::Group(group)),
        _ => {
            problems.at(node.place, &join(key, "zone"), "names no nodes", NODE_SET);
            None
        }
    }
}
