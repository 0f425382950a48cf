//! The event queue: a calendar of buckets, ordered by (time, order of insertion).
//!
//! A ring of [`RING`] buckets covers the near future; a bucket is 2^k microseconds wide. A push appends to its
//! bucket, and only the bucket whose turn has come is sorted (a stable radix sort), so that each event is
//! written twice and read twice, in sequence. Brown 1988, "Calendar Queues", sizes the ring by the number of
//! pending events; here the ring has a fixed size that suits the cache and the *width* follows the workload:
//! as narrow as possible while at most one push in sixteen lies beyond the ring. What lies beyond waits in a
//! heap, and so does the rare event that is pushed into the bucket being drained.
//!
//! Order of insertion needs no sequence numbers in the ring: events of equal time share a bucket, appending
//! and the stable sort keep their order, and an event of the far heap moves into its bucket as soon as the
//! ring reaches it, before anything can be pushed there directly.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::bucket::{Buckets, Sorter};
use super::event::Event;

/// What the world asks of an event queue. Benches run the same world on a plain heap through it.
///
/// An event is pushed no earlier than the last one popped, and not after [`NEVER_US`](super::event::NEVER_US).
pub trait EventQueue: Default {
    /// Adds an event, behind all events of the same time.
    fn push(&mut self, event: Event);

    /// Takes the earliest event unless it is later than `limit_us`.
    fn pop_until(&mut self, limit_us: u64) -> Option<Event>;

    /// How many events are pending.
    fn len(&self) -> usize;

    /// Whether nothing is pending.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events that come next, as far as the queue knows them without work; more may come in between.
    fn upcoming(&self) -> &[Event] {
        &[]
    }
}

/// Buckets in the ring.
pub const RING: u64 = 1 << RING_LOG2;

const RING_LOG2: u32 = 12;

/// The width at the start: 2⁸ µs, so that the ring covers one second.
const FIRST_WIDTH_LOG2: u32 = 8;

/// The width is reconsidered after this many pushes, or four for each pending event if that is more.
const REVIEW_PUSHES: u64 = 1 << 14;

/// See the module's text.
#[derive(Debug)]
pub struct CalendarQueue {
    width_log2: u32,
    /// The earliest bucket (time >> width_log2) that has not been opened for draining.
    unopened: u64,
    ring: Buckets,
    /// The bucket being drained, sorted, and how far.
    current: Vec<Event>,
    drained: usize,
    sorter: Sorter,
    /// Pushed into a bucket that is open already.
    late: BinaryHeap<Reverse<Ordered>>,
    /// Beyond the ring.
    far: BinaryHeap<Reverse<Ordered>>,
    sequence: u64,
    len: usize,
    /// How many pushes since the width was last reconsidered, by the bits of their delay in microseconds, counted
    /// from the first unopened bucket.
    pushes: [u64; 65],
    /// How many pushes until the width is reconsidered.
    pushes_until_review: u64,
}

/// An event with its place among those of equal time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Ordered {
    time_us: u64,
    sequence: u64,
    target: u32,
    payload: u32,
}

impl Ordered {
    const fn event(self) -> Event {
        Event { time_us: self.time_us, target: self.target, payload: self.payload }
    }
}

impl Default for CalendarQueue {
    fn default() -> Self {
        Self {
            width_log2: FIRST_WIDTH_LOG2,
            unopened: 0,
            ring: Buckets::new(RING as usize),
            current: Vec::new(),
            drained: 0,
            sorter: Sorter::default(),
            late: BinaryHeap::new(),
            far: BinaryHeap::new(),
            sequence: 0,
            len: 0,
            pushes: [0; 65],
            pushes_until_review: REVIEW_PUSHES,
        }
    }
}

impl EventQueue for CalendarQueue {
    #[inline]
    fn push(&mut self, event: Event) {
        let bucket = event.time_us >> self.width_log2;
        let ahead = bucket.wrapping_sub(self.unopened);
        self.len += 1;
        let delay_us = event.time_us.saturating_sub(self.unopened << self.width_log2);
        self.pushes[(u64::BITS - delay_us.leading_zeros()) as usize] += 1;
        self.pushes_until_review = self.pushes_until_review.saturating_sub(1);
        if ahead < RING {
            self.ring.append(ring_index(bucket), event);
        } else {
            self.push_outside_ring(bucket, event);
        }
    }

    #[inline]
    fn pop_until(&mut self, limit_us: u64) -> Option<Event> {
        loop {
            if let Some(&event) = self.current.get(self.drained) {
                // Events of the sorted bucket were pushed before those that came late, so they win ties.
                if let Some(&Reverse(late)) = self.late.peek()
                    && late.time_us < event.time_us
                {
                    return self.pop_late(limit_us);
                }
                if event.time_us > limit_us {
                    return None;
                }
                self.drained += 1;
                self.len -= 1;
                return Some(event);
            }
            if !self.late.is_empty() {
                return self.pop_late(limit_us);
            }
            if !self.open_next_bucket(limit_us) {
                return None;
            }
        }
    }

