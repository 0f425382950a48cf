//! Streams: one TCP connection each, moved by a task of its own that reads, decodes and writes frames.
//!
//! Such a task never touches the node. It reports what happened through a channel that holds few events, so a
//! peer that sends faster than the node works is slowed down by TCP.

use crate::addr::from_core;
use crate::config::Limits;
use crate::counters::{Count, Counters};
use crate::frame::{Codec, Frames, StreamError, frame, greet, read_packet, welcome};
use crate::seal::{KeyId, SealError, Sealers, Sealing};
use heck_core::id::{Addr, StreamId};
use heck_core::packet::Packet;
use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::warn;

/// Events of all streams that may wait for the node.
const EVENTS: usize = 64;
/// How long nothing is accepted after the system refused to accept: it may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the node has to hear of its streams.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    /// A stream is open.
    Opened { stream: StreamId, peer: Addr, ours: bool },
    /// A stream that this node asked for could not be opened.
    Refused { peer: Addr },
    /// A frame arrived.
    Frame { stream: StreamId, packet: Box<Packet> },
    /// A stream ended.
    Closed { stream: StreamId },
}

/// What the task of a connection reports.
#[derive(Debug)]
enum Report {
    Opened { stream: StreamId, peer: Addr, ours: bool, outbox: Outbox },
    Event(StreamEvent),
}

