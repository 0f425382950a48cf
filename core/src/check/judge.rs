//! From single findings to a state: streaks or a window, a way to ask others first, and damping for what flaps.

use crate::entry::HealthState;
use crate::mutant::{Mutant, Planted};
use crate::policy::{Grade, Rule};
use crate::time::{Span, Time};

/// Falls that count for damping; each beyond the first doubles what a rise takes.
const FALLS_LIMIT: u8 = 5;

/// What a finding leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing changes.
    Stays,
    /// The state is another one now.
    Becomes,
    /// The origin looks unhealthy. Others are to be asked first; [`Judge::confirm_down`] when they agree.
    Suspects,
}

/// What is known of one origin.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Judge {
    state: HealthState,
    last: Option<Grade>,
    /// In a row, up to now: bad ones, those that are not good, those that are not bad, good ones.
    bad: u16,
    not_good: u16,
    not_bad: u16,
    good: u16,
    /// The last 64 checks that were not bad, and which of those were slow; the newest is the lowest bit.
    passed: u64,
    slow: u64,
    /// Recent falls, and when one of them is next forgotten.
    falls: u8,
    forget: Time,
}

impl Judge {
    /// What is known of an origin that was in `state` until now, by this node or by its last owner.
    pub(super) const fn new(state: HealthState, rule: Rule) -> Self {
        let initial = match rule {
            Rule::Window { initial, .. } => low_bits(initial),
            Rule::Streaks { .. } => 0,
        };
        let (passed, slow) = match state {
            HealthState::Unknown => (initial, 0),
            HealthState::Unhealthy => (0, 0),
            HealthState::Healthy | HealthState::Draining => (u64::MAX, 0),
            HealthState::Degraded => (u64::MAX, u64::MAX),
        };
        // What is draining was in use until its operator said so.
        let state = if matches!(state, HealthState::Draining) { HealthState::Healthy } else { state };
        Self {
            state,
            last: None,
            bad: 0,
            not_good: 0,
            not_bad: 0,
            good: 0,
            passed,
            slow,
            falls: 0,
            forget: Time::ZERO,
        }
    }

    /// The state, whatever the operator wants.
    pub(super) const fn state(&self) -> HealthState {
        self.state
    }

    /// How many findings in a row speak for what the last one does.
    pub(super) const fn streak(&self) -> u16 {
        match self.last {
            None => 0,
            Some(Grade::Bad) => self.bad,
            Some(Grade::Slow) => self.not_bad,
            Some(Grade::Good) => self.good,
        }
    }

    /// Whether so many checks in a row have succeeded that an earlier suspicion is over.
    pub(super) fn is_calm(&self, rule: Rule) -> bool {
        self.not_bad >= rise(rule)
    }

    /// Whether checks should follow faster, because the last one speaks against the state. Not while a rise is
    /// damped: what flaps shall not be probed more for it.
    pub(super) fn is_changing(&self) -> bool {
        let implied = match self.last {
            None => return false,
            Some(Grade::Bad) => HealthState::Unhealthy,
            Some(Grade::Slow) => HealthState::Degraded,
            Some(Grade::Good) => HealthState::Healthy,
        };
        let is_damped = self.falls > 1 && rank(implied) > rank(self.state);
        implied != self.state && !is_damped
    }

    /// Takes what a check found.
    pub(super) fn observe(
        &mut self,
        grade: Grade,
        rule: Rule,
        memory: Span,
        now: Time,
        planted: Planted,
    ) -> Verdict {
        self.last = Some(grade);
        let count =
            |streak: &mut u16, goes_on: bool| *streak = if goes_on { streak.saturating_add(1) } else { 0 };
        count(&mut self.bad, grade == Grade::Bad);
        count(&mut self.not_good, grade != Grade::Good);
        count(&mut self.not_bad, grade != Grade::Bad);
        count(&mut self.good, grade == Grade::Good);
        self.passed = (self.passed << 1) | u64::from(grade != Grade::Bad);
        self.slow = (self.slow << 1) | u64::from(grade == Grade::Slow);
        self.forget_falls(memory, now);
        let next = self.leaning(rule);
        if next == self.state {
            return Verdict::Stays;
        }
        if next == HealthState::Unhealthy {
            return Verdict::Suspects;
        }
        if rank(next) > rank(self.state) && self.is_damped(next, rule) && !planted.is(Mutant::ForgetFlaps) {
            return Verdict::Stays;
        }
        self.enter(next, memory, now);
        Verdict::Becomes
    }

    /// The origin is unhealthy after all.
    pub(super) fn confirm_down(&mut self, memory: Span, now: Time) {
        self.enter(HealthState::Unhealthy, memory, now);
    }

