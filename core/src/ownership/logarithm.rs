//! The binary logarithm in whole numbers, because an owner must be the same on every machine.

/// Bits behind the point: with the 16 before it a number fills a word (Q16.48).
pub const FRACTION_BITS: u32 = 48;

const TABLE_BITS: u32 = 8;

/// `log2(1 + i / 256)` for i = 0 to 256, with [`FRACTION_BITS`] behind the point, cut off.
const TABLE: [u64; (1 << TABLE_BITS) + 1] = table();

const fn table() -> [u64; (1 << TABLE_BITS) + 1] {
    let mut table = [0; (1 << TABLE_BITS) + 1];
    let mut at = 0;
    while at < 1 << TABLE_BITS {
        table[at] = mantissa_log2((1 << 63) | ((at as u64) << (63 - TABLE_BITS)));
        at += 1;
    }
    table[1 << TABLE_BITS] = 1 << FRACTION_BITS;
    table
}

/// The logarithm of a number from 1 to below 2, given as a fraction of 2^63, a bit at a time: squaring doubles
/// the logarithm, and a square of 2 or more shows the next bit.
const fn mantissa_log2(mantissa: u64) -> u64 {
    let (mut value, mut log, mut bit) = (mantissa, 0, 0);
    while bit < FRACTION_BITS {
        let square = (value as u128) * (value as u128);
        let doubles = square >> 127 == 1;
        value = (square >> if doubles { 64 } else { 63 }) as u64;
        log = (log << 1) | doubles as u64;
        bit += 1;
    }
    log
}

/// `log2(value)` with [`FRACTION_BITS`] behind the point, 0 for 0. Between the values of a table of 257 it is a
/// straight line: it rises with `value` everywhere, and is too small by less than 3e-6.
#[must_use]
pub const fn log2(value: u64) -> u64 {
    if value == 0 {
        return 0;
    }
    let whole = value.ilog2();
    let mantissa = value << (63 - whole);
    let at = ((mantissa << 1) >> (64 - TABLE_BITS)) as usize;
    let between = (mantissa << (1 + TABLE_BITS)) as u128;
    let (low, high) = (TABLE[at], TABLE[at + 1]);
    let above = (((high - low) as u128 * between) >> 64) as u64;
    ((whole as u64) << FRACTION_BITS) + low + above
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_are_exact() {
        for power in 0..64_u32 {
            assert_eq!(log2(1 << power), u64::from(power) << FRACTION_BITS);
        }
    }

    #[test]
    fn the_logarithm_keeps_its_published_values() {
        let vectors = [
            (0, 0),
            (1, 0),
            (3, 446_127_282_977_750),
            (10, 935_039_633_142_894),
            (1_000_003, 5_610_238_844_509_596),
            (0x0123_4567_89AB_CDEF, 15_815_014_158_224_988),
            (u64::MAX, 18_014_398_509_481_983),
        ];
        for (value, log) in vectors {
            assert_eq!(log2(value), log, "log2({value})");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(81),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn it_is_the_logarithm_to_five_digits_and_never_above(value in 1_u64..) {
            let exact = (value as f64).log2();
            let ours = log2(value) as f64 / (1_u64 << FRACTION_BITS) as f64;
            prop_assert!(ours <= exact + 1e-9 && exact - ours < 3e-6, "{} for {}", ours, exact);
        }

        #[test]
        fn it_never_falls(a in any::<u64>(), b in any::<u64>(), step in 0_u64..1_000) {
            prop_assert!(log2(a.min(b)) <= log2(a.max(b)));
            prop_assert!(log2(a) <= log2(a.saturating_add(step)));
        }
    }
}
