//! Finds the changes of state that this node makes: those of its own claims, each once.
//!
//! The node that finds a change claims it, so that each change has one writer; when an origin moves, the new owner
//! carries state and `since` on, which makes no new change. So the claims that this node writes are all that it has to
//! tell, and those whose state and `since` it has heard before, from itself or another, are none.

use super::queue::Waiting;
use super::transition::{body, id, is_transition};
use crate::counters::Count;
use crate::error::NodeError;
use crate::handle::{Events, Missed};
use crate::output::Outlook;
use heck_core::effects::Event;
use heck_core::entry::{Body, Claim, HealthState, Scope};
use heck_core::id::{Name, NodeId};
use heck_core::state::Change;
use heck_core::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;
use tracing::warn;

/// Origins that are looked up in one brief look at the node.
const PAGE: usize = 512;

/// Who this node is, and what it has heard.
struct Watcher {
    outlook: Arc<Outlook>,
    me: NodeId,
    name: String,
    scope: Scope,
    heard: Heard,
}

/// The state of each origin and its beginning, as they were last heard.
#[derive(Default)]
struct Heard(BTreeMap<Name, (HealthState, Time)>);

impl Heard {
    /// Notes what a claim says; whether that is new.
    fn note(&mut self, claim: &Claim) -> bool {
        let said = (claim.state, claim.since);
        self.0.insert(claim.origin.clone(), said) != Some(said)
    }
}

/// Watches until the node stops.
pub(super) async fn watch(outlook: Arc<Outlook>) {
    let events = outlook.node.subscribe();
    outlook.model.catch_up().await;
    let scope = outlook.node.view(|view, _| view.own_scope()).await;
    let Ok(scope) = scope else { return };
    let mut watcher = Watcher { outlook, me: NodeId(0), name: String::new(), scope, heard: Heard::default() };
    // What was so before is no change.
    for (name, row) in watcher.outlook.model.health.borrow().after(None) {
        let said = row.value.since.map(|since| (row.value.state, since));
        watcher.heard.0.extend(said.map(|said| (name.clone(), said)));
    }
    // The node has stopped, which whoever holds it is told.
    let _ = watcher.run(events).await;
}

impl Watcher {
    async fn run(&mut self, mut events: Events) -> Result<(), NodeError> {
        self.introduce().await?;
        loop {
            match events.next().await {
                Ok(None) => return Ok(()),
                Ok(Some(Event::Changed(Change::Learned(entry)))) => match &entry.body {
                    Body::Claim(claim) => self.hear(claim),
                    Body::OriginRemoved { name } => _ = self.heard.0.remove(name),
                    _ => {}
                },
                Ok(Some(Event::Renamed(_))) => self.introduce().await?,
                Ok(Some(_)) => {}
                Err(Missed(count)) => {
                    warn!(count, "so many events happened too fast: changes that did not last are not told");
                    self.look().await?;
                }
            }
        }
    }

    async fn introduce(&mut self) -> Result<(), NodeError> {
        let look = self.outlook.node.view(|view, _| (view.writer().node, view.name().as_str().to_owned()));
        (self.me, self.name) = look.await?;
        Ok(())
    }

    fn hear(&mut self, claim: &Claim) {
        if claim.scope != self.scope || !self.heard.note(claim) {
            return;
        }
        if claim.ballot.writer.node != self.me || !is_transition(claim) {
            return;
        }
        let origins = self.outlook.model.origins.borrow().clone();
        let none = BTreeSet::new();
        let tags = origins.get(&claim.origin).map_or(&none, |row| &row.value.tags);
        let waiting = Waiting { id: id(claim), body: body(claim, tags, &self.name), queued: Instant::now() };
        if self.outlook.webhook.push(waiting) {
            self.outlook.node.counters().bump(Count::WebhooksDropped);
        }
    }

    /// Reads all claims as they are now, where events were missed.
    async fn look(&mut self) -> Result<(), NodeError> {
        self.introduce().await?;
        self.outlook.model.catch_up().await;
        let names: Vec<Name> =
            self.outlook.model.origins.borrow().after(None).map(|(name, _)| name.clone()).collect();
        let scope = self.scope;
        for page in names.chunks(PAGE) {
            let page = page.to_vec();
            let look = self.outlook.node.view(move |view, _| {
                let claims = page.iter().filter_map(|name| view.claim(scope, name).cloned());
                claims.collect::<Vec<Claim>>()
            });
            for claim in look.await? {
                self.hear(&claim);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::webhook::transition::tests::claim;

    #[test]
    fn a_change_that_another_has_told_is_not_told_again_by_whoever_takes_the_origin_over() {
        let mut heard = Heard::default();
        let down = claim(1, HealthState::Unhealthy, 5);
        assert!(heard.note(&down));
        let mut taken_over = claim(2, HealthState::Unhealthy, 5);
        taken_over.ballot.epoch = 2;
        assert!(!heard.note(&taken_over));
        assert!(heard.note(&claim(2, HealthState::Healthy, 9)));
        assert!(heard.note(&claim(2, HealthState::Unhealthy, 12)), "down again is another change");
    }
}
