//! What nodes say to each other: one packet type for datagrams and for the frames of streams.

use crate::entry::{Entry, Minted, Scope};
use crate::id::{Addr, Dot, Lane, Name, NodeId, SHARDS, Shard, Writer};
use crate::interval::IntervalSet;
use crate::member::{Life, Member, Standing};
use crate::time::Span;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How many groups of shards a digest has: each group is [`SHARDS`] / [`GROUPS`] neighbouring shards.
pub const GROUPS: usize = 64;

/// The group that `shard` belongs to.
#[must_use]
pub const fn group_of(shard: Shard) -> usize {
    shard.0 as usize / (SHARDS / GROUPS)
}

/// What a packet is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum PacketKind {
    /// New entries or heartbeats, unasked; no answer expected.
    #[default]
    Push = 0,
    /// "This is what I have": asks for what is missing. The first of the two messages of a repair.
    Request = 1,
    /// The answer to a request. The second and last message of a repair.
    Reply = 2,
    /// Stream only: a digest of all shards, perhaps in several frames.
    SyncRequest = 3,
    /// Stream only: whole shards, or entries too large for a datagram.
    SyncAnswer = 4,
    /// Stream only: nothing more follows.
    SyncDone = 5,
    /// "Are you there?" between rounds of repair. With a subject: "ask that one for me".
    Ping = 6,
    /// "I am." With a subject: what became of asking it.
    Ack = 7,
    /// "Is this origin down?" The nonce names the question.
    Confirm = 8,
    /// What came of looking. Bears the nonce of the question.
    Confirmed = 9,
    /// "A client wants this origin checked now": to its owner.
    Hurry = 10,
    /// "Have you this on disk?" The packet bears the dot.
    Have = 11,
    /// "I have."
    Has = 12,
}

impl PacketKind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Push),
            1 => Some(Self::Request),
            2 => Some(Self::Reply),
            3 => Some(Self::SyncRequest),
            4 => Some(Self::SyncAnswer),
            5 => Some(Self::SyncDone),
            6 => Some(Self::Ping),
            7 => Some(Self::Ack),
            8 => Some(Self::Confirm),
            9 => Some(Self::Confirmed),
            10 => Some(Self::Hurry),
            11 => Some(Self::Have),
            12 => Some(Self::Has),
            _ => None,
        }
    }
}

/// An entry on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Carried {
    /// The entry.
    pub entry: Arc<Entry>,
    /// For messages: how long ago it was published, added up hop by hop. Zero for all others.
    pub age: Span,
}

/// A shard of which a request lists every lane.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Window {
    /// The shard.
    pub shard: Shard,
    /// Short fingerprint of the entries that are live in it: two nodes that have seen the same can still hold
    /// different entries, when one of them never heard what removed one.
    pub live: u32,
}

/// What a node has seen of one lane.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct LaneSeen {
    /// The lane.
    pub lane: Lane,
    /// The counters seen.
    pub seen: IntervalSet,
}

/// The whole truth of one lane, as far as the answering node knows it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LaneAnswer {
    /// The lane.
    pub lane: Lane,
    /// The counters seen.
    pub seen: IntervalSet,
    /// The counters among them whose entries are live.
    pub live: IntervalSet,
    /// The greatest serial that is known of this writer and store; where everything counts as seen, the one up to
    /// which that was so when it began.
    pub serial: u64,
}

/// A writer's word that all its claims are on schedule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Beat {
    /// Who vouches.
    pub writer: Writer,
    /// Its how-manieth heartbeat, from 1.
    pub number: u32,
    /// How many claims it had made by then: the heartbeat counts only where all of them have arrived.
    pub serial: u64,
    /// How long ago it was said: the time that each hop held it, added up. Time in transit comes on top.
    pub age: Span,
    /// How many times it was handed on, saturating: the bound on time in transit grows with it.
    pub hops: u8,
}

/// What a node says of a member.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MemberUpdate {
    /// Whom it is about.
    pub node: NodeId,
    /// In which life.
    pub life: Life,
    /// What is held of it.
    pub standing: Standing,
    /// How long ago it was buried or left, added up hop by hop. Zero for all others.
    pub age: Span,
    /// Who suspects it; itself where nobody does.
    pub accuser: NodeId,
    /// How to reach it; left out where the receiver should know.
    pub card: Option<Card>,
}

/// What a member says of itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Card {
    /// Its name.
    pub name: Name,
    /// Where it can be reached.
    pub addr: Addr,
    /// Its zone.
    pub zone: Scope,
    /// Its share of the work.
    pub weight: u16,
    /// The fingerprint of its settings of ownership.
    pub settings: u64,
}

impl Card {
    /// The card of a member.
    #[must_use]
    pub fn of(member: &Member) -> Self {
        Self {
            name: member.name.clone(),
            addr: member.addr,
            zone: member.zone,
            weight: member.weight,
            settings: member.settings,
        }
    }
}

/// Whom to ask for someone else, or what came of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Subject {
    /// The member.
    pub node: NodeId,
    /// How often to ask it, or how often it was asked.
    pub tried: u8,
    /// How often it answered.
    pub answered: u8,
}

/// Whether an origin is down: what an owner asks others before it says so, and what they answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// Which origin.
    pub origin: Name,
    /// Which generation of its entry: another one may name another target. None in a wish to hurry.
    pub generation: Option<Minted>,
    /// In an answer: whether it was found down.
    pub down: bool,
}