    /// The state that the findings alone ask for.
    fn leaning(&self, rule: Rule) -> HealthState {
        match rule {
            Rule::Streaks { rise, fall } => self.leaning_by_streaks(rise, fall),
            Rule::Window { size, threshold, .. } => {
                let passed = self.passed & low_bits(size);
                let good = passed & !self.slow;
                let reach = |bits: u64| bits.count_ones() >= u32::from(threshold);
                match () {
                    () if reach(good) => HealthState::Healthy,
                    () if reach(passed) => HealthState::Degraded,
                    () => HealthState::Unhealthy,
                }
            }
        }
    }

    fn leaning_by_streaks(&self, rise: u16, fall: u16) -> HealthState {
        let (falls, degrades) = (self.bad >= fall, self.not_good >= fall);
        match self.state {
            // Nothing was known, so one success says more than there was; a failure may be chance.
            HealthState::Unknown if self.good > 0 => HealthState::Healthy,
            HealthState::Unknown if self.not_bad > 0 => HealthState::Degraded,
            HealthState::Unhealthy if self.good >= rise => HealthState::Healthy,
            HealthState::Unhealthy if self.not_bad >= rise => HealthState::Degraded,
            HealthState::Degraded if self.good >= rise => HealthState::Healthy,
            HealthState::Unhealthy => HealthState::Unhealthy,
            _ if falls => HealthState::Unhealthy,
            HealthState::Healthy | HealthState::Draining if degrades => HealthState::Degraded,
            state => state,
        }
    }

    fn is_damped(&self, next: HealthState, rule: Rule) -> bool {
        let Some(doublings) = self.falls.checked_sub(1).filter(|doublings| *doublings > 0) else {
            return false;
        };
        let streak = if next == HealthState::Healthy { self.good } else { self.not_bad };
        u32::from(streak) < u32::from(rise(rule)) << doublings
    }

    fn enter(&mut self, next: HealthState, memory: Span, now: Time) {
        if self.state != HealthState::Unknown && rank(next) < rank(self.state) {
            self.forget_falls(memory, now);
            if self.falls == 0 {
                self.forget = now + memory;
            }
            self.falls = (self.falls + 1).min(FALLS_LIMIT);
        }
        self.state = next;
    }

    fn forget_falls(&mut self, memory: Span, now: Time) {
        while self.falls > 0 && now >= self.forget {
            self.falls -= 1;
            self.forget += memory.max(Span(1));
        }
    }
}

/// Successes in a row that a rise takes.
fn rise(rule: Rule) -> u16 {
    match rule {
        Rule::Streaks { rise, .. } => rise,
        Rule::Window { threshold, .. } => u16::from(threshold),
    }
}

/// Which of two states is the better one; nothing falls from or rises to the unknown.
const fn rank(state: HealthState) -> u8 {
    match state {
        HealthState::Unhealthy => 0,
        HealthState::Degraded => 1,
        HealthState::Unknown | HealthState::Healthy | HealthState::Draining => 2,
    }
}

