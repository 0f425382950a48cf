//! Datagrams, sealed and opened in place.

use super::key::{ID_LEN, KEY_LEN, Key, KeyId};
use super::keyring::Sealer;
use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use std::ops::Range;
use thiserror::Error;
use zeroize::Zeroizing;

/// The version of what is sealed here.
pub(super) const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;
const HEAD_LEN: usize = 1 + ID_LEN;
const BODY_START: usize = HEAD_LEN + NONCE_LEN;
/// Bytes of the authenticator.
pub(super) const TAG_LEN: usize = 16;

/// Bytes that sealing adds to a datagram.
pub const DATAGRAM_OVERHEAD: usize = BODY_START + TAG_LEN;

/// Why something does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SealError {
    /// It is not sealed, or with a key that is not in the keyring.
    #[error("it is not sealed with a key of this cluster")]
    Unknown,
    /// It was sealed for a cluster of another label, or altered since.
    #[error("it was sealed for another cluster or altered")]
    Broken,
}

/// Where in a datagram the opened packet stands.
pub type Opened = Range<usize>;

/// One key's part in sealing and opening datagrams.
#[derive(Clone)]
pub(super) struct DatagramKey {
    cipher: XChaCha20Poly1305,
    /// What is authenticated beside the packet: version and identity, which lead the datagram, and the label.
    associated: Vec<u8>,
}

impl DatagramKey {
    pub(super) fn new(key: &Key, label: &[u8]) -> Self {
        let cipher = XChaCha20Poly1305::new((&*key.datagram_key()).into());
        let associated = [&[VERSION], key.id().0.as_slice(), label].concat();
        Self { cipher, associated }
    }
}

/// Seals and opens the datagrams of one socket; keeps random numbers for the next nonces.
#[derive(Debug)]
pub struct Datagrams {
    nonces: Zeroizing<[u8; NONCE_LEN * NONCES]>,
    used: usize,
}

/// Nonces that are drawn together: asking the system for each costs more than sealing does.
const NONCES: usize = 64;

impl Default for Datagrams {
    fn default() -> Self {
        Self { nonces: Zeroizing::new([0; NONCE_LEN * NONCES]), used: NONCES }
    }
}

/// The system gave no random numbers for a nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the system gives no random numbers")]
pub struct NotSealed;

impl Datagrams {
    /// Makes room for the head of a datagram; the packet is to be appended.
    pub fn begin(bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.resize(BODY_START, 0);
    }

    /// Seals the packet that was appended after [`Self::begin`].
    ///
    /// # Errors
    /// When the system gives no random numbers; what stands in `bytes` must not be sent.
    ///
    /// # Panics
    /// When nothing was begun, and for a packet of 256 GiB.
    pub fn seal(&mut self, sealer: &Sealer, bytes: &mut Vec<u8>) -> Result<(), NotSealed> {
        let nonce = self.nonce()?;
        let key = &sealer.datagrams;
        bytes[..HEAD_LEN].copy_from_slice(&key.associated[..HEAD_LEN]);
        bytes[HEAD_LEN..BODY_START].copy_from_slice(&nonce);
        let body = &mut bytes[BODY_START..];
        let tag = key
            .cipher
            .encrypt_inout_detached(&XNonce::from(nonce), &key.associated, body.into())
            .expect("a datagram is far below the 256 GiB that a cipher takes");
        bytes.extend_from_slice(&tag);
        Ok(())
    }

    fn nonce(&mut self) -> Result<[u8; NONCE_LEN], NotSealed> {
        if self.used == NONCES {
            getrandom::fill(self.nonces.as_mut_slice()).map_err(|_| NotSealed)?;
            self.used = 0;
        }
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&self.nonces[self.used * NONCE_LEN..][..NONCE_LEN]);
        self.used += 1;
        Ok(nonce)
    }
}

/// The identity of the key that a datagram says it is sealed with.
fn key_of(bytes: &[u8]) -> Option<KeyId> {
    let (&version, rest) = bytes.split_first()?;
    let id = rest.first_chunk::<ID_LEN>()?;
    (version == VERSION && bytes.len() >= DATAGRAM_OVERHEAD).then_some(KeyId(*id))
}

/// Opens a datagram in place with whichever of `sealers` it was sealed by.
pub(super) fn open(sealers: &[Sealer], bytes: &mut [u8]) -> Result<Opened, SealError> {
    let id = key_of(bytes).ok_or(SealError::Unknown)?;
    let sealer = sealers.iter().find(|sealer| sealer.id == id).ok_or(SealError::Unknown)?;
    let key = &sealer.datagrams;
    let body_end = bytes.len() - TAG_LEN;
    let (head, rest) = bytes.split_at_mut(BODY_START);
    let (body, tag) = rest.split_at_mut(body_end - BODY_START);
    let (Ok(nonce), Ok(tag)) = (XNonce::try_from(&head[HEAD_LEN..]), Tag::try_from(&*tag)) else {
        return Err(SealError::Unknown);
    };
    key.cipher
        .decrypt_inout_detached(&nonce, &key.associated, body.into(), &tag)
        .map_err(|_| SealError::Broken)?;
    Ok(BODY_START..body_end)
}

