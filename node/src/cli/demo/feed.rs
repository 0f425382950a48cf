//! What the demo's cluster finds, one line for each change: who found it, and when all nodes knew.

use super::super::say;
use crate::handle::{Events, NodeHandle};
use heck_core::effects::Event;
use heck_core::entry::{Ballot, Claim, Hold};
use heck_core::id::{Name, NodeId};
use heck_core::state::Change;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// After this long a change is told even if it has not reached all nodes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Changes that wait to be told.
const WAITING: usize = 256;

/// A node heard of a change.
struct Heard {
    node: usize,
    claim: Claim,
    at: Instant,
}

/// A change, and who knows of it.
struct Known {
    claim: Claim,
    first: Instant,
    by: BTreeSet<usize>,
}

/// Tells what the nodes find, until they stop.
pub(super) async fn show(nodes: Vec<(Name, NodeHandle)>) {
    let start = Instant::now();
    let names: BTreeMap<NodeId, Name> =
        nodes.iter().map(|(name, _)| (NodeId::of(name), name.clone())).collect();
    let count = nodes.len();
    let (sender, mut heard) = mpsc::channel(WAITING);
    let mut listeners = JoinSet::new();
    for (index, (_, node)) in nodes.into_iter().enumerate() {
        listeners.spawn(listen(index, node.subscribe(), sender.clone()));
    }
    drop(sender);
    let mut waiting: BTreeMap<(Name, Ballot), Known> = BTreeMap::new();
    while let Some(Heard { node, claim, at }) = heard.recv().await {
        let key = (claim.origin.clone(), claim.ballot);
        let known = waiting.entry(key).or_insert_with(|| Known { claim, first: at, by: BTreeSet::new() });
        known.by.insert(node);
        known.first = known.first.min(at);
        waiting.retain(|_, known| {
            let (is_everywhere, took) = (known.by.len() == count, at.saturating_duration_since(known.first));
            if !is_everywhere && took < PATIENCE {
                return true;
            }
            let spread = is_everywhere.then_some(took);
            say(tell(&known.claim, at - start, &names, count, spread));
            false
        });
    }
}

async fn listen(node: usize, mut events: Events, to: mpsc::Sender<Heard>) {
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            // What was missed is missing in the show, and nowhere else.
            Err(_) => continue,
        };
        let Event::Changed(Change::Learned(entry)) = event else { continue };
        let Some(claim) = entry.claim() else { continue };
        let is_news = claim.hold == Hold::Held && claim.state != claim.previous;
        if is_news && to.send(Heard { node, claim: claim.clone(), at: Instant::now() }).await.is_err() {
            return;
        }
    }
}

/// One line.
fn tell(
    claim: &Claim,
    at: Duration,
    names: &BTreeMap<NodeId, Name>,
    count: usize,
    spread: Option<Duration>,
) -> String {
    let by = names.get(&claim.ballot.writer.node).map_or("somebody", Name::as_str);
    let state = claim.state.name();
    let confirmed = match claim.confirmation {
        asked if asked.answered > 0 => format!(", {} of {} others agree", asked.agreed, asked.answered),
        _ => String::new(),
    };
    let spread = match spread {
        _ if count == 1 => String::new(),
        Some(took) => format!("; {:.1} s later all {count} nodes know", took.as_secs_f64()),
        None => "; not all nodes know yet".to_owned(),
    };
    format!("  {:>6.1} s  {} is {state}: found by {by}{confirmed}{spread}", at.as_secs_f64(), claim.origin)
}