    fn len(&self) -> usize {
        self.len
    }

    fn upcoming(&self) -> &[Event] {
        &self.current[self.drained..]
    }
}

impl CalendarQueue {
    #[cold]
    fn push_outside_ring(&mut self, bucket: u64, event: Event) {
        let Event { time_us, target, payload } = event;
        let ordered = Reverse(Ordered { time_us, sequence: self.sequence, target, payload });
        self.sequence += 1;
        if bucket < self.unopened {
            self.late.push(ordered);
        } else {
            self.far.push(ordered);
        }
    }

    fn pop_late(&mut self, limit_us: u64) -> Option<Event> {
        let &Reverse(first) = self.late.peek()?;
        if first.time_us > limit_us {
            return None;
        }
        self.late.pop();
        self.len -= 1;
        Some(first.event())
    }

    /// Sorts the next bucket that holds anything into `current`; false if it begins after the limit, or none is.
    fn open_next_bucket(&mut self, limit_us: u64) -> bool {
        if self.pushes_until_review == 0 {
            self.review_width();
        }
        if self.ring.is_empty() {
            let Some(Reverse(first)) = self.far.peek() else { return false };
            if first.time_us > limit_us {
                return false;
            }
            self.unopened = first.time_us >> self.width_log2;
            self.reach_far();
        }
        let from = ring_index(self.unopened);
        let skipped = self.ring.distance_to_occupied(from) as u64;
        let bucket = self.unopened + skipped;
        if (bucket << self.width_log2) > limit_us {
            return false;
        }
        self.drained = 0;
        self.current.clear();
        self.ring.take(ring_index(bucket), &mut self.current);
        self.sorter.sort(&mut self.current, self.width_log2);
        self.unopened = bucket + 1;
        self.reach_far();
        true
    }

    /// Moves events that the ring has come to cover from the far heap into their buckets.
    #[inline]
    fn reach_far(&mut self) {
        let end = self.unopened + RING;
        while let Some(&Reverse(first)) = self.far.peek()
            && (first.time_us >> self.width_log2) < end
        {
            self.far.pop();
            self.ring.append(ring_index(first.time_us >> self.width_log2), first.event());
        }
    }

    /// Changes the width if the pushes since the last review ask for it. Called between buckets only, when
    /// `current` and `late` are empty.
    fn review_width(&mut self) {
        let pushes = std::mem::replace(&mut self.pushes, [0; 65]);
        let all: u64 = pushes.iter().sum();
        // The narrowest width with which at most this many pushes lie beyond the ring.
        let narrowest = |beyond_max: u64| {
            let (mut beyond, mut bits) = (0, u64::BITS);
            while bits > RING_LOG2 && beyond + pushes[bits as usize] <= beyond_max {
                beyond += pushes[bits as usize];
                bits -= 1;
            }
            bits - RING_LOG2
        };
        // Two marks, so that a workload between them does not go back and forth.
        let (least, most) = (narrowest(all / 16), narrowest(all / 64));
        let width_log2 = self.width_log2.clamp(least, most.max(least));
        if width_log2 != self.width_log2 {
            self.rebuild(width_log2);
        }
        self.pushes_until_review = REVIEW_PUSHES.max(4 * self.len as u64);
    }

    fn rebuild(&mut self, width_log2: u32) {
        let mut pending = Vec::with_capacity(self.ring.len());
        for bucket in self.unopened..self.unopened + RING {
            self.ring.take(ring_index(bucket), &mut pending);
        }
        // Times before the first unopened bucket have passed; the new first bucket may begin a little earlier.
        let start_us = self.unopened << self.width_log2;
        self.width_log2 = width_log2;
        self.unopened = start_us >> width_log2;
        for event in pending {
            let bucket = event.time_us >> width_log2;
            if bucket - self.unopened < RING {
                self.ring.append(ring_index(bucket), event);
            } else {
                let Event { time_us, target, payload } = event;
                self.far.push(Reverse(Ordered { time_us, sequence: self.sequence, target, payload }));
                self.sequence += 1;
            }
        }
        self.reach_far();
    }
}

