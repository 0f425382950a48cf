//! What a step wants done: lent to every step, emptied by the engine, never freed.

use std::ops::Range;

use super::protocol::{Message, Protocol};

/// The effects of one step. One outbox serves all nodes of a world, so that a warm run allocates nothing.
pub struct Outbox<P: Protocol> {
    pub(super) datagrams: Vec<Datagram<P::Packet>>,
    pub(super) destinations: Vec<u32>,
    pub(super) streams: Vec<StreamEffect<P::Frame>>,
    pub(super) records: Vec<(u64, P::Record)>,
    pub(super) events: Vec<P::Event>,
    /// The number that the next stream opened gets.
    pub(super) next_stream: u64,
    /// Packets that have arrived everywhere (or were lost), for reuse: what they allocated is still there.
    pub recycled: Vec<P::Packet>,
    /// Working memory of the protocol, shared by all nodes.
    pub scratch: P::Scratch,
}

/// A packet and where it goes.
#[derive(Debug)]
pub(super) struct Datagram<M> {
    pub packet: M,
    pub len_bytes: u32,
    /// The end of its part of `destinations`; it begins where the datagram before it ends.
    pub destinations_end: usize,
}

/// What a step asks of streams.
#[derive(Debug)]
pub(super) enum StreamEffect<F> {
    Open { stream: u64, peer: u32 },
    Frame { stream: u64, frame: F },
    Close { stream: u64 },
}

/// One packet that was sent, as observers see it.
#[derive(Debug)]
pub struct Sent<'a, M> {
    /// The packet.
    pub packet: &'a M,
    /// Its encoded length in bytes.
    pub len_bytes: u32,
    /// The nodes it was sent to; each got a datagram of its own.
    pub destinations: &'a [u32],
}

impl<P: Protocol> Default for Outbox<P> {
    fn default() -> Self {
        Self {
            datagrams: Vec::new(),
            destinations: Vec::new(),
            streams: Vec::new(),
            records: Vec::new(),
            events: Vec::new(),
            next_stream: 0,
            recycled: Vec::new(),
            scratch: P::Scratch::default(),
        }
    }
}

impl<P: Protocol> Outbox<P> {
    /// Sends a datagram to one node.
    #[inline]
    pub fn send(&mut self, to: u32, packet: P::Packet) {
        self.destinations.push(to);
        self.push_datagram(packet);
    }

    /// Sends the same packet to many nodes, one datagram each; the packet itself is stored once.
    pub fn send_to_all(&mut self, to: impl IntoIterator<Item = u32>, packet: P::Packet) {
        self.destinations.extend(to);
        self.push_datagram(packet);
    }

    fn push_datagram(&mut self, packet: P::Packet) {
        let len_bytes = packet.wire_len();
        self.datagrams.push(Datagram { packet, len_bytes, destinations_end: self.destinations.len() });
    }

    /// Opens a stream to a node. Frames may be sent at once; they leave when the stream is open.
    pub fn open_stream(&mut self, peer: u32) -> u64 {
        let stream = self.next_stream;
        self.next_stream += 1;
        self.streams.push(StreamEffect::Open { stream, peer });
        stream
    }

    /// Sends a frame on a stream; a stream that has ended swallows it.
    pub fn send_frame(&mut self, stream: u64, frame: P::Frame) {
        self.streams.push(StreamEffect::Frame { stream, frame });
    }

    /// Ends a stream. Frames sent before still arrive; this node hears nothing more of the stream.
    pub fn close_stream(&mut self, stream: u64) {
        self.streams.push(StreamEffect::Close { stream });
    }

    /// Writes a record to the disk. [`super::protocol::Input::Persisted`] tells when it is safe.
    /// Sequence numbers rise from record to record.
    pub fn persist(&mut self, sequence: u64, record: P::Record) {
        self.records.push((sequence, record));
    }

    /// Reports that something happened.
    pub fn report(&mut self, event: P::Event) {
        self.events.push(event);
    }

    /// Whether the step wanted nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
            && self.streams.is_empty()
            && self.records.is_empty()
            && self.events.is_empty()
    }

    /// The packets sent in this step.
    pub fn sent(&self) -> impl Iterator<Item = Sent<'_, P::Packet>> {
        let mut start = 0;
        self.datagrams.iter().map(move |Datagram { packet, len_bytes, destinations_end }| {
            let destinations = &self.destinations[Range { start, end: *destinations_end }];
            start = *destinations_end;
            Sent { packet, len_bytes: *len_bytes, destinations }
        })
    }

    /// The encoded lengths of the frames sent in this step, in bytes.
    pub fn frames_sent(&self) -> impl Iterator<Item = u32> {
        self.streams.iter().filter_map(|effect| match effect {
            StreamEffect::Frame { frame, .. } => Some(frame.wire_len()),
            StreamEffect::Open { .. } | StreamEffect::Close { .. } => None,
        })
    }

    /// The records persisted in this step, with their sequence numbers.
    #[must_use]
    pub fn persisted(&self) -> &[(u64, P::Record)] {
        &self.records
    }

    /// The events reported in this step.
    #[must_use]
    pub fn reported(&self) -> &[P::Event] {
        &self.events
    }
}
