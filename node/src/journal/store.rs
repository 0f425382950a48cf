//! Syncing the journal beside the node's task: records gather while a batch is being synced, so that batches
//! grow with the time that the disk takes.

use super::file::JournalFile;
use super::frames::put_frame;
use super::watch::{DiskWatch, STALLED_AFTER};
use crate::counters::{Count, Counters};
use heck_core::effects::Record;
use heck_core::journal::Snapshot;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info};

/// Life, standing, address, zone and weight of a member.
const KNOWN_OVERHEAD: usize = 48;
/// Bytes that a record takes at most beside the entry or the ranges that it holds.
const RECORD_OVERHEAD: usize = 64;

/// How a batch went to disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Appended,
    Compacted,
    /// A short journal could not be written; the batch was appended to the long one.
    NotCompacted,
}

/// A batch that is being synced, together with the file, which comes back with it.
#[derive(Debug)]
struct Job {
    done: JoinHandle<Written>,
    since: Instant,
    /// Whether it has been said that the disk takes long.
    is_stalled: bool,
    up_to: u64,
    bytes: usize,
}

/// A batch that went to disk, or did not: then the records come back too.
type Written = (JournalFile, Result<Outcome, (io::Error, Vec<Record>)>);

/// How long the disk is left alone once it was full; twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Records on their way to disk.
#[derive(Debug)]
pub(crate) struct Store {
    idle: Option<JournalFile>,
    job: Option<Job>,
    gathered: Vec<Record>,
    gathered_bytes: usize,
    up_to: u64,
    compact_above: u64,
    /// Until when the disk is left alone, and for how long; none while it takes what it is given.
    full: Option<(Instant, Duration)>,
    watch: DiskWatch,
    counters: Arc<Counters>,
}

impl Store {
    pub(crate) fn new(journal: JournalFile, compact_above: u64, counters: Arc<Counters>) -> Self {
        Self {
            idle: Some(journal),
            job: None,
            gathered: Vec::new(),
            gathered_bytes: 0,
            up_to: 0,
            compact_above,
            full: None,
            watch: DiskWatch::default(),
            counters,
        }
    }

    /// Where others see how long the disk takes.
    pub(crate) fn watch(&self) -> DiskWatch {
        self.watch.clone()
    }

    /// Takes a record with its number; the next batch writes it.
    pub(crate) fn push(&mut self, number: u64, record: Record) {
        self.counters.bump(Count::RecordsWritten);
        self.gathered_bytes += size_estimate(&record);
        self.gathered.push(record);
        self.up_to = number;
    }

    /// Bytes that are not on disk yet, roughly: those of the batch under way too.
    pub(crate) fn backlog_bytes(&self) -> usize {
        self.gathered_bytes + self.job.as_ref().map_or(0, |job| job.bytes)
    }

    /// The number of the last record that was pushed.
    pub(crate) const fn last(&self) -> u64 {
        self.up_to
    }

    /// Whether everything is on disk.
    pub(crate) const fn is_synced(&self) -> bool {
        self.job.is_none() && self.gathered.is_empty()
    }

    /// Starts a batch if there is anything to write and none is under way. `snapshot` gives the whole state,
    /// everything that was pushed included; it is asked for when the journal has grown too long.
    pub(crate) fn start_batch(&mut self, snapshot: impl FnOnce() -> Snapshot) {
        if self.gathered.is_empty() || self.full.is_some_and(|(until, _)| Instant::now() < until) {
            return;
        }
        let Some(mut journal) = self.idle.take() else { return };
        let too_long = journal.len() > self.compact_above.max(2 * journal.compacted_len());
        let snapshot = too_long.then(snapshot);
        let records = mem::take(&mut self.gathered);
        let bytes = mem::take(&mut self.gathered_bytes);
        let done = spawn_blocking(move || {
            let outcome = write(&mut journal, &records, snapshot.as_ref());
            (journal, outcome.map_err(|error| (error, records)))
        });
        self.watch.begin();
        self.job = Some(Job { done, since: Instant::now(), is_stalled: false, up_to: self.up_to, bytes });
    }

