//! `[checks]`: that nodes really probe the origins of the cluster, and how.

use heck_core::config::Config;
use heck_core::limits::Limits;
use heck_core::policy::{Policy, Rule, StatusSet};
use heck_core::settings::{Scoping, Settings};
use heck_core::time::Span;

use super::network::Latency;
use super::node_set::Share;
use super::problem::Problems;
use super::read::{Shape, Value, default, plain};
use super::section::{choice, section};
use super::tree::{Item, Node};
use crate::units::Fraction;

choice! {
    /// Among whom an origin has one owner.
    pub enum ScopeChoice {
        /// One owner in the whole cluster.
        Cluster = "cluster",
        /// One owner in each zone.
        Zones = "zones",
    }
}

section! {
    "[checks]"
    /// Nodes own and probe the origins of the cluster: all of `cluster.origins`, each answering 200 unless a fault says
    /// otherwise. Without this section nobody probes, and the health of origins changes by the workload alone.
    pub struct Checks {
        /// Time between two checks of an origin.
        interval: Span = default("5s").at_least("100ms").at_most("1d"),
        /// Time between two checks while its state is changing; at most `interval`.
        fast_interval: Span = default("1s").at_least("100ms").at_most("1d"),
        /// How long a check may take.
        timeout: Span = default("2s").at_least("1ms").at_most("1h"),
        /// Failures in a row that make a healthy origin unhealthy.
        fall: u32 = default("3").at_least("1").at_most("1000"),
        /// Successes in a row that make an unhealthy origin healthy.
        rise: u32 = default("2").at_least("1").at_most("1000"),
        /// With this, so many of the last checks count instead of those in a row.
        window: Option<u32> = plain().at_least("1").at_most("64"),
        /// How many checks of the window have to succeed.
        threshold: u32 = default("1").at_least("1").at_most("64"),
        /// An answer that takes longer shows a degraded origin.
        slow: Option<Span> = plain().at_least("1ms").at_most("1h"),
        /// Nodes asked to confirm that an origin is down.
        confirmers: u32 = default("2").at_most("16"),
        /// Among whom an origin has one owner.
        scope: ScopeChoice = default("cluster"),
        /// How long an origin takes to answer, drawn anew for each probe.
        latency: Latency = default("20ms"),
        /// Probes that a node may start in a second.
        probes_per_s: u32 = default("5000").at_least("1").at_most("1000000"),
        /// How many nodes may come to check one origin, each by its own view, before all stretch their intervals.
        checkers_per_origin: u32 = default("4").at_least("1").at_most("100"),
        /// Claims a second about origins given up or late.
        claims_per_s: u32 = default("1000").at_least("1").at_most("1000000"),
        /// By how much a node may be late before it no longer trusts its own clockwork.
        grace: Span = default("250ms").at_least("1ms").at_most("10s"),
        /// How long a question to confirmers and their answers may travel, beyond the timeout.
        transit: Span = default("1s").at_most("1m"),
        /// How long a fall counts for damping.
        flap_memory: Span = default("5m").at_least("1s").at_most("1d"),
    }
}

impl Checks {
    /// How the origins are to be checked.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let short = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        let byte = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
        let rule = match self.window {
            Some(size) => Rule::Window {
                size: byte(size),
                threshold: byte(self.threshold),
                initial: byte(self.threshold),
            },
            None => Rule::Streaks { rise: short(self.rise), fall: short(self.fall) },
        };
        Policy {
            interval: self.interval,
            fast_interval: self.fast_interval,
            timeout: self.timeout,
            rule,
            slow: self.slow,
            expected: StatusSet::default(),
            confirmers: None,
        }
    }

    /// The settings of nodes that check like this.
    #[must_use]
    pub fn configure(&self, config: Config) -> Config {
        let limits = Limits {
            probes_per_s: self.probes_per_s,
            checkers_per_origin: self.checkers_per_origin,
            claims_per_s: self.claims_per_s,
            grace: self.grace,
            transit: self.transit,
            flap_memory: self.flap_memory,
            ..Limits::default()
        };
        let scoping = match self.scope {
            ScopeChoice::Cluster => Scoping::Cluster,
            ScopeChoice::Zones => Scoping::Zones,
        };
        let confirmers = u8::try_from(self.confirmers).unwrap_or(u8::MAX);
        Config { checks: Some(limits), ownership: Settings { scoping, confirmers }, ..config }
    }
}

/// A choice of origins. Random ones are drawn anew in every run.
#[derive(Clone, PartialEq, Debug)]
pub enum OriginSet {
    /// Every origin: `"all"`.
    All,
    /// So many at random: `3` or `"10%"`.
    Random(Share),
    /// These, counted from 0: `[0, 7]`.
    Indices(Vec<u32>),
}

const ORIGIN_SET: &str = "\"all\", so many at random (3 or \"10%\") or indices from 0 ([0, 7])";

impl Value for OriginSet {
    fn shape() -> Shape {
        Shape::Named("origins", ORIGIN_SET)
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        match &node.item {
            Item::Text(text) if text == "all" => Some(Self::All),
            Item::Text(text) => match Fraction::parse(text) {
                Ok(part) => Some(Self::Random(Share::Part(part))),
                Err(_) => {
                    problems.value(node, key, "names no origins", ORIGIN_SET);
                    None
                }
            },
            Item::Integer(_) => u32::read(node, key, problems).map(|count| Self::Random(Share::Count(count))),
            Item::Array(_) => Vec::read(node, key, problems).map(Self::Indices),
            _ => {
                problems.value(node, key, "names no origins", ORIGIN_SET);
                None
            }
        }
    }

    fn write(&self) -> Option<toml::Value> {
        match self {
            Self::All => Some("all".into()),
            Self::Random(share) => share.write(),
            Self::Indices(indices) => indices.write(),
        }
    }
}
