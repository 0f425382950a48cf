//! Packets on the wire: a fixed header, then sections `(tag, length, bytes)`.

use super::body::{minted, name, put_minted, put_writer, small, store, writer};
use super::member::{put_member, put_subject, read_member, read_subject};
use super::{Count, DecodeError, NUMBER_LIMIT, Reader, Sink, decode_entry, encode_entry, varint_len};
use crate::id::{Dot, Lane, NodeId, Shard};
use crate::interval::{IntervalSet, Range};
use crate::packet::{
    Beat, Carried, GROUPS, LaneAnswer, LaneSeen, MemberUpdate, Packet, PacketKind, Question, Relay, Window,
};
use crate::time::Span;
use alloc::sync::Arc;
use alloc::vec::Vec;

const VERSION: u8 = 1;

/// Bytes of the fixed header: version, kind, flags, sender, nonce, hash.
pub const HEADER_LEN: usize = 1 + 1 + 1 + 8 + 4 + 8;
/// The most bytes that a section adds to its content in a datagram: tag and length.
pub const SECTION_OVERHEAD: usize = 1 + 2;

const DIGEST: u8 = 1;
const WINDOWS: u8 = 2;
const ENTRIES: u8 = 3;
const ANSWERS: u8 = 4;
const BEATS: u8 = 5;
const MISMATCH: u8 = 6;
const RELAY: u8 = 7;
const MEMBERS: u8 = 8;
const SUBJECT: u8 = 9;
const QUESTION: u8 = 10;
const MEMBER_LIST: u8 = 11;
const DOT: u8 = 12;
const OVERDUE: u8 = 13;

const DOWN: u8 = 1;
const HAS_GENERATION: u8 = 2;

const AGREES: u8 = 1;
const OVERSIZED: u8 = 2;
const JOINS: u8 = 4;

fn put_lane(sink: &mut impl Sink, lane: &Lane) {
    sink.byte(lane.store as u8);
    put_writer(sink, lane.writer);
}

fn lane(reader: &mut Reader<'_>, shard: Shard) -> Result<Lane, DecodeError> {
    Ok(Lane { shard, store: store(reader)?, writer: writer(reader)? })
}

fn put_intervals(sink: &mut impl Sink, set: &IntervalSet) {
    sink.varint(set.ranges().len() as u64);
    let mut after = 0;
    for range in set.ranges() {
        sink.varint(range.first - after);
        sink.varint(range.last - range.first);
        after = range.last;
    }
}

fn intervals(reader: &mut Reader<'_>) -> Result<IntervalSet, DecodeError> {
    let mut set = IntervalSet::new();
    let mut after = 0_u64;
    for index in 0..reader.count("intervals")? {
        let gap = reader.varint("interval gap")?;
        // Ranges neither touch nor overlap: the first starts at 1 or later, each other leaves a hole.
        let least = if index == 0 { 1 } else { 2 };
        let first = after.checked_add(gap).filter(|_| gap >= least);
        let first = first.ok_or(DecodeError::BadValue("interval gap", gap))?;
        let more = reader.varint("interval length")?;
        let last = first.checked_add(more).filter(|&last| last <= NUMBER_LIMIT);
        let last = last.ok_or(DecodeError::BadValue("interval length", more))?;
        set.insert_range(Range { first, last });
        after = last;
    }
    Ok(set)
}

/// The bytes of a window besides its lanes, at most.
pub const WINDOW_LEN: usize = 1 + 4 + 3;

/// The encoded size of one lane of a window.
#[must_use]
pub fn lane_seen_len(lane: &Lane, seen: &IntervalSet) -> usize {
    let mut count = Count::default();
    put_lane(&mut count, lane);
    put_intervals(&mut count, seen);
    count.0
}

pub(super) fn put_answer_lane(sink: &mut impl Sink, answer: &LaneAnswer) {
    put_lane(sink, &answer.lane);
    put_intervals(sink, &answer.seen);
    put_intervals(sink, &answer.live);
    sink.varint(answer.serial);
}

/// The encoded size of one lane of an answer.
#[must_use]
pub fn answer_lane_len(answer: &LaneAnswer) -> usize {
    let mut count = Count::default();
    put_answer_lane(&mut count, answer);
    count.0
}

pub(super) fn put_carried(sink: &mut impl Sink, carried: &Carried) {
    let age_us = carried.age.as_us();
    sink.varint(u64::from(carried.entry.wire_len()) + varint_len(age_us) as u64);
    sink.varint(age_us);
    encode_entry(&carried.entry, sink);
}

