//! The settings of the protocol, checked once.

use crate::limits::Limits;
use crate::mutant::Planted;
use crate::settings::Settings;
use crate::state::Retention;
use crate::time::Span;
use core::fmt;

/// Who gets a new entry at once, before repair sees to the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Broadcast {
    /// Every member.
    All,
    /// Nobody: pushed and pulled in rounds alone.
    None,
    /// This many random members.
    Some(u32),
}

/// How a node finds out who is dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Detector {
    /// heck's own: silence is weighed against what is usual here, by several witnesses.
    Evidence,
    /// Lifeguard (Dadgar et al. 2018), to compare with.
    Lifeguard,
    /// SWIM (Das et al. 2002), to compare with.
    Swim,
}

/// The settings of membership.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct MembershipConfig {
    /// How the dead are found. Evidence unless set.
    pub detector: Detector,
    /// What suspicion is counted in: SWIM's period. It is the repair interval, which asks the peer, unless set.
    pub period: Span,
    /// How long an answer may take. 500 ms unless set.
    pub timeout: Span,
    /// Members asked to ask for someone. 3 unless set.
    pub helpers: u32,
    /// A confirmed suspicion lasts this much of max(1, log10 of the members) periods, in percent. Unless set, 270 with
    /// evidence, and 500 with SWIM and Lifeguard.
    pub suspicion_factor_percent: Option<u32>,
    /// One that nobody confirms lasts so many times as long. 6 unless set.
    pub suspicion_max_factor: u32,
    /// Bytes of news of members in a datagram. 320 unless set.
    pub news_bytes: u32,
    /// How often a node passes on news of a member, per doubling of the cluster and before loss is allowed for, in
    /// sixteenths. 24 unless set.
    pub news_sends: u32,
    /// Time between two attempts to reach someone who is dead, in a cluster of up to 50; in a larger one
    /// proportionally more. 5 s unless set.
    pub heal_interval: Span,
    /// For how long a member is not counted that died and came back at once for the second time within ten minutes; each
    /// further time doubles it. 30 s unless set.
    pub quarantine: Span,
    /// How long a member that died or left stays in the list. It is looked for longer than that. 24 h unless set.
    pub reap_after: Span,
}

impl MembershipConfig {
    /// How long a confirmed suspicion lasts, in percent of max(1, log10 of the members) periods.
    #[must_use]
    pub fn suspicion_percent(&self) -> u32 {
        let usual = if self.detector == Detector::Evidence { 270 } else { 500 };
        self.suspicion_factor_percent.unwrap_or(usual)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let day_us = Span::from_secs(24 * 3_600).as_us();
        within(&[
            ("probe_period", self.period.as_us(), 10_000, day_us / 24),
            ("probe_timeout", self.timeout.as_us(), 1_000, 60_000_000),
            ("probe_helpers", self.helpers.into(), 0, 16),
            ("suspicion_factor_percent", self.suspicion_percent().into(), 10, 10_000),
            ("suspicion_max_factor", self.suspicion_max_factor.into(), 1, 100),
            ("news_bytes", self.news_bytes.into(), 0, 1_000),
            ("news_sends", self.news_sends.into(), 1, 160),
            ("heal_interval", self.heal_interval.as_us(), 100_000, day_us),
            ("quarantine", self.quarantine.as_us(), 0, day_us),
            ("reap_after", self.reap_after.as_us(), 1_000_000, 365 * day_us),
        ])
    }
}

