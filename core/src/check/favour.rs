//! Probes made for others: what this node is asked to confirm of origins that it does not own.

use crate::entry::Minted;
use crate::id::{Name, NodeId};
use crate::limits::Limits;
use crate::policy::Policy;
use crate::time::{Span, Time};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use smallvec::SmallVec;

/// Askers of one origin at once.
const ASKERS_LIMIT: usize = 16;
/// How long a finding answers further questions about the same origin, so that nobody can have it probed faster.
const KEEP: Span = Span::from_secs(1);

/// Where a favour stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
enum Stage {
    /// Waits for leave to probe.
    Waiting,
    /// The probe is under way.
    Probing(Time),
    /// The probe ended, and found the origin down or not.
    Found(Time, bool),
}

/// What another owner wants to know: whether an origin is down.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// Who asks.
    pub from: NodeId,
    /// The number of its question.
    pub round: u32,
    /// About which origin.
    pub origin: &'a Name,
    /// Which generation of its entry it means: the one that counts here as well.
    pub generation: Minted,
    /// How that one is checked.
    pub policy: &'a Arc<Policy>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Favour {
    number: u32,
    generation: Minted,
    policy: Arc<Policy>,
    askers: SmallVec<[(NodeId, u32); 2]>,
    asked: Time,
    stage: Stage,
}

/// All favours of a node. Further questions get no answer where too many wait or are under way.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Favours {
    by_name: BTreeMap<Name, Favour>,
    /// Those that wait, in the order of the questions.
    waiting: VecDeque<Name>,
    /// Those under way, by number.
    probing: BTreeMap<u32, Name>,
    number: u32,
    waiting_limit: usize,
    probing_limit: usize,
    /// When to forget what is over.
    sweep: Time,
}

/// An answer that is ready.
pub(super) struct Ready {
    pub(super) to: NodeId,
    pub(super) round: u32,
    pub(super) origin: Name,
    pub(super) generation: Minted,
    pub(super) down: bool,
}

impl Favour {
    /// Whether nobody waits for it any more, or what was found is too old to tell.
    fn is_over(&self, now: Time) -> bool {
        match self.stage {
            Stage::Found(at, _) => now.since(at) >= KEEP,
            Stage::Waiting | Stage::Probing(_) => {
                now.since(self.asked) >= self.policy.timeout.times(3) + KEEP
            }
        }
    }
}

impl Favours {
    /// As many wait as can start, at half of the node's pace, while a question may travel: what waited longer would be
    /// answered too late, and everybody's answer with it. As many are under way as start within four seconds.
    pub(super) fn new(limits: &Limits) -> Self {
        let a_second = u64::from(limits.probes_per_s);
        let in_time = a_second.saturating_mul(limits.transit.as_us()) / 2_000_000;
        Self {
            by_name: BTreeMap::new(),
            waiting: VecDeque::new(),
            probing: BTreeMap::new(),
            number: 0,
            waiting_limit: in_time.max(8) as usize,
            probing_limit: (4 * a_second).max(8) as usize,
            sweep: Time::ZERO,
        }
    }

    /// Goes on with the numbers of those whose place these take.
    pub(super) const fn number_after(&mut self, earlier: &Self) {
        self.number = earlier.number;
    }

    /// Takes a question. An origin that was probed for another a moment ago is answered at once.
    pub(super) fn ask(&mut self, inquiry: &Inquiry<'_>, now: Time) -> Option<Ready> {
        let Inquiry { from, round, origin, generation, policy } = *inquiry;
        self.forget(now);
        self.keep_only(origin, Some(generation));
        if self.by_name.get(origin).is_some_and(|favour| favour.is_over(now)) {
            self.drop_favour(origin);
        }
        if let Some(favour) = self.by_name.get_mut(origin) {
            if let Stage::Found(_, down) = favour.stage {
                return Some(Ready { to: from, round, origin: origin.clone(), generation, down });
            }
            if !favour.askers.contains(&(from, round)) && favour.askers.len() < ASKERS_LIMIT {
                favour.askers.push((from, round));
            }
        } else if self.waiting.len() < self.waiting_limit && self.probing.len() < self.probing_limit {
            self.number = self.number.wrapping_add(1);
            self.waiting.push_back(origin.clone());
            let (number, policy, stage) = (self.number, policy.clone(), Stage::Waiting);
            let askers = SmallVec::from_slice(&[(from, round)]);
            let favour = Favour { number, generation, policy, askers, asked: now, stage };
            self.by_name.insert(origin.clone(), favour);
        }
        None
    }

