//! Steps of a recording in words.

use std::fmt::Debug;
use std::net::{Ipv6Addr, SocketAddr};

use heck_core::codec::packet_len;
use heck_core::effects::{Effects, StreamEffect};
use heck_core::id::Addr;
use heck_core::input::OwnedInput;
use heck_core::packet::Packet;
use heck_core::time::Time;

use super::until::show_utc;

/// What is longer is cut: a value of a key can have 64 KiB.
const LONGEST: usize = 300;

/// An address as people write it.
pub(super) fn show_addr(addr: Addr) -> String {
    SocketAddr::new(Ipv6Addr::from(addr.ip).to_canonical(), addr.port).to_string()
}

/// A time of a recording that began then.
#[must_use]
pub fn show_at(at: Time, began: Time) -> String {
    let since_us = at.since(began).as_us();
    format!("+{}.{:06}s, {}", since_us / 1_000_000, since_us % 1_000_000, show_utc(at))
}

fn show(what: &impl Debug) -> String {
    let mut text = format!("{what:?}");
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

fn show_packet(packet: &Packet) -> String {
    format!("{:?} with {} entries, {} B", packet.kind, packet.entries.len(), packet_len(packet))
}

/// What a step was about.
#[must_use]
pub fn describe_input(input: &OwnedInput) -> String {
    match input {
        OwnedInput::Timeout => "a timeout".to_owned(),
        OwnedInput::Datagram { from, packet } => {
            format!("a datagram from {}: {}", show_addr(*from), show_packet(packet))
        }
        OwnedInput::StreamOpened { stream, peer, ours } => {
            let whose = if *ours { "asked for here" } else { "opened by the peer" };
            format!("stream {} with {} is open, {whose}", stream.0, show_addr(*peer))
        }
        OwnedInput::StreamRefused { peer } => format!("no stream to {}", show_addr(*peer)),
        OwnedInput::StreamFrame { stream, packet } => {
            format!("a frame on stream {}: {}", stream.0, show_packet(packet))
        }
        OwnedInput::StreamClosed { stream } => format!("stream {} is closed", stream.0),
        OwnedInput::Probe(outcome) => format!("a probe ended: {}", show(outcome)),
        OwnedInput::Verdict(verdict) => format!("a verdict: {}", show(verdict)),
        OwnedInput::Persisted { up_to } => format!("records up to {up_to} are on disk"),
        OwnedInput::Command { token, command } => format!("command {token}: {}", show(command)),
    }
}

/// What a node wants, an effect a line.
#[must_use]
pub fn describe_effects(effects: &Effects) -> Vec<String> {
    let mut lines = Vec::new();
    for datagram in &effects.datagrams {
        let targets = &effects.targets[datagram.to.start as usize..datagram.to.end as usize];
        let targets: Vec<String> = targets.iter().map(|&to| show_addr(to)).collect();
        lines.push(format!("datagram to {}: {}", targets.join(", "), show_packet(&datagram.packet)));
    }
    for effect in &effects.streams {
        lines.push(match effect {
            StreamEffect::Open { peer } => format!("open a stream to {}", show_addr(*peer)),
            StreamEffect::Frame { stream, packet } => {
                format!("frame on stream {}: {}", stream.0, show_packet(packet))
            }
            StreamEffect::Close { stream } => format!("close stream {}", stream.0),
        });
    }
    lines.extend(effects.records.iter().map(|(number, record)| format!("record {number}: {}", show(record))));
    lines.extend(effects.probes.iter().map(|probe| format!("probe: {}", show(probe))));
    lines.extend(effects.events.iter().map(|event| format!("event: {}", show(event))));
    lines
}