    /// Waits until the batch under way is on disk and gives the number of its last record; for ever when there
    /// is nothing to do. None when the disk was full: the batch is kept, and it is time to start it again. Nothing is
    /// lost when the future is dropped. After an error the journal is not used again.
    pub(crate) async fn synced(&mut self) -> io::Result<Option<u64>> {
        let Some(job) = &mut self.job else {
            let Some((until, _)) = self.full.filter(|_| !self.gathered.is_empty()) else {
                return pending().await;
            };
            sleep_until(until).await;
            return Ok(None);
        };
        let (up_to, bytes) = (job.up_to, job.bytes);
        let done = job.end(&self.counters).await;
        self.watch.end();
        self.job = None;
        let (journal, written) = done.map_err(io::Error::other)?;
        let outcome = match written {
            Ok(outcome) => outcome,
            Err((error, records)) if is_full(&error) => {
                self.idle = Some(journal);
                self.put_back(records, bytes, &error);
                return Ok(None);
            }
            Err((error, _)) => return Err(error),
        };
        self.idle = Some(journal);
        if self.full.take().is_some() {
            info!("the disk takes records again");
        }
        self.counters.bump(Count::JournalSyncs);
        match outcome {
            Outcome::Appended => {}
            Outcome::Compacted => self.counters.bump(Count::Compactions),
            Outcome::NotCompacted => self.counters.bump(Count::CompactionsFailed),
        }
        Ok(Some(up_to))
    }

    /// Whether the disk had no room when it was last asked.
    pub(crate) const fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// Waits until everything is on disk and gives the number of the last record, if a batch went there meanwhile.
    ///
    /// # Errors
    /// When the disk is full, refuses, or takes longer than `patience`.
    pub(crate) async fn sync_all(
        &mut self,
        snapshot: impl Fn() -> Snapshot,
        patience: Duration,
    ) -> io::Result<Option<u64>> {
        let all = async {
            let mut synced = None;
            while !self.is_synced() {
                self.start_batch(&snapshot);
                synced = self.synced().await?.or(synced);
                if self.is_full() {
                    return Err(ErrorKind::StorageFull.into());
                }
            }
            Ok(synced)
        };
        timeout(patience, all).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    /// Keeps a batch that a full disk did not take before those that came after it.
    fn put_back(&mut self, mut records: Vec<Record>, bytes: usize, error: &io::Error) {
        self.counters.bump(Count::DiskFull);
        records.append(&mut self.gathered);
        self.gathered = records;
        self.gathered_bytes += bytes;
        let pause = match self.full {
            None => {
                error!(%error, "the disk is full: writes wait until there is room, and the node goes on");
                FIRST_PAUSE
            }
            Some((_, pause)) => (pause * 2).min(LONGEST_PAUSE),
        };
        self.full = Some((Instant::now() + pause, pause));
    }
}

impl Job {
    /// Waits until the batch is on disk or was refused; says once when that takes long, and when it is over. Nothing is
    /// lost when the future is dropped.
    async fn end(&mut self, counters: &Counters) -> Result<Written, JoinError> {
        loop {
            let told_at = self.since + STALLED_AFTER;
            tokio::select! {
                done = &mut self.done => {
                    if self.is_stalled {
                        info!(took = ?self.since.elapsed(), "the disk answers again");
                    }
                    return done;
                }
                () = sleep_until(told_at), if !self.is_stalled => {
                    self.is_stalled = true;
                    counters.bump(Count::DiskStalls);
                    error!(after = ?STALLED_AFTER, "the disk does not answer: writes wait for it, and the node goes on");
                }
            }
        }
    }
}

/// Whether an operator can mend it while the node runs.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn size_estimate(record: &Record) -> usize {
    RECORD_OVERHEAD
        + match record {
            Record::Boot(_) | Record::Member => 0,
            Record::Known(member) => member.name.as_str().len() + KNOWN_OVERHEAD,
            Record::Named(name) => name.as_str().len(),
            Record::Entry { carried, .. } => carried.entry.wire_len() as usize,
            Record::Joined(lanes) => {
                let ranges = lanes.iter().map(|lane| 4 + lane.seen.ranges().len() + lane.live.ranges().len());
                ranges.sum::<usize>() * size_of::<[u64; 2]>()
            }
        }
}

