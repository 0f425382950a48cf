//! The data folder of a node: its name, the cluster's keys, the token of its API, and the journal.

use crate::files::{is_open_to_others, read_small, write_private};
use crate::seal::{Key, KeyError, Keys, KeysError};
use heck_core::id::Name;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tracing::warn;

const NAME: &str = "name";
const KEYRING: &str = "keyring";
const API_TOKEN: &str = "api-token";
const JOURNAL: &str = "journal";
const FILE_LIMIT: u64 = 4_096;

/// The data folder of a node.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

/// Why a data folder cannot be used as asked. What it holds was not changed.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// The disk or its permissions.
    #[error("{} cannot be used: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file that holds the node's name holds none.
    #[error("{} holds no name of a node: {why}", .path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The folder is that of another node.
    #[error("{} belongs to the node `{held}`, not to `{asked}`", .path.display())]
    OtherNode {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        held: Name,
        /// Whose it was taken for.
        asked: Name,
    },
    /// The file that holds the API's token holds none.
    #[error("{} holds no token: it needs 16 to 255 letters, digits or -._~+/= on one line", .0.display())]
    Token(PathBuf),
    /// A node that was a member has lost its keyring.
    #[error("{} holds the state of a node but no keyring", .0.display())]
    NoKeyring(PathBuf),
    /// The keyring cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// No key or token could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl DataDir {
    /// Uses this folder, and creates it for its owner alone when it is not there.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(|source| DataDirError::Io { path: path.to_path_buf(), source })?;
        Ok(Self(path.to_path_buf()))
    }

    /// Uses this folder, which has to be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn open_existing(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: path.to_path_buf(), source };
        if fs::metadata(path).map_err(failed)?.is_dir() {
            Ok(Self(path.to_path_buf()))
        } else {
            Err(failed(io::ErrorKind::NotADirectory.into()))
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file of the cluster's keys.
    #[must_use]
    pub fn keyring_path(&self) -> PathBuf {
        self.0.join(KEYRING)
    }

    /// The file of the API's token.
    #[must_use]
    pub fn api_token_path(&self) -> PathBuf {
        self.0.join(API_TOKEN)
    }

    /// Whether a node has lived here.
    #[must_use]
    pub fn holds_a_node(&self) -> bool {
        self.0.join(JOURNAL).exists()
    }

    /// The node's name: the one that the folder holds, or else `asked`, or else a new one, which is then held.
    ///
    /// # Errors
    /// When the folder holds another name than `asked`, or cannot be used.
    pub fn name(&self, asked: Option<&Name>) -> Result<Name, DataDirError> {
        if let Some(held) = self.accepts(asked)? {
            return Ok(held);
        }
        let name = asked.cloned().map_or_else(new_name, Ok)?;
        self.write(NAME, format!("{name}\n").as_bytes())?;
        Ok(name)
    }

    /// The name that the folder holds, if there is one, unless it is another than `asked`. Writes nothing.
    ///
    /// # Errors
    /// When it is, or cannot be read.
    pub fn accepts(&self, asked: Option<&Name>) -> Result<Option<Name>, DataDirError> {
        let held = self.held_name()?;
        match (held, asked) {
            (Some(held), Some(asked)) if *asked != held => {
                Err(DataDirError::OtherNode { path: self.0.clone(), held, asked: asked.clone() })
            }
            (held, _) => Ok(held),
        }
    }

    /// The name that the folder holds, if there is one.
    ///
    /// # Errors
    /// When the file holds something else, or cannot be read.
    pub fn held_name(&self) -> Result<Option<Name>, DataDirError> {
        let Some(text) = self.read(NAME)? else { return Ok(None) };
        let path = self.0.join(NAME);
        let held =
            Name::new(text.trim()).map_err(|error| DataDirError::Name { path, why: error.to_string() })?;
        Ok(Some(held))
    }

    /// The token that the API asks for: 16 characters or more. Made up at the first start.
    ///
    /// # Errors
    /// When the file holds something else, or cannot be used.
    pub fn api_token(&self) -> Result<String, DataDirError> {
        let path = self.api_token_path();
        if let Some(text) = self.read(API_TOKEN)? {
            warn_of_open(&path);
            let token = text.trim();
            let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            return if (16..=255).contains(&token.len()) && token.chars().all(is_token) {
                Ok(token.to_owned())
            } else {
                Err(DataDirError::Token(path))
            };
        }
        let token = hex(&random::<24>()?);
        self.write(API_TOKEN, format!("{token}\n").as_bytes())?;
        Ok(token)
    }

    /// The cluster's keys, and whether they are new: those of the folder, or else those of `handed_over`, or else a
    /// fresh one, which are then held.
    ///
    /// # Errors
    /// When neither file can be used, and when a node has lived here whose keys are gone: with fresh ones its peers
    /// would not listen to it any more.
    pub fn keys(&self, handed_over: Option<&Path>) -> Result<(Keys, bool), DataDirError> {
        let path = self.keyring_path();
        if let Some((keys, damaged)) = Keys::load(&path)? {
            warn_of_open(&path);
            if let Some(aside) = damaged {
                let (aside, left) = (aside.display(), keys.as_slice().len());
                warn!(%aside, left, "the keyring was damaged: it was set aside, and the whole keys of it are used");
            }
            if let Some(file) = handed_over {
                warn_of_other_keys(file, &keys, &path);
            }
            return Ok((keys, false));
        }
        let keys = match handed_over {
            Some(file) => Keys::read(file)?,
            None if self.holds_a_node() => return Err(DataDirError::NoKeyring(self.0.clone())),
            None => Keys::new(Key::generate()?),
        };
        keys.store(&path)?;
        Ok((keys, true))
    }

    fn read(&self, file: &str) -> Result<Option<String>, DataDirError> {
        let path = self.0.join(file);
        read_small(&path, FILE_LIMIT).map_err(|source| DataDirError::Io { path, source })
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<(), DataDirError> {
        let path = self.0.join(file);
        write_private(&path, bytes).map_err(|source| DataDirError::Io { path, source })
    }
}

fn warn_of_open(path: &Path) {
    if is_open_to_others(path) {
        warn!(file = %path.display(), "others than its owner may read this secret: `chmod 600` closes it");
    }
}

/// A folder that has a keyring keeps it, also one that a start that failed has made. Whoever hands over other keys must
/// hear that, as nobody with those keys will hear the node.
fn warn_of_other_keys(file: &Path, held: &Keys, keyring: &Path) {
    let (key_file, keyring) = (file.display(), keyring.display());
    match Keys::read(file) {
        Ok(given) if given.as_slice().iter().any(|key| held.as_slice().contains(key)) => {}
        Ok(_) => warn!(
            %key_file, %keyring,
            "the key file is not used: the folder has a keyring already, with other keys, and nodes that have those of the file \
             will not hear this one; remove the keyring to begin with the file's, or `heck keys install` them"
        ),
        Err(error) => {
            warn!(%keyring, "the key file is not used, as the folder has a keyring already; nor can it be: {error}");
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The machine's name and six digits, so that two nodes of one machine differ.
fn new_name() -> Result<Name, DataDirError> {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let host = host.split('.').next().filter(|host| !host.is_empty()).unwrap_or("node");
    let host: String = host.chars().take(60).collect();
    let name = format!("{host}-{}", hex(&random::<3>()?));
    Name::new(&name).map_err(|error| DataDirError::Name { path: PathBuf::new(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, DataDir) {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("a/b")).unwrap();
        (dir, data)
    }

    #[test]
    fn a_new_folder_gets_a_name_a_key_and_a_token_and_keeps_them() {
        let (_dir, data) = folder();
        let (name, token) = (data.name(None).unwrap(), data.api_token().unwrap());
        let (keys, fresh) = data.keys(None).unwrap();
        assert!(fresh && token.len() == 48);
        let again = DataDir::open(data.path()).unwrap();
        assert_eq!(again.name(None).unwrap(), name);
        assert_eq!(again.name(Some(&name)).unwrap(), name);
        assert_eq!(again.api_token().unwrap(), token);
        assert_eq!(again.keys(None).unwrap(), (keys, false));
        for secret in [data.keyring_path(), data.api_token_path()] {
            assert!(!is_open_to_others(&secret));
        }
    }

    #[test]
    fn a_folder_of_another_node_is_refused() {
        let (_dir, data) = folder();
        data.name(Some(&Name::new("a").unwrap())).unwrap();
        let error = data.name(Some(&Name::new("b").unwrap())).unwrap_err().to_string();
        assert!(error.ends_with("belongs to the node `a`, not to `b`"), "{error}");
    }

    #[test]
    fn a_node_that_lost_its_keys_gets_no_fresh_ones() {
        let (_dir, data) = folder();
        fs::write(data.path().join(JOURNAL), "").unwrap();
        assert!(matches!(data.keys(None), Err(DataDirError::NoKeyring(_))));
        let file = data.path().join("handed-over");
        fs::write(&file, &*Key::generate().unwrap().to_text()).unwrap();
        assert!(data.keys(Some(&file)).unwrap().1);
        assert!(!data.keys(Some(&file)).unwrap().1, "from now on they are held");
    }

    #[test]
    fn files_that_hold_something_else_are_named() {
        let (_dir, data) = folder();
        fs::write(data.path().join(NAME), "\n").unwrap();
        assert!(data.name(None).unwrap_err().to_string().contains("a name must not be empty"));
        fs::write(data.api_token_path(), "short").unwrap();
        assert!(data.api_token().unwrap_err().to_string().contains("holds no token"));
    }
}
