//! A checker with its origins: time passes, probes end as a test wants, and everything is written down.

use heck_core::check::{Action, Checker, Finding, Inquiry};
use heck_core::entry::{Admin, HealthState, Minted};
use heck_core::hash::mix;
use heck_core::id::{Name, NodeId};
use heck_core::limits::Limits;
use heck_core::mutant::Planted;
use heck_core::policy::Policy;
use heck_core::probe::{Failure, ProbeId, Reply};
use heck_core::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a probe goes: its answer, how long the origin takes, and how long the checker's machine sits on the outcome;
/// nothing for an outcome that is lost.
pub type Fate = Option<(Reply, Span, Span)>;

/// What decides how the probes of an origin go.
type Fates = dyn FnMut(&Name, Time) -> Fate;

/// An answer as it should be, after 20 ms.
pub const FINE: Fate = Some((Reply::Status(200), Span::from_ms(20), Span::ZERO));

pub const DOWN: Fate = Some((Reply::Failed(Failure::Connect), Span::from_ms(5), Span::ZERO));
pub const TIMEOUT: Fate = Some((Reply::Failed(Failure::Timeout), Span::from_secs(2), Span::ZERO));
pub const INTERVAL: Span = Span::from_secs(5);

/// Everything that happened, with its time.
#[derive(Default)]
pub struct Record {
    pub starts: Vec<(Time, Name)>,
    pub claims: Vec<(Time, Finding)>,
    pub asks: Vec<(Time, Name, u32, u8)>,
    pub answers: Vec<(Time, NodeId, u32, bool)>,
    /// When each origin last gave an answer that came in time.
    pub told: BTreeMap<Name, Time>,
}

struct UnderWay {
    origin: Name,
    started: Time,
    reply: Reply,
    took: Span,
}

pub struct Clinic {
    pub checker: Checker,
    pub now: Time,
    pub record: Record,
    fate: Box<Fates>,
    actions: Vec<Action>,
    under_way: BTreeMap<(Time, ProbeId), UnderWay>,
    /// Answers of confirmers on their way: to which origin and round, from whom, down or not.
    pub answers: BTreeMap<(Time, u64), (Name, u32, NodeId, bool)>,
    /// Until when the node does nothing.
    asleep: Time,
    /// How long the node's machine is busy with one outcome, while the others wait in line.
    pub work: Span,
    busy: Time,
}

pub fn origin(number: usize) -> Name {
    Name::new(&format!("origin-{number}")).expect("a valid name")
}

/// Every 5 s, timeout 2 s, fall 3, rise 2.
pub fn policy() -> Arc<Policy> {
    Arc::default()
}

/// A word that depends on its parts alone.
pub fn word(seed: u64, origin: &Name, now: Time) -> u64 {
    mix(mix(seed, origin.hash()), now.0)
}

impl Clinic {
    pub fn new(limits: &Limits, planted: Planted, fate: impl FnMut(&Name, Time) -> Fate + 'static) -> Self {
        let now = Time(1_000_000_000);
        Self {
            checker: Checker::new(NodeId(77), Limits { planted, ..limits.clone() }, now),
            now,
            record: Record::default(),
            fate: Box::new(fate),
            actions: Vec::new(),
            under_way: BTreeMap::new(),
            answers: BTreeMap::new(),
            asleep: Time::ZERO,
            work: Span::ZERO,
            busy: Time::ZERO,
        }
    }

    pub fn gain(&mut self, origins: impl IntoIterator<Item = Name>, carried: HealthState) {
        let policy = policy();
        for name in origins {
            self.checker.gain(&name, &policy, Admin::Enabled, carried, self.now);
        }
        self.tick();
    }

    /// Lets the node sleep from now on; whatever happens meanwhile reaches it afterwards.
    pub fn sleep(&mut self, span: Span) {
        self.asleep = self.now + span;
    }

