//! When a member that does not answer is suspected, and when it is buried.

use super::evidence::{BIT, Baseline};
use crate::config::MembershipConfig;
use crate::id::NodeId;
use crate::member::Life;
use crate::time::{Span, Time};
use alloc::collections::VecDeque;
use smallvec::SmallVec;

/// What one witness can add at most, either way: a broken path must not speak for several.
const WITNESS_LIMIT: i32 = 9 * BIT;
/// From here on everyone is told, so that the suspect can speak for itself.
const SUSPECT_AT: i32 = 10 * BIT;
/// From here on others are asked to ask.
const HELP_AT: i32 = 5 * BIT / 2;
/// And after so many misses at any loss.
const HELP_AFTER: i32 = 6;
/// One healthy member in a hundred million attempts' worth of chance.
const BURY_AT: i32 = 27 * BIT;
/// As many must have found it silent, where there are as many.
const WITNESSES: usize = 3;
/// Witnesses that are remembered, and errands whose report is waited for.
const WITNESSES_KEPT: usize = 32;
/// After so many asks they become rarer, down to one in [`SELDOM`].
const PATIENCE: u32 = 16;
/// Whoever refuted and then was found as silent as this by several lives, and is of no use: it is buried for that. One
/// witness adds twice as much as usual at most, and it takes twice as much in all, as there is no hurry.
const USELESS_AT: i32 = 2 * BURY_AT;
const SELDOM: Span = Span::from_secs(10);

/// What is open about one member.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Doubt {
    /// In which life it was silent.
    pub life: Life,
    pub since: Time,
    /// Since when everyone is told.
    pub public: Option<Time>,
    /// Whether it is for nothing but the silence of all.
    pub is_for_silence: bool,
    /// Who asked it, and what that was worth.
    witnesses: SmallVec<[Witness; 4]>,
    /// Who else suspects it.
    accusers: SmallVec<[NodeId; 4]>,
    /// Who was asked to ask, by the nonce of the errand, and what came of it.
    errands: VecDeque<(NodeId, u32, Option<Report>)>,
    pub next_ask: Time,
    pub asks: u32,
    /// Since when it is known that the member lives.
    refuted: Option<Time>,
}

/// What one node has found out.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Witness {
    node: NodeId,
    score: i32,
    /// The same since it is known that the member lives.
    fresh: i32,
}

/// What a helper said, and what that was worth.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Report {
    answered: bool,
    worth: i32,
}

/// What is to be done about a doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Wait,
    Suspect,
    Bury,
    Clear,
}

impl Doubt {
    pub fn new(life: Life, now: Time) -> Self {
        Self {
            life,
            since: now,
            public: None,
            is_for_silence: false,
            witnesses: SmallVec::new(),
            accusers: SmallVec::new(),
            errands: VecDeque::new(),
            next_ask: now,
            asks: 0,
            refuted: None,
        }
    }

    /// Takes in what became of so many attempts of one witness.
    pub fn testify(&mut self, witness: NodeId, tried: u32, answered: u32, baseline: &Baseline) {
        self.add(witness, baseline.weigh(tried, answered));
    }

    fn add(&mut self, witness: NodeId, worth: i32) {
        let at = self.witnesses.iter().position(|known| known.node == witness);
        let at = at.or_else(|| {
            let has_room = self.witnesses.len() < WITNESSES_KEPT;
            has_room.then(|| self.witnesses.push(Witness { node: witness, score: 0, fresh: 0 }))?;
            Some(self.witnesses.len() - 1)
        });
        if let Some(known) = at.and_then(|at| self.witnesses.get_mut(at)) {
            let clamped = |score: i32, limit: i32| score.saturating_add(worth).clamp(-limit, limit);
            known.score = clamped(known.score, WITNESS_LIMIT);
            known.fresh = clamped(known.fresh, 2 * WITNESS_LIMIT);
        }
    }