/// The encoded size of one entry in a packet.
#[must_use]
pub fn carried_len(carried: &Carried) -> usize {
    let content = carried.entry.wire_len() as usize + varint_len(carried.age.as_us());
    varint_len(content as u64) + content
}

fn put_beat(sink: &mut impl Sink, beat: &Beat) {
    put_writer(sink, beat.writer);
    sink.varint(u64::from(beat.number));
    sink.varint(beat.serial);
    // Whole milliseconds, rounded up: they take half the bytes, and an age may be overstated.
    sink.varint(beat.age.as_us().div_ceil(1_000));
    sink.byte(beat.hops);
}

/// The encoded size of one heartbeat.
#[must_use]
pub fn beat_len(beat: &Beat) -> usize {
    let mut count = Count::default();
    put_beat(&mut count, beat);
    count.0
}

/// The bytes that all heartbeats of a packet add to its encoding.
fn beats_len(packet: &Packet) -> usize {
    if packet.beats.is_empty() {
        return 0;
    }
    let content: usize = packet.beats.iter().map(beat_len).sum();
    1 + varint_len(content as u64) + content
}

/// The bytes that knowing how old answers are adds to a packet: its heartbeats, and whose are overdue.
#[must_use]
pub fn freshness_len(packet: &Packet) -> usize {
    beats_len(packet) + overdue_len(packet)
}

fn overdue_len(packet: &Packet) -> usize {
    let content = 8 * packet.overdue.len();
    if content == 0 { 0 } else { 1 + varint_len(content as u64) + content }
}

/// Splits off the lanes of the next shard: they stand in the order of the listed shards.
fn split_shard<L>(lanes: &[L], belongs: impl Fn(&L) -> bool) -> (&[L], &[L]) {
    lanes.split_at(lanes.iter().take_while(|lane| belongs(lane)).count())
}

fn section<S: Sink>(sink: &mut S, tag: u8, put: impl Fn(&mut Count), write: impl FnOnce(&mut S)) {
    let mut count = Count::default();
    put(&mut count);
    sink.byte(tag);
    sink.varint(count.0 as u64);
    write(sink);
}

fn put_digest(sink: &mut impl Sink, packet: &Packet) {
    for group in packet.groups.iter().chain(&packet.member_groups) {
        sink.put(&group.to_le_bytes());
    }
    for hash in &packet.filter {
        sink.put(&hash.to_le_bytes());
    }
}

fn put_windows(sink: &mut impl Sink, packet: &Packet) {
    let mut rest = packet.window_lanes.as_slice();
    for window in &packet.windows {
        let (lanes, after) = split_shard(rest, |seen| seen.lane.shard == window.shard);
        rest = after;
        sink.byte(window.shard.0);
        sink.put(&window.live.to_le_bytes());
        sink.varint(lanes.len() as u64);
        for seen in lanes {
            put_lane(sink, &seen.lane);
            put_intervals(sink, &seen.seen);
        }
    }
}

fn put_answers(sink: &mut impl Sink, packet: &Packet) {
    let mut rest = packet.answer_lanes.as_slice();
    for &shard in &packet.answers {
        let (lanes, after) = split_shard(rest, |answer| answer.lane.shard == shard);
        rest = after;
        sink.byte(shard.0);
        sink.varint(lanes.len() as u64);
        for answer in lanes {
            put_answer_lane(sink, answer);
        }
    }
}

fn put_entries(sink: &mut impl Sink, packet: &Packet) {
    for carried in &packet.entries {
        put_carried(sink, carried);
    }
}

fn put_beats(sink: &mut impl Sink, packet: &Packet) {
    for beat in &packet.beats {
        put_beat(sink, beat);
    }
}

fn put_members(sink: &mut impl Sink, packet: &Packet) {
    for update in &packet.members {
        put_member(sink, update);
    }
}

fn put_member_list(sink: &mut impl Sink, packet: &Packet) {
    sink.put(&packet.member_mask.to_le_bytes());
    for print in &packet.member_filter {
        sink.put(&print.to_le_bytes());
    }
}

pub(super) fn put_dot(sink: &mut impl Sink, dot: &Dot) {
    sink.byte(dot.lane.shard.0);
    put_lane(sink, &dot.lane);
    sink.varint(dot.counter);
}

