//! Anti-entropy in two messages: a request says what this node has, a reply brings what it lacks.
//!
//! At 50 % loss two lossy messages succeed with probability 1/4, three with 1/8; so the answering node must
//! find out from the request alone what to send. The request carries, as long as states differ, short
//! fingerprints of 64 groups of shards, short hashes of the entries learned last (a filter), and exact windows
//! of the shards in which a difference has lasted. The reply brings from differing groups what the filter does
//! not name, and answers windows completely where that fits.

mod catch_up;
mod loss;
mod member_list;
mod reply;
mod request;

use catch_up::CatchUp;
pub use loss::LossMeter;
pub use member_list::{MemberRepair, differing_members};
pub use reply::{Local, ReplyScratch, fill_reply, is_current};
pub use request::fill_request;

use crate::config::Config;
use crate::hash::mix;
use crate::id::{Addr, Dot, Shard};
use crate::mutant::{Mutant, Planted};
use crate::packet::{GROUPS, Groups, Packet, group_of};
use crate::rng::Stream;
use crate::state::State;
use crate::time::{Span, Time};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Anyone may say that it joins: this part of the budget of replies is the most that all who do so can take.
const JOIN_SHARE: u32 = 4;
/// Requests of earlier rounds that are remembered for a late reply, at most.
const LATE_LIMIT: usize = 64;

/// The schedule and the memory of this node's own requests.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Repair {
    /// When the next round is due.
    pub next_round: Time,
    /// Nonces of the requests of this round that await a reply.
    awaited: Vec<u32>,
    /// Those of earlier rounds, with the time when their round ended: where a round trip takes longer than a
    /// round, every reply is late and means as much.
    late: VecDeque<(u32, Time)>,
    /// Whether the last reply said that the states agree, and nothing has changed since.
    agreed_hash: Option<u64>,
    last_mismatch: u64,
    /// Groups that differed in two replies in a row, or in one while nothing was learned: not news in flight, but
    /// something that is missing.
    suspects: u64,
    /// How many groups differed in two replies in a row, whatever was learned.
    lasting_groups: u32,
    /// The hash in the last request, and whether the one before had the same.
    asked_hash: u64,
    is_settled: bool,
    /// The shard at which the next window starts.
    window_start: u8,
    /// Entries that arrived and cannot be taken in yet: the filter names them, so that they do not fill reply
    /// after reply while what they wait for stays out.
    pub early: Vec<Dot>,
    /// A shard to list before that one, in the next request.
    first_window: Option<Shard>,
    /// A peer whose windows showed that it may know more of a shard than this node.
    ahead: Option<(Addr, Shard)>,
    /// Whether the last request went to such a peer: then the next goes to anyone, so that none of them takes all.
    followed_ahead: bool,
    /// A suspect shard has more lanes than a request can list.
    too_large: bool,
    /// The last request could not list all suspect shards.
    has_unlisted: bool,
    gap_asks_left: u32,
    catch_up: CatchUp,
    reply_bytes_left: u32,
    /// What replies to nodes that are no members may still cost in this round.
    join_bytes_left: u32,
    /// The same for the list of members.
    members: MemberRepair,
    /// How many exchanges get through, pooled over all peers.
    pub loss: LossMeter,
    planted: Planted,
}

impl Repair {
    /// Starts with a round at a random time within the first interval.
    #[must_use]
    pub fn new(config: &Config, now: Time, rng: &mut Stream) -> Self {
        let interval_us = config.repair_interval.as_us().min(u64::from(u32::MAX)) as u32;
        Self {
            next_round: now + Span(u64::from(rng.below(interval_us))),
            awaited: Vec::new(),
            late: VecDeque::new(),
            agreed_hash: None,
            last_mismatch: 0,
            suspects: 0,
            lasting_groups: 0,
            asked_hash: 0,
            is_settled: false,
            window_start: 0,
            early: Vec::new(),
            first_window: None,
            ahead: None,
            followed_ahead: false,
            too_large: false,
            has_unlisted: false,
            gap_asks_left: config.gap_asks,
            catch_up: CatchUp::default(),
            reply_bytes_left: config.reply_budget,
            join_bytes_left: config.reply_budget / JOIN_SHARE,
            members: MemberRepair::default(),
            loss: LossMeter::new(),
            planted: config.planted,
        }
    }

    /// Begins a round: what the last one still waited for counts as lost.
    pub fn begin_round(&mut self, config: &Config, now: Time) {
        let too_old = now - config.max_transit.times(2);
        while self.late.front().is_some_and(|&(_, ended)| ended < too_old) || self.late.len() > LATE_LIMIT {
            self.late.pop_front();
        }
        for nonce in self.awaited.drain(..) {
            self.loss.failure();
            if !self.planted.is(Mutant::DropLateReplies) {
                self.late.push_back((nonce, now));
            }
        }
        self.gap_asks_left = config.gap_asks;
        self.reply_bytes_left = config.reply_budget;
        self.join_bytes_left = config.reply_budget / JOIN_SHARE;
        self.catch_up.begin_round(config, now);
        self.next_round += config.repair_interval;
        if self.next_round <= now {
            // The node slept over whole rounds: it does not make up for them.
            self.next_round = now + config.repair_interval;
        }
    }

    /// Takes one of the extra requests that gaps may cause in this round.
    pub const fn take_gap_ask(&mut self) -> bool {
        let granted = self.gap_asks_left > 0;
        self.gap_asks_left -= granted as u32;
        granted
    }

