//! Repair by stream: for a first join, for a node that is far behind, and for entries too large for a datagram.
//!
//! The asking side opens the stream and lists what it has seen, all shards, in as many frames as that takes.
//! The serving side answers shard by shard and ends with `SyncDone`. It goes on only as its frames are
//! confirmed, each by an empty `SyncRequest`: otherwise it would put its whole state into the queues of a slow
//! network, once for each peer, and what overflows there is sent again and again.

use crate::codec::{answer_lane_len, carried_len, lane_seen_len, member_len};
use crate::config::Config;
use crate::effects::{Effects, StreamEffect};
use crate::id::{Addr, NodeId, SHARDS, Shard, StreamId};
use crate::member::{Members, Standing};
use crate::mutant::Mutant;
use crate::packet::{Card, Carried, LaneSeen, MemberUpdate, Packet, PacketKind, Window};
use crate::state::State;
use crate::time::{Span, Time};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Streams that a node serves at once; more are closed, and their peers ask again elsewhere.
const SERVED_LIMIT: usize = 8;
/// A shard is begun only while fewer frames than this are not confirmed: two keep a stream going while the first
/// is confirmed. What is begun is sent to its end, so there may be one more, or what a large shard fills.
const FRAMES_IN_FLIGHT: u32 = 2;

/// A stream that is not open after this long is tried elsewhere: a peer that is down does not even refuse. The
/// opening segment is sent again after one and after three seconds, so three of its copies may have been lost.
const OPEN_TIMEOUT: Span = Span::from_secs(5);

/// The stream by which this node fetches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum Fetch {
    #[default]
    Idle,
    Opening {
        peer: Addr,
        since: Time,
        patience: Span,
    },
    Open {
        stream: StreamId,
        since: Time,
        /// How long it may make no progress.
        patience: Span,
        /// Whether every answer could be adopted.
        is_whole: bool,
    },
}

/// A stream that this node serves.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Serving {
    windows: Vec<Window>,
    listed: Vec<LaneSeen>,
    /// The fences that counted here before the first answer.
    fences: Vec<Carried>,
    next_shard: usize,
    in_flight: u32,
    /// When it last heard from the peer.
    since: Time,
}

impl Serving {
    /// Whether the peer has told all that it has seen, and there is something to send.
    fn is_due(&self, config: &Config) -> bool {
        self.windows.len() >= SHARDS && self.may_send(config)
    }

    fn may_send(&self, config: &Config) -> bool {
        self.in_flight < FRAMES_IN_FLIGHT || config.planted.is(Mutant::IgnoreConfirmations)
    }
}

/// All streams of a node.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Sync {
    fetch: Fetch,
    fetch_not_before: Time,
    serving: BTreeMap<StreamId, Serving>,
}

/// The node that the streams belong to.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// Its identity.
    pub me: NodeId,
    /// Its replicated state.
    pub state: &'a State,
    /// Its settings.
    pub config: &'a Config,
    /// Its list of members.
    pub members: &'a Members,
    /// Its time.
    pub now: Time,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framed {
    /// It was used, or is to be applied.
    Used,
    /// The fetch is complete.
    Done {
        /// This node now has all that the peer had.
        is_whole: bool,
    },
    /// It has no place on this stream.
    Misplaced,
}

impl Sync {
    /// Starts a fetch from `peer` unless one is under way or was a moment ago. True when it starts.
    pub fn fetch(&mut self, peer: Addr, config: &Config, now: Time, effects: &mut Effects) -> bool {
        if self.is_fetching() || now < self.fetch_not_before {
            return false;
        }
        self.open(peer, config.stream_timeout, now, effects);
        self.fetch_not_before = now + config.stream_spacing;
        true
    }

    /// Starts a fetch from `peer`, however short a time ago the last one began: for a node that has nothing yet,
    /// whose attempts are paced elsewhere. It is given up when it makes no progress for `patience`.
    pub fn open(&mut self, peer: Addr, patience: Span, now: Time, effects: &mut Effects) {
        self.fetch = Fetch::Opening { peer, since: now, patience };
        effects.streams.push(StreamEffect::Open { peer });
    }

    /// Ends the fetch that is under way: there is no need for it any more.
    pub fn abandon(&mut self, effects: &mut Effects) {
        if let Fetch::Open { stream, .. } = self.fetch {
            effects.streams.push(StreamEffect::Close { stream });
        }
        self.fetch = Fetch::Idle;
    }

    /// Whether a fetch is under way.
    #[must_use]
    pub fn is_fetching(&self) -> bool {
        self.fetch != Fetch::Idle
    }