const fn low_bits(count: u8) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const STREAKS: Rule = Rule::Streaks { rise: 2, fall: 3 };
    const WINDOW: Rule = Rule::Window { size: 5, threshold: 3, initial: 4 };
    const MEMORY: Span = Span::from_secs(300);

    /// One finding a second; suspicions are confirmed at once. `-` is bad, `s` slow, `+` good. The states after each
    /// as letters: unknown, healthy, degraded, `X` for unhealthy.
    fn play(judge: &mut Judge, rule: Rule, findings: &str, from_s: u64) -> alloc::string::String {
        let step = |(at, finding): (usize, char)| {
            let grade = match finding {
                '-' => Grade::Bad,
                's' => Grade::Slow,
                _ => Grade::Good,
            };
            let now = Time::ZERO + Span::from_secs(from_s + at as u64);
            if judge.observe(grade, rule, MEMORY, now, Planted::NONE) == Verdict::Suspects {
                judge.confirm_down(MEMORY, now);
            }
            match judge.state() {
                HealthState::Unknown => 'u',
                HealthState::Healthy => 'h',
                HealthState::Degraded => 'd',
                HealthState::Unhealthy => 'X',
                HealthState::Draining => '!',
            }
        };
        findings.chars().enumerate().map(step).collect()
    }

    fn states(start: HealthState, rule: Rule, findings: &str) -> alloc::string::String {
        play(&mut Judge::new(start, rule), rule, findings, 0)
    }

    #[test]
    fn fall_in_a_row_make_unhealthy_and_rise_in_a_row_healthy() {
        let cases = [
            (HealthState::Healthy, "--+---", "hhhhhX"),
            (HealthState::Unhealthy, "+-++", "XXXh"),
            (HealthState::Draining, "---", "hhX"),
        ];
        for (start, findings, expected) in cases {
            assert_eq!(states(start, STREAKS, findings), expected, "{start:?} {findings}");
        }
    }

    #[test]
    fn an_unknown_origin_is_up_with_one_success_and_down_with_fall_failures() {
        assert_eq!(states(HealthState::Unknown, STREAKS, "+"), "h");
        assert_eq!(states(HealthState::Unknown, STREAKS, "s"), "d");
        assert_eq!(states(HealthState::Unknown, STREAKS, "--+"), "uuh");
        assert_eq!(states(HealthState::Unknown, STREAKS, "---"), "uuX");
    }

    #[test]
    fn slow_findings_in_a_row_degrade_and_count_as_success_for_what_is_down() {
        assert_eq!(states(HealthState::Healthy, STREAKS, "ss+sss"), "hhhhhd");
        assert_eq!(states(HealthState::Healthy, STREAKS, "-s-"), "hhd");
        assert_eq!(states(HealthState::Degraded, STREAKS, "+s++"), "dddh");
        assert_eq!(states(HealthState::Unhealthy, STREAKS, "s+"), "Xd");
        assert_eq!(states(HealthState::Degraded, STREAKS, "---"), "ddX");
    }

    #[test]
    fn a_window_counts_its_last_checks_and_begins_with_those_that_it_assumes() {
        assert_eq!(states(HealthState::Unknown, WINDOW, "---"), "hhX");
        let pessimist = Rule::Window { size: 5, threshold: 3, initial: 2 };
        assert_eq!(states(HealthState::Unknown, pessimist, "+"), "h");
        assert_eq!(states(HealthState::Unknown, pessimist, "-"), "X");
        assert_eq!(states(HealthState::Unhealthy, WINDOW, "+-+-+"), "XXXXh");
        assert_eq!(states(HealthState::Healthy, WINDOW, "sss--"), "hhddd");
        assert_eq!(states(HealthState::Healthy, WINDOW, "+-+--"), "hhhhX");
    }

    #[test]
    fn each_fall_soon_after_another_doubles_what_a_rise_takes_and_is_forgotten_later() {
        let mut judge = Judge::new(HealthState::Healthy, STREAKS);
        assert_eq!(play(&mut judge, STREAKS, "---++", 0), "hhXXh");
        assert_eq!(play(&mut judge, STREAKS, "---++++", 10), "hhXXXXh");
        assert!(!judge.is_changing());
        assert_eq!(play(&mut judge, STREAKS, "---++++++++", 20), "hhXXXXXXXXh");
        // Three falls, one forgotten every five minutes: after ten, one is left, and the next is the second.
        assert_eq!(play(&mut judge, STREAKS, "---++++", 700), "hhXXXXh");
        assert_eq!(play(&mut judge, STREAKS, "---++", 2_000), "hhXXh");
    }

    #[test]
    fn checks_hurry_while_the_last_one_speaks_against_the_state_but_not_for_what_flaps() {
        let mut judge = Judge::new(HealthState::Healthy, STREAKS);
        assert!(!judge.is_changing());
        play(&mut judge, STREAKS, "+-", 0);
        assert!(judge.is_changing());
        play(&mut judge, STREAKS, "--", 2);
        assert!(!judge.is_changing(), "an origin that is down is checked as usual");
        play(&mut judge, STREAKS, "+", 4);
        assert!(judge.is_changing());
        play(&mut judge, STREAKS, "+---+", 5);
        assert!(!judge.is_changing(), "it flaps");
    }

    /// The definition of a window, counted anew each time from the list of all findings.
    fn plain_window(size: usize, threshold: usize, initial: usize, findings: &[u8]) -> HealthState {
        let assumed = core::iter::repeat_n(0, 64 - initial).chain(core::iter::repeat_n(2, initial));
        let all: Vec<u8> = assumed.chain(findings.iter().copied()).collect();
        let last = &all[all.len() - size..];
        let at_least = |grade: u8| last.iter().filter(|found| **found >= grade).count() >= threshold;
        match () {
            () if at_least(2) => HealthState::Healthy,
            () if at_least(1) => HealthState::Degraded,
            () => HealthState::Unhealthy,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(92),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_window_is_what_its_definition_says(
            size in 1_u8..=64,
            parts in (0_u8..64, 0_u8..=64),
            findings in proptest::collection::vec(0_u8..3, 1..200),
        ) {
            let (threshold, initial) = (parts.0 % size + 1, parts.1 % (size + 1));
            let rule = Rule::Window { size, threshold, initial };
            let mut judge = Judge::new(HealthState::Unknown, rule);
            for (at, finding) in findings.iter().enumerate() {
                let grade = [Grade::Bad, Grade::Slow, Grade::Good][usize::from(*finding)];
                // A memory of nothing: damping stays out of the way.
                let now = Time(at as u64 * 10);
                if judge.observe(grade, rule, Span(1), now, Planted::NONE) == Verdict::Suspects {
                    judge.confirm_down(Span(1), now);
                }
                let plain =
                    plain_window(size.into(), threshold.into(), initial.into(), &findings[..=at]);
                prop_assert_eq!(judge.state(), plain, "after {} findings", at + 1);
            }
        }
    }
}
