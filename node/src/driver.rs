//! The one task that drives a node: it alone steps the state machine, and it carries out what each step wants.
//!
//! It keeps the duties that `heck_core::Node::step` names, and one more: a life's name is on disk before
//! anything that was minted in that life leaves the node. It never waits for the disk: until such a name is there, what
//! the node says to its peers is lost, as datagrams may be at any time. When that lasts, because the disk is full or hangs, it is
//! told.

use crate::addr::from_core;
use crate::clock::Clock;
use crate::counters::{Count, Counters};
use crate::error::NodeError;
use crate::handle::{Answer, Ended, Look, Request};
use crate::journal::Store;
use crate::probe::Runner;
use crate::recording::Recorder;
use crate::tcp::{StreamEvent, Streams};
use crate::trace::{Steps, Way};
use crate::udp::Udp;
use heck_core::Node;
use heck_core::codec::{DecodeError, decode_packet, encode_packet};
use heck_core::effects::{Effects, Event, Phase, Record, StreamEffect};
use heck_core::id::Addr;
use heck_core::input::{Command, Input};
use heck_core::packet::Packet;
use heck_core::probe::ProbeOutcome;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::sleep_until;
use tracing::{info, warn};

/// How long the disk may take for the last records of a node that stops.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// What a driver is put together from.
pub(crate) struct Parts {
    pub node: Node,
    pub clock: Clock,
    pub udp: Udp,
    pub streams: Streams,
    pub store: Store,
    pub probes: Runner,
    pub recorder: Option<Recorder>,
    /// What is noted of traced changes, where anyone is told of traces.
    pub steps: Option<Steps>,
    pub requests: mpsc::Receiver<Request>,
    pub looks: mpsc::Receiver<Look>,
    pub events: broadcast::Sender<Event>,
    pub counters: Arc<Counters>,
    /// Where others see that peers hear nothing of the node, as the disk does not take its life's name.
    pub is_mute: Arc<AtomicBool>,
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
    /// Those of them that wait for other nodes, which may take long.
    waiting_for_peers: Vec<u64>,
    last_token: u64,
    /// The record of this life's name while it is not on disk.
    unnamed: Option<u64>,
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
            waiting_for_peers: Vec::new(),
            last_token: 0,
            unnamed: None,
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
                Happening::Wake => {
                    self.step(Input::Timeout).await;
                    self.stop_waiting_for_the_gone().await;
                }
                Happening::Datagram(from) => self.datagram(from).await,
                Happening::Stream(event) => self.stream(event).await,
                Happening::Probe(outcome) => self.step(Input::Probe(outcome)).await,
                Happening::Synced(up_to) => {
                    if let Some(up_to) = up_to? {
                        self.persisted(up_to);
                        self.step(Input::Persisted { up_to }).await;
                    }
                }
                Happening::Request(Some(Request::Command { command, answer })) => {
                    self.command(&command, answer).await;
                }
                Happening::Request(Some(Request::Decide { decide, answer })) => {
                    if let Some(command) = decide(self.parts.node.view(), self.parts.clock.now()) {
                        self.command(&command, answer).await;
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
        self.tell_of_silence();
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
        if self.unnamed.is_some_and(|record| record <= up_to) {
            self.unnamed = None;
            self.parts.is_mute.store(false, Ordering::Relaxed);
            info!("the new life is on disk: peers hear of the node again");
        }
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

    async fn step(&mut self, input: Input<'_>) {
        let Parts { node, clock, recorder, steps, .. } = &mut self.parts;
        let now = clock.now();
        let traced = steps.as_ref().map(|steps| (steps.before(), node.view().phase() == Phase::Serving));
        if let Some(recorder) = recorder.as_mut() {
            recorder.begin_step(now, input);
        }
        node.step(now, input, &mut self.effects);
        if let Some(recorder) = recorder.as_mut() {
            recorder.end_step(node, now, &self.effects);
        }
        if let Some((steps, (begun_us, is_joined))) = steps.as_mut().zip(traced) {
            steps.after(input, is_joined, begun_us, &self.effects);
        }
        self.carry_out().await;
    }

    async fn datagram(&mut self, from: Addr) {
        if let Some(steps) = &mut self.parts.steps {
            steps.arrive();
        }
        let mut packet = mem::take(&mut self.packet);
        let decoded = decode_packet(self.parts.udp.received(), &mut packet);
        match decoded {
            // It comes again by repair, as what is lost on the way does.
            Ok(()) if !self.keeps_up() && bears_entries(&packet) => {}
            Ok(()) => self.step(Input::Datagram { from, packet: &packet }).await,
            Err(error) => self.note_undecodable(from, error),
        }
        self.packet = packet;
    }

    /// Counts a datagram that is no packet. That somebody speaks another version is told once: until it speaks this one, the two
    /// hear nothing of each other.
    fn note_undecodable(&self, from: Addr, error: DecodeError) {
        let counters = &self.parts.counters;
        counters.bump(Count::DatagramsUndecodable);
        if !matches!(error, DecodeError::Version(_)) {
            return;
        }
        if counters.get(Count::DatagramsOfOtherVersions) == 0 {
            warn!(from = %from_core(from), %error, "a datagram of another version of the protocol is dropped, as all such are");
        }
        counters.bump(Count::DatagramsOfOtherVersions);
    }

    async fn stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Opened { stream, peer, ours } => {
                self.step(Input::StreamOpened { stream, peer, ours }).await;
            }
            StreamEvent::Refused { peer } => self.step(Input::StreamRefused { peer }).await,
            StreamEvent::Frame { stream, packet } => {
                self.step(Input::StreamFrame { stream, packet: &packet }).await;
            }
            StreamEvent::Closed { stream } => self.step(Input::StreamClosed { stream }).await,
        }
    }

