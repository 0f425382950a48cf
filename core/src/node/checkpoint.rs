//! The whole state of a node as bytes, and a node from them that goes on exactly as that one would have.

use super::Node;
use alloc::vec::Vec;
use core::fmt;

/// The layout of [`Node::checkpoint`]: raised whenever anything of a node's state changes its shape, so that bytes of
/// another layout are refused instead of misread.
pub const CHECKPOINT_LAYOUT: u32 = 4;

/// Why bytes are no checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckpointError(postcard::Error);

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the checkpoint cannot be read: {}", self.0)
    }
}

impl core::error::Error for CheckpointError {}

impl Node {
    /// The whole state, in the layout [`CHECKPOINT_LAYOUT`]: keys, values, messages and targets of origins as they are,
    /// and nothing of what seals gossip, which the core does not know. Equal nodes have equal bytes.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("no map, list or text of a node has an unknown length")
    }

    /// A node that goes on exactly as the one did of which this is the checkpoint. Planted bugs are left out.
    ///
    /// Bytes are expected to be a checkpoint: what cannot be read is refused, but a node that somebody made up may
    /// contradict itself, and panic when it is stepped.
    ///
    /// # Errors
    /// When the bytes are no checkpoint of this layout.
    pub fn from_checkpoint(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (node, rest) = postcard::take_from_bytes(bytes).map_err(CheckpointError)?;
        if rest.is_empty() { Ok(node) } else { Err(CheckpointError(postcard::Error::DeserializeBadEncoding)) }
    }
}
