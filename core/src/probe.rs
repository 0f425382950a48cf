//! Probes of origins: what a node wants done, and how it ended.

use crate::id::Name;
use crate::time::Span;
use alloc::sync::Arc;

/// A probe under way, by a number that is not used again soon.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct ProbeId(pub u64);

/// A probe to start now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// To be repeated with the outcome.
    pub probe: ProbeId,
    /// Which origin.
    pub origin: Name,
    /// What to probe.
    pub target: Arc<str>,
    /// After how long it has failed; whoever probes sees to that.
    pub timeout: Span,
}

/// A probe that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProbeOutcome {
    /// Which.
    pub probe: ProbeId,
    /// How.
    pub reply: Reply,
    /// The time from its start to the answer, as whoever probed measured it.
    pub took: Span,
}

/// How a probe ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Reply {
    /// An answer with a status of HTTP.
    Status(u16),
    /// A connection, where that is all that was asked for.
    Connected,
    /// No answer.
    Failed(Failure),
}

/// Why there was no answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Failure {
    /// None in time.
    Timeout = 0,
    /// The name has no address.
    Resolve = 1,
    /// No connection.
    Connect = 2,
    /// No agreement about TLS, or a certificate that does not hold.
    Tls = 3,
    /// An answer that is none.
    Protocol = 4,
    /// The address is one that this node must not probe.
    Forbidden = 5,
}

impl Failure {
    /// The failure with this number, if there is one.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Timeout),
            1 => Some(Self::Resolve),
            2 => Some(Self::Connect),
            3 => Some(Self::Tls),
            4 => Some(Self::Protocol),
            5 => Some(Self::Forbidden),
            _ => None,
        }
    }
}
