//! What becomes of a step's effects: datagrams take flight, streams move, records go to the disk.

use super::event::{Event, Kind};
use super::network::Fate;
use super::outbox::{Datagram, Outbox, StreamEffect};
use super::protocol::{Message, Protocol};
use super::queue::EventQueue;
use super::world::World;

/// Packets kept for reuse; more are freed.
const RECYCLED_MAX: usize = 1 << 14;

/// A packet under way, to one node or many.
#[derive(Debug)]
pub(super) struct Flight<M> {
    pub packet: M,
    pub from: u32,
    pub len_bytes: u32,
    pub content: u64,
    /// Arrivals that are still to come.
    pub arrivals: u32,
}

impl<P: Protocol, Q: EventQueue> World<P, Q> {
    /// Carries out what a step wants done, and empties the outbox.
    #[inline]
    pub(super) fn carry_out(&mut self, node: u32) {
        if !self.outbox.datagrams.is_empty() {
            self.send_datagrams(node);
        }
        if !self.outbox.streams.is_empty() {
            self.move_streams(node);
        }
        if !self.outbox.records.is_empty() {
            let life = self.nodes[node as usize].life;
            let records = self.outbox.records.drain(..);
            let (at_us, slot) = self.disks.write(self.now.0, node, life, records);
            self.queue.push(Event::new(at_us, node, Kind::Persisted, slot));
        }
        self.outbox.events.clear();
    }

    #[inline]
    fn send_datagrams(&mut self, node: u32) {
        let now_us = self.now.0;
        let nodes_len = self.nodes.len();
        let mut traffic = self.nodes[node as usize].traffic;
        let mut start = 0;
        let Outbox { datagrams, destinations, recycled, .. } = &mut self.outbox;
        for Datagram { packet, len_bytes, destinations_end } in datagrams.drain(..) {
            let content = packet.content_word();
            let slot = self.flights.insert(Flight { packet, from: node, len_bytes, content, arrivals: 0 });
            let mut arrivals = 0;
            for &to in &destinations[start..destinations_end] {
                let number = traffic.sent;
                traffic.sent += 1;
                traffic.sent_bytes += u64::from(len_bytes);
                traffic.largest_bytes = traffic.largest_bytes.max(len_bytes);
                if to as usize >= nodes_len {
                    continue;
                }
                let Fate { delay_us, duplicate_delay_us } =
                    self.network.route(now_us, node, to, len_bytes, number);
                for delay_us in [delay_us, duplicate_delay_us].into_iter().flatten() {
                    arrivals += 1;
                    self.queue.push(Event::new(now_us.saturating_add(delay_us), to, Kind::Datagram, slot));
                }
            }
            start = destinations_end;
            match self.flights.get_mut(slot) {
                Some(flight) if arrivals > 0 => flight.arrivals = arrivals,
                _ => recycle(recycled, self.flights.remove(slot)),
            }
        }
        destinations.clear();
        self.nodes[node as usize].traffic = traffic;
    }

    /// One copy of a packet has arrived, or never will.
    #[inline]
    pub(super) fn land(&mut self, slot: u32) {
        let Some(flight) = self.flights.get_mut(slot) else { return };
        flight.arrivals -= 1;
        if flight.arrivals == 0 {
            recycle(&mut self.outbox.recycled, self.flights.remove(slot));
        }
    }

    fn move_streams(&mut self, node: u32) {
        let mut effects = std::mem::take(&mut self.outbox.streams);
        self.with_streams(|streams, around| {
            for effect in effects.drain(..) {
                match effect {
                    StreamEffect::Open { stream, peer } => streams.open(around, stream, node, peer),
                    StreamEffect::Frame { stream, frame } => streams.send(around, stream, node, frame),
                    StreamEffect::Close { stream } => streams.end(around, stream, node),
                }
            }
        });
        self.outbox.streams = effects;
        let state = &mut self.nodes[node as usize];
        state.streams_opened = self.outbox.next_stream as u32;
    }
}

/// Keeps a packet for reuse if it owns memory that reuse would save.
#[inline]
fn recycle<M>(recycled: &mut Vec<M>, flight: Option<Flight<M>>) {
    if std::mem::needs_drop::<M>()
        && recycled.len() < RECYCLED_MAX
        && let Some(flight) = flight
    {
        recycled.push(flight.packet);
    }
}
