//! What a user of origins is to make of one: its health, what its operator wants, and how certain both are.

use crate::api::HealthRow;
use heck_core::entry::{Admin, HealthState};

/// What to make of answers that are less than certain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Caution {
    /// Whether an origin is not to be used whose health is older than it should be. The checker is late then, and
    /// says nothing of the origin.
    pub stale_is_down: bool,
    /// Whether an origin may be used of which nobody has said anything yet.
    pub unknown_is_up: bool,
}

/// Whether an origin is to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It is.
    Up,
    /// It is, if need be.
    Degraded,
    /// Nobody has said anything yet; it may be used all the same.
    Untested,
    /// What goes on there may end there; nothing new.
    Draining,
    /// Its operator has taken it out.
    Maintenance,
    /// It is not, for this reason.
    Down(&'static str),
}

impl Verdict {
    /// Whether new work may go there.
    pub(crate) const fn is_usable(self) -> bool {
        matches!(self, Self::Up | Self::Degraded | Self::Untested)
    }
}

impl Caution {
    /// The verdict on an origin; a row that is missing is one that this node does not know.
    pub(crate) fn judge(self, row: Option<&HealthRow>) -> Verdict {
        let Some(row) = row else { return self.unknown("no such origin") };
        if row.admin == Admin::Disabled {
            return Verdict::Maintenance;
        }
        match row.state {
            HealthState::Unknown => self.unknown("unknown"),
            HealthState::Unhealthy => Verdict::Down(row.reason().unwrap_or("unhealthy")),
            _ if row.is_stale && self.stale_is_down => Verdict::Down("stale"),
            _ if row.admin == Admin::Draining => Verdict::Draining,
            HealthState::Draining => Verdict::Draining,
            HealthState::Degraded => Verdict::Degraded,
            HealthState::Healthy => Verdict::Up,
        }
    }

    const fn unknown(self, reason: &'static str) -> Verdict {
        if self.unknown_is_up { Verdict::Untested } else { Verdict::Down(reason) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use heck_core::entry::{Confirmation, Hold};
    use heck_core::probe::{Failure, Reply};

    pub(in crate::output) fn row(state: HealthState, admin: Admin, is_stale: bool) -> HealthRow {
        HealthRow {
            state,
            since: None,
            hold: Hold::Held,
            confirmation: Confirmation::default(),
            cause: (state == HealthState::Unhealthy).then_some(Reply::Failed(Failure::Timeout)),
            said_by: None,
            owner: None,
            is_own: false,
            admin,
            group: None,
            is_stale,
        }
    }

    #[test]
    fn every_state_has_the_verdict_that_the_document_says() {
        use Admin::{Disabled, Draining as Drain, Enabled};
        use HealthState::{Degraded, Draining, Healthy, Unhealthy, Unknown};
        let usual = Caution::default();
        for (state, admin, verdict) in [
            (Healthy, Enabled, Verdict::Up),
            (Degraded, Enabled, Verdict::Degraded),
            (Unhealthy, Enabled, Verdict::Down("timeout")),
            (Unknown, Enabled, Verdict::Down("unknown")),
            (Draining, Drain, Verdict::Draining),
            // The operator's wish is known before the owner's next claim.
            (Healthy, Drain, Verdict::Draining),
            (Degraded, Drain, Verdict::Draining),
            (Unhealthy, Drain, Verdict::Down("timeout")),
            (Healthy, Disabled, Verdict::Maintenance),
            (Unhealthy, Disabled, Verdict::Maintenance),
            (Unknown, Disabled, Verdict::Maintenance),
        ] {
            assert_eq!(usual.judge(Some(&row(state, admin, false))), verdict, "{state:?} {admin:?}");
            assert_eq!(usual.judge(Some(&row(state, admin, true))), verdict, "stale means nothing here");
        }
        assert_eq!(usual.judge(None), Verdict::Down("no such origin"));
    }

    #[test]
    fn caution_decides_about_what_is_stale_and_what_is_unknown() {
        let strict = Caution { stale_is_down: true, ..Caution::default() };
        let healthy = |is_stale| row(HealthState::Healthy, Admin::Enabled, is_stale);
        assert_eq!(strict.judge(Some(&healthy(true))), Verdict::Down("stale"));
        assert_eq!(strict.judge(Some(&healthy(false))), Verdict::Up);
        let down = row(HealthState::Unhealthy, Admin::Enabled, true);
        assert_eq!(strict.judge(Some(&down)), Verdict::Down("timeout"), "the better reason");
        let maintenance = row(HealthState::Healthy, Admin::Disabled, true);
        assert_eq!(strict.judge(Some(&maintenance)), Verdict::Maintenance);
        let open = Caution { unknown_is_up: true, ..Caution::default() };
        assert_eq!(open.judge(None), Verdict::Untested);
        let unknown = row(HealthState::Unknown, Admin::Enabled, true);
        assert_eq!(open.judge(Some(&unknown)), Verdict::Untested);
    }
}
