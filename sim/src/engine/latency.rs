//! How long a datagram or a disk write takes: distributions, drawn by inversion from one random word.
//!
//! Inversion maps a smaller word to a smaller latency, so runs with the same seed and different distributions
//! stay paired. Logarithms and exponentials are software (`libm`): every machine draws the same microseconds.

/// A distribution of latencies in whole microseconds.
#[derive(Clone, PartialEq, Debug)]
pub enum Latency {
    /// Always the same.
    Constant {
        /// The latency.
        us: u64,
    },
    /// Every value in the range is equally likely.
    Uniform {
        /// The least.
        min_us: u64,
        /// The greatest.
        max_us: u64,
    },
    /// A normal distribution, cut off on both sides and rescaled (no mass gathers at the edges).
    Normal(Normal),
    /// `shift + e^(normal)`: the usual shape of network latency, a floor and a long right tail.
    LogNormal {
        /// The floor.
        shift_us: u64,
        /// The median above the floor.
        median_us: f64,
        /// The standard deviation of the logarithm; 0.1 is tight, 1 is wild.
        sigma: f64,
        /// The least latency; what lies below takes this long.
        min_us: u64,
        /// The greatest latency; what lies above takes this long.
        max_us: u64,
    },
    /// A floor and an exponentially distributed wait above it.
    Exponential {
        /// The floor.
        min_us: u64,
        /// The mean of the wait.
        mean_us: f64,
    },
    /// Measured quantiles, evenly spaced from the least to the greatest, linear in between. Never empty.
    Table(Table),
}

/// A truncated normal distribution; see [`Latency::normal`].
#[derive(Clone, PartialEq, Debug)]
pub struct Normal {
    mean_us: f64,
    deviation_us: f64,
    min_us: u64,
    max_us: u64,
    /// The cumulative probabilities of both bounds.
    below_min: f64,
    below_max: f64,
}

/// Quantiles of a measured distribution; see [`Latency::table`].
#[derive(Clone, PartialEq, Debug)]
pub struct Table(Vec<u64>);

impl Latency {
    /// A normal distribution cut to `min_us..=max_us`.
    ///
    /// # Errors
    /// When a number is not finite, the deviation is not positive, the range is empty, or it lies so far from
    /// the mean that it has no probability.
    pub fn normal(mean_us: f64, deviation_us: f64, min_us: u64, max_us: u64) -> Result<Self, String> {
        if !(mean_us.is_finite() && deviation_us.is_finite() && deviation_us > 0.0) {
            return Err(format!(
                "a normal latency needs a finite mean and a positive deviation, not {mean_us} and {deviation_us}"
            ));
        }
        let below = |us: u64| normal_cumulative((us as f64 - mean_us) / deviation_us);
        let (below_min, below_max) = (below(min_us), below(max_us));
        if min_us > max_us || below_max - below_min < 1e-9 {
            return Err(format!(
                "a normal latency of {mean_us} ± {deviation_us} µs has no values in {min_us}..={max_us} µs"
            ));
        }
        Ok(Self::Normal(Normal { mean_us, deviation_us, min_us, max_us, below_min, below_max }))
    }

    /// Quantiles evenly spaced from the least to the greatest, in ascending order.
    ///
    /// # Errors
    /// When there are none or they descend.
    pub fn table(quantiles_us: Vec<u64>) -> Result<Self, String> {
        if quantiles_us.is_empty() || !quantiles_us.is_sorted() {
            return Err(format!("a latency table needs ascending quantiles, not {quantiles_us:?}"));
        }
        Ok(Self::Table(Table(quantiles_us)))
    }

    /// The latency for 32 random bits.
    #[must_use]
    #[inline]
    pub fn sample_us(&self, word: u32) -> u64 {
        match self {
            Self::Constant { us } => *us,
            Self::Uniform { min_us, max_us } => {
                let span = u128::from(max_us.saturating_sub(*min_us)) + 1;
                min_us + ((span * u128::from(word)) >> 32) as u64
            }
            _ => self.sample_shaped_us(word),
        }
    }

