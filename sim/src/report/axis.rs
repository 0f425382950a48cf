//! Choice of ranges and ticks.

use super::figure::{Axis, Tick};

/// Over so many decades there is room for three labels in each.
const LABELLED_DECADES: f64 = 4.0;

/// A linear axis from 0 to at least `high`, with about `wanted` steps of 1, 2 or 5 times a power of ten.
#[must_use]
pub fn linear(title: impl Into<String>, high: f64, wanted: u32) -> Axis {
    let high = if high > 0.0 && high.is_finite() { high } else { 1.0 };
    let step = nice_step(high / f64::from(wanted.max(1)));
    let count = (high / step - 1e-9).ceil().max(1.0) as u32;
    let places = decimals(step);
    let ticks = (0..=count).map(|index| {
        let at = f64::from(index) * step;
        Tick { at, label: format!("{at:.places$}") }
    });
    Axis { title: title.into(), low: 0.0, high: f64::from(count) * step, ticks: ticks.collect() }
}

/// The same, but the axis ends at `high` itself: no empty space behind the last moment.
#[must_use]
pub fn linear_to(title: impl Into<String>, high: f64, wanted: u32) -> Axis {
    let mut axis = linear(title, high, wanted);
    if high > 0.0 && high.is_finite() {
        axis.high = high;
        axis.ticks.retain(|tick| tick.at <= high * (1.0 + 1e-9));
    }
    axis
}

/// A logarithmic axis from `low` to `high`, both above 0: its values are log₁₀. Ticks at 1, 2 and 5 times powers of
/// ten; over more than four decades only the powers are labelled.
#[must_use]
pub fn log(title: impl Into<String>, low: f64, high: f64) -> Axis {
    let (low, high) = (libm::log10(low), libm::log10(high));
    let all_labelled = high - low <= LABELLED_DECADES;
    let decades = libm::floor(low) as i32..=libm::ceil(high) as i32;
    let ticks = decades.flat_map(|decade| {
        [1.0, 2.0, 5.0].map(|digit| {
            let value = digit * libm::pow(10.0, f64::from(decade));
            let places = usize::try_from(-decade).unwrap_or(0);
            let is_labelled = all_labelled || digit == 1.0;
            let label = if is_labelled { format!("{value:.places$}") } else { String::new() };
            Tick { at: libm::log10(value), label }
        })
    });
    let inside = |tick: &Tick| tick.at >= low - 1e-9 && tick.at <= high + 1e-9;
    Axis { title: title.into(), low, high: high.max(low + 0.1), ticks: ticks.filter(inside).collect() }
}

/// Percent from 0 to 100.
#[must_use]
pub fn percent(title: impl Into<String>) -> Axis {
    linear(title, 100.0, 5)
}

/// log₁₀ of a share, from `least` up to 1, labelled in percent; the lower end stands for everything below it.
#[must_use]
pub fn log_percent(title: impl Into<String>, least: f64, below: &str) -> Axis {
    let low = libm::log10(least);
    let decades = (0..=(-low) as i32).map(|decade| {
        let at = -f64::from(decade);
        let places = (decade - 2).max(0) as usize;
        Tick { at, label: format!("{:.places$}", 100.0 * libm::pow(10.0, at)) }
    });
    let mut ticks: Vec<Tick> = decades.filter(|tick| tick.at - low > 0.08).collect();
    ticks.push(Tick { at: low, label: below.to_owned() });
    Axis { title: title.into(), low, high: 0.0, ticks }
}

fn nice_step(raw: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(raw)));
    let factor = raw / power;
    let nice = [1.0, 2.0, 5.0].into_iter().find(|&nice| factor <= nice * (1.0 + 1e-9)).unwrap_or(10.0);
    nice * power
}

fn decimals(step: f64) -> usize {
    (-libm::floor(libm::log10(step) + 1e-9)).max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&linear("", 33.0, 7)), ["0", "5", "10", "15", "20", "25", "30", "35"]);
        assert_eq!(labels(&linear("", 0.9, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&linear("", 7_300.0, 4)), ["0", "2000", "4000", "6000", "8000"]);
        assert_eq!(labels(&percent("")), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(&linear("", 0.0, 2)), ["0.0", "0.5", "1.0"]);
        assert_eq!(labels(&linear_to("", 12.0, 6)), ["0", "2", "4", "6", "8", "10", "12"]);
        assert_eq!(linear_to("", 11.5, 6).high, 11.5);
    }

    #[test]
    fn logarithmic_ticks_are_labelled_where_there_is_room() {
        let axis = log("", 0.03, 3.0);
        assert_eq!(labels(&axis), ["0.05", "0.1", "0.2", "0.5", "1", "2"]);
        let axis = log("", 0.005, 150.0);
        let shown: Vec<_> = labels(&axis).into_iter().filter(|label| !label.is_empty()).collect();
        assert_eq!(shown, ["0.01", "0.1", "1", "10", "100"]);
        assert_eq!(axis.ticks.len(), 14);
    }

    #[test]
    fn logarithmic_shares_are_labelled_in_percent_down_to_none() {
        let axis = log_percent("", 0.0005, "none");
        assert_eq!(labels(&axis), ["100", "10", "1", "0.1", "none"]);
        assert!((axis.low - -3.301).abs() < 1e-3);
    }
}
