//! What the keys of a comparison must fulfil together, and beside those of the rest.

use std::collections::BTreeSet;

use super::Check;
use crate::protocol::baseline::DATAGRAM_BYTES;
use crate::protocol::bytes::ITEM_HEADER;
use crate::scenario::compare::{Compare, System};
use crate::scenario::{Start, limit_names};
use crate::units::{EventRate, show_span};

/// Faults that only heck knows what to do with.
const ONLY_HECK: [&str; 4] = ["join", "leave", "copy_disk", "weigh"];
/// What of a datagram is left for a message by each system.
const OVERHEAD: u64 = 64;
/// Deliveries that a run keeps the times of: 400 MB.
const DELIVERIES_MAX: u64 = 50_000_000;

impl Check<'_> {
    /// Notes expectations of a point in a file that sweeps nothing; the points of a sweep cannot tell.
    pub(super) fn compared_unswept(&mut self) {
        let expectations = self.scenario.compare.iter().flat_map(|compare| &compare.expect).enumerate();
        for (index, _) in expectations.filter(|(_, expect)| expect.point.is_some()) {
            let key = format!("compare.expect.{index}.point");
            self.wrong(&key, "names a point, and nothing is swept", "no `point`, or a [sweep]");
        }
    }

    pub(super) fn compare(&mut self) {
        let Some(compare) = &self.scenario.compare else { return };
        self.systems(compare);
        self.node_set("compare.from", &compare.from, false);
        self.compared_alone();
        let last = compare.every.times(u64::from(compare.messages.saturating_sub(1)));
        let last = last.as_us().saturating_add(self.scenario.workload.warmup.as_us());
        if last >= self.scenario.run.duration.as_us() {
            let allowed =
                format!("all messages before run.duration, {}", show_span(self.scenario.run.duration));
            self.wrong("compare.messages", "are published after the end", allowed);
        }
        let most = u64::from(DATAGRAM_BYTES - ITEM_HEADER) - OVERHEAD;
        if self.scenario.workload.message_size.as_u64() > most {
            let allowed = format!("at most {most}B, so that every system has room for it in a datagram");
            self.wrong("workload.message_size", "is too large to be compared", allowed);
        }
        let deliveries = u64::from(compare.messages) * u64::from(self.scenario.cluster.nodes);
        if deliveries > DELIVERIES_MAX {
            let allowed = format!(
                "at most {DELIVERIES_MAX} messages times nodes, each of which takes 8 bytes in a run"
            );
            self.wrong("compare.messages", "are too many for so many nodes", allowed);
        }
        if compare.remove_every.is_some() && compare.keys == 0 {
            let allowed = "compare.keys above 0, or no `remove_every`";
            self.wrong("compare.remove_every", "has no keys to take out", allowed);
        }
        self.compared_expectations(compare);
    }

    fn systems(&mut self, compare: &Compare) {
        let unique: BTreeSet<_> = compare.systems.iter().collect();
        if compare.systems.is_empty() || unique.len() != compare.systems.len() {
            let words: Vec<_> = System::ALL.iter().map(|system| system.word()).collect();
            let allowed = format!("one or more of {}, each once", words.join(", "));
            self.wrong("compare.systems", "is empty or names a system twice", allowed);
        }
        for (index, system) in compare.systems.iter().enumerate() {
            let checks = matches!(system, System::SingleProcess | System::AllCheckAll);
            if checks && self.scenario.checks.is_none() {
                let key = format!("compare.systems.{index}");
                self.wrong(&key, "checks origins, and there are none to check", "a scenario with [checks]");
            }
        }
        let room = self.scenario.cluster.nodes.saturating_sub(1);
        if compare.systems.contains(&System::ResponsibilityGraph) && compare.responsible > room {
            self.wrong("compare.responsible", "is more than there are others", format!("at most {room}"));
        }
    }

    /// What is about heck alone has no meaning where systems are compared.
    fn compared_alone(&mut self) {
        let scenario = self.scenario;
        let nothing = EventRate::default();
        let background = &scenario.workload.background;
        let rates =
            [background.health_flips, background.origin_edits, background.key_writes, background.messages];
        let resolved = scenario.resolved();
        let expect = resolved.get("expect").and_then(toml::Value::as_table);
        let limits = limit_names();
        let limited = expect.is_some_and(|table| limits.iter().any(|name| table.contains_key(name)));
        let meaningless = [
            ("workload.follow", !scenario.workload.follow.0.is_empty()),
            ("workload.background", rates.iter().any(|rate| *rate > nothing)),
            ("churn", scenario.churn.is_some()),
            ("missed", !scenario.missed.is_empty()),
            ("expect", limited),
            ("cluster.spare", scenario.cluster.spare > 0),
            ("cluster.keys", scenario.cluster.keys > 0),
            ("cluster.start", scenario.cluster.start == Start::Cold),
        ];
        for (key, _) in meaningless.into_iter().filter(|(_, is_there)| *is_there) {
            let allowed = "the default where systems are compared; limits stand in [[compare.expect]]";
            self.wrong(key, "is about heck alone", allowed);
        }
        for (index, fault) in scenario.fault.iter().enumerate() {
            for kind in fault.kinds().into_iter().filter(|kind| ONLY_HECK.contains(kind)) {
                let allowed = format!("a fault other than {}", ONLY_HECK.join(", "));
                self.wrong(&format!("fault.{index}.{kind}"), "is about heck alone", allowed);
            }
        }
    }

    fn compared_expectations(&mut self, compare: &Compare) {
        for (index, expect) in compare.expect.iter().enumerate() {
            let key = format!("compare.expect.{index}");
            if !compare.systems.contains(&expect.system) {
                let words: Vec<_> = compare.systems.iter().map(|system| system.word()).collect();
                self.wrong(&format!("{key}.system"), "is not compared", words.join(", "));
            }
            if expect.least.is_none() && expect.most.is_none() {
                let place = self.root.place_of(&["compare", "expect", &index.to_string()]);
                self.problems.at(place, &key, "expects nothing", "`least`, `most` or both");
            }
            let labels: Option<Vec<String>> = self.scenario.sweep.as_ref().map(|sweep| {
                let values = sweep.values.iter().map(crate::scenario::Literal::label);
                values.chain(sweep.point.iter().map(|point| point.label.clone())).collect()
            });
            if let (Some(point), Some(labels)) = (&expect.point, labels)
                && !labels.contains(point)
            {
                self.wrong(&format!("{key}.point"), "names no point of the sweep", labels.join(", "));
            }
        }
    }
}
