//! Follows the origins file: it is read when the node begins to serve, when it changes, and when that is asked for.

use super::file::OriginsFile;
use super::reload::{Plan, ReloadError, reload};
use crate::counters::Count;
use crate::files::read_small;
use crate::handle::NodeHandle;
use crate::report::Problems;
use heck_core::effects::Phase;
use heck_core::id::Name;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

/// Longest origins file: more than a hundred thousand origins take.
const FILE_LIMIT: u64 = 64 << 20;
/// How long the disk may take to answer, as one in a network may not.
const DISK: Duration = Duration::from_secs(10);
/// How often it is looked whether the node serves by now.
const UNTIL_SERVING: Duration = Duration::from_millis(100);

/// What is followed, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    /// The file.
    pub path: PathBuf,
    /// The label of its origins, unless it says one itself.
    pub source: Name,
    /// Whether it may remove more than half of them.
    pub allow_shrink: bool,
    /// How often it is looked whether it changed.
    pub poll: Duration,
}

/// Why the file was not taken over. The origins are as they were, unless the node itself failed on the way.
#[derive(Debug, Error)]
enum WatchError {
    #[error("{} cannot be read: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("nothing was changed\n{0}")]
    Problems(#[from] Problems),
    #[error(transparent)]
    Reload(#[from] ReloadError),
}

/// What shows that a file is another one than before.
type Stamp = Option<(SystemTime, u64)>;

/// Which state of the file has been dealt with.
#[derive(Debug, Default)]
struct Followed {
    /// The one that was taken over, or is to stay refused; none while there is none.
    settled: Option<Stamp>,
    seen: Stamp,
}

impl Followed {
    /// Whether to take the file over. One that is still being written is left alone until it has rested for one look.
    fn is_due(&mut self, now: Stamp) -> bool {
        let has_rested = now == self.seen;
        self.seen = now;
        has_rested && self.settled != Some(now)
    }

    fn tried(&mut self, stamp: Stamp, is_settled: bool) {
        self.settled = is_settled.then_some(stamp);
    }
}

impl WatchError {
    /// Whether the same file would be refused again. What the disk or the node could not do just now may work later.
    fn is_settled(&self) -> bool {
        match self {
            Self::Problems(_) | Self::Reload(ReloadError::Shrinks { .. }) => true,
            // That it appears is a change.
            Self::Io { error, .. } => error.kind() == io::ErrorKind::NotFound,
            Self::Reload(ReloadError::Command { .. } | ReloadError::Stopped) => false,
        }
    }
}

/// Follows a file until the node stops. `asked` asks for it to be read again though it did not change.
pub async fn watch(node: NodeHandle, watched: Watched, asked: Arc<Notify>) {
    // A node that does not serve yet may not know what the cluster holds, and takes no writes.
    loop {
        match node.view(|view, _| view.phase()).await {
            Ok(Phase::Serving) => break,
            Ok(Phase::Leaving) | Err(_) => return,
            Ok(Phase::Joining | Phase::Synced) => sleep(UNTIL_SERVING).await,
        }
    }
    let mut followed = Followed::default();
    let now = stamp(&watched).await;
    followed.seen = now;
    followed.tried(now, take_over(&node, &watched).await);
    loop {
        let is_asked = tokio::select! {
            () = asked.notified() => true,
            () = sleep(watched.poll) => false,
            _ = node.stopped() => return,
        };
        let now = stamp(&watched).await;
        if followed.is_due(now) || is_asked {
            followed.tried(now, take_over(&node, &watched).await);
        }
    }
}

async fn stamp(watched: &Watched) -> Stamp {
    let path = watched.path.clone();
    let look = spawn_blocking(move || {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    });
    timeout(DISK, look).await.ok().and_then(Result::ok).flatten()
}

/// Takes the file over, and says whether it is dealt with, for better or worse.
async fn take_over(node: &NodeHandle, watched: &Watched) -> bool {
    let path = watched.path.display();
    match read_and_reload(node, watched).await {
        Ok((source, plan)) => {
            node.counters().bump(Count::OriginsReloaded);
            let Plan { put, remove, foreign, same, .. } = &plan;
            let (put, removed, foreign) = (put.len(), remove.len(), foreign.len());
            info!(file = %path, %source, put, removed, same, "the origins file was taken over");
            if foreign > 0 {
                warn!(file = %path, %source, foreign, "origins of the file belong to another source and were left alone");
            }
            true
        }
        Err(error) => {
            node.counters().bump(Count::OriginsRefused);
            error!(file = %path, "the origins file was not taken over: {error}");
            error.is_settled()
        }
    }
}

async fn read_and_reload(node: &NodeHandle, watched: &Watched) -> Result<(Name, Plan), WatchError> {
    let Watched { path, source, allow_shrink, .. } = watched.clone();
    let failed = |error| WatchError::Io { path: path.clone(), error };
    let name = path.display().to_string();
    let from = path.clone();
    let read = spawn_blocking(move || {
        let text = read_small(&from, FILE_LIMIT)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(OriginsFile::parse(&name, &text))
    });
    let read = timeout(DISK, read).await.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?;
    let file = read.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)??;
    let source = file.source.clone().unwrap_or(source);
    let plan = reload(node, &source, file, allow_shrink).await?;
    Ok((source, plan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CommandError;

    #[test]
    fn a_file_that_could_not_be_taken_over_just_now_is_tried_again() {
        let first = Some((SystemTime::UNIX_EPOCH, 1));
        let second = Some((SystemTime::UNIX_EPOCH, 2));
        let mut followed = Followed { settled: None, seen: first };
        followed.tried(first, true);
        assert!(!followed.is_due(first), "it was taken over");
        assert!(!followed.is_due(second), "it may still be written");
        assert!(followed.is_due(second));
        followed.tried(second, false);
        assert!(followed.is_due(second), "it was not taken over");
        followed.tried(second, true);
        assert!(!followed.is_due(second));
    }

    #[test]
    fn only_what_the_file_itself_is_to_blame_for_is_settled() {
        let io = |kind: io::ErrorKind| WatchError::Io { path: "o.json".into(), error: kind.into() };
        let command = ReloadError::Command { origin: Name::new("o").unwrap(), error: CommandError::Stopped };
        for passing in [io(io::ErrorKind::TimedOut), io(io::ErrorKind::PermissionDenied), command.into()] {
            assert!(!passing.is_settled(), "{passing}");
        }
        for lasting in [io(io::ErrorKind::NotFound), ReloadError::Shrinks { removed: 2, held: 3 }.into()] {
            assert!(lasting.is_settled(), "{lasting}");
        }
    }
}
