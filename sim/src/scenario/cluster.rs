//! `[cluster]`: the nodes, what they hold at the start, and the settings of their protocol.

use std::ops::Range;

use heck_core::time::Span;

use super::node_set::{NodeSet, Share};
use super::protocol::Protocol;
use super::read::{default, plain};
use super::section::{choice, section};

choice! {
    /// What the nodes know when a run begins.
    pub enum Start {
        /// Every node holds all members, origins and keys.
        Formed = "formed",
        /// Every node knows the addresses of the others and holds nothing; the first one has origins and keys.
        Cold = "cold",
    }
}

section! {
    "[[cluster.zone]]"
    /// A zone: neighbouring nodes, such as one data centre. Zones take nodes in the order of the file, the first
    /// from index 0. Without any, all nodes are in one zone called `default`.
    pub struct Zone {
        /// Name of the zone.
        name: String = plain(),
        /// How many nodes it has. The shares of all zones must add up to all nodes; fractions are rounded up, and
        /// the last zone takes what is left.
        nodes: Share = plain(),
    }
}

section! {
    "[[cluster.group]]"
    /// A group: nodes that are drawn once per run and can then be named by several faults.
    pub struct Group {
        /// Name of the group.
        name: String = plain(),
        /// Its nodes.
        nodes: NodeSet = plain(),
    }
}

section! {
    "[cluster]"
    /// The fleet, and what it holds when a run begins.
    pub struct Cluster {
        /// Number of nodes.
        nodes: u32 = plain().at_least("1").at_most("10000000"),
        /// How many of them, the last ones, are not there when a run begins. They may join.
        spare: u32 = default("0").at_most("10000000"),
        /// The boot of every node's first life, 1 if not given; each further life counts up by one. Real nodes take milliseconds
        /// since 1970, which are six bytes in a packet where a small number is one.
        first_boot: Option<u64> = plain().at_least("1").at_most("200000000000000"),
        /// What the nodes know when a run begins: the whole state, or nothing.
        start: Start = default("formed"),
        /// Origins in the registry, each with a health entry.
        origins: u32 = default("0").at_most("10000000"),
        /// Keys in the key-value map.
        keys: u32 = default("0").at_most("10000000"),
        /// How long a record needs until it is safe on disk; a crash before that loses it.
        disk_sync: Span = default("1ms"),
        /// Zones.
        zone: Vec<Zone> = plain(),
        /// Groups of nodes that faults can name.
        group: Vec<Group> = plain(),
        /// Settings of the protocol.
        protocol: Protocol = default("{}"),
    }
}

/// A zone with its nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneNodes<'a> {
    /// Name of the zone.
    pub name: &'a str,
    /// Indices of its nodes.
    pub nodes: Range<u32>,
}

impl Cluster {
    /// How many nodes there are when a run begins: all but the spare ones.
    #[must_use]
    pub const fn present(&self) -> u32 {
        self.nodes.saturating_sub(self.spare)
    }

    /// The zones with their nodes; without any in the file, one zone `default` with all nodes.
    #[must_use]
    pub fn zones(&self) -> Vec<ZoneNodes<'_>> {
        let Some((last, before)) = self.zone.split_last() else {
            return vec![ZoneNodes { name: "default", nodes: 0..self.nodes }];
        };
        let mut start = 0_u32;
        let mut zones = Vec::with_capacity(self.zone.len());
        for zone in before {
            let end = start.saturating_add(zone.nodes.of(self.nodes)).min(self.nodes);
            zones.push(ZoneNodes { name: &zone.name, nodes: start..end });
            start = end;
        }
        zones.push(ZoneNodes { name: &last.name, nodes: start..self.nodes });
        zones
    }
}