/// Checks settings, each with its least and its greatest value.
///
/// # Errors
/// Names the first that is outside its range.
pub fn within(checks: &[(&'static str, u64, u64, u64)]) -> Result<(), ConfigError> {
    let wrong = checks.iter().find(|(_, value, min, max)| value < min || value > max);
    wrong.map_or(Ok(()), |&(key, value, min, max)| Err(ConfigError { key, value, min, max }))
}

impl Default for MembershipConfig {
    fn default() -> Self {
        Self {
            detector: Detector::Evidence,
            period: Span::from_secs(1),
            timeout: Span::from_ms(500),
            helpers: 3,
            suspicion_factor_percent: None,
            suspicion_max_factor: 6,
            news_bytes: 320,
            news_sends: 24,
            heal_interval: Span::from_secs(5),
            quarantine: Span::from_secs(30),
            reap_after: Span::from_secs(24 * 3_600),
        }
    }
}

/// The settings of one node's protocol. Nodes of a cluster may differ in them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// Time between two rounds of repair: shorter spreads sooner and costs datagrams in proportion. 10 ms to
    /// 1 h; 1 s unless set.
    pub repair_interval: Span,
    /// Peers asked in each round: each one more costs up to two datagrams. 1 to 16; 1 unless set.
    pub repair_fanout: u32,
    /// Who gets a new entry at once. All members unless set.
    pub broadcast: Broadcast,
    /// How many copies of it are sent at once, against loss. 1 to 32; 1 unless set.
    pub broadcast_copies: u32,
    /// Least time between two broadcasts; what is written in between goes out together. 20 ms unless set.
    pub broadcast_spacing: Span,
    /// With more members than this, a broadcast goes through relays. 1,500 unless set.
    pub relay_above: u32,
    /// Relays asked for each slice of the members. 1 to 16; 2 unless set.
    pub relay_copies: u32,
    /// Bytes of recent entries that ride on each request. More spreads sooner: under heavy loss
    /// and many updates the room is what they wait for. 0 to 1,300; 1,000 unless set.
    pub rumour_bytes: u32,
    /// How often a node passes a recent entry on, per doubling of the cluster and before loss is allowed for;
    /// in sixteenths. 0 to 160; 12 unless set.
    pub rumour_sends: u32,
    /// Recent entries that a node remembers for filters and for answers. 16 to 4,096; 256 unless set.
    pub recent_limit: u32,
    /// Bytes of one reply. 200 to the datagram limit, which it is unless set.
    pub reply_bytes: u32,
    /// Bytes of replies that a node sends in one repair interval; beyond them replies say only whether the
    /// states agree. 256 KiB unless set.
    pub reply_budget: u32,
    /// Whether requests carry a digest when states differ. Without one, only recent entries are repaired.
    pub digest: bool,
    /// Requests per repair interval, beyond the round's, that a gap in a writer's sequence may cause. 1 unless
    /// set.
    pub gap_asks: u32,
    /// How many further requests go out in a round after one whose answers were not enough. 7 unless set.
    pub catch_up_asks: u32,
    /// Time between two heartbeats of freshness; unset: max(18 s, members × 20 ms).
    pub heartbeat: Option<Span>,
    /// Bytes of heartbeats that ride on each datagram. 0 to 1,000; 320 unless set.
    pub beat_bytes: u32,
    /// How long and how much of the message log is kept: 24 h and 64 MiB unless set.
    pub retention: Retention,
    /// How long after a restart a node fences its past lives: longer than any partition that should heal
    /// without loss. 24 h unless set.
    pub fence_after: Span,
    /// Mean time between two attempts to join, each at the next peer. 1 s unless set.
    pub join_retry: Span,
    /// After this long without a peer a joining node serves alone. 30 s unless set.
    pub join_timeout: Span,
    /// Least time between two streams that a node opens to repair. 2 s unless set.
    pub stream_spacing: Span,
    /// A stream without progress for this long is given up. 30 s unless set.
    pub stream_timeout: Span,
    /// Bytes of one stream frame, before the last entry. 64 KiB unless set.
    pub frame_bytes: u32,
    /// Greatest size of a datagram's payload, sealing included. 600 to 65,000; 1,400 unless set.
    pub datagram_limit: u32,
    /// Bytes of it that are kept free for sealing. 48 unless set.
    pub sealing_reserve: u32,
    /// Entries above this size go by stream. 100 to 100 bytes less than a reply may have; 1,100 unless set.
    pub entry_datagram_limit: u32,
    /// Greatest one-way time of a datagram, for the bound on ages. 1 s unless set.
    pub max_transit: Span,
    /// Greatest drift of a clock in parts per million, for the bound on ages. 200 unless set.
    pub clock_drift_ppm: u32,
    /// How members are watched; unset, all are taken to live for ever.
    pub membership: Option<MembershipConfig>,
    /// What the node may do to check the origins that it owns; unset, it checks none, and what is said of their health
    /// comes from outside.
    pub checks: Option<Limits>,
    /// Who owns what. All nodes of a cluster must agree about it.
    pub ownership: Settings,
    /// A planted bug, for tests.
    pub planted: Planted,
}

/// Heartbeats in small clusters: oftener they are most of what an idle node sends.
const LEAST_HEARTBEAT: Span = Span::from_secs(18);

impl Default for Config {
    fn default() -> Self {
        Self {
            repair_interval: Span::from_secs(1),
            repair_fanout: 1,
            broadcast: Broadcast::All,
            broadcast_copies: 1,
            broadcast_spacing: Span::from_ms(20),
            relay_above: 1_500,
            relay_copies: 2,
            rumour_bytes: 1_000,
            rumour_sends: 12,
            recent_limit: 256,
            reply_bytes: 1_352,
            reply_budget: 256 * 1024,
            digest: true,
            gap_asks: 1,
            catch_up_asks: 7,
            heartbeat: None,
            beat_bytes: 320,
            retention: Retention { age: Span::from_secs(24 * 3_600), bytes: 64 * 1024 * 1024 },
            fence_after: Span::from_secs(24 * 3_600),
            join_retry: Span::from_secs(1),
            join_timeout: Span::from_secs(30),
            stream_spacing: Span::from_secs(2),
            stream_timeout: Span::from_secs(30),
            frame_bytes: 64 * 1024,
            datagram_limit: 1_400,
            sealing_reserve: 48,
            entry_datagram_limit: 1_100,
            max_transit: Span::from_secs(1),
            clock_drift_ppm: 200,
            membership: Some(MembershipConfig::default()),
            checks: Some(Limits::default()),
            ownership: Settings::default(),
            planted: Planted::NONE,
        }
    }
}

/// A setting outside its range. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The setting's name.
    pub key: &'static str,
    /// The value that was given.
    pub value: u64,
    /// The least value allowed.
    pub min: u64,
    /// The greatest value allowed.
    pub max: u64,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, min, max } = self;
        write!(f, "`{key}` is {value}, allowed are {min} to {max}")
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Names the first setting that is outside its range. Spans are in microseconds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let day_us = Span::from_secs(24 * 3_600).as_us();
        let span = |key, span: Span, min: Span, max_us: u64| (key, span.as_us(), min.as_us(), max_us);
        let ms = Span::from_ms;
        // What is not sent by stream must fit a reply, or it never arrives where it was missed.
        let entry_most = u64::from(self.room().min(self.reply_bytes)) - 100;
        let checks = [
            span("repair_interval", self.repair_interval, ms(10), day_us / 24),
            ("repair_fanout", self.repair_fanout.into(), 1, 16),
            ("broadcast_copies", self.broadcast_copies.into(), 1, 32),
            span("broadcast_spacing", self.broadcast_spacing, Span::ZERO, 60_000_000),
            ("relay_above", self.relay_above.into(), 2, u32::MAX.into()),
            ("relay_copies", self.relay_copies.into(), 1, 16),
            ("rumour_bytes", self.rumour_bytes.into(), 0, 1_300),
            ("rumour_sends", self.rumour_sends.into(), 0, 160),
            ("recent_limit", self.recent_limit.into(), 16, 4_096),
            ("reply_bytes", self.reply_bytes.into(), 200, 65_000),
            ("reply_budget", self.reply_budget.into(), 2_000, u32::MAX.into()),
            ("gap_asks", self.gap_asks.into(), 0, 64),
            ("catch_up_asks", self.catch_up_asks.into(), 0, 64),
            ("beat_bytes", self.beat_bytes.into(), 0, 1_000),
            span("heartbeat", self.heartbeat.unwrap_or(Span::from_secs(10)), ms(100), day_us),
            span("log_retention", self.retention.age, ms(1), 365 * day_us),
            span("fence_after", self.fence_after, ms(1), 365 * day_us),
            span("join_retry", self.join_retry, ms(10), day_us),
            span("join_timeout", self.join_timeout, ms(10), day_us),
            span("stream_spacing", self.stream_spacing, Span::ZERO, day_us),
            span("stream_timeout", self.stream_timeout, ms(100), day_us),
            ("frame_bytes", self.frame_bytes.into(), 4_096, 1 << 24),
            ("datagram_limit", self.datagram_limit.into(), 600, 65_000),
            ("sealing_reserve", self.sealing_reserve.into(), 0, 200),
            ("entry_datagram_limit", self.entry_datagram_limit.into(), 100, entry_most),
            span("max_transit", self.max_transit, Span::ZERO, day_us),
            ("clock_drift_ppm", self.clock_drift_ppm.into(), 0, 1_000_000),
            ("confirmers", self.ownership.confirmers.into(), 0, 16),
        ];
        within(&checks)?;
        self.checks.as_ref().map_or(Ok(()), Limits::validate)?;
        self.membership.as_ref().map_or(Ok(()), MembershipConfig::validate)
    }

    /// Bytes of a datagram that the protocol may fill.
    #[must_use]
    pub const fn room(&self) -> u32 {
        self.datagram_limit - self.sealing_reserve
    }

    /// The period of heartbeats in a cluster of `members`.
    #[must_use]
    pub fn heartbeat_period(&self, members: usize) -> Span {
        let grown = Span::from_ms(20).times(members as u64);
        self.heartbeat.unwrap_or_else(|| grown.max(LEAST_HEARTBEAT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn a_value_outside_its_range_is_named_with_the_range() {
        let config = Config { repair_fanout: 0, ..Config::default() };
        let error = config.validate().unwrap_err();
        assert_eq!(alloc::format!("{error}"), "`repair_fanout` is 0, allowed are 1 to 16");
    }
}
