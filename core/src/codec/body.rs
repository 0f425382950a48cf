//! Entries on the wire.

use super::reply::{put_reply, read_reply};
use super::{Count, DecodeError, Reader, Sink};
use crate::entry::{
    APPENDED_LIMIT, Admin, Ballot, Body, Claim, Confirmation, Covered, Entry, Fence, HealthState, Hold,
    LIVES_LIMIT, Minted, OriginSpec, Replaced, SUPERSEDES_LIMIT, Scope, Superseded, TARGET_LIMIT,
    VALUE_LIMIT,
};
use crate::id::{Boot, Name, NodeId, Store, Writer};
use crate::policy::{Policy, Rule, StatusSet};
use crate::probe::Reply;
use crate::time::{Span, Time};
use alloc::sync::Arc;
use smallvec::SmallVec;

const ORIGIN: u8 = 0;
const ORIGIN_REMOVED: u8 = 1;
const KEY: u8 = 2;
const KEY_DELETED: u8 = 3;
const CLAIM: u8 = 4;
const MESSAGE: u8 = 5;
const FENCE: u8 = 6;

const STREAKS: u8 = 0;
const WINDOW: u8 = 1;

pub(super) fn put_writer(sink: &mut impl Sink, writer: Writer) {
    sink.put(&writer.node.0.to_le_bytes());
    sink.varint(writer.boot.0);
}

pub(super) fn writer(reader: &mut Reader<'_>) -> Result<Writer, DecodeError> {
    let node = NodeId(u64::from_le_bytes(reader.array("node")?));
    Ok(Writer { node, boot: Boot(reader.bounded("boot")?) })
}

pub(super) fn name(reader: &mut Reader<'_>, field: &'static str) -> Result<Name, DecodeError> {
    Name::new(reader.text(field)?).map_err(DecodeError::BadName)
}

pub(super) fn put_minted(sink: &mut impl Sink, minted: Minted) {
    put_writer(sink, minted.writer);
    sink.varint(minted.counter);
}

pub(super) fn minted(reader: &mut Reader<'_>) -> Result<Minted, DecodeError> {
    Ok(Minted { writer: writer(reader)?, counter: counter(reader)? })
}

fn counter(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    match reader.bounded("counter")? {
        0 => Err(DecodeError::BadValue("counter", 0)),
        counter => Ok(counter),
    }
}

fn value(reader: &mut Reader<'_>) -> Result<Arc<[u8]>, DecodeError> {
    let bytes = reader.blob("value")?;
    if bytes.len() > VALUE_LIMIT {
        return Err(DecodeError::BadValue("value length", bytes.len() as u64));
    }
    Ok(bytes.into())
}

/// Writes a specification; `is_whole` when something is appended to it.
pub(super) fn put_spec(sink: &mut impl Sink, spec: &OriginSpec, is_whole: bool) {
    sink.blob(spec.target.as_bytes());
    let policy = &*spec.policy;
    let (fall, rise) = match policy.rule {
        Rule::Streaks { rise, fall } => (fall, rise),
        Rule::Window { .. } => (0, 0),
    };
    sink.varint(policy.interval.as_us());
    sink.varint(policy.timeout.as_us());
    sink.varint(u64::from(fall));
    sink.varint(u64::from(rise));
    sink.byte(spec.admin as u8);
    // Most are checked as is usual, and end here.
    let usual = Policy { interval: policy.interval, timeout: policy.timeout, ..Policy::default() };
    let is_usual = *policy == (Policy { rule: policy.rule, ..usual });
    if is_whole || !is_usual || matches!(policy.rule, Rule::Window { .. }) {
        put_unusual(sink, policy);
    }
}

fn put_unusual(sink: &mut impl Sink, policy: &Policy) {
    sink.varint(policy.fast_interval.as_us());
    sink.varint(policy.slow.unwrap_or_default().as_us());
    match policy.rule {
        Rule::Streaks { .. } => sink.byte(STREAKS),
        Rule::Window { size, threshold, initial } => sink.put(&[WINDOW, size, threshold, initial]),
    }
    sink.byte(policy.expected.ranges().count() as u8);
    for (first, last) in policy.expected.ranges() {
        sink.put(&first.to_le_bytes());
        sink.put(&last.to_le_bytes());
    }
    sink.varint(policy.confirmers.map_or(0, |count| u64::from(count) + 1));
}

