//! What the engine keeps of each node beside its protocol: one cache line.

use super::event::NEVER_US;

/// Whether a node runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Condition {
    /// It takes inputs as they come.
    Running,
    /// It is down; what is sent to it is lost.
    Crashed,
    /// It stands still; inputs wait until it resumes, datagrams as far as its receive queue holds them.
    Paused,
    /// It gets the processor in short bursts only, and takes inputs late.
    Starved,
}

/// What a node sent and received.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Datagrams sent, lost ones included.
    pub sent: u64,
    /// Their bytes: UDP payload, without headers.
    pub sent_bytes: u64,
    /// Datagrams received, each duplicate included.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// The largest datagram sent.
    pub largest_bytes: u32,
}

impl Traffic {
    /// The traffic of both; the larger datagram.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            sent_bytes: self.sent_bytes + other.sent_bytes,
            received: self.received + other.received,
            received_bytes: self.received_bytes + other.received_bytes,
            largest_bytes: self.largest_bytes.max(other.largest_bytes),
        }
    }
}

/// The engine's state of one node.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Node {
    /// The time of the one timer event that counts; all others of this node are stale.
    pub timer_us: u64,
    pub traffic: Traffic,
    /// How many streams it has opened: names the next one.
    pub streams_opened: u32,
    /// How often it has crashed: what belonged to an earlier life is void.
    pub life: u32,
    pub condition: Condition,
}

impl Node {
    pub const fn new() -> Self {
        Self {
            timer_us: NEVER_US,
            traffic: Traffic { sent: 0, sent_bytes: 0, received: 0, received_bytes: 0, largest_bytes: 0 },
            streams_opened: 0,
            life: 0,
            condition: Condition::Running,
        }
    }

    /// The number of the next stream that the node with this index opens.
    pub const fn next_stream(&self, index: u32) -> u64 {
        ((index as u64) << 32) | self.streams_opened as u64
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_node_fits_a_cache_line() {
        assert_eq!(size_of::<super::Node>(), 64);
    }
}
