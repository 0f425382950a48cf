//! Bandwidth: each node sends through an uplink of limited rate with a queue that drops at its tail.

/// What IPv4 and UDP add to each datagram on the wire.
pub const HEADER_BYTES: u32 = 28;

/// The uplink of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uplink {
    /// Bits per second, headers included. 0 counts as 1.
    pub rate_bps: u64,
    /// What may wait in the queue, in bytes on the wire; a datagram that would exceed it is dropped, except
    /// when the queue is empty.
    pub queue_bytes: u64,
}

/// When an uplink has sent all it was given.
#[derive(Clone, Copy, Default, Debug)]
pub struct Backlog {
    /// In nanoseconds: a datagram takes 1.1 µs at 10 Gbit/s.
    idle_at_ns: u64,
}

impl Backlog {
    /// Queues a datagram; how long until its last bit has left, or `None` if the queue is full.
    pub fn send(&mut self, uplink: Uplink, now_us: u64, len_bytes: u32) -> Option<u64> {
        let rate_bps = u128::from(uplink.rate_bps.max(1));
        let len_bytes = u128::from(len_bytes + HEADER_BYTES);
        let now_ns = now_us.saturating_mul(1000);
        let wait_ns = self.idle_at_ns.saturating_sub(now_ns);
        let waiting_bytes = u128::from(wait_ns) * rate_bps / 8_000_000_000;
        if wait_ns > 0 && waiting_bytes + len_bytes > u128::from(uplink.queue_bytes) {
            return None;
        }
        let duration_ns = (len_bytes * 8_000_000_000 / rate_bps) as u64;
        self.idle_at_ns = (now_ns + wait_ns).saturating_add(duration_ns);
        Some((self.idle_at_ns - now_ns).div_ceil(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 972 + 28 bytes at 8 Mbit/s take a millisecond.
    const UPLINK: Uplink = Uplink { rate_bps: 8_000_000, queue_bytes: 3_000 };

    #[test]
    fn datagrams_leave_one_after_the_other() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.send(UPLINK, 0, 972), Some(1_000));
        assert_eq!(backlog.send(UPLINK, 0, 972), Some(2_000));
        assert_eq!(backlog.send(UPLINK, 1_500, 972), Some(1_500));
        assert_eq!(backlog.send(UPLINK, 10_000, 972), Some(1_000));
    }

    #[test]
    fn a_full_queue_drops_at_its_tail() {
        let mut backlog = Backlog::default();
        for _ in 0..3 {
            assert!(backlog.send(UPLINK, 0, 972).is_some());
        }
        assert_eq!(backlog.send(UPLINK, 0, 972), None);
        assert_eq!(backlog.send(UPLINK, 1_000, 972), Some(3_000));
        let mut idle = Backlog::default();
        assert!(idle.send(UPLINK, 0, 60_000).is_some(), "an empty queue takes any datagram");
    }
}
