//! Files of this node that checks need: authorities and secrets, read at use and remembered for a moment.

use super::report::{Fault, Hindrance};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Largest file, in bytes.
const FILE_LIMIT: u64 = 1 << 20;
/// Files that are remembered, and how large they may be.
const KEPT_LIMIT: usize = 1_024;
const KEPT_BYTES: usize = 8_192;
/// How long a file is used before it is read again, so that a new secret is used soon.
const FRESH: Duration = Duration::from_secs(10);
/// Files that are read at once: a disk that hangs takes no more threads than these.
const AT_ONCE: usize = 4;

/// What a file held, and when.
type Kept = (Instant, Arc<[u8]>);

/// Reads files for probes.
#[derive(Debug)]
pub(super) struct LocalFiles {
    secrets_dir: Option<PathBuf>,
    kept: Mutex<BTreeMap<PathBuf, Kept>>,
    places: Arc<Semaphore>,
}

impl LocalFiles {
    /// With the folder in which secrets lie; without it no check has any.
    pub(super) fn new(secrets_dir: Option<PathBuf>) -> Self {
        Self { secrets_dir, kept: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// What a secret's file holds, without the white space around it.
    ///
    /// # Errors
    /// When it cannot be read: the fault of this node.
    pub(super) async fn secret(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let Some(dir) = &self.secrets_dir else {
            let text = format!("the secret {name:?} cannot be read: this node has no secrets folder");
            return Err(Fault::own(Hindrance::Settings, &text));
        };
        let bytes = self.read(&dir.join(name)).await?;
        Ok(bytes.trim_ascii().to_vec())
    }

    /// What a file holds.
    ///
    /// # Errors
    /// When it cannot be read, is no plain file, or is larger than 1 MiB: the fault of this node.
    pub(super) async fn read(&self, path: &Path) -> Result<Arc<[u8]>, Fault> {
        if let Some(bytes) = self.kept(path) {
            return Ok(bytes);
        }
        let place = self.places.clone().acquire_owned().await;
        let owned = path.to_path_buf();
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            read(&owned)
        });
        let bytes: Arc<[u8]> = match read.await {
            Ok(Ok(bytes)) => bytes.into(),
            Ok(Err(error)) => {
                let text = format!("{} cannot be read: {error}", path.display());
                return Err(Fault::own(Hindrance::Settings, &text));
            }
            Err(_) => return Err(Fault::own(Hindrance::System, "this node is stopping")),
        };
        if bytes.len() <= KEPT_BYTES {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|_, (at, _)| at.elapsed() < FRESH);
            if kept.len() < KEPT_LIMIT {
                kept.insert(path.to_path_buf(), (Instant::now(), bytes.clone()));
            }
        }
        Ok(bytes)
    }

    fn kept(&self, path: &Path) -> Option<Arc<[u8]>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, bytes) = kept.get(path)?;
        (at.elapsed() < FRESH).then(|| bytes.clone())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // To open a pipe would wait for whoever writes into it, and a device has no end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 1 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_read_without_the_white_space_around_it_and_a_new_one_is_used_soon() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), " s3cret\n").unwrap();
        let files = LocalFiles::new(Some(dir.path().to_path_buf()));
        assert_eq!(files.secret("token").await, Ok(b"s3cret".to_vec()));
        std::fs::write(dir.path().join("token"), "new").unwrap();
        assert_eq!(files.secret("token").await, Ok(b"s3cret".to_vec()), "for a moment");
        files.kept.lock().unwrap().clear();
        assert_eq!(files.secret("token").await, Ok(b"new".to_vec()));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_this_nodes_fault_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("large"), vec![0; FILE_LIMIT as usize + 1]).unwrap();
        let files = LocalFiles::new(Some(dir.path().to_path_buf()));
        for (name, why) in [("none", "No such file"), ("large", "1 MiB"), (".", "no plain file")] {
            let fault = files.secret(name).await;
            assert!(
                matches!(&fault, Err(Fault::Own(Hindrance::Settings, text)) if text.contains(why)),
                "{name}: {fault:?}"
            );
        }
        let without = LocalFiles::new(None).secret("token").await;
        assert!(matches!(without, Err(Fault::Own(_, text)) if text.contains("no secrets folder")));
    }
}
