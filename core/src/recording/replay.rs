//! Runs the core over a recording and compares.

use super::reader::Frame;
use crate::codec::{DecodeError, decode_input, effects_hash};
use crate::effects::Effects;
use crate::input::OwnedInput;
use crate::node::{CheckpointError, Node};
use crate::time::Time;
use alloc::vec::Vec;
use core::fmt;

/// A node that takes the steps of a recording again.
#[derive(Debug, Default)]
pub struct Replay {
    node: Option<Node>,
    /// Steps since the recording began, those that are missing included.
    steps: u64,
    now: Time,
    effects: Effects,
    input: Option<OwnedInput>,
    scratch: Vec<u8>,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// The node is what the checkpoint says: from here on it is stepped.
    Begun,
    /// The node, stepped this far, is what the checkpoint says, to the last byte.
    Confirmed,
    /// So many steps are missing before this checkpoint; the node is what it says now.
    Missing(u64),
    /// The step had the same effects.
    Same,
    /// The node came back from a step from which it did not when it was recorded.
    CameBack,
}

/// Where a replay parts from what was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// A step had other effects: [`Replay::effects`] has what the node wants now.
    Effects,
    /// All effects were the same, but the node is not what the checkpoint says.
    State,
    /// An input cannot be read.
    Input(DecodeError),
    /// A checkpoint cannot be read.
    Checkpoint(CheckpointError),
    /// A checkpoint or a step stands where none may: a step before any checkpoint, or a checkpoint of the past.
    Order,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Effects => f.write_str("the node wants something else now"),
            Self::State => f.write_str("the node has another state than the one that was recorded, though all it wanted was the same"),
            Self::Input(error) => write!(f, "the input cannot be read: {error}"),
            Self::Checkpoint(error) => error.fmt(f),
            Self::Order => f.write_str("a frame stands where none of its kind may"),
        }
    }
}

impl core::error::Error for Difference {}

impl Replay {
    /// The node as it is now; none before the first checkpoint.
    #[must_use]
    pub const fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// How many steps the node has taken since the recording began.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The node's time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// What the node wanted in the last step.
    #[must_use]
    pub const fn effects(&self) -> &Effects {
        &self.effects
    }

    /// The last input.
    #[must_use]
    pub const fn input(&self) -> Option<&OwnedInput> {
        self.input.as_ref()
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// When the node does not do what was recorded, or the frame is none that can come here.
    pub fn take(&mut self, frame: &Frame<'_>) -> Result<Taken, Difference> {
        match *frame {
            Frame::Checkpoint { steps, at, state } => self.checkpoint(steps, at, state),
            Frame::Step { at, input, hash } => self.step(at, input, hash),
        }
    }

    fn checkpoint(&mut self, steps: u64, at: Time, state: &[u8]) -> Result<Taken, Difference> {
        let taken = match &self.node {
            None => Taken::Begun,
            Some(_) if steps < self.steps || at < self.now => return Err(Difference::Order),
            Some(_) if steps > self.steps => Taken::Missing(steps - self.steps),
            Some(node) if node.checkpoint() == state => Taken::Confirmed,
            Some(_) => return Err(Difference::State),
        };
        self.node = Some(Node::from_checkpoint(state).map_err(Difference::Checkpoint)?);
        (self.steps, self.now) = (steps, at);
        Ok(taken)
    }

    fn step(&mut self, at: Time, input: &[u8], hash: Option<u64>) -> Result<Taken, Difference> {
        let Some(node) = &mut self.node else { return Err(Difference::Order) };
        let input = self.input.insert(decode_input(input).map_err(Difference::Input)?);
        self.now = at;
        self.steps += 1;
        self.effects.clear();
        node.step(at, input.as_input(), &mut self.effects);
        match hash {
            None => Ok(Taken::CameBack),
            Some(hash) if hash == effects_hash(&self.effects, &mut self.scratch) => Ok(Taken::Same),
            Some(_) => Err(Difference::Effects),
        }
    }
}