const fn ring_index(bucket: u64) -> usize {
    (bucket % RING) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// The obvious queue: a heap of (time, sequence).
    #[derive(Default)]
    struct Reference {
        heap: BinaryHeap<Reverse<Ordered>>,
        sequence: u64,
    }

    impl Reference {
        fn push(&mut self, Event { time_us, target, payload }: Event) {
            self.heap.push(Reverse(Ordered { time_us, sequence: self.sequence, target, payload }));
            self.sequence += 1;
        }

        fn pop_until(&mut self, limit_us: u64) -> Option<Event> {
            let Reverse(first) = *self.heap.peek()?;
            (first.time_us <= limit_us).then(|| {
                self.heap.pop();
                first.event()
            })
        }
    }

    /// A burst of pushes, each this far after the present, and then some pops.
    #[derive(Clone, Debug)]
    struct Phase {
        delays_us: Vec<u64>,
        pops: usize,
        limit_ahead_us: u64,
    }

    fn delay_us() -> impl Strategy<Value = u64> {
        prop_oneof![
            3 => Just(0),
            3 => 0..20_u64,
            4 => 0..50_000_u64,
            3 => 900_000..1_100_000_u64,
            1 => 0..100_000_000_u64,
            1 => (0..50_u32).prop_map(|bits| 1 << bits),
        ]
    }

    fn phase() -> impl Strategy<Value = Phase> {
        let limit = prop_oneof![Just(u64::MAX / 4), 0..2_000_000_u64];
        (prop::collection::vec(delay_us(), 0..60), 0..80_usize, limit)
            .prop_map(|(delays_us, pops, limit_ahead_us)| Phase { delays_us, pops, limit_ahead_us })
    }

    /// Runs both queues through the phases; the present follows the pops.
    fn compare(phases: impl IntoIterator<Item = Phase>) -> Result<(), TestCaseError> {
        let (mut queue, mut reference) = (CalendarQueue::default(), Reference::default());
        let (mut now_us, mut pushed) = (0, 0);
        for phase in phases {
            for delay_us in phase.delays_us {
                let event = Event { time_us: now_us + delay_us, target: pushed, payload: !pushed };
                pushed += 1;
                queue.push(event);
                reference.push(event);
            }
            let limit_us = now_us + phase.limit_ahead_us;
            for _ in 0..phase.pops {
                let popped = queue.pop_until(limit_us);
                prop_assert_eq!(popped, reference.pop_until(limit_us));
                prop_assert_eq!(queue.len(), reference.heap.len());
                now_us = popped.map_or(now_us, |event| event.time_us);
            }
        }
        while let Some(expected) = reference.pop_until(u64::MAX) {
            prop_assert_eq!(queue.pop_until(u64::MAX), Some(expected));
        }
        prop_assert_eq!(queue.pop_until(u64::MAX), None);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn pops_in_the_order_of_a_heap_with_sequence_numbers(phases in prop::collection::vec(phase(), 1..40)) {
            compare(phases)?;
        }
    }

    /// Long enough for reviews of the width: each workload's delays differ by orders of magnitude.
    #[test]
    fn the_width_follows_the_workload_and_the_order_stays() {
        let hold = |delay_us: u64, rounds: u64| {
            (0..rounds).map(move |n| Phase {
                delays_us: (0..10).map(|m| delay_us / 2 + (n * 7919 + m * 104_729) % delay_us).collect(),
                pops: if n < 100 { 0 } else { 10 },
                limit_ahead_us: u64::MAX / 4,
            })
        };
        let workloads = hold(60_000_000, 20_000).chain(hold(100, 20_000)).chain(hold(3_600_000_000, 10_000));
        compare(workloads).unwrap();

        let mut queue = CalendarQueue::default();
        let mut now_us = 0;
        let mut widths = Vec::new();
        for delay_us in [60_000_000, 100, 3_600_000_000] {
            for n in 0..200_000_u64 {
                let time_us = now_us + delay_us / 2 + n * 7919 % delay_us;
                queue.push(Event { time_us, target: 0, payload: 0 });
                if n >= 100 {
                    now_us = queue.pop_until(u64::MAX).unwrap().time_us;
                }
            }
            widths.push(queue.width_log2);
        }
        assert_eq!(widths, [15, 0, 20], "4096 buckets cover the longest delay, hardly more");
    }

    #[test]
    fn equal_times_leave_in_order_of_insertion() {
        let mut queue = CalendarQueue::default();
        for payload in 0..1000 {
            queue.push(Event { time_us: 5_000_000, target: 0, payload });
        }
        assert_eq!(queue.pop_until(5_000_000).unwrap().payload, 0);
        queue.push(Event { time_us: 5_000_000, target: 0, payload: 1000 });
        for payload in 1..=1000 {
            assert_eq!(queue.pop_until(u64::MAX).unwrap().payload, payload);
        }
    }

    #[test]
    fn memory_follows_pending_events_not_past_bursts() {
        let mut queue = CalendarQueue::default();
        for burst in 0..200 {
            for payload in 0..10_000 {
                queue.push(Event { time_us: burst * 1000, target: 0, payload });
            }
            while queue.pop_until(u64::MAX).is_some() {}
        }
        assert!(queue.ring.chunks() <= 10_000 / 4 + 1);
    }
}
