//! The two hashes of the protocol: xxh3-64 for names, a cheap mixer for fingerprints.

use xxhash_rust::xxh3::xxh3_64;

/// xxh3-64 of `bytes` with seed 0; the same on every machine and in every version of heck.
#[must_use]
pub fn name_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Mixes one word into another (the finaliser of SplitMix64, Steele et al. 2014). Used for fingerprints, which
/// are compared between nodes that already share a key; it does not resist an adversary who chooses inputs.
#[must_use]
pub const fn mix(seed: u64, word: u64) -> u64 {
    let mut z = seed ^ word.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_hash_is_xxh3_64_with_its_published_vector_for_the_empty_input() {
        assert_eq!(name_hash(b""), 0x2D06_8005_38D3_94C2);
    }

    #[test]
    fn mix_spreads_single_bit_changes() {
        let base = mix(1, 2);
        for bit in 0..64 {
            let changed = (mix(1, 2 ^ (1 << bit)) ^ base).count_ones();
            assert!((12..=52).contains(&changed), "bit {bit}: {changed} bits changed");
        }
    }
}
