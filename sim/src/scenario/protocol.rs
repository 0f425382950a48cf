//! `[cluster.protocol]`: settings of the protocol under test.

use heck_core::time::Span;

use super::problem::Problems;
use super::read::{Shape, Value, plain};
use super::section::section;
use super::tree::{Item, Node};
use crate::units::Bytes;

/// Where a new update goes at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broadcast {
    /// To every other node.
    All,
    /// To nobody: repair alone spreads it.
    None,
    /// To so many random nodes.
    Nodes(u32),
}

const BROADCAST: &str = "\"all\", \"none\" or a number of nodes";

impl Value for Broadcast {
    fn shape() -> Shape {
        Shape::Scalar(BROADCAST.to_owned())
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        match &node.item {
            Item::Text(text) if text == "all" => Some(Self::All),
            Item::Text(text) if text == "none" => Some(Self::None),
            Item::Integer(_) => u32::read(node, key, problems).map(Self::Nodes),
            _ => {
                problems.value(node, key, "is no reach of a broadcast", BROADCAST);
                None
            }
        }
    }

    fn write(&self) -> Option<toml::Value> {
        match self {
            Self::All => Some("all".into()),
            Self::None => Some("none".into()),
            Self::Nodes(count) => count.write(),
        }
    }
}

section! {
    "[cluster.protocol]"
    /// Settings of the protocol that differ from the core's defaults. A setting that is not named keeps the
    /// core's default.
    pub struct Protocol {
        /// How often a node asks a peer for what it lacks; the length of a round.
        repair_interval: Option<Span> = plain().at_least("1ms").at_most("1d"),
        /// Peers asked in each round.
        repair_fanout: Option<u32> = plain().at_most("1000"),
        /// Where a new update goes at once.
        broadcast: Option<Broadcast> = plain(),
        /// Copies of a broadcast to each of its receivers.
        broadcast_copies: Option<u32> = plain().at_least("1").at_most("100"),
        /// Members above which a broadcast goes through relays.
        relay_above: Option<u32> = plain(),
        /// Room in each datagram for recent updates of others.
        rumour_bytes: Option<Bytes> = plain().at_most("1400B"),
        /// How often a recent update is passed on, as a multiple of the logarithm of the members.
        rumour_sends: Option<u32> = plain().at_most("1000"),
        /// Most bytes of one reply to a repair request.
        reply_bytes: Option<Bytes> = plain(),
        /// Whether repair requests carry a digest, or the hash alone.
        digest: Option<bool> = plain(),
        /// How often a node vouches for the age of what it holds.
        heartbeat: Option<Span> = plain().at_least("1ms"),
        /// How long messages are kept.
        log_retention: Option<Span> = plain(),
        /// Bytes of messages that are kept.
        log_bytes: Option<Bytes> = plain(),
        /// Silence after which a peer must come back under a new boot.
        fence_after: Option<Span> = plain(),
        /// How long a node waits for a first full exchange before it serves alone.
        join_timeout: Option<Span> = plain(),
        /// Peers asked at once for a gap in a writer's sequence.
        gap_asks: Option<u32> = plain().at_most("1000"),
    }
}
