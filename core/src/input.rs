//! What comes in through the core's door.

use crate::entry::{HealthState, Hold, OriginSpec, Scope};
use crate::id::{Addr, Dot, Name, StreamId};
use crate::packet::Packet;
use crate::probe::ProbeOutcome;
use alloc::boxed::Box;
use alloc::sync::Arc;

/// Everything that can happen to a node. A run is a list of `(Time, NodeId, Input)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// The time of [`Node::next_wake`](crate::node::Node::next_wake) has come. Harmless when it has not.
    Timeout,
    /// A datagram arrived and was decoded.
    Datagram {
        /// Where it came from; an answer goes there.
        from: Addr,
        /// Its content.
        packet: &'a Packet,
    },
    /// A stream is open: one that this node asked for, or one that a peer opened.
    StreamOpened {
        /// Its number, which the driver chose.
        stream: StreamId,
        /// The other end.
        peer: Addr,
        /// Whether this node asked for it.
        ours: bool,
    },
    /// A stream that this node asked for could not be opened.
    StreamRefused {
        /// To whom.
        peer: Addr,
    },
    /// A frame arrived and was decoded.
    StreamFrame {
        /// On which stream.
        stream: StreamId,
        /// Its content.
        packet: &'a Packet,
    },
    /// A stream has ended, by either side or by the network.
    StreamClosed {
        /// Which.
        stream: StreamId,
    },
    /// A probe that this node asked for has ended.
    Probe(ProbeOutcome),
    /// Somebody beside the node has checked an origin.
    Verdict(&'a Verdict),
    /// Every record up to this number is on disk.
    Persisted {
        /// The number of the last one.
        up_to: u64,
    },
    /// A command of the operator or of a client; its answer bears the token.
    Command {
        /// Chosen by the driver.
        token: u64,
        /// What to do.
        command: &'a Command,
    },
}

/// An input that keeps what it refers to: what a recording holds, and what a replay feeds to a node again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OwnedInput {
    /// As [`Input::Timeout`].
    Timeout,
    /// As [`Input::Datagram`].
    Datagram {
        /// Where it came from.
        from: Addr,
        /// Its content; boxed, as packets are large.
        packet: Box<Packet>,
    },
    /// As [`Input::StreamOpened`].
    StreamOpened {
        /// Its number.
        stream: StreamId,
        /// The other end.
        peer: Addr,
        /// Whether this node asked for it.
        ours: bool,
    },
    /// As [`Input::StreamRefused`].
    StreamRefused {
        /// To whom.
        peer: Addr,
    },
    /// As [`Input::StreamFrame`].
    StreamFrame {
        /// On which stream.
        stream: StreamId,
        /// Its content; boxed, as packets are large.
        packet: Box<Packet>,
    },
    /// As [`Input::StreamClosed`].
    StreamClosed {
        /// Which.
        stream: StreamId,
    },
    /// As [`Input::Probe`].
    Probe(ProbeOutcome),
    /// As [`Input::Verdict`].
    Verdict(Verdict),
    /// As [`Input::Persisted`].
    Persisted {
        /// The number of the last one.
        up_to: u64,
    },
    /// As [`Input::Command`].
    Command {
        /// Chosen by the driver.
        token: u64,
        /// What to do.
        command: Command,
    },
}

impl OwnedInput {
    /// The input, to step a node with.
    #[must_use]
    pub fn as_input(&self) -> Input<'_> {
        match self {
            Self::Timeout => Input::Timeout,
            Self::Datagram { from, packet } => Input::Datagram { from: *from, packet },
            Self::StreamOpened { stream, peer, ours } => {
                Input::StreamOpened { stream: *stream, peer: *peer, ours: *ours }
            }
            Self::StreamRefused { peer } => Input::StreamRefused { peer: *peer },
            Self::StreamFrame { stream, packet } => Input::StreamFrame { stream: *stream, packet },
            Self::StreamClosed { stream } => Input::StreamClosed { stream: *stream },
            Self::Probe(outcome) => Input::Probe(*outcome),
            Self::Verdict(verdict) => Input::Verdict(verdict),
            Self::Persisted { up_to } => Input::Persisted { up_to: *up_to },
            Self::Command { token, command } => Input::Command { token: *token, command },
        }
    }
}

