//! One question to the confirmers of an origin that looks unhealthy. The owner has a vote too.

use crate::entry::Confirmation;
use crate::id::NodeId;
use crate::limits::Limits;
use crate::mutant::{Mutant, Planted};
use crate::time::Time;
use smallvec::SmallVec;

/// How many questions about one origin may have no answer, while others have one, until their silence is consent.
pub(super) const UNANSWERED_LIMIT: u8 = 8;

/// How many rounds may be open at once: a quarter of a second's probes. Where each of two confirmers has two questions for
/// each round of any owner, this is what half of a confirmer's budget suffices for in one second, if all owners ask at once.
pub(super) fn rounds_limit(limits: &Limits) -> u32 {
    (limits.probes_per_s / 4).max(1)
}

/// A question that waits for answers.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Round {
    /// Its number; answers bear it.
    pub(super) number: u32,
    /// When it is decided, whoever has answered.
    pub(super) deadline: Time,
    /// When it began.
    pub(super) began: Time,
    asked: u8,
    answers: SmallVec<[(NodeId, bool); 4]>,
}

impl Round {
    pub(super) const fn new(number: u32, asked: u8, began: Time, deadline: Time) -> Self {
        Self { number, deadline, began, asked, answers: SmallVec::new_const() }
    }

    /// Takes the answer of a confirmer; the first of each counts, and no more than were asked.
    pub(super) fn take(&mut self, from: NodeId, down: bool, planted: Planted) {
        let is_known = self.answers.iter().any(|(known, _)| *known == from);
        let counts = !is_known || planted.is(Mutant::CountAnswersTwice);
        if counts && self.answers.len() < usize::from(self.asked) {
            self.answers.push((from, down));
        }
    }

    /// So many could be asked; no more than were to be.
    pub(super) fn ask_only(&mut self, count: u8) {
        self.asked = self.asked.min(count);
    }

    /// Who said what.
    pub(super) fn confirmation(&self) -> Confirmation {
        let agreed = self.answers.iter().filter(|(_, down)| *down).count() as u8;
        Confirmation { asked: self.asked, answered: self.answers.len() as u8, agreed }
    }

    /// Whether somebody was asked and nobody has answered.
    pub(super) fn is_silent(&self) -> bool {
        self.asked > 0 && self.answers.is_empty()
    }

    /// Whether the origin is down, once that is settled: more than half of those who voted say so, the owner
    /// among them, when the time is over or when the answers still missing can change nothing.
    pub(super) fn decision(&self, now: Time) -> Option<bool> {
        let Confirmation { asked, answered, agreed } = self.confirmation();
        let (down, up) = (u32::from(agreed) + 1, u32::from(answered - agreed));
        let missing = u32::from(asked - answered);
        if now >= self.deadline || missing == 0 {
            return Some(down > up);
        }
        if down > up + missing {
            return Some(true);
        }
        (up >= down + missing).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who said whether the origin is down.
    type Answers = &'static [(u64, bool)];

    const END: Time = Time(1_000);

    fn round(asked: u8, answers: Answers) -> Round {
        let mut round = Round::new(1, asked, Time::ZERO, END);
        for (from, down) in answers {
            round.take(NodeId(*from), *down, Planted::NONE);
        }
        round
    }

    #[test]
    fn the_majority_of_those_who_answered_decides_and_the_owner_has_a_vote() {
        let cases: [(u8, Answers, bool); 8] = [
            (0, &[], true),
            (2, &[], true),
            (2, &[(1, true)], true),
            (2, &[(1, false)], false),
            (2, &[(1, true), (2, false)], true),
            (2, &[(1, false), (2, false)], false),
            (4, &[(1, false), (2, false), (3, true), (4, true)], true),
            (4, &[(1, false), (2, false), (3, false), (4, true)], false),
        ];
        for (asked, answers, down) in cases {
            assert_eq!(round(asked, answers).decision(END), Some(down), "{asked} asked: {answers:?}");
        }
    }

    #[test]
    fn a_round_ends_early_only_when_missing_answers_can_change_nothing() {
        let early = Time(1);
        assert_eq!(round(0, &[]).decision(early), Some(true));
        assert_eq!(round(2, &[]).decision(early), None);
        assert_eq!(round(2, &[(1, true)]).decision(early), Some(true));
        assert_eq!(round(2, &[(1, false)]).decision(early), None);
        assert_eq!(round(3, &[(1, false), (2, false)]).decision(early), Some(false));
        assert_eq!(round(4, &[(1, false), (2, false)]).decision(early), None);
        assert_eq!(round(4, &[(1, false), (2, false), (3, false)]).decision(early), Some(false));
    }

    #[test]
    fn the_first_answer_of_each_counts_and_no_more_than_were_asked() {
        let round = round(2, &[(1, false), (1, true), (1, false), (2, true), (3, false)]);
        assert_eq!(round.confirmation(), Confirmation { asked: 2, answered: 2, agreed: 1 });
    }
}
