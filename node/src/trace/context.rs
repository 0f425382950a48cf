//! Which span of which trace: as a header of HTTP, and as the note of a change.

use heck_core::id::Addr;
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a context in a note: the identities of trace and span.
const NOTE_LEN: usize = 24;

/// A span that is sampled, and its trace. Neither identity is zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Context {
    pub trace: u128,
    pub span: u64,
}

/// What a client says of the trace that its request belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TraceParent {
    pub context: Context,
    /// Whether the client records it.
    pub is_sampled: bool,
}

/// So many lower-case hex digits at the start of `text` as a number, and the rest.
fn hex(text: &str, digits: usize) -> Option<(u128, &str)> {
    let (head, rest) = text.split_at_checked(digits)?;
    let is_hex = head.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| u128::from_str_radix(head, 16).ok().map(|number| (number, rest))).flatten()
}

impl TraceParent {
    /// Reads the header `traceparent` (W3C Trace Context); none where it is none of any version.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (version, rest) = hex(text, 2)?;
        let (trace, rest) = hex(rest.strip_prefix('-')?, 32)?;
        let (span, rest) = hex(rest.strip_prefix('-')?, 16)?;
        let (flags, rest) = hex(rest.strip_prefix('-')?, 2)?;
        // A later version may have more behind it.
        let ends_well = rest.is_empty() || version > 0 && rest.starts_with('-');
        let is_valid = version != 0xFF && trace != 0 && span != 0 && ends_well;
        let context = Context { trace, span: span as u64 };
        is_valid.then_some(Self { context, is_sampled: flags & 1 == 1 })
    }
}

impl Context {
    /// The header `traceparent`.
    pub(crate) fn to_header(self) -> String {
        format!("00-{self}-{:016x}-01", self.span)
    }

    /// The note of a change that belongs to this span.
    pub(crate) fn to_note(self) -> [u8; NOTE_LEN] {
        let mut note = [0; NOTE_LEN];
        note[..16].copy_from_slice(&self.trace.to_be_bytes());
        note[16..].copy_from_slice(&self.span.to_be_bytes());
        note
    }

    /// What the note of a change says; none where there is none, or where a later version says something else.
    pub(crate) fn of_note(note: &[u8]) -> Option<Self> {
        let (trace, span) = note.split_first_chunk::<16>()?;
        let span: [u8; 8] = span.try_into().ok()?;
        let context = Self { trace: u128::from_be_bytes(*trace), span: u64::from_be_bytes(span) };
        (context.trace != 0 && context.span != 0).then_some(context)
    }

    /// The span in which the node at this address sends the change of this one. Whoever receives the change knows
    /// both, so that it can point there though an entry stays the same on all its ways.
    pub(crate) fn sending(self, from: Addr) -> Self {
        let mut bytes = [0; NOTE_LEN + 18];
        bytes[..NOTE_LEN].copy_from_slice(&self.to_note());
        bytes[NOTE_LEN..NOTE_LEN + 16].copy_from_slice(&from.ip);
        bytes[NOTE_LEN + 16..].copy_from_slice(&from.port.to_be_bytes());
        Self { trace: self.trace, span: xxh3_64(&bytes).max(1) }
    }
}

impl fmt::Display for Context {
    /// The identity of the trace, as logs have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const CONTEXT: Context =
        Context { trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7 };

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        assert_eq!(TraceParent::read(HEADER), Some(TraceParent { context: CONTEXT, is_sampled: true }));
        assert_eq!(CONTEXT.to_header(), HEADER);
        assert_eq!(CONTEXT.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let unsampled = HEADER.replace("-01", "-00");
        assert!(TraceParent::read(&unsampled).is_some_and(|parent| !parent.is_sampled));
        let later = HEADER.replacen("00", "cc", 1);
        assert!(TraceParent::read(&format!("{later}-what-comes-later")).is_some());
    }

    #[test]
    fn what_is_no_traceparent_is_passed_over() {
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-äbf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_note_holds_a_context_and_other_notes_hold_none() {
        assert_eq!(Context::of_note(&CONTEXT.to_note()), Some(CONTEXT));
        for note in [&[][..], &[0; 24], &[7; 23], &[7; 25], &[7; 1]] {
            assert_eq!(Context::of_note(note), None, "{note:?}");
        }
    }

    #[test]
    fn senders_of_one_change_have_spans_of_their_own_in_its_trace() {
        let addr = |port| Addr { ip: [1; 16], port };
        let sending = CONTEXT.sending(addr(1));
        assert_eq!(sending, CONTEXT.sending(addr(1)));
        assert_ne!(sending, CONTEXT.sending(addr(2)));
        assert_eq!(sending.trace, CONTEXT.trace);
    }
}
