//! The keys of a running node, which can be changed while it runs.

use super::datagram::{self, DatagramKey, Opened, SealError};
use super::key::{KEY_LEN, Key, KeyId};
use super::keys::{Keys, KeysError};
use heck_core::id::Name;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Whether a node's gossip is sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sealing {
    /// It is not: whoever can send to the node takes part, and whoever can listen reads.
    Unsealed,
    /// By the keys of this keyring.
    Sealed(Keyring),
}

/// The keys of a running node. Clones are handles to the same keyring: what one changes counts for the next datagram.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    label: Vec<u8>,
    /// The keys as they are on disk. Held while they change, so that changes do not overtake each other.
    keys: Mutex<Keys>,
    path: Option<PathBuf>,
    sealers: watch::Sender<Sealers>,
}

/// What is derived from the keys, the first of which seals.
#[derive(Clone)]
pub struct Sealers(Arc<[Sealer]>);

/// What is derived from one key.
pub struct Sealer {
    pub(super) id: KeyId,
    pub(super) datagrams: DatagramKey,
    pub(super) stream_key: Zeroizing<[u8; KEY_LEN]>,
    pub(super) label: Vec<u8>,
}

impl Keyring {
    /// The keyring of a node in the cluster of this label. Changes are written to `path`, if there is one.
    #[must_use]
    pub fn new(keys: Keys, label: &Name, path: Option<PathBuf>) -> Self {
        let label = label.as_str().as_bytes().to_vec();
        let sealers = watch::Sender::new(Sealers::of(&keys, &label));
        Self(Arc::new(Inner { label, keys: Mutex::new(keys), path, sealers }))
    }

    /// The identities of all keys. The first one seals; all of them open.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.sealers().0.iter().map(|sealer| sealer.id).collect()
    }

    /// Adds a key, which opens from now on. One that is there already changes nothing. Writes to disk: call it where
    /// that may take a moment.
    ///
    /// # Errors
    /// When the keyring is full or cannot be written; nothing changed.
    pub fn install(&self, key: Key) -> Result<KeyId, KeysError> {
        let id = key.id();
        self.change(|keys| keys.with(key))?;
        Ok(id)
    }

    /// Seals with this key from now on; all nodes should have it before. Writes to disk, as [`Self::install`].
    ///
    /// # Errors
    /// When there is no such key, or the keyring cannot be written; nothing changed.
    pub fn use_key(&self, id: KeyId) -> Result<(), KeysError> {
        self.change(|keys| keys.led_by(id))
    }

    /// Opens nothing with this key any more; no node should seal with it. Writes to disk, as [`Self::install`].
    ///
    /// # Errors
    /// When there is no such key, when it seals, or when the keyring cannot be written; nothing changed.
    pub fn remove(&self, id: KeyId) -> Result<(), KeysError> {
        self.change(|keys| keys.without(id))
    }

    fn change(&self, change: impl FnOnce(&Keys) -> Result<Keys, KeysError>) -> Result<(), KeysError> {
        // Keys are replaced whole, so they are good even if a thread died meanwhile.
        let mut keys = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&keys)?;
        if changed == *keys {
            return Ok(());
        }
        if let Some(path) = &self.0.path {
            changed.store(path)?;
        }
        self.0.sealers.send_replace(Sealers::of(&changed, &self.0.label));
        *keys = changed;
        Ok(())
    }

    /// The keys as they are now.
    #[must_use]
    pub fn sealers(&self) -> Sealers {
        self.0.sealers.borrow().clone()
    }

    /// The keys, and how to hear of changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Sealers> {
        self.0.sealers.subscribe()
    }
}

impl PartialEq for Keyring {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Keyring {}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.ids()).finish()
    }
}

impl Sealers {
    fn of(keys: &Keys, label: &[u8]) -> Self {
        let sealer = |key: &Key| Sealer {
            id: key.id(),
            datagrams: DatagramKey::new(key, label),
            stream_key: key.stream_key(),
            label: label.to_vec(),
        };
        Self(keys.as_slice().iter().map(sealer).collect())
    }

    /// The one that seals.
    #[must_use]
    pub fn first(&self) -> &Sealer {
        // A keyring is never empty: keys are made of at least one, and the first is not removed.
        &self.0[0]
    }

    /// The one with this identity.
    pub(crate) fn find(&self, id: KeyId) -> Option<&Sealer> {
        self.0.iter().find(|sealer| sealer.id == id)
    }

    /// Opens a datagram in place.
    ///
    /// # Errors
    /// When no key of these sealed it, or it was sealed for another cluster or altered since.
    pub fn open(&self, bytes: &mut [u8]) -> Result<Opened, SealError> {
        datagram::open(&self.0, bytes)
    }
}

impl Sealer {
    /// The identity of the key.
    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealer").field(&self.id).finish()
    }
}

impl fmt::Debug for Sealers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_installed_used_and_removed_and_each_step_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring");
        let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
        let label = Name::new("c").unwrap();
        let ring = Keyring::new(Keys::new(old.clone()), &label, Some(path.clone()));
        let held = || Keys::load(&path).unwrap().unwrap().0.as_slice().to_vec();
        assert!(matches!(ring.use_key(new.id()), Err(KeysError::Missing(_))));
        assert_eq!(ring.install(new.clone()).unwrap(), new.id());
        assert_eq!(held(), [old.clone(), new.clone()]);
        assert!(matches!(ring.remove(old.id()), Err(KeysError::InUse(_))));
        ring.use_key(new.id()).unwrap();
        assert_eq!((held(), ring.ids()), (vec![new.clone(), old.clone()], vec![new.id(), old.id()]));
        ring.remove(old.id()).unwrap();
        assert_eq!((held(), ring.ids()), (vec![new.clone()], vec![new.id()]));
    }

    #[test]
    fn a_change_that_cannot_be_written_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::generate().unwrap();
        let label = Name::new("c").unwrap();
        let ring = Keyring::new(Keys::new(key.clone()), &label, Some(dir.path().join("gone/keyring")));
        assert!(matches!(ring.install(Key::generate().unwrap()), Err(KeysError::Io { .. })));
        assert_eq!(ring.ids(), [key.id()]);
    }

    #[test]
    fn a_keyring_takes_sixteen_keys() {
        let ring = Keyring::new(Keys::new(Key::generate().unwrap()), &Name::new("c").unwrap(), None);
        for _ in 1..16 {
            ring.install(Key::generate().unwrap()).unwrap();
        }
        assert!(matches!(ring.install(Key::generate().unwrap()), Err(KeysError::Full)));
    }
}
