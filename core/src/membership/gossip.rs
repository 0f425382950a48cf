//! News of members that ride on whatever is sent anyway.

use crate::id::NodeId;
use alloc::collections::VecDeque;

/// News that wait to be passed on, at most; the oldest give way, as lists are compared as well.
const QUEUE_LIMIT: usize = 512;
/// So many that do not fit end the search for some that do.
const REFUSALS: u32 = 4;

/// Whom there is news of, and how often each is still to be passed on.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Gossip {
    queue: VecDeque<(NodeId, u32)>,
}

impl Gossip {
    /// Passes the standing of a node on `sends` times from now on, whatever was to be said of it before.
    pub fn push(&mut self, node: NodeId, sends: u32) {
        self.queue.retain(|(other, _)| *other != node);
        if self.queue.len() == QUEUE_LIMIT {
            self.queue.pop_front();
        }
        self.queue.push_back((node, sends));
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Offers the news, the latest first, and counts those that are `taken`. Of what is left only a few are offered
    /// once one was not.
    pub fn take(&mut self, mut is_taken: impl FnMut(NodeId) -> bool) {
        let mut refusals = 0;
        for (node, sends) in self.queue.iter_mut().rev() {
            if is_taken(*node) {
                *sends -= 1;
                continue;
            }
            refusals += 1;
            if refusals == REFUSALS {
                break;
            }
        }
        self.queue.retain(|(_, sends)| *sends > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_latest_news_go_first_and_each_so_often() {
        let mut gossip = Gossip::default();
        gossip.push(NodeId(1), 1);
        gossip.push(NodeId(2), 2);
        let mut said = Vec::new();
        for _ in 0..3 {
            gossip.take(|node| {
                said.push(node.0);
                true
            });
        }
        assert_eq!(said, [2, 1, 2]);
        assert_eq!(gossip.len(), 0);
    }

    #[test]
    fn what_does_not_fit_waits() {
        let mut gossip = Gossip::default();
        (1..=3).for_each(|n| gossip.push(NodeId(n), 1));
        let mut room = 1;
        gossip.take(|_| {
            room -= 1;
            room >= 0
        });
        assert_eq!(gossip.len(), 2);
        // One that is too large does not keep smaller ones back.
        gossip.take(|node| node != NodeId(2));
        assert_eq!(gossip.len(), 1);
    }
}
