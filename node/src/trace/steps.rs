//! The spans of a traced change on its way through the driver: core step, send, receive.
//!
//! Who writes and who is reached by a change are in one trace, whose identity is in the entry's note. Nothing else of the traffic
//! has spans, but a share of all steps if the operator wants that: everything would be a flood.

use super::changes::Change;
use super::context::Context;
use super::span::{Kind, Span};
use super::tracer::Tracer;
use heck_core::effects::{Effects, Event, StreamEffect};
use heck_core::entry::{Body, Entry};
use heck_core::id::{Addr, Store, StreamId};
use heck_core::input::{Command, Input};
use heck_core::packet::Packet;
use heck_core::state::Change as StateChange;
use std::collections::BTreeMap;

/// What a driver notes of its steps.
pub(crate) struct Steps {
    tracer: Tracer,
    /// The address that peers know this node by.
    me: Addr,
    /// When the datagram arrived that is being taken in.
    arrived_us: Option<u64>,
    /// Who is at the other end of each stream.
    peers: BTreeMap<StreamId, Addr>,
}

/// How a packet travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Udp,
    Tcp,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// A packet with traced changes that is being sent.
pub(crate) struct Sending {
    begun_us: u64,
    way: Way,
    changes: Vec<Change>,
}

/// A step that is over.
struct Stepped<'a> {
    begun_us: u64,
    ended_us: u64,
    effects: &'a Effects,
}

impl Steps {
    pub(crate) const fn new(tracer: Tracer, me: Addr) -> Self {
        Self { tracer, me, arrived_us: None, peers: BTreeMap::new() }
    }

    /// A datagram arrived.
    pub(crate) fn arrive(&mut self) {
        self.arrived_us = Some(self.tracer.now_us());
    }

    /// The time now, for [`Steps::after`].
    pub(crate) fn before(&self) -> u64 {
        self.tracer.now_us()
    }

    /// Notes what a step was about. While a node joins it is told all that there is, which is no news.
    pub(crate) fn after(&mut self, input: Input<'_>, is_joined: bool, begun_us: u64, effects: &Effects) {
        let stepped = Stepped { begun_us, ended_us: self.tracer.now_us(), effects };
        let arrived_us = self.arrived_us.take().unwrap_or(begun_us);
        let is_told = match input {
            Input::Command { command, .. } => self.commanded(command, &stepped),
            Input::Datagram { from, .. } if is_joined => self.received(from, Way::Udp, arrived_us, &stepped),
            Input::StreamFrame { stream, .. } if is_joined => {
                let from = self.peers.get(&stream).copied().unwrap_or_default();
                self.received(from, Way::Tcp, arrived_us, &stepped)
            }
            Input::StreamOpened { stream, peer, .. } => {
                self.peers.insert(stream, peer);
                false
            }
            Input::StreamClosed { stream } => {
                self.peers.remove(&stream);
                false
            }
            _ => false,
        };
        if !is_told && let Some(context) = self.tracer.step() {
            self.tracer.record(stepped.span(context, kind_of(input)));
        }
        // Of what this end closes nobody tells it.
        for effect in &effects.streams {
            if let StreamEffect::Close { stream } = effect {
                self.peers.remove(stream);
            }
        }
    }

    /// Notes the traced change that a command made; false when it is not traced.
    fn commanded(&self, command: &Command, stepped: &Stepped<'_>) -> bool {
        let Some(publish) = Context::of_note(command.parts().1) else { return false };
        for entry in stepped.learned().filter(|entry| Context::of_note(entry.note()) == Some(publish)) {
            let change = Change { context: publish, published: publish, begun_us: stepped.begun_us };
            self.tracer.changes().note(entry.dot, change);
        }
        let span = stepped.span(self.tracer.child(publish), "command");
        self.tracer.record(span.within(publish.span));
        true
    }

