//! Inputs as bytes: a run that was recorded can be replayed, cut down and kept as a test.

use super::body::{health_state, hold, name, put_spec, spec_of_any_length};
use super::member::{addr, put_addr};
use super::packet::{put_dot, read_dot};
use super::reply::{put_reply, read_reply};
use super::{DecodeError, Reader, Sink, decode_packet, encode_packet, packet_len};
use crate::entry::Scope;
use crate::id::{Name, StreamId};
use crate::input::{Command, Input, OwnedInput, Verdict};
use crate::packet::Packet;
use crate::probe::{ProbeId, ProbeOutcome};
use crate::time::Span;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

const TIMEOUT: u8 = 0;
const DATAGRAM: u8 = 1;
const STREAM_OPENED: u8 = 2;
const STREAM_REFUSED: u8 = 3;
const STREAM_FRAME: u8 = 4;
const STREAM_CLOSED: u8 = 5;
const VERDICT: u8 = 6;
const PERSISTED: u8 = 7;
const COMMAND: u8 = 8;
const PROBE: u8 = 9;

const JOIN: u8 = 0;
const LEAVE: u8 = 1;
const PUT_ORIGIN: u8 = 2;
const REMOVE_ORIGIN: u8 = 3;
const PUT_KEY: u8 = 4;
const DELETE_KEY: u8 = 5;
const PUBLISH: u8 = 6;
const DESCRIBE: u8 = 7;
const CHECK_NOW: u8 = 8;
const AWAIT_PEERS: u8 = 9;
const STOP_WAITING: u8 = 10;
const NOTED: u8 = 11;

fn put_name(sink: &mut impl Sink, name: &Name) {
    sink.blob(name.as_str().as_bytes());
}

fn put_packet<S: Sink>(sink: &mut S, packet: &Packet) {
    sink.varint(packet_len(packet) as u64);
    encode_packet(packet, sink);
}

fn packet(reader: &mut Reader<'_>) -> Result<Box<Packet>, DecodeError> {
    let mut packet = Box::<Packet>::default();
    decode_packet(reader.blob("packet")?, &mut packet)?;
    Ok(packet)
}

fn stream(reader: &mut Reader<'_>) -> Result<StreamId, DecodeError> {
    reader.varint("stream").map(StreamId)
}

fn flag(reader: &mut Reader<'_>, field: &'static str) -> Result<bool, DecodeError> {
    match reader.byte(field)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(DecodeError::BadValue(field, u64::from(other))),
    }
}

fn put_command(sink: &mut impl Sink, command: &Command) {
    match command {
        Command::Join { peers } => {
            sink.byte(JOIN);
            sink.varint(peers.len() as u64);
            for &peer in peers.iter() {
                put_addr(sink, peer);
            }
        }
        Command::Leave => sink.byte(LEAVE),
        Command::Describe { addr, zone, weight } => {
            sink.byte(DESCRIBE);
            put_addr(sink, *addr);
            sink.put(&zone.0.to_le_bytes());
            sink.put(&weight.to_le_bytes());
        }
        Command::PutOrigin { name, spec, source } => {
            sink.byte(PUT_ORIGIN);
            put_name(sink, name);
            put_name(sink, source);
            put_spec(sink, spec, false);
        }
        Command::CheckNow { name } => {
            sink.byte(CHECK_NOW);
            put_name(sink, name);
        }
        Command::AwaitPeers { dot, count } => {
            sink.byte(AWAIT_PEERS);
            put_dot(sink, dot);
            sink.put(&count.to_le_bytes());
        }
        Command::StopWaiting { of } => {
            sink.byte(STOP_WAITING);
            sink.varint(*of);
        }
        Command::RemoveOrigin { name } => {
            sink.byte(REMOVE_ORIGIN);
            put_name(sink, name);
        }
        Command::PutKey { name, value } => {
            sink.byte(PUT_KEY);
            put_name(sink, name);
            sink.blob(value);
        }
        Command::DeleteKey { name } => {
            sink.byte(DELETE_KEY);
            put_name(sink, name);
        }
        Command::Publish { topic, payload } => {
            sink.byte(PUBLISH);
            put_name(sink, topic);
            sink.blob(payload);
        }
        Command::Noted { .. } => {
            // What is noted twice has one note.
            let (command, note) = command.parts();
            sink.byte(NOTED);
            sink.blob(note);
            put_command(sink, command);
        }
    }
}

/// A command as a client gave it: what the node refuses for its size is a command all the same.
fn command(reader: &mut Reader<'_>) -> Result<Command, DecodeError> {
    match reader.byte("command")? {
        NOTED => {
            let note = Arc::from(reader.blob("note")?);
            let kind = reader.byte("command")?;
            Ok(Command::Noted { note, command: Box::new(plain_command(kind, reader)?) })
        }
        kind => plain_command(kind, reader),
    }
}