    /// Takes back what a late answer disproves.
    pub fn retract(&mut self, witness: NodeId, baseline: &Baseline) {
        self.add(witness, -baseline.miss() - 2 * BIT);
    }

    /// Someone was asked to ask; its report will bear this nonce.
    pub fn sent_for(&mut self, helper: NodeId, nonce: u32) {
        if self.errands.len() == WITNESSES_KEPT {
            self.errands.pop_front();
        }
        self.errands.push_back((helper, nonce, None));
    }

    /// A report of someone who was asked. It counts once, and a second time if it takes the first one back: the
    /// member has answered after all.
    pub fn report(&mut self, helper: NodeId, nonce: u32, tried: u32, answered: u32, baseline: &Baseline) {
        let errand = self.errands.iter_mut().find(|(asked, sent, _)| (*asked, *sent) == (helper, nonce));
        let Some((.., report)) = errand else { return };
        let worth = match report {
            None => baseline.weigh(tried, answered),
            Some(Report { answered: false, worth }) if answered > 0 => -*worth - 2 * BIT,
            Some(_) => return,
        };
        *report = Some(Report { answered: answered > 0, worth });
        self.add(helper, worth);
    }

    /// The member has spoken for itself. What was found before counts for little from now on; it may live and be out
    /// of reach all the same.
    pub fn soften(&mut self, now: Time) {
        self.public = None;
        self.is_for_silence = false;
        self.asks = 0;
        if self.refuted.is_none() {
            self.refuted = Some(now);
            self.witnesses.iter_mut().for_each(|witness| witness.fresh = 0);
            // What helpers find out from before says nothing about now.
            self.errands.clear();
        }
        self.witnesses.iter_mut().for_each(|witness| witness.score = (witness.score / 4).min(witness.score));
    }

    /// Somebody was heard after all, so the silence of all is none.
    pub fn spare(&mut self) {
        if self.is_for_silence {
            (self.public, self.is_for_silence, self.asks) = (None, false, 0);
        }
    }

    /// This node slept, and what it waited for may wait for it: all that is pending has so much more time.
    pub fn put_off(&mut self, by: Span) {
        self.next_ask += by;
        self.public = self.public.map(|since| since + by);
    }

    /// Until the next attempt: whoever stays silent is asked less and less often.
    pub fn pause(&self, timeout: Span) -> Span {
        let times = 1 + u64::from(self.asks.saturating_sub(PATIENCE));
        timeout.times(times).min(SELDOM.max(timeout))
    }

    /// Someone else suspects it, too.
    pub fn accuse(&mut self, accuser: NodeId) {
        if !self.accusers.contains(&accuser) && self.accusers.len() < WITNESSES_KEPT {
            self.accusers.push(accuser);
        }
    }

    pub fn score(&self) -> i32 {
        self.witnesses.iter().map(|witness| witness.score).sum()
    }

    /// Whether others are to be asked to ask, of whom so many could be heard. Where much is lost a few misses are
    /// nothing to trouble anyone with, and so many prove little, but enough to hear what others find. Nor is there more
    /// to hear when only time is lacking.
    pub fn needs_help(&self, baseline: &Baseline, witnesses: usize) -> bool {
        match self.public {
            Some(_) => !self.is_proven(witnesses) || self.confirmations() < CONFIRMATIONS,
            None => self.score() >= HELP_AT.min(HELP_AFTER * baseline.miss()),
        }
    }

    /// Whether as many have found it silent as make a burial, and it only has its time to speak for itself.
    pub fn is_proven(&self, witnesses: usize) -> bool {
        let needed = WITNESSES.min(witnesses).max(1);
        let is_enough = self.score() >= BURY_AT.min(WITNESS_LIMIT * needed as i32);
        is_enough && self.silent_witnesses() >= needed
    }

    /// How many besides this node say the same.
    fn confirmations(&self) -> usize {
        self.silent_witnesses().saturating_sub(1) + self.accusers.len()
    }

