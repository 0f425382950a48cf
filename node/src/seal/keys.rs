//! The keys of a cluster, and the file that holds them.
//!
//! ```text
//! # comments
//! key <identity> <44 characters of base64>     the first one seals, all of them open
//! end <number of keys>
//! ```
//!
//! The identity follows from the key, so that a line which was cut or altered shows; the last line shows that none is
//! missing.

use super::key::{Key, KeyId};
use crate::files::{damaged_name, read_small, write_private};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Most keys of a keyring: rotating needs two.
pub(super) const KEYS_LIMIT: usize = 16;
const FILE_LIMIT: u64 = 64 * 1024;
const HEADER: &str = "\
# The keys of a heck cluster: the first one seals gossip, all of them open it. Keep this file secret.
# A copy of it in the data folder of another node lets that node join.
";

/// The keys of a cluster: at least one, of which the first seals.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys(Vec<Key>);

/// Why keys cannot be read, or not be changed as asked. Nothing was changed.
#[derive(Debug, Error)]
pub enum KeysError {
    /// There is no key in the file.
    #[error("{} holds no key", .0.display())]
    Empty(PathBuf),
    /// A line is no key.
    #[error("{}:{line}: this is no key; {error}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why not.
        error: super::KeyError,
    },
    /// No key of a damaged keyring is whole.
    #[error("the keyring is damaged and no key of it is whole; it lies in {} now", .0.display())]
    Lost(PathBuf),
    /// The disk or its permissions.
    #[error("{} cannot be used: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key with this identity is not there.
    #[error("there is no key {0} in the keyring")]
    Missing(KeyId),
    /// The key seals.
    #[error("key {0} seals what this node sends: use another one first")]
    InUse(KeyId),
    /// The keyring is full.
    #[error("a keyring holds {KEYS_LIMIT} keys at most: remove one first")]
    Full,
}

