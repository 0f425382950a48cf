//! Sealing of gossip: who does not hold a key of the cluster reads nothing and is not listened to.

mod key;
mod keyring;

pub use self::key::{Key, KeyError, KeyId};
pub use self::keyring::{Keys, KeysError};
