//! What the driver tells of its steps.

use super::Recorded;
use super::file::RecordingFile;
use super::writer::Writer;
use crate::counters::{Count, Counters};
use heck_core::Node;
use heck_core::effects::Effects;
use heck_core::input::Input;
use heck_core::recording::Scribe;
use heck_core::time::{Span, Time};
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// So many bytes are gathered before they are handed to the writer.
const CHUNK_BYTES: usize = 64 << 10;
/// Or those of so long: what a node that is killed did last is missing from its recording.
const CHUNK_TIME: Span = Span::from_ms(250);
/// How long a node that stops waits for the end of its recording.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Whether steps are written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Writing,
    /// The disk does not keep up: steps are passed over until everything is written.
    Behind,
    /// For good.
    Over,
}

/// Records the steps of one node.
#[derive(Debug)]
pub(crate) struct Recorder {
    scribe: Scribe,
    writer: Writer,
    counters: Arc<Counters>,
    chunk: Vec<u8>,
    chunk_begun: Time,
    state: State,
    /// Bytes of one of the two files.
    file_limit: u64,
    /// Bytes of the last checkpoint: the next will have about as many.
    checkpoint_len: u64,
    /// Steps passed over since the disk fell behind.
    passed_over: u64,
}

impl Recorder {
    /// Begins to record with what the node is now.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        file: RecordingFile,
        recorded: &Recorded,
        counters: Arc<Counters>,
        node: &Node,
        now: Time,
    ) -> io::Result<Self> {
        let mut this = Self {
            // A boot is never reused, so no two recordings of a node have one session.
            scribe: Scribe::new(node.view().writer().node.0 ^ node.view().writer().boot.0),
            writer: Writer::start(file, counters.clone())?,
            counters,
            chunk: Vec::new(),
            chunk_begun: now,
            state: State::Writing,
            file_limit: recorded.limit_bytes / 2,
            checkpoint_len: 0,
            passed_over: 0,
        };
        let mut bytes = Vec::new();
        let len = this.scribe.begin_file(node, now, &mut bytes);
        if this.fits(len) {
            this.writer.append_all(bytes);
        }
        Ok(this)
    }

    /// A step begins.
    pub(crate) fn begin_step(&mut self, now: Time, input: Input<'_>) {
        if self.state == State::Writing {
            self.scribe.begin_step(now, input);
        }
    }

    /// The step has ended, with these effects; the node is what it is after it.
    pub(crate) fn end_step(&mut self, node: &Node, now: Time, effects: &Effects) {
        match self.state {
            State::Writing => self.write_step(node, now, effects),
            State::Behind => {
                self.pass_over();
                if self.writer.is_idle() {
                    self.catch_up(node, now);
                }
            }
            State::Over => self.counters.bump(Count::RecordingStepsLost),
        }
        if self.state != State::Over && self.writer.is_over() {
            self.state = State::Over;
        }
    }

    fn write_step(&mut self, node: &Node, now: Time, effects: &Effects) {
        self.scribe.end_step(effects, &mut self.chunk);
        self.counters.bump(Count::RecordingSteps);
        let is_full = self.scribe.file_len() >= self.file_limit;
        if is_full || self.chunk.len() >= CHUNK_BYTES || now.since(self.chunk_begun) >= CHUNK_TIME {
            self.chunk_begun = now;
            if !self.writer.append(&mut self.chunk) {
                self.state = State::Behind;
                warn!("the disk does not keep up with the recording: steps are passed over until it does");
                return;
            }
        }
        if is_full {
            self.begin_file(node, now);
        }
    }

    fn pass_over(&mut self) {
        self.scribe.pass_over_step();
        self.passed_over += 1;
        self.counters.bump(Count::RecordingStepsLost);
    }

    /// Everything is written: what was gathered goes after it, and then a checkpoint.
    fn catch_up(&mut self, node: &Node, now: Time) {
        info!(steps = self.passed_over, "the disk has caught up with the recording, which lacks these steps");
        self.passed_over = 0;
        self.state = State::Writing;
        self.writer.append_all(mem::take(&mut self.chunk));
        if self.scribe.file_len() + self.checkpoint_len >= self.file_limit {
            self.begin_file(node, now);
            return;
        }
        let mut bytes = Vec::new();
        let len = self.scribe.checkpoint(node, now, &mut bytes);
        if self.fits(len) {
            self.writer.append_all(bytes);
        }
    }

    fn begin_file(&mut self, node: &Node, now: Time) {
        let mut bytes = Vec::new();
        let len = self.scribe.begin_file(node, now, &mut bytes);
        if self.fits(len) {
            self.writer.rotate(bytes);
        }
    }

    /// Whether a checkpoint of so many bytes leaves room for steps. When not, the recording is over: it would hold nothing
    /// but checkpoints.
    fn fits(&mut self, checkpoint_bytes: u64) -> bool {
        self.checkpoint_len = checkpoint_bytes;
        let fits = checkpoint_bytes <= self.file_limit / 2;
        if !fits {
            let least = checkpoint_bytes.saturating_mul(4);
            warn!(
                checkpoint_bytes,
                least,
                "the state of the node is too large for `record_limit`, so it is not recorded any more"
            );
            self.state = State::Over;
        }
        fits
    }
}

impl Drop for Recorder {
    /// What was gathered is written, also when the core panicked: then the input of that step is the last thing there is.
    fn drop(&mut self) {
        if self.state == State::Writing {
            self.scribe.abandon_step(&mut self.chunk);
        }
        if self.state != State::Over {
            self.writer.append(&mut self.chunk);
        }
        if !self.writer.finish(LAST_PATIENCE) {
            warn!("the disk does not take the end of the recording");
        }
    }
}