    fn sample_shaped_us(&self, word: u32) -> u64 {
        // The middle of the word's 2⁻³² of probability: never 0, never 1.
        let probability = (f64::from(word) + 0.5) / 4_294_967_296.0;
        match self {
            Self::Constant { us } => *us,
            Self::Uniform { min_us, .. } => *min_us,
            Self::Normal(Normal { mean_us, deviation_us, min_us, max_us, below_min, below_max }) => {
                let z = normal_quantile(below_min + probability * (below_max - below_min));
                ((mean_us + deviation_us * z + 0.5) as u64).clamp(*min_us, *max_us)
            }
            Self::LogNormal { shift_us, median_us, sigma, min_us, max_us } => {
                let above_us = median_us * libm::exp(sigma * normal_quantile(probability));
                shift_us.saturating_add((above_us + 0.5) as u64).max(*min_us).min(*max_us)
            }
            Self::Exponential { min_us, mean_us } => {
                min_us.saturating_add((-mean_us * libm::log(1.0 - probability) + 0.5) as u64)
            }
            Self::Table(Table(quantiles)) => {
                let place = probability * (quantiles.len() - 1) as f64;
                let index = place as usize;
                let low = quantiles[index];
                let high = quantiles.get(index + 1).copied().unwrap_or(low);
                low + ((high - low) as f64 * (place - index as f64) + 0.5) as u64
            }
        }
    }
}

/// The cumulative distribution function of the standard normal distribution.
fn normal_cumulative(z: f64) -> f64 {
    0.5 * libm::erfc(-z * core::f64::consts::FRAC_1_SQRT_2)
}

/// Its inverse, for probabilities strictly between 0 and 1: algorithm AS 241, PPND16 (Wichura 1988), exact to
/// about one part in 10¹⁶. Beyond 2⁻³³ from either end, where no draw leads, the tail is cut.
fn normal_quantile(probability: f64) -> f64 {
    const CENTRE: [[f64; 8]; 2] = [
        [
            3.387_132_872_796_366_6,
            133.141_667_891_784_38,
            1_971.590_950_306_551_3,
            13_731.693_765_509_46,
            45_921.953_931_549_87,
            67_265.770_927_008_7,
            33_430.575_583_588_13,
            2_509.080_928_730_122_7,
        ],
        [
            1.0,
            42.313_330_701_600_91,
            687.187_007_492_057_9,
            5_394.196_021_424_751,
            21_213.794_301_586_597,
            39_307.895_800_092_71,
            28_729.085_735_721_943,
            5_226.495_278_852_854,
        ],
    ];
    const TAIL: [[f64; 8]; 2] = [
        [
            1.423_437_110_749_683_5,
            4.630_337_846_156_546,
            5.769_497_221_460_691,
            3.647_848_324_763_204_5,
            1.270_458_252_452_368_4,
            0.241_780_725_177_450_6,
            0.022_723_844_989_269_184,
            0.000_774_545_014_278_341_4,
        ],
        [
            1.0,
            2.053_191_626_637_759,
            1.676_384_830_183_803_8,
            0.689_767_334_985_1,
            0.148_103_976_427_480_08,
            0.015_198_666_563_616_457,
            0.000_547_593_808_499_534_5,
            1.050_750_071_644_416_9e-9,
        ],
    ];
    let from_middle = probability - 0.5;
    if from_middle.abs() <= 0.425 {
        return from_middle * rational(&CENTRE, 0.180_625 - from_middle * from_middle);
    }
    let outside = if from_middle < 0.0 { probability } else { 1.0 - probability };
    let distance = libm::sqrt(-libm::log(outside.max(1.0 / 8_589_934_592.0)));
    rational(&TAIL, distance - 1.6).copysign(from_middle)
}

