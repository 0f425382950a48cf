//! What the keys of a fault must fulfil together, and beside those of the rest.

use heck_core::rng::Seed;
use heck_core::time::Span;

use super::Check;
use crate::scenario::checks::OriginSet;
use crate::scenario::fault::{Drift, DriftRange, Fault};
use crate::scenario::node_set::Share;
use crate::scenario::schedule::EventKind;
use crate::units::{Fraction, show_span};

const MOST_CUTS: u64 = 100_000;

impl Check<'_> {
    pub(super) fn fault(&mut self, index: usize, fault: &Fault) {
        let key = format!("fault.{index}");
        let duration = self.scenario.run.duration;
        if fault.at >= duration {
            let allowed = format!("less than run.duration, {}", show_span(duration));
            self.wrong(&format!("{key}.at"), "is after the end", allowed);
        }
        let kinds = fault.kinds();
        if kinds.len() != 1 {
            let what = match kinds.as_slice() {
                [] => "names no kind of fault".to_owned(),
                several => format!("names several kinds of fault: {}", several.join(", ")),
            };
            self.problems.at(
                self.root.place_of(&["fault", &index.to_string()]),
                &key,
                what,
                format!("exactly one of {}", Fault::KINDS.join(", ")),
            );
        }
        if let Some(cut) = &fault.cut_streams
            && cut.lasts.as_us() / cut.every.as_us() > MOST_CUTS
        {
            let allowed = format!("at most {MOST_CUTS} cuts within `lasts`");
            self.wrong(&format!("{key}.cut_streams.every"), "is too often", allowed);
        }
        self.fault_ends(&key, fault);
        self.origin_fault(&key, fault);
        if let Some(slow) = &fault.slow_disk {
            self.latency(&format!("{key}.slow_disk.sync"), &slow.sync);
        }
        if let Some(starve) = &fault.starve {
            self.latency(&format!("{key}.starve.stall"), &starve.stall);
        }
        if let Some(drift) = &fault.clock_drift {
            self.drift(&format!("{key}.clock_drift.ppm"), &drift.ppm);
        }
        if let Some(copy) = &fault.copy_disk {
            let nodes = self.scenario.cluster.nodes;
            for (end, node) in [("from", copy.from), ("to", copy.to)] {
                if node >= nodes || (end == "to" && copy.from == copy.to) {
                    let allowed = format!("two different indices from 0 to {}", nodes - 1);
                    self.wrong(&format!("{key}.copy_disk.{end}"), "is no node to copy between", allowed);
                }
            }
        }
        if let Some(partition) = &fault.partition {
            let sides = partition.sides.len();
            if sides < 2 || (partition.one_way && sides > 2) {
                let allowed = if partition.one_way { "two sides" } else { "two sides or more" };
                self.wrong(&format!("{key}.partition.sides"), "has the wrong number of sides", allowed);
            }
        }
    }

    /// What ends with the run or after it never ends in it, so that nothing can be measured of its end.
    fn fault_ends(&mut self, key: &str, fault: &Fault) {
        let duration = self.scenario.run.duration;
        let Some(left) = duration.as_us().checked_sub(fault.at.as_us()).filter(|left| *left > 0) else {
            return;
        };
        for (of, span) in fault.spans().into_iter().filter(|(_, span)| span.as_us() >= left) {
            let end = show_span(Span(fault.at.as_us().saturating_add(span.as_us())));
            let what = format!("ends at {end}, and the run at {}", show_span(duration));
            let never =
                if of.ends_with("lasts") { "; without it, never, which may be what is meant" } else { "" };
            let allowed = format!("less than {}{never}", show_span(Span(left)));
            self.wrong(&format!("{key}.{of}"), &what, allowed);
        }
    }

    fn origin_fault(&mut self, key: &str, fault: &Fault) {
        if let Some(slow) = &fault.origin_slow {
            self.latency(&format!("{key}.origin_slow.latency"), &slow.latency);
        }
        let sets = [
            ("origin_down", fault.origin_down.as_ref().map(|fault| &fault.origins)),
            ("origin_black_hole", fault.origin_black_hole.as_ref().map(|fault| &fault.origins)),
            ("origin_slow", fault.origin_slow.as_ref().map(|fault| &fault.origins)),
            ("origin_flap", fault.origin_flap.as_ref().map(|fault| &fault.origins)),
        ];
        let origins = self.scenario.cluster.origins;
        for (kind, set) in sets.into_iter().filter_map(|(kind, set)| Some((kind, set?))) {
            let is_wrong = match set {
                OriginSet::All => origins == 0,
                OriginSet::Random(Share::Count(count)) => *count == 0 || *count > origins,
                OriginSet::Random(Share::Part(part)) => *part == Fraction::ZERO || origins == 0,
                OriginSet::Indices(list) => list.is_empty() || list.iter().any(|&index| index >= origins),
            };
            if is_wrong {
                let allowed = format!("one or more of the {origins} of cluster.origins");
                self.wrong(&format!("{key}.{kind}.origins"), "names no possible origins", allowed);
            }
        }
        let asks = fault.origin_times().next().is_some();
        if asks && self.scenario.checks.is_none() {
            let place = self.root.place_of(&key.split('.').collect::<Vec<_>>());
            self.problems.at(place, key, "is about origins that nobody probes", "a scenario with [checks]");
        }
    }

    /// A side without nodes would be a partition that parts nothing.
    pub(super) fn sides(&mut self) {
        let is_empty =
            |links: &[(Vec<u32>, Vec<u32>)]| links.iter().any(|(from, to)| from.is_empty() || to.is_empty());
        for event in self.scenario.schedule(Seed(0)) {
            let EventKind::Loss { rule, links, .. } = &event.kind else { continue };
            let parts = self.scenario.fault.get(*rule).is_some_and(|fault| fault.partition.is_some());
            if parts && is_empty(links) {
                let allowed = "sides of which each has a node that no earlier side names";
                self.wrong(&format!("fault.{rule}.partition.sides"), "leaves a side without nodes", allowed);
            }
        }
    }

    fn drift(&mut self, key: &str, drift: &Drift) {
        let possible = DriftRange { min: -999_999, max: 1_000_000 };
        match drift {
            Drift::Same(ppm) if !(possible.min..=possible.max).contains(ppm) => {
                let allowed =
                    format!("{} to {}: a clock stands still at -1000000", possible.min, possible.max);
                self.wrong(key, "is no possible drift", allowed);
            }
            Drift::Uniform(range) if range.min > range.max => {
                let allowed = format!("at least {}, its `min`", range.min);
                self.wrong(&format!("{key}.uniform.max"), "is less than `min`", allowed);
            }
            _ => {}
        }
    }
}
