//! Retention of messages: by time since they were published, and by bytes.

use super::State;
use crate::entry::{Body, Entry};
use crate::id::Dot;
use crate::time::{Span, Time};
use alloc::collections::BTreeMap;

/// How long and how much of the message log a node keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Retention {
    /// Since a message was published.
    pub age: Span,
    /// Of payloads; the messages that expire next go first.
    pub bytes: u64,
}

/// The messages held, in the order in which they expire.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct LogQueue {
    by_expiry: BTreeMap<(Time, Dot), u32>,
    expiries: BTreeMap<Dot, Time>,
    bytes: u64,
    retention: Option<Retention>,
}

impl LogQueue {
    pub(super) const fn set_retention(&mut self, retention: Retention) {
        self.retention = Some(retention);
    }

    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.by_expiry.first_key_value().map(|((time, _), _)| *time)
    }

    pub(super) fn size(&self) -> (u64, usize) {
        (self.bytes, self.by_expiry.len())
    }

    /// When a message that is `age` old expires; `None` when that is now or past.
    pub(super) fn expiry(&self, age: Span, now: Time) -> Option<Time> {
        let keep = self.retention.map_or(Span(u64::MAX), |retention| retention.age);
        let left = keep.as_us().checked_sub(age.as_us()).filter(|&left| left > 0)?;
        Some(now + Span(left))
    }

    pub(super) fn push(&mut self, expiry: Time, dot: Dot, bytes: u32) {
        self.by_expiry.insert((expiry, dot), bytes);
        self.expiries.insert(dot, expiry);
        self.bytes += u64::from(bytes);
    }

    /// Takes out one message that is past its time or over the limit of bytes.
    fn pop_overdue(&mut self, now: Time, is_bounded: bool) -> Option<Dot> {
        let over = is_bounded && self.retention.is_some_and(|retention| self.bytes > retention.bytes);
        let (&(expiry, dot), _) = self.by_expiry.first_key_value()?;
        if expiry > now && !over {
            return None;
        }
        let bytes = self.by_expiry.remove(&(expiry, dot)).unwrap_or(0);
        self.expiries.remove(&dot);
        self.bytes -= u64::from(bytes);
        Some(dot)
    }

    pub(super) fn forget(&mut self, gone: impl Fn(&Dot) -> bool) {
        self.expiries.retain(|dot, _| !gone(dot));
        let bytes = &mut self.bytes;
        self.by_expiry.retain(|(_, dot), size| {
            let keep = !gone(dot);
            if !keep {
                *bytes -= u64::from(*size);
            }
            keep
        });
    }

    /// How old the message must be that expires then.
    pub(super) fn age_at(&self, expiry: Time, now: Time) -> Span {
        let keep = self.retention.map_or(0, |retention| retention.age.as_us());
        Span(keep.saturating_sub(expiry.since(now).as_us()))
    }

    pub(super) fn expiry_of(&self, dot: &Dot) -> Option<Time> {
        self.expiries.get(dot).copied()
    }
}

/// The bytes that a message counts for.
pub(super) fn payload_bytes(entry: &Entry) -> u32 {
    match &entry.body {
        Body::Message { payload, .. } => payload.len() as u32,
        _ => 0,
    }
}

impl State {
    /// Drops the messages whose time is over or that exceed the limit of bytes. Their dots stay seen.
    pub fn expire(&mut self, now: Time) {
        let is_bounded = !self.planted.is(crate::mutant::Mutant::UnboundedLog);
        while let Some(dot) = self.log.pop_overdue(now, is_bounded) {
            self.live.remove(&dot);
        }
    }

    /// How long ago the message of `dot` was published, as far as this node knows.
    #[must_use]
    pub fn message_age(&self, dot: &Dot, now: Time) -> Span {
        self.log.expiry_of(dot).map_or(Span::ZERO, |expiry| self.log.age_at(expiry, now))
    }
}