fn rational([numerator, denominator]: &[[f64; 8]; 2], x: f64) -> f64 {
    let polynomial = |coefficients: &[f64; 8]| coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c);
    polynomial(numerator) / polynomial(denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation over evenly spread words.
    fn moments(latency: &Latency) -> (f64, f64) {
        let samples: Vec<f64> =
            (0..1 << 16).map(|n: u32| latency.sample_us((n << 16) | 0x8000) as f64).collect();
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        let variance = samples.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / samples.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn the_normal_quantile_inverts_the_cumulative_distribution() {
        for n in 1..2000 {
            let probability = f64::from(n) / 2000.0;
            let error = normal_cumulative(normal_quantile(probability)) - probability;
            assert!(error.abs() < 1e-14, "{probability}: {error}");
        }
        for bits in 1..=32 {
            let probability = libm::exp2(-f64::from(bits));
            let ratio = normal_cumulative(normal_quantile(probability)) / probability;
            assert!((ratio - 1.0).abs() < 1e-12, "2^-{bits}: {ratio}");
        }
    }

    #[test]
    fn a_uniform_latency_reaches_both_ends() {
        let latency = Latency::Uniform { min_us: 10, max_us: 12 };
        assert_eq!(latency.sample_us(0), 10);
        assert_eq!(latency.sample_us(u32::MAX), 12);
        assert_eq!(latency.sample_us(1 << 31), 11);
        assert_eq!(Latency::Uniform { min_us: 0, max_us: u64::MAX }.sample_us(1 << 31), 1 << 63);
    }

    #[test]
    fn normal_and_lognormal_have_their_textbook_moments() {
        let (mean, deviation) = moments(&Latency::normal(50_000.0, 5_000.0, 0, 1_000_000).unwrap());
        assert!((mean - 50_000.0).abs() < 5.0 && (deviation - 5_000.0).abs() < 5.0, "{mean} {deviation}");
        let (shift_us, median_us, sigma) = (20_000, 10_000.0, 0.5_f64);
        let latency = Latency::LogNormal { shift_us, median_us, sigma, min_us: 0, max_us: 10_000_000 };
        let (mean, deviation) = moments(&latency);
        let half = libm::exp(sigma * sigma / 2.0);
        let expected = 20_000.0 + 10_000.0 * half;
        let expected_deviation = 10_000.0 * half * (half * half - 1.0).sqrt();
        assert!((mean / expected - 1.0).abs() < 0.001, "{mean} {expected}");
        assert!((deviation / expected_deviation - 1.0).abs() < 0.01, "{deviation} {expected_deviation}");
        assert_eq!(latency.sample_us(1 << 31), 30_000, "the median");
    }

    #[test]
    fn an_exponential_wait_has_its_mean_and_the_bounds_of_a_lognormal_hold() {
        let (mean, deviation) = moments(&Latency::Exponential { min_us: 1_000, mean_us: 20_000.0 });
        assert!((mean - 21_000.0).abs() < 10.0 && (deviation - 20_000.0).abs() < 20.0, "{mean} {deviation}");
        let (median_us, sigma) = (10_000.0, 2.0);
        let latency = Latency::LogNormal { shift_us: 0, median_us, sigma, min_us: 9_000, max_us: 12_000 };
        assert_eq!((latency.sample_us(0), latency.sample_us(u32::MAX)), (9_000, 12_000));
    }

    #[test]
    fn a_truncated_normal_stays_inside_without_piling_up_at_the_edges() {
        let latency = Latency::normal(1_000.0, 1_000.0, 500, 1_500).unwrap();
        let samples: Vec<u64> = (0..10_000_u32).map(|n| latency.sample_us(n * 429_496)).collect();
        assert!(samples.iter().all(|us| (500..=1_500).contains(us)));
        assert!(samples.iter().filter(|&&us| us == 500).count() < 20);
    }

    #[test]
    fn a_table_is_linear_between_its_quantiles() {
        let latency = Latency::table(vec![100, 200, 1_000]).unwrap();
        assert_eq!(latency.sample_us(0), 100);
        assert_eq!(latency.sample_us(1 << 30), 150);
        assert_eq!(latency.sample_us(3 << 30), 600);
        assert_eq!(latency.sample_us(u32::MAX), 1_000);
        assert_eq!(Latency::table(vec![7]).unwrap().sample_us(5), 7);
    }

    #[test]
    fn impossible_distributions_are_refused() {
        assert!(Latency::normal(1.0, 0.0, 0, 10).is_err());
        assert!(Latency::normal(f64::NAN, 1.0, 0, 10).is_err());
        assert!(Latency::normal(1e9, 1.0, 0, 10).is_err());
        assert!(Latency::normal(5.0, 1.0, 10, 0).is_err());
        assert!(Latency::table(vec![]).is_err());
        assert!(Latency::table(vec![2, 1]).is_err());
    }
}
