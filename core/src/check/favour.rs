//! Probes made for others: what this node is asked to confirm of origins that it does not own.

use crate::id::{Name, NodeId};
use crate::policy::Policy;
use crate::time::{Span, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// Origins that others can have confirmed here at once. Further questions get no answer.
const LIMIT: usize = 256;
/// Askers of one origin at once.
const ASKERS_LIMIT: usize = 16;
/// How long a finding answers further questions about the same origin, so that nobody can have it probed faster.
const KEEP: Span = Span::from_secs(1);

/// Where a favour stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Waits for leave to probe.
    Waiting,
    /// The probe is under way.
    Probing(Time),
    /// The probe ended, and found the origin down or not.
    Found(Time, bool),
}

#[derive(Clone, Debug)]
struct Favour {
    number: u32,
    origin: Name,
    policy: Arc<Policy>,
    askers: SmallVec<[(NodeId, u32); 2]>,
    asked: Time,
    stage: Stage,
}

/// All favours of a node, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Favours {
    list: Vec<Favour>,
    number: u32,
}

/// An answer that is ready.
pub(super) struct Ready {
    pub(super) to: NodeId,
    pub(super) round: u32,
    pub(super) origin: Name,
    pub(super) down: bool,
}

impl Favours {
    /// Takes a question. An origin that was probed for another a moment ago is answered at once.
    pub(super) fn ask(
        &mut self,
        from: NodeId,
        round: u32,
        origin: &Name,
        policy: &Arc<Policy>,
        now: Time,
    ) -> Option<Ready> {
        self.forget(now);
        if let Some(favour) = self.list.iter_mut().find(|favour| favour.origin == *origin) {
            if let Stage::Found(_, down) = favour.stage {
                return Some(Ready { to: from, round, origin: origin.clone(), down });
            }
            if !favour.askers.contains(&(from, round)) && favour.askers.len() < ASKERS_LIMIT {
                favour.askers.push((from, round));
            }
        } else if self.list.len() < LIMIT {
            self.number = self.number.wrapping_add(1);
            self.list.push(Favour {
                number: self.number,
                origin: origin.clone(),
                policy: policy.clone(),
                askers: SmallVec::from_slice(&[(from, round)]),
                asked: now,
                stage: Stage::Waiting,
            });
        }
        None
    }

    /// Whether a probe waits for leave to start.
    pub(super) fn is_waiting(&self) -> bool {
        self.list.iter().any(|favour| favour.stage == Stage::Waiting)
    }

    /// Starts the probe that waits longest: its number, its origin and its timeout.
    pub(super) fn start(&mut self, now: Time) -> Option<(u32, Name, Span)> {
        let favour = self.list.iter_mut().find(|favour| favour.stage == Stage::Waiting)?;
        favour.stage = Stage::Probing(now);
        Some((favour.number, favour.origin.clone(), favour.policy.timeout))
    }

    /// When the probe with this number started, and how it is to be graded, if it is under way.
    pub(super) fn probing(&self, number: u32) -> Option<(Time, &Policy)> {
        let favour = self.list.iter().find(|favour| favour.number == number)?;
        match favour.stage {
            Stage::Probing(started) => Some((started, &favour.policy)),
            Stage::Waiting | Stage::Found(..) => None,
        }
    }

    /// Notes what a probe found and hands out the answers.
    pub(super) fn found(&mut self, number: u32, down: bool, now: Time) -> impl Iterator<Item = Ready> {
        let favour = self.list.iter_mut().find(|favour| favour.number == number);
        let ready = favour.map(|favour| {
            favour.stage = Stage::Found(now, down);
            (favour.origin.clone(), core::mem::take(&mut favour.askers))
        });
        ready.into_iter().flat_map(move |(origin, askers)| {
            askers.into_iter().map(move |(to, round)| Ready { to, round, origin: origin.clone(), down })
        })
    }

    /// Gives up a probe that tells nothing; nobody is answered.
    pub(super) fn drop_probe(&mut self, number: u32) {
        self.list.retain(|favour| favour.number != number);
    }

    /// Forgets what is over, and what waited or was under way for so long that nobody waits for it any more.
    fn forget(&mut self, now: Time) {
        self.list.retain(|favour| match favour.stage {
            Stage::Found(at, _) => now.since(at) < KEEP,
            Stage::Waiting | Stage::Probing(_) => {
                now.since(favour.asked) < favour.policy.timeout.times(3) + KEEP
            }
        });
    }
}