    fn silent_witnesses(&self) -> usize {
        self.witnesses.iter().filter(|witness| witness.score > 0).count()
    }

    /// What is to be done now, in a cluster of so many live members, `witnesses` of which could be heard of the suspect,
    /// this node included: others that are suspected can't.
    pub fn verdict(
        &self,
        config: &MembershipConfig,
        (live, witnesses): (usize, usize),
        now: Time,
    ) -> Verdict {
        let needed = WITNESSES.min(witnesses).max(1);
        let share = needed as i32;
        let score = self.score();
        let least = timeout(config, live, Some(CONFIRMED.len()));
        let uselessness = self.uselessness(needed, now, least);
        if uselessness >= USELESS_AT.min(2 * WITNESS_LIMIT * share) {
            return Verdict::Bury;
        }
        match self.public {
            _ if score <= 0 && uselessness <= 0 => Verdict::Clear,
            None if score >= SUSPECT_AT.min(WITNESS_LIMIT * share - BIT) => Verdict::Suspect,
            None => Verdict::Wait,
            Some(since) => {
                let is_time = now >= since + timeout(config, live, Some(self.confirmations()));
                if is_time && self.is_proven(witnesses) { Verdict::Bury } else { Verdict::Wait }
            }
        }
    }

    /// The same for a node that has heard of nobody for so long that it is alone: there is nothing to weigh, as all are as
    /// silent. Everyone gets the time to refute of a suspicion that nobody confirms.
    pub fn verdict_alone(&self, config: &MembershipConfig, live: usize, now: Time) -> Verdict {
        match self.public {
            None => Verdict::Suspect,
            Some(since) if now >= since + timeout(config, live, Some(0)) => Verdict::Bury,
            Some(_) => Verdict::Wait,
        }
    }

    /// What was found since the member spoke for itself; short of proof until it was found by several, most of all that
    /// tried, for as long as the shortest suspicion lasts.
    fn uselessness(&self, needed: usize, now: Time, least: Span) -> i32 {
        let Some(since) = self.refuted else { return 0 };
        let count = |is_meant: fn(i32) -> bool| {
            self.witnesses.iter().filter(|witness| is_meant(witness.fresh)).count()
        };
        let (silent, reached) = (count(|fresh| fresh > 0), count(|fresh| fresh < 0));
        let sum: i32 = self.witnesses.iter().map(|witness| witness.fresh).sum();
        let is_early = now < since + least || silent < needed || silent < 2 * reached;
        if is_early { sum.min(USELESS_AT - 1) } else { sum }
    }
}

/// log10 in parts of 1,024 of 1 to 9, and of ten times as much by adding 1,024.
const LOG10: [u64; 9] = [0, 308, 489, 617, 716, 797, 865, 925, 977];

/// max(1, log10 n) in parts of 1,024, straight between the numbers of one digit.
fn log10(n: usize) -> u64 {
    let (mut digit, mut rest, mut unit, mut log) = (n as u64, 0, 1, 0);
    while digit >= 10 {
        (rest, unit) = (rest + digit % 10 * unit, unit * 10);
        (digit, log) = (digit / 10, log + 1_024);
    }
    let low = LOG10.get(digit.max(1) as usize - 1).copied().unwrap_or_default();
    let high = LOG10.get(digit.max(1) as usize).copied().unwrap_or(1_024);
    (log + low + (high - low) * rest / unit).max(1_024)
}

/// As many confirmations make a suspicion as short as it gets.
pub(super) const CONFIRMATIONS: usize = 3;
/// ln(n + 1) / ln(k + 1) in parts of 1,024, for k = [`CONFIRMATIONS`].
const CONFIRMED: [u64; CONFIRMATIONS + 1] = [0, 512, 811, 1_024];

