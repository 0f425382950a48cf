//! Bounds: the size of a datagram, and the memory that a node holds for itself.

use heck_core::node::Node;

/// What a run must not exceed.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The greatest UDP payload, sealing included.
    pub datagram_bytes: u32,
    /// What sealing adds to each datagram.
    pub sealing_bytes: u32,
    /// Entries that a node remembers as recent.
    pub recent_limit: u32,
    /// Payload of the messages that a node keeps.
    pub log_bytes: u64,
    /// How many nodes there are.
    pub nodes: u32,
    /// How many entries the cluster began with: a node that began with nothing holds them for itself.
    pub at_start: usize,
}

/// Streams that a node serves, and the one by which it fetches.
const STREAM_LIMIT: usize = 9;

impl Bounds {
    /// Whether a datagram of this encoded size is too large.
    #[must_use]
    #[inline]
    pub fn datagram(&self, len_bytes: u32) -> Option<String> {
        let size = len_bytes + self.sealing_bytes;
        (size > self.datagram_bytes)
            .then(|| format!("sent {size} bytes, allowed are {}", self.datagram_bytes))
    }

    /// Whether a node holds more than what was written explains. `written` entries were minted in this run: each
    /// is at most one entry that differs from the base and hides at most two of it, an origin and its claim, and its
    /// lane is one that differs; a fence clears the lanes of the lives behind it away, of which the base has one for each
    /// of its entries at most. Beyond these a node holds bounded queues, and what the cluster began with if it is bare.
    #[must_use]
    pub fn memory(&self, node: &Node, written: usize, is_bare: bool) -> Option<String> {
        let [entries, lanes, beats, recents, streams, _, members] = node.view().private_sizes();
        let (log_bytes, _) = node.view().state().log_size();
        let own = 3 * written + if is_bare { self.at_start } else { 0 };
        let allowed = [
            ("entries", entries as u64, own as u64),
            ("lanes", lanes as u64, (3 * written + self.at_start) as u64),
            ("heartbeats", beats as u64, 2 * u64::from(self.nodes)),
            ("recent entries", recents as u64, self.recent_limit.into()),
            ("streams", streams as u64, STREAM_LIMIT as u64),
            ("members", members as u64, 2 * u64::from(self.nodes)),
            ("bytes of messages", log_bytes, self.log_bytes),
        ];
        let (what, held, most) = allowed.into_iter().find(|(_, held, most)| held > most)?;
        Some(format!("holds {held} {what} of its own, allowed are {most} after {written} writes"))
    }
}