pub(super) fn small(reader: &mut Reader<'_>, field: &'static str) -> Result<u32, DecodeError> {
    let number = reader.varint(field)?;
    u32::try_from(number).map_err(|_| DecodeError::BadValue(field, number))
}

fn spec(reader: &mut Reader<'_>) -> Result<OriginSpec, DecodeError> {
    let spec = spec_of_any_length(reader)?;
    match spec.target.len() {
        0..=TARGET_LIMIT => Ok(spec),
        bytes => Err(DecodeError::BadValue("target length", bytes as u64)),
    }
}

/// A specification as a client may have asked for it: the node refuses one that is too long, and a recording
/// of its inputs has to show what it refused.
pub(super) fn spec_of_any_length(reader: &mut Reader<'_>) -> Result<OriginSpec, DecodeError> {
    let target = reader.text("target")?.into();
    let (interval, timeout) = (Span(reader.varint("interval")?), Span(reader.varint("timeout")?));
    let (fall, rise) = (streak(reader, "fall")?, streak(reader, "rise")?);
    let admin = match reader.byte("admin")? {
        0 => Admin::Enabled,
        1 => Admin::Draining,
        2 => Admin::Disabled,
        other => return Err(DecodeError::BadValue("admin", u64::from(other))),
    };
    let rule = Rule::Streaks { rise, fall };
    let mut policy = Policy { interval, timeout, rule, ..Policy::default() };
    if reader.left() > 0 {
        read_unusual(reader, &mut policy)?;
    }
    Ok(OriginSpec { target, admin, policy: Arc::new(policy) })
}

fn read_unusual(reader: &mut Reader<'_>, policy: &mut Policy) -> Result<(), DecodeError> {
    policy.fast_interval = Span(reader.varint("fast interval")?);
    let slow = Span(reader.varint("slow")?);
    policy.slow = (slow != Span::ZERO).then_some(slow);
    match reader.byte("rule")? {
        STREAKS => {}
        WINDOW => {
            let [size, threshold, initial] = reader.array("window")?;
            policy.rule = Rule::Window { size, threshold, initial };
        }
        other => return Err(DecodeError::BadValue("rule", u64::from(other))),
    }
    let count = reader.byte("statuses")?;
    let mut ranges: SmallVec<[(u16, u16); 4]> = SmallVec::new();
    for _ in 0..count {
        let first = u16::from_le_bytes(reader.array("status")?);
        ranges.push((first, u16::from_le_bytes(reader.array("status")?)));
    }
    policy.expected =
        StatusSet::new(&ranges).map_err(|_| DecodeError::BadValue("statuses", u64::from(count)))?;
    policy.confirmers = match reader.varint("confirmers")? {
        0 => None,
        more => Some(u8::try_from(more - 1).map_err(|_| DecodeError::BadValue("confirmers", more))?),
    };
    Ok(())
}

fn streak(reader: &mut Reader<'_>, field: &'static str) -> Result<u16, DecodeError> {
    let number = reader.varint(field)?;
    u16::try_from(number).map_err(|_| DecodeError::BadValue(field, number))
}

fn put_claim(sink: &mut impl Sink, claim: &Claim, is_whole: bool) {
    sink.put(&claim.scope.0.to_le_bytes());
    sink.blob(claim.origin.as_str().as_bytes());
    put_minted(sink, claim.generation);
    sink.varint(claim.ballot.epoch);
    sink.put(&claim.ballot.rank.to_le_bytes());
    sink.varint(claim.ballot.sequence);
    sink.byte(claim.hold as u8);
    sink.byte(claim.state as u8);
    sink.byte(claim.previous as u8);
    sink.varint(claim.since.0);
    // Most claims have none, and end here; what a later version appends comes after it.
    let Confirmation { asked, answered, agreed } = claim.confirmation;
    if is_whole || claim.confirmation != Confirmation::default() || claim.cause.is_some() {
        sink.put(&[asked, answered, agreed]);
    }
    if let Some(cause) = claim.cause {
        put_reply(sink, cause);
    }
}

