//! Head-of-line blocking: what one loss costs an ordered stream (slides 31-35).
//!
//! Messages leave every millisecond; message 0 is lost at the last hop. The receiver notices when a later message
//! arrives, its acknowledgement crosses the link, and the retransmission crosses it again; everything sent in
//! between waits. The talk multiplies the largest wait by the number of messages (400 ms × 600 = 240,000 ms).

/// An ordered stream with one loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// One-way latency of the link, in milliseconds (one message is sent per millisecond).
    pub latency_ms: u64,
    /// How many later messages must arrive before the sender hears of the loss: 1, or 3 with duplicate acks.
    pub duplicates: u64,
}

impl Stream {
    /// How long the lost message itself arrives late: the greatest wait of all, and message i sent i ms later
    /// waits i ms less.
    #[must_use]
    pub const fn greatest_wait_ms(&self) -> u64 {
        2 * self.latency_ms + self.duplicates
    }

    /// The waits of all messages behind the lost one, summed.
    #[must_use]
    pub const fn total_wait_ms(&self) -> u64 {
        let greatest = self.greatest_wait_ms();
        greatest * (greatest - 1) / 2
    }

    /// The same with the lost message's own lateness.
    #[must_use]
    pub const fn total_wait_with_lost_ms(&self) -> u64 {
        self.total_wait_ms() + self.greatest_wait_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_loss_on_a_200_ms_link_costs_80_200_ms() {
        let stream = Stream { latency_ms: 200, duplicates: 1 };
        assert_eq!(stream.total_wait_ms(), (1..=400).map(|i| 401 - i).sum::<u64>());
        assert_eq!(stream.total_wait_ms(), 80_200);
        assert_eq!(stream.total_wait_with_lost_ms(), 80_601);
        assert_eq!(Stream { duplicates: 3, ..stream }.total_wait_ms(), 81_003);
    }
}
