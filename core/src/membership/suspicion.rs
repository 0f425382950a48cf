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
/// One healthy member in a hundred million attempts' worth of chance.
const BURY_AT: i32 = 27 * BIT;
/// As many must have found it silent, where there are as many.
const WITNESSES: usize = 3;
/// Witnesses that are remembered, and errands whose report is waited for.
const WITNESSES_KEPT: usize = 32;
/// After so many asks they become rarer, down to one in [`SELDOM`].
const PATIENCE: u32 = 16;
/// Whoever refuted and then left most of so many attempts unanswered lives, and is of no use: it is buried for that.
const ATTEMPTS: u32 = 32;
const SELDOM: Span = Span::from_secs(10);

/// What is open about one member.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    /// In which life it was silent.
    pub life: Life,
    pub since: Time,
    /// Since when everyone is told.
    pub public: Option<Time>,
    /// Who asked it, and what that was worth.
    witnesses: SmallVec<[(NodeId, i32); 4]>,
    /// Who else suspects it.
    accusers: SmallVec<[NodeId; 4]>,
    /// Who was asked to ask, by the nonce of the errand, and what came of it.
    errands: VecDeque<(NodeId, u32, Option<Report>)>,
    pub next_ask: Time,
    pub asks: u32,
    /// Since when it is known that the member lives, and what became of attempts since then.
    refuted: Option<Refuted>,
}

/// What became of attempts after a member had spoken for itself.
#[derive(Clone, Copy, Debug)]
struct Refuted {
    since: Time,
    tried: u32,
    answered: u32,
}

