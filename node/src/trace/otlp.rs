//! Spans in the encoding of OTLP: the message `ExportTraceServiceRequest` of opentelemetry-proto 1, in protobuf.
//!
//! That little of protobuf is written here, as `probe/grpc_message.rs` does with that of gRPC: the libraries for it would
//! take longer to build than they are long. Tests read what is written with the messages that OpenTelemetry publishes.

use super::span::{Span, Value};

/// What a field's number stands beside.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

/// Flags of a span: that it is sampled, that it is known whether its parent is remote, and that it is.
const SAMPLED: u32 = 1;
const KNOWS_REMOTE: u32 = 1 << 8;
const IS_REMOTE: u32 = 1 << 9;
/// The code of a status that tells of an error.
const ERROR: u64 = 2;

/// A message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number > 0x7F {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.varint(field << 3 | VARINT);
        self.varint(number);
    }

    fn fixed_64(&mut self, field: u64, number: u64) {
        self.varint(field << 3 | FIXED_64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn fixed_32(&mut self, field: u64, number: u32) {
        self.varint(field << 3 | FIXED_32);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn attribute(&mut self, field: u64, key: &str, value: &Value) {
        self.message(field, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| match value {
                Value::Text(text) => any.bytes(1, text.as_bytes()),
                // Negative numbers are written as those of 64 bits that they are.
                Value::Number(number) => any.number(3, number.cast_unsigned()),
            });
        });
    }

    fn span(&mut self, span: &Span) {
        self.bytes(1, &span.context.trace.to_be_bytes());
        self.bytes(2, &span.context.span.to_be_bytes());
        if let Some(parent) = span.parent {
            self.bytes(4, &parent.to_be_bytes());
        }
        self.bytes(5, span.name.as_bytes());
        self.number(6, span.kind as u64);
        self.fixed_64(7, span.begun_us.saturating_mul(1_000));
        self.fixed_64(8, span.ended_us.max(span.begun_us).saturating_mul(1_000));
        for (key, value) in &span.attributes {
            self.attribute(9, key, value);
        }
        if let Some(link) = span.link {
            self.message(13, |message| {
                message.bytes(1, &link.trace.to_be_bytes());
                message.bytes(2, &link.span.to_be_bytes());
                message.fixed_32(6, SAMPLED | KNOWS_REMOTE | IS_REMOTE);
            });
        }
        if let Some(error) = &span.error {
            self.message(15, |status| {
                status.bytes(2, error.as_bytes());
                status.number(3, ERROR);
            });
        }
        self.fixed_32(16, SAMPLED | KNOWS_REMOTE | if span.is_parent_remote { IS_REMOTE } else { 0 });
    }
}

