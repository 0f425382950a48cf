//! How far the simulator and real processes are apart, for each kind of update: the largest distance between their median
//! curves as a share of nodes and as time, beside the spread over seeds.

use super::decimal::Decimal;
use super::outcome::{Both, EVERYONE, Outcome, PointOutcome, RealFacts, RunOutcome, UpdateOutcome};
use super::rows::AgreementRow;
use super::tabulate::seconds_to;
use crate::stats::Sample;

/// Curves that rise at once are any share apart when one is a millisecond late. So much later the one or the other may be
/// before the distance between shares counts: what it takes to see something at a real node, and to ask it for its
/// members.
pub const TOLERANCE_US: u64 = 100_000;
/// The spread over seeds is from this quantile to its counterpart.
const LOW: f64 = 0.05;

/// A row for each kind of update that both drivers followed; none where there was one driver.
#[must_use]
pub fn rows(outcome: &Outcome) -> Vec<AgreementRow> {
    match (&outcome.real, outcome.points.as_slice()) {
        (Some(_), [simulated, real]) => {
            let kinds = simulated.kinds();
            let both = kinds.into_iter().filter(|kind| real.kinds().contains(kind));
            both.map(|kind| row(simulated, real, kind)).collect()
        }
        _ => Vec::new(),
    }
}

/// How the share of nodes grows that have an update, over the seeds of one driver.
struct Curve<'a> {
    point: &'a PointOutcome,
    kind: &'a str,
    /// The updates of this kind, by run.
    runs: Vec<Vec<&'a UpdateOutcome>>,
}

impl<'a> Curve<'a> {
    fn new(point: &'a PointOutcome, kind: &'a str) -> Self {
        let of_kind = |run: &'a RunOutcome| run.updates.iter().filter(|update| update.kind == kind).collect();
        Self { point, kind, runs: point.runs.iter().map(of_kind).collect() }
    }

    /// A quantile over seeds of the share of nodes that have it so long after it happened, or before that nobody.
    fn share(&self, q: f64, time_us: Option<u64>) -> f64 {
        let Some(time_us) = time_us else { return 0.0 };
        let share = |update: &&UpdateOutcome| update.holders_at(time_us) as f64 / update.nodes() as f64;
        let mean = |updates: &Vec<&UpdateOutcome>| {
            updates.iter().map(share).sum::<f64>() / updates.len().max(1) as f64
        };
        Sample::new(self.runs.iter().map(mean)).quantile(q)
    }

    /// The moments at which it rises.
    fn moments(&self) -> Vec<u64> {
        self.runs.iter().flatten().flat_map(|update| update.reached_us.iter().copied()).collect()
    }

    /// When a quantile has reached each of these shares, looked at at these moments; +∞ if never.
    fn times_s(&self, q: f64, moments: &[u64], shares: &[f64]) -> Vec<f64> {
        let reached: Vec<(f64, f64)> =
            moments.iter().map(|&at| (self.share(q, Some(at)), at as f64 / 1e6)).collect();
        let time = |share: &f64| reached.iter().find(|(has, _)| has + 1e-9 >= *share).map(|(_, at)| *at);
        shares.iter().map(|share| time(share).unwrap_or(f64::INFINITY)).collect()
    }

    fn never(&self) -> u64 {
        seconds_to(self.point, self.kind, EVERYONE).censored() as u64
    }
}

fn row(simulated: &PointOutcome, real: &PointOutcome, kind: &str) -> AgreementRow {
    let (simulated, real) = (Curve::new(simulated, kind), Curve::new(real, kind));
    let mut moments: Vec<u64> = simulated.moments().into_iter().chain(real.moments()).collect();
    // Distances change where a curve rises, or one that may be earlier or later.
    let shifted: Vec<u64> = moments
        .iter()
        .flat_map(|&at| [at.saturating_sub(TOLERANCE_US), at + TOLERANCE_US, at + TOLERANCE_US + 1])
        .collect();
    moments.extend(shifted);
    moments.push(0);
    moments.sort_unstable();
    moments.dedup();
    // How far the real median is above the upper or below the lower of two simulated curves, each as late as it may be.
    let beyond = |at: u64, low: f64, high: f64| {
        let median = real.share(0.5, Some(at));
        let above = median - simulated.share(high, Some(at + TOLERANCE_US));
        let below = simulated.share(low, at.checked_sub(TOLERANCE_US)) - median;
        above.max(below).max(0.0)
    };
    let greatest = |value: &dyn Fn(u64) -> f64| {
        let worst = moments.iter().map(|&at| (value(at), at));
        worst.fold((0.0, 0), |worst, this| if this.0 > worst.0 { this } else { worst })
    };
    let (distance, at_us) = greatest(&|at| beyond(at, 0.5, 0.5));
    let (beyond_spread, _) = greatest(&|at| beyond(at, LOW, 1.0 - LOW));
    let (spread, _) = greatest(&|at| {
        let median = simulated.share(0.5, Some(at));
        (simulated.share(1.0 - LOW, Some(at)) - median).max(median - simulated.share(LOW, Some(at)))
    });
    let nodes = simulated.point.nodes.max(1);
    let shares: Vec<f64> = (2..=nodes).map(|holders| f64::from(holders) / f64::from(nodes)).collect();
    let (of_simulated, of_real) =
        (simulated.times_s(0.5, &moments, &shares), real.times_s(0.5, &moments, &shares));
    let (early, late) =
        (simulated.times_s(1.0 - LOW, &moments, &shares), simulated.times_s(LOW, &moments, &shares));
    // Of two that both never get there, neither is later.
    let apart = |a: f64, b: f64| if a == b { 0.0 } else { (a - b).abs() };
    let mut farthest = (0.0, 0.0);
    let mut spread_s: f64 = 0.0;
    for (index, share) in shares.iter().enumerate() {
        let apart_s = apart(of_simulated[index], of_real[index]);
        if apart_s > farthest.0 {
            farthest = (apart_s, *share);
        }
        let median = of_simulated[index];
        spread_s = spread_s.max(apart(median, early[index])).max(apart(late[index], median));
    }
    AgreementRow {
        kind: kind.to_owned(),
        simulated_runs: simulated.point.runs.len() as u64,
        real_runs: real.point.runs.len() as u64,
        distance: Decimal(distance),
        distance_at_s: Decimal(at_us as f64 / 1e6),
        distance_s: Decimal(farthest.0),
        distance_s_at: Decimal(farthest.1),
        spread: Decimal(spread),
        spread_s: Decimal(spread_s),
        beyond_spread: Decimal(beyond_spread),
        simulated_never: simulated.never(),
        real_never: real.never(),
    }
}

