//! What became of a probe: an answer, a fault of the origin, or a hindrance of the node that checked.

use heck_core::probe::{Failure, Reply};
use heck_core::time::Span;
use std::io;
use std::time::Duration;

/// Longest text about a failure that is kept, in bytes.
const TEXT_LIMIT: usize = 240;

/// How long the parts of a probe took.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Phases {
    /// Until the name had an address; none where the URL holds one or the answer was at hand.
    pub resolve: Option<Span>,
    /// Until the connection stood, from when the address was known; none where it was kept from before, and with TLS,
    /// whose client does not say.
    pub connect: Option<Span>,
    /// From the connection, or with TLS from the address, to the head of the answer; none for TCP.
    pub answer: Option<Span>,
    /// From there to the end of the body, where that had to match.
    pub body: Option<Span>,
}

/// What a probe told of its origin.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Report {
    /// How it ended, as the protocol is told.
    pub reply: Reply,
    /// From its start to its end.
    pub took: Span,
    /// The parts of that.
    pub phases: Phases,
    /// The status of the last answer, where there was one, whatever was wrong with the rest.
    pub status: Option<u16>,
    /// What was wrong, if anything was.
    pub failure: Option<Box<str>>,
    /// When the origin's certificate ends, in Unix seconds; where one was shown.
    pub cert_not_after: Option<i64>,
}

/// Why a probe told nothing of its origin: the node's fault, or that of what the node depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hindrance {
    /// As many probes are under way as may be.
    Busy,
    /// The system had no descriptor, port or memory for it.
    System,
    /// The resolver did not answer.
    Resolver,
    /// What the check needs of this node (a certificate, a secret) cannot be read, or this version does not understand
    /// what the check asks for.
    Settings,
}

/// Why a probe found no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The origin's.
    Origin(Failure, Box<str>),
    /// The checker's.
    Own(Hindrance, Box<str>),
}

impl Fault {
    pub(crate) fn origin(failure: Failure, text: &str) -> Self {
        Self::Origin(failure, cut(text))
    }

    pub(crate) fn own(hindrance: Hindrance, text: &str) -> Self {
        Self::Own(hindrance, cut(text))
    }

    /// The fault behind an error of a socket; the origin's is a failure of this kind.
    pub(crate) fn of_io(error: &io::Error, failure: Failure) -> Self {
        let text = error.to_string();
        if is_own(error) { Self::own(Hindrance::System, &text) } else { Self::origin(failure, &text) }
    }
}

/// Whether the node is hindered, whatever the other side does.
pub(crate) fn is_own(error: &io::Error) -> bool {
    is_out_of_means(error) || has_no_own_address(error)
}

/// Whether the system had no means left: no other address would do better.
pub(super) fn is_out_of_means(error: &io::Error) -> bool {
    /// Errors of Linux: out of memory, of files in the system and in the process, and of buffers.
    const OUT_OF_MEANS: [i32; 4] = [12, 23, 24, 105];
    error.raw_os_error().is_some_and(|number| OUT_OF_MEANS.contains(&number))
        || error.kind() == io::ErrorKind::OutOfMemory
}

/// Whether there is no address here to connect from: no port is left, or none of the kind, as on a machine without
/// IPv6. Another address may do better.
pub(super) fn has_no_own_address(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
}

fn cut(text: &str) -> Box<str> {
    let end = (0..=text.len().min(TEXT_LIMIT)).rev().find(|&end| text.is_char_boundary(end));
    text[..end.unwrap_or_default()].into()
}

pub(crate) fn span(duration: Duration) -> Span {
    Span(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_has_no_means_for_is_not_the_origins_fault() {
        for (number, is_own_fault) in
            [(24, true), (23, true), (99, true), (12, true), (111, false), (113, false)]
        {
            let fault = Fault::of_io(&io::Error::from_raw_os_error(number), Failure::Connect);
            assert_eq!(
                matches!(fault, Fault::Own(Hindrance::System, _)),
                is_own_fault,
                "{number}: {fault:?}"
            );
        }
    }

    #[test]
    fn a_text_is_cut_between_two_letters() {
        let Fault::Origin(_, text) = Fault::origin(Failure::Tls, &"ä".repeat(1_000)) else { panic!() };
        assert_eq!(text.len(), TEXT_LIMIT);
        let Fault::Origin(_, text) = Fault::origin(Failure::Tls, &format!("x{}", "ä".repeat(1_000))) else {
            panic!()
        };
        assert_eq!(text.len(), TEXT_LIMIT - 1);
    }
}