/// Asks the receiver to pass the packet on within one of `of` equal slices of all identities.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Relay {
    /// Which slice.
    pub slice: u16,
    /// How many slices there are, at least 1.
    pub of: u16,
}

/// Short fingerprints of all groups of shards, salted with the packet's nonce so that a collision between two
/// different states does not last.
pub type Groups = [u16; GROUPS];

/// A datagram's content, or a stream frame's. Its vectors are reused, so a warm node allocates nothing for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Packet {
    /// What it is for.
    pub kind: PacketKind,
    /// Who sends it.
    pub sender: NodeId,
    /// Repeated by the reply to a request.
    pub nonce: u32,
    /// Fingerprint of the sender's whole replicated state.
    pub hash: u64,
    /// The request asks for, or the reply found, no difference.
    pub agrees: bool,
    /// The replying node holds an entry for the asking one that fits no datagram.
    pub oversized: bool,
    /// In a request: the sender has not joined yet; it is answered and not taken for a member, and the hash is that of
    /// the replicated state alone. In the reply to it: of members, the reply tells all that the asker lacks.
    pub joins: bool,
    /// Set when the packet is to be passed on.
    pub relay: Option<Relay>,
    /// Whether `groups`, `member_groups` and `filter` count.
    pub has_digest: bool,
    /// Fingerprints of the sender's groups of shards.
    pub groups: Groups,
    /// Short salted hashes of the dots that the sender learned last.
    pub filter: Vec<u16>,
    /// Shards of which `window_lanes` lists every lane that the sender knows.
    pub windows: Vec<Window>,
    /// The lanes of `windows`, in order.
    pub window_lanes: Vec<LaneSeen>,
    /// In a reply: the groups whose fingerprints differ, a bit each. 0 where the request had none.
    pub mismatch: u64,
    /// Entries.
    pub entries: Vec<Carried>,
    /// Shards that this packet answers completely: with `entries`, it has all that the asker lacked.
    pub answers: Vec<Shard>,
    /// The lanes of `answers`, in order.
    pub answer_lanes: Vec<LaneAnswer>,
    /// Heartbeats.
    pub beats: Vec<Beat>,
    /// In a request: members of whom no heartbeat has come for longer than it should take.
    pub overdue: Vec<NodeId>,
    /// News of members.
    pub members: Vec<MemberUpdate>,
    /// Fingerprints of the sender's groups of members; sent with `groups`.
    pub member_groups: Groups,
    /// Groups of members, a bit each: in a request those that `member_filter` lists, in a reply those that differ.
    pub member_mask: u64,
    /// In a request: short salted fingerprints of all members that the sender knows of in the groups of `member_mask`.
    pub member_filter: Vec<u16>,
    /// In a ping or an ack: whom it is about, when not the two who speak.
    pub subject: Option<Subject>,
    /// In a question to a confirmer and its answer, and in a wish to hurry.
    pub question: Option<Question>,
    /// In a question who has a write, and its answer.
    pub dot: Option<Dot>,
}

impl Default for Packet {
    fn default() -> Self {
        Self {
            kind: PacketKind::Push,
            sender: NodeId(0),
            nonce: 0,
            hash: 0,
            agrees: false,
            oversized: false,
            joins: false,
            relay: None,
            has_digest: false,
            groups: [0; GROUPS],
            filter: Vec::new(),
            windows: Vec::new(),
            window_lanes: Vec::new(),
            mismatch: 0,
            entries: Vec::new(),
            answers: Vec::new(),
            answer_lanes: Vec::new(),
            beats: Vec::new(),
            overdue: Vec::new(),
            members: Vec::new(),
            member_groups: [0; GROUPS],
            member_mask: 0,
            member_filter: Vec::new(),
            subject: None,
            question: None,
            dot: None,
        }
    }
}

impl Packet {
    /// What a window lists: the sender's lanes of that shard.
    #[must_use]
    pub fn listed(&self, window: Window) -> &[LaneSeen] {
        let is_in = |lane: &&LaneSeen| lane.lane.shard == window.shard;
        let before = self.window_lanes.iter().take_while(|lane| !is_in(lane)).count();
        let rest = &self.window_lanes[before..];
        &rest[..rest.iter().take_while(is_in).count()]
    }

    /// Makes it an empty packet of this kind and keeps the memory.
    pub fn reset(&mut self, kind: PacketKind, sender: NodeId) {
        self.kind = kind;
        self.sender = sender;
        self.nonce = 0;
        self.hash = 0;
        self.agrees = false;
        self.oversized = false;
        self.joins = false;
        self.relay = None;
        self.has_digest = false;
        self.groups = [0; GROUPS];
        self.filter.clear();
        self.windows.clear();
        self.window_lanes.clear();
        self.mismatch = 0;
        self.entries.clear();
        self.answers.clear();
        self.answer_lanes.clear();
        self.beats.clear();
        self.overdue.clear();
        self.members.clear();
        self.member_groups = [0; GROUPS];
        self.member_mask = 0;
        self.member_filter.clear();
        self.subject = None;
        self.question = None;
        self.dot = None;
    }

    /// Whether it carries anything that changes the receiver's state.
    #[must_use]
    pub const fn is_bare(&self) -> bool {
        self.entries.is_empty() && self.answers.is_empty() && self.beats.is_empty() && self.members.is_empty()
    }
}