/// The length of a derived key is that of a key.
const _: () = assert!(KEY_LEN == 32 && DATAGRAM_OVERHEAD == 48);

#[cfg(test)]
mod tests {
    use super::super::keyring::Keyring;
    use super::super::keys::Keys;
    use super::*;
    use heck_core::id::Name;
    use proptest::prelude::*;

    fn ring(key: &Key, label: &str) -> Keyring {
        Keyring::new(Keys::new(key.clone()), &Name::new(label).unwrap(), None)
    }

    fn sealed(ring: &Keyring, packet: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Datagrams::begin(&mut bytes);
        bytes.extend_from_slice(packet);
        Datagrams::default().seal(ring.sealers().first(), &mut bytes).unwrap();
        bytes
    }

    fn opened(ring: &Keyring, mut bytes: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let range = ring.sealers().open(&mut bytes)?;
        Ok(bytes[range].to_vec())
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_to_the_same_and_is_48_bytes_longer(packet in proptest::collection::vec(any::<u8>(), 0..1_400)) {
            let ring = ring(&Key::generate().unwrap(), "c");
            let bytes = sealed(&ring, &packet);
            prop_assert_eq!(bytes.len(), packet.len() + DATAGRAM_OVERHEAD);
            prop_assert_eq!(opened(&ring, bytes), Ok(packet));
        }

        #[test]
        fn no_altered_or_cut_datagram_opens(at in 0..148_usize, flip in 1..=u8::MAX) {
            let ring = ring(&Key::generate().unwrap(), "c");
            let mut bytes = sealed(&ring, &[7; 100]);
            prop_assert!(opened(&ring, bytes[..at].to_vec()).is_err());
            bytes[at] ^= flip;
            prop_assert!(opened(&ring, bytes).is_err());
        }

        #[test]
        fn noise_never_opens(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(opened(&ring(&Key::generate().unwrap(), "c"), bytes), Err(SealError::Unknown));
        }
    }

    #[test]
    fn another_key_is_unknown_and_another_label_does_not_open() {
        let key = Key::generate().unwrap();
        let bytes = sealed(&ring(&key, "c"), b"packet");
        assert_eq!(opened(&ring(&Key::generate().unwrap(), "c"), bytes.clone()), Err(SealError::Unknown));
        assert_eq!(opened(&ring(&key, "d"), bytes.clone()), Err(SealError::Broken));
        assert_eq!(opened(&ring(&key, "c"), bytes).as_deref(), Ok(&b"packet"[..]));
    }

    /// Nodes of earlier builds seal like this: these bytes never change. Another way to seal is another [`VERSION`].
    #[test]
    fn what_was_sealed_by_an_earlier_build_opens() {
        const SEALED: &str = "011bf182ad32328743402b1db5a6663b692f6be5425955a85de8f38ffc72d53ebeffb60cbcbfd07d\
            3ab897ad8e4464e83869b05fcd8c";
        let key = Key::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let ring = ring(&key, "heck");
        assert_eq!(opened(&ring, crate::hex::bytes(SEALED)).as_deref(), Ok(&b"packet"[..]));
        assert_eq!(sealed(&ring, b"packet")[..HEAD_LEN], crate::hex::bytes(SEALED)[..HEAD_LEN]);
    }

    #[test]
    fn no_nonce_comes_twice() {
        let mut datagrams = Datagrams::default();
        let nonces: std::collections::BTreeSet<_> = (0..1_000).map(|_| datagrams.nonce().unwrap()).collect();
        assert_eq!(nonces.len(), 1_000);
    }

    #[test]
    fn sealing_and_opening_allocate_nothing_once_warm() {
        let ring = ring(&Key::generate().unwrap(), "c");
        let sealers = ring.sealers();
        let (mut datagrams, mut bytes) = (Datagrams::default(), Vec::new());
        let mut both = || {
            Datagrams::begin(&mut bytes);
            bytes.extend_from_slice(&[7; 1_352]);
            datagrams.seal(sealers.first(), &mut bytes).unwrap();
            assert_eq!(sealers.open(&mut bytes), Ok(32..1_384));
        };
        both();
        let counted = allocation_counter::measure(|| (0..200).for_each(|_| both()));
        assert_eq!(counted.count_total, 0);
    }
}
