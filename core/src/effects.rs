//! What goes out through the core's door.

use crate::config::ConfigError;
use crate::id::{Addr, Boot, Dot, Name, NodeId, StreamId};
use crate::member::{Member, Standing};
use crate::packet::{Carried, LaneAnswer, Packet};
use crate::probe::Probe;
use crate::state::Change;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

/// What a step wants done. Belongs to the driver and is reused, so that a warm step allocates nothing.
#[derive(Debug, Default)]
pub struct Effects {
    /// Datagrams to send.
    pub datagrams: Vec<Datagram>,
    /// The addresses that [`Datagram::to`] points into.
    pub targets: Vec<Addr>,
    /// What to do with streams, in order.
    pub streams: Vec<StreamEffect>,
    /// Records to write to disk, in order, each with its number.
    pub records: Vec<(u64, Record)>,
    /// Probes to start; each is answered by an outcome, unless it is lost.
    pub probes: Vec<Probe>,
    /// What happened.
    pub events: Vec<Event>,
    spare: Vec<Packet>,
}

/// One packet to one or many addresses.
#[derive(Debug)]
pub struct Datagram {
    /// What to send.
    pub packet: Packet,
    /// To whom: a range of [`Effects::targets`].
    pub to: Range<u32>,
}

/// What to do with a stream.
#[derive(Debug)]
pub enum StreamEffect {
    /// Open one; answered by `StreamOpened` with `ours`, or by `StreamRefused`.
    Open {
        /// To whom.
        peer: Addr,
    },
    /// Send a frame.
    Frame {
        /// On which stream.
        stream: StreamId,
        /// What to send; boxed, as frames are rare and packets large.
        packet: Box<Packet>,
    },
    /// Close it; no `StreamClosed` follows on this side.
    Close {
        /// Which.
        stream: StreamId,
    },
}

/// What a node writes to disk. Applying a record twice, or after later ones, does no harm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// The life that begins here.
    Boot(Boot),
    /// An entry was learned.
    Entry {
        /// When, on the local clock: a message goes on ageing while the node is down.
        at: Time,
        /// The entry.
        carried: Carried,
    },
    /// A shard was joined; its entries stand in records before this one.
    Joined(Vec<LaneAnswer>),
    /// The first join is complete: from here on the node restarts as a member.
    Member,
    /// Another member, to be found again after a restart.
    Known(Box<Member>),
    /// The node has this name from here on.
    Named(Name),
}

/// The phases of a node's life. No claim is made before [`Phase::Serving`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Phase {
    /// Looks for a peer and for the state.
    #[default]
    Joining,
    /// Has the state of a live peer.
    Synced,
    /// Takes part in everything.
    Serving,
    /// Releases what it holds; takes no commands.
    Leaving,
}

/// Something that the driver or its clients may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The replicated state changed. A message is learned at most once in a node's life.
    Changed(Change),
    /// The node entered a phase.
    Phase(Phase),
    /// A command was carried out; a write is on the local disk.
    Done {
        /// The command's token.
        token: u64,
        /// The dot that it minted; none when nothing had to change.
        dot: Option<Dot>,
    },
    /// A command was refused; nothing changed.
    Failed {
        /// The command's token.
        token: u64,
        /// Why.
        reason: Refusal,
    },
    /// An earlier or a second life of this node's name was heard of: the node took this life instead.
    NewBoot(Boot),
    /// Another live node has this node's name, as when a disk was copied, at a lower address or while this one leaves: this
    /// one took another.
    Renamed(Name),
    /// What is held of another member changed.
    Member {
        /// Whom.
        node: NodeId,
        /// What is held of it now.
        standing: Standing,
    },
    /// Others doubted this node: it has said that it lives, for the so-manieth time in this life.
    Refuted(u32),
    /// A member has other settings of ownership than this node: the two do not agree about owners.
    Disagrees {
        /// Whom.
        node: NodeId,
        /// The fingerprint of its settings.
        settings: u64,
    },
    /// A peer sent something that makes no sense here; it was dropped.
    Rejected(Rejected),
}

/// Why a command was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The node has not joined yet, or is leaving.
    NotServing(Phase),
    /// The value has this many bytes, above the limit.
    TooLarge(usize),
    /// There is no such origin or key.
    Missing,
    /// Too many clients wait for their writes to spread; the write itself is done.
    TooManyWait,
    /// So many others had the write on disk when the time was over; the write itself is done.
    NotSpread(u16),
    /// A setting is outside its range.
    OutOfRange(ConfigError),
}

/// Why something of a peer's was dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rejected {
    /// The sender is not a member.
    Stranger,
    /// A reply to no request, or to one of a round long past. Common after a delay.
    LateReply,
    /// A claim whose registry entry has not arrived.
    UnknownGeneration,
    /// A fence of lives of which something is missing here.
    EarlyFence,
    /// An answer that counts on entries which did not come with it.
    IncompleteAnswer,
    /// A stream packet in a datagram, or the other way round.
    WrongPlace,
    /// More streams at once than this node serves.
    TooManyStreams,
    /// A stream to a node that has no state to give yet.
    StillJoining,
    /// A question about an origin that is not known here, or an answer to a question that was not asked.
    NotAsked,
}

impl Effects {
    /// An empty packet, with memory of an earlier one if there is any.
    #[must_use]
    pub fn packet(&mut self) -> Packet {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a finished packet back for its memory.
    pub fn recycle(&mut self, mut packet: Packet) {
        // Entries hold references to shared state, which should not outlive the packet.
        packet.entries.clear();
        packet.answer_lanes.clear();
        packet.window_lanes.clear();
        self.spare.push(packet);
    }

    /// Sends `packet` to one address.
    pub fn send(&mut self, to: Addr, packet: Packet) {
        let start = self.targets.len() as u32;
        self.targets.push(to);
        self.datagrams.push(Datagram { packet, to: start..start + 1 });
    }

    /// Sends `packet` to the addresses pushed onto `targets` from `start` on; drops it when there are none.
    pub fn send_to_pushed(&mut self, start: usize, packet: Packet) {
        if self.targets.len() == start {
            self.recycle(packet);
            return;
        }
        self.datagrams.push(Datagram { packet, to: start as u32..self.targets.len() as u32 });
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        while let Some(datagram) = self.datagrams.pop() {
            self.recycle(datagram.packet);
        }
        while let Some(effect) = self.streams.pop() {
            if let StreamEffect::Frame { packet, .. } = effect {
                self.recycle(*packet);
            }
        }
        self.targets.clear();
        self.records.clear();
        self.probes.clear();
        self.events.clear();
    }
}
