//! The one task that drives a node: it alone steps the state machine, and it carries out what each step wants.
//!
//! It keeps the duties that `heck_core::Node::step` names, and one more: a life's name is on disk before
//! anything that was minted in that life leaves the node.

use crate::clock::Clock;
use crate::counters::{Count, Counters};
use crate::error::NodeError;
use crate::handle::{Answer, Ended, Look, Request};
use crate::journal::Store;
use crate::probe::Runner;
use crate::tcp::{StreamEvent, Streams};
use crate::udp::Udp;
use heck_core::Node;
use heck_core::codec::{decode_packet, encode_packet};
use heck_core::effects::{Effects, Event, Record, StreamEffect};
use heck_core::id::Addr;
use heck_core::input::{Command, Input};
use heck_core::packet::Packet;
use heck_core::probe::ProbeOutcome;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::sleep_until;

/// How long a full disk may keep a new life's name, which nothing goes on without.
const LIFE_PATIENCE: Duration = Duration::from_secs(10);

/// What a driver is put together from.
pub(crate) struct Parts {
    pub node: Node,
    pub clock: Clock,
    pub udp: Udp,
    pub streams: Streams,
    pub store: Store,
    pub probes: Runner,
    pub requests: mpsc::Receiver<Request>,
    pub looks: mpsc::Receiver<Look>,
    pub events: broadcast::Sender<Event>,
    pub counters: Arc<Counters>,
    /// Bytes of records that may wait for the disk before nothing is taken in that writes more.
    pub journal_backlog_bytes: usize,
}

