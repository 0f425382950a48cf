//! Building a reply: what the asking node lacks, chosen from its request alone.

use super::member_list::member_groups;
use super::{groups, unequal};
use crate::codec::{SECTION_OVERHEAD, answer_lane_len, carried_len, packet_len};
use crate::config::Config;
use crate::entry::{Entry, Hold};
use crate::id::Store;
use crate::member::Members;
use crate::mutant::Mutant;
use crate::packet::{Carried, LaneAnswer, Packet, group_of};
use crate::recent::Recents;
use crate::state::State;
use crate::time::{Span, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Working memory of a reply, reused.
#[derive(Debug, Default)]
pub struct ReplyScratch {
    entries: Vec<Carried>,
    lanes: Vec<LaneAnswer>,
    filter: Vec<u16>,
    replaced: Vec<Arc<Entry>>,
}

/// What the answering node knows.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// Its replicated state.
    pub state: &'a State,
    /// What it learned last.
    pub recents: &'a Recents,
    /// Its settings.
    pub config: &'a Config,
    /// Its list of members.
    pub members: &'a Members,
    /// Its time.
    pub now: Time,
}

impl Local<'_> {
    /// Fingerprint of all that two nodes come to agree on.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.state.hash().wrapping_add(self.members.hash())
    }
}

/// Makes `reply` the answer to `request`, in at most `room` bytes.
pub fn fill_reply(
    local: Local<'_>,
    request: &Packet,
    room: usize,
    scratch: &mut ReplyScratch,
    reply: &mut Packet,
) {
    let Local { state, recents, config, now, .. } = local;
    reply.nonce = request.nonce;
    // Who joins is in one of the two lists of members alone, so that these cannot agree.
    reply.hash = if request.joins { state.hash() } else { local.hash() };
    reply.agrees = request.hash == reply.hash;
    if reply.agrees {
        return;
    }
    // A request of the hash alone does not say where the difference lies: the asker finds that out from this
    // node's digest, and its next request can list what differs.
    reply.has_digest = !request.has_digest && config.digest;
    if reply.has_digest {
        reply.groups = groups(state, reply.nonce);
        reply.member_groups = member_groups(local.members, reply.nonce);
    }
    reply.mismatch = if request.has_digest { differing(request, state) } else { 0 };
    let wanted = if request.has_digest { reply.mismatch } else { u64::MAX };
    let full = room.saturating_sub(packet_len(reply) + 2 * SECTION_OVERHEAD);
    let mut filler = Filler { state, config, now, wanted, full, left: full, reply };
    filler.answer_windows(request, scratch);
    filler.add_recents(request, recents, scratch);
}

/// The groups of shards that differ from the digest of a packet, a bit each.
pub fn differing(packet: &Packet, state: &State) -> u64 {
    unequal(&groups(state, packet.nonce), &packet.groups)
}

struct Filler<'a> {
    state: &'a State,
    config: &'a Config,
    now: Time,
    /// The groups of shards that may differ, a bit each.
    wanted: u64,
    full: usize,
    left: usize,
    reply: &'a mut Packet,
}

impl Filler<'_> {
    /// Answers the windows from one that the nonce chooses: what the asker cannot use yet must not keep the same
    /// others out every time.
    fn answer_windows(&mut self, request: &Packet, scratch: &mut ReplyScratch) {
        let count = request.windows.len();
        let start = (request.nonce as usize).checked_rem(count).unwrap_or_default();
        for &window in request.windows.iter().cycle().skip(start).take(count) {
            let shard = window.shard;
            let theirs = request.listed(window);
            scratch.entries.clear();
            scratch.lanes.clear();
            self.state.answer(window, theirs, self.now, &mut scratch.entries, &mut scratch.lanes);
            if scratch.lanes.is_empty() {
                continue;
            }
            let lanes_len: usize = 3 + scratch.lanes.iter().map(answer_lane_len).sum::<usize>();
            let len = lanes_len + scratch.entries.iter().map(carried_len).sum::<usize>();
            let whole =
                len <= self.left && scratch.entries.iter().all(|carried| self.is_small(&carried.entry));
            // A shard whose lanes alone exceed a reply can be answered by stream only.
            let by_stream = self.full > 0 && lanes_len > self.full;
            self.reply.oversized |= by_stream && !self.state.planted().is(Mutant::NoStreamForLargeShard);
            // What does not fit whole goes entry by entry, and then covers nothing but those entries.
            for carried in scratch.entries.drain(..) {
                self.add(carried);
            }
            if whole || (self.state.planted().is(Mutant::AdoptTruncatedAnswer) && lanes_len <= self.left) {
                self.left -= lanes_len;
                self.reply.answers.push(shard);
                self.reply.answer_lanes.append(&mut scratch.lanes);
            }
        }
    }

    /// Brings the entries learned last, in groups that differ, which the request neither names in its filter
    /// nor carries itself. Those that say nothing any more come last: whoever missed one has not seen its dot, or still
    /// holds what it replaced, and would differ for as long as two nodes rarely meet twice.
    fn add_recents(&mut self, request: &Packet, recents: &Recents, scratch: &mut ReplyScratch) {
        let ReplyScratch { filter, replaced, .. } = scratch;
        filter.clear();
        filter.extend_from_slice(&request.filter);
        filter.sort_unstable();
        for (entry, hash) in recents.newest_first(request.nonce) {
            let shard = entry.dot.lane.shard;
            let wanted = self.wanted & (1 << group_of(shard)) != 0
                && filter.binary_search(&hash).is_err()
                && !request.windows.iter().any(|window| window.shard == shard)
                && !request.entries.iter().any(|carried| carried.entry.dot == entry.dot);
            if !wanted {
                continue;
            }
            let is_message = entry.dot.lane.store == Store::Log;
            if !is_current(self.state, entry) {
                if !is_message {
                    replaced.push(entry.clone());
                }
                continue;
            }
            let age = if is_message { self.state.message_age(&entry.dot, self.now) } else { Span::ZERO };
            self.add(Carried { entry: entry.clone(), age });
        }
        for entry in replaced.drain(..) {
            if self.is_small(&entry) {
                self.add(Carried { entry, age: Span::ZERO });
            }
        }
    }

    fn is_small(&self, entry: &Entry) -> bool {
        entry.wire_len() <= self.config.entry_datagram_limit
    }

    fn add(&mut self, carried: Carried) {
        if !self.is_small(&carried.entry) {
            self.reply.oversized = true;
            return;
        }
        let len = carried_len(&carried);
        if len <= self.left || self.state.planted().is(Mutant::IgnoreDatagramLimit) {
            self.left = self.left.saturating_sub(len);
            self.reply.entries.push(carried);
        }
    }
}

/// Whether an entry still says something: it is live, or a removal, which lives only in what it superseded, or the release of
/// a claim that may stand elsewhere.
#[must_use]
pub fn is_current(state: &State, entry: &Entry) -> bool {
    let is_release = entry.claim().is_some_and(|claim| claim.hold == Hold::Released);
    is_release || entry.body.is_removal() || state.entry(&entry.dot).is_some()
}
