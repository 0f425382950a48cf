//! How much it means that a member does not answer.
//!
//! Loss is not death. Two hypotheses are weighed for each suspect as in Wald's sequential test (1945): it answers
//! as often as peers here usually do, q, or only a quarter as often. Each attempt that fails adds
//! log2((1 - q/4) / (1 - q)) bits, each that is answered takes two. A dead member collects bits at any loss, only
//! slower where much is lost; a healthy one loses them on the mean, whatever the loss, as long as it is lost for all
//! alike; one that is far worse than the rest is found out although it answers now and then.

/// Parts of a bit.
pub const BIT: i32 = 256;

/// The share of exchanges that get through between this node and all its peers: what is usual here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Baseline {
    /// In parts of 65,536.
    share: u32,
    seen: u32,
}

const ONE: u32 = 1 << 16;
/// Exchanges that count: enough that chance alone does not double the estimate at 75 % of lost exchanges.
const MEMORY: u32 = 128;
/// What a node assumes at first, as if it had seen so many exchanges: haste costs more than patience.
const PRIOR: Baseline = Baseline { share: ONE / 2, seen: 4 };

/// By so many standard deviations of what was seen, less those of what will be, the share is held lower at first.
const DEVIATIONS: u64 = 2;

/// log2((1 - q/4) / (1 - q)) in parts of [`BIT`], for q = 0/16 to 15/16.
const MISS: [i32; 16] = [0, 18, 38, 59, 82, 108, 137, 170, 207, 249, 300, 360, 435, 534, 677, 925];
/// And above: a network never loses so little that one miss is proof.
const CERTAIN: i32 = 1_100;

impl Baseline {
    /// Nothing measured yet.
    #[must_use]
    pub const fn new() -> Self {
        PRIOR
    }

    /// Notes whether a peer answered.
    pub const fn note(&mut self, answered: bool) {
        if self.seen < MEMORY {
            self.seen += 1;
        }
        let (outcome, seen) = (if answered { ONE as u64 } else { 0 }, self.seen as u64);
        self.share = ((self.share as u64 * (seen - 1) + outcome) / seen) as u32;
    }

    /// The share of exchanges that get through, in parts of 65,536.
    #[must_use]
    pub const fn share(&self) -> u32 {
        self.share
    }

    /// The share, less what it may be too high by chance as long as less was seen than is remembered: an observer that
    /// takes loss for silence by its own few good rounds finds evidence against everyone.
    fn cautious_share(&self) -> u32 {
        let share = u64::from(self.share);
        let deviation = |seen: u32| (share * (u64::from(ONE) - share) / u64::from(seen)).isqrt();
        let excess = DEVIATIONS * (deviation(self.seen) - deviation(MEMORY));
        self.share.saturating_sub(excess as u32)
    }

    /// What one attempt without an answer is worth.
    #[must_use]
    pub fn miss(&self) -> i32 {
        let share = self.cautious_share();
        // Below 1/16 hardly anything gets through, and silence says next to nothing.
        let place = (share >> 12).max(1) as usize;
        let Some(&low) = MISS.get(place) else { return CERTAIN };
        let high = MISS.get(place + 1).copied().unwrap_or(CERTAIN);
        low + (high - low) * (share & 0xFFF) as i32 / 0x1000
    }

    /// What these attempts are worth.
    #[must_use]
    pub fn weigh(&self, tried: u32, answered: u32) -> i32 {
        let (missed, answered) = (tried.saturating_sub(answered) as i32, answered as i32);
        self.miss().saturating_mul(missed) - 2 * BIT * answered
    }
}

impl Default for Baseline {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_are_worth_what_the_formula_says() {
        for (place, &held) in MISS.iter().enumerate() {
            let q = place as f64 / 16.0;
            let bits = ((1.0 - q / 4.0) / (1.0 - q)).log2() * f64::from(BIT);
            assert!((bits - f64::from(held)).abs() <= 0.5, "{q}: {bits}, not {held}");
        }
    }

    #[test]
    fn equal_loss_wears_a_suspicion_away_and_death_feeds_it() {
        for (seed, lossless) in [(1, 4), (2, 8), (3, 15), (4, 16)] {
            // So many exchanges in 16 get through.
            let mut rng = crate::rng::Stream::new(crate::rng::Seed(seed), 0);
            let mut baseline = Baseline::new();
            (0..2_000).for_each(|_| baseline.note(rng.below(16) < lossless));
            let answered = (0..1_000).filter(|_| rng.below(16) < lossless).count() as u32;
            assert!(baseline.weigh(1_000, answered) < 0, "{lossless} of 16");
            assert!(baseline.weigh(110, 0) > 27 * BIT, "{lossless} of 16: {baseline:?}");
        }
    }

    #[test]
    fn a_member_far_worse_than_the_rest_is_found_out_although_it_answers() {
        let mut baseline = Baseline::new();
        (0..500).for_each(|n| baseline.note(n % 50 > 0));
        assert!(baseline.weigh(20, 4) > 27 * BIT, "four of five lost where all else gets through");
        assert!(baseline.weigh(20, 15) < 0);
    }

    #[test]
    fn a_few_lucky_rounds_are_no_ground_to_hold_others_dead() {
        // Of 24 rounds twelve got through, where it is a quarter in the long run: one chance in a hundred.
        let mut lucky = Baseline::new();
        (0..24).for_each(|n| lucky.note(n % 2 == 0));
        assert!(lucky.share() > ONE * 7 / 16, "{lucky:?}");
        assert!(lucky.weigh(100, 25) < 8 * BIT, "equal loss, taken for silence");
        // What is measured is believed in the end, and where nothing is lost there is no doubt about it.
        let mut settled = lucky;
        (0..1_000).for_each(|n| settled.note(n % 2 == 0));
        assert_eq!(settled.cautious_share(), settled.share());
        let mut lossless = Baseline::new();
        (0..24).for_each(|_| lossless.note(true));
        assert!(lossless.miss() > 2 * BIT, "{lossless:?}");
    }

    #[test]
    fn an_isolated_node_learns_that_silence_says_nothing() {
        let mut baseline = Baseline::new();
        (0..2_000).for_each(|_| baseline.note(false));
        assert!(baseline.weigh(100, 0) < 9 * BIT);
    }
}
