//! Whether a node knows enough to speak for its cluster: before that, an empty list would be a lie.

use crate::handle::NodeHandle;
use heck_core::effects::Phase;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// Time between two looks at a node that is not ready yet.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether a node has served once. It goes on to know what it knew, also while it leaves.
#[derive(Debug)]
pub(crate) struct Ready {
    node: NodeHandle,
    has_served: AtomicBool,
}

impl Ready {
    pub(crate) const fn new(node: NodeHandle) -> Self {
        Self { node, has_served: AtomicBool::new(false) }
    }

    /// Whether it has. Asks the node until it has, and nobody from then on.
    pub(crate) async fn is_ready(&self) -> bool {
        if !self.has_served.load(Ordering::Relaxed) {
            let phase = self.node.view(|view, _| view.phase()).await;
            self.has_served.fetch_or(phase.is_ok_and(|phase| phase == Phase::Serving), Ordering::Relaxed);
        }
        self.has_served.load(Ordering::Relaxed)
    }

    /// Waits until it has.
    pub(crate) async fn wait(&self) {
        while !self.is_ready().await {
            sleep(PAUSE).await;
        }
    }
}