    /// Whether the last request could not list all shards in which a difference lasts.
    #[must_use]
    pub const fn has_unlisted(&self) -> bool {
        self.has_unlisted
    }

    /// Notes that an answer brought as much as it could, or that a request could not list all that differs.
    pub fn note_more(&mut self) {
        self.catch_up.note_more();
    }

    /// When the next request is due beside those that begin a round.
    #[must_use]
    pub const fn next_catch_up(&self) -> Time {
        self.catch_up.next()
    }

    /// Takes such a request if it is due.
    pub fn take_catch_up(&mut self, config: &Config, now: Time) -> bool {
        self.catch_up.take(config, now)
    }

    /// Whom to ask by such a request, if one is known to be ahead. Rounds go on to take turns for themselves.
    pub fn take_ahead_at_once(&mut self) -> Option<Addr> {
        let (peer, shard) = self.ahead.take()?;
        self.follow(shard);
        Some(peer)
    }

    fn follow(&mut self, shard: Shard) {
        self.agreed_hash = None;
        self.suspects |= 1 << group_of(shard);
        self.first_window = Some(shard);
    }

    /// The room that a reply may fill, of the room that it could have: all of it or nothing, because a shard that
    /// does not fit a short reply would seem to fit none.
    #[must_use]
    pub const fn reply_room(&self, room: u32) -> u32 {
        if self.reply_bytes_left >= room { room } else { 0 }
    }

    /// Takes what a reply came to from what replies may cost in this round.
    pub const fn charge_reply(&mut self, bytes: u32) {
        self.reply_bytes_left = self.reply_bytes_left.saturating_sub(bytes);
    }

    /// The same for a reply to a node that joins, which takes nothing from what members share.
    pub const fn take_join_reply(&mut self, bytes: u32) -> bool {
        let granted = self.join_bytes_left >= bytes;
        if granted {
            self.join_bytes_left -= bytes;
        }
        granted
    }

    /// Forgets what this node asked while it joined: those who join themselves do not answer, and silence of theirs is
    /// no loss.
    pub fn forget_awaited(&mut self) {
        self.awaited.clear();
    }

    /// Notes a reply. False when no request awaits it, not even one of the last rounds. What is missing for longer than what is
    /// in flight shows from round to round, and so does what is lost: replies to further requests say nothing of that.
    pub fn replied(&mut self, reply: &Packet, local: Local<'_>) -> bool {
        if let Some(at) = self.awaited.iter().position(|&nonce| nonce == reply.nonce) {
            self.awaited.swap_remove(at);
        } else if let Some(at) = self.late.iter().position(|&(nonce, _)| nonce == reply.nonce) {
            self.late.remove(at);
        } else {
            let is_awaited = self.catch_up.answered(reply.nonce);
            if is_awaited && reply.agrees {
                self.catch_up.stop();
            }
            return is_awaited;
        }
        self.loss.success();
        let mismatch = if reply.has_digest { reply::differing(reply, local.state) } else { reply.mismatch };
        let is_news = !self.is_settled || local.hash() != self.asked_hash;
        self.members.replied(reply, local.members, is_news);
        if reply.agrees {
            // Of that hash, whatever this node has learned since it asked.
            self.agreed_hash = Some(reply.hash);
            self.catch_up.stop();
            self.suspects = 0;
            self.lasting_groups = 0;
            self.last_mismatch = 0;
        } else {
            self.agreed_hash = None;
            self.lasting_groups = (mismatch & self.last_mismatch).count_ones();
            self.suspects = if is_news { mismatch & self.last_mismatch } else { mismatch };
            self.last_mismatch = mismatch;
        }
        true
    }

    /// Notes that a peer may know more of a shard than this node. A dot that is seen and no longer live travels
    /// by windows alone, and most peers agree with a node that lacks it: the one that has it is asked next.
    pub const fn note_ahead(&mut self, peer: Addr, shard: Shard) {
        self.ahead = Some((peer, shard));
    }

    /// The peer to ask next, if one is known to be ahead; the request will list the shard where it is.
    pub fn take_ahead(&mut self) -> Option<Addr> {
        if core::mem::replace(&mut self.followed_ahead, false) {
            return None;
        }
        let (peer, shard) = self.ahead.take()?;
        self.followed_ahead = true;
        self.follow(shard);
        Some(peer)
    }

    /// Whether a shard in which a difference lasts has more lanes than a request can list. Asked once.
    pub const fn take_too_large(&mut self) -> bool {
        core::mem::replace(&mut self.too_large, false)
    }

    /// How many groups of shards have differed in the last two replies.
    #[must_use]
    pub const fn lasting_groups(&self) -> u32 {
        self.lasting_groups
    }
}

/// The groups whose fingerprints differ, a bit each.
fn unequal(own: &Groups, others: &Groups) -> u64 {
    (0..GROUPS).filter(|&group| own[group] != others[group]).fold(0, |bits, group| bits | (1 << group))
}

/// The salted fingerprints of all groups.
fn groups(state: &State, salt: u32) -> Groups {
    let mut sums = [0_u64; GROUPS];
    for shard in 0..=u8::MAX {
        let sum = &mut sums[group_of(Shard(shard))];
        *sum = sum.wrapping_add(state.context().shard_hash(Shard(shard)));
    }
    core::array::from_fn(|group| (mix(sums[group], u64::from(salt)) >> 48) as u16)
}
