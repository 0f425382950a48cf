//! The scenario's faults, applied to the world at their times.

use std::collections::BTreeMap;
use std::sync::Arc;

use heck_core::effects::{Phase, Record};
use heck_core::id::Boot;
use heck_core::input::Command;
use heck_core::journal::Snapshot;
use heck_core::mutant::Mutant;
use heck_core::node::Node;
use heck_core::rng::Seed;

use super::conditions::Conditions;
use super::setup::Setup;
use crate::engine::disk::DiskLoss;
use crate::engine::world::World;
use crate::protocol::heck::{Heck, HeckCommand, addr_of};
use crate::scenario::{Disk, Event, EventKind, Scenario};

/// Applies events and remembers what each began.
pub struct Faults<'a> {
    scenario: &'a Scenario,
    setup: &'a Setup,
    seed: Seed,
    conditions: Conditions<'a>,
    /// The life that each node is in, counted from 1.
    lives: Vec<u64>,
    /// What their last crash took from the disks of nodes.
    losses: Vec<DiskLoss>,
    /// Nodes that have lost their disk at some time, and with it what they began with.
    bare: Vec<bool>,
    /// Whose name, and what that one began with, each node has: its own, unless its disk is a copy.
    named: Vec<u32>,
    /// Nodes that were never there, or have left.
    away: Vec<bool>,
    /// Through whom nodes were told to join.
    through: BTreeMap<u32, Vec<u32>>,
}

/// A node has begun a life.
pub struct Begun {
    /// Which.
    pub node: u32,
    /// What its last crash took from its disk.
    pub loss: DiskLoss,
    /// Whose disk it has a copy of.
    pub copy_of: Option<u32>,
}

impl<'a> Faults<'a> {
    /// Nothing has happened yet.
    ///
    /// # Errors
    /// When a distribution of a fault has no values.
    pub fn new(scenario: &'a Scenario, setup: &'a Setup, seed: Seed) -> Result<Self, String> {
        let nodes = setup.names.len();
        Ok(Self {
            scenario,
            setup,
            seed,
            conditions: Conditions::new(scenario)?,
            lives: vec![1; nodes],
            losses: vec![DiskLoss::Nothing; nodes],
            bare: vec![false; nodes],
            named: (0..nodes as u32).collect(),
            through: BTreeMap::new(),
            away: (0..nodes as u32).map(|node| node >= scenario.cluster.present()).collect(),
        })
    }

    /// Whether all who are listed at the start are taken to live for ever.
    pub fn is_fixed(&self) -> bool {
        self.setup.config.membership.is_none()
    }

    /// Lets an event happen now. Gives the nodes that began a new life.
    pub fn apply(&mut self, event: &Event, world: &mut World<Heck>) -> Vec<Begun> {
        match &event.kind {
            EventKind::Crash { nodes, disk } => {
                for &node in nodes {
                    let loss = match disk {
                        Disk::Kept => DiskLoss::Nothing,
                        Disk::Synced => DiskLoss::Unsynced,
                        Disk::Lost => DiskLoss::Everything,
                    };
                    if world.crash(node, loss) {
                        self.losses[node as usize] = loss;
                        self.bare[node as usize] |= loss == DiskLoss::Everything;
                    }
                }
            }
            EventKind::Restart { nodes } => {
                // Whoever left stays away.
                let here = nodes.iter().copied().filter(|&node| !self.away[node as usize]);
                let here: Vec<u32> = here.collect();
                let begun = here.into_iter().filter(|&node| self.restart(node, world));
                let begun: Vec<u32> = begun.collect();
                return begun.into_iter().map(|node| self.begun(node, None)).collect();
            }
            EventKind::Join { .. }
            | EventKind::Leave { .. }
            | EventKind::Stop { .. }
            | EventKind::CopyDisk { .. }
            | EventKind::Weigh { .. } => return self.come_or_go(&event.kind, world),
            _ => self.conditions.apply(event, world),
        }
        Vec::new()
    }

