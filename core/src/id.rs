//! Who and what: nodes, their lives, the dots that they mint, and where a key's history lives.

use crate::hash::{mix, name_hash};
use alloc::sync::Arc;
use core::fmt;

/// Longest name of a node, origin, key, topic or source, in bytes.
pub const NAME_LIMIT: usize = 255;

/// A name: non-empty UTF-8 of at most [`NAME_LIMIT`] bytes, shared by reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "recording", serde(try_from = "alloc::string::String"))]
pub struct Name(Arc<str>);

/// Why a text is no [`Name`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// A name has at least one byte.
    Empty,
    /// The text's length in bytes, which is above [`NAME_LIMIT`].
    TooLong(usize),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name must not be empty"),
            Self::TooLong(bytes) => write!(f, "a name has at most {NAME_LIMIT} bytes, this one has {bytes}"),
        }
    }
}

impl core::error::Error for NameError {}

impl Name {
    /// Takes `text` as a name.
    ///
    /// # Errors
    /// When `text` is empty or longer than [`NAME_LIMIT`] bytes.
    pub fn new(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => Err(NameError::Empty),
            1..=NAME_LIMIT => Ok(Self(text.into())),
            bytes => Err(NameError::TooLong(bytes)),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name with eight hex digits behind it; cut where it would become too long.
    #[must_use]
    pub fn with_digits(&self, digits: u32) -> Self {
        let room = NAME_LIMIT - 9;
        let end = (0..=self.0.len().min(room)).rev().find(|&end| self.0.is_char_boundary(end));
        let kept = &self.0[..end.unwrap_or_default()];
        Self(alloc::format!("{kept}-{digits:08x}").into())
    }

    /// xxh3-64 of the name.
    #[must_use]
    pub fn hash(&self) -> u64 {
        name_hash(self.0.as_bytes())
    }
}

/// What a recording holds of a name is held to the same limits.
#[cfg(feature = "recording")]
impl TryFrom<alloc::string::String> for Name {
    type Error = NameError;

    fn try_from(text: alloc::string::String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node, by the xxh3-64 of its name. Ten thousand names collide with probability 3e-12.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeId(pub u64);

impl NodeId {
    /// The identity that goes with a node's name.
    #[must_use]
    pub fn of(name: &Name) -> Self {
        Self(name.hash())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node:{:016x}", self.0)
    }
}

/// One life of a node. A boot is never reused: the driver supplies max(stored + 1, Unix milliseconds).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Boot(pub u64);

/// Who mints dots: a node in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Writer {
    /// The node.
    pub node: NodeId,
    /// Its life.
    pub boot: Boot,
}

/// How many independent parts the replicated state has. See [`Shard`].
pub const SHARDS: usize = 256;

/// A part of the replicated state that is a CRDT of its own.
///
/// A key's whole history lives in the shard that its name hashes to: its adds, edits and removals, and for an
/// origin its health claims too. Whatever supersedes an entry is therefore in the same shard, so a shard that
/// was answered completely can be adopted completely, and health is never adopted before its registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Shard(pub u8);

impl Shard {
    /// The shard that holds `name`.
    #[must_use]
    pub fn of_name(name: &Name) -> Self {
        Self((name.hash() >> 56) as u8)
    }

    /// The shard that holds the messages and the fences of `node`.
    #[must_use]
    pub const fn of_node(node: NodeId) -> Self {
        Self((node.0 >> 56) as u8)
    }
}

/// Which of the replicated collections an entry belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Store {
    /// Origins: an add-wins map from name to configuration.
    Registry = 0,
    /// The key-value store: an add-wins map from name to bytes.
    Keys = 1,
    /// Health claims: the greatest ballot wins.
    Health = 2,
    /// Messages: an append-only log with retention.
    Log = 3,
    /// Fences: past lives of nodes whose dots need no context any more.
    Fence = 4,
}

impl Store {
    /// All stores, in the order in which a shard's state is applied: registry before health.
    pub const ALL: [Self; 5] = [Self::Registry, Self::Keys, Self::Health, Self::Log, Self::Fence];

    /// The store with this number, if there is one.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Registry),
            1 => Some(Self::Keys),
            2 => Some(Self::Health),
            3 => Some(Self::Log),
            4 => Some(Self::Fence),
            _ => None,
        }
    }

    /// Whether a dot of this store that is seen but not live was removed, so that a peer's list of live dots
    /// may remove it here as well. Claims are superseded by ballots and messages expire by local time instead.
    #[must_use]
    pub const fn is_add_wins(self) -> bool {
        matches!(self, Self::Registry | Self::Keys)
    }
}

/// The sequence of dots that one writer mints for one store in one shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Lane {
    /// The part of the state.
    pub shard: Shard,
    /// The collection.
    pub store: Store,
    /// Who mints.
    pub writer: Writer,
}

impl Lane {
    /// Seed of the fingerprints of this lane's dots.
    #[must_use]
    pub const fn fingerprint_seed(&self) -> u64 {
        let place = ((self.shard.0 as u64) << 8) | self.store as u64;
        mix(mix(place, self.writer.node.0), self.writer.boot.0)
    }
}

/// One event in the replicated state: the `counter`-th (from 1) that a writer minted in a lane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Dot {
    /// Whose sequence.
    pub lane: Lane,
    /// Which event of it, from 1.
    pub counter: u64,
}

/// Where a node can be reached: an IPv6 address (IPv4 mapped) and a port. The core only compares and repeats it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Addr {
    /// The address; IPv4 as `::ffff:a.b.c.d`.
    pub ip: [u8; 16],
    /// The port.
    pub port: u16,
}

/// A reliable, ordered byte stream between two nodes, by a number that the driver hands out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct StreamId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn names_are_neither_empty_nor_longer_than_the_limit() {
        assert_eq!(Name::new(""), Err(NameError::Empty));
        let long: String = "x".repeat(256);
        assert_eq!(Name::new(&long), Err(NameError::TooLong(256)));
        assert!(Name::new(&long[..255]).is_ok());
    }

    #[test]
    fn stores_keep_their_numbers() {
        for store in Store::ALL {
            assert_eq!(Store::from_u8(store as u8), Some(store));
        }
        assert_eq!(Store::from_u8(5), None);
    }
}
