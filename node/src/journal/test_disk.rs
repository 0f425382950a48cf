//! A disk that can be full, and can hang.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What the disk of a journal does to it. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestDisk {
    writes: Arc<AtomicBool>,
    renames: Arc<AtomicBool>,
    hanging: Arc<(Mutex<bool>, Condvar)>,
}

/// A disk that takes writes and does not come back from them, until this is dropped.
#[derive(Debug)]
pub(crate) struct Hang(TestDisk);

impl Drop for Hang {
    fn drop(&mut self) {
        self.0.set_hanging(false);
    }
}

impl TestDisk {
    pub(crate) fn set_full(&self, full: bool) {
        self.writes.store(full, Ordering::SeqCst);
    }

    /// A folder may have to grow for a new name.
    pub(crate) fn set_full_for_renames(&self, full: bool) {
        self.renames.store(full, Ordering::SeqCst);
    }

    /// Lets it hang.
    pub(crate) fn hang(&self) -> Hang {
        self.set_hanging(true);
        Hang(self.clone())
    }

    fn set_hanging(&self, hanging: bool) {
        let (state, changed) = &*self.hanging;
        *state.lock().unwrap_or_else(PoisonError::into_inner) = hanging;
        changed.notify_all();
    }

    pub(super) fn rename(&self) -> io::Result<()> {
        let is_full = self.renames.load(Ordering::SeqCst);
        if is_full { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Takes half of it and refuses the rest when it is full; takes nothing for as long as it hangs.
    pub(super) fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let (state, changed) = &*self.hanging;
        let hanging = state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(hanging, |hanging| *hanging).unwrap_or_else(PoisonError::into_inner));
        if self.writes.load(Ordering::SeqCst) {
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}