pub(super) fn health_state(reader: &mut Reader<'_>) -> Result<HealthState, DecodeError> {
    Ok(match reader.byte("state")? {
        0 => HealthState::Unknown,
        1 => HealthState::Healthy,
        2 => HealthState::Unhealthy,
        3 => HealthState::Degraded,
        4 => HealthState::Draining,
        other => return Err(DecodeError::BadValue("state", u64::from(other))),
    })
}

pub(super) fn hold(reader: &mut Reader<'_>) -> Result<Hold, DecodeError> {
    Ok(match reader.byte("hold")? {
        0 => Hold::Held,
        1 => Hold::Late,
        2 => Hold::Released,
        other => return Err(DecodeError::BadValue("hold", u64::from(other))),
    })
}

fn claim(reader: &mut Reader<'_>, writer: Writer) -> Result<Claim, DecodeError> {
    Ok(Claim {
        scope: Scope(u64::from_le_bytes(reader.array("scope")?)),
        origin: name(reader, "origin")?,
        generation: minted(reader)?,
        ballot: Ballot {
            epoch: reader.bounded("epoch")?,
            rank: u64::from_le_bytes(reader.array("rank")?),
            writer,
            sequence: reader.bounded("sequence")?,
        },
        hold: hold(reader)?,
        state: health_state(reader)?,
        previous: health_state(reader)?,
        since: Time(reader.varint("since")?),
        confirmation: confirmation(reader)?,
        cause: cause(reader),
    })
}

/// A cause that another version knows is none here, and stays where it is: it counts as appended.
fn cause(reader: &mut Reader<'_>) -> Option<Reply> {
    let mut ahead = reader.clone();
    let cause = read_reply(&mut ahead).ok()?;
    *reader = ahead;
    Some(cause)
}

fn confirmation(reader: &mut Reader<'_>) -> Result<Confirmation, DecodeError> {
    if reader.left() == 0 {
        return Ok(Confirmation::default());
    }
    let [asked, answered, agreed] = reader.array("confirmation")?;
    if answered > asked || agreed > answered {
        return Err(DecodeError::BadValue("answered", u64::from(answered)));
    }
    Ok(Confirmation { asked, answered, agreed })
}

fn put_fence(sink: &mut impl Sink, fence: &Fence) {
    sink.varint(fence.boot.0);
    sink.varint(fence.covered.len() as u64);
    for covered in &fence.covered {
        sink.varint(covered.boot.0);
        for serial in covered.serials {
            sink.varint(serial);
        }
    }
}

fn fence(reader: &mut Reader<'_>, writer: Writer) -> Result<Fence, DecodeError> {
    let boot = Boot(reader.bounded("boot")?);
    if boot >= writer.boot {
        // Only what is over can be fenced.
        return Err(DecodeError::BadValue("fence", boot.0));
    }
    let mut fence = Fence { boot, ..Fence::default() };
    for _ in 0..reader.count("covered")? {
        let boot = Boot(reader.bounded("boot")?);
        let mut serials = [0; 4];
        for serial in &mut serials {
            *serial = reader.bounded("serial")?;
        }
        fence.covered.push(Covered { boot, serials });
    }
    let is_rising = fence.covered.windows(2).all(|pair| pair[0].boot < pair[1].boot);
    let is_over = fence.covered.last().is_none_or(|last| last.boot <= boot);
    if !is_rising || !is_over || fence.covered.len() > LIVES_LIMIT {
        return Err(DecodeError::BadValue("covered lives", boot.0));
    }
    Ok(fence)
}

pub(super) fn store(reader: &mut Reader<'_>) -> Result<Store, DecodeError> {
    let number = reader.byte("store")?;
    Store::from_u8(number).ok_or(DecodeError::BadValue("store", u64::from(number)))
}

