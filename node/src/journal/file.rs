//! The journal as a file: opened and repaired at the start, appended to, replaced when it has grown long.

use super::frames::{Header, Salt, Scanned, VERSION, header, put_frame, read_header, scan};
#[cfg(test)]
use super::test_disk::TestDisk;
use super::{JournalError, Recovery};
use crate::files::{close_to_others, create_private, damaged_name, sync_dir};
use heck_core::effects::Record;
use heck_core::hash::mix;
use heck_core::journal::Snapshot;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

const JOURNAL: &str = "journal";
const NEW_JOURNAL: &str = "journal.new";
const LOCK: &str = "lock";

/// The open journal of one node, which holds the data folder's lock.
#[derive(Debug)]
pub(crate) struct JournalFile {
    dir: PathBuf,
    file: File,
    salt: Salt,
    len: u64,
    compacted_len: u64,
    /// Whether a failed write may have left something behind `len`.
    has_rest: bool,
    /// Whether the folder may still have to be synced for this file to bear its name after a crash.
    is_renamed: bool,
    #[cfg(test)]
    disk: Option<TestDisk>,
    _lock: File,
}

/// A short journal that is on disk but not in use yet.
#[derive(Debug)]
pub(super) struct Replacement {
    file: File,
    salt: Salt,
    len: u64,
}

