//! The two messages of gRPC's health protocol (`grpc.health.v1`), in the five bytes that gRPC puts before each.
//!
//! A request has one field, the name of a service; an answer has one, a status. That little of protobuf is read here:
//! fields that a later version adds are skipped.

/// What goes before a message: whether it is compressed (1 byte) and its length (4).
const PREFIX_LEN: usize = 5;
/// Most bytes of an answer that are read: its one field takes two.
pub(super) const ANSWER_LIMIT: usize = 1_024;

/// What a server says of a service, with its number in the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HealthStatus {
    Unknown = 0,
    /// It can be used.
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

impl HealthStatus {
    const ALL: [Self; 4] = [Self::Unknown, Self::Serving, Self::NotServing, Self::ServiceUnknown];

    /// The name of the status in the protocol.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }
}

/// The name of a status of gRPC itself.
pub(super) const fn code_name(code: u16) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    if (code as usize) < NAMES.len() { NAMES[code as usize] } else { "unknown to gRPC" }
}

/// A request for the health of a service; of the whole server where the name is empty.
pub(super) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        // Field 1, whose value has a length.
        message.push(0x0a);
        put_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut bytes = vec![0; PREFIX_LEN];
    bytes[1..].copy_from_slice(&(message.len() as u32).to_be_bytes());
    bytes.extend(message);
    bytes
}

/// The status in an answer.
///
/// # Errors
/// What is wrong with it.
pub(super) fn answer(bytes: &[u8]) -> Result<HealthStatus, &'static str> {
    let Some((prefix, mut message)) = bytes.split_first_chunk::<PREFIX_LEN>() else {
        return Err("the answer holds no message");
    };
    let [is_compressed, length @ ..] = *prefix;
    if is_compressed != 0 {
        return Err("the message is compressed, which was not asked for");
    }
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err("the message has another length than it says");
    }
    let broken = "the message is no answer of the health protocol";
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message).ok_or(broken)?;
        match (key >> 3, key & 7) {
            (1, 0) => status = varint(&mut message).ok_or(broken)?,
            (0, _) => return Err(broken),
            (_, kind) => skip(kind, &mut message).ok_or(broken)?,
        }
    }
    // Another number would be taken for a status of HTTP further on, 200 for a healthy one.
    let known = HealthStatus::ALL.into_iter().find(|serving| *serving as u64 == status);
    known.ok_or("its health status is none that the protocol has")
}

fn skip(kind: u64, message: &mut &[u8]) -> Option<()> {
    let len = match kind {
        0 => return varint(message).map(drop),
        1 => 8,
        2 => usize::try_from(varint(message)?).ok()?,
        5 => 4,
        _ => return None,
    };
    *message = message.get(len..)?;
    Some(())
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_those_of_the_protocol() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("a.B"), [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']);
        assert_eq!(request(&"x".repeat(200))[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
        assert_eq!(answer(&[0, 0, 0, 0, 2, 8, 1]), Ok(HealthStatus::Serving));
        assert_eq!(answer(&[0, 0, 0, 0, 2, 8, 2]).unwrap().name(), "NOT_SERVING");
        assert_eq!(answer(&[0, 0, 0, 0, 0]).unwrap().name(), "UNKNOWN", "what is 0 is left out");
        // A field 2 with a length, a field 3 of four bytes, one of eight and a number, all of a later version.
        let later = [0x12, 1, 9, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x28, 0x96, 1, 8, 1];
        assert_eq!(
            answer(&[&[0, 0, 0, 0, later.len() as u8], later.as_slice()].concat()),
            Ok(HealthStatus::Serving)
        );
    }

    #[test]
    fn what_is_no_answer_says_why() {
        for (bytes, why) in [
            (&[][..], "no message"),
            (&[1, 0, 0, 0, 2, 8, 1], "compressed"),
            (&[0, 0, 0, 0, 3, 8, 1], "length"),
            (&[0, 0, 0, 0, 1, 8, 1], "length"),
            (&[0, 0, 0, 0, 1, 8], "no answer"),
            (&[0, 0, 0, 0, 2, 0, 1], "no answer"),
            (&[0, 0, 0, 0, 2, 0x0b, 1], "no answer"),
            (&[0, 0, 0, 0, 3, 0x12, 9, 1], "no answer"),
            (&[0, 0, 0, 0, 2, 8, 4], "none that the protocol has"),
            (&[0, 0, 0, 0, 3, 8, 0xc8, 1], "none that the protocol has"),
        ] {
            assert!(answer(bytes).unwrap_err().contains(why), "{bytes:?}");
        }
        assert_eq!(code_name(12), "UNIMPLEMENTED");
        assert_eq!(code_name(17), "unknown to gRPC");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_none(bytes: Vec<u8>) {
            let _ = answer(&bytes);
            let framed = [&[0], (bytes.len() as u32).to_be_bytes().as_slice(), &bytes].concat();
            let _ = answer(&framed);
        }
    }
}