/// Writes a body; `is_whole` when something is appended to it, so that nothing that is left out where it is usual may be.
fn put_body(sink: &mut impl Sink, body: &Body, is_whole: bool) {
    match body {
        Body::Origin { name, spec, source } => {
            sink.byte(ORIGIN);
            sink.blob(name.as_str().as_bytes());
            sink.blob(source.as_str().as_bytes());
            put_spec(sink, spec, is_whole);
        }
        Body::OriginRemoved { name } => {
            sink.byte(ORIGIN_REMOVED);
            sink.blob(name.as_str().as_bytes());
        }
        Body::Key { name, value } => {
            sink.byte(KEY);
            sink.blob(name.as_str().as_bytes());
            sink.blob(value);
        }
        Body::KeyDeleted { name } => {
            sink.byte(KEY_DELETED);
            sink.blob(name.as_str().as_bytes());
        }
        Body::Claim(claim) => {
            sink.byte(CLAIM);
            put_claim(sink, claim, is_whole);
        }
        Body::Message { topic, payload } => {
            sink.byte(MESSAGE);
            sink.blob(topic.as_str().as_bytes());
            sink.blob(payload);
        }
        Body::Fence(fence) => {
            sink.byte(FENCE);
            put_fence(sink, fence);
        }
    }
}

fn body(reader: &mut Reader<'_>, writer: Writer) -> Result<Body, DecodeError> {
    Ok(match reader.byte("body")? {
        ORIGIN => {
            let (name, source) = (name(reader, "origin")?, name(reader, "source")?);
            Body::Origin { name, spec: spec(reader)?, source }
        }
        ORIGIN_REMOVED => Body::OriginRemoved { name: name(reader, "origin")? },
        KEY => Body::Key { name: name(reader, "key")?, value: value(reader)? },
        KEY_DELETED => Body::KeyDeleted { name: name(reader, "key")? },
        CLAIM => Body::Claim(claim(reader, writer)?),
        MESSAGE => Body::Message { topic: name(reader, "topic")?, payload: value(reader)? },
        FENCE => Body::Fence(Arc::new(fence(reader, writer)?)),
        other => return Err(DecodeError::BadValue("body", u64::from(other))),
    })
}

/// Appends `entry` to `sink`. Store and shard are not written: they follow from writer and body.
pub fn encode_entry(entry: &Entry, sink: &mut impl Sink) {
    put_writer(sink, entry.dot.lane.writer);
    sink.varint(entry.dot.counter);
    sink.varint(entry.serial);
    sink.varint(entry.supersedes.len() as u64);
    for replaced in &entry.supersedes {
        put_minted(sink, replaced.minted);
        sink.varint(replaced.serial);
    }
    let appended = entry.appended();
    put_body(sink, &entry.body, !appended.is_empty());
    sink.put(appended);
}

/// The encoded size of `entry`.
#[must_use]
pub fn entry_len(entry: &Entry) -> u32 {
    let mut count = Count::default();
    encode_entry(entry, &mut count);
    count.0 as u32
}

/// Reads one entry, which is all that is left. Bytes that a later version appended to it stay with it.
///
/// # Errors
/// When the bytes are no entry.
pub fn decode_entry(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
    let writer = writer(reader)?;
    let counter = counter(reader)?;
    let serial = reader.bounded("serial")?;
    let count = reader.varint("supersedes")?;
    if count > SUPERSEDES_LIMIT as u64 {
        return Err(DecodeError::BadValue("supersedes", count));
    }
    let mut supersedes = Superseded::new();
    for _ in 0..count {
        supersedes.push(Replaced { minted: minted(reader)?, serial: reader.bounded("serial")? });
    }
    let body = body(reader, writer)?;
    if count > 0 && body.map_name().is_none() {
        return Err(DecodeError::BadValue("supersedes", count));
    }
    let appended = reader.take(reader.left(), "appended")?;
    if appended.len() > APPENDED_LIMIT {
        return Err(DecodeError::BadValue("appended", appended.len() as u64));
    }
    let entry = Entry::new(writer, counter, serial, supersedes, body);
    Ok(if appended.is_empty() { entry } else { entry.with_appended(appended) })
}
