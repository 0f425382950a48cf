//! The health of one origin as this node knows it, without what goes on changing between two events.

use heck_core::entry::{Admin, Body, Confirmation, HealthState, Hold, Scope};
use heck_core::id::{Name, Writer};
use heck_core::node::View;
use heck_core::probe::{Failure, Reply};
use heck_core::time::{Span, Time};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Answers of one writer for origins of one interval: they are of one age, and stale together. An answer of this node
/// itself is a group of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Group {
    pub writer: Writer,
    pub interval: Span,
    /// The origin, where this node is the writer.
    pub origin: Option<Name>,
}

/// The health of one origin.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct HealthRow {
    pub state: HealthState,
    /// When the state began, by the clock of the node that saw it begin; none before any claim.
    pub since: Option<Time>,
    pub hold: Hold,
    pub confirmation: Confirmation,
    /// The answer that made it so, where it is unhealthy or degraded.
    pub cause: Option<Reply>,
    /// Who says so, if anybody.
    pub said_by: Option<Name>,
    /// Who is to check it.
    pub owner: Option<Name>,
    /// Whether this node is.
    pub is_own: bool,
    pub admin: Admin,
    /// Where its age is found; none when nobody vouches for it.
    pub group: Option<Group>,
    pub is_stale: bool,
}

impl HealthRow {
    /// Reads what holds in a scope at `now`; none when there is no such origin.
    pub(crate) fn read(view: View<'_>, scope: Scope, origin: &Name, now: Time) -> Option<Self> {
        let Body::Origin { spec, .. } = &view.origin(origin)?.body else { return None };
        let name_of = |node| view.members().get(node).map(|member| member.name.clone());
        let health = view.health(scope, origin, now);
        let owner = health.map_or_else(|| view.owner(scope, origin, now), |health| health.owner);
        let mut row = Self {
            state: HealthState::Unknown,
            since: None,
            hold: Hold::Released,
            confirmation: Confirmation::default(),
            cause: None,
            said_by: None,
            owner: owner.and_then(name_of),
            is_own: owner == Some(view.writer().node),
            admin: spec.admin,
            group: None,
            is_stale: true,
        };
        if let Some(health) = health {
            let is_said_here = health.writer == view.writer();
            let group = || Group {
                writer: health.writer,
                interval: spec.policy.interval,
                origin: is_said_here.then(|| origin.clone()),
            };
            row.state = health.state;
            row.since = Some(health.since);
            row.hold = health.hold;
            row.confirmation = health.confirmation;
            row.cause = health.cause;
            row.said_by = name_of(health.writer.node);
            row.group = (health.hold == Hold::Held).then(group);
            row.is_stale = health.is_stale;
        }
        Some(row)
    }

    /// Why it is unhealthy or degraded, in a word.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        reason(self.state, self.cause)
    }

    /// What counts as a change.
    pub(crate) fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.state, self.since, self.hold, self.confirmation, self.cause).hash(&mut hasher);
        (&self.said_by, &self.owner, self.admin, self.is_stale).hash(&mut hasher);
        hasher.finish()
    }
}

/// Why an origin is unhealthy or degraded, in a word, by the answer that made it so.
pub(crate) const fn reason(state: HealthState, cause: Option<Reply>) -> Option<&'static str> {
    let Some(cause) = cause else { return None };
    Some(match cause {
        Reply::Failed(Failure::Timeout) => "timeout",
        Reply::Failed(Failure::Resolve) => "resolve",
        Reply::Failed(Failure::Connect) => "connect",
        Reply::Failed(Failure::Tls) => "tls",
        Reply::Failed(Failure::Protocol) => "protocol",
        Reply::Failed(Failure::Forbidden) => "forbidden",
        Reply::Status(429) => "status",
        Reply::Status(_) if matches!(state, HealthState::Degraded) => "slow",
        Reply::Status(_) => "status",
        Reply::Connected => "slow",
    })
}

/// The HTTP status of an answer, if it had one.
pub(crate) const fn status_code(reply: Option<Reply>) -> Option<u16> {
    match reply {
        Some(Reply::Status(status)) => Some(status),
        _ => None,
    }
}