    /// When there is something to do: frames to send, or a stream to give up.
    #[must_use]
    pub fn next_wake(&self, config: &Config) -> Time {
        let fetch = match self.fetch {
            Fetch::Idle => Time::NEVER,
            Fetch::Opening { since, patience, .. } => since + OPEN_TIMEOUT.min(patience),
            Fetch::Open { since, patience, .. } => since + patience,
        };
        let serving = self.serving.values().map(|serving| {
            if serving.is_due(config) { Time::ZERO } else { serving.since + config.stream_timeout }
        });
        serving.fold(fetch, Time::min)
    }

    /// A stream is open. False when it is one too many and was closed.
    pub fn opened(&mut self, stream: StreamId, ours: bool, local: Local<'_>, effects: &mut Effects) -> bool {
        if ours {
            let Fetch::Opening { patience, .. } = self.fetch else {
                // It came after this node had given up waiting for it.
                effects.streams.push(StreamEffect::Close { stream });
                return true;
            };
            self.fetch = Fetch::Open { stream, since: local.now, patience, is_whole: true };
            ask(stream, local, effects);
            return true;
        }
        if self.serving.len() >= SERVED_LIMIT {
            effects.streams.push(StreamEffect::Close { stream });
            return false;
        }
        let serving = Serving {
            windows: Vec::new(),
            listed: Vec::new(),
            fences: Vec::new(),
            next_shard: 0,
            in_flight: 0,
            since: local.now,
        };
        self.serving.insert(stream, serving);
        true
    }

    /// The peer could not be reached by stream.
    pub fn refused(&mut self, peer: Addr) {
        if matches!(self.fetch, Fetch::Opening { peer: asked, .. } if asked == peer) {
            self.fetch = Fetch::Idle;
        }
    }

    /// A stream has ended.
    pub fn closed(&mut self, stream: StreamId) {
        self.serving.remove(&stream);
        if matches!(self.fetch, Fetch::Open { stream: open, .. } if open == stream) {
            self.fetch = Fetch::Idle;
        }
    }

    /// Takes a frame. The caller applies its entries and answers.
    pub fn frame(
        &mut self,
        stream: StreamId,
        packet: &Packet,
        local: Local<'_>,
        effects: &mut Effects,
    ) -> Framed {
        match packet.kind {
            PacketKind::SyncRequest => self.asked(stream, packet, local),
            PacketKind::SyncAnswer | PacketKind::SyncDone => {
                let Fetch::Open { stream: open, since, is_whole, .. } = &mut self.fetch else {
                    return Framed::Misplaced;
                };
                let is_whole = *is_whole;
                if *open != stream {
                    return Framed::Misplaced;
                }
                *since = local.now;
                if packet.kind == PacketKind::SyncAnswer {
                    let confirmation = frame(PacketKind::SyncRequest, local, effects);
                    send(stream, confirmation, effects);
                    return Framed::Used;
                }
                self.fetch = Fetch::Idle;
                effects.streams.push(StreamEffect::Close { stream });
                Framed::Done { is_whole }
            }
            PacketKind::Push
            | PacketKind::Request
            | PacketKind::Reply
            | PacketKind::Ping
            | PacketKind::Ack
            | PacketKind::Confirm
            | PacketKind::Confirmed
            | PacketKind::Hurry
            | PacketKind::Have
            | PacketKind::Has => Framed::Misplaced,
        }
    }

    /// Notes that an answer of the stream by which this node fetches could not be adopted.
    pub fn note_incomplete(&mut self) {
        if let Fetch::Open { is_whole, .. } = &mut self.fetch {
            *is_whole = false;
        }
    }

    fn asked(&mut self, stream: StreamId, packet: &Packet, local: Local<'_>) -> Framed {
        let Local { state, config, now, .. } = local;
        let Some(serving) = self.serving.get_mut(&stream) else { return Framed::Misplaced };
        if serving.windows.len() >= SHARDS {
            if !packet.windows.is_empty() || serving.in_flight == 0 {
                return Framed::Misplaced;
            }
            serving.in_flight -= 1;
            serving.since = now;
            return Framed::Used;
        }
        serving.windows.extend_from_slice(&packet.windows);
        serving.listed.extend_from_slice(&packet.window_lanes);
        if !packet.windows.is_empty() {
            serving.since = now;
        }
        if serving.windows.len() >= SHARDS {
            serving.listed.sort_unstable_by_key(|seen| seen.lane);
            serving.fences = state.fences_beyond(&serving.listed, config.frame_bytes as usize);
        }
        Framed::Used
    }

    /// Sends the frames that are due and gives up streams without progress.
    pub fn tick(&mut self, local: Local<'_>, effects: &mut Effects) {
        let Local { config, now, .. } = local;
        match self.fetch {
            Fetch::Opening { since, patience, .. } if now >= since + OPEN_TIMEOUT.min(patience) => {
                self.fetch = Fetch::Idle;
            }
            Fetch::Open { since, patience, .. } if now >= since + patience => self.abandon(effects),
            _ => {}
        }
        self.serving.retain(|&stream, serving| {
            if serving.is_due(config) {
                return serve(stream, serving, local, effects);
            }
            let late = now >= serving.since + config.stream_timeout;
            if late {
                effects.streams.push(StreamEffect::Close { stream });
            }
            !late
        });
    }

