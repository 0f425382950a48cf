use super::*;
use heck_core::rng::{Seed, Stream};
use proptest::prelude::*;

fn uniform(stream: &mut Stream) -> f64 {
    (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[test]
fn quantiles_are_those_of_r_type_7() {
    let sample = Sample::new([40.0, 10.0, 30.0, 20.0]);
    assert_eq!(sample.median(), 25.0);
    assert_eq!(sample.quantile(0.25), 17.5);
    assert_eq!(sample.quantile(0.9), 37.0);
    assert_eq!((sample.quantile(0.0), sample.quantile(1.0)), (10.0, 40.0));
}

#[test]
fn a_seed_that_never_gets_there_is_counted_and_never_dropped() {
    let sample = Sample::new([1.0, f64::INFINITY, 2.0, 3.0, f64::NAN]);
    assert_eq!((sample.count(), sample.censored()), (5, 2));
    assert_eq!(sample.median(), 3.0);
    assert_eq!(sample.quantile(0.75), f64::INFINITY);
    assert_eq!(sample.quantile(0.6), f64::INFINITY);
    assert_eq!(sample.mean(), f64::INFINITY);
    assert_eq!(sample.mean_interval(), Interval { low: f64::INFINITY, high: f64::INFINITY });
    assert_eq!(Sample::default().median(), f64::INFINITY);
}

#[test]
fn median_intervals_use_the_published_ranks() {
    // Ranks (l, u) for a 95 % interval of the median, as tabulated by Conover (sign test): n = 10: 2 and 9,
    // n = 20: 6 and 15, n = 50: 18 and 33.
    for (n, low, high) in [(6, 1, 6), (10, 2, 9), (20, 6, 15), (50, 18, 33)] {
        let sample = Sample::new((1..=n).map(f64::from));
        let interval = sample.quantile_interval(0.5);
        assert_eq!((interval.low, interval.high), (f64::from(low), f64::from(high)), "n = {n}");
    }
    let few = Sample::new([1.0, 2.0, 3.0, 4.0, 5.0]).quantile_interval(0.5);
    assert_eq!((few.low, few.high), (f64::NEG_INFINITY, f64::INFINITY));
}

#[test]
fn quantile_intervals_cover_at_least_95_percent() {
    let mut stream = Stream::new(Seed(11), 0);
    let mut covered = 0;
    for _ in 0..4_000 {
        let interval = Sample::new((0..20).map(|_| uniform(&mut stream))).quantile_interval(0.5);
        covered += u32::from(interval.low <= 0.5 && 0.5 <= interval.high);
    }
    // Exactly 0.9586 in theory; 4,000 trials have a deviation of 0.3 %.
    assert!((3_790..3_880).contains(&covered), "{covered}");
}

#[test]
fn mean_intervals_cover_95_percent_of_a_normal_like_sample() {
    let mut stream = Stream::new(Seed(12), 0);
    let mut covered = 0;
    for _ in 0..4_000 {
        let sample = Sample::new((0..8).map(|_| (0..12).map(|_| uniform(&mut stream)).sum::<f64>() - 6.0));
        let interval = sample.mean_interval();
        covered += u32::from(interval.low <= 0.0 && 0.0 <= interval.high);
    }
    assert!((3_750..3_850).contains(&covered), "{covered}");
}

#[test]
fn student_t_agrees_with_published_tables() {
    let table = [(1, 12.706), (2, 4.303), (4, 2.776), (5, 2.571), (9, 2.262), (19, 2.093), (29, 2.045)];
    for (freedom, value) in table {
        assert!((student_t(freedom) - value).abs() < 0.001, "{freedom}: {}", student_t(freedom));
    }
    assert!((student_t(1_000_000) - 1.959_966).abs() < 1e-5);
}

#[test]
fn none_of_n_is_bounded_by_three_over_n() {
    assert!((zero_of_n_bound(20) - 0.139_108).abs() < 1e-6);
    assert!((zero_of_n_bound(1_000_000) * 1e6 - 2.995_73).abs() < 1e-4);
    assert!(zero_of_n_bound(20) < 3.0 / 20.0);
    assert_eq!(zero_of_n_bound(0), 1.0);
}

#[test]
fn binomial_terms_sum_to_one_for_large_samples() {
    let cumulative = binomial_cumulative(5_000, 0.05);
    assert!((cumulative[5_000] - 1.0).abs() < 1e-9);
    assert!((cumulative[250] - 0.516_8).abs() < 1e-3, "{}", cumulative[250]);
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![9 => 0.0..1e6, 1 => Just(f64::INFINITY)];
    proptest::collection::vec(value, 1..60)
}

proptest! {
    #[test]
    fn quantiles_rise_with_q_and_stay_inside_the_sample(values in values(), a in 0.0..=1.0, b in 0.0..=1.0) {
        let sample = Sample::new(values.iter().copied());
        let (low, high) = (f64::min(a, b), f64::max(a, b));
        prop_assert!(sample.quantile(low) <= sample.quantile(high));
        prop_assert!(sample.quantile(0.0) <= sample.quantile(low));
        prop_assert!(sample.quantile(high) <= sample.quantile(1.0));
    }

    #[test]
    fn order_of_the_seeds_does_not_matter(values in values()) {
        let backwards = Sample::new(values.iter().rev().copied());
        prop_assert_eq!(Sample::new(values), backwards);
    }

    #[test]
    fn an_interval_holds_its_quantile(values in values(), q in 0.05..0.95) {
        let sample = Sample::new(values);
        let interval = sample.quantile_interval(q);
        prop_assert!(interval.low <= sample.quantile(q) && sample.quantile(q) <= interval.high);
    }

    #[test]
    fn replacing_a_value_by_never_makes_nothing_better(values in values(), place in 0_usize..60) {
        let mut worse = values.clone();
        let place = place % worse.len();
        worse[place] = f64::INFINITY;
        let (before, after) = (Sample::new(values), Sample::new(worse));
        for q in [0.05, 0.25, 0.5, 0.75, 0.95, 1.0] {
            prop_assert!(before.quantile(q) <= after.quantile(q));
        }
        prop_assert!(before.censored() <= after.censored() && after.mean() == f64::INFINITY);
    }
}
