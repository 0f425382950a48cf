//! Traces: what became of a request, a change or a probe, told to an OpenTelemetry collector.
//!
//! A `Context` names a span within a trace. It comes with a request as `traceparent`, is at hand for whatever the
//! request does (`current`), and travels with a change as the note of its entry, which the core hands on without looking
//! at it. Only contexts that are sampled exist at all, so what is not traced costs nothing.
//!
//! `Tracer` is what the rest of the node holds: it makes contexts and takes spans. `changes` and `steps` make the spans of
//! a change on its way: publish, core step, send, receive, delivery. `exporter` sends spans, bounded and with a breaker,
//! in the encoding of `otlp`. `config` and `standard` put its settings together. TRACING.md describes it all.

mod changes;
mod config;
mod context;
pub(crate) mod current;
mod exporter;
mod ids;
mod open;
mod otlp;
mod share;
mod span;
mod standard;
mod steps;
mod tracer;
mod write;

pub use config::TraceConfig;
pub use share::Share;

pub(crate) use context::Context;
pub(crate) use exporter::ExporterStatus;
pub(crate) use open::Open;
pub(crate) use span::{Kind, Span};
pub(crate) use standard::Standard;
pub(crate) use steps::{Steps, Way};
pub(crate) use tracer::Tracer;
pub(crate) use write::{Write, noted};