    /// How many streams are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.serving.len() + usize::from(self.is_fetching())
    }
}

fn frame(kind: PacketKind, local: Local<'_>, effects: &mut Effects) -> Packet {
    let mut packet = effects.packet();
    packet.reset(kind, local.me);
    packet.hash = local.state.hash();
    packet
}

fn send(stream: StreamId, packet: Packet, effects: &mut Effects) {
    effects.streams.push(StreamEffect::Frame { stream, packet: Box::new(packet) });
}

/// Lists everything that this node has seen.
fn ask(stream: StreamId, local: Local<'_>, effects: &mut Effects) {
    let Local { state, config, .. } = local;
    let mut packet = frame(PacketKind::SyncRequest, local, effects);
    let mut bytes = 0;
    for shard in (0..=u8::MAX).map(Shard) {
        let start = packet.window_lanes.len();
        let window = state.window(shard, &mut packet.window_lanes);
        packet.windows.push(window);
        bytes += packet.window_lanes[start..]
            .iter()
            .map(|seen| lane_seen_len(&seen.lane, &seen.seen))
            .sum::<usize>();
        if bytes >= config.frame_bytes as usize {
            send(stream, packet, effects);
            packet = frame(PacketKind::SyncRequest, local, effects);
            bytes = 0;
        }
    }
    send(stream, packet, effects);
}

/// Sends who takes part, for a node that joins, in frames of the usual size. Who is gone is told by digest, with the
/// time since.
fn send_members(stream: StreamId, local: Local<'_>, effects: &mut Effects) {
    let mut packet = frame(PacketKind::SyncAnswer, local, effects);
    let mut bytes = 0;
    for update in live_members(local.members) {
        let len = member_len(&update);
        if bytes + len > local.config.frame_bytes as usize && bytes > 0 {
            send(
                stream,
                core::mem::replace(&mut packet, frame(PacketKind::SyncAnswer, local, effects)),
                effects,
            );
            bytes = 0;
        }
        bytes += len;
        packet.members.push(update);
    }
    send(stream, packet, effects);
}

fn live_members(members: &Members) -> impl Iterator<Item = MemberUpdate> + '_ {
    members.iter().map(|member| MemberUpdate {
        node: member.node,
        life: member.life,
        standing: Standing::Alive,
        age: Span::ZERO,
        accuser: member.node,
        card: Some(Card::of(member)),
    })
}

/// Sends as many frames of answers as may be in flight; false when the last shard has been answered.
fn serve(stream: StreamId, serving: &mut Serving, local: Local<'_>, effects: &mut Effects) -> bool {
    let Local { state, config, now, .. } = local;
    let mut packet = frame(PacketKind::SyncAnswer, local, effects);
    let mut bytes = 0;
    let mut entries: Vec<Carried> = Vec::new();
    while serving.next_shard < serving.windows.len() && serving.may_send(config) {
        let window = serving.windows[serving.next_shard];
        let shard = window.shard;
        serving.next_shard += 1;
        let from = serving.listed.partition_point(|seen| seen.lane.shard < shard);
        let to = serving.listed.partition_point(|seen| seen.lane.shard <= shard);
        let lanes = packet.answer_lanes.len();
        state.answer(window, &serving.listed[from..to], now, &mut entries, &mut packet.answer_lanes);
        // The entries of a large shard may fill several frames; its lanes stand in the last of them.
        let mut answer_lanes = packet.answer_lanes.split_off(lanes);
        for carried in entries.drain(..) {
            let len = carried_len(&carried);
            if bytes + len > config.frame_bytes as usize && bytes > 0 {
                send(stream, packet, effects);
                packet = frame(PacketKind::SyncAnswer, local, effects);
                serving.in_flight += 1;
                bytes = 0;
            }
            bytes += len;
            packet.entries.push(carried);
        }
        if !answer_lanes.is_empty() {
            bytes += answer_lanes.iter().map(answer_lane_len).sum::<usize>();
            packet.answers.push(shard);
            packet.answer_lanes.append(&mut answer_lanes);
        }
    }
    if packet.is_bare() {
        effects.recycle(packet);
    } else {
        send(stream, packet, effects);
        serving.in_flight += 1;
    }
    let more = serving.next_shard < serving.windows.len();
    if !more {
        if config.membership.is_some() {
            send_members(stream, local, effects);
        }
        let mut done = frame(PacketKind::SyncDone, local, effects);
        done.entries.append(&mut serving.fences);
        send(stream, done, effects);
    }
    more
}