impl Keys {
    /// One key, which seals and opens.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self(vec![key])
    }

    /// These keys; none when there is none.
    pub(crate) fn from_list(keys: Vec<Key>) -> Option<Self> {
        if keys.is_empty() { None } else { Some(Self(keys)) }
    }

    /// All keys; the first one seals.
    #[must_use]
    pub fn as_slice(&self) -> &[Key] {
        &self.0
    }

    /// The same and one more, which opens; unchanged when it is there already.
    pub(super) fn with(&self, key: Key) -> Result<Self, KeysError> {
        let mut keys = self.0.clone();
        if !keys.contains(&key) {
            if keys.len() == KEYS_LIMIT {
                return Err(KeysError::Full);
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// The same, with this one to seal.
    pub(super) fn led_by(&self, id: KeyId) -> Result<Self, KeysError> {
        let mut keys = self.0.clone();
        let at = self.position(id)?;
        keys[..=at].rotate_right(1);
        Ok(Self(keys))
    }

    /// The same without this one.
    pub(super) fn without(&self, id: KeyId) -> Result<Self, KeysError> {
        match self.position(id)? {
            0 => Err(KeysError::InUse(id)),
            at => {
                let mut keys = self.0.clone();
                keys.remove(at);
                Ok(Self(keys))
            }
        }
    }

    fn position(&self, id: KeyId) -> Result<usize, KeysError> {
        self.0.iter().position(|key| key.id() == id).ok_or(KeysError::Missing(id))
    }

    /// Reads the keyring of a data folder; none when there is none. A damaged one is set aside, and what is whole of
    /// it is used and written anew: the second value says where the damaged one lies.
    ///
    /// # Errors
    /// When the file cannot be read, and when no key of it is whole.
    pub fn load(path: &Path) -> Result<Option<(Self, Option<PathBuf>)>, KeysError> {
        let failed = |source| KeysError::Io { path: path.to_path_buf(), source };
        let Some(text) = read_small(path, FILE_LIMIT).map_err(failed)?.map(Zeroizing::new) else {
            return Ok(None);
        };
        let (keys, is_whole) = scan(&text);
        if is_whole {
            return Ok(Some((Self(keys), None)));
        }
        let aside = damaged_name(path).map_err(failed)?;
        fs::rename(path, &aside).map_err(failed)?;
        if keys.is_empty() {
            return Err(KeysError::Lost(aside));
        }
        let keys = Self(keys);
        keys.store(path)?;
        Ok(Some((keys, Some(aside))))
    }

    /// Looks at the keyring of a data folder that may be in use: none when there is none, and what is whole of a damaged
    /// one.
    pub(crate) fn look(path: &Path) -> Result<Option<Self>, KeysError> {
        let failed = |source| KeysError::Io { path: path.to_path_buf(), source };
        let text = read_small(path, FILE_LIMIT).map_err(failed)?.map(Zeroizing::new);
        Ok(text.and_then(|text| Self::from_list(scan(&text).0)))
    }

    /// Reads the keys that an operator hands over: a keyring, or one key on each line.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no key.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let failed = |source| KeysError::Io { path: path.to_path_buf(), source };
        let text = read_small(path, FILE_LIMIT).map_err(failed)?.map(Zeroizing::new);
        let text = text.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let mut keys = Vec::new();
        for (index, line) in lines(&text) {
            let word = line.split_whitespace().next_back().unwrap_or_default();
            if line.starts_with("end ") {
                continue;
            }
            let key = Key::parse(word).map_err(|error| KeysError::Line {
                path: path.to_path_buf(),
                line: index + 1,
                error,
            })?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        match keys.len() {
            0 => Err(KeysError::Empty(path.to_path_buf())),
            1..=KEYS_LIMIT => Ok(Self(keys)),
            _ => Err(KeysError::Full),
        }
    }

    /// Writes the keyring, at once or not at all, for its owner alone.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn store(&self, path: &Path) -> Result<(), KeysError> {
        let mut text = Zeroizing::new(HEADER.to_owned());
        for key in &self.0 {
            text.push_str(&format!("key {} ", key.id()));
            text.push_str(&key.to_text());
            text.push('\n');
        }
        text.push_str(&format!("end {}\n", self.0.len()));
        write_private(path, text.as_bytes())
            .map_err(|source| KeysError::Io { path: path.to_path_buf(), source })
    }
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).enumerate();
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The keys that are whole, and whether that is all there is to the file.
fn scan(text: &str) -> (Vec<Key>, bool) {
    let mut keys = Vec::new();
    let mut is_whole = true;
    let mut has_ended = false;
    for (_, line) in lines(text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["key", id, key] if !has_ended && keys.len() < KEYS_LIMIT => match Key::parse(key) {
                Ok(key) if key.id().to_string() == *id && !keys.contains(&key) => keys.push(key),
                _ => is_whole = false,
            },
            ["end", count] if !has_ended => {
                has_ended = true;
                is_whole &= count.parse() == Ok(keys.len());
            }
            _ => is_whole = false,
        }
    }
    let is_whole = is_whole && has_ended && !keys.is_empty();
    (keys, is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Keys {
        Keys((0..count).map(|_| Key::generate().unwrap()).collect())
    }

    #[test]
    fn a_keyring_comes_back_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring");
        assert!(Keys::load(&path).unwrap().is_none());
        let keys = keys(3);
        keys.store(&path).unwrap();
        assert_eq!(Keys::load(&path).unwrap(), Some((keys.clone(), None)));
        assert_eq!(Keys::read(&path).unwrap(), keys);
    }

    #[test]
    fn a_keyring_cut_short_anywhere_is_set_aside_and_its_whole_keys_are_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring");
        let keys = keys(2);
        keys.store(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        // Without its last line break it still says everything.
        for len in 0..whole.len() - 1 {
            fs::write(&path, &whole[..len]).unwrap();
            match Keys::load(&path) {
                Ok(Some((left, Some(aside)))) => {
                    assert!(keys.0.starts_with(&left.0), "{len}");
                    assert_eq!(fs::read(&aside).unwrap(), whole[..len]);
                    assert_eq!(Keys::load(&path).unwrap(), Some((left, None)), "the new one is whole");
                    fs::remove_file(aside).unwrap();
                }
                Err(KeysError::Lost(aside)) => {
                    assert!(!path.exists());
                    fs::remove_file(aside).unwrap();
                }
                other => panic!("{len}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_altered_byte_never_makes_another_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring");
        let keys = keys(2);
        keys.store(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in HEADER.len()..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            fs::write(&path, &altered).unwrap();
            if let Ok(Some((left, _))) = Keys::load(&path) {
                assert!(left.0.iter().all(|key| keys.0.contains(key)), "{at}");
            }
        }
    }

    #[test]
    fn keys_handed_over_are_read_from_plain_lines_and_a_wrong_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let keys = keys(2);
        let text = format!("# two keys\n{}\n\n{}\n", &*keys.0[0].to_text(), &*keys.0[1].to_text());
        fs::write(&path, text).unwrap();
        assert_eq!(Keys::read(&path).unwrap(), keys);
        fs::write(&path, "# none\nhunter2\n").unwrap();
        let error = Keys::read(&path).unwrap_err().to_string();
        assert!(error.contains("k:2: this is no key") && !error.contains("hunter2"), "{error}");
        fs::write(&path, "").unwrap();
        assert!(matches!(Keys::read(&path), Err(KeysError::Empty(_))));
    }
}
