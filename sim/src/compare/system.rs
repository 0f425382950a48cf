//! What the runner needs to know of a system.

use crate::engine::observer::{Commands, Step};
use crate::engine::protocol::Protocol;
use crate::engine::world::World;
use crate::protocol::baseline::Gauge;
use crate::run::RunError;
use crate::run::origins::Origins;
use crate::scenario::Event;

use super::workload::Publication;

/// What a step tells of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// An item has reached it.
    Delivered(u32),
    /// It answers something new of an origin.
    Found {
        /// Which.
        origin: u32,
        /// Whether that is well.
        well: bool,
    },
}

/// A side of the comparison: all nodes of one system.
pub trait Side {
    /// One of them.
    type Node: Protocol;
    /// What is in force of the scenario's faults.
    type Faults<'s>
    where
        Self: 's;

    /// Puts all nodes into a world without any.
    fn populate(&self, world: &mut World<Self::Node>, zones: &[u16]);

    /// Nothing has happened yet.
    ///
    /// # Errors
    /// When a distribution of a fault has no values.
    fn faults(&self) -> Result<Self::Faults<'_>, RunError>;

    /// Lets an event happen now.
    fn apply(&self, faults: &mut Self::Faults<'_>, event: &Event, world: &mut World<Self::Node>);

    /// What a node is told when something is to be published.
    fn publish(&self, publication: &Publication) -> <Self::Node as Protocol>::Command;

    /// What a step tells.
    fn reports(&self, step: &Step<'_, Self::Node>, into: &mut Vec<Report>);

    /// Lets origins answer what a step probes, and notes each origin that is.
    fn probes(
        &self,
        step: &Step<'_, Self::Node>,
        origins: &mut Origins,
        commands: &mut Commands<Self::Node>,
        probed: &mut Vec<u32>,
    );

    /// What is measured of a node.
    fn gauge(&self, node: &Self::Node) -> Gauge;

    /// The item that a client of a node reads under a key.
    fn value(&self, node: &Self::Node, key: u32) -> Option<u32>;

    /// Whether it is a store of keys, whose values can differ.
    fn is_store(&self) -> bool;

    /// Whether a client can ask this node for the health of origins.
    fn answers(&self, node: u32) -> bool;

    /// Bytes that each datagram is longer on the wire.
    fn sealing_bytes(&self) -> u32;
}
