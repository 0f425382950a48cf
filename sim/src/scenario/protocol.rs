//! `[cluster.protocol]`: settings of the protocol under test.

use heck_core::config::{Broadcast, Config, ConfigError, Detector, MembershipConfig};
use heck_core::state::Retention;
use heck_core::time::Span;

use super::problem::Problems;
use super::read::{Shape, Value, default, plain};
use super::section::{choice, section};
use super::tree::{Item, Node};
use crate::units::Bytes;

const BROADCAST: &str = "\"all\", \"none\" or a number of nodes";

impl Value for Broadcast {
    fn shape() -> Shape {
        Shape::Scalar(BROADCAST.to_owned())
    }

    fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        match &node.item {
            Item::Text(text) if text == "all" => Some(Self::All),
            Item::Text(text) if text == "none" => Some(Self::None),
            Item::Integer(_) => u32::read(node, key, problems).map(Self::Some),
            _ => {
                problems.value(node, key, "is no reach of a broadcast", BROADCAST);
                None
            }
        }
    }

    fn write(&self) -> Option<toml::Value> {
        match self {
            Self::All => Some("all".into()),
            Self::None => Some("none".into()),
            Self::Some(count) => count.write(),
        }
    }
}

choice! {
    /// How a node finds out who takes part.
    pub enum Membership {
        /// Nobody does: all who are listed at the start are taken to live for ever.
        Fixed = "fixed",
        /// heck's own: silence is weighed against what is usual, by several witnesses.
        Evidence = "evidence",
        /// As Lifeguard does, to compare with.
        Lifeguard = "lifeguard",
        /// As SWIM does, to compare with.
        Swim = "swim",
    }
}

