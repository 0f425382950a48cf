//! Makes the cluster's origins of one source those of a file: what is to be added, changed and removed, and doing it.

use super::file::OriginsFile;
use crate::error::CommandError;
use crate::handle::NodeHandle;
use heck_core::entry::{Body, OriginSpec};
use heck_core::id::{Name, Store};
use heck_core::input::Command;
use heck_core::node::View;
use thiserror::Error;
use tokio::task::JoinSet;

/// Commands that wait for the disk together.
const AT_ONCE: usize = 128;

/// What a file changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Origins to add or to change.
    pub put: Vec<(Name, OriginSpec)>,
    /// Origins to remove: the cluster has them from this source, and the file does not.
    pub remove: Vec<Name>,
    /// Origins of the file that the cluster has from another source: they are left alone.
    pub foreign: Vec<Name>,
    /// Origins that are as the file says already.
    pub same: usize,
    /// How many origins the cluster has from this source.
    pub held: usize,
}

/// Why a file was not carried out.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// Too many origins would go, and nobody said that they may. Nothing was changed.
    #[error(
        "the file would remove {removed} of {held} origins, which is more than half: nothing was changed. \
         `origins.allow_shrink` lets it"
    )]
    Shrinks {
        /// How many would be removed.
        removed: usize,
        /// How many there are from this source.
        held: usize,
    },
    /// The node did not carry out a command. What was carried out before stays.
    #[error("the origin `{origin}` could not be changed: {error}")]
    Command {
        /// Of which origin.
        origin: Name,
        /// Why not.
        error: CommandError,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl Plan {
    /// What has to change so that the origins of `source` become those of the file.
    #[must_use]
    pub fn new(view: View<'_>, source: &Name, file: &OriginsFile) -> Self {
        let mut plan = Self::default();
        for entry in view.state().entries_of(Store::Registry) {
            let Some(name) = entry.body.map_name() else { continue };
            // Of entries that were written at the same time the greatest counts, which is the one that is read.
            let is_read = view.origin(name).is_some_and(|read| read.dot == entry.dot);
            let is_own = matches!(&entry.body, Body::Origin { source: held, .. } if held == source);
            if is_read && is_own {
                plan.held += 1;
                if !file.origins.contains_key(name) {
                    plan.remove.push(name.clone());
                }
            }
        }
        for (name, wanted) in &file.origins {
            match view.origin(name).map(|entry| &entry.body) {
                Some(Body::Origin { source: held, .. }) if held != source => plan.foreign.push(name.clone()),
                Some(Body::Origin { spec, .. }) if spec == wanted => plan.same += 1,
                _ => plan.put.push((name.clone(), wanted.clone())),
            }
        }
        plan
    }

    /// Whether more than half of what there is would go.
    #[must_use]
    pub const fn shrinks(&self) -> bool {
        2 * self.remove.len() > self.held
    }

    /// Changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }
}

/// Makes the origins of `source` those of the file, and says what was done. What is so already is not written again.
///
/// # Errors
/// When more than half would be removed and `allow_shrink` is not set, and when the node does not carry it out.
pub async fn reload(
    node: &NodeHandle,
    source: &Name,
    file: OriginsFile,
    allow_shrink: bool,
) -> Result<Plan, ReloadError> {
    let label = source.clone();
    let plan =
        node.view(move |view, _| Plan::new(view, &label, &file)).await.map_err(|_| ReloadError::Stopped)?;
    if plan.shrinks() && !allow_shrink {
        return Err(ReloadError::Shrinks { removed: plan.remove.len(), held: plan.held });
    }
    let put = plan.put.iter().map(|(name, spec)| {
        let (name, spec, source) = (name.clone(), spec.clone(), source.clone());
        (name.clone(), Command::PutOrigin { name, spec, source })
    });
    let remove = plan.remove.iter().map(|name| (name.clone(), Command::RemoveOrigin { name: name.clone() }));
    let mut commands = put.chain(remove);
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < AT_ONCE
            && let Some((origin, command)) = commands.next()
        {
            let node = node.clone();
            under_way.spawn(async move { (origin, node.command(command).await) });
        }
        match under_way.join_next().await {
            None => return Ok(plan),
            Some(Ok((_, Ok(_)))) => {}
            // Somebody else may have removed it in the meantime.
            Some(Ok((_, Err(CommandError::Refused(heck_core::effects::Refusal::Missing))))) => {}
            Some(Ok((origin, Err(error)))) => return Err(ReloadError::Command { origin, error }),
            Some(Err(_)) => return Err(ReloadError::Stopped),
        }
    }
}