fn write(journal: &mut JournalFile, records: &[Record], snapshot: Option<&Snapshot>) -> io::Result<Outcome> {
    let mut outcome = Outcome::Appended;
    if let Some(snapshot) = snapshot {
        // The old journal is whole until the new one takes its place: when the disk has no room for a second
        // one, there may still be room for this batch.
        if journal.prepare(snapshot).and_then(|new| journal.replace(new)).is_ok() {
            journal.sync_name()?;
            return Ok(Outcome::Compacted);
        }
        journal.put_off_compaction();
        outcome = Outcome::NotCompacted;
    }
    let mut frames = Vec::new();
    for record in records {
        put_frame(journal.salt(), record, &mut frames);
    }
    journal.append(&frames)?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::id::Boot;
    use std::path::Path;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn store(dir: &Path) -> (Store, super::super::test_disk::TestDisk) {
        let (mut journal, _, _) = JournalFile::open(dir).unwrap();
        let disk = journal.on_test_disk();
        (Store::new(journal, 1, Arc::new(Counters::default())), disk)
    }

    fn boots(dir: &Path) -> Vec<Record> {
        JournalFile::open(dir).unwrap().1.records
    }

    #[tokio::test]
    async fn a_compaction_that_cannot_be_put_in_place_loses_nothing_that_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, disk) = store(dir.path());
        disk.set_full_for_renames(true);
        let records: Vec<Record> = (1..=3).map(|boot| Record::Boot(Boot(boot))).collect();
        for (number, record) in (1..).zip(&records) {
            store.push(number, record.clone());
            let snapshot = || Snapshot { records: records[..number as usize].to_vec() };
            assert_eq!(store.sync_all(snapshot, PATIENCE).await.unwrap(), Some(number));
        }
        assert!(store.counters.get(Count::CompactionsFailed) > 0);
        drop(store);
        assert_eq!(boots(dir.path()), records);
    }

    #[tokio::test]
    async fn a_batch_under_way_counts_as_backlog() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, disk) = store(dir.path());
        store.push(1, Record::Boot(Boot(1)));
        let bytes = store.backlog_bytes();
        assert!(bytes > 0);
        disk.set_full(true);
        store.start_batch(Snapshot::default);
        assert_eq!(store.backlog_bytes(), bytes);
        assert_eq!(store.synced().await.unwrap(), None);
        assert_eq!(store.backlog_bytes(), bytes);
        disk.set_full(false);
        sleep_until(store.full.unwrap().0).await;
        store.sync_all(Snapshot::default, PATIENCE).await.unwrap();
        assert_eq!(store.backlog_bytes(), 0);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_full_disk_or_for_ever_for_one_that_hangs() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, disk) = store(dir.path());
        disk.set_full(true);
        store.push(1, Record::Boot(Boot(1)));
        let waited = store.sync_all(Snapshot::default, PATIENCE).await;
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::StorageFull);
        disk.set_full(false);
        sleep_until(store.full.unwrap().0).await;
        let hang = disk.hang();
        let waited = store.sync_all(Snapshot::default, Duration::from_millis(50)).await;
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(store.watch().busy() >= Duration::from_millis(50));
        drop(hang);
        assert_eq!(store.sync_all(Snapshot::default, PATIENCE).await.unwrap(), Some(1));
        assert_eq!(store.watch().busy(), Duration::ZERO);
    }
}
