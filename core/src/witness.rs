//! Who else has a write: for a client that wants it in the hands of several nodes before it goes on.
//!
//! Repair would bring a write to everyone anyway; this only finds out when. The writer asks peers that have not said so yet,
//! again and again, and a peer answers once the entry is on its own disk.

use crate::effects::{Effects, Event, Refusal};
use crate::id::{Addr, Dot, NodeId};
use crate::member::Members;
use crate::packet::PacketKind;
use crate::rng::Stream;
use crate::time::{Span, Time};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// How long a client may wait.
pub const WAIT_LIMIT: Span = Span::from_secs(30);
/// How often those are asked that have not answered. A round trip across the world takes as long.
const EVERY: Span = Span::from_ms(250);
/// Writes that wait at once; the client of one more is refused.
const WAITING_LIMIT: usize = 256;
/// Answers that wait for the disk; whoever is not answered asks again.
const PROMISES_LIMIT: usize = 256;

/// A write that is to be in the hands of others.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Wait {
    token: u64,
    dot: Dot,
    /// Who is known to have it on disk.
    holders: SmallVec<[NodeId; 4]>,
    count: u16,
    next: Time,
    until: Time,
}

/// An answer that is due when a record is on disk.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Promise {
    record: u64,
    to: Addr,
    dot: Dot,
}

/// The writes whose holders this node looks for, and the answers that it owes others.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Witnesses {
    waits: Vec<Wait>,
    promises: VecDeque<Promise>,
}

impl Witnesses {
    /// Waits until `count` others have `dot`. Answers the command at once where that cannot be.
    pub fn wait(&mut self, token: u64, dot: Dot, count: u16, now: Time, effects: &mut Effects) {
        if count == 0 {
            effects.events.push(Event::Done { token, dot: Some(dot) });
        } else if self.waits.len() == WAITING_LIMIT {
            effects.events.push(Event::Failed { token, reason: Refusal::TooManyWait });
        } else {
            let holders = SmallVec::new();
            self.waits.push(Wait { token, dot, holders, count, next: now, until: now + WAIT_LIMIT });
        }
    }

    /// Gives up the wait of this token, without a word.
    pub fn stop(&mut self, token: u64) {
        self.waits.retain(|wait| wait.token != token);
    }

    /// When there is somebody to ask or to give up.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        self.waits.iter().map(|wait| wait.next).min().unwrap_or(Time::NEVER)
    }

    /// Asks those who have not answered, about twice as many as are still wanted.
    pub fn tick(
        &mut self,
        members: &Members,
        me: NodeId,
        now: Time,
        rng: &mut Stream,
        effects: &mut Effects,
    ) {
        self.waits.retain_mut(|wait| {
            if now >= wait.until {
                let reason = Refusal::NotSpread(wait.holders.len() as u16);
                effects.events.push(Event::Failed { token: wait.token, reason });
                return false;
            }
            if now < wait.next {
                return true;
            }
            wait.next = (now + EVERY).min(wait.until);
            let mut asked: SmallVec<[NodeId; 8]> = SmallVec::new();
            for _ in 0..2 * (usize::from(wait.count) - wait.holders.len()) {
                let is_new = |member: &&crate::member::Member| {
                    member.node != me
                        && member.standing.is_live()
                        && !wait.holders.contains(&member.node)
                        && !asked.contains(&member.node)
                };
                let Some(peer) = members.random(is_new, rng) else { break };
                asked.push(peer.node);
                say(PacketKind::Have, wait.dot, me, peer.addr, effects);
            }
            true
        });
    }

    /// A peer has a dot on its disk.
    pub fn held(&mut self, by: NodeId, dot: Dot, effects: &mut Effects) {
        self.waits.retain_mut(|wait| {
            if wait.dot != dot || wait.holders.contains(&by) {
                return true;
            }
            wait.holders.push(by);
            let is_done = wait.holders.len() >= usize::from(wait.count);
            if is_done {
                effects.events.push(Event::Done { token: wait.token, dot: Some(dot) });
            }
            !is_done
        });
    }

    /// A peer asks about a dot that this node has: answers once everything up to `record` is on disk.
    pub fn promise(&mut self, record: u64, to: Addr, dot: Dot) {
        if self.promises.len() < PROMISES_LIMIT {
            self.promises.push_back(Promise { record, to, dot });
        }
    }

    /// Everything up to this record is on disk.
    pub fn persisted(&mut self, up_to: u64, me: NodeId, effects: &mut Effects) {
        while self.promises.front().is_some_and(|promise| promise.record <= up_to) {
            if let Some(Promise { to, dot, .. }) = self.promises.pop_front() {
                say(PacketKind::Has, dot, me, to, effects);
            }
        }
    }
}

fn say(kind: PacketKind, dot: Dot, me: NodeId, to: Addr, effects: &mut Effects) {
    let mut packet = effects.packet();
    packet.reset(kind, me);
    packet.dot = Some(dot);
    effects.send(to, packet);
}
