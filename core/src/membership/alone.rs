//! Whether nobody else is left.
//!
//! That all others fell silent at once says at first that this node is cut off, and it buries nobody for that: where nobody
//! answers, silence is no evidence against anyone. It may as well be the last one left, the more likely the fewer the others
//! were. So after a time that grows with their number it holds them dead, and does their work as far as its budget goes.

use crate::time::{Span, Time};

/// So many periods for each other member without a single datagram make this node take itself for the last one left. Of two
/// others that is a minute, in which a node is sent about sixty requests: where 90 % of all packets are lost, none of these
/// and of those of the suspicion that follows arrives once in 3,000 times, and where half is lost never.
const PERIODS: u64 = 30;
/// One other is waited for as long as two: the other half of two nodes dies by evidence, where there is any.
const FEWEST: usize = 2;
/// Time between two rounds counts for so many periods at most: this node may have slept.
const AWAKE_PERIODS: u64 = 2;

/// How long nobody was heard.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Alone {
    unheard: Span,
    last_round: Time,
    /// Whether others are suspected for it.
    is_acted_on: bool,
}

impl Alone {
    /// A round begins.
    pub fn round_begins(&mut self, now: Time, period: Span) {
        let awake = now.since(self.last_round).min(period.times(AWAKE_PERIODS));
        self.unheard = Span(self.unheard.as_us().saturating_add(awake.as_us()));
        self.last_round = now;
    }

    /// A datagram of a member has arrived. Whether others are suspected for nothing.
    pub const fn heard(&mut self) -> bool {
        self.unheard = Span::ZERO;
        core::mem::replace(&mut self.is_acted_on, false)
    }

    /// Others are suspected for it.
    pub const fn act(&mut self) {
        self.is_acted_on = true;
    }

    /// Whether nobody has been heard for so long that this node is the last one left, as far as it can tell.
    pub fn is_alone(&self, others: usize, period: Span) -> bool {
        self.unheard >= period.times(PERIODS * others.max(FEWEST) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Span = Span::from_secs(1);

    fn after(rounds: u64, apart: Span) -> Alone {
        let mut alone = Alone::default();
        (1..=rounds).for_each(|round| alone.round_begins(Time::ZERO + apart.times(round), SECOND));
        alone
    }

    #[test]
    fn who_hears_nobody_is_alone_after_thirty_periods_for_each_other_member_however_often_it_asks() {
        for apart_ms in [100, 500, 1_000, 2_000] {
            let rounds = |secs: u64| secs * 1_000 / apart_ms;
            let of = |secs| after(rounds(secs), Span::from_ms(apart_ms));
            assert!(!of(58).is_alone(1, SECOND) && of(60).is_alone(1, SECOND), "{apart_ms}");
            assert!(!of(58).is_alone(2, SECOND) && of(60).is_alone(2, SECOND), "{apart_ms}");
            assert!(!of(88).is_alone(3, SECOND) && of(90).is_alone(3, SECOND), "{apart_ms}");
        }
    }

    #[test]
    fn one_datagram_of_anyone_is_enough_and_whoever_was_suspected_is_spared_once() {
        let mut alone = after(90, SECOND);
        alone.act();
        assert!(alone.heard());
        assert!(!alone.is_alone(1, SECOND));
        assert!(!alone.heard());
    }

    #[test]
    fn a_node_that_sleeps_does_not_wake_up_alone() {
        let mut alone = after(30, SECOND);
        alone.round_begins(Time::ZERO + Span::from_secs(3_600), SECOND);
        assert!(!alone.is_alone(2, SECOND));
    }
}
