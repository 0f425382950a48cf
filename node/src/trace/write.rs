//! The span of a write that a request asks for: from when the node is told of it to when it is on disk.

use super::context::Context;
use super::current;
use super::span::{Kind, Span};
use super::steps::store_name;
use super::tracer::Tracer;
use crate::error::CommandError;
use heck_core::id::Dot;
use heck_core::input::Command;

/// A command that a traced request asks for. Its span ends when this is dropped.
pub(crate) struct Write {
    tracer: Tracer,
    span: Option<Span>,
}

impl Write {
    /// Begins the span of a command, if this is part of a request that is traced.
    pub(crate) fn begin(tracer: Option<&Tracer>) -> Option<Self> {
        let (tracer, request) = (tracer?, current::request()?);
        let context = tracer.child(request);
        let mut span = Span::new("command", Kind::Producer, context, tracer.now_us()).within(request.span);
        span.error = Some("whoever asked did not wait for the answer".into());
        Some(Self { tracer: tracer.clone(), span: Some(span) })
    }

    /// The context of its span.
    pub(crate) fn context(&self) -> Option<Context> {
        self.span.as_ref().map(|span| span.context)
    }

    /// How it ended.
    pub(crate) fn end(mut self, result: &Result<Option<Dot>, CommandError>) {
        let Some(span) = &mut self.span else { return };
        span.error = result.as_ref().err().map(|error| error.to_string().into());
        if let Ok(Some(dot)) = result {
            span.name = "publish".into();
            span.attributes.push(("heck.store", store_name(dot.lane.store).into()));
        }
    }

    /// Nothing was asked for after all.
    pub(crate) fn forget(mut self) {
        self.span = None;
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            self.tracer.end(span);
        }
    }
}

/// The command with the context of its span, if it has one: it travels with what the command writes.
pub(crate) fn noted(write: Option<Context>, command: Command) -> Command {
    match write {
        Some(context) => command.with_note(&context.to_note()),
        None => command,
    }
}
