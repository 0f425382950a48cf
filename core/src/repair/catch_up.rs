//! Asking more often than once a round, for as long as the answers of one round are not enough.
//!
//! One datagram a round brings about eight entries, or settles a few shards. After a partition, or when much is written at once
//! while half of all packets are lost, thousands are missing, and a stream gets stuck where its segments are lost. So whoever
//! sees that there is more than one answer holds asks several peers in the next round, evenly spread over it.

use crate::config::Config;
use crate::time::{Span, Time};
use alloc::collections::VecDeque;

/// The further requests of a round.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct CatchUp {
    /// Whether the last answer showed that there is more.
    is_behind: bool,
    left: u32,
    /// When the next is due, if there are any left.
    next: Time,
    /// The nonces of those of this round and the last that have no answer yet.
    awaited: VecDeque<u32>,
}

impl CatchUp {
    /// Begins a round, in which `config.catch_up_asks` further requests go out if there is more to fetch.
    pub(super) fn begin_round(&mut self, config: &Config, now: Time) {
        self.left = if self.is_behind { config.catch_up_asks } else { 0 };
        self.is_behind = false;
        self.space(config, now);
    }

    /// An answer showed that there is more than it brought.
    pub(super) const fn note_more(&mut self) {
        self.is_behind = true;
    }

    /// A further request went out.
    pub(super) fn sent(&mut self, nonce: u32, config: &Config) {
        if self.awaited.len() >= 2 * config.catch_up_asks as usize {
            self.awaited.pop_front();
        }
        self.awaited.push_back(nonce);
    }

    /// Whether a reply answers one of them.
    pub(super) fn answered(&mut self, nonce: u32) -> bool {
        let at = self.awaited.iter().position(|&awaited| awaited == nonce);
        at.is_some_and(|at| self.awaited.remove(at).is_some())
    }

    /// The states agree: there is nothing to fetch from this peer, and seldom from others.
    pub(super) const fn stop(&mut self) {
        self.is_behind = false;
        self.left = 0;
    }

    /// When the next further request is due.
    pub(super) const fn next(&self) -> Time {
        if self.left > 0 { self.next } else { Time::NEVER }
    }

    /// Takes a further request that is due.
    pub(super) fn take(&mut self, config: &Config, now: Time) -> bool {
        let is_due = now >= self.next();
        if is_due {
            self.left -= 1;
            self.space(config, now);
        }
        is_due
    }

    /// The last quarter of a round is left for answers, which would count as lost after it.
    fn space(&mut self, config: &Config, now: Time) {
        let asks = u64::from(config.catch_up_asks).max(1);
        self.next = now + Span(config.repair_interval.as_us() / asks * 3 / 4);
    }
}
