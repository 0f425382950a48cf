//! When something is wrong, for the eyes: the spans of time that plots mark.

use heck_core::time::{Span, Time};

use super::fault::Fault;
use super::{Disk, Scenario};

/// A span of time in which a fault is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// What is wrong: the label of the fault, or its kind.
    pub name: String,
    /// When it begins.
    pub from: Time,
    /// When it is over; the end of the run if it never is.
    pub until: Time,
}

impl Scenario {
    /// The windows of all faults and of churn, in the order of the file. What ends an earlier fault is none, nor what
    /// lasts for no time.
    #[must_use]
    pub fn windows(&self) -> Vec<Window> {
        let end = Time::ZERO + self.run.duration;
        let of_fault = |fault: &Fault| {
            let (kind, lasts) = kind_and_length(fault)?;
            let from = Time::ZERO + fault.at;
            let until = lasts.map_or(end, |lasts| (from + lasts).min(end));
            Some(Window { name: fault.label.clone().unwrap_or(kind), from, until })
        };
        let churn = self.churn.as_ref().map(|churn| {
            let quiet = end - self.measure.quiet;
            let until = churn.until.map_or(quiet, |until| Time::ZERO + until);
            Window { name: "churn".to_owned(), from: Time::ZERO + churn.from, until }
        });
        let windows = self.fault.iter().filter_map(of_fault).chain(churn);
        windows.filter(|window| window.until > window.from).collect()
    }
}

/// What a fault is called by itself, and how long it lasts: `None` for ever.
fn kind_and_length(fault: &Fault) -> Option<(String, Option<Span>)> {
    if let Some(crash) = &fault.crash {
        let name = if crash.disk == Disk::Lost { "down, disk lost" } else { "down" };
        return Some((name.to_owned(), crash.lasts));
    }
    if let Some(loss) = &fault.loss {
        return Some((format!("{} more loss", loss.fraction), loss.lasts));
    }
    if let Some(partition) = &fault.partition {
        let name = if partition.one_way { "one-way partition" } else { "partition" };
        return Some((name.to_owned(), partition.lasts));
    }
    let Fault { pause, cut_streams, slow_disk, clock_drift, starve, .. } = fault;
    let named = [
        ("paused", pause.as_ref().map(|pause| pause.lasts)),
        ("streams cut", cut_streams.as_ref().map(|cut| Some(cut.lasts))),
        ("slow disks", slow_disk.as_ref().map(|slow| slow.lasts)),
        ("clocks drift", clock_drift.as_ref().map(|drift| drift.lasts)),
        ("starved", starve.as_ref().map(|starve| starve.lasts)),
    ];
    named.into_iter().find_map(|(name, lasts)| Some((name.to_owned(), lasts?)))
}
