//! The two keys of one stream, one for each direction, and the frames that they seal.
//!
//! Whoever opens a stream says which key of the cluster it uses and sends a salt; the other end answers with one of its
//! own. Both salts go into the keys, so that nothing of an earlier stream opens in a later one. The nonce is the number
//! of the frame: a frame that is left out, repeated or moved does not open, nor any after it. An empty frame says that
//! this direction ends, so that a stream which was cut short shows.

use super::datagram::{SealError, TAG_LEN, VERSION};
use super::key::{ID_LEN, KEY_LEN, KeyId, derive};
use super::keyring::{Sealer, Sealers};
use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce, Tag};

/// Bytes of a salt.
pub(crate) const SALT_LEN: usize = 24;

/// What one end adds to the keys of a stream.
pub(crate) type Salt = [u8; SALT_LEN];

/// Bytes by which a stream is opened: version, identity of the key, salt.
pub(crate) const OFFER_LEN: usize = 1 + ID_LEN + SALT_LEN;

/// Both directions of a stream.
pub(crate) struct Session {
    /// What this end sends.
    pub(crate) sending: SealedFrames,
    /// What the other end sends.
    pub(crate) receiving: SealedFrames,
}

/// One direction of a stream.
pub(crate) struct SealedFrames {
    cipher: ChaCha20Poly1305,
    label: Vec<u8>,
    number: u64,
}

/// Random numbers for one end of a stream.
pub(crate) fn new_salt() -> Result<Salt, getrandom::Error> {
    let mut salt = [0; SALT_LEN];
    getrandom::fill(&mut salt)?;
    Ok(salt)
}

/// The bytes by which a stream is opened under this key.
pub(crate) fn offer(sealer: &Sealer, salt: &Salt) -> [u8; OFFER_LEN] {
    let mut bytes = [0; OFFER_LEN];
    bytes[0] = VERSION;
    bytes[1..=ID_LEN].copy_from_slice(&sealer.id.0);
    bytes[1 + ID_LEN..].copy_from_slice(salt);
    bytes
}

/// Which key and which salt the opener of a stream offers.
///
/// # Errors
/// When the key is not in the keyring, or the version is not known.
pub(crate) fn read_offer<'a>(
    sealers: &'a Sealers,
    bytes: &[u8; OFFER_LEN],
) -> Result<(&'a Sealer, Salt), SealError> {
    let (mut id, mut salt) = ([0; ID_LEN], [0; SALT_LEN]);
    id.copy_from_slice(&bytes[1..=ID_LEN]);
    salt.copy_from_slice(&bytes[1 + ID_LEN..]);
    let sealer = sealers.find(KeyId(id)).filter(|_| bytes[0] == VERSION);
    sealer.map(|sealer| (sealer, salt)).ok_or(SealError::Unknown)
}

impl Session {
    /// The keys of a stream for the end that opened it, or for the other one.
    pub(crate) fn new(sealer: &Sealer, opener: &Salt, other: &Salt, is_opener: bool) -> Self {
        let both = derive(&derive(&sealer.stream_key, *opener), *other);
        let there = SealedFrames::new(&derive(&both, *b"from the opener         "), &sealer.label);
        let back = SealedFrames::new(&derive(&both, *b"to the opener           "), &sealer.label);
        let (sending, receiving) = if is_opener { (there, back) } else { (back, there) };
        Self { sending, receiving }
    }
}

