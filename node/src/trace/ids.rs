//! Identities of traces and spans: as good as random, and without asking the system for each.

use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Makes identities. None is zero, which stands for "none" in traces.
#[derive(Debug)]
pub(super) struct Ids {
    seed: [u8; 16],
    next: AtomicU64,
}

impl Ids {
    pub(super) const fn new(seed: [u8; 16]) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }

    fn draw(&self) -> [u8; 24] {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.seed);
        bytes[16..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    pub(super) fn trace(&self) -> u128 {
        xxh3_128(&self.draw()).max(1)
    }

    pub(super) fn span(&self) -> u64 {
        xxh3_64(&self.draw()).max(1)
    }
}
