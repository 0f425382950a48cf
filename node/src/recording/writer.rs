//! The thread that writes a recording to its file.

use super::file::RecordingFile;
use crate::counters::{Count, Counters};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use tracing::warn;

/// Bytes that may wait for the disk, beside a checkpoint.
const BACKLOG_LIMIT: usize = 8 << 20;

/// What the thread is to do.
enum Job {
    /// Write these bytes.
    Append(Vec<u8>),
    /// Begin another file with these.
    Rotate(Vec<u8>),
}

/// What both sides see.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes that were handed over and not written.
    backlog: AtomicUsize,
    /// The disk refused: nothing is written any more.
    is_over: AtomicBool,
}

/// The side that hands bytes over.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    spare: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
    /// Ends with the thread.
    end: Receiver<()>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(file: RecordingFile, counters: Arc<Counters>) -> io::Result<Self> {
        let (jobs, to_do) = channel();
        let (give_back, spare) = channel();
        let (ends, end) = channel();
        let shared = Arc::new(Shared::default());
        let seen = shared.clone();
        thread::Builder::new().name("heck-record".to_owned()).spawn(move || {
            let _ends = ends;
            write(file, &to_do, &give_back, &seen, &counters);
        })?;
        Ok(Self { jobs: Some(jobs), spare, shared, end })
    }

    /// Whether the disk refused to write.
    pub(super) fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    /// Whether everything is written.
    pub(super) fn is_idle(&self) -> bool {
        self.shared.backlog.load(Ordering::Acquire) == 0
    }

    /// Hands bytes over, and puts an empty buffer in their place. False when too much waits already: then the bytes stay.
    pub(super) fn append(&self, bytes: &mut Vec<u8>) -> bool {
        if self.shared.backlog.load(Ordering::Acquire) + bytes.len() > BACKLOG_LIMIT {
            return false;
        }
        let empty = self.spare.try_recv().unwrap_or_default();
        self.hand_over(Job::Append(std::mem::replace(bytes, empty)));
        true
    }

    /// Hands bytes over, however many: a checkpoint, or what comes when nothing waits.
    pub(super) fn append_all(&self, bytes: Vec<u8>) {
        self.hand_over(Job::Append(bytes));
    }

    /// Begins another file with these bytes.
    pub(super) fn rotate(&self, bytes: Vec<u8>) {
        self.hand_over(Job::Rotate(bytes));
    }

    fn hand_over(&self, job: Job) {
        let (Job::Append(bytes) | Job::Rotate(bytes)) = &job;
        self.shared.backlog.fetch_add(bytes.len(), Ordering::AcqRel);
        if let Some(jobs) = &self.jobs {
            // A thread that is gone has said that the recording is over.
            let _ = jobs.send(job);
        }
    }

    /// Lets the thread write what it has, and waits so long for that. False when that was too short.
    pub(super) fn finish(&mut self, patience: Duration) -> bool {
        self.jobs = None;
        self.end.recv_timeout(patience) != Err(RecvTimeoutError::Timeout)
    }
}

/// Writes until the recorder is gone or the disk refuses.
fn write(
    mut file: RecordingFile,
    jobs: &Receiver<Job>,
    give_back: &Sender<Vec<u8>>,
    shared: &Shared,
    counters: &Counters,
) {
    while let Ok(job) = jobs.recv() {
        let (done, mut bytes) = match job {
            Job::Append(bytes) => (file.append(&bytes), bytes),
            Job::Rotate(bytes) => (file.rotate().and_then(|()| file.append(&bytes)), bytes),
        };
        if let Err(error) = done {
            let path = file.path().display();
            warn!(%path, %error, "the recording cannot be written: it ends here, and the node goes on");
            shared.is_over.store(true, Ordering::Relaxed);
            return;
        }
        counters.add(Count::RecordingBytes, bytes.len() as u64);
        shared.backlog.fetch_sub(bytes.len(), Ordering::AcqRel);
        bytes.clear();
        // A recorder that is gone needs no buffers.
        let _ = give_back.send(bytes);
    }
}