fn put_overdue(sink: &mut impl Sink, packet: &Packet) {
    for node in &packet.overdue {
        sink.put(&node.0.to_le_bytes());
    }
}

fn put_question(sink: &mut impl Sink, question: &Question) {
    sink.blob(question.origin.as_str().as_bytes());
    let has_generation = u8::from(question.generation.is_some()) * HAS_GENERATION;
    sink.byte((u8::from(question.down) * DOWN) | has_generation);
    if let Some(generation) = question.generation {
        put_minted(sink, generation);
    }
}

/// Appends `packet` to `sink`.
pub fn encode_packet<S: Sink>(packet: &Packet, sink: &mut S) {
    sink.byte(VERSION);
    sink.byte(packet.kind as u8);
    let [agrees, oversized, joins] = [packet.agrees, packet.oversized, packet.joins].map(u8::from);
    sink.byte((agrees * AGREES) | (oversized * OVERSIZED) | (joins * JOINS));
    sink.put(&packet.sender.0.to_le_bytes());
    sink.put(&packet.nonce.to_le_bytes());
    sink.put(&packet.hash.to_le_bytes());
    if packet.has_digest {
        section(sink, DIGEST, |count| put_digest(count, packet), |sink| put_digest(sink, packet));
    }
    if !packet.windows.is_empty() {
        section(sink, WINDOWS, |count| put_windows(count, packet), |sink| put_windows(sink, packet));
    }
    if !packet.entries.is_empty() {
        let len: usize = packet.entries.iter().map(carried_len).sum();
        section(sink, ENTRIES, |count| count.0 = len, |sink| put_entries(sink, packet));
    }
    if !packet.answers.is_empty() {
        section(sink, ANSWERS, |count| put_answers(count, packet), |sink| put_answers(sink, packet));
    }
    if !packet.beats.is_empty() {
        section(sink, BEATS, |count| put_beats(count, packet), |sink| put_beats(sink, packet));
    }
    if packet.mismatch != 0 {
        let bits = packet.mismatch.to_le_bytes();
        section(sink, MISMATCH, |count| count.put(&bits), |sink| sink.put(&bits));
    }
    if let Some(relay) = packet.relay {
        let [slice_low, slice_high] = relay.slice.to_le_bytes();
        let [of_low, of_high] = relay.of.to_le_bytes();
        let bytes = [slice_low, slice_high, of_low, of_high];
        section(sink, RELAY, |count| count.put(&bytes), |sink| sink.put(&bytes));
    }
    if !packet.members.is_empty() {
        section(sink, MEMBERS, |count| put_members(count, packet), |sink| put_members(sink, packet));
    }
    if let Some(subject) = packet.subject {
        section(sink, SUBJECT, |count| put_subject(count, subject), |sink| put_subject(sink, subject));
    }
    if let Some(question) = &packet.question {
        section(sink, QUESTION, |count| put_question(count, question), |sink| put_question(sink, question));
    }
    if packet.member_mask != 0 {
        section(
            sink,
            MEMBER_LIST,
            |count| put_member_list(count, packet),
            |sink| put_member_list(sink, packet),
        );
    }
    if let Some(dot) = &packet.dot {
        section(sink, DOT, |count| put_dot(count, dot), |sink| put_dot(sink, dot));
    }
    if !packet.overdue.is_empty() {
        section(sink, OVERDUE, |count| put_overdue(count, packet), |sink| put_overdue(sink, packet));
    }
}

/// The encoded size of `packet`.
#[must_use]
pub fn packet_len(packet: &Packet) -> usize {
    let len_of = |content: usize| 1 + varint_len(content as u64) + content;
    let counted = |put: fn(&mut Count, &Packet)| {
        let mut count = Count::default();
        put(&mut count, packet);
        len_of(count.0)
    };
    let mut len = HEADER_LEN;
    if packet.has_digest {
        len += len_of(4 * GROUPS + 2 * packet.filter.len());
    }
    if !packet.windows.is_empty() {
        len += counted(put_windows);
    }
    if !packet.entries.is_empty() {
        len += len_of(packet.entries.iter().map(carried_len).sum());
    }
    if !packet.answers.is_empty() {
        len += counted(put_answers);
    }
    len += beats_len(packet);
    if packet.mismatch != 0 {
        len += len_of(8);
    }
    if packet.relay.is_some() {
        len += len_of(4);
    }
    if !packet.members.is_empty() {
        len += counted(put_members);
    }
    if packet.subject.is_some() {
        len += len_of(10);
    }
    if let Some(question) = &packet.question {
        let mut count = Count::default();
        put_question(&mut count, question);
        len += len_of(count.0);
    }
    if packet.member_mask != 0 {
        len += len_of(8 + 2 * packet.member_filter.len());
    }
    if let Some(dot) = &packet.dot {
        let mut count = Count::default();
        put_dot(&mut count, dot);
        len += len_of(count.0);
    }
    len + overdue_len(packet)
}