/// Where frames wait to be written. The task writes what is left when this is dropped, and then ends.
#[derive(Debug)]
struct Outbox {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// What the tasks of all connections share.
#[derive(Debug)]
struct Shared {
    advertised: Addr,
    sealing: Sealing,
    limits: Limits,
    counters: Arc<Counters>,
    reports: mpsc::Sender<Report>,
    last_stream: AtomicU64,
}

/// All streams of a node. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Streams {
    listener: TcpListener,
    accept_from: Instant,
    /// Whether the system refused the last time.
    is_refused: bool,
    accepted: Arc<Semaphore>,
    open: BTreeMap<StreamId, Outbox>,
    reports: mpsc::Receiver<Report>,
    /// Events that arose here and not in a task.
    own: VecDeque<StreamEvent>,
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

impl Streams {
    pub(crate) fn new(
        listener: std::net::TcpListener,
        advertised: Addr,
        sealing: Sealing,
        limits: &Limits,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let (sender, reports) = mpsc::channel(EVENTS);
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            accept_from: Instant::now(),
            is_refused: false,
            accepted: Arc::new(Semaphore::new(limits.accepted_streams as usize)),
            open: BTreeMap::new(),
            reports,
            own: VecDeque::new(),
            tasks: JoinSet::new(),
            shared: Arc::new(Shared {
                advertised,
                sealing,
                limits: limits.clone(),
                counters,
                reports: sender,
                last_stream: AtomicU64::new(0),
            }),
        })
    }

    /// Begins to open a stream to `peer`; `Opened` or `Refused` follows.
    pub(crate) fn open(&mut self, peer: Addr) {
        self.tasks.spawn(open(self.shared.clone(), peer));
    }

    /// Sends a frame. A stream that has ended meanwhile takes no notice; one whose peer does not keep up is
    /// cut, and the event for that follows.
    pub(crate) fn send(&mut self, stream: StreamId, packet: &Packet) {
        let Some(outbox) = self.open.get(&stream) else { return };
        let bytes = frame(packet);
        let limits = &self.shared.limits;
        let waiting = outbox.waiting_bytes.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        if bytes.len() > limits.frame_bytes as usize || waiting > limits.stream_backlog_bytes {
            self.cut(stream);
        } else if outbox.frames.send(bytes).is_ok() {
            self.shared.counters.bump(Count::FramesSent);
        }
        // Otherwise the task has ended, and its report of that is on the way.
    }

    /// Ends a stream at once; the event for that follows.
    pub(crate) fn cut(&mut self, stream: StreamId) {
        if self.open.remove(&stream).is_some() {
            self.shared.counters.bump(Count::StreamsCut);
            self.own.push_back(StreamEvent::Closed { stream });
        }
    }

    /// Does not try to open a stream to `peer`; `Refused` follows.
    pub(crate) fn refuse(&mut self, peer: Addr) {
        self.shared.counters.bump(Count::StreamsRefused);
        self.own.push_back(StreamEvent::Refused { peer });
    }

    /// Closes a stream once what waits has been written; no event follows.
    pub(crate) fn close(&mut self, stream: StreamId) {
        self.open.remove(&stream);
    }

    /// Waits for the next event. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> StreamEvent {
        loop {
            if let Some(event) = self.own.pop_front() {
                return event;
            }
            tokio::select! {
                incoming = accept(&self.listener, self.accept_from) => self.take(incoming),
                Some(report) = self.reports.recv() => {
                    if let Some(event) = self.heard(report) {
                        return event;
                    }
                }
                // Ended tasks are only cleared away: they have reported already.
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    fn take(&mut self, incoming: io::Result<(TcpStream, SocketAddr)>) {
        let connection = match incoming {
            Ok((connection, _)) => connection,
            Err(error) => {
                if !self.is_refused {
                    warn!(%error, "the system refuses to accept streams of peers: it is tried again and again");
                }
                self.is_refused = true;
                self.shared.counters.bump(Count::AcceptsFailed);
                self.accept_from = Instant::now() + ACCEPT_PAUSE;
                return;
            }
        };
        self.is_refused = false;
        match self.accepted.clone().try_acquire_owned() {
            Ok(permit) => {
                self.tasks.spawn(accepted(self.shared.clone(), connection, permit));
            }
            Err(_) => self.shared.counters.bump(Count::StreamsTurnedAway),
        }
    }

    /// Turns a report into an event, unless the node has closed that stream before.
    fn heard(&mut self, report: Report) -> Option<StreamEvent> {
        match report {
            Report::Opened { stream, peer, ours, outbox } => {
                self.open.insert(stream, outbox);
                Some(StreamEvent::Opened { stream, peer, ours })
            }
            Report::Event(event) => match event {
                StreamEvent::Frame { stream, .. } if !self.open.contains_key(&stream) => None,
                StreamEvent::Closed { stream } if self.open.remove(&stream).is_none() => None,
                other => Some(other),
            },
        }
    }
}

async fn accept(listener: &TcpListener, from: Instant) -> io::Result<(TcpStream, SocketAddr)> {
    if from > Instant::now() {
        sleep_until(from).await;
    }
    listener.accept().await
}

/// Opens a stream to `peer` and attends to it until it ends.
async fn open(shared: Arc<Shared>, peer: Addr) {
    let connect = async {
        let mut connection = TcpStream::connect(from_core(peer)).await?;
        connection.set_nodelay(true)?;
        let codec = greet(&mut connection, shared.advertised, shared.sealers().as_ref()).await?;
        Ok::<_, StreamError>((connection, codec))
    };
    if let Ok(Ok((connection, codec))) = timeout(shared.limits.handshake, connect).await {
        shared.counters.bump(Count::StreamsOpened);
        shared.attend(connection, codec, peer, true).await;
    } else {
        shared.counters.bump(Count::StreamsRefused);
        shared.report(Report::Event(StreamEvent::Refused { peer })).await;
    }
}

/// Hears who opened a connection and attends to it until it ends. The permit counts it as long.
async fn accepted(shared: Arc<Shared>, mut connection: TcpStream, _permit: OwnedSemaphorePermit) {
    let welcome = async {
        connection.set_nodelay(true)?;
        welcome(&mut connection, shared.sealers().as_ref()).await
    };
    match timeout(shared.limits.handshake, welcome).await {
        Ok(Ok((peer, codec))) => {
            shared.counters.bump(Count::StreamsAccepted);
            shared.attend(connection, codec, peer, false).await;
        }
        failed => {
            shared.counters.bump(Count::StreamsUnwelcome);
            if let Ok(Err(error)) = failed {
                shared.count_seal(&error);
            }
        }
    }
}

impl Shared {
    /// The keys as they are now; none where nothing is sealed.
    fn sealers(&self) -> Option<Sealers> {
        match &self.sealing {
            Sealing::Unsealed => None,
            Sealing::Sealed(keyring) => Some(keyring.sealers()),
        }
    }

    fn count_seal(&self, error: &StreamError) {
        match error {
            StreamError::Seal(SealError::Unknown) => self.counters.bump(Count::SealsUnknown),
            StreamError::Seal(SealError::Broken) => self.counters.bump(Count::SealsBroken),
            _ => {}
        }
    }

    async fn report(&self, report: Report) {
        // Nobody listens any more when the node has stopped, and this task is about to be ended as well.
        let _ = self.reports.send(report).await;
    }

    /// Moves frames both ways until the peer, the node or the network ends the stream.
    async fn attend(&self, connection: TcpStream, codec: Codec, peer: Addr, ours: bool) {
        let stream = StreamId(self.last_stream.fetch_add(1, Ordering::Relaxed) + 1);
        let (frames, queue) = mpsc::unbounded_channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let outbox = Outbox { frames, waiting_bytes: waiting_bytes.clone() };
        self.report(Report::Opened { stream, peer, ours, outbox }).await;
        let moved = AtomicU64::new(0);
        let (reader, writer) = connection.into_split();
        let Codec { sending, receiving, key } = codec;
        let end = tokio::select! {
            end = self.read(stream, BufReader::new(reader), receiving, &moved) => end,
            end = write(queue, writer, sending, &waiting_bytes, &moved) => end.map_err(StreamError::from),
            () = self.until_idle(&moved) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            () = self.until_removed(key) => Err(StreamError::KeyRemoved),
        };
        if let Err(error) = end {
            self.counters.bump(Count::StreamsCut);
            self.count_seal(&error);
        }
        self.report(Report::Event(StreamEvent::Closed { stream })).await;
    }

    async fn read(
        &self,
        stream: StreamId,
        mut from: impl AsyncRead + Unpin,
        mut frames: Frames,
        moved: &AtomicU64,
    ) -> Result<(), StreamError> {
        let mut buffer = Vec::new();
        let limit = self.limits.frame_bytes;
        while let Some(packet) = read_packet(&mut from, &mut frames, limit, &mut buffer).await? {
            moved.fetch_add(1, Ordering::Relaxed);
            self.counters.bump(Count::FramesReceived);
            self.report(Report::Event(StreamEvent::Frame { stream, packet })).await;
        }
        Ok(())
    }

    /// Returns once the key is not in the keyring any more: whoever has it is no peer from then on.
    async fn until_removed(&self, key: Option<KeyId>) {
        if let (Sealing::Sealed(keyring), Some(key)) = (&self.sealing, key)
            && keyring.watch().wait_for(|sealers| sealers.find(key).is_none()).await.is_ok()
        {
            return;
        }
        pending::<()>().await;
    }

    /// Returns once no frame has moved for a while: between one and two times the limit.
    async fn until_idle(&self, moved: &AtomicU64) {
        loop {
            let before = moved.load(Ordering::Relaxed);
            sleep(self.limits.stream_idle).await;
            if moved.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

/// Writes frames until nobody can add any and all are written.
async fn write(
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    mut to: impl AsyncWrite + Unpin,
    mut frames: Frames,
    waiting_bytes: &AtomicUsize,
    moved: &AtomicU64,
) -> io::Result<()> {
    while let Some(mut bytes) = queue.recv().await {
        let waited = bytes.len();
        frames.close(&mut bytes);
        to.write_all(&bytes).await?;
        waiting_bytes.fetch_sub(waited, Ordering::Relaxed);
        moved.fetch_add(1, Ordering::Relaxed);
    }
    to.write_all(&frames.last()).await?;
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::to_core;
    use crate::seal::{Key, Keyring, Keys};
    use heck_core::id::Name;

    fn streams(ring: &Keyring) -> Streams {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let advertised = to_core(listener.local_addr().unwrap());
        let (limits, counters) = (Limits::default(), Arc::new(Counters::default()));
        Streams::new(listener, advertised, Sealing::Sealed(ring.clone()), &limits, counters).unwrap()
    }

    async fn next(streams: &mut Streams) -> StreamEvent {
        timeout(Duration::from_secs(10), streams.next()).await.expect("something happens")
    }

    #[tokio::test]
    async fn a_stream_lasts_while_another_key_seals_and_ends_when_its_own_is_removed() {
        let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
        let rings = [(); 2].map(|()| Keyring::new(Keys::new(old.clone()), &Name::new("c").unwrap(), None));
        let [mut a, mut b] = [&rings[0], &rings[1]].map(streams);
        a.open(b.shared.advertised);
        // Both have to be driven for either to open.
        let (opened, accepted) = tokio::join!(next(&mut a), next(&mut b));
        let StreamEvent::Opened { stream, ours: true, .. } = opened else { panic!("{opened:?}") };
        assert!(matches!(accepted, StreamEvent::Opened { ours: false, .. }), "{accepted:?}");
        rings[1].install(new.clone()).unwrap();
        rings[1].use_key(new.id()).unwrap();
        a.send(stream, &Packet::default());
        let heard = next(&mut b).await;
        assert!(matches!(heard, StreamEvent::Frame { .. }), "{heard:?}");
        rings[1].remove(old.id()).unwrap();
        let ended = next(&mut b).await;
        assert!(matches!(ended, StreamEvent::Closed { .. }), "{ended:?}");
        assert_eq!(b.shared.counters.get(Count::StreamsCut), 1);
    }
}