    /// Notes the traced changes that a packet brought; false when it brought none.
    fn received(&self, from: Addr, way: Way, arrived_us: u64, stepped: &Stepped<'_>) -> bool {
        let mut brought = false;
        for entry in stepped.learned() {
            let Some(published) = Context::of_note(entry.note()) else { continue };
            brought = true;
            let context = self.tracer.child(published);
            let change = Change { context, published, begun_us: arrived_us };
            self.tracer.changes().note(entry.dot, change);
            let mut receive = Span::new("receive", Kind::Consumer, context, arrived_us)
                .within_remote(published.span)
                .with("network.transport", way.name());
            receive.link = Some(published.sending(from));
            let peer = crate::addr::from_core(from);
            receive = receive
                .with("network.peer.address", peer.ip().to_string())
                .with("network.peer.port", peer.port());
            receive.ended_us = stepped.ended_us;
            self.tracer.record(describe(receive, entry));
            let step = stepped.span(self.tracer.child(published), way.name());
            self.tracer.record(step.within(context.span));
        }
        brought
    }

    /// What of a packet that is about to be sent is traced: the changes that this node sends for the first time.
    pub(crate) fn sending(&self, packet: &Packet, way: Way) -> Option<Sending> {
        let mut changes = Vec::new();
        for carried in packet.entries.iter().filter(|carried| !carried.entry.note().is_empty()) {
            changes.extend(self.tracer.changes().send(carried.entry.dot));
        }
        (!changes.is_empty()).then(|| Sending { begun_us: self.tracer.now_us(), way, changes })
    }

    /// Such a packet was handed to the system, to so many peers.
    pub(crate) fn sent(&self, sending: Sending, peers: usize, bytes: usize) {
        for change in sending.changes {
            let context = change.published.sending(self.me);
            let mut span = Span::new("send", Kind::Producer, context, sending.begun_us)
                .within(change.context.span)
                .with("network.transport", sending.way.name())
                .with("heck.peers", peers);
            if bytes > 0 {
                span = span.with("heck.bytes", bytes);
            }
            self.tracer.end(span);
        }
    }
}

impl<'a> Stepped<'a> {
    /// The entries that were news to the node.
    fn learned(&self) -> impl Iterator<Item = &'a Entry> {
        self.effects.events.iter().filter_map(|event| match event {
            Event::Changed(StateChange::Learned(entry)) => Some(&**entry),
            _ => None,
        })
    }

    fn span(&self, context: Context, input: &'static str) -> Span {
        let mut span = Span::new("core step", Kind::Internal, context, self.begun_us)
            .with("heck.input", input)
            .with("heck.datagrams", self.effects.datagrams.len())
            .with("heck.records", self.effects.records.len())
            .with("heck.events", self.effects.events.len());
        span.ended_us = self.ended_us;
        span
    }
}

const fn kind_of(input: Input<'_>) -> &'static str {
    match input {
        Input::Timeout => "timeout",
        Input::Datagram { .. } => "udp",
        Input::StreamOpened { .. } | Input::StreamRefused { .. } | Input::StreamClosed { .. } => "stream",
        Input::StreamFrame { .. } => "tcp",
        Input::Probe(_) | Input::Verdict(_) => "probe",
        Input::Persisted { .. } => "disk",
        Input::Command { .. } => "command",
    }
}

/// What a change is about: the name of its origin or key, or its topic.
pub(super) fn name_of(entry: &Entry) -> Option<&str> {
    match &entry.body {
        Body::Message { topic, .. } => Some(topic.as_str()),
        body => body.map_name().map(heck_core::id::Name::as_str),
    }
}

/// The span with what its change is about.
pub(super) fn describe(span: Span, entry: &Entry) -> Span {
    let span = span.with("heck.store", store_name(entry.dot.lane.store));
    match name_of(entry) {
        Some(name) => span.with("heck.name", name.to_owned()),
        None => span,
    }
}

pub(super) const fn store_name(store: Store) -> &'static str {
    match store {
        Store::Registry => "origins",
        Store::Keys => "keys",
        Store::Health => "health",
        Store::Log => "messages",
        Store::Fence => "fences",
    }
}
