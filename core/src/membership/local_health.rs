//! How much a node trusts its own clock of probes: the local health multiplier of Lifeguard (Dadgar et al. 2018, IV-A).

use crate::time::Span;

/// The counter stops here: the most patient node asks nine times as seldom as a healthy one.
const LIMIT: u32 = 8;

/// A node whose probes fail may be the one that is slow. The counter goes up with each sign of that and down with each
/// probe that is answered in time; interval and timeout of probes grow with it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct LocalHealth(u32);

impl LocalHealth {
    /// A probe was answered in time.
    pub const fn probe_answered(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    /// A probe failed. A helper that is well says that it asked in vain; where one is silent, too, the fault is rather
    /// this node's.
    pub fn probe_failed(&mut self, silent_helpers: bool) {
        self.raise(1 + u32::from(silent_helpers));
    }

    /// This node was suspected, without cause.
    pub fn refuted(&mut self) {
        self.raise(1);
    }

    fn raise(&mut self, by: u32) {
        self.0 = (self.0 + by).min(LIMIT);
    }

    /// The span as this node should take it.
    #[must_use]
    pub const fn scale(self, span: Span) -> Span {
        span.times(self.0 as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Span = Span::from_secs(1);

    #[test]
    fn a_healthy_node_takes_its_times_as_they_are() {
        let mut health = LocalHealth::default();
        health.probe_answered();
        assert_eq!(health.scale(SECOND), SECOND);
    }

    #[test]
    fn each_sign_of_ill_health_counts_and_each_answer_takes_one_back() {
        let mut health = LocalHealth::default();
        health.probe_failed(false);
        assert_eq!(health.scale(SECOND), Span::from_secs(2));
        health.probe_failed(true);
        assert_eq!(health.scale(SECOND), Span::from_secs(4), "a missed nack counts for itself");
        health.refuted();
        assert_eq!(health.scale(SECOND), Span::from_secs(5));
        health.probe_answered();
        assert_eq!(health.scale(SECOND), Span::from_secs(4));
    }

    #[test]
    fn it_goes_no_further_than_eight() {
        let mut health = LocalHealth::default();
        (0..20).for_each(|_| health.probe_failed(true));
        assert_eq!(health.scale(SECOND), Span::from_secs(9));
        (0..8).for_each(|_| health.probe_answered());
        assert_eq!(health.scale(SECOND), SECOND);
    }
}
