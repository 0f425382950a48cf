//! The network: what becomes of a datagram between two nodes.
//!
//! A datagram passes, in this order: the MTU, the sender's uplink, the link rules (partitions), the loss of
//! the path between the two zones, bursts. What remains arrives after the latency, perhaps out of order,
//! perhaps twice. "50 % loss" therefore means each datagram, in each direction, independently: a round trip
//! succeeds with 25 %.

use super::draw::{Dice, Draw, Purpose, Ratio};
use super::latency::Latency;
use super::link::{LinkRule, LinkRules, RuleId};
use super::loss::{Bursts, GilbertElliott};
use super::uplink::{Backlog, Uplink};

/// The way from one zone to another, in this direction.
#[derive(Clone, PartialEq, Debug)]
pub struct Path {
    /// One-way latency.
    pub latency: Latency,
    /// Probability that a datagram is lost, each independently (Bernoulli).
    pub loss: Ratio,
    /// Bursts that it is exposed to as well; see [`Network::add_bursts`].
    pub bursts: Option<BurstsId>,
    /// Probability that a datagram arrives twice, the second time after a latency of its own.
    pub duplicate: Ratio,
    /// Probability that a datagram is held back by `reorder_delay_us`, so that later ones overtake it. Latency
    /// that varies reorders by itself.
    pub reorder: Ratio,
    /// How long such a datagram is held back.
    pub reorder_delay_us: u64,
}

impl Path {
    /// A path that only takes time.
    #[must_use]
    pub const fn perfect(latency: Latency) -> Self {
        Self {
            latency,
            loss: Ratio::NEVER,
            bursts: None,
            duplicate: Ratio::NEVER,
            reorder: Ratio::NEVER,
            reorder_delay_us: 0,
        }
    }

    /// The same path with Bernoulli loss.
    #[must_use]
    pub fn with_loss(self, loss: Ratio) -> Self {
        Self { loss, ..self }
    }
}

/// Names a model of bursts that a network knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BurstsId(usize);

/// What became of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fate {
    /// When it arrives, from now; `None` if it is lost.
    pub delay_us: Option<u64>,
    /// When it arrives a second time.
    pub duplicate_delay_us: Option<u64>,
}

impl Fate {
    const LOST: Self = Self { delay_us: None, duplicate_delay_us: None };
}

/// What the network did so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Losses {
    /// Lost on the path or to a link rule of partial loss.
    pub lost: u64,
    /// Stopped by a link rule that severs.
    pub severed: u64,
    /// Lost in a burst.
    pub burst: u64,
    /// Dropped by a full uplink queue.
    pub queue: u64,
    /// Longer than the MTU.
    pub oversize: u64,
    /// Delivered twice (not a loss).
    pub duplicated: u64,
}

/// Indices of the random words that a datagram's fate reads; bursts read 4 and 5.
const WORD_LOSS: u32 = 0;
const WORD_LATENCY: u32 = 1;
const WORD_REORDER: u32 = 2;
const WORD_DUPLICATE: u32 = 3;
const WORD_DUPLICATE_LATENCY: u32 = 6;

/// Longer UDP payloads than this do not exist.
pub const MTU_MAX_BYTES: u32 = 65_507;

/// The network between all nodes. Everything about it can be changed while the world runs.
#[derive(Debug)]
pub struct Network {
    dice: Dice,
    zones: u16,
    /// The zone of each node; apart from the rest of a node's state, because each datagram asks for the zone of a
    /// node that is not at hand. Stays empty while there is one zone.
    zone_of: Vec<u16>,
    /// Row by row, the sender's zone first.
    paths: Vec<Path>,
    mtu_bytes: u32,
    bursts: Vec<Bursts>,
    rules: LinkRules,
    rules_active: u32,
    uplinks: Option<Uplinks>,
    losses: Losses,
}

/// Rates and queues of all nodes' uplinks, by node.
#[derive(Debug)]
struct Uplinks {
    common: Option<Uplink>,
    nodes: Vec<(Option<Uplink>, Backlog)>,
}

impl Network {
    /// `zones` zones (at least one) with the same path between all of them, no bursts, no rules, unlimited
    /// uplinks and the greatest MTU.
    #[must_use]
    pub fn uniform(zones: u16, path: &Path) -> Self {
        let zones = zones.max(1);
        Self {
            dice: Dice::new(heck_core::rng::Seed(0)),
            zones,
            zone_of: Vec::new(),
            paths: vec![path.clone(); usize::from(zones) * usize::from(zones)],
            mtu_bytes: MTU_MAX_BYTES,
            bursts: Vec::new(),
            rules: LinkRules::default(),
            rules_active: 0,
            uplinks: None,
            losses: Losses::default(),
        }
    }

    /// Takes its randomness from these dice.
    pub(super) const fn use_dice(&mut self, dice: Dice) {
        self.dice = dice;
    }

    /// How many zones there are.
    #[must_use]
    pub const fn zones(&self) -> u16 {
        self.zones
    }

    /// Puts the node that was added last into a zone.
    pub(super) fn add_node(&mut self, zone: u16) {
        if self.zones > 1 {
            self.zone_of.push(zone);
        }
    }

    #[inline]
    fn index_between(&self, from: u32, to: u32) -> usize {
        if self.zones == 1 {
            return 0;
        }
        let zone_of = |node: u32| self.zone_of.get(node as usize).copied().unwrap_or(0);
        self.path_index(zone_of(from), zone_of(to))
    }

    /// The way from one node to another.
    #[must_use]
    pub fn path_between(&self, from: u32, to: u32) -> &Path {
        &self.paths[self.index_between(from, to)]
    }

