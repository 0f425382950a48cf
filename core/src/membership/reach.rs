//! Asking those who can answer: where a firewall lets a node reach a few of its peers only, whoever was heard of last is
//! asked now and then, so that news do not wait until its turn comes again.

use crate::id::NodeId;

/// So many rounds without an answer, each answer making up for half of them, say that most peers cannot. At 50 % loss
/// one node in ten sees as many by chance, and nothing is lost when it does.
const SILENT_ROUNDS: u32 = 8;
/// Every so-manieth round then goes to whoever was heard last.
const EVERY: u32 = 4;

/// Who can be reached.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Reach {
    silent_rounds: u32,
    heard_last: Option<NodeId>,
}

impl Reach {
    /// A round begins: whom to ask instead of whose turn it is, if anyone.
    pub fn begin_round(&mut self) -> Option<NodeId> {
        self.silent_rounds = self.silent_rounds.saturating_add(1);
        let is_due = self.silent_rounds > SILENT_ROUNDS && self.silent_rounds.is_multiple_of(EVERY);
        self.heard_last.filter(|_| is_due)
    }

    /// A peer whose turn it was has answered.
    pub const fn answered(&mut self) {
        self.silent_rounds /= 2;
    }

    /// A datagram of a member has arrived, whatever it is for.
    pub const fn heard(&mut self, from: NodeId) {
        self.heard_last = Some(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn after_eight_silent_rounds_every_fourth_goes_to_whoever_was_heard_last() {
        let mut reach = Reach::default();
        assert!((0..40).all(|_| reach.begin_round().is_none()), "nobody was heard");
        (0..3).for_each(|_| reach.answered());
        reach.heard(NodeId(8));
        reach.heard(NodeId(9));
        let asked: Vec<bool> = (0..20).map(|_| reach.begin_round() == Some(NodeId(9))).collect();
        let due: Vec<usize> = (0..20).filter(|&at| asked[at]).collect();
        assert_eq!(due, [6, 10, 14, 18]);
        for _ in 0..40 {
            reach.answered();
            assert_eq!(reach.begin_round(), None, "most peers answer");
        }
    }
}