/// What a helper said, and what that was worth.
#[derive(Clone, Copy, Debug)]
struct Report {
    tried: u32,
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
        self.count(tried, answered);
        self.add(witness, baseline.weigh(tried, answered));
    }

    fn count(&mut self, tried: u32, answered: u32) {
        if let Some(refuted) = &mut self.refuted {
            refuted.tried = refuted.tried.saturating_add(tried);
            refuted.answered = refuted.answered.saturating_add(answered);
        }
    }

    fn add(&mut self, witness: NodeId, worth: i32) {
        let at = self.witnesses.iter().position(|(node, _)| *node == witness);
        let at = at.or_else(|| {
            let has_room = self.witnesses.len() < WITNESSES_KEPT;
            has_room.then(|| self.witnesses.push((witness, 0)))?;
            Some(self.witnesses.len() - 1)
        });
        if let Some((_, score)) = at.and_then(|at| self.witnesses.get_mut(at)) {
            *score = score.saturating_add(worth).clamp(-WITNESS_LIMIT, WITNESS_LIMIT);
        }
    }

    /// Takes back what a late answer disproves.
    pub fn retract(&mut self, witness: NodeId, baseline: &Baseline) {
        self.count(0, 1);
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
            Some(Report { answered: false, worth, .. }) if answered > 0 => -*worth - 2 * BIT,
            Some(_) => return,
        };
        // What is taken back was wrong about all attempts, as far as anyone knows.
        let (tried, answered_now) = report.map_or((tried, answered), |taken_back| (0, taken_back.tried));
        *report = Some(Report { tried, answered: answered > 0, worth });
        self.count(tried, answered_now);
        self.add(helper, worth);
    }

    /// The member has spoken for itself. What was found before counts for little from now on; it may live and be out
    /// of reach all the same.
    pub fn soften(&mut self, now: Time) {
        self.public = None;
        self.asks = 0;
        if self.refuted.is_none() {
            self.refuted = Some(Refuted { since: now, tried: 0, answered: 0 });
            // What helpers find out from before says nothing about now.
            self.errands.clear();
        }
        self.witnesses.iter_mut().for_each(|(_, score)| *score = (*score / 4).min(*score));
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
        self.witnesses.iter().map(|(_, score)| score).sum()
    }

    /// Whether others are to be asked to ask. Where much is lost a few misses are nothing to trouble anyone with.
    pub fn needs_help(&self) -> bool {
        self.public.is_some() || self.score() >= HELP_AT
    }

    fn silent_witnesses(&self) -> usize {
        self.witnesses.iter().filter(|(_, score)| *score > 0).count()
    }

    /// What is to be done now, in a cluster of so many live members, `witnesses` of which could be heard of the suspect,
    /// this node included: others that are suspected can't.
    pub fn verdict(
        &self,
        config: &MembershipConfig,
        baseline: &Baseline,
        (live, witnesses): (usize, usize),
        now: Time,
    ) -> Verdict {
        let needed = WITNESSES.min(witnesses).max(1);
        let share = needed as i32;
        let score = self.score();
        let least = timeout(config, live, Some(CONFIRMED.len()));
        let uselessness = self.uselessness(baseline, now, least);
        if uselessness >= BURY_AT && self.witnesses.len() >= needed {
            return Verdict::Bury;
        }
        match self.public {
            _ if score <= 0 && uselessness <= 0 => Verdict::Clear,
            None if score >= SUSPECT_AT.min(WITNESS_LIMIT * share - BIT) => Verdict::Suspect,
            None => Verdict::Wait,
            Some(since) => {
                let is_proven =
                    score >= BURY_AT.min(WITNESS_LIMIT * share) && self.silent_witnesses() >= needed;
                let confirmations = Some(self.silent_witnesses().saturating_sub(1) + self.accusers.len());
                let is_time = now >= since + timeout(config, live, confirmations);
                if is_proven && is_time { Verdict::Bury } else { Verdict::Wait }
            }
        }
    }

    /// What attempts are worth that were made since the member spoke for itself; short of proof until there were many, for
    /// as long as the shortest suspicion lasts.
    fn uselessness(&self, baseline: &Baseline, now: Time, least: Span) -> i32 {
        self.refuted.map_or(0, |refuted| {
            let worth = baseline.weigh(refuted.tried, refuted.answered);
            let is_early = refuted.tried < ATTEMPTS || now < refuted.since + least;
            if is_early { worth.min(BURY_AT - 1) } else { worth }
        })
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
    fn one_witness_buries_nobody_where_there_are_others() {
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        doubt.testify(NodeId(1), 100, 0, &good());
        assert_eq!(
            doubt.verdict(&config(), &good(), (10, 9), Time::ZERO),
            Verdict::Wait,
            "nor troubles everyone"
        );
        doubt.public = Some(Time::ZERO);
        let late = Time::ZERO + Span::from_secs(1_000);
        assert_eq!(doubt.verdict(&config(), &good(), (10, 9), late), Verdict::Wait);
        // Of two members there is no other to ask.
        assert_eq!(doubt.verdict(&config(), &good(), (2, 1), late), Verdict::Bury);
        doubt.testify(NodeId(2), 5, 0, &good());
        doubt.testify(NodeId(3), 5, 0, &good());
        assert_eq!(doubt.verdict(&config(), &good(), (10, 9), late), Verdict::Bury);
    }

    #[test]
    fn a_broken_path_of_one_is_outweighed_by_those_who_get_through() {
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        doubt.testify(NodeId(1), 100, 0, &good());
        for helper in 2..=4 {
            doubt.testify(NodeId(helper), 2, 2, &good());
        }
        assert_eq!(doubt.verdict(&config(), &good(), (10, 9), Time::ZERO), Verdict::Clear);
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
            assert_eq!(doubt.verdict(&config(), &good(), (100, 99), later), Verdict::Wait, "nothing new yet");
            witness(&mut doubt, answered);
            doubt.public = Some(later);
            assert_eq!(
                doubt.verdict(&config(), &good(), (100, 99), later),
                expected,
                "{answered} of 20 answered"
            );
        }
    }

    #[test]
    fn evidence_alone_does_not_shorten_the_time_to_refute() {
        let mut doubt = Doubt::new(Life::default(), Time::ZERO);
        (1..=5).for_each(|witness| doubt.testify(NodeId(witness), 20, 0, &good()));
        doubt.public = Some(Time::ZERO);
        let (early, late) = (Time::ZERO + Span::from_secs(7), Time::ZERO + Span::from_secs(9));
        assert_eq!(doubt.verdict(&config(), &good(), (100, 99), early), Verdict::Wait);
        assert_eq!(doubt.verdict(&config(), &good(), (100, 99), late), Verdict::Bury);
    }
}
