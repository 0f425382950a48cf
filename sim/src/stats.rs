//! Statistics over seeds that stay honest when some seeds never get there.
//!
//! A seed that never reaches what is measured is an observation of +∞, not a missing value: it counts in every
//! quantile, and it makes a mean infinite. Nothing here drops it.

/// Two-sided confidence of every interval in this module.
pub const CONFIDENCE: f64 = 0.95;

/// A closed interval; an end that the sample is too small to bound is infinite.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// Lower end, −∞ if the sample does not bound it.
    pub low: f64,
    /// Upper end, +∞ if the sample does not bound it or the bound is a seed that never got there.
    pub high: f64,
}

/// One value per seed, sorted; +∞ stands for "never".
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sample {
    sorted: Vec<f64>,
}

impl Sample {
    /// A sample of these values, in any order. NaN counts as "never" (+∞): a value that could not be computed
    /// must not make a result look better.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> =
            values.into_iter().map(|value| if value.is_nan() { f64::INFINITY } else { value }).collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }

    /// How many seeds there are, those that never got there included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// How many seeds never got there.
    #[must_use]
    pub fn censored(&self) -> usize {
        self.sorted.iter().rev().take_while(|value| **value == f64::INFINITY).count()
    }

    /// The quantile at `q` in 0..=1 by Hyndman and Fan's type 7 (linear between order statistics, the default
    /// of R and NumPy); +∞ as soon as a seed that never got there has a weight in it. An empty sample gives +∞.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let Some(last) = self.sorted.len().checked_sub(1) else { return f64::INFINITY };
        let place = q.clamp(0.0, 1.0) * last as f64;
        let below = place as usize;
        let weight = place - below as f64;
        let low = self.sorted[below];
        if weight == 0.0 || below == last {
            return low;
        }
        let high = self.sorted[below + 1];
        // Equal neighbours are returned as they are: ∞ − ∞ is not a number, and x + w·0 may round.
        if low == high || high == f64::INFINITY { high } else { low + weight * (high - low) }
    }

    /// The quantile at one half.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// A distribution-free 95 % confidence interval of the quantile at `q`, from two order statistics (Hahn and
    /// Meeker, *Statistical Intervals*, 5.2): each tail misses with at most 2.5 %. Ends that so few seeds cannot
    /// bound are infinite; a median needs six seeds.
    #[must_use]
    pub fn quantile_interval(&self, q: f64) -> Interval {
        let n = self.sorted.len();
        let tail = (1.0 - CONFIDENCE) / 2.0;
        let cumulative = binomial_cumulative(n, q);
        // The low end is X(l) with P(B <= l − 1) <= tail, the high end X(u) with P(B >= u) <= tail, for
        // B ~ Bin(n, q) the number of seeds below the true quantile.
        let low = cumulative.iter().take_while(|below| **below <= tail).count();
        let high = (1..=n).find(|&rank| 1.0 - cumulative[rank - 1] <= tail);
        Interval {
            low: if low == 0 { f64::NEG_INFINITY } else { self.sorted[low - 1] },
            high: high.map_or(f64::INFINITY, |rank| self.sorted[rank - 1]),
        }
    }

    /// The mean; +∞ when any seed never got there, and for an empty sample.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.sorted.is_empty() {
            return f64::INFINITY;
        }
        self.sorted.iter().sum::<f64>() / self.sorted.len() as f64
    }

    /// The sample standard deviation (n − 1); +∞ when a seed never got there, and below two values.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        let n = self.sorted.len();
        if n < 2 || self.censored() > 0 {
            return f64::INFINITY;
        }
        let mean = self.mean();
        let squares: f64 = self.sorted.iter().map(|value| (value - mean) * (value - mean)).sum();
        (squares / (n - 1) as f64).sqrt()
    }

    /// Student's 95 % confidence interval of the mean, without bounds below two values. With a seed that never
    /// got there the mean is infinite, and so are both ends: [`Sample::censored`] says why.
    #[must_use]
    pub fn mean_interval(&self) -> Interval {
        let n = self.sorted.len();
        if self.censored() > 0 {
            return Interval { low: f64::INFINITY, high: f64::INFINITY };
        }
        if n < 2 {
            return Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
        }
        let half = student_t(n - 1) * self.deviation() / (n as f64).sqrt();
        Interval { low: self.mean() - half, high: self.mean() + half }
    }
}

/// The 97.5 % quantile of Student's t with `freedom` degrees of freedom (at least 1): tabulated up to 4, then by
/// the expansion in 1/ν of Abramowitz and Stegun 26.7.5, which is off by less than 0.0003.
#[must_use]
pub fn student_t(freedom: usize) -> f64 {
    const TABLE: [f64; 4] = [12.706_204_736_4, 4.302_652_729_7, 3.182_446_305_3, 2.776_445_105_2];
    const Z: f64 = 1.959_963_984_540_054;
    if let Some(&value) = TABLE.get(freedom.max(1) - 1) {
        return value;
    }
    let (v, z2) = (freedom as f64, Z * Z);
    let first = Z * (z2 + 1.0) / 4.0;
    let second = Z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    let third = Z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    let fourth = Z * ((((79.0 * z2 + 776.0) * z2 + 1482.0) * z2 - 1920.0) * z2 - 945.0) / 92_160.0;
    Z + (first + (second + (third + fourth / v) / v) / v) / v
}

/// When none of `n` independent trials failed: the greatest failure probability that is still compatible with it
/// at 95 %, exactly 1 − 0.05^(1/n) (for large n about 3/n, the "rule of three"). No trials say nothing: 1.
#[must_use]
pub fn zero_of_n_bound(n: u64) -> f64 {
    if n == 0 { 1.0 } else { -libm::expm1(libm::log(1.0 - CONFIDENCE) / n as f64) }
}

/// P(B <= k) for k in 0..=n and B ~ Bin(n, q), each term by logarithms so that large n does not underflow.
fn binomial_cumulative(n: usize, q: f64) -> Vec<f64> {
    if q <= 0.0 || q >= 1.0 {
        let first = if q <= 0.0 { 0 } else { n };
        return (0..=n).map(|k| if k < first { 0.0 } else { 1.0 }).collect();
    }
    let (count, log_q, log_rest) = (n as f64, libm::log(q), libm::log1p(-q));
    let mut log_choose = 0.0;
    let mut sum = 0.0;
    let mut cumulative = Vec::with_capacity(n + 1);
    for k in 0..=n {
        let kf = k as f64;
        sum += libm::exp(log_choose + kf * log_q + (count - kf) * log_rest);
        cumulative.push(sum.min(1.0));
        log_choose += libm::log((count - kf) / (kf + 1.0));
    }
    cumulative
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
