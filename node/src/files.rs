//! Small files that are replaced at once or not at all, and what becomes of damaged ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Makes a rename last. Only Unix lets a folder be synced; elsewhere the system sees to it.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// A name that is not taken yet for a damaged file to lie under.
pub(crate) fn damaged_name(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged.{number}"));
        let aside = PathBuf::from(name);
        if !aside.try_exists()? {
            return Ok(aside);
        }
        number += 1;
    }
}

/// The text of a file of at most `limit` bytes; none when it is not there. What is no UTF-8 shows as marks.
pub(crate) fn read_small(path: &Path, limit: u64) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    if file.take(limit + 1).read_to_end(&mut bytes)? as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("the file has more than {limit} bytes"),
        ));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Makes an empty file that only its owner can read, to be appended to, in the place of one that a crash left behind:
/// that one may be open to others.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Closes a file to others than its owner, where the system knows them.
pub(crate) fn close_to_others(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if is_open_to_others(path) {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Puts a file that only its owner can read in the place of an earlier one: at once, and on disk when it returns.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = create_private(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent()
        .map_or(Ok(()), |dir| sync_dir(if dir.as_os_str().is_empty() { Path::new(".") } else { dir }))
}

/// Whether others than its owner may read a file; false where the system does not say.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_replaces_an_earlier_one_and_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert_eq!(read_small(&path, 10).unwrap(), None);
        fs::write(&path, "old").unwrap();
        fs::write(dir.path().join("secret.new"), "left behind").unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(read_small(&path, 3).unwrap().as_deref(), Some("new"));
        assert!(read_small(&path, 2).is_err());
        assert!(!is_open_to_others(&path));
    }

    #[test]
    fn damaged_files_get_names_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(dir.path().join("f.damaged.1"), "").unwrap();
        assert_eq!(damaged_name(&path).unwrap(), dir.path().join("f.damaged.2"));
    }
}