impl JournalFile {
    /// Opens the journal in `dir`, creates both when they are not there, and repairs what a crash or a disk has
    /// done to it. Gives what it holds and what was found.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Snapshot, Recovery), JournalError> {
        let failed = |source| JournalError::Io { path: dir.to_path_buf(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let lock = File::create(dir.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(dir.to_path_buf())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let path = dir.join(JOURNAL);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => {
                let bytes = other.map_err(failed)?;
                // Earlier versions let everybody read it.
                close_to_others(&path).map_err(failed)?;
                bytes
            }
        };
        match read_header(&bytes) {
            Header::Version(version) => Err(JournalError::Version { path, version, known: VERSION }),
            Header::Known(salt) => {
                let scanned = scan(salt, &bytes);
                if scanned.damaged > 0 {
                    Self::set_aside(dir, lock, scanned, bytes.len()).map_err(failed)
                } else {
                    Self::resume(dir, lock, salt, scanned, bytes.len()).map_err(failed)
                }
            }
            Header::Short => {
                let recovery = Recovery { torn_bytes: bytes.len() as u64, ..Recovery::default() };
                let journal = Self::create(dir, lock, &[]).map_err(failed)?;
                Ok((journal, Snapshot::default(), recovery))
            }
            Header::Foreign => {
                let scanned = Scanned { end: bytes.len(), damaged: bytes.len(), ..Scanned::default() };
                Self::set_aside(dir, lock, scanned, bytes.len()).map_err(failed)
            }
        }
    }

    /// Goes on with a file that is whole but for its end.
    fn resume(
        dir: &Path,
        lock: File,
        salt: Salt,
        scanned: Scanned,
        file_len: usize,
    ) -> io::Result<(Self, Snapshot, Recovery)> {
        let file = OpenOptions::new().append(true).open(dir.join(JOURNAL))?;
        let len = scanned.end as u64;
        let torn_bytes = (file_len - scanned.end) as u64;
        if torn_bytes > 0 {
            file.set_len(len)?;
            file.sync_all()?;
        }
        let recovery = Recovery { records: scanned.records.len(), torn_bytes, ..Recovery::default() };
        let journal = Self::of(dir, lock, Replacement { file, salt, len }, 0);
        Ok((journal, Snapshot { records: scanned.records }, recovery))
    }

    /// Keeps a damaged file under another name and goes on with what is whole of it in a new one.
    fn set_aside(
        dir: &Path,
        lock: File,
        scanned: Scanned,
        file_len: usize,
    ) -> io::Result<(Self, Snapshot, Recovery)> {
        let old = dir.join(JOURNAL);
        let aside = damaged_name(&old)?;
        // A second name first: if this process dies on the way, the journal is still there to be repaired.
        fs::hard_link(&old, &aside).or_else(|_| fs::copy(&old, &aside).map(drop))?;
        let journal = Self::create(dir, lock, &scanned.records)?;
        let recovery = Recovery {
            records: scanned.records.len(),
            torn_bytes: (file_len - scanned.end) as u64,
            damaged_bytes: scanned.damaged as u64,
            set_aside: Some(aside),
        };
        Ok((journal, Snapshot { records: scanned.records }, recovery))
    }

    fn create(dir: &Path, lock: File, records: &[Record]) -> io::Result<Self> {
        let new = Replacement::write(dir, records)?;
        let len = new.len;
        let mut journal = Self::of(dir, lock, new, len);
        journal.rename_new()?;
        journal.sync_name()?;
        Ok(journal)
    }

    fn of(dir: &Path, lock: File, file: Replacement, compacted_len: u64) -> Self {
        let Replacement { file, salt, len } = file;
        Self {
            dir: dir.to_path_buf(),
            file,
            salt,
            len,
            compacted_len,
            has_rest: false,
            is_renamed: false,
            #[cfg(test)]
            disk: None,
            _lock: lock,
        }
    }

    /// Bytes of the file.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of the file when it was last made as short as it can be; 0 when that is not known.
    pub(super) const fn compacted_len(&self) -> u64 {
        self.compacted_len
    }

    /// The salt that frames for this file need.
    pub(super) const fn salt(&self) -> Salt {
        self.salt
    }

    /// Appends frames and waits until they are on disk. After an error nothing of them is in the file, and they can be
    /// appended again.
    pub(super) fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        self.sync_name()?;
        if self.has_rest {
            self.file.set_len(self.len)?;
            self.has_rest = false;
        }
        // What a full disk took of the frames would stand between whole ones.
        self.has_rest = true;
        self.write(frames)?;
        self.has_rest = false;
        self.len += frames.len() as u64;
        Ok(())
    }

    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if let Some(disk) = &self.disk {
            disk.write(&mut self.file, frames)?;
        }
        self.file.write_all(frames)?;
        self.file.sync_data()
    }

    /// Appends one record and waits until it is on disk.
    pub(crate) fn append_record(&mut self, record: &Record) -> io::Result<()> {
        let mut frames = Vec::new();
        put_frame(self.salt, record, &mut frames);
        self.append(&frames)
    }

    /// Writes a journal of these records beside the one in use.
    pub(super) fn prepare(&self, snapshot: &Snapshot) -> io::Result<Replacement> {
        Replacement::write(&self.dir, &snapshot.records)
    }

    /// Puts the new journal in the place of the old one, at once or not at all: after an error the old one is in use
    /// as before. [`Self::sync_name`] makes it last.
    pub(super) fn replace(&mut self, new: Replacement) -> io::Result<()> {
        self.rename_new().inspect_err(|_| {
            // It takes room that the old one needs.
            let _ = fs::remove_file(self.dir.join(NEW_JOURNAL));
        })?;
        Replacement { file: self.file, salt: self.salt, len: self.len } = new;
        self.compacted_len = self.len;
        self.has_rest = false;
        Ok(())
    }

    /// Makes the name of a new journal last, where that has not been done. Before, nothing that is written to it is
    /// sure to be found again.
    pub(super) fn sync_name(&mut self) -> io::Result<()> {
        if self.is_renamed {
            sync_dir(&self.dir)?;
            self.is_renamed = false;
        }
        Ok(())
    }

    /// Stays with the long journal until it has grown to twice its size.
    pub(super) const fn put_off_compaction(&mut self) {
        self.compacted_len = self.len;
    }

    /// Lets the disk be full, or hang, whenever the handle that this gives says so.
    #[cfg(test)]
    pub(crate) fn on_test_disk(&mut self) -> TestDisk {
        self.disk.get_or_insert_default().clone()
    }

    /// Makes every later write fail, as a disk does that is no good any more.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&mut self) {
        self.file = File::open(self.dir.join(JOURNAL)).expect("the journal is there to be read");
    }

    fn rename_new(&mut self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(disk) = &self.disk {
            disk.rename()?;
        }
        fs::rename(self.dir.join(NEW_JOURNAL), self.dir.join(JOURNAL))?;
        self.is_renamed = true;
        Ok(())
    }
}

