//! Runs the core over the files of a recording, up to their end or to the first step that differs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use heck_core::recording::{Damage, Difference, Frame, Replay, Taken};
use heck_core::time::Time;

use super::files::{LoadError, Part, Recording};
use super::until::Until;

/// Steps that were not written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// How many.
    pub missing: u64,
    /// When the recording goes on.
    pub at: Time,
}

/// How a replay ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// With the recording.
    Whole,
    /// At the time that was asked for.
    Until,
    /// A file ends within a frame, as when a node or its machine is stopped at once.
    Torn(PathBuf, Damage),
    /// A file is damaged.
    Broken(PathBuf, Damage),
    /// The recorded node did not come back from its last step, and this one does.
    CameBack,
    /// The core panicked, in the last step.
    Panicked(PathBuf, u64),
    /// The frame that begins at this byte of the file is the first that differs.
    Differs(PathBuf, u64, Difference),
}

/// A recording that was replayed.
#[derive(Debug)]
pub struct Played {
    /// The node, and its last step.
    pub replay: Replay,
    /// When the recording begins.
    pub began: Time,
    /// The version of the core that wrote it.
    pub core: String,
    /// Steps that had the same effects.
    pub same: u64,
    /// Checkpoints that the node, stepped this far, was equal to.
    pub confirmed: u64,
    /// Where steps are missing.
    pub gaps: Vec<Gap>,
    /// How it ended.
    pub end: End,
}

/// Replays a recording, up to a time if one is given.
///
/// # Errors
/// When a file is none that can be replayed here.
pub fn play(recording: &Recording, until: Option<Until>) -> Result<Played, LoadError> {
    let mut played = Played {
        replay: Replay::default(),
        began: Time::ZERO,
        core: String::new(),
        same: 0,
        confirmed: 0,
        gaps: Vec::new(),
        end: End::Whole,
    };
    for part in &recording.parts {
        if let Some(end) = played.play_part(part, until)? {
            played.end = end;
            break;
        }
    }
    Ok(played)
}

impl Played {
    fn play_part(&mut self, part: &Part, until: Option<Until>) -> Result<Option<End>, LoadError> {
        let mut reader = part.reader()?;
        self.core.clone_from(&reader.header().core);
        loop {
            let offset = reader.offset();
            let frame = match reader.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(damage @ Damage::Torn(_)) => return Ok(Some(End::Torn(part.path.clone(), damage))),
                Err(damage @ Damage::Broken(_)) => return Ok(Some(End::Broken(part.path.clone(), damage))),
            };
            let (Frame::Checkpoint { at, .. } | Frame::Step { at, .. }) = frame;
            if self.replay.node().is_none() {
                self.began = at;
            }
            let is_over = until.is_some_and(|until| at > until.in_recording(self.began));
            if is_over && self.replay.node().is_some() {
                return Ok(Some(End::Until));
            }
            // What panics in a step is the core, and the step is what was looked for.
            let Ok(taken) = catch_unwind(AssertUnwindSafe(|| self.replay.take(&frame))) else {
                return Ok(Some(End::Panicked(part.path.clone(), offset)));
            };
            match taken {
                Ok(Taken::Begun) => {}
                Ok(Taken::Same) => self.same += 1,
                Ok(Taken::Confirmed) => self.confirmed += 1,
                Ok(Taken::Missing(missing)) => self.gaps.push(Gap { missing, at }),
                Ok(Taken::CameBack) => return Ok(Some(End::CameBack)),
                Err(difference) => return Ok(Some(End::Differs(part.path.clone(), offset, difference))),
            }
        }
    }
}