/// The rows as a table for the terminal.
#[must_use]
pub fn table(rows: &[AgreementRow]) -> Vec<Vec<String>> {
    let head = ["simulated and real", "farthest apart", "spread", "in time", "spread", "beyond the spread"];
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let seconds =
        |seconds: f64| if seconds.is_finite() { format!("{seconds:.2} s") } else { "never".to_owned() };
    let line = |row: &AgreementRow| {
        vec![
            row.kind.clone(),
            format!("{} after {}", percent(row.distance.0), seconds(row.distance_at_s.0)),
            percent(row.spread.0),
            format!("{} at {}", seconds(row.distance_s.0), percent(row.distance_s_at.0)),
            seconds(row.spread_s.0),
            percent(row.beyond_spread.0),
        ]
    };
    let lines = rows.iter().map(line);
    std::iter::once(head.map(str::to_owned).to_vec()).chain(lines).collect()
}

/// What nodes sent, as lines for the terminal.
#[must_use]
pub fn traffic(facts: &RealFacts) -> String {
    let line = |what: &str, both: Both, decimals: usize| {
        let (simulated, real, apart) = (both.simulated, both.real, 100.0 * both.apart());
        format!("{what}: {simulated:.decimals$} simulated, {real:.decimals$} real, {apart:.1} % apart\n")
    };
    line("datagrams per node and round", facts.datagrams_per_node_round, 2)
        + &line("bytes of datagrams per node and second", facts.datagram_bytes_per_node_s, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eleven nodes, of which one has it at once and the others one after the other, as the run's number says.
    fn point(label: &str, runs: u64, reached_us: impl Fn(u64, u64) -> u64) -> PointOutcome {
        let run = |run: u64| RunOutcome {
            seed: run,
            updates: vec![UpdateOutcome {
                kind: "key written".to_owned(),
                population: 10,
                reached_us: (0..10).map(|node| reached_us(run, node)).collect(),
                observed_us: 60_000_000,
                ..UpdateOutcome::default()
            }],
            ..RunOutcome::default()
        };
        PointOutcome {
            label: label.to_owned(),
            nodes: 11,
            repair_interval_us: 1_000_000,
            resolution_us: 5_000,
            runs: (0..runs).map(run).collect(),
            ..PointOutcome::default()
        }
    }

    fn is_near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    fn compared(real: PointOutcome) -> AgreementRow {
        let simulated = point("simulated", 5, |run, node| node * 1_000_000 + run * 250_000);
        let outcome =
            Outcome { points: vec![simulated, real], real: Some(RealFacts::default()), ..Outcome::default() };
        rows(&outcome).remove(0)
    }

    #[test]
    fn a_shifted_curve_has_that_distance() {
        // The simulated median is that of the third of five seeds.
        let row = compared(point("real", 3, |_, node| node * 1_000_000 + 500_000 + 2_600_000));
        assert!(is_near(row.distance_s.0, 2.6) && row.real_runs == 3, "{row:?}");
        assert!(is_near(row.distance.0, 3.0 / 11.0), "{row:?}");
        // The slowest seeds are half a second behind their median.
        assert!(row.beyond_spread.0 >= 2.0 / 11.0 && row.beyond_spread.0 < row.distance.0, "{row:?}");
    }

    #[test]
    fn equal_curves_have_none_and_so_have_those_that_differ_by_what_is_tolerated() {
        let shifted = |us: u64| compared(point("real", 3, move |_, node| node * 1_000_000 + 500_000 + us));
        let (equal, tolerated, late) = (shifted(0), shifted(TOLERANCE_US), shifted(TOLERANCE_US + 1));
        assert_eq!((equal.distance.0, equal.distance_s.0), (0.0, 0.0));
        assert!(tolerated.distance.0 == 0.0 && is_near(tolerated.distance_s.0, 0.1), "{tolerated:?}");
        assert!(is_near(late.distance.0, 1.0 / 11.0), "{late:?}");
        assert_eq!(late.beyond_spread.0, 0.0, "seeds differ by more");
    }

    #[test]
    fn the_spread_is_that_of_simulated_seeds() {
        let row = compared(point("real", 3, |_, node| node * 1_000_000 + 500_000));
        assert_eq!(row.spread_s.0, 0.5);
        assert!(is_near(row.spread.0, 1.0 / 11.0), "{row:?}");
    }

    #[test]
    fn who_never_gets_there_is_infinitely_late() {
        let mut real = point("real", 1, |_, node| node * 1_000_000 + 500_000);
        real.runs[0].updates[0].reached_us.pop();
        let row = compared(real);
        assert_eq!((row.distance_s.0, row.distance_s_at.0), (f64::INFINITY, 1.0));
        assert_eq!((row.simulated_never, row.real_never), (0, 1));
    }
}
