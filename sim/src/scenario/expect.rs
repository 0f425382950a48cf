//! `[expect]` and `[[missed]]`: what makes a run pass.

use super::problem::Problems;
use super::read::{KeyShape, Section as _, Shape, Value, plain};
use super::section::section;
use super::tree::Node;
use super::value::Literal;
use super::workload::Kind;
use crate::units::{Bytes, Fraction, Number, parse_span};
use heck_core::time::Span;

section! {
    "limits of one kind"
    /// Limits for the updates of one kind, or of one table of `[workload.follow]`.
    pub struct Limits {
        /// Mean over the runs of the rounds until every node has an update.
        rounds_to_all_mean_max: Option<Number> = plain(),
        /// The same in the slowest run.
        rounds_to_all_max: Option<Number> = plain(),
        /// Mean over the runs of the rounds until 99.9 % of nodes have an update.
        rounds_to_three_nines_mean_max: Option<Number> = plain(),
        /// Runs in which some node never got the update.
        never_reached_max: Option<u32> = plain(),
        /// Part of the nodes that have the update in the end, in the worst run.
        reached_min: Option<Fraction> = plain(),
        /// Part of the nodes that have the update in the end, mean over the runs.
        reached_mean_min: Option<Fraction> = plain(),
        /// The 95th percentile over nodes of the time of delivery divided by the 95th percentile of the one-way
        /// latency between them, mean over runs; only where there is one such latency: in a cluster of one zone, or in a table of
        /// `[workload.follow]` that follows updates from one zone to one.
        delivery_p95_ratio_max: Option<Number> = plain(),
    }
}

