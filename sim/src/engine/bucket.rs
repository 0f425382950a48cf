//! The calendar's buckets: lists of small chunks from one pool, and the sort of a bucket whose turn has come.
//!
//! A growing vector per bucket would keep the capacity of its largest burst for ever; chunks go back to the
//! pool, so the memory is that of the pending events, and a warm queue never allocates.

use super::event::Event;

/// Events in a chunk: one cache line. Longer chunks are no faster, and a small world spends them on single events.
const CHUNK: usize = 4;

/// Buckets up to this size are sorted by insertion.
const INSERTION_MAX: usize = 24;

const EMPTY: Event = Event { time_us: 0, target: 0, payload: 0 };

/// A fixed number of buckets of events, each in order of insertion.
#[derive(Debug)]
pub struct Buckets {
    lists: Vec<List>,
    /// One bit for each bucket that holds anything.
    occupied: Vec<u64>,
    chunks: Vec<[Event; CHUNK]>,
    /// The chunk that follows a chunk in its list, or in the list of free chunks.
    next: Vec<u32>,
    free: u32,
    len: usize,
}

#[derive(Clone, Copy, Default, Debug)]
struct List {
    head: u32,
    tail: u32,
    len: u32,
}

const NONE: u32 = u32::MAX;

impl Buckets {
    /// `count` empty buckets; a multiple of 64.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            lists: vec![List::default(); count],
            occupied: vec![0; count / 64],
            chunks: Vec::new(),
            next: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// How many events all buckets hold.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no bucket holds anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many chunks the pool owns, in use or free.
    #[cfg(test)]
    pub const fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Adds an event at the end of a bucket.
    #[inline]
    pub fn append(&mut self, bucket: usize, event: Event) {
        let List { len, tail, .. } = self.lists[bucket];
        let place = len as usize % CHUNK;
        let chunk = if place == 0 { self.extend(bucket) } else { tail };
        self.chunks[chunk as usize][place] = event;
        self.lists[bucket].len = len + 1;
        self.len += 1;
    }

    /// Gives a bucket another chunk.
    fn extend(&mut self, bucket: usize) -> u32 {
        let chunk = if self.free == NONE {
            self.chunks.push([EMPTY; CHUNK]);
            self.next.push(NONE);
            self.chunks.len() as u32 - 1
        } else {
            let chunk = self.free;
            self.free = self.next[chunk as usize];
            chunk
        };
        let list = &mut self.lists[bucket];
        if list.len == 0 {
            list.head = chunk;
            self.occupied[bucket / 64] |= 1 << (bucket % 64);
        } else {
            self.next[list.tail as usize] = chunk;
        }
        list.tail = chunk;
        chunk
    }

    /// Empties a bucket onto the end of `into`.
    pub fn take(&mut self, bucket: usize, into: &mut Vec<Event>) {
        let list = std::mem::take(&mut self.lists[bucket]);
        if list.len == 0 {
            return;
        }
        let mut chunk = list.head;
        let mut left = list.len as usize;
        while left > CHUNK {
            into.extend_from_slice(&self.chunks[chunk as usize]);
            chunk = self.next[chunk as usize];
            left -= CHUNK;
        }
        into.extend_from_slice(&self.chunks[chunk as usize][..left]);
        self.next[list.tail as usize] = self.free;
        self.free = list.head;
        self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        self.len -= list.len as usize;
    }

    /// How many buckets after `from`, going round, the first one lies that holds anything; 0 if all are empty.
    #[must_use]
    pub fn distance_to_occupied(&self, from: usize) -> usize {
        let words = self.occupied.len();
        let first = self.occupied[from / 64] >> (from % 64);
        if first != 0 {
            return first.trailing_zeros() as usize;
        }
        // The word of `from` comes last once more, for the buckets below `from`.
        for step in 1..=words {
            let word = self.occupied[(from / 64 + step) % words];
            if word != 0 {
                return step * 64 + word.trailing_zeros() as usize - from % 64;
            }
        }
        0
    }
}

/// Stable sort of a bucket by time, without allocation once warm.
#[derive(Default, Debug)]
pub struct Sorter {
    scratch: Vec<Event>,
}

impl Sorter {
    /// Sorts events whose times differ only in the lowest `differing_bits` bits.
    pub fn sort(&mut self, events: &mut Vec<Event>, differing_bits: u32) {
        if events.len() <= INSERTION_MAX {
            insertion_sort(events);
            return;
        }
        let mut shift = 0;
        while shift < differing_bits {
            self.scratch.clear();
            self.scratch.resize(events.len(), EMPTY);
            radix_pass(events, &mut self.scratch, shift);
            std::mem::swap(events, &mut self.scratch);
            shift += 8;
        }
    }
}

fn insertion_sort(events: &mut [Event]) {
    for end in 1..events.len() {
        let event = events[end];
        let mut place = end;
        while place > 0 && events[place - 1].time_us > event.time_us {
            events[place] = events[place - 1];
            place -= 1;
        }
        events[place] = event;
    }
}

/// One stable counting pass over eight bits of the times.
fn radix_pass(from: &[Event], to: &mut [Event], shift: u32) {
    let digit = |event: &Event| (event.time_us >> shift) as usize & 255;
    let mut starts = [0_u32; 256];
    for event in from {
        starts[digit(event)] += 1;
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += std::mem::replace(start, sum);
    }
    for event in from {
        let place = &mut starts[digit(event)];
        to[*place as usize] = *event;
        *place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time_us: u64, payload: u32) -> Event {
        Event { time_us, target: 0, payload }
    }

    #[test]
    fn chunks_are_reused_and_order_is_kept() {
        let mut buckets = Buckets::new(64);
        for round in 0..5 {
            for payload in 0..100 {
                buckets.append(3, event(u64::from(payload), payload));
                buckets.append(60, event(0, round));
            }
            let mut out = Vec::new();
            buckets.take(3, &mut out);
            assert!(out.iter().map(|event| event.payload).eq(0..100));
            out.clear();
            buckets.take(60, &mut out);
            assert_eq!(out.len(), 100);
        }
        assert!(buckets.is_empty());
        assert_eq!(buckets.chunks(), 50, "two lists of 100 events take 25 chunks each");
    }

    #[test]
    fn distance_goes_round_the_ring() {
        let mut buckets = Buckets::new(128);
        assert_eq!(buckets.distance_to_occupied(5), 0);
        buckets.append(3, event(0, 0));
        assert_eq!(buckets.distance_to_occupied(3), 0);
        assert_eq!(buckets.distance_to_occupied(4), 127);
        assert_eq!(buckets.distance_to_occupied(100), 31);
        buckets.append(99, event(0, 0));
        assert_eq!(buckets.distance_to_occupied(4), 95);
    }

    #[test]
    fn the_sort_is_stable_for_small_and_large_buckets() {
        for len in [2_u32, 20, 24, 25, 1000] {
            for bits in [1, 8, 11, 20] {
                let time = |n: u32| u64::from(n.wrapping_mul(2_654_435_761) >> 7) & ((1 << bits) - 1);
                let mut events: Vec<Event> = (0..len).map(|n| event(time(n), n)).collect();
                let mut expected = events.clone();
                expected.sort_by_key(|event| event.time_us);
                Sorter::default().sort(&mut events, bits);
                assert_eq!(events, expected, "{len} events, {bits} bits");
            }
        }
    }
}
