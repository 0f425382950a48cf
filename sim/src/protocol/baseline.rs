//! What all baselines have in common: what they are asked, what they report, and what is measured of them.
//!
//! A baseline is a [`Protocol`] whose workload and measures are those of every other one, so that one runner drives
//! them all. What a node is told stands in [`Command`], what it reports in [`Event`].

use std::sync::Arc;

use heck_core::rng::{Seed, Stream};
use heck_core::time::{Span, Time};

use crate::engine::protocol::Protocol;

/// Bytes of an IP and UDP payload that protocols here fill at most: what heck's own datagrams are cut to.
pub const DATAGRAM_BYTES: u32 = 1_400;

/// Bytes that a record in memory takes beside its payload: a model of maps and headers, the same for all systems.
pub const RECORD_BYTES: u64 = 32;

/// Something that is published: a message, or a write of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Item {
    /// Where in the order of its publisher it stands.
    pub id: Id,
    /// Its number in the workload, by which its deliveries are counted; it travels as the first bytes of the payload.
    pub index: u32,
    /// The key that it writes.
    pub key: u32,
    /// Bytes of its payload.
    pub bytes: u32,
}

/// What a store of keys is told: the key has this value now, or it is out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Write {
    /// The value; without a payload where it takes the key out.
    pub item: Item,
    /// Whether it takes the key out.
    pub removes: bool,
}

/// Names an item by its publisher.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Id {
    /// Who published it, and in which life: a life begins with nothing, so its numbers begin anew.
    pub lane: Lane,
    /// The how-manieth of that lane, from 0.
    pub sequence: u32,
}

/// A publisher in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Lane {
    /// Its index.
    pub node: u32,
    /// Counted from 1.
    pub life: u32,
}

/// What a node is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Publish a message, or write a key.
    Publish {
        /// The number in the workload.
        index: u32,
        /// The key.
        key: u32,
        /// Bytes of the payload.
        bytes: u32,
        /// Whether a store takes the key out instead of writing it.
        removes: bool,
    },
    /// A probe has ended.
    Probed {
        /// Of which origin.
        origin: u32,
        /// Whether it answered well and in time.
        well: bool,
    },
}

/// What a node reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The item has reached this node's application; at its publisher: it is out.
    Delivered {
        /// The number in the workload.
        index: u32,
    },
    /// The node wants an origin probed.
    Probe {
        /// Which.
        origin: u32,
    },
    /// The node answers from now on that the origin is well, or that it is not.
    Found {
        /// Which.
        origin: u32,
        /// What it answers.
        well: bool,
    },
}

/// What is measured of a node at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Gauge {
    /// Items that the node keeps because somebody else may not have them, or waits with for others.
    pub queue: u64,
    /// Bytes of everything that it holds: payloads, and [`RECORD_BYTES`] for each record.
    pub memory_bytes: u64,
}

/// What a node begins its life with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its index.
    pub node: u32,
    /// How many nodes there are.
    pub nodes: u32,
    /// Its life, counted from 1; before it everything was lost.
    pub life: u32,
    /// What its clock shows.
    pub now: Time,
    /// The seed of the run.
    pub seed: Seed,
    /// What all systems share of their settings.
    pub settings: Arc<Settings>,
}

/// Settings of baselines. What is not here is a constant of the protocol, and justified there.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// A round of gossip, and the time between reminders.
    pub round: Span,
    /// Whether Bimodal Multicast sends what is published to all at once; otherwise it gossips alone.
    pub broadcasts: bool,
    /// How acknowledgements tell the sender of a loss: so many later segments have arrived.
    pub duplicate_acks: u32,
    /// Clients of Roshi round their clock down to a multiple of this for the score of a write.
    pub stamps: Span,
    /// The graph of responsibility, by node: who reminds whom.
    pub responsible_for: Arc<Vec<Vec<u32>>>,
    /// How many origins there are to check.
    pub origins: u32,
    /// Time between two checks of an origin.
    pub check_interval: Span,
    /// The same while its state is changing.
    pub fast_interval: Span,
    /// Failures in a row that make an origin unhealthy.
    pub fall: u32,
    /// Successes in a row that make it healthy.
    pub rise: u32,
}

/// A system that heck is compared with.
pub trait Baseline: Protocol<Command = Command, Event = Event> {
    /// Whether it is a store of keys, whose values can differ between nodes.
    const IS_STORE: bool = false;

    /// A node at the beginning of a life.
    fn begin(start: &Start) -> Self;

    /// What is measured of it now.
    fn gauge(&self) -> Gauge;

    /// Whether a client can ask this node for the health of origins.
    #[must_use]
    fn answers(_node: u32) -> bool {
        true
    }

    /// The number of the item that a client of this node reads under a key; `None` where there is none, or where the
    /// system is no store of keys.
    fn value(&self, _key: u32) -> Option<u32> {
        None
    }
}

impl Start {
    /// The randomness of this life.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream::new(self.seed, (u64::from(self.life) << 32) | u64::from(self.node))
    }

    /// The lane of what this node publishes in this life.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        Lane { node: self.node, life: self.life }
    }
}

/// Any node but this one, each equally likely; this one where it is alone.
pub fn random_peer(stream: &mut Stream, node: u32, nodes: u32) -> u32 {
    if nodes < 2 {
        return node;
    }
    let peer = stream.below(nodes - 1);
    peer + u32::from(peer >= node)
}

/// All nodes but this one.
pub fn others(node: u32, nodes: u32) -> impl Iterator<Item = u32> {
    (0..nodes).filter(move |&other| other != node)
}

/// A random moment of the first round after `now`.
pub fn first_round(stream: &mut Stream, now: Time, round: Span) -> Time {
    now + Span(u64::from(stream.below(round.as_us().clamp(1, u64::from(u32::MAX)) as u32)))
}
