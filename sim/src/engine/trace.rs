//! The trace hash: 64 bits that two runs share only if they dispatched the same events in the same order.
//!
//! It is folded over every dispatched event and always on; its cost is lost in the noise of a run. The last
//! events are kept for the report of a failure.

use std::fmt;

use super::event::Kind;

/// What the trace remembers of one dispatched event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceEvent {
    /// How many events were dispatched before it.
    pub number: u64,
    /// World time in microseconds.
    pub time_us: u64,
    /// The node it happened to.
    pub node: u32,
    /// What happened.
    pub kind: Kind,
    /// Encoded length of the packet or frame, otherwise 0.
    pub len_bytes: u32,
    /// A word of the content: [`super::protocol::Message::content_word`], a token, a sequence number.
    pub content: u64,
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, time_us, node, kind, len_bytes, content } = self;
        let (secs, us) = (time_us / 1_000_000, time_us % 1_000_000);
        write!(f, "#{number} {secs}.{us:06}s node {node} {kind:?} {len_bytes} B {content:016x}")
    }
}

/// How many events [`Trace::recent`] gives.
pub const RECENT: usize = 64;

/// The hash and the most recent events.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    count: u64,
    recent: Box<[TraceEvent; RECENT]>,
}

impl Default for Trace {
    fn default() -> Self {
        let nothing =
            TraceEvent { number: 0, time_us: 0, node: 0, kind: Kind::Timer, len_bytes: 0, content: 0 };
        Self { hash: 0, count: 0, recent: Box::new([nothing; RECENT]) }
    }
}

impl Trace {
    /// Folds one dispatched event.
    #[inline]
    pub fn fold(&mut self, time_us: u64, node: u32, kind: Kind, len_bytes: u32, content: u64) {
        let what = (u64::from(node) << 32) | (u64::from(len_bytes) << 4) | kind as u64;
        self.hash = mix(mix(mix(self.hash, time_us), what), content);
        let number = self.count;
        self.recent[number as usize % RECENT] =
            TraceEvent { number, time_us, node, kind, len_bytes, content };
        self.count = number + 1;
    }

    /// The hash of everything dispatched so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events were dispatched so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The last event; before the first one, one of no content.
    #[must_use]
    pub fn last(&self) -> &TraceEvent {
        &self.recent[self.count.saturating_sub(1) as usize % RECENT]
    }

    /// The last events, oldest first, at most [`RECENT`].
    pub fn recent(&self) -> impl Iterator<Item = &TraceEvent> {
        let first = self.count.saturating_sub(RECENT as u64);
        (first..self.count).map(|number| &self.recent[number as usize % RECENT])
    }
}

/// Both halves of a 128-bit product: each bit of either argument reaches most bits of the result.
#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash.rotate_left(29) ^ word ^ 0xA076_1D64_78BD_642F) * 0xE703_7ED1_A0B4_28DB;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fold = (u64, u32, Kind, u32, u64);

    fn hash(events: &[Fold]) -> u64 {
        let mut trace = Trace::default();
        for &(time_us, node, kind, len_bytes, content) in events {
            trace.fold(time_us, node, kind, len_bytes, content);
        }
        trace.hash()
    }

    #[test]
    fn each_field_and_the_order_change_the_hash() {
        let a = (1, 2, Kind::Datagram, 3, 4);
        let variants: [&[Fold]; 8] = [
            &[a],
            &[(2, 2, Kind::Datagram, 3, 4)],
            &[(1, 3, Kind::Datagram, 3, 4)],
            &[(1, 2, Kind::Timer, 3, 4)],
            &[(1, 2, Kind::Datagram, 4, 4)],
            &[(1, 2, Kind::Datagram, 3, 5)],
            &[a, (1, 3, Kind::Datagram, 3, 4)],
            &[(1, 3, Kind::Datagram, 3, 4), a],
        ];
        let mut hashes: Vec<u64> = variants.iter().map(|events| hash(events)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), variants.len());
    }

    #[test]
    fn the_most_recent_events_are_kept_in_order() {
        let mut trace = Trace::default();
        assert_eq!(trace.recent().count(), 0);
        for n in 0..100 {
            trace.fold(n, 7, Kind::Timer, 0, 0);
        }
        let times: Vec<u64> = trace.recent().map(|event| event.time_us).collect();
        assert_eq!(times, (36..100).collect::<Vec<_>>());
        assert_eq!(
            trace.recent().last().unwrap().to_string(),
            "#99 0.000099s node 7 Timer 0 B 0000000000000000"
        );
    }
}
