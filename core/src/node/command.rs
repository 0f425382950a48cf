//! What clients ask for.

use super::Node;
use crate::effects::{Effects, Event, Phase, Refusal};
use crate::entry::{NOTE_LIMIT, TARGET_LIMIT, VALUE_LIMIT};
use crate::id::{Addr, Dot, Store};
use crate::input::Command;
use crate::mutant::Mutant;
use crate::state::Author;
use crate::time::Time;
use alloc::sync::Arc;

impl Node {
    pub(super) fn command(&mut self, token: u64, command: &Command, now: Time, effects: &mut Effects) {
        let (command, note) = command.parts();
        if let Command::AwaitPeers { dot, count } = command {
            self.witnesses.wait(token, *dot, *count, now, effects);
            return;
        }
        if let Command::StopWaiting { of } = command {
            self.witnesses.stop(*of);
            effects.events.push(Event::Done { token, dot: None });
            return;
        }
        match self.carry_out(command, note, now, effects) {
            Err(reason) => effects.events.push(Event::Failed { token, reason }),
            Ok(dot) if self.config.planted.is(Mutant::AcknowledgeEarly) => {
                effects.events.push(Event::Done { token, dot });
            }
            Ok(dot) => self.journal.answer_when_synced(token, dot, effects),
        }
    }

    fn carry_out(
        &mut self,
        command: &Command,
        note: &[u8],
        now: Time,
        effects: &mut Effects,
    ) -> Result<Option<Dot>, Refusal> {
        match command {
            Command::Join { peers } => {
                self.begin_join(peers, now, effects);
                return Ok(None);
            }
            Command::Leave => {
                self.leave(now, effects);
                return Ok(None);
            }
            Command::Describe { addr, zone, weight } => {
                self.describe(*addr, *zone, *weight, now);
                return Ok(None);
            }
            _ => {}
        }
        if self.phase != Phase::Serving {
            return Err(Refusal::NotServing(self.phase));
        }
        within(note.len(), NOTE_LIMIT)?;
        let me = Author { writer: self.me, note };
        let changes = &mut self.changes;
        match command {
            Command::Join { .. }
            | Command::Leave
            | Command::Describe { .. }
            | Command::AwaitPeers { .. }
            | Command::StopWaiting { .. }
            | Command::Noted { .. } => {}
            Command::CheckNow { name } => {
                self.state.read(Store::Registry, name).ok_or(Refusal::Missing)?;
                self.hurry(name, now);
                return Ok(None);
            }
            Command::PutOrigin { name, spec, source } => {
                within(spec.target.len(), TARGET_LIMIT)?;
                spec.policy.validate().map_err(Refusal::OutOfRange)?;
                self.state.put_origin(me, name, spec.clone(), source.clone(), now, changes);
            }
            Command::RemoveOrigin { name } => {
                self.state.remove(me, Store::Registry, name, now, changes).ok_or(Refusal::Missing)?;
            }
            Command::PutKey { name, value } => {
                within(value.len(), VALUE_LIMIT)?;
                self.state.put_key(me, name, value.clone(), now, changes);
            }
            Command::DeleteKey { name } => {
                self.state.remove(me, Store::Keys, name, now, changes).ok_or(Refusal::Missing)?;
            }
            Command::Publish { topic, payload } => {
                within(payload.len(), VALUE_LIMIT)?;
                self.state.publish(me, topic.clone(), payload.clone(), now, changes);
            }
        }
        Ok(self.learned_here(now, effects))
    }

    fn begin_join(&mut self, peers: &Arc<[Addr]>, now: Time, effects: &mut Effects) {
        if let Some(membership) = &mut self.membership {
            membership.look_at(peers.clone());
        }
        if self.phase != Phase::Joining {
            return;
        }
        if peers.is_empty() {
            self.finish_join(Phase::Serving, now, effects);
            return;
        }
        self.join.peers = Some(peers.clone());
        self.join.tried = self.rng.below(peers.len() as u32) as usize;
        self.join.next = now;
        self.join.began = now;
        let awaits = self.config.planted.is(Mutant::AwaitStreams);
        self.join.ask = if awaits { Time::NEVER } else { now + self.config.join_retry };
        self.join.give_up = now + self.config.join_timeout;
    }

    fn leave(&mut self, now: Time, effects: &mut Effects) {
        self.release_all(now, effects);
        self.checks = None;
        // What is released leaves before the goodbye.
        self.outbox.flush(&self.config, &self.members, self.me.node, now, &mut self.rng, effects);
        self.finish_join(Phase::Leaving, now, effects);
        self.say_goodbye(now, effects);
        self.fence_at = Time::NEVER;
    }
}

const fn within(bytes: usize, limit: usize) -> Result<(), Refusal> {
    if bytes > limit { Err(Refusal::TooLarge(bytes)) } else { Ok(()) }
}
