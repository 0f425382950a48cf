//! The parts of a recording's format, version 1, which `node/REFERENCE.md` tells whole.

use crate::codec::{self, Sink as _};
use alloc::string::String;
use alloc::vec::Vec;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// What a recording begins with.
pub const MAGIC: [u8; 8] = *b"heckrcrd";
/// The version of the format that is written and read here.
pub const FORMAT: u32 = 1;

pub(super) const CHECKPOINT: u8 = 0;
pub(super) const STEP: u8 = 1;
pub(super) const UNFINISHED: u8 = 2;

/// Bytes of the check behind the content of a frame.
pub(super) const CHECK_LEN: usize = 4;

/// What the beginning of a file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The same in all files of one recording.
    pub session: u64,
    /// Which file of the recording this is, from 0.
    pub part: u32,
    /// The version of the core that wrote it.
    pub core: String,
}

/// The version of this core.
pub(super) const CORE: &str = env!("CARGO_PKG_VERSION");

pub(super) fn check(content: &[u8], session: u64, offset: u64) -> [u8; CHECK_LEN] {
    let [a, b, c, d, ..] = xxh3_64_with_seed(content, session.wrapping_add(offset)).to_le_bytes();
    [a, b, c, d]
}

/// Appends the header of a file of this core.
pub(super) fn put_header(session: u64, part: u32, layout: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.put(&MAGIC);
    out.put(&FORMAT.to_le_bytes());
    out.put(&layout.to_le_bytes());
    out.put(&session.to_le_bytes());
    out.put(&part.to_le_bytes());
    out.byte(CORE.len() as u8);
    out.put(CORE.as_bytes());
    let sum = xxh3_64(&out[start..]);
    out.put(&sum.to_le_bytes());
}

/// Appends a frame that begins at `offset` in its file. Gives back how many bytes it has.
pub(super) fn put_frame(session: u64, offset: u64, content: &[u8], out: &mut Vec<u8>) -> u64 {
    out.varint(content.len() as u64);
    out.put(content);
    out.put(&check(content, session, offset));
    (codec::varint_len(content.len() as u64) + content.len() + CHECK_LEN) as u64
}