fn read_digest(reader: &mut Reader<'_>, packet: &mut Packet) -> Result<(), DecodeError> {
    packet.has_digest = true;
    for group in packet.groups.iter_mut().chain(&mut packet.member_groups) {
        *group = u16::from_le_bytes(reader.array("group")?);
    }
    while reader.left() > 0 {
        packet.filter.push(u16::from_le_bytes(reader.array("filter")?));
    }
    Ok(())
}

fn read_shard(
    reader: &mut Reader<'_>,
    mut before: impl Iterator<Item = Shard>,
) -> Result<Shard, DecodeError> {
    let shard = Shard(reader.byte("shard")?);
    if before.any(|other| other == shard) {
        return Err(DecodeError::BadValue("shard", u64::from(shard.0)));
    }
    Ok(shard)
}

/// Lanes stand in rising order, so that none comes twice.
fn read_lane(reader: &mut Reader<'_>, shard: Shard, before: Option<Lane>) -> Result<Lane, DecodeError> {
    let lane = lane(reader, shard)?;
    let rising = before.is_none_or(|before| before.shard != shard || before < lane);
    if rising { Ok(lane) } else { Err(DecodeError::BadValue("lane order", lane.writer.node.0)) }
}

fn read_windows(reader: &mut Reader<'_>, packet: &mut Packet) -> Result<(), DecodeError> {
    while reader.left() > 0 {
        let shard = read_shard(reader, packet.windows.iter().map(|window| window.shard))?;
        let live = u32::from_le_bytes(reader.array("live")?);
        packet.windows.push(Window { shard, live });
        for _ in 0..reader.count("lanes")? {
            let lane = read_lane(reader, shard, packet.window_lanes.last().map(|seen| seen.lane))?;
            packet.window_lanes.push(LaneSeen { lane, seen: intervals(reader)? });
        }
    }
    Ok(())
}

fn read_answers(reader: &mut Reader<'_>, packet: &mut Packet) -> Result<(), DecodeError> {
    while reader.left() > 0 {
        let shard = read_shard(reader, packet.answers.iter().copied())?;
        packet.answers.push(shard);
        for _ in 0..reader.count("lanes")? {
            let lane = read_lane(reader, shard, packet.answer_lanes.last().map(|answer| answer.lane))?;
            packet.answer_lanes.push(rest_of_answer_lane(reader, lane)?);
        }
    }
    Ok(())
}

fn rest_of_answer_lane(reader: &mut Reader<'_>, lane: Lane) -> Result<LaneAnswer, DecodeError> {
    let (seen, live) = (intervals(reader)?, intervals(reader)?);
    Ok(LaneAnswer { lane, seen, live, serial: reader.bounded("serial")? })
}

/// One lane of an answer that stands by itself, in a shard that is known already.
pub(super) fn answer_lane(reader: &mut Reader<'_>, shard: Shard) -> Result<LaneAnswer, DecodeError> {
    let lane = lane(reader, shard)?;
    rest_of_answer_lane(reader, lane)
}

fn read_entries(reader: &mut Reader<'_>, entries: &mut Vec<Carried>) -> Result<(), DecodeError> {
    while reader.left() > 0 {
        entries.push(carried(reader)?);
    }
    Ok(())
}

/// Each entry has its own length, so fields that a newer version appends stay with it.
pub(super) fn carried(reader: &mut Reader<'_>) -> Result<Carried, DecodeError> {
    let mut inner = Reader::new(reader.blob("entry")?);
    let age = Span(inner.varint("age")?);
    Ok(Carried { entry: Arc::new(decode_entry(&mut inner)?), age })
}

fn read_beats(reader: &mut Reader<'_>, beats: &mut Vec<Beat>) -> Result<(), DecodeError> {
    while reader.left() > 0 {
        beats.push(Beat {
            writer: writer(reader)?,
            number: small(reader, "number")?,
            serial: reader.bounded("serial")?,
            age: Span(reader.varint("age")?.saturating_mul(1_000)),
            hops: reader.byte("hops")?,
        });
    }
    Ok(())
}

