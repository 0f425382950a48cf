//! The wire format: little-endian words, LEB128 varints, length-prefixed sections that an older reader skips.
//!
//! Encoding is written once, against a [`Sink`]; counting bytes and writing them are two sinks, so a length is
//! never computed by rules of its own. What a later version may add is said in `ARCHITECTURE.md` (Versions).

mod body;
mod effects;
mod input;
mod member;
mod packet;
mod record;
mod reply;

pub use body::{decode_entry, encode_entry, entry_len};
pub use effects::effects_hash;
pub use input::{decode_input, encode_input};
pub use member::member_len;
pub use packet::{
    HEADER_LEN, SECTION_OVERHEAD, WINDOW_LEN, answer_lane_len, beat_len, carried_len, decode_packet,
    encode_packet, freshness_len, lane_seen_len, packet_len,
};
pub use record::{decode_record, encode_record};

use crate::id::NameError;
use alloc::vec::Vec;
use core::fmt;

/// Greatest boot, counter, serial, epoch and sequence that is read. A boot in milliseconds since 1970 reaches it
/// in the year 10889; a writer with a million entries a second, after nine years.
pub const NUMBER_LIMIT: u64 = (1 << 48) - 1;

/// Takes bytes: either keeps them or counts them.
pub trait Sink {
    /// Takes some bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Takes one byte.
    fn byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    /// Takes a number as LEB128: seven bits a byte, lowest first.
    fn varint(&mut self, mut number: u64) {
        let mut bytes = [0; 10];
        let mut len = 0;
        loop {
            let more = number > 0x7F;
            bytes[len] = (number as u8 & 0x7F) | (u8::from(more) << 7);
            len += 1;
            number >>= 7;
            if !more {
                break;
            }
        }
        self.put(&bytes[..len]);
    }

    /// Takes a length and then the bytes.
    fn blob(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.put(bytes);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A sink that counts.
#[derive(Default)]
pub(crate) struct Count(pub usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// How many bytes `number` takes as a varint.
#[must_use]
pub const fn varint_len(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Why bytes are no packet or entry. Nothing was changed by looking at them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The bytes end inside this field.
    Truncated(&'static str),
    /// This field has a value that it must not have.
    BadValue(&'static str, u64),
    /// This many bytes follow the end.
    Trailing(usize),
    /// A text is no valid name.
    BadName(NameError),
    /// A text is not UTF-8.
    NotUtf8(&'static str),
    /// The packet speaks a version of the protocol that this node does not.
    Version(u8),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(field) => write!(f, "the bytes end inside `{field}`"),
            Self::BadValue(field, value) => write!(f, "`{field}` must not be {value}"),
            Self::Trailing(bytes) => write!(f, "{bytes} bytes follow the end"),
            Self::BadName(error) => error.fmt(f),
            Self::NotUtf8(field) => write!(f, "`{field}` is not UTF-8"),
            Self::Version(version) => write!(f, "protocol version {version} is not spoken here"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Reads what a [`Sink`] took.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Checks that nothing is left.
    pub(crate) const fn finish(&self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }

    pub(crate) fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(DecodeError::Truncated(field))?;
        self.bytes = tail;
        Ok(head)
    }

    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(self.take(1, field)?[0])
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N, field)?;
        bytes.try_into().map_err(|_| DecodeError::Truncated(field))
    }

    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(field)?;
            if shift == 63 && byte > 1 {
                return Err(DecodeError::BadValue(field, u64::from(byte)));
            }
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                // One number has one encoding, so equal packets are equal bytes.
                let padded = byte == 0 && shift > 0;
                return if padded { Err(DecodeError::BadValue(field, number)) } else { Ok(number) };
            }
        }
        Err(DecodeError::Truncated(field))
    }

    /// A number that counts events: kept far below the greatest, so that no sum or successor overflows.
    pub(crate) fn bounded(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let number = self.varint(field)?;
        if number > NUMBER_LIMIT { Err(DecodeError::BadValue(field, number)) } else { Ok(number) }
    }

    pub(crate) fn blob(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.varint(field)?).map_err(|_| DecodeError::Truncated(field))?;
        self.take(len, field)
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.blob(field)?).map_err(|_| DecodeError::NotUtf8(field))
    }

    /// A count of things that take at least one byte each, so that a lie cannot ask for memory.
    pub(crate) fn count(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        let count = self.varint(field)?;
        usize::try_from(count).ok().filter(|&count| count <= self.left()).ok_or(DecodeError::Truncated(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heartbeats_and_the_wish_for_them_add_to_a_packet_what_is_said_of_them() {
        let mut packet = crate::packet::Packet::default();
        assert_eq!(freshness_len(&packet), 0);
        let bare = packet_len(&packet);
        for number in [1_u32, 200, 70_000] {
            let writer =
                crate::id::Writer { node: crate::id::NodeId(number.into()), boot: crate::id::Boot(1) };
            let age = crate::time::Span::from_ms(number.into());
            packet.beats.push(crate::packet::Beat { writer, number, serial: 0, age, hops: 3 });
            packet.overdue.push(writer.node);
            assert_eq!(packet_len(&packet) - bare, freshness_len(&packet));
        }
    }

    proptest! {
        #[test]
        fn varints_come_back_and_have_the_stated_length(number in any::<u64>(), shift in 0u32..64) {
            let number = number >> shift;
            let mut bytes = Vec::new();
            bytes.varint(number);
            prop_assert_eq!(bytes.len(), varint_len(number));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint("n"), Ok(number));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn a_padded_varint_is_refused() {
        assert_eq!(Reader::new(&[0x81, 0x00]).varint("n"), Err(DecodeError::BadValue("n", 1)));
        assert_eq!(Reader::new(&[0xFF; 10]).varint("n"), Err(DecodeError::BadValue("n", 255)));
    }
}