    /// Another owner asks for a confirmation.
    pub fn ask(&mut self, from: u64, round: u32, origin: &Name) {
        let (from, generation, policy) = (NodeId(from), Minted::default(), &policy());
        let inquiry = Inquiry { from, round, origin, generation, policy };
        self.checker.asked(&inquiry, self.now, &mut self.actions);
        self.note_actions();
    }

    pub fn tick(&mut self) {
        self.checker.tick(self.now, &mut self.actions);
        self.note_actions();
    }

    /// Lets `span` pass, and calls `seen` after every step.
    pub fn run_watched(
        &mut self,
        span: Span,
        mut seen: impl FnMut(&Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let until = self.now + span;
        loop {
            let outcome = self.under_way.keys().next().map(|(at, _)| (*at).max(self.busy));
            let answer = self.answers.keys().next().map(|(at, _)| *at);
            let next = [outcome, answer, Some(self.checker.next_wake())];
            let next = next.into_iter().flatten().min().unwrap_or(Time::NEVER);
            let at = next.max(self.asleep).max(self.now);
            if at > until {
                self.now = until;
                return Ok(());
            }
            self.now = at;
            if outcome == Some(next) {
                let ((_, probe), ended) = self.under_way.pop_first().expect("it was there");
                let waited = self.now.since(ended.started);
                if waited <= Span::from_ms(2_250) {
                    self.record.told.insert(ended.origin, self.now);
                }
                // A busy machine looks at the answer so late that it takes it for a timeout.
                let is_missed = self.work > Span::ZERO && waited > Span::from_secs(2);
                let timeout = (Reply::Failed(Failure::Timeout), waited);
                let (reply, took) = if is_missed { timeout } else { (ended.reply, ended.took) };
                self.checker.outcome(probe, reply, took, self.now, &mut self.actions);
                self.busy = self.now + self.work;
            } else if answer == Some(next) {
                let (_, (name, round, from, down)) = self.answers.pop_first().expect("it was there");
                self.checker.answer(&name, round, from, down, self.now, &mut self.actions);
            } else {
                self.checker.tick(self.now, &mut self.actions);
            }
            self.note_actions();
            seen(self)?;
        }
    }

    pub fn run(&mut self, span: Span) {
        self.run_watched(span, |_| Ok(())).expect("nothing is watched");
    }

    fn note_actions(&mut self) {
        for action in self.actions.drain(..) {
            match action {
                Action::Probe { probe, origin, .. } => {
                    if let Some((reply, took, lag)) = (self.fate)(&origin, self.now) {
                        let ended = UnderWay { origin: origin.clone(), started: self.now, reply, took };
                        self.under_way.insert((self.now + took + lag, probe), ended);
                    }
                    self.record.starts.push((self.now, origin));
                }
                Action::Ask { origin, round, count } => {
                    self.record.asks.push((self.now, origin, round, count));
                }
                Action::Claim(finding) => self.record.claims.push((self.now, finding)),
                Action::Answer { to, round, down, .. } => {
                    self.record.answers.push((self.now, to, round, down));
                }
            }
        }
    }

    /// Probes that started in each 100 ms from `from` on, up to now.
    pub fn bins(&self, from: Time) -> Vec<usize> {
        let mut bins = vec![0; (self.now.since(from).as_us() / 100_000) as usize];
        for (at, _) in self.record.starts.iter().filter(|(at, _)| *at >= from) {
            if let Some(bin) = bins.get_mut((at.since(from).as_us() / 100_000) as usize) {
                *bin += 1;
            }
        }
        bins
    }

    /// When each origin's checks started.
    pub fn starts_by_origin(&self) -> BTreeMap<&Name, Vec<Time>> {
        let mut by_origin: BTreeMap<&Name, Vec<Time>> = BTreeMap::new();
        for (at, name) in &self.record.starts {
            by_origin.entry(name).or_default().push(*at);
        }
        by_origin
    }
}