impl SealedFrames {
    fn new(key: &[u8; KEY_LEN], label: &[u8]) -> Self {
        Self { cipher: ChaCha20Poly1305::new(key.into()), label: label.to_vec(), number: 0 }
    }

    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.number.to_le_bytes());
        self.number += 1;
        nonce.into()
    }

    /// Seals the bytes from `start` on in place and appends the tag.
    pub(crate) fn seal(&mut self, bytes: &mut Vec<u8>, start: usize) {
        let nonce = self.next_nonce();
        let body = &mut bytes[start..];
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &self.label, body.into())
            .expect("a frame is far below the 256 GiB that a cipher takes");
        bytes.extend_from_slice(&tag);
    }

    /// Opens a frame in place and takes the tag off.
    ///
    /// # Errors
    /// When it is not the next frame of this stream, or was altered. No later frame will open either.
    pub(crate) fn open(&mut self, bytes: &mut Vec<u8>) -> Result<(), SealError> {
        let nonce = self.next_nonce();
        let body_len = bytes.len().checked_sub(TAG_LEN).ok_or(SealError::Broken)?;
        let (body, tag) = bytes.split_at_mut(body_len);
        let tag = Tag::try_from(&*tag).map_err(|_| SealError::Broken)?;
        self.cipher
            .decrypt_inout_detached(&nonce, &self.label, body.into(), &tag)
            .map_err(|_| SealError::Broken)?;
        bytes.truncate(body_len);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Key, Keyring, Keys};
    use super::*;
    use heck_core::id::Name;
    use proptest::prelude::*;

    fn ring(key: &Key, label: &str) -> Sealers {
        Keyring::new(Keys::new(key.clone()), &Name::new(label).unwrap(), None).sealers()
    }

    /// Both ends of a stream.
    fn ends(opener: &Sealers, other: &Sealers, salts: (Salt, Salt)) -> (Session, Session) {
        let offer = offer(opener.first(), &salts.0);
        let (sealer, salt) = read_offer(other, &offer).unwrap();
        (Session::new(opener.first(), &salts.0, &salts.1, true), Session::new(sealer, &salt, &salts.1, false))
    }

    fn pair() -> (Session, Session) {
        let sealers = ring(&Key::generate().unwrap(), "c");
        ends(&sealers, &sealers, (new_salt().unwrap(), new_salt().unwrap()))
    }

    fn sealed(from: &mut SealedFrames, text: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        from.seal(&mut bytes, 0);
        bytes
    }

    fn opened(to: &mut SealedFrames, mut bytes: Vec<u8>) -> Result<Vec<u8>, SealError> {
        to.open(&mut bytes).map(|()| bytes)
    }

    /// Streams to nodes of earlier builds begin and go on like this: these bytes never change. Another way is another
    /// version.
    #[test]
    fn a_stream_is_sealed_as_earlier_builds_do_it() {
        let key = Key::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let sealers = ring(&key, "heck");
        let salts = ([7; SALT_LEN], [9; SALT_LEN]);
        let (mut opener, mut other) = ends(&sealers, &sealers, salts);
        let said = [
            offer(sealers.first(), &salts.0).to_vec(),
            sealed(&mut opener.sending, b"first"),
            sealed(&mut opener.sending, b"second"),
            sealed(&mut other.sending, b"answer"),
        ];
        let by_earlier_builds = [
            "011bf182ad323287070707070707070707070707070707070707070707070707",
            "f60b228f8399f5bad61d8d3e26858a949bd3661f8f",
            "2c804fbb78b91b071d9cb2dee7f1f544389c73e681eb",
            "b7105134d467acb574b5032ef51164bad8b67e11b1ef",
        ];
        assert_eq!(said.map(|bytes| crate::hex::text(&bytes)), by_earlier_builds);
    }

    #[test]
    fn frames_open_in_their_order_in_both_directions() {
        let (mut a, mut b) = pair();
        for n in 0..10 {
            let frame = sealed(&mut a.sending, &[n; 100]);
            assert_eq!(opened(&mut b.receiving, frame), Ok(vec![n; 100]));
            let frame = sealed(&mut b.sending, &[]);
            assert_eq!(opened(&mut a.receiving, frame), Ok(vec![]));
        }
    }

    proptest! {
        /// The third of these is the rule that a stream's own frames cannot be played again.
        #[test]
        fn frames_left_out_moved_repeated_altered_or_cut_do_not_open(count in 2..6_usize, at in 0..5_usize, how in 0..5_u8) {
            let at = at % count;
            let (mut a, mut b) = pair();
            let mut frames: Vec<Vec<u8>> = (0..count).map(|n| sealed(&mut a.sending, &[n as u8; 20])).collect();
            match how {
                0 => { frames.remove(at); frames.push(vec![0; 36]); }
                1 => { let other = (at + 1) % count; frames.swap(at, other); }
                2 => { let again = frames[at].clone(); frames.push(again); }
                3 => frames[at][at] ^= 1,
                _ => frames[at].truncate(35 - at),
            }
            let all: Result<Vec<_>, _> = frames.into_iter().map(|frame| opened(&mut b.receiving, frame)).collect();
            prop_assert_eq!(all, Err(SealError::Broken));
        }
    }

    #[test]
    fn nothing_of_one_stream_opens_in_another_or_in_the_other_direction() {
        let sealers = ring(&Key::generate().unwrap(), "c");
        let salts = (new_salt().unwrap(), new_salt().unwrap());
        let frame = sealed(&mut ends(&sealers, &sealers, salts).0.sending, b"x");
        // The opener's side is played again, and the other end has a new salt, as it always does.
        let mut again = ends(&sealers, &sealers, (salts.0, new_salt().unwrap())).1;
        assert_eq!(opened(&mut again.receiving, frame.clone()), Err(SealError::Broken));
        let mut mirrored = ends(&sealers, &sealers, salts).0;
        assert_eq!(opened(&mut mirrored.receiving, frame), Err(SealError::Broken));
    }

    #[test]
    fn another_key_is_unknown_and_another_label_does_not_open() {
        let (key, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        let offer = offer(ring(&key, "c").first(), &[1; SALT_LEN]);
        assert!(matches!(read_offer(&ring(&other, "c"), &offer), Err(SealError::Unknown)));
        let (mut a, mut b) = ends(&ring(&key, "c"), &ring(&key, "d"), ([1; SALT_LEN], [2; SALT_LEN]));
        assert_eq!(opened(&mut b.receiving, sealed(&mut a.sending, b"x")), Err(SealError::Broken));
    }
}