/// Drives one node until it is stopped.
pub(crate) struct Driver {
    parts: Parts,
    effects: Effects,
    /// Working memory of decoding and encoding.
    packet: Packet,
    bytes: Vec<u8>,
    /// Commands that wait for their answer, by token.
    waiting: BTreeMap<u64, Answer>,
    last_token: u64,
    /// A batch of records that was synced in the middle of a step, and that the node has to hear of.
    synced: Option<u64>,
    /// Who waits until a record is on disk, in the order of the records.
    syncing: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// What the driver waited for.
enum Happening {
    Wake,
    Datagram(Addr),
    Stream(StreamEvent),
    Probe(ProbeOutcome),
    Synced(io::Result<Option<u64>>),
    Request(Option<Request>),
    Look(Look),
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            effects: Effects::default(),
            packet: Packet::default(),
            bytes: Vec::new(),
            waiting: BTreeMap::new(),
            last_token: 0,
            synced: None,
            syncing: VecDeque::new(),
        }
    }

    /// Drives the node to its end, and says how it ended.
    pub(crate) async fn run(mut self, ended: watch::Sender<Ended>) {
        let result = self.drive().await.map_err(|error| NodeError::Journal(Arc::new(error)));
        // Sockets, file and lock are free once the end is known.
        drop(self);
        ended.send_replace(Some(result));
    }

    async fn drive(&mut self) -> io::Result<()> {
        loop {
            match self.wait().await {
                Happening::Wake => self.step(Input::Timeout).await?,
                Happening::Datagram(from) => self.datagram(from).await?,
                Happening::Stream(event) => self.stream(event).await?,
                Happening::Probe(outcome) => self.step(Input::Probe(outcome)).await?,
                Happening::Synced(up_to) => {
                    if let Some(up_to) = up_to? {
                        self.persisted(up_to);
                        self.step(Input::Persisted { up_to }).await?;
                    }
                }
                Happening::Request(Some(Request::Command { command, answer })) => {
                    self.command(&command, answer).await?;
                }
                Happening::Request(Some(Request::Decide { decide, answer })) => {
                    if let Some(command) = decide(self.parts.node.view(), self.parts.clock.now()) {
                        self.command(&command, answer).await?;
                    }
                }
                Happening::Look(Look::View(look)) => look(self.parts.node.view(), self.parts.clock.now()),
                Happening::Look(Look::Synced(answer)) => self.answer_when_synced(answer),
                Happening::Look(Look::Stop) | Happening::Request(None) => return self.finish().await,
            }
        }
    }

    async fn wait(&mut self) -> Happening {
        self.start_batch();
        let keeps_up = self.keeps_up();
        let Parts { node, clock, udp, streams, store, probes, requests, looks, .. } = &mut self.parts;
        // While the disk is behind, what would write more waits: it would only gather in memory. A node without any
        // handle left has nobody to wait for.
        let takes_requests = keeps_up || looks.is_closed();
        tokio::select! {
            () = sleep_until(clock.instant(node.next_wake().0)) => Happening::Wake,
            from = udp.receive() => Happening::Datagram(from),
            event = streams.next(), if keeps_up => Happening::Stream(event),
            outcome = probes.next() => Happening::Probe(outcome),
            request = requests.recv(), if takes_requests => Happening::Request(request),
            Some(look) = looks.recv() => Happening::Look(look),
            up_to = store.synced() => Happening::Synced(up_to),
        }
    }

    /// Whether the disk takes what is written. When not, peers' pings are answered all the same, so that the node does not
    /// take them for dead or they it.
    fn keeps_up(&self) -> bool {
        self.parts.store.backlog_bytes() <= self.parts.journal_backlog_bytes
    }

    /// Everything up to this record is on disk.
    fn persisted(&mut self, up_to: u64) {
        while let Some((_, answer)) = self.syncing.pop_front_if(|(record, _)| *record <= up_to) {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(());
        }
    }

    fn answer_when_synced(&mut self, answer: oneshot::Sender<()>) {
        if self.parts.store.is_synced() {
            let _ = answer.send(());
        } else {
            // Those who gave up waiting take no room while the disk is full.
            self.syncing.retain(|(_, answer)| !answer.is_closed());
            self.syncing.push_back((self.parts.store.last(), answer));
        }
    }

    fn start_batch(&mut self) {
        let Parts { node, clock, store, .. } = &mut self.parts;
        store.start_batch(|| node.snapshot(clock.now()));
    }

    async fn step(&mut self, input: Input<'_>) -> io::Result<()> {
        self.parts.node.step(self.parts.clock.now(), input, &mut self.effects);
        self.carry_out().await?;
        while let Some(up_to) = self.synced.take() {
            self.persisted(up_to);
            let now = self.parts.clock.now();
            self.parts.node.step(now, Input::Persisted { up_to }, &mut self.effects);
            self.carry_out().await?;
        }
        Ok(())
    }

    async fn datagram(&mut self, from: Addr) -> io::Result<()> {
        let mut packet = mem::take(&mut self.packet);
        let decoded = decode_packet(self.parts.udp.received(), &mut packet);
        let stepped = match decoded {
            // It comes again by repair, as what is lost on the way does.
            Ok(()) if !self.keeps_up() && bears_entries(&packet) => Ok(()),
            Ok(()) => self.step(Input::Datagram { from, packet: &packet }).await,
            Err(_) => {
                self.parts.counters.bump(Count::DatagramsUndecodable);
                Ok(())
            }
        };
        self.packet = packet;
        stepped
    }

    async fn stream(&mut self, event: StreamEvent) -> io::Result<()> {
        match event {
            StreamEvent::Opened { stream, peer, ours } => {
                self.step(Input::StreamOpened { stream, peer, ours }).await
            }
            StreamEvent::Refused { peer } => self.step(Input::StreamRefused { peer }).await,
            StreamEvent::Frame { stream, packet } => {
                self.step(Input::StreamFrame { stream, packet: &packet }).await
            }
            StreamEvent::Closed { stream } => self.step(Input::StreamClosed { stream }).await,
        }
    }

    async fn command(&mut self, command: &Command, answer: Answer) -> io::Result<()> {
        self.last_token += 1;
        self.waiting.insert(self.last_token, answer);
        self.step(Input::Command { token: self.last_token, command }).await
    }

    /// Carries out what a step wants, records first.
    async fn carry_out(&mut self) -> io::Result<()> {
        let mut begins_life = false;
        for (number, record) in self.effects.records.drain(..) {
            begins_life |= matches!(record, Record::Boot(_));
            self.parts.store.push(number, record);
        }
        if begins_life {
            self.sync_all(LIFE_PATIENCE).await?;
        }
        for datagram in &self.effects.datagrams {
            self.parts.udp.begin(&mut self.bytes);
            encode_packet(&datagram.packet, &mut self.bytes);
            if !self.parts.udp.seal(&mut self.bytes) {
                continue;
            }
            for &to in &self.effects.targets[datagram.to.start as usize..datagram.to.end as usize] {
                self.parts.udp.send(&self.bytes, to).await;
            }
        }
        for effect in &self.effects.streams {
            match effect {
                StreamEffect::Open { peer } => self.parts.streams.open(*peer),
                StreamEffect::Frame { stream, packet } => self.parts.streams.send(*stream, packet),
                StreamEffect::Close { stream } => self.parts.streams.close(*stream),
            }
        }
        for probe in &self.effects.probes {
            self.parts.probes.start(probe);
        }
        for event in self.effects.events.drain(..) {
            // An answer may have nobody waiting for it, and an event no subscriber.
            match event {
                Event::Done { token, dot } => {
                    let _ = self.waiting.remove(&token).map(|answer| answer.send(Ok(dot)));
                }
                Event::Failed { token, reason } => {
                    let _ = self.waiting.remove(&token).map(|answer| answer.send(Err(reason)));
                }
                event => {
                    if matches!(event, Event::Rejected(_)) {
                        self.parts.counters.bump(Count::Rejected);
                    }
                    let _ = self.parts.events.send(event);
                }
            }
        }
        self.effects.clear();
        Ok(())
    }

    /// Waits until everything that was written is on disk; on a full one no longer than `patience`.
    async fn sync_all(&mut self, patience: Duration) -> io::Result<()> {
        let Parts { node, clock, store, .. } = &mut self.parts;
        let synced = store.sync_all(|| node.snapshot(clock.now()), patience).await?;
        self.synced = synced.or(self.synced);
        Ok(())
    }

    /// Syncs, answers the commands that waited for that, and stops. What a full disk does not take was not answered.
    async fn finish(&mut self) -> io::Result<()> {
        if self.parts.store.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.sync_all(Duration::ZERO).await?;
        if let Some(up_to) = self.synced.take() {
            self.persisted(up_to);
            self.step(Input::Persisted { up_to }).await?;
        }
        Ok(())
    }
}

/// Whether a packet would have the node write down entries, or that it has seen some.
fn bears_entries(packet: &Packet) -> bool {
    !packet.entries.is_empty() || !packet.answers.is_empty()
}