/// The request that tells a collector of these spans, all of one node that is described by `resource`.
pub(super) fn request(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |of_resource| {
        of_resource.message(1, |message| {
            for (key, value) in resource {
                message.attribute(1, key, &Value::from(value.clone()));
            }
        });
        of_resource.message(2, |of_scope| {
            of_scope.message(1, |scope| {
                scope.bytes(1, env!("CARGO_PKG_NAME").as_bytes());
                scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            for span in spans {
                of_scope.message(2, |message| message.span(span));
            }
        });
    });
    request.0
}

/// How many spans a collector says in its answer that it refuses. An answer that makes no sense refuses none: its status has
/// said what matters.
pub(super) fn refused(answer: &[u8]) -> u64 {
    let Some(partial) = field(answer, 1) else { return 0 };
    let Field::Bytes(partial) = partial else { return 0 };
    match field(partial, 1) {
        Some(Field::Number(count)) => count,
        _ => 0,
    }
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first field of this number in a message.
fn field(mut message: &[u8], wanted: u64) -> Option<Field<'_>> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let found = match key & 7 {
            VARINT => Field::Number(varint(&mut message)?),
            FIXED_64 => Field::Bytes(message.split_off(..8)?),
            BYTES => {
                let len = usize::try_from(varint(&mut message)?).ok()?;
                Field::Bytes(message.split_off(..len)?)
            }
            FIXED_32 => Field::Bytes(message.split_off(..4)?),
            _ => return None,
        };
        if key >> 3 == wanted {
            return Some(found);
        }
    }
    None
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::context::Context;
    use super::super::span::Kind;
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    };
    use opentelemetry_proto::tonic::common::v1::any_value;
    use prost::Message as _;
    use std::borrow::Cow;

    #[test]
    fn what_is_written_is_read_by_the_published_messages_with_nothing_left_over() {
        let context = Context { trace: 1 << 120 | 7, span: 9 };
        let mut span = Span::new("PUT /v1/kv/{name}", Kind::Server, context, 1_700_000_000_000_001)
            .within_remote(u64::MAX)
            .with("http.route", "/v1/kv/{name}")
            .with("big", 1_u64 << 40);
        span.attributes.push(("less", Value::Number(-5)));
        span.ended_us += 2_500;
        span.link = Some(Context { trace: 1 << 120 | 7, span: 11 });
        span.error = Some(Cow::Borrowed("it broke"));
        let resource = [("service.name".to_owned(), "heck".to_owned())];
        let bytes = request(&resource, &[span.clone(), Span::new("x", Kind::Internal, context, 5)]);
        let read = ExportTraceServiceRequest::decode(bytes.as_slice()).expect("a request");
        // What the published messages write of what they read: every field was understood.
        assert_eq!(read.encoded_len(), bytes.len());
        let [of_resource] = &read.resource_spans[..] else { panic!("{read:?}") };
        let described = &of_resource.resource.as_ref().expect("a resource").attributes;
        assert_eq!(described[0].key, "service.name");
        let [of_scope] = &of_resource.scope_spans[..] else { panic!("{read:?}") };
        assert_eq!(of_scope.scope.as_ref().expect("a scope").name, "heck-node");
        let [first, second] = &of_scope.spans[..] else { panic!("{read:?}") };
        assert_eq!(first.trace_id, context.trace.to_be_bytes());
        assert_eq!(
            (&first.span_id[..], &first.parent_span_id[..]),
            (&9_u64.to_be_bytes()[..], &[255; 8][..])
        );
        assert_eq!((first.kind, first.flags), (2, 0x301));
        assert_eq!(first.start_time_unix_nano, 1_700_000_000_000_001_000);
        assert_eq!(first.end_time_unix_nano - first.start_time_unix_nano, 2_500_000);
        let values: Vec<_> = first.attributes.iter().map(|pair| pair.value.clone().unwrap().value).collect();
        assert_eq!(values[0], Some(any_value::Value::StringValue("/v1/kv/{name}".to_owned())));
        assert_eq!(values[1], Some(any_value::Value::IntValue(1 << 40)));
        assert_eq!(values[2], Some(any_value::Value::IntValue(-5)));
        assert_eq!((&first.links[0].span_id[..], first.links[0].flags), (&11_u64.to_be_bytes()[..], 0x301));
        let status = first.status.as_ref().expect("a status");
        assert_eq!((status.code, status.message.as_str()), (2, "it broke"));
        assert!(second.parent_span_id.is_empty() && second.status.is_none() && second.flags == 0x101);
    }

    #[test]
    fn the_spans_that_a_collector_refuses_are_read_from_its_answer() {
        let answer = |partial| ExportTraceServiceResponse { partial_success: partial }.encode_to_vec();
        assert_eq!(refused(&answer(None)), 0);
        let partial = ExportTracePartialSuccess { rejected_spans: 300, error_message: "why".into() };
        assert_eq!(refused(&answer(Some(partial))), 300);
        let warning = ExportTracePartialSuccess { rejected_spans: 0, error_message: "slow down".into() };
        assert_eq!(refused(&answer(Some(warning))), 0);
        for nonsense in [&b"{}"[..], &[0x0a, 200], &[0xff; 12], &[0x0b]] {
            assert_eq!(refused(nonsense), 0, "{nonsense:?}");
        }
    }
}