section! {
    "[cluster.protocol]"
    /// Settings of the protocol. The defaults are the core's own.
    pub struct Protocol {
        /// Time between two rounds of repair, which is the length of a round: shorter spreads sooner and costs
        /// datagrams in proportion.
        repair_interval: Span = default("1s").at_least("10ms").at_most("1h"),
        /// Peers asked in each round; each one more costs up to two datagrams.
        repair_fanout: u32 = default("1").at_least("1").at_most("16"),
        /// Where a new update goes at once.
        broadcast: Broadcast = default("all"),
        /// Copies of a broadcast to each of its receivers, against loss.
        broadcast_copies: u32 = default("1").at_least("1").at_most("32"),
        /// Least time between two broadcasts of a node; what is written in between goes out together.
        broadcast_spacing: Span = default("20ms").at_most("1m"),
        /// With more members than this, a broadcast goes through relays.
        relay_above: u32 = default("1500").at_least("2"),
        /// Relays asked for each slice of the members.
        relay_copies: u32 = default("2").at_least("1").at_most("16"),
        /// Room in each request for recent updates of others.
        rumour_bytes: Bytes = default("1000B").at_most("1300B"),
        /// How often a node passes a recent update on, per doubling of the cluster and before loss is allowed
        /// for; in sixteenths.
        rumour_sends: u32 = default("12").at_most("160"),
        /// Recent updates that a node remembers for filters and answers.
        recent_limit: u32 = default("256").at_least("16").at_most("4096"),
        /// Most bytes of one reply to a repair request.
        reply_bytes: Bytes = default("1352B").at_least("200B").at_most("65000B"),
        /// Bytes of replies that a node sends in one repair interval.
        reply_budget: Bytes = default("256KiB").at_least("2kB").at_most("4GB"),
        /// Whether requests carry a digest when states differ; without one, only recent updates are repaired.
        digest: bool = default("true"),
        /// Requests in a repair interval, beyond the round's, that a gap in a writer's sequence may cause.
        gap_asks: u32 = default("1").at_most("64"),
        /// Further requests in a repair interval after one whose answer, or request, had no room for all that differs.
        catch_up_asks: u32 = default("7").at_most("64"),
        /// Time between two heartbeats of freshness; without it max(18 s, nodes × 20 ms).
        heartbeat: Option<Span> = plain().at_least("100ms").at_most("1d"),
        /// Bytes of heartbeats that ride on each datagram.
        beat_bytes: Bytes = default("320B").at_most("1kB"),
        /// How long messages are kept.
        log_retention: Span = default("24h").at_least("1ms").at_most("365d"),
        /// Bytes of messages that are kept.
        log_bytes: Bytes = default("64MiB"),
        /// How long after a restart a node fences its past lives.
        fence_after: Span = default("24h").at_least("1ms").at_most("365d"),
        /// Mean time between two attempts to join, each at the next peer.
        join_retry: Span = default("1s").at_least("10ms").at_most("1d"),
        /// After this long without a peer a joining node serves alone.
        join_timeout: Span = default("30s").at_least("10ms").at_most("1d"),
        /// Least time between two streams that a node opens to repair.
        stream_spacing: Span = default("2s").at_most("1d"),
        /// A stream without progress for this long is given up.
        stream_timeout: Span = default("30s").at_least("100ms").at_most("1d"),
        /// Bytes of one stream frame, before the last entry.
        frame_bytes: Bytes = default("64KiB").at_least("4KiB").at_most("16MiB"),
        /// Greatest payload of a datagram, sealing included.
        datagram_limit: Bytes = default("1400B").at_least("600B").at_most("65000B"),
        /// Bytes of it that are kept free for sealing.
        sealing_reserve: Bytes = default("48B").at_most("200B"),
        /// Entries above this size go by stream; at most 100 bytes less than `reply_bytes` and than a datagram holds.
        entry_datagram_limit: Bytes = default("1100B").at_least("100B").at_most("64900B"),
        /// Greatest one-way time of a datagram, for the bound on ages.
        max_transit: Span = default("1s").at_most("1d"),
        /// Greatest drift of a clock in parts per million, for the bound on ages.
        clock_drift_ppm: u32 = default("200").at_most("1000000"),
        /// Who finds out who is dead: `"evidence"` is heck's own way, `"swim"` and `"lifeguard"` are there to compare
        /// with, and with `"fixed"` all who are listed at the start are taken to live for ever.
        membership: Membership = default("evidence"),
        /// What a suspicion's length is counted in: SWIM's period.
        probe_period: Span = default("1s").at_least("10ms").at_most("1h"),
        /// How long an answer may take.
        probe_timeout: Span = default("500ms").at_least("1ms").at_most("1m"),
        /// Members asked to ask for someone who does not answer.
        probe_helpers: u32 = default("3").at_most("16"),
        /// A confirmed suspicion lasts this many percent of max(1, log10 of the members) periods; without it 270 with
        /// `"evidence"` and 500 with `"lifeguard"` and `"swim"`.
        suspicion_factor_percent: Option<u32> = plain().at_least("10").at_most("10000"),
        /// One that nobody confirms lasts so many times as long.
        suspicion_max_factor: u32 = default("6").at_least("1").at_most("100"),
        /// Bytes of news of members in a datagram.
        news_bytes: Bytes = default("320B").at_most("1kB"),
        /// How often a node passes on news of a member, per doubling of the cluster and before loss is allowed for; in
        /// sixteenths.
        news_sends: u32 = default("24").at_least("1").at_most("160"),
        /// Time between two attempts of a node to reach someone who is dead, in a cluster of up to 50; in a larger one
        /// proportionally more.
        heal_interval: Span = default("5s").at_least("100ms").at_most("1d"),
        /// How long a member does not count that died and came back at once for the second time within ten minutes;
        /// each further time doubles it.
        quarantine: Span = default("30s").at_most("1d"),
        /// How long a member that died or left stays in the list. It is looked for longer than that.
        reap_after: Span = default("1d").at_least("1s").at_most("365d"),
    }
}

