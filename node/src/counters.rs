//! What a node counts of its dealings with sockets and disk.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that is counted, from the node's start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Count {
    /// Datagrams that arrived, those lost on purpose left out.
    DatagramsReceived,
    /// Bytes in them, without the headers of UDP and IP.
    BytesReceived,
    /// Datagrams that were handed to the system, one for each receiver.
    DatagramsSent,
    /// Bytes in them, without the headers of UDP and IP.
    BytesSent,
    /// Datagrams that arrived and are no packet. They were dropped.
    DatagramsUndecodable,
    /// Those of them that begin with another version of the protocol than this node speaks.
    DatagramsOfOtherVersions,
    /// Datagrams and streams that are not sealed with a key of this node's keyring. They were dropped.
    SealsUnknown,
    /// Datagrams and streams that were sealed for a cluster of another label, or altered. They were dropped.
    SealsBroken,
    /// Datagrams that arrived and were lost on purpose.
    LostIncoming,
    /// Datagrams that were to be sent and were lost on purpose.
    LostOutgoing,
    /// Datagrams that the system refused to send.
    SendsFailed,
    /// Errors of the socket while it was asked for a datagram.
    ReceivesFailed,
    /// Streams that this node opened.
    StreamsOpened,
    /// Streams that a peer opened.
    StreamsAccepted,
    /// Streams that this node could not open.
    StreamsRefused,
    /// Connections that were closed at once because there were too many.
    StreamsTurnedAway,
    /// Connections that did not begin as a peer's do.
    StreamsUnwelcome,
    /// Streams that were cut for a frame that is none, for silence, because the peer did not keep up, or because their key was removed.
    StreamsCut,
    /// Frames that arrived and were decoded.
    FramesReceived,
    /// Frames that were handed to a stream.
    FramesSent,
    /// Packets of peers that made no sense to the protocol here.
    Rejected,
    /// Probes of origins that were started.
    ProbesStarted,
    /// Probes that brought a status, or the connection that was asked for.
    ProbesAnswered,
    /// Probes of origins that did not answer as they should; those of forbidden addresses left out.
    ProbesFailed,
    /// Probes that were to connect to an address that must not be probed.
    ProbesForbidden,
    /// Probes that were not started because as many were under way as may be. They tell nothing of their origins, nor
    /// do the next three.
    ProbesNotStarted,
    /// Probes for which the system had no descriptor, port or memory.
    ProbesHinderedBySystem,
    /// Probes for which the resolver had no answer.
    ProbesHinderedByResolver,
    /// Probes that needed of this node what it does not have: a file of authorities or a secret, or a later version.
    ProbesHinderedBySettings,
    /// Records that were handed to the journal.
    RecordsWritten,
    /// Times that the journal was synced to disk.
    JournalSyncs,
    /// Times that a long journal was replaced by a short one.
    Compactions,
    /// Times that this did not succeed; the long journal stays in use.
    CompactionsFailed,
    /// Times that the disk had no room for records; they wait until it has.
    DiskFull,
    /// Times that the disk took so long for a batch of records that writes stopped being taken in.
    DiskStalls,
    /// Times that the system refused to accept a connection, as when it is out of file descriptors.
    AcceptsFailed,
    /// Times that the machine's clock was found to have jumped, back or ahead. The node's own does not.
    ClockSteps,
    /// Times that the origins file was taken over.
    OriginsReloaded,
    /// Times that it was not, for what is in it or because it could not be read. The origins are as they were.
    OriginsRefused,
    /// Event streams and long polls that were refused because their client has as many open as it may.
    WaitingRefused,
    /// Times that a name to join through had no address.
    JoinResolveFailures,
    /// Agent checks of HAProxy that were answered.
    AgentChecks,
    /// Agent checks that were closed at once because there were too many.
    AgentChecksTurnedAway,
    /// Times that the file of endpoints for Envoy was written.
    EnvoyFilesWritten,
    /// Times that it could not be; Envoy keeps what it has.
    EnvoyFilesFailed,
    /// Changes of state that the webhook took.
    WebhooksDelivered,
    /// Attempts to tell it of one that failed.
    WebhookAttemptsFailed,
    /// Changes of state that it refused.
    WebhooksRefused,
    /// Changes of state that it was not told of: too many waited, or it did not take them for too long.
    WebhooksDropped,
    /// Questions of DNS that were answered.
    DnsAnswers,
    /// Connections of DNS that were closed at once because there were too many.
    DnsTurnedAway,
    /// Spans that a collector of traces took.
    SpansExported,
    /// Spans that none was told of: too many waited, or it did not take them for too long, or not at all.
    SpansDropped,
    /// Attempts to tell a collector of spans that failed.
    SpanExportsFailed,
    /// Probes that a client of the API asked for.
    ProbesOnRequest,
    /// Steps that were handed to the recording.
    RecordingSteps,
    /// Bytes of it that were written.
    RecordingBytes,
    /// Steps that are missing from it, because the disk did not keep up or refused to write.
    RecordingStepsLost,
}

impl Count {
    pub(crate) const LEN: usize = Self::RecordingStepsLost as usize + 1;
}

/// The counters of one node. Reading them disturbs nobody.
#[derive(Debug)]
pub struct Counters {
    values: [AtomicU64; Count::LEN],
}

impl Default for Counters {
    fn default() -> Self {
        Self { values: array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Counters {
    /// How often it happened so far.
    #[must_use]
    pub fn get(&self, count: Count) -> u64 {
        self.values[count as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn bump(&self, count: Count) {
        self.add(count, 1);
    }

    pub(crate) fn add(&self, count: Count, more: u64) {
        self.values[count as usize].fetch_add(more, Ordering::Relaxed);
    }
}