fn plain_command(kind: u8, reader: &mut Reader<'_>) -> Result<Command, DecodeError> {
    Ok(match kind {
        JOIN => {
            let mut peers = Vec::new();
            for _ in 0..reader.count("peers")? {
                peers.push(addr(reader)?);
            }
            Command::Join { peers: peers.into() }
        }
        LEAVE => Command::Leave,
        DESCRIBE => Command::Describe {
            addr: addr(reader)?,
            zone: Scope(u64::from_le_bytes(reader.array("zone")?)),
            weight: u16::from_le_bytes(reader.array("weight")?),
        },
        PUT_ORIGIN => {
            let (name, source) = (name(reader, "origin")?, name(reader, "source")?);
            Command::PutOrigin { name, spec: spec_of_any_length(reader)?, source }
        }
        CHECK_NOW => Command::CheckNow { name: name(reader, "origin")? },
        AWAIT_PEERS => {
            Command::AwaitPeers { dot: read_dot(reader)?, count: u16::from_le_bytes(reader.array("count")?) }
        }
        STOP_WAITING => Command::StopWaiting { of: reader.varint("of")? },
        REMOVE_ORIGIN => Command::RemoveOrigin { name: name(reader, "origin")? },
        PUT_KEY => Command::PutKey { name: name(reader, "key")?, value: Arc::from(reader.blob("value")?) },
        DELETE_KEY => Command::DeleteKey { name: name(reader, "key")? },
        PUBLISH => {
            let topic = name(reader, "topic")?;
            Command::Publish { topic, payload: Arc::from(reader.blob("payload")?) }
        }
        other => return Err(DecodeError::BadValue("command", u64::from(other))),
    })
}

fn put_probe(sink: &mut impl Sink, outcome: ProbeOutcome) {
    sink.varint(outcome.probe.0);
    put_reply(sink, outcome.reply);
    sink.varint(outcome.took.as_us());
}

fn probe(reader: &mut Reader<'_>) -> Result<ProbeOutcome, DecodeError> {
    let probe = ProbeId(reader.varint("probe")?);
    let reply = read_reply(reader)?;
    Ok(ProbeOutcome { probe, reply, took: Span(reader.varint("took")?) })
}

fn put_verdict(sink: &mut impl Sink, verdict: &Verdict) {
    sink.put(&verdict.scope.0.to_le_bytes());
    put_name(sink, &verdict.origin);
    sink.byte(verdict.state as u8);
    sink.byte(verdict.hold as u8);
}

fn verdict(reader: &mut Reader<'_>) -> Result<Verdict, DecodeError> {
    Ok(Verdict {
        scope: Scope(u64::from_le_bytes(reader.array("scope")?)),
        origin: name(reader, "origin")?,
        state: health_state(reader)?,
        hold: hold(reader)?,
    })
}

/// Appends `input` to `sink`.
pub fn encode_input<S: Sink>(input: Input<'_>, sink: &mut S) {
    match input {
        Input::Timeout => sink.byte(TIMEOUT),
        Input::Datagram { from, packet } => {
            sink.byte(DATAGRAM);
            put_addr(sink, from);
            put_packet(sink, packet);
        }
        Input::StreamOpened { stream, peer, ours } => {
            sink.byte(STREAM_OPENED);
            sink.varint(stream.0);
            put_addr(sink, peer);
            sink.byte(u8::from(ours));
        }
        Input::StreamRefused { peer } => {
            sink.byte(STREAM_REFUSED);
            put_addr(sink, peer);
        }
        Input::StreamFrame { stream, packet } => {
            sink.byte(STREAM_FRAME);
            sink.varint(stream.0);
            put_packet(sink, packet);
        }
        Input::StreamClosed { stream } => {
            sink.byte(STREAM_CLOSED);
            sink.varint(stream.0);
        }
        Input::Probe(outcome) => {
            sink.byte(PROBE);
            put_probe(sink, outcome);
        }
        Input::Verdict(found) => {
            sink.byte(VERDICT);
            put_verdict(sink, found);
        }
        Input::Persisted { up_to } => {
            sink.byte(PERSISTED);
            sink.varint(up_to);
        }
        Input::Command { token, command } => {
            sink.byte(COMMAND);
            sink.varint(token);
            put_command(sink, command);
        }
    }
}

/// Reads one input, which is all that `bytes` hold.
///
/// # Errors
/// When the bytes are no input.
pub fn decode_input(bytes: &[u8]) -> Result<OwnedInput, DecodeError> {
    let reader = &mut Reader::new(bytes);
    let input = match reader.byte("input")? {
        TIMEOUT => OwnedInput::Timeout,
        DATAGRAM => OwnedInput::Datagram { from: addr(reader)?, packet: packet(reader)? },
        STREAM_OPENED => {
            let (stream, peer) = (stream(reader)?, addr(reader)?);
            OwnedInput::StreamOpened { stream, peer, ours: flag(reader, "ours")? }
        }
        STREAM_REFUSED => OwnedInput::StreamRefused { peer: addr(reader)? },
        STREAM_FRAME => OwnedInput::StreamFrame { stream: stream(reader)?, packet: packet(reader)? },
        STREAM_CLOSED => OwnedInput::StreamClosed { stream: stream(reader)? },
        PROBE => OwnedInput::Probe(probe(reader)?),
        VERDICT => OwnedInput::Verdict(verdict(reader)?),
        PERSISTED => OwnedInput::Persisted { up_to: reader.varint("up to")? },
        COMMAND => OwnedInput::Command { token: reader.varint("token")?, command: command(reader)? },
        other => return Err(DecodeError::BadValue("input", u64::from(other))),
    };
    reader.finish()?;
    Ok(input)
}
