//! Asking those who can answer: where a firewall lets a node reach a few of its peers only, whoever was heard of last is
//! asked now and then, so that news do not wait until its turn comes again.
//!
//! And where nobody is heard any more: that all others fell silent at once says at first that this node is cut off, and
//! it buries nobody for that. It may as well be the last one left, the more likely the fewer the others were, so after
//! a time that grows with their number it holds them dead and does their work as far as its budget goes.

use crate::id::NodeId;

/// So many rounds without an answer, each answer making up for half of them, say that most peers cannot. At 50 % loss
/// one node in ten sees as many by chance, and nothing is lost when it does.
const SILENT_ROUNDS: u32 = 8;
/// Every so-manieth round then goes to whoever was heard last.
const EVERY: u32 = 4;
/// So many rounds for each other member without a single datagram make this node take itself for the last one left. Of
/// three nodes that is a minute: where 90 % of all packets are lost, of the hundred and twenty at least that it is sent
/// in that time none arrives once in 300,000 times.
const ALONE_ROUNDS: u32 = 30;

/// Who can be reached.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Reach {
    silent_rounds: u32,
    /// Rounds since a datagram of any member arrived. While this node sleeps there are none.
    unheard_rounds: u32,
    heard_last: Option<NodeId>,
}

impl Reach {
    /// A round begins: whom to ask instead of whose turn it is, if anyone.
    pub fn begin_round(&mut self) -> Option<NodeId> {
        self.silent_rounds = self.silent_rounds.saturating_add(1);
        self.unheard_rounds = self.unheard_rounds.saturating_add(1);
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
        self.unheard_rounds = 0;
    }

    /// Whether nobody has been heard for so long that this node is the last one left, as far as it can tell.
    pub fn is_alone(&self, others: usize) -> bool {
        self.unheard_rounds as usize >= others.max(1).saturating_mul(ALONE_ROUNDS as usize)
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

    #[test]
    fn who_hears_nobody_is_alone_after_thirty_rounds_for_each_other_member() {
        let mut reach = Reach::default();
        reach.heard(NodeId(8));
        (0..59).for_each(|_| _ = reach.begin_round());
        assert!(reach.is_alone(1) && !reach.is_alone(2));
        reach.begin_round();
        assert!(reach.is_alone(2) && !reach.is_alone(3));
        reach.heard(NodeId(8));
        assert!(!reach.is_alone(1), "one datagram of anyone is enough");
    }
}
