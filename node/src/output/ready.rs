//! Whether a node knows enough to speak for its cluster: before that, an empty list would be a lie.

use crate::handle::NodeHandle;
use heck_core::effects::Phase;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Time between two looks at a node that is not ready yet.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether a node has served once. It goes on to know what it knew, also while it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Ready(watch::Receiver<bool>);

impl Ready {
    /// Watches a node until it serves.
    pub(crate) fn watch(node: NodeHandle) -> Self {
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok(phase) = node.view(|view, _| view.phase()).await {
                if phase == Phase::Serving {
                    sender.send_replace(true);
                    return;
                }
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = sender.closed() => return,
                }
            }
        });
        Self(receiver)
    }

    /// Whether it has.
    pub(crate) fn is_ready(&self) -> bool {
        *self.0.borrow()
    }
}
