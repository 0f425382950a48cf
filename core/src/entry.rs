//! What a dot stands for: the entries of the five stores.

use crate::codec::{self, NUMBER_LIMIT, Reader, Sink as _};
use crate::id::{Boot, Dot, Lane, Name, Shard, Store, Writer};
use crate::policy::Policy;
use crate::probe::Reply;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// Largest value of a key and largest payload of a message, in bytes. Larger ones are refused.
pub const VALUE_LIMIT: usize = 64 * 1024;
/// Longest check target of an origin, in bytes.
pub const TARGET_LIMIT: usize = 2_048;
/// How many concurrent entries one write can supersede by name; more stay until the next write.
pub const SUPERSEDES_LIMIT: usize = 64;

/// How many bytes a later version can append to an entry. An entry with more is refused.
pub const APPENDED_LIMIT: usize = 1_024;

/// Longest note that a driver may give along with a write, in bytes.
pub const NOTE_LIMIT: usize = 64;

/// Of how many lives a fence says how much was seen of them; of older ones all counts as seen.
pub const LIVES_LIMIT: usize = 16;

/// Whether an origin is to be checked and used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Admin {
    /// Checked, and used when healthy.
    #[default]
    Enabled = 0,
    /// Checked, but new traffic should go elsewhere.
    Draining = 1,
    /// Neither checked nor used.
    Disabled = 2,
}

/// An origin as its operator describes it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct OriginSpec {
    /// What to probe, such as `http://10.0.0.7:8080/healthz`; at most [`TARGET_LIMIT`] bytes.
    pub target: Arc<str>,
    /// What the operator wants.
    pub admin: Admin,
    /// How it is to be checked.
    pub policy: Arc<Policy>,
}

impl OriginSpec {
    /// A target that is enabled and checked as is usual.
    #[must_use]
    pub fn new(target: &str) -> Self {
        Self { target: target.into(), admin: Admin::Enabled, policy: Arc::default() }
    }

    /// The same, checked in another way.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(Arc::make_mut(&mut self.policy));
        self
    }
}

/// What a check found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum HealthState {
    /// Nobody has said yet.
    #[default]
    Unknown = 0,
    /// Answers as it should.
    Healthy = 1,
    /// Does not answer as it should.
    Unhealthy = 2,
    /// Answers, but slowly or asking for less.
    Degraded = 3,
    /// Taken out of use by its operator.
    Draining = 4,
}

impl HealthState {
    /// All there are.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Healthy, Self::Unhealthy, Self::Degraded, Self::Draining];

    /// What people and programs call it, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
        }
    }
}

/// Who was asked about an origin that is unhealthy, and what they said.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Confirmation {
    /// How many were asked.
    pub asked: u8,
    /// How many answered in time.
    pub answered: u8,
    /// How many of those found it down as well.
    pub agreed: u8,
}

/// Whether the writer of a claim vouches for it with its heartbeats.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Hold {
    /// Checked on schedule: the writer's heartbeat keeps the claim fresh.
    #[default]
    Held = 0,
    /// The writer is behind with its checks: the state is the last one it found.
    Late = 1,
    /// The writer no longer checks this origin.
    Released = 2,
}

/// Where a claim holds: 0 is the whole cluster, otherwise the hash of a zone's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Scope(pub u64);

impl Scope {
    /// The whole cluster.
    pub const CLUSTER: Self = Self(0);
    /// What nodes without a zone have in common: the hash of the empty name, which no zone has.
    pub const NO_ZONE: Self = Self(0x2D06_8005_38D3_94C2);

    /// The scope of a zone: the xxh3-64 of its name.
    #[must_use]
    pub fn of_zone(zone: &Name) -> Self {
        Self(zone.hash().max(1))
    }
}

/// What orders two claims for one origin: a total order that reads neither a clock nor a view of members.
///
/// The current owner claims with the greatest epoch it saw plus one. The rank is the unweighted rendezvous
/// hash of writer and origin, so a change of weights never reorders what is stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Ballot {
    /// How often the origin changed hands.
    pub epoch: u64,
    /// The writer's unweighted rendezvous hash for the origin; the greater one wins.
    pub rank: u64,
    /// Who claims.
    pub writer: Writer,
    /// How many claims this writer made in this epoch.
    pub sequence: u64,
}

