//! How far a measured value can be trusted: of how many observations it is, and what these leave possible at 95 %.

use crate::stats::{CONFIDENCE, Interval, Sample, zero_of_n_bound};

/// What a count of rare events over so many node-hours says of their rate.
pub fn of_rate(count: u64, node_hours: f64) -> String {
    if node_hours <= 0.0 {
        return String::new();
    }
    let hours = grouped(node_hours);
    if count > 0 {
        return format!("in {hours} node-hours, {} per node-hour", short(count as f64 / node_hours));
    }
    // Of a Poisson process that shows nothing: exp(−rate × hours) = 5 %.
    let most = -libm::log(1.0 - CONFIDENCE) / node_hours;
    format!("in {hours} node-hours; less than {} per node-hour", short(most))
}

/// What it says of all such `things` that none or some of `n` are beyond a limit. Those of one run are no independent witnesses, so
/// `n` counts runs or what happens in them once, whatever `observed` says of how often each was looked at.
pub fn of_all(beyond: u64, n: u64, things: &str, observed: Option<u64>) -> String {
    let seen = observed.map(|count| format!(", {} observations", grouped(count as f64))).unwrap_or_default();
    let of = format!("of {} {things}{seen}", grouped(n as f64));
    if beyond > 0 || n == 0 {
        return of;
    }
    format!("{of}; less than {} % of all", short(zero_of_n_bound(n) * 100.0))
}

/// A part that is nothing of so many.
pub fn of_nothing_of(n: f64) -> String {
    let most = -libm::log(1.0 - CONFIDENCE) / n;
    format!("0 against {}; less than {} %", grouped(n), short(most * 100.0))
}

/// The mean of one value a run.
pub fn of_mean(sample: &Sample, show: impl Fn(f64) -> String) -> String {
    between(sample.count(), "runs", sample.mean_interval(), show)
}

/// A quantile of one value for each of `things`.
pub fn of_quantile(sample: &Sample, q: f64, things: &str, show: impl Fn(f64) -> String) -> String {
    between(sample.count(), things, sample.quantile_interval(q), show)
}

fn between(n: usize, things: &str, Interval { low, high }: Interval, show: impl Fn(f64) -> String) -> String {
    let of = format!("of {} {things}", grouped(n as f64));
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("{of}; {} to {}", show(low), show(high)),
        (true, false) => format!("{of}; at least {}", show(low)),
        (false, true) => format!("{of}; at most {}", show(high)),
        (false, false) => format!("{of}; too few for an interval"),
    }
}

/// Two digits that count.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = (1.0 - libm::floor(libm::log10(value.abs()))).clamp(0.0, 12.0) as usize;
    format!("{value:.digits$}")
}

/// A number without decimals, unless it is small, with commas between thousands.
fn grouped(value: f64) -> String {
    if value < 100.0 && libm::floor(value) < value {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_many_comes_with_its_bound_and_something_without() {
        assert_eq!(of_rate(0, 2_400.0), "in 2,400 node-hours; less than 0.0012 per node-hour");
        assert_eq!(of_rate(6, 2.5), "in 2.5 node-hours, 2.4 per node-hour");
        assert_eq!(
            of_all(0, 200, "crashes", Some(19_800)),
            "of 200 crashes, 19,800 observations; less than 1.5 % of all"
        );
        assert_eq!(of_all(1, 200, "crashes", None), "of 200 crashes");
        assert_eq!(of_nothing_of(1_512.0), "0 against 1,512; less than 0.20 %");
    }

    #[test]
    fn intervals_say_what_few_values_cannot_bound() {
        let show = |value: f64| format!("{value:.1} s");
        let sample = |n: u32| Sample::new((1..=n).map(f64::from));
        assert_eq!(of_mean(&sample(3), show), "of 3 runs; -0.5 s to 4.5 s");
        assert_eq!(of_quantile(&sample(3), 0.5, "crashes", show), "of 3 crashes; too few for an interval");
        assert_eq!(of_quantile(&sample(200), 0.99, "crashes", show), "of 200 crashes; at least 195.0 s");
    }
}
