//! The format: frames with a mark, a length and a checksum, and how to read them back from a file that a crash
//! cut short or a disk damaged.

use heck_core::codec::{decode_record, encode_record};
use heck_core::effects::Record;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const MAGIC: [u8; 8] = *b"heckjrnl";
/// The version of the format that is written and read here.
pub(super) const VERSION: u32 = 1;
/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 8 + 4 + 8 + 8;
const MARK: [u8; 4] = [0xF5, b'r', b'e', b'c'];
const FRAME_OVERHEAD: usize = 4 + 4 + 8;

/// Distinguishes the frames of one file from those of all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Salt(pub u64);

/// The first bytes of a file.
pub(super) fn header(salt: Salt) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&salt.0.to_le_bytes());
    let sum = xxh3_64(&bytes[..20]);
    bytes[20..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Header {
    /// Frames with this salt follow.
    Known(Salt),
    /// A version that is not known here.
    Version(u32),
    /// There is no whole header: the file was never begun.
    Short,
    /// It is something else, or damaged.
    Foreign,
}

pub(super) fn read_header(bytes: &[u8]) -> Header {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        let begun = &MAGIC[..bytes.len().min(MAGIC.len())];
        return if bytes.starts_with(begun) { Header::Short } else { Header::Foreign };
    };
    let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let mut salt = [0; 8];
    salt.copy_from_slice(&header[12..20]);
    let is_whole = header[20..] == xxh3_64(&header[..20]).to_le_bytes();
    match version {
        _ if header[..8] != MAGIC => Header::Foreign,
        VERSION if is_whole => Header::Known(Salt(u64::from_le_bytes(salt))),
        VERSION => Header::Foreign,
        other => Header::Version(other),
    }
}

fn checksum(salt: Salt, record: &[u8]) -> u64 {
    xxh3_64_with_seed(record, salt.0.wrapping_add(record.len() as u64))
}

/// Appends the frame of one record.
pub(super) fn put_frame(salt: Salt, record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&[0; FRAME_OVERHEAD - MARK.len()]);
    let content = out.len();
    encode_record(record, out);
    let len = (out.len() - content) as u32;
    let sum = checksum(salt, &out[content..]);
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    out[start + 8..content].copy_from_slice(&sum.to_le_bytes());
}

/// The content of the frame that begins at the start of `bytes`, if it is whole.
fn whole_frame(salt: Salt, bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_first_chunk::<FRAME_OVERHEAD>()?;
    let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let record = rest.get(..len as usize)?;
    let is_whole = head[..4] == MARK && head[8..] == checksum(salt, record).to_le_bytes();
    is_whole.then_some(record)
}

/// What was read of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// The records that are whole, in order.
    pub records: Vec<Record>,
    /// Where the last whole frame ends.
    pub end: usize,
    /// Bytes before that which are no whole frame, or hold no record that is known here.
    pub damaged: usize,
}

/// Reads all frames behind the header.
pub(super) fn scan(salt: Salt, bytes: &[u8]) -> Scanned {
    let mut scanned = Scanned { end: HEADER_LEN, ..Scanned::default() };
    let mut at = HEADER_LEN;
    while let Some(start) = next_frame(salt, bytes, at) {
        scanned.damaged += start - at;
        let Some(content) = whole_frame(salt, &bytes[start..]) else { break };
        at = start + FRAME_OVERHEAD + content.len();
        scanned.end = at;
        match decode_record(content) {
            Ok(record) => scanned.records.push(record),
            Err(_) => scanned.damaged += at - start,
        }
    }
    scanned
}

/// Where the next whole frame begins, from `from` on.
fn next_frame(salt: Salt, bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        if whole_frame(salt, rest).is_some() {
            return Some(at);
        }
        let behind = rest.get(1..)?;
        at += 1 + behind.windows(MARK.len()).position(|window| window == MARK)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::id::Boot;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    const SALT: Salt = Salt(77);

    fn records(count: u64) -> Vec<Record> {
        (0..count).map(|n| Record::Boot(Boot(n << (n % 60)))).collect()
    }

    /// A file of these records, and where each frame ends.
    fn file(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header(SALT).to_vec();
        let end_of = |record| {
            put_frame(SALT, record, &mut bytes);
            bytes.len()
        };
        let ends = records.iter().map(end_of).collect();
        (bytes, ends)
    }

    fn fixed() -> ProptestConfig {
        ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(fixed())]

        #[test]
        fn a_file_cut_anywhere_gives_the_records_before_the_cut(
            count in 0u64..20, cut in any::<prop::sample::Index>()
        ) {
            let records = records(count);
            let (bytes, ends) = file(&records);
            let cut = HEADER_LEN + cut.index(bytes.len() - HEADER_LEN + 1);
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            let scanned = scan(SALT, &bytes[..cut]);
            prop_assert_eq!(&scanned.records[..], &records[..whole]);
            prop_assert_eq!(scanned.end, if whole == 0 { HEADER_LEN } else { ends[whole - 1] });
            prop_assert_eq!(scanned.damaged, 0);
        }

        #[test]
        fn a_damaged_byte_costs_its_own_record_and_no_other(
            count in 1u64..20, at in any::<prop::sample::Index>(), bits in 1u8..
        ) {
            let records = records(count);
            let (mut bytes, ends) = file(&records);
            let at = HEADER_LEN + at.index(bytes.len() - HEADER_LEN);
            bytes[at] ^= bits;
            let hit = ends.iter().position(|&end| at < end).expect("it lies in a frame");
            let scanned = scan(SALT, &bytes);
            let mut left = records;
            left.remove(hit);
            prop_assert_eq!(scanned.records, left);
            // Damage to the last frame looks like a torn one.
            prop_assert_eq!(scanned.damaged > 0, hit + 1 < ends.len());
        }

        #[test]
        fn noise_is_never_a_record(noise in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(scan(SALT, &[&header(SALT)[..], &noise].concat()).records, Vec::new());
        }
    }

    /// Disks of earlier builds hold files like this: these bytes never change. Another format is another [`VERSION`].
    #[test]
    fn a_file_is_written_and_read_as_by_earlier_builds() {
        const FILE: &str = "6865636b6a726e6c010000004d000000000000009be070ed107f139ef57265630700000094b26ea8\
            e52bcedf008080b3c19c33f5726563010000004828888841fff82c03";
        let records = [Record::Boot(Boot(1_760_000_000_000)), Record::Member];
        let (bytes, _) = file(&records);
        assert_eq!(crate::hex::text(&bytes), FILE);
        assert_eq!(read_header(&bytes), Header::Known(SALT));
        assert_eq!(scan(SALT, &crate::hex::bytes(FILE)).records, records);
    }

    #[test]
    fn a_frame_of_another_file_is_no_frame_of_this_one() {
        let (mut bytes, _) = file(&records(1));
        let len = bytes.len();
        put_frame(Salt(78), &Record::Boot(Boot(9)), &mut bytes);
        let scanned = scan(SALT, &bytes);
        assert_eq!((scanned.records.len(), scanned.end, scanned.damaged), (1, len, 0));
    }

    #[test]
    fn a_header_tells_its_version_and_a_stump_is_told_from_a_foreign_file() {
        let mut bytes = header(SALT);
        assert_eq!(read_header(&bytes), Header::Known(SALT));
        assert_eq!(read_header(&bytes[..5]), Header::Short);
        assert_eq!(read_header(b"#!/bin/"), Header::Foreign);
        bytes[15] ^= 1;
        assert_eq!(read_header(&bytes), Header::Foreign);
        bytes[8] = 2;
        assert_eq!(read_header(&bytes), Header::Version(2));
    }
}
