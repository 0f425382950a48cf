//! What waits in the event queue: sixteen bytes that say when, where and what.

/// This far from the start (146,000 years) lies "never": no timer is queued for it, and nothing lies beyond.
pub const NEVER_US: u64 = 1 << 62;

/// One pending event.
///
/// Events of equal time are dispatched in the order in which they were pushed. No event carries a sequence
/// number: the queue keeps the order of insertion by construction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// World time in microseconds.
    pub time_us: u64,
    /// Index of the node that it happens to.
    pub target: u32,
    /// What happens: the kind in the upper four bits, a slot of that kind's slab in the lower 28.
    pub payload: u32,
}

/// The kinds of events that the world dispatches. The numbers are part of the trace hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// The node's timer fires.
    Timer = 0,
    /// A datagram arrives.
    Datagram = 1,
    /// A command of the workload.
    Command = 2,
    /// Records reach the disk.
    Persisted = 3,
    /// Something happens on a stream.
    Stream = 4,
    /// A fault that the driver injected. Never queued, only folded into the trace.
    Fault = 5,
    /// A starved node gets the processor again. Only queued, never folded.
    Turn = 6,
}

/// How many slots a slab can have: what the payload's lower bits can name.
pub const SLOTS_MAX: usize = 1 << SLOT_BITS;

const SLOT_BITS: u32 = 28;

impl Event {
    /// The event of `kind` at `target`, with a slot below [`SLOTS_MAX`]. Whatever lies beyond [`NEVER_US`] happens then.
    #[must_use]
    pub const fn new(time_us: u64, target: u32, kind: Kind, slot: u32) -> Self {
        let time_us = if time_us > NEVER_US { NEVER_US } else { time_us };
        Self { time_us, target, payload: ((kind as u32) << SLOT_BITS) | slot }
    }

    /// What happens.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self.payload >> SLOT_BITS {
            0 => Kind::Timer,
            1 => Kind::Datagram,
            2 => Kind::Command,
            3 => Kind::Persisted,
            4 => Kind::Stream,
            6 => Kind::Turn,
            _ => Kind::Fault,
        }
    }

    /// The slot in the slab of its kind.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.payload & (SLOTS_MAX as u32 - 1)
    }
}
