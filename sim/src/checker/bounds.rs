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
    /// How many nodes there are.
    pub nodes: u32,
    /// How many entries and lanes the cluster began with: a node that joined late holds them for itself.
    pub at_start: usize,
}

/// Streams that a node serves, and the one by which it fetches.
const STREAM_LIMIT: usize = 9;

impl Bounds {
    /// Whether a datagram of this encoded size is too large.
    #[must_use]
    pub fn datagram(&self, len_bytes: u32) -> Option<String> {
        let size = len_bytes + self.sealing_bytes;
        (size > self.datagram_bytes)
            .then(|| format!("sent {size} bytes, allowed are {}", self.datagram_bytes))
    }

    /// Whether a node holds more than what was written explains. `written` entries were minted in this run: each
    /// is at most one entry that differs from the base and hides at most one of it, and its lane is one that
    /// differs; beyond these a node holds bounded queues.
    #[must_use]
    pub fn memory(&self, node: &Node, written: usize) -> Option<String> {
        let [entries, lanes, beats, recents, streams, _] = node.view().private_sizes();
        let allowed = [
            ("entries", entries, 2 * written + self.at_start),
            ("lanes", lanes, 2 * written + self.at_start),
            ("heartbeats", beats, 2 * self.nodes as usize),
            ("recent entries", recents, self.recent_limit as usize),
            ("streams", streams, STREAM_LIMIT),
        ];
        let (what, held, most) = allowed.into_iter().find(|(_, held, most)| held > most)?;
        Some(format!("holds {held} {what} of its own, allowed are {most} after {written} writes"))
    }
}
