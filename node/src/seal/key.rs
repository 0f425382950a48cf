//! One key of a cluster: 32 random bytes, from which everything that seals is derived.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a key.
pub(super) const KEY_LEN: usize = 32;
/// Bytes of a key's identity.
pub(super) const ID_LEN: usize = 7;

/// A key of a cluster. It is never shown by accident: see [`Key::to_text`].
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; KEY_LEN]>);

/// Which key: a number that is derived from it and tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; ID_LEN]);

/// Why a text is no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum KeyError {
    /// The text is something else.
    #[error("a key is 44 characters of base64, as `heck keys generate` prints it")]
    Form,
    /// The system gave no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl Key {
    /// A new key, from the system's random numbers.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        getrandom::fill(bytes.as_mut()).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Reads a key as it is written in a keyring.
    ///
    /// # Errors
    /// When the text is no key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| KeyError::Form)?);
        let bytes: [u8; KEY_LEN] = bytes.as_slice().try_into().map_err(|_| KeyError::Form)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The key itself, as it is written in a keyring: whoever reads it can take part in the cluster.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&self.derive(*b"heck key id             ")[..ID_LEN]);
        KeyId(id)
    }

    pub(super) fn datagram_key(&self) -> Zeroizing<[u8; KEY_LEN]> {
        self.derive(*b"heck datagrams          ")
    }

    pub(super) fn stream_key(&self) -> Zeroizing<[u8; KEY_LEN]> {
        self.derive(*b"heck streams            ")
    }

    /// A key for one purpose: the first bytes of the stream that XChaCha20 makes of this key and of `purpose` as its
    /// nonce. The key itself seals nothing, so that no nonce can be used twice with it.
    fn derive(&self, purpose: [u8; 24]) -> Zeroizing<[u8; KEY_LEN]> {
        derive(&self.0, purpose)
    }
}

/// See [`Key::derive`].
pub(super) fn derive(key: &[u8; KEY_LEN], purpose: [u8; 24]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    let cipher = XChaCha20Poly1305::new(key.into());
    // The tag is of no use here.
    cipher
        .encrypt_inout_detached(&XNonce::from(purpose), &[], bytes.as_mut_slice().into())
        .expect("a key is far below the 256 GiB that a cipher takes");
    bytes
}

impl KeyId {
    /// Reads an identity as it is shown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; ID_LEN];
        if text.len() != 2 * ID_LEN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (index, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key:{self}")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text_and_has_one_identity() {
        let key = Key::generate().unwrap();
        let back = Key::parse(&key.to_text()).unwrap();
        assert_eq!((back.clone(), back.id()), (key.clone(), key.id()));
        assert_ne!(Key::generate().unwrap().id(), key.id());
        assert_eq!(KeyId::parse(&key.id().to_string()), Some(key.id()));
        assert!(!format!("{key:?}").contains(&key.to_text()[..8]));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let key = Key::generate().unwrap().to_text();
        for wrong in ["", "secret", &key[..43], &key[..40], &format!("{}AAAA", &*key)] {
            assert_eq!(Key::parse(wrong), Err(KeyError::Form), "{wrong}");
        }
        assert_eq!(KeyId::parse("zz"), None);
        assert_eq!(KeyId::parse("+1+1+1+1+1+1+1"), None);
    }

    #[test]
    fn identities_do_not_change_between_versions() {
        let key = Key::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        assert_eq!(key.id().to_string(), "1bf182ad323287");
    }
}
