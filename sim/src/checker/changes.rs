//! What is looked at whenever a node takes an entry in or lets one go.

use std::sync::Arc;

use heck_core::effects::Event;
use heck_core::entry::{Body, Entry};
use heck_core::id::Store;
use heck_core::state::{Change, State};

use super::reason::{Reason, reason};
use super::{Check, Checkers};
use crate::engine::observer::Step;
use crate::protocol::heck::Heck;

impl Checkers {
    /// Looks at the events of a step in their order.
    pub(super) fn events(&mut self, step: &Step<'_, Heck>) {
        for event in step.outbox.reported() {
            match event {
                Event::Changed(Change::Learned(entry)) => self.learned(step, entry),
                Event::Changed(Change::Dropped(entry)) => self.dropped(step, entry),
                Event::Changed(Change::Gap { lane, first, last }) => {
                    self.witnesses[step.node as usize].missed(*lane, *first, *last);
                }
                Event::Done { dot: Some(dot), .. } => {
                    self.witnesses[step.node as usize].acknowledged.push(*dot);
                }
                _ => {}
            }
        }
    }

    fn learned(&mut self, step: &Step<'_, Heck>, entry: &Arc<Entry>) {
        let view = step.protocol.node().view();
        let dot = entry.dot;
        let by_writer = dot.lane.writer == view.writer();
        let number = match self.history.shown(entry, step.time, by_writer) {
            Ok(number) => number,
            Err(detail) => return self.note(Check::UniqueDots, step.time, step.node, Some(detail)),
        };
        let is_message = dot.lane.store == Store::Log;
        self.looked(Check::UniqueDots);
        if is_message {
            self.looked(Check::DeliveredOnce);
        }
        let witness = &mut self.witnesses[step.node as usize];
        let is_new = witness.learned.insert(number);
        if is_message {
            witness.delivered.insert(number);
        }
        let again = match (witness.dead.contains(number), is_new, is_message) {
            (true, ..) => Some((Check::NoResurrection, "took in, after it had seen it replaced,")),
            (_, false, false) => Some((Check::NoResurrection, "took in a second time")),
            (_, false, true) => Some((Check::DeliveredOnce, "delivered a second time")),
            (_, true, _) => None,
        };
        if let Some((check, what)) = again {
            self.note(check, step.time, step.node, Some(format!("{what} {}", self.history.say(&dot))));
        }
        for superseded in entry.superseded_dots() {
            let number = self.history.number(superseded);
            self.witnesses[step.node as usize].dead.insert(number);
            if view.state().entry(&superseded).is_some() {
                let detail = format!(
                    "still holds {}, which {} replaces",
                    self.history.say(&superseded),
                    self.history.say(&dot)
                );
                self.note(Check::NoResurrection, step.time, step.node, Some(detail));
            }
        }
        let orphan = self.orphan(view.state(), entry);
        self.note(Check::NoResurrection, step.time, step.node, orphan);
    }

    fn dropped(&mut self, step: &Step<'_, Heck>, entry: &Arc<Entry>) {
        let dot = entry.dot;
        let number = match self.history.shown(entry, step.time, false) {
            Ok(number) => number,
            Err(detail) => return self.note(Check::UniqueDots, step.time, step.node, Some(detail)),
        };
        self.witnesses[step.node as usize].dead.insert(number);
        if matches!(entry.body, Body::Claim(_)) {
            self.looked(Check::NoRegress);
        }
        let (check, detail) = match reason(&mut self.history, step.protocol.node().view().state(), entry) {
            Reason::Good => return,
            Reason::Lesser => {
                (Check::NoRegress, format!("let {} go for a lesser claim", self.history.say(&dot)))
            }
            Reason::Missing => {
                (Check::NoVanishing, format!("let {} go, which nothing replaced", self.history.say(&dot)))
            }
        };
        self.note(check, step.time, step.node, Some(detail));
    }

    /// A claim that is held for a generation of its origin that is not.
    fn orphan(&self, state: &State, entry: &Entry) -> Option<String> {
        let Body::Claim(claim) = &entry.body else { return None };
        let generation = claim.generation.dot(entry.dot.lane.shard, Store::Registry);
        let is_orphan = state.entry(&entry.dot).is_some() && state.entry(&generation).is_none();
        is_orphan.then(|| {
            let (claim, origin) = (self.history.names().entry(entry), self.history.say(&generation));
            format!("holds {claim}, and not what it is about: {origin}")
        })
    }
}
