//! Arrays of words in a checkpoint: serde itself knows arrays of up to 32 elements alone.

use alloc::vec::Vec;
use core::borrow::Borrow;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize as _, Serializer};

/// Writes the words with their number before them.
pub fn serialize<A: Borrow<[u64; N]>, S: Serializer, const N: usize>(
    words: &A,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    words.borrow().as_slice().serialize(serializer)
}

/// Reads exactly as many words as the array has.
pub fn deserialize<'de, A: From<[u64; N]>, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<A, D::Error> {
    let words = Vec::<u64>::deserialize(deserializer)?;
    let words: [u64; N] =
        words.try_into().map_err(|words: Vec<u64>| D::Error::invalid_length(words.len(), &"all words"))?;
    Ok(words.into())
}