/// Reads the journal of a folder without touching it, also while a node uses it. Gives what is whole, and how many
/// bytes before that are damaged.
pub(crate) fn read(dir: &Path) -> Result<(Snapshot, usize), JournalError> {
    let path = dir.join(JOURNAL);
    let bytes = fs::read(&path).map_err(|source| JournalError::Io { path: path.clone(), source })?;
    match read_header(&bytes) {
        Header::Version(version) => Err(JournalError::Version { path, version, known: VERSION }),
        Header::Known(salt) => {
            let Scanned { records, damaged, .. } = scan(salt, &bytes);
            Ok((Snapshot { records }, damaged))
        }
        Header::Short => Ok((Snapshot::default(), 0)),
        Header::Foreign => Ok((Snapshot::default(), bytes.len())),
    }
}

/// Makes a journal of these records in a folder that has none.
pub(crate) fn create(dir: &Path, snapshot: &Snapshot) -> Result<(), JournalError> {
    let (mut journal, ..) = JournalFile::open(dir)?;
    let new =
        journal.prepare(snapshot).and_then(|new| journal.replace(new)).and_then(|()| journal.sync_name());
    new.map_err(|source| JournalError::Io { path: dir.to_path_buf(), source })
}

impl Replacement {
    fn write(dir: &Path, records: &[Record]) -> io::Result<Self> {
        let salt = new_salt();
        let mut bytes = header(salt).to_vec();
        for record in records {
            put_frame(salt, record, &mut bytes);
        }
        let path = dir.join(NEW_JOURNAL);
        let write = || -> io::Result<File> {
            let mut file = create_private(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = write().inspect_err(|_| {
            // Half of a new journal must not take the room that the old one needs.
            let _ = fs::remove_file(&path);
        })?;
        Ok(Self { file, salt, len: bytes.len() as u64 })
    }
}

/// A salt that no earlier file had: the time in nanoseconds, mixed with the process so that it is not guessed.
fn new_salt() -> Salt {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Salt(mix(since.as_nanos() as u64, u64::from(process::id())))
}

#[cfg(test)]
mod tests {
    use super::super::frames::HEADER_LEN;
    use super::*;
    use crate::files::is_open_to_others;
    use heck_core::id::Boot;

    fn boots(snapshot: &Snapshot) -> Vec<u64> {
        let boot = |record: &Record| if let Record::Boot(boot) = record { Some(boot.0) } else { None };
        snapshot.records.iter().filter_map(boot).collect()
    }

    fn journal_of(dir: &Path, boots: &[u64]) {
        let (mut journal, _, _) = JournalFile::open(dir).unwrap();
        for &boot in boots {
            journal.append_record(&Record::Boot(Boot(boot))).unwrap();
        }
    }

    #[test]
    fn a_new_folder_gives_an_empty_journal_and_later_what_was_appended() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("a/b");
        let (journal, snapshot, recovery) = JournalFile::open(&nested).unwrap();
        assert_eq!(journal.len(), HEADER_LEN as u64);
        assert_eq!((snapshot, recovery), (Snapshot::default(), Recovery::default()));
        drop(journal);
        journal_of(&nested, &[1, 2, 3]);
        let (_, snapshot, recovery) = JournalFile::open(&nested).unwrap();
        assert_eq!(boots(&snapshot), [1, 2, 3]);
        assert_eq!(recovery, Recovery { records: 3, ..Recovery::default() });
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_journal_and_one_that_was_open_to_others_is_closed() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(JOURNAL);
        journal_of(dir.path(), &[1]);
        assert!(!is_open_to_others(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        journal_of(dir.path(), &[2]);
        assert!(!is_open_to_others(&path));
    }

    #[test]
    fn a_replacement_that_cannot_be_renamed_leaves_the_journal_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _, _) = JournalFile::open(dir.path()).unwrap();
        journal.append_record(&Record::Boot(Boot(1))).unwrap();
        let disk = journal.on_test_disk();
        disk.set_full_for_renames(true);
        let new = journal.prepare(&Snapshot { records: vec![Record::Boot(Boot(1))] }).unwrap();
        assert_eq!(journal.replace(new).unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(!dir.path().join(NEW_JOURNAL).exists());
        journal.append_record(&Record::Boot(Boot(2))).unwrap();
        drop(journal);
        let (_, snapshot, _) = JournalFile::open(dir.path()).unwrap();
        assert_eq!(boots(&snapshot), [1, 2]);
    }

    #[test]
    fn two_nodes_cannot_use_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = JournalFile::open(dir.path()).unwrap();
        assert!(matches!(JournalFile::open(dir.path()), Err(JournalError::InUse(_))));
        drop(first);
        assert!(JournalFile::open(dir.path()).is_ok());
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_what_is_appended_then_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        journal_of(dir.path(), &[1, 2]);
        let path = dir.path().join(JOURNAL);
        let len = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
        let (mut journal, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
        assert_eq!(boots(&snapshot), [1]);
        assert!(recovery.torn_bytes > 0 && recovery.set_aside.is_none(), "{recovery:?}");
        journal.append_record(&Record::Boot(Boot(3))).unwrap();
        drop(journal);
        let (_, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
        assert_eq!(boots(&snapshot), [1, 3]);
        assert_eq!(recovery.torn_bytes, 0);
    }

    #[test]
    fn a_damaged_file_is_set_aside_untouched_and_its_whole_records_go_on() {
        let dir = tempfile::tempdir().unwrap();
        journal_of(dir.path(), &[1, 2, 3]);
        let path = dir.path().join(JOURNAL);
        let mut bytes = fs::read(&path).unwrap();
        let middle = (HEADER_LEN + bytes.len()) / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let (journal, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
        assert_eq!(boots(&snapshot), [1, 3]);
        let aside = recovery.set_aside.expect("it was set aside");
        assert_eq!(fs::read(&aside).unwrap(), bytes);
        drop(journal);
        let (_, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
        assert_eq!(boots(&snapshot), [1, 3]);
        assert_eq!(recovery, Recovery { records: 2, ..Recovery::default() });
    }

    #[test]
    fn a_file_that_is_no_journal_is_set_aside_under_a_free_name() {
        let dir = tempfile::tempdir().unwrap();
        for number in 1..3 {
            fs::write(dir.path().join(JOURNAL), b"something else altogether, and long").unwrap();
            let (_, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
            assert_eq!(snapshot, Snapshot::default());
            assert_eq!(recovery.set_aside, Some(dir.path().join(format!("journal.damaged.{number}"))));
        }
    }

    #[test]
    fn a_journal_of_a_later_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        journal_of(dir.path(), &[1]);
        let path = dir.path().join(JOURNAL);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] = 9;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(JournalFile::open(dir.path()), Err(JournalError::Version { version: 9, .. })));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn what_a_full_disk_took_of_a_record_is_gone_before_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _, _) = JournalFile::open(dir.path()).unwrap();
        journal.append_record(&Record::Boot(Boot(1))).unwrap();
        let disk = journal.on_test_disk();
        disk.set_full(true);
        for _ in 0..3 {
            let refused = journal.append_record(&Record::Boot(Boot(2))).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::StorageFull);
        }
        disk.set_full(false);
        journal.append_record(&Record::Boot(Boot(3))).unwrap();
        drop(journal);
        let (_, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
        assert_eq!(boots(&snapshot), [1, 3]);
        assert_eq!((recovery.torn_bytes, recovery.damaged_bytes), (0, 0));
    }

    #[test]
    fn a_replacement_takes_the_place_of_the_journal_and_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _, _) = JournalFile::open(dir.path()).unwrap();
        for boot in 0..100 {
            journal.append_record(&Record::Boot(Boot(boot))).unwrap();
        }
        let long = journal.len();
        let new = journal.prepare(&Snapshot { records: vec![Record::Boot(Boot(99))] }).unwrap();
        journal.replace(new).unwrap();
        assert!(!is_open_to_others(&dir.path().join(JOURNAL)));
        assert!(journal.len() < long && journal.compacted_len() == journal.len());
        journal.append_record(&Record::Boot(Boot(100))).unwrap();
        drop(journal);
        let (_, snapshot, _) = JournalFile::open(dir.path()).unwrap();
        assert_eq!(boots(&snapshot), [99, 100]);
    }
}