    async fn command(&mut self, command: &Command, answer: Answer) {
        self.last_token += 1;
        self.waiting.insert(self.last_token, answer);
        if matches!(command.parts().0, Command::AwaitPeers { .. }) {
            self.waiting_for_peers.push(self.last_token);
        }
        self.step(Input::Command { token: self.last_token, command }).await;
    }

    /// Lets the protocol wait for other nodes no longer where the client has gone. The node wakes several times a second as
    /// long as anybody waits.
    async fn stop_waiting_for_the_gone(&mut self) {
        let Self { waiting, waiting_for_peers, .. } = self;
        let mut gone = Vec::new();
        waiting_for_peers.retain(|token| match waiting.get(token) {
            Some(answer) if answer.is_closed() => {
                gone.push(*token);
                false
            }
            answer => answer.is_some(),
        });
        for of in gone {
            self.waiting.remove(&of);
            self.last_token += 1;
            let (token, command) = (self.last_token, Command::StopWaiting { of });
            self.step(Input::Command { token, command: &command }).await;
        }
    }

    /// Carries out what a step wants, records first.
    async fn carry_out(&mut self) {
        for (number, record) in self.effects.records.drain(..) {
            if matches!(record, Record::Boot(_)) {
                self.unnamed = Some(number);
            }
            self.parts.store.push(number, record);
        }
        if self.unnamed.is_none() {
            self.send().await;
        } else {
            self.say_nothing();
        }
        for probe in &self.effects.probes {
            self.parts.probes.start(probe);
        }
        self.tell();
        self.effects.clear();
    }

    /// Sends what a step has for peers.
    async fn send(&mut self) {
        for datagram in &self.effects.datagrams {
            let sending =
                self.parts.steps.as_ref().and_then(|steps| steps.sending(&datagram.packet, Way::Udp));
            self.parts.udp.begin(&mut self.bytes);
            encode_packet(&datagram.packet, &mut self.bytes);
            if !self.parts.udp.seal(&mut self.bytes) {
                continue;
            }
            for &to in &self.effects.targets[datagram.to.start as usize..datagram.to.end as usize] {
                self.parts.udp.send(&self.bytes, to).await;
            }
            if let Some((steps, sending)) = self.parts.steps.as_ref().zip(sending) {
                steps.sent(sending, datagram.to.len(), self.bytes.len());
            }
        }
        for effect in &self.effects.streams {
            match effect {
                StreamEffect::Open { peer } => self.parts.streams.open(*peer),
                StreamEffect::Frame { stream, packet } => {
                    let sending = self.parts.steps.as_ref().and_then(|steps| steps.sending(packet, Way::Tcp));
                    self.parts.streams.send(*stream, packet);
                    if let Some((steps, sending)) = self.parts.steps.as_ref().zip(sending) {
                        steps.sent(sending, 1, 0);
                    }
                }
                StreamEffect::Close { stream } => self.parts.streams.close(*stream),
            }
        }
    }

    /// Loses what a step has for peers, and lets the node know where it would wait for an answer.
    fn say_nothing(&mut self) {
        for effect in &self.effects.streams {
            match effect {
                StreamEffect::Open { peer } => self.parts.streams.refuse(*peer),
                StreamEffect::Frame { stream, .. } => self.parts.streams.cut(*stream),
                StreamEffect::Close { stream } => self.parts.streams.close(*stream),
            }
        }
    }

    /// Tells once that the node is silent for longer than a disk takes that does what it should.
    fn tell_of_silence(&self) {
        let Parts { store, is_mute, .. } = &self.parts;
        if self.unnamed.is_none() || !(store.is_full() || store.watch().stalled().is_some()) {
            return;
        }
        if !is_mute.swap(true, Ordering::Relaxed) {
            warn!(
                "the disk does not take the name of the node's new life: peers hear nothing of it until then"
            );
        }
    }

    /// Answers commands, and tells subscribers what happened.
    fn tell(&mut self) {
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
    }

    /// Syncs, answers the commands that waited for that, and stops. What the disk does not take was not answered.
    async fn finish(&mut self) -> io::Result<()> {
        let Parts { node, clock, store, .. } = &mut self.parts;
        if store.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if store.watch().stalled().is_some() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if let Some(up_to) = store.sync_all(|| node.snapshot(clock.now()), LAST_PATIENCE).await? {
            self.persisted(up_to);
            self.step(Input::Persisted { up_to }).await;
        }
        Ok(())
    }
}

/// Whether a packet would have the node write down entries, or that it has seen some.
fn bears_entries(packet: &Packet) -> bool {
    !packet.entries.is_empty() || !packet.answers.is_empty()
}