fn read_members(reader: &mut Reader<'_>, members: &mut Vec<MemberUpdate>) -> Result<(), DecodeError> {
    while reader.left() > 0 {
        members.push(read_member(reader)?);
    }
    Ok(())
}

fn read_member_list(reader: &mut Reader<'_>, packet: &mut Packet) -> Result<(), DecodeError> {
    packet.member_mask = u64::from_le_bytes(reader.array("member groups")?);
    if packet.member_mask == 0 {
        return Err(DecodeError::BadValue("member groups", 0));
    }
    while reader.left() > 0 {
        packet.member_filter.push(u16::from_le_bytes(reader.array("member")?));
    }
    Ok(())
}

pub(super) fn read_dot(reader: &mut Reader<'_>) -> Result<Dot, DecodeError> {
    let shard = Shard(reader.byte("shard")?);
    Ok(Dot { lane: lane(reader, shard)?, counter: reader.bounded("counter")? })
}

fn read_overdue(reader: &mut Reader<'_>, overdue: &mut Vec<NodeId>) -> Result<(), DecodeError> {
    while reader.left() > 0 {
        overdue.push(NodeId(u64::from_le_bytes(reader.array("overdue")?)));
    }
    Ok(())
}

fn read_question(reader: &mut Reader<'_>) -> Result<Question, DecodeError> {
    let origin = name(reader, "origin")?;
    let flags = reader.byte("question")?;
    if flags & !(DOWN | HAS_GENERATION) != 0 {
        return Err(DecodeError::BadValue("question", u64::from(flags)));
    }
    let generation = if flags & HAS_GENERATION != 0 { Some(minted(reader)?) } else { None };
    Ok(Question { origin, generation, down: flags & DOWN != 0 })
}

fn read_relay(reader: &mut Reader<'_>) -> Result<Relay, DecodeError> {
    let slice = u16::from_le_bytes(reader.array("slice")?);
    let of = u16::from_le_bytes(reader.array("slices")?);
    if slice < of { Ok(Relay { slice, of }) } else { Err(DecodeError::BadValue("slice", u64::from(slice))) }
}

/// Reads a packet into `packet`, reusing its memory. Sections of an unknown kind are skipped.
///
/// # Errors
/// When the bytes are no packet; `packet` then holds nothing to be used.
pub fn decode_packet(bytes: &[u8], packet: &mut Packet) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte("version")?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let kind = reader.byte("kind")?;
    let kind = PacketKind::from_u8(kind).ok_or(DecodeError::BadValue("kind", u64::from(kind)))?;
    let flags = reader.byte("flags")?;
    packet.reset(kind, NodeId(u64::from_le_bytes(reader.array("sender")?)));
    packet.agrees = flags & AGREES != 0;
    packet.oversized = flags & OVERSIZED != 0;
    packet.joins = flags & JOINS != 0;
    packet.nonce = u32::from_le_bytes(reader.array("nonce")?);
    packet.hash = u64::from_le_bytes(reader.array("hash")?);
    let mut last_tag = 0;
    while reader.left() > 0 {
        let tag = reader.byte("section")?;
        if tag <= last_tag {
            return Err(DecodeError::BadValue("section", u64::from(tag)));
        }
        last_tag = tag;
        let mut inner = Reader::new(reader.blob("section length")?);
        match tag {
            DIGEST => read_digest(&mut inner, packet)?,
            WINDOWS => read_windows(&mut inner, packet)?,
            ENTRIES => read_entries(&mut inner, &mut packet.entries)?,
            ANSWERS => read_answers(&mut inner, packet)?,
            BEATS => read_beats(&mut inner, &mut packet.beats)?,
            MISMATCH => packet.mismatch = u64::from_le_bytes(inner.array("mismatch")?),
            RELAY => packet.relay = Some(read_relay(&mut inner)?),
            MEMBERS => read_members(&mut inner, &mut packet.members)?,
            SUBJECT => packet.subject = Some(read_subject(&mut inner)?),
            QUESTION => packet.question = Some(read_question(&mut inner)?),
            MEMBER_LIST => read_member_list(&mut inner, packet)?,
            DOT => packet.dot = Some(read_dot(&mut inner)?),
            OVERDUE => read_overdue(&mut inner, &mut packet.overdue)?,
            _ => continue,
        }
        inner.finish()?;
    }
    Ok(())
}
