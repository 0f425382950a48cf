//! Writes a recording as bytes.

use super::format::{CHECKPOINT, STEP, UNFINISHED, put_frame, put_header};
use crate::codec::{Sink as _, effects_hash, encode_input};
use crate::effects::Effects;
use crate::input::Input;
use crate::node::{CHECKPOINT_LAYOUT, Node};
use crate::time::Time;
use alloc::vec::Vec;

/// Puts steps and checkpoints of one node into frames, which are appended to bytes that the driver takes to a file.
#[derive(Debug)]
pub struct Scribe {
    session: u64,
    parts: u32,
    /// Bytes of the file up to here.
    offset: u64,
    /// Steps of the node up to here, written or not.
    steps: u64,
    /// The time of the last frame.
    last: Time,
    /// When the step began that has not ended, and what it is about.
    begun: Option<Time>,
    input: Vec<u8>,
    content: Vec<u8>,
    scratch: Vec<u8>,
}

impl Scribe {
    /// A scribe that has written nothing. `session` tells the files of this recording from those of all others.
    #[must_use]
    pub const fn new(session: u64) -> Self {
        Self {
            session,
            parts: 0,
            offset: 0,
            steps: 0,
            last: Time::ZERO,
            begun: None,
            input: Vec::new(),
            content: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Bytes of the file up to here.
    #[must_use]
    pub const fn file_len(&self) -> u64 {
        self.offset
    }

    /// Begins a file, the first or the next, with what the node is at `now`. Gives back how many bytes the checkpoint has.
    pub fn begin_file(&mut self, node: &Node, now: Time, out: &mut Vec<u8>) -> u64 {
        let start = out.len();
        put_header(self.session, self.parts, CHECKPOINT_LAYOUT, out);
        self.parts += 1;
        self.offset = (out.len() - start) as u64;
        self.checkpoint(node, now, out)
    }

    /// Writes what the node is at `now`: after steps that were passed over, before the next that is not. Gives back how
    /// many bytes that took.
    pub fn checkpoint(&mut self, node: &Node, now: Time, out: &mut Vec<u8>) -> u64 {
        self.content.clear();
        self.content.byte(CHECKPOINT);
        self.content.varint(self.steps);
        self.content.varint(now.0);
        self.content.put(&node.checkpoint());
        let len = self.put(now, out);
        // A state may be large, and the next one is far away.
        self.content = Vec::new();
        len
    }

    /// A step begins: what it is about is kept, in case that the node does not come back from it.
    pub fn begin_step(&mut self, now: Time, input: Input<'_>) {
        self.begun = Some(now);
        self.input.clear();
        encode_input(input, &mut self.input);
    }

    /// The step that began has had these effects.
    pub fn end_step(&mut self, effects: &Effects, out: &mut Vec<u8>) {
        let Some(now) = self.begun.take() else { return };
        self.steps += 1;
        let hash = effects_hash(effects, &mut self.scratch);
        self.content.clear();
        self.content.byte(STEP);
        self.content.varint(now.since(self.last).as_us());
        self.content.put(&hash.to_le_bytes());
        self.content.put(&self.input);
        self.put(now, out);
    }

    /// The node did not come back from the step that began, if one did: that is the end of the recording.
    pub fn abandon_step(&mut self, out: &mut Vec<u8>) {
        let Some(now) = self.begun.take() else { return };
        self.content.clear();
        self.content.byte(UNFINISHED);
        self.content.varint(now.since(self.last).as_us());
        self.content.put(&self.input);
        self.put(now, out);
    }

    /// The node takes a step that is not written down.
    pub const fn pass_over_step(&mut self) {
        self.steps += 1;
    }

    fn put(&mut self, now: Time, out: &mut Vec<u8>) -> u64 {
        let len = put_frame(self.session, self.offset, &self.content, out);
        self.offset += len;
        self.last = now;
        len
    }
}