/// What a node says of an origin.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Claim {
    /// Where the claim holds.
    pub scope: Scope,
    /// Of which origin.
    pub origin: Name,
    /// Which life of the origin's entry, by the writer and counter of its dot in the registry.
    pub generation: Minted,
    /// Its place in the order of claims.
    pub ballot: Ballot,
    /// Whether the writer vouches for it.
    pub hold: Hold,
    /// What was found.
    pub state: HealthState,
    /// What was found before, so that an origin which changes hands never flashes to unknown.
    pub previous: HealthState,
    /// When `state` began, by the clock of the writer that saw it begin. For display only.
    pub since: Time,
    /// What confirmers said when it became unhealthy; zeros in any other state.
    pub confirmation: Confirmation,
    /// The answer that made it so: the last bad one of an unhealthy origin, the last slow one of a degraded one. None in
    /// any other state, and where somebody beside the node found it.
    pub cause: Option<Reply>,
}

/// A dot whose shard and store the context tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Minted {
    /// Who minted it.
    pub writer: Writer,
    /// Which of the writer's in its lane.
    pub counter: u64,
}

impl Minted {
    /// The dot, given where it lives.
    #[must_use]
    pub const fn dot(self, shard: Shard, store: Store) -> Dot {
        Dot { lane: Lane { shard, store, writer: self.writer }, counter: self.counter }
    }
}

impl From<Dot> for Minted {
    fn from(dot: Dot) -> Self {
        Self { writer: dot.lane.writer, counter: dot.counter }
    }
}

/// The entries of one name that are live together, each by its dot.
pub type Versions = SmallVec<[Minted; 1]>;

/// An entry that a write saw and replaces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Replaced {
    /// Its dot.
    pub minted: Minted,
    /// Its serial: whoever hears only of the write that replaced it still learns how much its writer wrote.
    pub serial: u64,
}

impl From<&Entry> for Replaced {
    fn from(entry: &Entry) -> Self {
        Self { minted: entry.dot.into(), serial: entry.serial }
    }
}

/// The entries of one name that a write saw and replaces.
pub type Superseded = SmallVec<[Replaced; 1]>;

/// Says that every dot of the writer's node in lives up to `boot` counts as seen. It counts only where that is so.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Fence {
    /// The last of the lives that are over.
    pub boot: Boot,
    /// How much of the last [`LIVES_LIMIT`] of those lives the writer had seen, in rising order.
    pub covered: Vec<Covered>,
}

/// How much of one past life the writer of a fence had seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Covered {
    /// Which life.
    pub boot: Boot,
    /// The greatest serials in registry, keys, health and log.
    pub serials: [u64; 4],
}

impl Fence {
    /// Up to which serial the writer had seen everything of a life in a store.
    #[must_use]
    pub fn covers(&self, boot: Boot, store: Store) -> u64 {
        match self.covered.iter().find(|covered| covered.boot >= boot) {
            Some(covered) if covered.boot == boot => {
                covered.serials.get(store as usize).copied().unwrap_or(NUMBER_LIMIT)
            }
            // Any other life is one that it never heard of, or one so old that it no longer tells of it.
            _ => {
                let is_old = self.covered.first().is_some_and(|first| boot < first.boot);
                if is_old && self.covered.len() == LIVES_LIMIT { NUMBER_LIMIT } else { 0 }
            }
        }
    }
}

/// The content of an entry.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Body {
    /// An origin, added or edited.
    Origin {
        /// Its name.
        name: Name,
        /// How to check it.
        spec: OriginSpec,
        /// Which file or interface it came from; reloading a source touches only its own.
        source: Name,
    },
    /// An origin, removed.
    OriginRemoved {
        /// Its name.
        name: Name,
    },
    /// A key, written.
    Key {
        /// The key.
        name: Name,
        /// At most [`VALUE_LIMIT`] bytes.
        value: Arc<[u8]>,
    },
    /// A key, deleted.
    KeyDeleted {
        /// The key.
        name: Name,
    },
    /// A health claim.
    Claim(Claim),
    /// A message.
    Message {
        /// What it is about.
        topic: Name,
        /// At most [`VALUE_LIMIT`] bytes.
        payload: Arc<[u8]>,
    },
    /// The writer's past lives are over.
    Fence(Arc<Fence>),
}

impl Body {
    /// The store that holds such content.
    #[must_use]
    pub const fn store(&self) -> Store {
        match self {
            Self::Origin { .. } | Self::OriginRemoved { .. } => Store::Registry,
            Self::Key { .. } | Self::KeyDeleted { .. } => Store::Keys,
            Self::Claim(_) => Store::Health,
            Self::Message { .. } => Store::Log,
            Self::Fence(_) => Store::Fence,
        }
    }