/// How long a suspicion lasts, by the formula of Lifeguard (Dadgar et al. 2018, IV-B): from `max` without any
/// confirmation to `min` with three; `None` is SWIM, which never waits longer than `min`.
pub(super) fn timeout(config: &MembershipConfig, live: usize, confirmations: Option<usize>) -> Span {
    let period_us = config.period.as_us();
    let min_us = period_us * u64::from(config.suspicion_percent()) * log10(live) / (100 * 1_024);
    let Some(confirmations) = confirmations else { return Span::from_us(min_us) };
    let max_us = min_us * u64::from(config.suspicion_max_factor);
    let part = CONFIRMED.get(confirmations).copied().unwrap_or(1_024);
    Span::from_us(max_us - (max_us - min_us) * part / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> MembershipConfig {
        MembershipConfig { suspicion_factor_percent: Some(400), ..MembershipConfig::default() }
    }

    #[test]
    fn a_suspicion_lasts_as_long_as_the_formula_says() {
        let config = config();
        for live in [1, 5, 10, 37, 100, 999, 5_000] {
            let min = 4.0 * (live as f64).log10().max(1.0);
            for (confirmations, part) in
                [(0, 0.0), (1, 0.5), (2, 3_f64.ln() / 4_f64.ln()), (3, 1.0), (9, 1.0)]
            {
                let max = min * f64::from(config.suspicion_max_factor);
                let expected = max - (max - min) * part;
                let is = timeout(&config, live, Some(confirmations)).as_us() as f64 / 1e6;
                assert!(
                    (is - expected).abs() < 0.02 * expected,
                    "{live}, {confirmations}: {is}, not {expected}"
                );
            }
            let swim = timeout(&config, live, None).as_us() as f64 / 1e6;
            assert!((swim - min).abs() < 0.02 * min, "{live}: {swim}, not {min}");
        }
    }

    fn good() -> Baseline {
        let mut baseline = Baseline::new();
        (0..500).for_each(|_| baseline.note(true));
        baseline
    }

    #[test]
    fn others_are_asked_after_a_few_misses_whatever_is_lost() {
        let mut poor = Baseline::new();
        (0..500).for_each(|n| poor.note(n % 4 == 0));
        for (baseline, misses) in [(good(), 1), (poor, HELP_AFTER as u32)] {
            let mut doubt = Doubt::new(Life::default(), Time::ZERO);
            doubt.testify(NodeId(1), misses - 1, 0, &baseline);
            assert!(!doubt.needs_help(&baseline, 9), "{baseline:?}");
            doubt.testify(NodeId(1), 1, 0, &baseline);
            assert!(doubt.needs_help(&baseline, 9), "{baseline:?}");
            doubt.testify(NodeId(1), 1, 1, &baseline);
            assert!(!doubt.needs_help(&baseline, 9), "an answer outweighs them: {baseline:?}");
        }
    }

    #[test]
    fn nobody_is_troubled_any_more_where_only_time_is_lacking() {
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        doubt.public = Some(Time::ZERO);
        for witness in 1..=CONFIRMATIONS as u64 + 1 {
            assert!(doubt.needs_help(&good(), 9), "{witness}");
            doubt.testify(NodeId(witness), 100, 0, &good());
        }
        assert!(!doubt.needs_help(&good(), 9));
        assert_eq!(doubt.verdict(&config(), (10, 9), Time::ZERO), Verdict::Wait);
        assert_eq!(doubt.verdict(&config(), (10, 9), Time::ZERO + Span::from_secs(1_000)), Verdict::Bury);
        // Those who get through put it in doubt again.
        doubt.testify(NodeId(5), 20, 20, &good());
        doubt.testify(NodeId(6), 20, 20, &good());
        assert!(doubt.needs_help(&good(), 9));
    }

    #[test]
    fn one_witness_buries_nobody_where_there_are_others() {
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        doubt.testify(NodeId(1), 100, 0, &good());
        assert_eq!(doubt.verdict(&config(), (10, 9), Time::ZERO), Verdict::Wait, "nor troubles everyone");
        doubt.public = Some(Time::ZERO);
        let late = Time::ZERO + Span::from_secs(1_000);
        assert_eq!(doubt.verdict(&config(), (10, 9), late), Verdict::Wait);
        // Of two members there is no other to ask.
        assert_eq!(doubt.verdict(&config(), (2, 1), late), Verdict::Bury);
        doubt.testify(NodeId(2), 5, 0, &good());
        doubt.testify(NodeId(3), 5, 0, &good());
        assert_eq!(doubt.verdict(&config(), (10, 9), late), Verdict::Bury);
    }

    #[test]
    fn a_broken_path_of_one_is_outweighed_by_those_who_get_through() {
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        doubt.testify(NodeId(1), 100, 0, &good());
        for helper in 2..=4 {
            doubt.testify(NodeId(helper), 2, 2, &good());
        }
        assert_eq!(doubt.verdict(&config(), (10, 9), Time::ZERO), Verdict::Clear);
    }

    #[test]
    fn a_report_counts_once_and_can_be_taken_back() {
        let (helper, other, baseline) = (NodeId(2), NodeId(3), good());
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        doubt.report(helper, 7, 4, 0, &baseline);
        assert_eq!(doubt.score(), 0, "nobody was asked");
        doubt.sent_for(helper, 7);
        doubt.report(other, 7, 4, 0, &baseline);
        assert_eq!(doubt.score(), 0, "another was asked");
        doubt.report(helper, 7, 1, 0, &baseline);
        let once = doubt.score();
        doubt.report(helper, 7, 1, 0, &baseline);
        assert!(once > 0 && doubt.score() == once);
        doubt.report(helper, 7, 1, 1, &baseline);
        assert_eq!(doubt.score(), -2 * BIT);
        doubt.report(helper, 7, 1, 1, &baseline);
        assert_eq!(doubt.score(), -2 * BIT);
    }

    #[test]
    fn whoever_stays_silent_is_asked_less_often() {
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        let timeout = Span::from_ms(500);
        assert_eq!(doubt.pause(timeout), timeout);
        doubt.asks = PATIENCE + 3;
        assert_eq!(doubt.pause(timeout), Span::from_secs(2));
        doubt.asks = 1_000_000;
        assert_eq!(doubt.pause(timeout), SELDOM);
    }

    #[test]
    fn whoever_refutes_and_still_does_not_answer_is_buried_all_the_same() {
        let (at, later) = (Time::ZERO, Time::ZERO + Span::from_secs(9));
        let witness = |doubt: &mut Doubt, answered| {
            (1..=3).for_each(|witness| doubt.testify(NodeId(witness), 20, answered, &good()));
        };
        for (answered, expected) in [(4, Verdict::Bury), (15, Verdict::Clear)] {
            let mut doubt = Doubt::new(Life::default(), at);
            witness(&mut doubt, 0);
            doubt.public = Some(at);
            doubt.soften(at);
            assert_eq!(doubt.verdict(&config(), (100, 99), later), Verdict::Wait, "nothing new yet");
            witness(&mut doubt, answered);
            doubt.public = Some(later);
            assert_eq!(doubt.verdict(&config(), (100, 99), later), expected, "{answered} of 20 answered");
        }
    }

    #[test]
    fn evidence_alone_does_not_shorten_the_time_to_refute() {
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        (1..=5).for_each(|witness| doubt.testify(NodeId(witness), 20, 0, &good()));
        doubt.public = Some(Time::ZERO);
        let (early, late) = (Time::ZERO + Span::from_secs(7), Time::ZERO + Span::from_secs(9));
        assert_eq!(doubt.verdict(&config(), (100, 99), early), Verdict::Wait);
        assert_eq!(doubt.verdict(&config(), (100, 99), late), Verdict::Bury);
    }
}