section! {
    "[expect]"
    /// Limits that make the scenario pass or fail. A limit is the bar itself; where the protocol misses it, the
    /// limit is what it does reach and the bar stands in a `[[missed]]`. Limits on updates hold for each kind that
    /// is followed; a kind with a table of its own obeys that table where it names the same limit.
    pub struct Expect {
        /// Datagrams that a node sends in a round, all types, from the first followed update until the last node
        /// has the last one (when nothing is followed, from the end of the warm-up on); mean over nodes and runs.
        datagrams_per_node_round_max: Option<Number> = plain(),
        /// Bytes of payload that a node sends in a second over the same time; mean over nodes and runs.
        bytes_per_node_second_max: Option<Bytes> = plain(),
        /// Bytes of requests for repair and of the replies to them that a node sends in a second over the same time,
        /// without the heartbeats that ride on them; mean over nodes and runs.
        repair_bytes_per_node_second_max: Option<Bytes> = plain(),
        /// Payload of the largest datagram.
        largest_datagram_max: Option<Bytes> = plain(),
        /// Time until a crash is known to a node that stays up: the median over crashes and nodes.
        crash_known_p50_max: Option<Span> = plain(),
        /// The same, its 99th percentile.
        crash_known_p99_max: Option<Span> = plain(),
        /// The same, its greatest.
        crash_known_max: Option<Span> = plain(),
        /// Time between the first and the last node that knows of a crash, the median over crashes.
        crash_spread_p50_max: Option<Span> = plain(),
        /// Crashes of which some node that stayed up did not hear before the run ended or the node was back.
        crashes_missed_max: Option<u32> = plain(),
        /// How often a node held someone dead who was up, in all runs together.
        false_deaths_max: Option<u32> = plain(),
        /// Of these, how often someone whom no fault was about.
        healthy_deaths_max: Option<u32> = plain(),
        /// Of these, how often at someone whom no fault was about either.
        healthy_deaths_at_healthy_max: Option<u32> = plain(),
        /// `healthy_deaths_max` as a part of what the first point of the sweep counts under the same seeds.
        healthy_deaths_part_max: Option<Number> = plain(),
        /// `healthy_deaths_at_healthy_max` as such a part.
        healthy_deaths_at_healthy_part_max: Option<Number> = plain(),
        /// Datagrams of all types that nodes send, as such a part.
        datagrams_part_max: Option<Number> = plain(),
        /// How often a node held someone dead who had said that it leaves.
        left_deaths_max: Option<u32> = plain(),
        /// How often a node took another life though it had not been restarted, nor had another one its disk.
        forced_rejoins_max: Option<u32> = plain(),
        /// Time until a node that joins is known to a node that was up then: the greatest.
        join_known_max: Option<Span> = plain(),
        /// Time until it is known to a node that another leaves: the greatest.
        leave_known_max: Option<Span> = plain(),
        /// Time from the last crash, start, join or departure, or change of what reaches whom, until every node that is up
        /// lists exactly those who are: that of the slowest run.
        lists_right_max: Option<Span> = plain(),
        /// How many different lengths of lists there are on the way: those of the worst run.
        list_lengths_max: Option<u32> = plain(),
        /// How many nodes that are up at the end of a run most of the others do not count: as many in every run.
        removed_at_end: Option<u32> = plain(),
        /// Time from the first fault or other event until as many of them as at the end are not counted, for good: that of the
        /// slowest run.
        removed_since_max: Option<Span> = plain(),
        /// Entries, lanes, heartbeats and members that a node holds for itself: the most of any node.
        peak_overlay_max: Option<u32> = plain(),
        /// Checks per origin and interval, in the steady state or what comes closest to it: at most. All limits of checks
        /// count from the end of the warm-up.
        checks_per_interval_max: Option<Number> = plain(),
        /// The same, at least.
        checks_per_interval_min: Option<Number> = plain(),
        /// The most probes that one origin sees in one interval, of all nodes together, those of confirmers included.
        load_max: Option<u32> = plain(),
        /// The longest that any origin goes without a check beginning.
        unchecked_max: Option<Span> = plain(),
        /// The longest that any origin is checked by two nodes, in all.
        checked_twice_max: Option<Span> = plain(),
        /// Share of the origins that change hands, the greatest of all runs.
        moved_max: Option<Fraction> = plain(),
        /// The same, its mean over the runs, at least.
        moved_mean_min: Option<Fraction> = plain(),
        /// Time until a real change of an origin is known to a node: the median over changes and nodes.
        change_known_p50_max: Option<Span> = plain(),
        /// The same, its 99th percentile.
        change_known_p99_max: Option<Span> = plain(),
        /// The same, its greatest.
        change_known_max: Option<Span> = plain(),
        /// Claims that an origin is unhealthy which had been well all the time, in all runs together.
        false_unhealthy_max: Option<u32> = plain(),
        /// Claims that a node makes in a run, mean over runs and nodes.
        claims_per_node_max: Option<Number> = plain(),
        /// Claims that say that a checker is late, in all runs together.
        late_claims_min: Option<u32> = plain(),
        /// The same, at most.
        late_claims_max: Option<u32> = plain(),
        /// Share of the answers that are flagged `stale`, of those that nodes give about origins which a node that is up
        /// checks; of all runs together. Answers of all nodes about all origins are looked at in turn, up to a thousand
        /// a second and each once a second at most, from the end of the warm-up on. A node that holds an origin and does not know its health
        /// gives a stale answer.
        stale_share_max: Option<Fraction> = plain(),
        /// How old these answers say that they are, at nodes that do not check the origin themselves: the median. An
        /// unknown age is greater than any.
        age_p50_max: Option<Span> = plain(),
        /// The same, its 99th percentile.
        age_p99_max: Option<Span> = plain(),
        /// The same, its greatest.
        age_max: Option<Span> = plain(),
        /// With `heck-sim run --real`: how far the median curve of real processes is outside the 5 to 95 % of simulated seeds, as a
        /// share of nodes; where that is farthest, for each kind of update.
        beyond_spread_max: Option<Fraction> = plain(),
        /// With `heck-sim run --real`: by which part the datagrams that real nodes send, and the bytes in them, are more or less
        /// than the simulated ones.
        traffic_apart_max: Option<Fraction> = plain(),
        /// Limits for changes of health.
        health_flip: Option<Limits> = plain(),
        /// Limits for added origins.
        origin_added: Option<Limits> = plain(),
        /// Limits for removed origins.
        origin_removed: Option<Limits> = plain(),
        /// Limits for written keys.
        key_written: Option<Limits> = plain(),
        /// Limits for published messages.
        message_published: Option<Limits> = plain(),
    }
    flatten {
        /// Limits for each kind that has no table of its own.
        every_kind: Limits
    }
}

section! {
    "[[missed]]"
    /// An aim that the protocol misses, told openly.
    pub struct Missed {
        /// The limit it is about, as in `[expect]`; `key_written.rounds_to_all_mean_max` for that of one kind.
        aim: String = plain(),
        /// The bar, in the unit of the limit.
        bar: Literal = plain(),
        /// Why it is missed.
        reason: String = plain(),
    }
}

/// Every limit that `[expect]` knows, dotted where it stands in the table of one kind.
#[must_use]
pub fn limit_names() -> Vec<String> {
    let mut names = Vec::new();
    for KeyShape { name, shape, .. } in Expect::table_shape().keys {
        match shape {
            Shape::Table(table) => names.extend(table.keys.iter().map(|key| format!("{name}.{}", key.name))),
            _ => names.push(name.to_owned()),
        }
    }
    names
}

