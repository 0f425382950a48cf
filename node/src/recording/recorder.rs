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
        info!(
            file = %recorded.file.display(),
            limit_bytes = recorded.limit_bytes,
            "the node records what it takes in, the content of the cluster in the clear"
        );
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

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::config::Config;
    use heck_core::id::{Addr, Boot, Name};
    use heck_core::input::Command;
    use heck_core::node::{Base, Identity};
    use heck_core::recording::{Reader, Replay, Taken};
    use heck_core::rng::Seed;
    use std::fs::File;
    use std::path::Path;
    use std::thread;

    /// A node that refuses all commands, so that its steps are large and its state is small.
    fn node() -> Node {
        let identity = Identity::new(Name::new("n").unwrap(), Boot(1), Addr::default());
        Node::new(
            identity,
            Arc::new(Config::default()),
            &Arc::new(Base::default()),
            None,
            Seed(1),
            Time::ZERO,
        )
    }

    struct Recorded {
        node: Node,
        recorder: Recorder,
        counters: Arc<Counters>,
        now: Time,
        command: Command,
    }

    impl Recorded {
        fn new(file: File, limit_bytes: u64) -> Self {
            let counters = Arc::new(Counters::default());
            let recorded = crate::recording::Recorded { file: "test".into(), limit_bytes };
            let (node, file) = (node(), RecordingFile::of_test(file));
            let recorder = Recorder::start(file, &recorded, counters.clone(), &node, Time::ZERO).unwrap();
            let command = Command::PutKey { name: Name::new("k").unwrap(), value: vec![7; 60_000].into() };
            Self { node, recorder, counters, now: Time::ZERO, command }
        }

        fn step(&mut self) {
            self.now += Span::from_ms(1);
            let input = Input::Command { token: 1, command: &self.command };
            let mut effects = Effects::default();
            self.recorder.begin_step(self.now, input);
            self.node.step(self.now, input, &mut effects);
            self.recorder.end_step(&self.node, self.now, &effects);
        }

        /// Takes steps until the recorder is in a state.
        fn step_until(&mut self, state: State) {
            for _ in 0..2_000 {
                if self.recorder.state == state {
                    return;
                }
                self.step();
                thread::sleep(Duration::from_millis(1));
            }
            panic!("the recorder is never {state:?}");
        }

        fn lost(&self) -> u64 {
            self.counters.get(Count::RecordingStepsLost)
        }
    }

    #[cfg(unix)]
    fn fifo(dir: &Path) -> (File, std::path::PathBuf) {
        let path = dir.join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Open for both, it waits for no reader.
        (File::options().read(true).write(true).open(&path).unwrap(), path)
    }

    #[cfg(unix)]
    #[test]
    fn steps_for_which_the_disk_is_too_slow_are_passed_over_and_the_recording_goes_on_behind_them() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = fifo(dir.path());
        let mut this = Recorded::new(file, 1 << 30);
        // Nobody reads: what the system does not hold waits, and then no more is taken.
        this.step_until(State::Behind);
        (0..50).for_each(|_| this.step());
        let passed_over = this.lost();
        assert!(passed_over >= 50);
        let reading = thread::spawn(move || std::fs::read(path).unwrap());
        this.step_until(State::Writing);
        let passed_over = this.lost();
        (0..20).for_each(|_| this.step());
        assert_eq!(this.lost(), passed_over);
        let steps = this.counters.get(Count::RecordingSteps);
        drop(this);
        let bytes = reading.join().unwrap();
        let (mut reader, mut replay) = (Reader::new(&bytes).unwrap(), Replay::default());
        let mut taken = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            taken.push(replay.take(&frame).unwrap());
        }
        let missing = |taken: &Taken| match taken {
            Taken::Missing(missing) => Some(*missing),
            _ => None,
        };
        assert_eq!(taken.iter().find_map(missing), Some(passed_over));
        assert_eq!(taken.iter().filter(|taken| **taken == Taken::Same).count() as u64, steps);
        assert_eq!(replay.steps(), steps + passed_over);
    }

    #[test]
    fn a_disk_that_refuses_ends_the_recording_and_not_the_node() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rec");
        std::fs::write(&path, "").unwrap();
        // It cannot be written to.
        let mut this = Recorded::new(File::open(&path).unwrap(), 1 << 30);
        this.step_until(State::Over);
        let before = this.lost();
        (0..9).for_each(|_| this.step());
        assert_eq!(this.lost(), before + 9);
    }

    #[test]
    fn a_state_that_is_too_large_for_the_limit_is_not_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rec");
        let mut this = Recorded::new(File::create(&path).unwrap(), 1_000);
        assert_eq!(this.recorder.state, State::Over);
        this.step();
        assert_eq!(this.lost(), 1);
        drop(this);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn the_input_of_a_step_that_does_not_end_is_the_last_thing_of_a_recording() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rec");
        let mut this = Recorded::new(File::create(&path).unwrap(), 1 << 20);
        this.step();
        this.recorder.begin_step(Time(9_000), Input::Timeout);
        drop(this);
        let bytes = std::fs::read(&path).unwrap();
        let (mut reader, mut replay) = (Reader::new(&bytes).unwrap(), Replay::default());
        let mut taken = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            taken.push(replay.take(&frame).unwrap());
        }
        assert_eq!(taken, [Taken::Begun, Taken::Same, Taken::CameBack]);
    }
}
