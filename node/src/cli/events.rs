//! What happens to a node, its cluster and its origins, as lines of the log.

use crate::addr::from_core;
use crate::api::reason;
use crate::handle::{Events, Missed, NodeHandle};
use heck_core::effects::Event;
use heck_core::entry::{Claim, HealthState, Hold};
use heck_core::id::NodeId;
use heck_core::member::Standing;
use heck_core::state::Change;
use tracing::{debug, info, warn};

/// Logs what happens until the node stops.
pub(super) async fn log_events(node: NodeHandle, mut events: Events) {
    loop {
        match events.next().await {
            Ok(Some(event)) => log_event(&node, event).await,
            Ok(None) => return,
            Err(Missed(count)) => warn!(count, "so many events happened too fast to be logged"),
        }
    }
}

async fn log_event(node: &NodeHandle, event: Event) {
    match event {
        Event::Phase(phase) => info!(?phase, "the node entered a phase"),
        Event::NewBoot(boot) => warn!(boot = boot.0, "this life was used before: the node took another"),
        Event::Renamed(name) => {
            warn!(%name, "another node has this node's name, as when a data folder was copied: it took another");
        }
        Event::Member { node: id, standing } => log_member(node, id, standing).await,
        Event::Refuted(count) => info!(count, "others doubted this node, and it has said that it lives"),
        Event::Disagrees { node: id, settings } => {
            let name = name_of(node, id).await;
            warn!(%name, settings = format!("{settings:016x}"),
                "a member has other settings of ownership: scope and confirmers must be the same everywhere");
        }
        Event::Rejected(reason) => debug!(?reason, "something that a peer sent was dropped"),
        Event::Changed(Change::Learned(entry)) => {
            if let Some(claim) = entry.claim() {
                log_claim(claim);
            }
        }
        Event::Changed(_) | Event::Done { .. } | Event::Failed { .. } => {}
    }
}

async fn name_of(node: &NodeHandle, id: NodeId) -> String {
    let look = node.view(move |view, _| view.members().get(id).map(|member| member.name.to_string()));
    look.await.ok().flatten().unwrap_or_else(|| format!("{id:?}"))
}

async fn log_member(node: &NodeHandle, id: NodeId, standing: Standing) {
    let look = node.view(move |view, _| {
        view.members().get(id).map(|member| (member.name.to_string(), from_core(member.addr)))
    });
    let Ok(Some((name, addr))) = look.await else { return };
    match standing {
        Standing::Alive => info!(name, %addr, "a member is alive"),
        Standing::Suspect => debug!(name, %addr, "a member is doubted"),
        Standing::Dead => warn!(name, %addr, "a member is dead"),
        Standing::Left => info!(name, %addr, "a member left"),
    }
}

fn log_claim(claim: &Claim) {
    let Claim { origin, state, previous, hold, confirmation, cause, .. } = claim;
    if *hold != Hold::Held || state == previous {
        return;
    }
    let (state, previous, reason) = (*state, previous.name(), reason(*state, *cause));
    match state {
        HealthState::Unhealthy => {
            let (asked, agreed) = (confirmation.asked, confirmation.agreed);
            warn!(%origin, state = state.name(), previous, reason, asked, agreed, "an origin changed its state");
        }
        _ => info!(%origin, state = state.name(), previous, reason, "an origin changed its state"),
    }
}