/// What a limit is a number of.
enum Unit {
    Span,
    Count,
    Fraction,
    Bytes,
    Number,
}

impl Unit {
    /// Of the limit `aim`, be it in a table of its own or not.
    fn of(aim: &str) -> Self {
        match aim.rsplit('.').next().unwrap_or(aim) {
            "crash_known_p50_max"
            | "crash_known_p99_max"
            | "crash_known_max"
            | "crash_spread_p50_max"
            | "join_known_max"
            | "leave_known_max"
            | "lists_right_max"
            | "unchecked_max"
            | "checked_twice_max"
            | "change_known_p50_max"
            | "change_known_p99_max"
            | "change_known_max"
            | "age_p50_max"
            | "age_p99_max"
            | "age_max"
            | "removed_since_max" => Self::Span,
            "crashes_missed_max"
            | "false_deaths_max"
            | "healthy_deaths_max"
            | "healthy_deaths_at_healthy_max"
            | "left_deaths_max"
            | "forced_rejoins_max"
            | "list_lengths_max"
            | "removed_at_end"
            | "peak_overlay_max"
            | "never_reached_max"
            | "load_max"
            | "false_unhealthy_max"
            | "late_claims_min"
            | "late_claims_max" => Self::Count,
            "reached_min" | "reached_mean_min" | "moved_max" | "moved_mean_min" | "stale_share_max"
            | "beyond_spread_max" | "traffic_apart_max" => Self::Fraction,
            "largest_datagram_max" | "bytes_per_node_second_max" | "repair_bytes_per_node_second_max" => {
                Self::Bytes
            }
            _ => Self::Number,
        }
    }
}

/// Reads `bar` as the value of the limit `aim`; notes what is wrong. `true` when it can be one.
pub(super) fn check_bar(aim: &str, bar: &Node, key: &str, problems: &mut Problems) -> bool {
    match Unit::of(aim) {
        Unit::Span => Span::read(bar, key, problems).is_some(),
        Unit::Count => u32::read(bar, key, problems).is_some(),
        Unit::Fraction => Fraction::read(bar, key, problems).is_some(),
        Unit::Bytes => Bytes::read(bar, key, problems).is_some(),
        Unit::Number => Number::read(bar, key, problems).is_some(),
    }
}

/// A limit or bar as a whole number of its finest unit, to compare two of the same limit.
pub(super) fn magnitude(aim: &str, value: &Literal) -> Option<u64> {
    let text = value.label();
    match Unit::of(aim) {
        Unit::Span => parse_span(&text).ok().map(Span::as_us),
        Unit::Fraction => Fraction::parse(&text).ok().map(Fraction::ppb),
        Unit::Bytes => Bytes::parse(&text).ok().map(Bytes::as_u64),
        Unit::Count | Unit::Number => Number::parse(&text).ok().map(Number::millionths),
    }
}

impl Expect {
    /// The limits for updates of `kind`: those of its own table, then those of every kind.
    #[must_use]
    pub fn limits(&self, kind: Kind) -> Limits {
        let own = match kind {
            Kind::HealthFlip => &self.health_flip,
            Kind::OriginAdded => &self.origin_added,
            Kind::OriginRemoved => &self.origin_removed,
            Kind::KeyWritten => &self.key_written,
            Kind::MessagePublished => &self.message_published,
        };
        own.as_ref().map_or_else(|| self.every_kind.clone(), |own| own.or(&self.every_kind))
    }
}

impl Limits {
    /// These limits, and those of `others` where these name none.
    #[must_use]
    pub fn or(&self, others: &Self) -> Self {
        Self {
            rounds_to_all_mean_max: self.rounds_to_all_mean_max.or(others.rounds_to_all_mean_max),
            rounds_to_all_max: self.rounds_to_all_max.or(others.rounds_to_all_max),
            rounds_to_three_nines_mean_max: self
                .rounds_to_three_nines_mean_max
                .or(others.rounds_to_three_nines_mean_max),
            never_reached_max: self.never_reached_max.or(others.never_reached_max),
            reached_min: self.reached_min.or(others.reached_min),
            reached_mean_min: self.reached_mean_min.or(others.reached_mean_min),
            delivery_p95_ratio_max: self.delivery_p95_ratio_max.or(others.delivery_p95_ratio_max),
        }
    }
}
