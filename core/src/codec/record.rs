//! Records as they stand on disk: a tag, then the content. Lengths and checksums belong to the file.

use super::body::name;
use super::member::{put_known, read_known};
use super::packet::{answer_lane, carried, put_answer_lane, put_carried};
use super::{DecodeError, Reader, Sink};
use crate::effects::Record;
use crate::id::{Boot, Shard};
use crate::time::Time;
use alloc::boxed::Box;
use alloc::vec::Vec;

const BOOT: u8 = 0;
const ENTRY: u8 = 1;
const JOINED: u8 = 2;
const MEMBER: u8 = 3;
const KNOWN: u8 = 4;
const NAMED: u8 = 5;

/// Appends `record` to `sink`.
pub fn encode_record(record: &Record, sink: &mut impl Sink) {
    match record {
        Record::Boot(boot) => {
            sink.byte(BOOT);
            sink.varint(boot.0);
        }
        Record::Entry { at, carried } => {
            sink.byte(ENTRY);
            sink.varint(at.0);
            put_carried(sink, carried);
        }
        Record::Joined(lanes) => {
            sink.byte(JOINED);
            sink.varint(lanes.len() as u64);
            for answer in lanes {
                sink.byte(answer.lane.shard.0);
                put_answer_lane(sink, answer);
            }
        }
        Record::Member => sink.byte(MEMBER),
        Record::Known(member) => {
            sink.byte(KNOWN);
            put_known(sink, member);
        }
        Record::Named(name) => {
            sink.byte(NAMED);
            sink.blob(name.as_str().as_bytes());
        }
    }
}

/// Reads one record, which is all that `bytes` hold.
///
/// # Errors
/// When the bytes are no record.
pub fn decode_record(bytes: &[u8]) -> Result<Record, DecodeError> {
    let mut reader = Reader::new(bytes);
    let record = match reader.byte("record")? {
        BOOT => Record::Boot(Boot(reader.varint("boot")?)),
        ENTRY => Record::Entry { at: Time(reader.varint("time")?), carried: carried(&mut reader)? },
        JOINED => {
            let mut lanes = Vec::new();
            for _ in 0..reader.count("lanes")? {
                let shard = Shard(reader.byte("shard")?);
                lanes.push(answer_lane(&mut reader, shard)?);
            }
            Record::Joined(lanes)
        }
        MEMBER => Record::Member,
        KNOWN => Record::Known(Box::new(read_known(&mut reader)?)),
        NAMED => Record::Named(name(&mut reader, "name")?),
        other => return Err(DecodeError::BadValue("record", u64::from(other))),
    };
    reader.finish()?;
    Ok(record)
}
