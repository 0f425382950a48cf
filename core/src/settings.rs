//! The settings that all nodes must share to agree about owners, and a number that shows whether they do.

use crate::entry::Scope;
use crate::hash::name_hash;
use crate::id::Name;
use smallvec::SmallVec;

/// Which hash, score and order rendezvous hashing uses. A change of any of them takes the next number, so that two
/// versions of heck which would disagree about owners can be seen to.
pub const HASH_VERSION: u16 = 1;

/// How much of the work a node takes, relative to the others. 0 takes none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Weight(pub u16);

impl Weight {
    /// What a node has unless it is set: room for lesser and for greater ones.
    pub const DEFAULT: Self = Self(100);
}

impl Default for Weight {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Among whom an origin has one owner.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Scoping {
    /// One owner in the whole cluster.
    #[default]
    Cluster = 0,
    /// One owner in each zone; nodes without a zone form one together.
    Zones = 1,
}

impl Scoping {
    /// The scope in which a node of this zone owns and looks up owners.
    #[must_use]
    pub const fn scope(self, zone: Scope) -> Scope {
        match self {
            Self::Cluster => Scope::CLUSTER,
            Self::Zones => zone,
        }
    }
}

/// What decides about ownership beside the members.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Settings {
    /// Among whom an origin has one owner.
    pub scoping: Scoping,
    /// How many nodes are asked to confirm that an origin is down. 2 unless set.
    pub confirmers: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { scoping: Scoping::Cluster, confirmers: 2 }
    }
}

impl Settings {
    /// The fingerprint of the default settings of [`HASH_VERSION`] 1, weights aside. A member that says nothing of its
    /// settings has these.
    pub const USUAL: u64 = 0xBA1C_2FAC_8310_FD3D;

    /// A number that two nodes share when they agree about [`HASH_VERSION`], scoping, number of confirmers and
    /// the weights of nodes: `xxh3_64(version as u16 ‖ scoping as u8 ‖ confirmers as u8)` plus, modulo 2^64, for
    /// each node that has another than the default weight `xxh3_64(weight as u16 ‖ name)`, all little-endian.
    ///
    /// A node of the default weight leaves no trace, so where no weight is set the number does not change as
    /// nodes come and go; otherwise it can differ for as long as two views of the members do.
    #[must_use]
    pub fn fingerprint<'a>(&self, weights: impl IntoIterator<Item = (&'a Name, Weight)>) -> u64 {
        let [low, high] = HASH_VERSION.to_le_bytes();
        let settings = name_hash(&[low, high, self.scoping as u8, self.confirmers]);
        let set = weights.into_iter().filter(|(_, weight)| *weight != Weight::DEFAULT);
        set.fold(settings, |sum, (name, weight)| {
            let mut bytes: SmallVec<[u8; 256]> = SmallVec::from_slice(&weight.0.to_le_bytes());
            bytes.extend_from_slice(name.as_str().as_bytes());
            sum.wrapping_add(name_hash(&bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_fingerprint_is_that_of_the_defaults() {
        assert_eq!(Settings::default().fingerprint([]), Settings::USUAL);
    }
}