    /// The way from one zone to another; zones that do not exist count as the last.
    #[must_use]
    pub fn path(&self, from_zone: u16, to_zone: u16) -> &Path {
        &self.paths[self.path_index(from_zone, to_zone)]
    }

    /// The same, to change it.
    pub fn path_mut(&mut self, from_zone: u16, to_zone: u16) -> &mut Path {
        let index = self.path_index(from_zone, to_zone);
        &mut self.paths[index]
    }

    #[inline]
    fn path_index(&self, from_zone: u16, to_zone: u16) -> usize {
        let last = self.zones - 1;
        usize::from(from_zone.min(last)) * usize::from(self.zones) + usize::from(to_zone.min(last))
    }

    /// Drops datagrams longer than this.
    pub const fn set_mtu(&mut self, mtu_bytes: u32) {
        self.mtu_bytes = mtu_bytes;
    }

    /// Makes a model of bursts known, for paths to name. Paths that name the same one share its channels: a sender
    /// in a bad spell is then bad on all of them.
    pub fn add_bursts(&mut self, model: GilbertElliott) -> BurstsId {
        self.bursts.push(Bursts::new(model));
        BurstsId(self.bursts.len() - 1)
    }

    /// The same change to the paths between all zones.
    pub fn each_path(&mut self, change: impl FnMut(&mut Path)) {
        self.paths.iter_mut().for_each(change);
    }

    /// Limits every node's uplink that has no limit of its own; `None` for unlimited.
    pub fn set_uplinks(&mut self, uplink: Option<Uplink>) {
        self.uplinks_mut().common = uplink;
    }

    /// Limits one node's uplink.
    pub fn set_uplink(&mut self, node: u32, uplink: Uplink) {
        self.uplinks_mut().node_mut(node).0 = Some(uplink);
    }

    fn uplinks_mut(&mut self) -> &mut Uplinks {
        self.uplinks.get_or_insert_with(|| Uplinks { common: None, nodes: Vec::new() })
    }

    /// Installs a rule about links, such as a partition.
    pub fn install(&mut self, rule: LinkRule) -> RuleId {
        self.rules_active += 1;
        self.rules.install(rule)
    }

    /// Removes a rule; false if it was removed before.
    pub fn remove(&mut self, id: RuleId) -> bool {
        let removed = self.rules.remove(id);
        self.rules_active -= u32::from(removed);
        removed
    }

    /// What was lost so far, and why.
    #[must_use]
    pub const fn losses(&self) -> Losses {
        self.losses
    }

    /// Decides the fate of the sender's `number`-th datagram.
    #[inline]
    pub(super) fn route(&mut self, now_us: u64, from: u32, to: u32, len_bytes: u32, number: u64) -> Fate {
        if len_bytes > self.mtu_bytes {
            self.losses.oversize += 1;
            return Fate::LOST;
        }
        let mut draw = self.dice.draw(Purpose::Datagram, from, number);
        let Some(delay_us) = self.transmit(now_us, from, to, len_bytes, &mut draw) else {
            return Fate::LOST;
        };
        let path = self.path_between(from, to);
        let mut duplicate_delay_us = None;
        if path.duplicate.happens(draw.word(WORD_DUPLICATE)) {
            duplicate_delay_us = Some(path.latency.sample_us(draw.word(WORD_DUPLICATE_LATENCY)));
            self.losses.duplicated += 1;
        }
        Fate { delay_us: Some(delay_us), duplicate_delay_us }
    }

    /// Sends one datagram or segment: when it arrives, from now, or `None` if it does not.
    #[inline]
    pub(super) fn transmit(
        &mut self,
        now_us: u64,
        from: u32,
        to: u32,
        len_bytes: u32,
        draw: &mut Draw,
    ) -> Option<u64> {
        let mut delay_us = match &mut self.uplinks {
            None => 0,
            Some(uplinks) => {
                let sent = uplinks.send(from, now_us, len_bytes);
                self.losses.queue += u64::from(sent.is_none());
                sent?
            }
        };
        let path = &self.paths[self.index_between(from, to)];
        let mut loss = path.loss;
        if self.rules_active > 0 {
            let effect = self.rules.effect(from, to);
            if effect.loss == Ratio::ALWAYS {
                self.losses.severed += 1;
                return None;
            }
            loss = loss.or(effect.loss);
            delay_us = effect.extra_delay_us.saturating_add(delay_us);
        }
        if loss.happens(draw.word(WORD_LOSS)) {
            self.losses.lost += 1;
            return None;
        }
        if let Some(BurstsId(index)) = path.bursts
            && let Some(bursts) = self.bursts.get_mut(index)
            && bursts.loses(now_us, from, to, draw)
        {
            self.losses.burst += 1;
            return None;
        }
        delay_us = path.latency.sample_us(draw.word(WORD_LATENCY)).saturating_add(delay_us);
        if path.reorder.happens(draw.word(WORD_REORDER)) {
            delay_us = delay_us.saturating_add(path.reorder_delay_us);
        }
        Some(delay_us)
    }
}

impl Uplinks {
    fn node_mut(&mut self, node: u32) -> &mut (Option<Uplink>, Backlog) {
        let index = node as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, (None, Backlog::default()));
        }
        &mut self.nodes[index]
    }

    fn send(&mut self, node: u32, now_us: u64, len_bytes: u32) -> Option<u64> {
        let common = self.common;
        let (own, backlog) = self.node_mut(node);
        match own.or(common) {
            None => Some(0),
            Some(uplink) => backlog.send(uplink, now_us, len_bytes),
        }
    }
}
