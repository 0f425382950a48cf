//! Effects as bytes, to be hashed: two steps want the same exactly when these bytes are equal.
//!
//! They are never read back. What has no end of its own is followed by its length, so that no two different lists of
//! effects run into the same bytes.

use super::member::put_addr;
use super::packet::put_dot;
use super::{Sink, encode_entry, encode_packet, encode_record};
use crate::effects::{Effects, Event, Record, Refusal, StreamEffect};
use crate::hash::name_hash;
use crate::id::Dot;
use crate::packet::Packet;
use crate::probe::Probe;
use crate::state::Change;
use alloc::vec::Vec;

/// Appends what `put` appends, and then how much that was.
fn measured(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put(out);
    let len = out.len() - start;
    out.put(&(len as u32).to_le_bytes());
}

fn put_packet(out: &mut Vec<u8>, packet: &Packet) {
    measured(out, |out| encode_packet(packet, out));
}

fn put_stream(out: &mut Vec<u8>, effect: &StreamEffect) {
    match effect {
        StreamEffect::Open { peer } => {
            out.byte(0);
            put_addr(out, *peer);
        }
        StreamEffect::Frame { stream, packet } => {
            out.byte(1);
            out.varint(stream.0);
            put_packet(out, packet);
        }
        StreamEffect::Close { stream } => {
            out.byte(2);
            out.varint(stream.0);
        }
    }
}

fn put_record(out: &mut Vec<u8>, number: u64, record: &Record) {
    out.varint(number);
    measured(out, |out| encode_record(record, out));
}

fn put_probe(out: &mut Vec<u8>, probe: &Probe) {
    out.varint(probe.probe.0);
    out.blob(probe.origin.as_str().as_bytes());
    out.blob(probe.target.as_bytes());
    out.varint(probe.timeout.as_us());
}

fn put_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Learned(entry) => {
            out.byte(0);
            measured(out, |out| encode_entry(entry, out));
        }
        Change::Dropped(entry) => {
            out.byte(1);
            measured(out, |out| encode_entry(entry, out));
        }
        Change::Gap { lane, first, last } => {
            out.byte(2);
            put_dot(out, &Dot { lane: *lane, counter: *first });
            out.varint(*last);
        }
    }
}

fn put_refusal(out: &mut Vec<u8>, reason: &Refusal) {
    match reason {
        Refusal::NotServing(phase) => out.put(&[0, *phase as u8]),
        Refusal::TooLarge(bytes) => {
            out.byte(1);
            out.varint(*bytes as u64);
        }
        Refusal::Missing => out.byte(2),
        Refusal::TooManyWait => out.byte(3),
        Refusal::NotSpread(count) => {
            out.byte(4);
            out.put(&count.to_le_bytes());
        }
        Refusal::OutOfRange(error) => {
            out.byte(5);
            out.blob(error.key.as_bytes());
            for number in [error.value, error.min, error.max] {
                out.varint(number);
            }
        }
    }
}

fn put_event(out: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Changed(change) => {
            out.byte(0);
            put_change(out, change);
        }
        Event::Phase(phase) => out.put(&[1, *phase as u8]),
        Event::Done { token, dot } => {
            out.byte(2);
            out.varint(*token);
            out.byte(u8::from(dot.is_some()));
            if let Some(dot) = dot {
                put_dot(out, dot);
            }
        }
        Event::Failed { token, reason } => {
            out.byte(3);
            out.varint(*token);
            put_refusal(out, reason);
        }
        Event::NewBoot(boot) => {
            out.byte(4);
            out.varint(boot.0);
        }
        Event::Renamed(name) => {
            out.byte(5);
            out.blob(name.as_str().as_bytes());
        }
        Event::Member { node, standing } => {
            out.byte(6);
            out.put(&node.0.to_le_bytes());
            out.byte(*standing as u8);
        }
        Event::Refuted(times) => {
            out.byte(7);
            out.put(&times.to_le_bytes());
        }
        Event::Disagrees { node, settings } => {
            out.byte(8);
            out.put(&node.0.to_le_bytes());
            out.put(&settings.to_le_bytes());
        }
        Event::Rejected(why) => out.put(&[9, *why as u8]),
    }
}

/// The xxh3-64 of all that a step wants done, in order. `scratch` is working memory, of which nothing has to be kept:
/// handed in again, it makes this allocate nothing.
#[must_use]
pub fn effects_hash(effects: &Effects, scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    let out = scratch;
    let counts = [
        effects.datagrams.len(),
        effects.streams.len(),
        effects.records.len(),
        effects.probes.len(),
        effects.events.len(),
    ];
    for count in counts {
        out.varint(count as u64);
    }
    for datagram in &effects.datagrams {
        let targets = &effects.targets[datagram.to.start as usize..datagram.to.end as usize];
        out.varint(targets.len() as u64);
        for &target in targets {
            put_addr(out, target);
        }
        put_packet(out, &datagram.packet);
    }
    effects.streams.iter().for_each(|effect| put_stream(out, effect));
    effects.records.iter().for_each(|(number, record)| put_record(out, *number, record));
    effects.probes.iter().for_each(|probe| put_probe(out, probe));
    effects.events.iter().for_each(|event| put_event(out, event));
    name_hash(out)
}
