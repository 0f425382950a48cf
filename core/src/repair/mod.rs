//! Anti-entropy in two messages: a request says what this node has, a reply brings what it lacks.
//!
//! At 50 % loss two lossy messages succeed with probability 1/4, three with 1/8; so the answering node must
//! find out from the request alone what to send. The request carries, as long as states differ, short
//! fingerprints of 64 groups of shards, short hashes of the entries learned last (a filter), and exact windows
//! of the shards in which a difference has lasted. The reply brings from differing groups what the filter does
//! not name, and answers windows completely where that fits.

mod loss;
mod reply;
mod request;

pub use loss::LossMeter;
pub use reply::{Local, ReplyScratch, fill_reply, is_current};
pub use request::fill_request;

use crate::config::Config;
use crate::hash::mix;
use crate::id::Shard;
use crate::packet::{GROUPS, Groups, Packet, group_of};
use crate::rng::Stream;
use crate::state::State;
use crate::time::{Span, Time};
use alloc::vec::Vec;

/// The schedule and the memory of this node's own requests.
#[derive(Clone, Debug)]
pub struct Repair {
    /// When the next round is due.
    pub next_round: Time,
    /// Nonces of the requests of this round that await a reply.
    awaited: Vec<u32>,
    /// Whether the last reply said that the states agree, and nothing has changed since.
    agreed_hash: Option<u64>,
    last_mismatch: u64,
    /// Groups that differed in two replies in a row: not news in flight, but something that is missing.
    suspects: u64,
    /// The shard at which the next window starts.
    window_start: u8,
    gap_asks_left: u32,
    reply_bytes_left: u32,
    /// How many exchanges get through, pooled over all peers.
    pub loss: LossMeter,
}

impl Repair {
    /// Starts with a round at a random time within the first interval.
    #[must_use]
    pub fn new(config: &Config, now: Time, rng: &mut Stream) -> Self {
        let interval_us = config.repair_interval.as_us().min(u64::from(u32::MAX)) as u32;
        Self {
            next_round: now + Span(u64::from(rng.below(interval_us))),
            awaited: Vec::new(),
            agreed_hash: None,
            last_mismatch: 0,
            suspects: 0,
            window_start: 0,
            gap_asks_left: config.gap_asks,
            reply_bytes_left: config.reply_budget,
            loss: LossMeter::new(),
        }
    }

    /// Begins a round: what the last one still waited for is lost.
    pub fn begin_round(&mut self, config: &Config, now: Time) {
        for _ in self.awaited.drain(..) {
            self.loss.failure();
        }
        self.gap_asks_left = config.gap_asks;
        self.reply_bytes_left = config.reply_budget;
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

    /// Takes `bytes` from what replies may cost in this round.
    pub const fn take_reply_budget(&mut self, bytes: u32) -> bool {
        let granted = self.reply_bytes_left >= bytes;
        if granted {
            self.reply_bytes_left -= bytes;
        }
        granted
    }

    /// Notes a reply. False when no request of this round awaits it.
    pub fn replied(&mut self, reply: &Packet) -> bool {
        let Some(at) = self.awaited.iter().position(|&nonce| nonce == reply.nonce) else {
            return false;
        };
        self.awaited.swap_remove(at);
        self.loss.success();
        if reply.agrees {
            // Of that hash, whatever this node has learned since it asked.
            self.agreed_hash = Some(reply.hash);
            self.suspects = 0;
            self.last_mismatch = 0;
        } else {
            self.agreed_hash = None;
            self.suspects = reply.mismatch & self.last_mismatch;
            self.last_mismatch = reply.mismatch;
        }
        true
    }

    /// How many groups of shards have differed in the last two replies.
    #[must_use]
    pub const fn suspect_groups(&self) -> u32 {
        self.suspects.count_ones()
    }
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
