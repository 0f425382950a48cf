//! Reads a recording, frame by frame, and says where it is damaged.

use super::format::{CHECK_LEN, CHECKPOINT, CORE, FORMAT, Header, MAGIC, STEP, UNFINISHED, check};
use crate::codec;
use crate::node::CHECKPOINT_LAYOUT;
use crate::time::{Span, Time};
use core::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// One frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// What the node is here.
    Checkpoint {
        /// Steps that the node took before, since the recording began.
        steps: u64,
        /// The node's time.
        at: Time,
        /// The state, for [`Node::from_checkpoint`](crate::Node::from_checkpoint).
        state: &'a [u8],
    },
    /// One step.
    Step {
        /// The node's time.
        at: Time,
        /// The input, for [`decode_input`](codec::decode_input).
        input: &'a [u8],
        /// The hash of the effects that it had; none where the node did not come back from it.
        hash: Option<u64>,
    },
}

/// Why bytes are no recording that can be read here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// They begin as something else does.
    Foreign,
    /// They are cut off within the header, or it is damaged.
    Header,
    /// They are in another version of the format.
    Format(u32),
    /// Their checkpoints have another layout than those of this core, which is told with the version that wrote them.
    Layout(u32),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is no recording of a node"),
            Self::Header => {
                f.write_str("it begins as a recording does, but its header is cut off or damaged")
            }
            Self::Format(format) => {
                write!(f, "it is in version {format} of the format, and only version {FORMAT} is read here")
            }
            Self::Layout(layout) => write!(
                f,
                "its checkpoints have layout {layout}, and those of this build (heck {CORE}) have layout \
                 {CHECKPOINT_LAYOUT}: replay it with the version that wrote it"
            ),
        }
    }
}

impl core::error::Error for Unreadable {}

/// Where a recording cannot be read on. All before it is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// The file ends within the frame that begins at this byte: the node, or its machine, was stopped there.
    Torn(u64),
    /// The frame that begins at this byte is not what was written.
    Broken(u64),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn(at) => write!(f, "the file ends within the frame that begins at byte {at}"),
            Self::Broken(at) => write!(f, "the frame that begins at byte {at} is damaged"),
        }
    }
}

impl core::error::Error for Damage {}

/// Reads one file of a recording.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    header: Header,
    bytes: &'a [u8],
    at: usize,
    time: Time,
}

impl<'a> Reader<'a> {
    /// A reader of these bytes, which are the whole of a file.
    ///
    /// # Errors
    /// When they do not begin as a recording that can be read here.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut fields = codec::Reader::new(bytes);
        let cut = |_| Unreadable::Header;
        if !MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) {
            return Err(Unreadable::Foreign);
        }
        fields.take(MAGIC.len(), "magic").map_err(cut)?;
        let format = u32::from_le_bytes(fields.array("format").map_err(cut)?);
        if format != FORMAT {
            return Err(Unreadable::Format(format));
        }
        let layout = u32::from_le_bytes(fields.array("layout").map_err(cut)?);
        let session = u64::from_le_bytes(fields.array("session").map_err(cut)?);
        let part = u32::from_le_bytes(fields.array("part").map_err(cut)?);
        let len = fields.byte("length").map_err(cut)?;
        let core = fields.take(len.into(), "version").map_err(cut)?;
        let (said, summed) = (bytes.len() - fields.left(), fields.array("sum").map_err(cut)?);
        let core = core::str::from_utf8(core).map_err(|_| Unreadable::Header)?;
        if xxh3_64(&bytes[..said]) != u64::from_le_bytes(summed) {
            return Err(Unreadable::Header);
        }
        if layout != CHECKPOINT_LAYOUT {
            return Err(Unreadable::Layout(layout));
        }
        let header = Header { session, part, core: core.into() };
        Ok(Self { header, bytes, at: bytes.len() - fields.left(), time: Time::ZERO })
    }

    /// What the file says of itself.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Where the next frame begins.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.at as u64
    }

    /// The next frame; none at the end.
    ///
    /// # Errors
    /// When there is no whole frame. Nothing follows then.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'a>>, Damage> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let offset = self.at as u64;
        let mut fields = codec::Reader::new(&self.bytes[self.at..]);
        // A length that no file has is damage, whatever is left of the file.
        let len = match fields.varint("length") {
            Ok(len) => usize::try_from(len).map_err(|_| Damage::Broken(offset))?,
            Err(codec::DecodeError::Truncated(_)) => return Err(Damage::Torn(offset)),
            Err(_) => return Err(Damage::Broken(offset)),
        };
        let torn = |_| Damage::Torn(offset);
        let content = fields.take(len, "content").map_err(torn)?;
        let summed: [u8; CHECK_LEN] = fields.array("check").map_err(torn)?;
        if check(content, self.header.session, offset) != summed {
            return Err(Damage::Broken(offset));
        }
        let frame = self.frame(content).map_err(|_| Damage::Broken(offset))?;
        self.time = match frame {
            Frame::Checkpoint { at, .. } | Frame::Step { at, .. } => at,
        };
        self.at = self.bytes.len() - fields.left();
        Ok(Some(frame))
    }

    fn frame(&self, content: &'a [u8]) -> Result<Frame<'a>, codec::DecodeError> {
        let mut fields = codec::Reader::new(content);
        let kind = fields.byte("kind")?;
        if kind == CHECKPOINT {
            let (steps, at) = (fields.varint("steps")?, Time(fields.varint("time")?));
            return Ok(Frame::Checkpoint { steps, at, state: fields.take(fields.left(), "state")? });
        }
        let at = self.time + Span(fields.varint("time")?);
        let hash = match kind {
            STEP => Some(u64::from_le_bytes(fields.array("hash")?)),
            UNFINISHED => None,
            other => return Err(codec::DecodeError::BadValue("kind", other.into())),
        };
        Ok(Frame::Step { at, input: fields.take(fields.left(), "input")?, hash })
    }
}