    /// Gives up what is about another generation of an origin than the one that counts now: nobody is answered.
    pub(super) fn keep_only(&mut self, origin: &Name, generation: Option<Minted>) {
        if self.by_name.get(origin).is_some_and(|favour| Some(favour.generation) != generation) {
            self.drop_favour(origin);
        }
    }

    /// Whether a probe waits for leave to start.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Starts the probe that waits longest: its number, its origin and its timeout.
    pub(super) fn start(&mut self, now: Time) -> Option<(u32, Name, Span)> {
        let origin = self.waiting.pop_front()?;
        let favour = self.by_name.get_mut(&origin)?;
        favour.stage = Stage::Probing(now);
        self.probing.insert(favour.number, origin.clone());
        Some((favour.number, origin, favour.policy.timeout))
    }

    /// When the probe with this number started, and how it is to be graded, if it is under way.
    pub(super) fn probing(&self, number: u32) -> Option<(Time, &Policy)> {
        let favour = self.by_name.get(self.probing.get(&number)?)?;
        match favour.stage {
            Stage::Probing(started) => Some((started, &favour.policy)),
            Stage::Waiting | Stage::Found(..) => None,
        }
    }

    /// Notes what a probe found and hands out the answers.
    pub(super) fn found(&mut self, number: u32, down: bool, now: Time) -> impl Iterator<Item = Ready> {
        let origin = self.probing.remove(&number);
        let favour = origin.and_then(|origin| Some((self.by_name.get_mut(&origin)?, origin)));
        let ready = favour.map(|(favour, origin)| {
            favour.stage = Stage::Found(now, down);
            (origin, favour.generation, core::mem::take(&mut favour.askers))
        });
        ready.into_iter().flat_map(move |(origin, generation, askers)| {
            let ready = move |(to, round)| Ready { to, round, origin: origin.clone(), generation, down };
            askers.into_iter().map(ready)
        })
    }

    /// Gives up a probe that tells nothing; nobody is answered.
    pub(super) fn drop_probe(&mut self, number: u32) {
        if let Some(origin) = self.probing.get(&number).cloned() {
            self.drop_favour(&origin);
        }
    }

    fn drop_favour(&mut self, origin: &Name) {
        let Some(favour) = self.by_name.remove(origin) else { return };
        match favour.stage {
            Stage::Waiting => self.waiting.retain(|waiting| waiting != origin),
            Stage::Probing(_) => _ = self.probing.remove(&favour.number),
            Stage::Found(..) => {}
        }
    }

    /// Forgets, now and then, what is over.
    fn forget(&mut self, now: Time) {
        if now < self.sweep {
            return;
        }
        self.sweep = now + KEEP;
        let Self { by_name, waiting, probing, .. } = self;
        by_name.retain(|_, favour| !favour.is_over(now));
        waiting.retain(|origin| by_name.contains_key(origin));
        probing.retain(|_, origin| by_name.contains_key(origin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_favour_ends_without_an_answer_when_another_generation_of_its_origin_counts() {
        let origin = Name::new("origin").expect("a valid name");
        let policy = Arc::default();
        let generation = |counter| Minted { counter, ..Minted::default() };
        let inquiry = |round, counter| Inquiry {
            from: NodeId(1),
            round,
            origin: &origin,
            generation: generation(counter),
            policy: &policy,
        };
        let mut favours = Favours::new(&Limits::default());
        // One that waits, one that is under way and one that was found a moment ago.
        for stage in 0..3 {
            let (now, round) = (Time(1), 10 * stage + 1);
            assert!(favours.ask(&inquiry(round, 1), now).is_none());
            if stage > 0 {
                let (number, ..) = favours.start(now).expect("it waits");
                let found = (stage > 1).then(|| favours.found(number, true, now).count());
                assert_eq!(found.unwrap_or(1), 1);
            }
            favours.keep_only(&origin, Some(generation(2)));
            assert!(favours.by_name.is_empty() && !favours.is_waiting() && favours.probing.is_empty());
        }
        assert!(favours.ask(&inquiry(41, 1), Time(2)).is_none());
        assert!(favours.ask(&inquiry(42, 2), Time(2)).is_none());
        let (number, ..) = favours.start(Time(2)).expect("it waits");
        assert!(favours.start(Time(2)).is_none());
        let ready: Vec<_> = favours.found(number, true, Time(3)).collect();
        assert_eq!(ready.iter().map(|ready| ready.round).collect::<Vec<_>>(), [42]);
        assert!(ready.iter().all(|ready| ready.generation == generation(2)));
        let known = favours.ask(&inquiry(43, 2), Time(4)).expect("it is known");
        assert_eq!((known.round, known.generation, known.down), (43, generation(2), true));
        favours.keep_only(&origin, None);
        assert!(favours.ask(&inquiry(44, 2), Time(5)).is_none());
    }
}