impl From<Input<'_>> for OwnedInput {
    fn from(input: Input<'_>) -> Self {
        match input {
            Input::Timeout => Self::Timeout,
            Input::Datagram { from, packet } => Self::Datagram { from, packet: Box::new(packet.clone()) },
            Input::StreamOpened { stream, peer, ours } => Self::StreamOpened { stream, peer, ours },
            Input::StreamRefused { peer } => Self::StreamRefused { peer },
            Input::StreamFrame { stream, packet } => {
                Self::StreamFrame { stream, packet: Box::new(packet.clone()) }
            }
            Input::StreamClosed { stream } => Self::StreamClosed { stream },
            Input::Probe(outcome) => Self::Probe(outcome),
            Input::Verdict(verdict) => Self::Verdict(verdict.clone()),
            Input::Persisted { up_to } => Self::Persisted { up_to },
            Input::Command { token, command } => Self::Command { token, command: command.clone() },
        }
    }
}

/// What somebody beside the node found of an origin. It becomes a claim of this node, whoever owns the origin.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Verdict {
    /// Where the finding holds.
    pub scope: Scope,
    /// Of which origin.
    pub origin: Name,
    /// What was found.
    pub state: HealthState,
    /// Whether this node goes on checking it on schedule.
    pub hold: Hold,
}

/// What a client can ask of a node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// Joins the cluster through one of these addresses; with none, serves at once as a cluster of its own.
    Join {
        /// Tried in turn, for ever.
        peers: Arc<[Addr]>,
    },
    /// Releases what this node holds and stops taking part.
    Leave,
    /// This node says of itself from now on that it is there, in that zone, and of that weight.
    Describe {
        /// Where it can be reached.
        addr: Addr,
        /// Its zone.
        zone: Scope,
        /// Its share of the work; 100 is usual.
        weight: u16,
    },
    /// Adds or edits an origin.
    PutOrigin {
        /// Its name.
        name: Name,
        /// How to check it.
        spec: OriginSpec,
        /// Where it comes from.
        source: Name,
    },
    /// Has an origin checked now, by whoever owns it. The answer does not wait for that.
    CheckNow {
        /// Its name.
        name: Name,
    },
    /// Is answered once so many other members have a write on disk, or after
    /// [`WAIT_LIMIT`](crate::witness::WAIT_LIMIT).
    AwaitPeers {
        /// The write.
        dot: Dot,
        /// How many others.
        count: u16,
    },
    /// Nobody waits any more for the answer to an earlier [`AwaitPeers`](Self::AwaitPeers): its client has gone away. It is not
    /// answered, and leaves its place to others.
    StopWaiting {
        /// The token of that command.
        of: u64,
    },
    /// Removes an origin.
    RemoveOrigin {
        /// Its name.
        name: Name,
    },
    /// Writes a key.
    PutKey {
        /// The key.
        name: Name,
        /// Its value, at most [`VALUE_LIMIT`](crate::entry::VALUE_LIMIT) bytes.
        value: Arc<[u8]>,
    },
    /// Deletes a key.
    DeleteKey {
        /// The key.
        name: Name,
    },
    /// Publishes a message.
    Publish {
        /// What it is about.
        topic: Name,
        /// Its content, at most [`VALUE_LIMIT`](crate::entry::VALUE_LIMIT) bytes.
        payload: Arc<[u8]>,
    },
    /// A write whose entry has a note for drivers elsewhere. A command that writes none is carried out without it.
    Noted {
        /// What goes along, at most [`NOTE_LIMIT`](crate::entry::NOTE_LIMIT) bytes.
        note: Arc<[u8]>,
        /// What to do; not noted itself, or the note within counts.
        command: Box<Self>,
    },
}

impl Command {
    /// The same with a note; as it is when the note is empty.
    #[must_use]
    pub fn with_note(self, note: &[u8]) -> Self {
        if note.is_empty() { self } else { Self::Noted { note: note.into(), command: Box::new(self) } }
    }

    /// What is to be done, and the note that goes along with it.
    #[must_use]
    pub fn parts(&self) -> (&Self, &[u8]) {
        match self {
            Self::Noted { note, command } => match command.parts() {
                (command, []) => (command, note),
                noted => noted,
            },
            command => (command, &[]),
        }
    }
}