    fn come_or_go(&mut self, kind: &EventKind, world: &mut World<Heck>) -> Vec<Begun> {
        match kind {
            EventKind::Join { node, through } => {
                let is_away = std::mem::take(&mut self.away[*node as usize]);
                self.through.insert(*node, through.clone());
                if is_away && self.restart(*node, world) {
                    return vec![self.begun(*node, None)];
                }
            }
            EventKind::Leave { node } => {
                world.command_at(world.now(), *node, 0, HeckCommand::Client(Command::Leave));
            }
            EventKind::Stop { node } => {
                let is_leaving = |heck: &Heck| heck.node().view().phase() == Phase::Leaving;
                if world.node(*node).is_some_and(is_leaving) && world.crash(*node, DiskLoss::Nothing) {
                    self.losses[*node as usize] = DiskLoss::Nothing;
                    self.away[*node as usize] = true;
                }
            }
            EventKind::CopyDisk { from, to } if world.copy_disk(*from, *to) => {
                self.named[*to as usize] = self.named[*from as usize];
                self.lives[*to as usize] = self.lives[*from as usize];
                self.bare[*to as usize] = self.bare[*from as usize];
                self.away[*to as usize] = false;
                self.losses[*to as usize] = DiskLoss::Unsynced;
                if self.restart(*to, world) {
                    return vec![self.begun(*to, Some(*from))];
                }
            }
            EventKind::Weigh { nodes, weight } => {
                for &node in nodes {
                    let identity = self.setup.identity(self.named[node as usize], node, self.setup.boot(0));
                    let (addr, zone) = (identity.addr, identity.zone);
                    let describe = Command::Describe { addr, zone, weight: *weight };
                    world.command_at(world.now(), node, 0, HeckCommand::Client(describe));
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn begun(&self, node: u32, copy_of: Option<u32>) -> Begun {
        Begun { node, loss: self.losses[node as usize], copy_of }
    }

    /// Starts a node in a new life. With its disk it has what it had at the start of the run and every record
    /// that was synced; without, nothing but the addresses of its peers, and it joins through them. So does a
    /// node that crashed before its first join was complete. False if it is not down.
    fn restart(&mut self, node: u32, world: &mut World<Heck>) -> bool {
        let (setup, index) = (self.setup, node as usize);
        let named = self.named[index];
        let base = if self.bare[index] { &setup.bare } else { setup.base_of(named, &self.scenario.cluster) };
        // A planted bug: the driver forgets that the life it begins was lived before.
        let is_new = !setup.config.planted.is(Mutant::ReuseBoot);
        let life = self.lives[index] + u64::from(is_new);
        let (now, seed) = (world.clock(node), self.seed);
        let restarted = world.restart(node, |records| {
            let records: Vec<Record> = records.iter().map(|(_, record)| record.clone()).collect();
            let snapshot = Snapshot { records };
            // The driver begins a life after all that its disk tells of.
            let stored = snapshot.boot().map_or(Boot(0), |boot| Boot(boot.0 + u64::from(is_new)));
            let identity = setup.identity(named, node, setup.boot(life).max(stored));
            let snapshot = Some(snapshot);
            Heck::new(Node::new(identity, setup.config.clone(), base, snapshot, seed, now))
        });
        if !restarted {
            return false;
        }
        self.lives[index] = life;
        if world.node(node).is_some_and(|heck| heck.node().view().phase() == Phase::Joining) {
            let through = self.through.get(&node);
            let named =
                through.map(|peers| peers.iter().filter(|peer| **peer != node).map(|&peer| addr_of(peer)));
            let peers = match named {
                Some(peers) => peers.collect(),
                None => join_peers(node, self.scenario.cluster.present()),
            };
            world.command_at(world.now(), node, 0, HeckCommand::Client(Command::Join { peers }));
        }
        true
    }
}

/// The addresses that a node without state joins through: the first node and its own neighbours.
#[must_use]
pub fn join_peers(node: u32, nodes: u32) -> Arc<[heck_core::id::Addr]> {
    neighbours(node, nodes).into_iter().map(addr_of).collect()
}

/// Which nodes those are.
#[must_use]
pub fn neighbours(node: u32, nodes: u32) -> Vec<u32> {
    let near = [0, node / 2, (node + 1) % nodes, (node + nodes / 2) % nodes];
    let mut peers: Vec<u32> = near.into_iter().filter(|&peer| peer != node).collect();
    peers.sort_unstable();
    peers.dedup();
    peers
}