    /// The shard that must hold such content when `writer` mints it.
    #[must_use]
    pub fn shard(&self, writer: Writer) -> Shard {
        match self {
            Self::Origin { name, .. }
            | Self::OriginRemoved { name }
            | Self::Key { name, .. }
            | Self::KeyDeleted { name }
            | Self::Claim(Claim { origin: name, .. }) => Shard::of_name(name),
            Self::Message { .. } | Self::Fence(_) => Shard::of_node(writer.node),
        }
    }

    /// The name that an origin or key is stored under; none for claims, messages and fences.
    #[must_use]
    pub const fn map_name(&self) -> Option<&Name> {
        match self {
            Self::Origin { name, .. }
            | Self::OriginRemoved { name }
            | Self::Key { name, .. }
            | Self::KeyDeleted { name } => Some(name),
            Self::Claim(_) | Self::Message { .. } | Self::Fence(_) => None,
        }
    }

    /// Whether the entry itself takes something out and leaves nothing live.
    #[must_use]
    pub const fn is_removal(&self) -> bool {
        matches!(self, Self::OriginRemoved { .. } | Self::KeyDeleted { .. })
    }
}

/// A dot with its content: the unit that is written, sent, stored and superseded. Immutable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// Which event this is.
    pub dot: Dot,
    /// The how-manieth entry of this writer in this store, over all shards, from 1. A jump shows a gap.
    pub serial: u64,
    /// The dots of the same name that it replaces.
    pub supersedes: Superseded,
    /// The content.
    pub body: Body,
    /// The note, and what a later version appended behind it, as on the wire.
    appended: Box<[u8]>,
    wire_len: u32,
}

impl Entry {
    /// Puts an entry together; shard and store follow from writer and body.
    #[must_use]
    pub fn new(writer: Writer, counter: u64, serial: u64, supersedes: Superseded, body: Body) -> Self {
        let lane = Lane { shard: body.shard(writer), store: body.store(), writer };
        let dot = Dot { lane, counter };
        let mut entry = Self { dot, serial, supersedes, body, appended: Box::default(), wire_len: 0 };
        entry.wire_len = codec::entry_len(&entry);
        entry
    }

    /// The same with what a later version appended.
    #[must_use]
    pub(crate) fn with_appended(mut self, appended: &[u8]) -> Self {
        self.appended = appended.into();
        self.wire_len = codec::entry_len(&self);
        self
    }

    /// The same with a note of the driver that wrote it, of [`NOTE_LIMIT`] bytes at most. An empty one takes no room.
    #[must_use]
    pub fn with_note(self, note: &[u8]) -> Self {
        if note.is_empty() {
            return self;
        }
        let mut appended = Vec::with_capacity(1 + note.len());
        appended.blob(note);
        self.with_appended(&appended)
    }

    /// What the driver that wrote the entry gave along for drivers elsewhere; empty where there is none. The protocol
    /// never looks at it. Claims and fences, which nodes write by themselves, have none.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        if self.appended.is_empty() || matches!(self.body, Body::Claim(_) | Body::Fence(_)) {
            return &[];
        }
        let note = Reader::new(&self.appended).blob("note").unwrap_or_default();
        if note.len() > NOTE_LIMIT { &[] } else { note }
    }

    /// A note and what a later version appended. The latter means nothing here and is handed on as it came: else whoever understands it
    /// would hold another entry under this dot than who had it from elsewhere, and nobody would ever find out.
    #[must_use]
    pub const fn appended(&self) -> &[u8] {
        &self.appended
    }

    /// Its encoded size in bytes.
    #[must_use]
    pub const fn wire_len(&self) -> u32 {
        self.wire_len
    }

    /// The dots that it replaces.
    pub fn superseded_dots(&self) -> impl Iterator<Item = Dot> + '_ {
        self.superseded().map(|(dot, _)| dot)
    }

    /// What it replaces: dots and serials.
    pub fn superseded(&self) -> impl Iterator<Item = (Dot, u64)> + '_ {
        let lane = self.dot.lane;
        self.supersedes.iter().map(move |old| (old.minted.dot(lane.shard, lane.store), old.serial))
    }

    /// The claim, if it is one.
    #[must_use]
    pub const fn claim(&self) -> Option<&Claim> {
        match &self.body {
            Body::Claim(claim) => Some(claim),
            _ => None,
        }
    }
}