impl Protocol {
    /// The settings as the core takes them.
    ///
    /// # Errors
    /// The first setting that the core refuses.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let bytes = |size: Bytes| u32::try_from(size.as_u64()).unwrap_or(u32::MAX);
        let config = Config {
            repair_interval: self.repair_interval,
            repair_fanout: self.repair_fanout,
            broadcast: self.broadcast,
            broadcast_copies: self.broadcast_copies,
            broadcast_spacing: self.broadcast_spacing,
            relay_above: self.relay_above,
            relay_copies: self.relay_copies,
            rumour_bytes: bytes(self.rumour_bytes),
            rumour_sends: self.rumour_sends,
            recent_limit: self.recent_limit,
            reply_bytes: bytes(self.reply_bytes),
            reply_budget: bytes(self.reply_budget),
            digest: self.digest,
            gap_asks: self.gap_asks,
            catch_up_asks: self.catch_up_asks,
            heartbeat: self.heartbeat,
            beat_bytes: bytes(self.beat_bytes),
            retention: Retention { age: self.log_retention, bytes: self.log_bytes.as_u64() },
            fence_after: self.fence_after,
            join_retry: self.join_retry,
            join_timeout: self.join_timeout,
            stream_spacing: self.stream_spacing,
            stream_timeout: self.stream_timeout,
            frame_bytes: bytes(self.frame_bytes),
            datagram_limit: bytes(self.datagram_limit),
            sealing_reserve: bytes(self.sealing_reserve),
            entry_datagram_limit: bytes(self.entry_datagram_limit),
            max_transit: self.max_transit,
            clock_drift_ppm: self.clock_drift_ppm,
            membership: self.members(),
            ..Config::default()
        };
        config.validate().map(|()| config)
    }
}

impl Protocol {
    fn members(&self) -> Option<MembershipConfig> {
        let detector = match self.membership {
            Membership::Fixed => return None,
            Membership::Evidence => Detector::Evidence,
            Membership::Lifeguard => Detector::Lifeguard,
            Membership::Swim => Detector::Swim,
        };
        Some(MembershipConfig {
            detector,
            period: self.probe_period,
            timeout: self.probe_timeout,
            helpers: self.probe_helpers,
            suspicion_factor_percent: self.suspicion_factor_percent,
            suspicion_max_factor: self.suspicion_max_factor,
            news_bytes: self.news_bytes.as_u64() as u32,
            news_sends: self.news_sends,
            heal_interval: self.heal_interval,
            quarantine: self.quarantine,
            reap_after: self.reap_after,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::LEAST;
    use super::super::{Scenario, ScenarioFile};
    use super::*;

    fn scenario(sets: &[&str]) -> Result<Scenario, String> {
        let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
        ScenarioFile::parse("q.toml", LEAST, &sets)
            .map(|file| file.scenario)
            .map_err(|report| report.to_string())
    }

    #[test]
    fn the_defaults_are_the_cores() {
        assert_eq!(scenario(&[]).unwrap().cluster.protocol.config(), Ok(Config::default()));
    }

    #[test]
    fn settings_reach_the_core() {
        let sets = [
            "cluster.protocol.broadcast=12",
            "cluster.protocol.reply_bytes=1300B",
            "cluster.protocol.heartbeat=2s",
        ];
        let config = scenario(&sets).unwrap().cluster.protocol.config().unwrap();
        assert_eq!(config.broadcast, Broadcast::Some(12));
        assert_eq!((config.reply_bytes, config.heartbeat), (1_300, Some(Span::from_secs(2))));
    }

    #[test]
    fn what_only_the_core_knows_to_be_wrong_has_a_place_too() {
        let error = scenario(&["cluster.protocol.datagram_limit=600B"]).unwrap_err();
        assert!(
            error.contains("cluster.protocol.entry_datagram_limit: is 1100, which the core refuses"),
            "{error}"
        );
        assert!(error.contains("allowed: 100 to 452"), "{error}");
    }
}
