//! The file of endpoints: replaced as a whole whenever its content changes, which is how Envoy notices.

use super::DiscoveryResponse;
use crate::counters::Count;
use crate::output::Outlook;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tracing::{error, info};

/// How long changes gather before the file is written: what a burst touches is written once.
const GATHER: Duration = Duration::from_millis(50);
/// Time until a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Writes the file, and again at each change, for as long as the node runs.
pub(in crate::output) async fn follow(path: PathBuf, outlook: Arc<Outlook>) {
    outlook.ready.wait().await;
    outlook.model.catch_up().await;
    let (mut origins, mut health) = (outlook.model.origins.clone(), outlook.model.health.clone());
    let (mut written, mut has_failed) = (String::new(), false);
    loop {
        origins.mark_unchanged();
        health.mark_unchanged();
        let response = DiscoveryResponse::of(&outlook, &[]);
        if response.version_info != written {
            match write(&path, &response) {
                Ok(()) => {
                    outlook.node.counters().bump(Count::EnvoyFilesWritten);
                    if has_failed {
                        info!(path = %path.display(), "the file of endpoints is written again");
                    }
                    (written, has_failed) = (response.version_info, false);
                }
                Err(error) => {
                    outlook.node.counters().bump(Count::EnvoyFilesFailed);
                    if !has_failed {
                        error!(%error, path = %path.display(), "the file of endpoints cannot be written: Envoy keeps what it has");
                    }
                    has_failed = true;
                    sleep(RETRY).await;
                    continue;
                }
            }
        }
        let changed = tokio::select! {
            changed = origins.changed() => changed,
            changed = health.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        sleep(GATHER).await;
    }
}

/// Puts the file in the place of an earlier one, at once. It need not outlive the machine: the next start writes it.
fn write(path: &Path, response: &DiscoveryResponse) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".heck-").suffix(".new").tempfile_in(folder)?;
    serde_json::to_writer_pretty(&mut file, response)?;
    file.write_all(b"\n")?;
    open_to_readers(file.path())?;
    file.persist(path)?;
    Ok(())
}

/// Envoy runs as another user.
fn open_to_readers(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::envoy::TYPE_URL;

    #[test]
    fn a_file_replaces_an_earlier_one_as_a_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eds.json");
        std::fs::write(&path, "old").unwrap();
        let response = |version: &str| DiscoveryResponse {
            version_info: version.to_owned(),
            resources: Vec::new(),
            type_url: TYPE_URL,
        };
        write(&path, &response("1")).unwrap();
        write(&path, &response("2")).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(read["version_info"], "2");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(&dir.path().join("none/eds.json"), &response("3")).is_err());
    }
}
