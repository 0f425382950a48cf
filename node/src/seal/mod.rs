//! Sealing of gossip: who does not hold a key of the cluster reads nothing and is not listened to.
//!
//! Everything is sealed by XChaCha20-Poly1305 or ChaCha20-Poly1305 (RFC 8439) under keys that are derived from a key of
//! the cluster, with the cluster's label as authenticated data. Each node opens what any key of its [`Keyring`] sealed,
//! and seals with the first, so that keys change without a moment in which two nodes do not understand each other:
//! install the new one everywhere, use it everywhere, remove the old one everywhere.
//!
//! A datagram is
//! ```text
//! version (1 byte)  identity of the key (7)  nonce (24, random)  sealed packet  tag (16)
//! ```
//! which takes the 48 bytes that the protocol leaves free. One that is sent twice opens twice: packets bear that, as
//! networks double them anyway. A stream has keys of its own, to which both ends add.

mod datagram;
mod key;
mod keyring;
mod keys;
mod session;

pub use self::datagram::{DATAGRAM_OVERHEAD, Datagrams, NotSealed, Opened, SealError};
pub use self::key::{Key, KeyError, KeyId};
pub use self::keyring::{Keyring, Sealer, Sealers, Sealing};
pub use self::keys::{Keys, KeysError};

pub(crate) use self::session::{OFFER_LEN, SALT_LEN, SealedFrames, Session, new_salt, offer, read_offer};
