//! How long the disk has been at what it was last given: for whoever waits for it, and for those who should not begin to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A disk that takes longer for one batch of records counts as stalled.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(2);

/// When the batch under way was given to the disk; none when it has nothing to do. Clones watch the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiskWatch(Arc<Mutex<Option<Instant>>>);

impl DiskWatch {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        // A panic elsewhere cannot leave a time half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self) {
        *self.since() = Some(Instant::now());
    }

    pub(super) fn end(&self) {
        *self.since() = None;
    }

    /// How long the batch under way has taken so far; zero when there is none.
    pub(crate) fn busy(&self) -> Duration {
        self.since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether the disk takes so long that nobody should begin to wait for it, and how long that is.
    pub(crate) fn stalled(&self) -> Option<Duration> {
        Some(self.busy()).filter(|busy| *busy >= STALLED_AFTER)
    }
}
