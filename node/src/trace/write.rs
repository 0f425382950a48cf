//! The span of a write that a request asks for: from when the node is told of it to when it is on disk.

use super::context::Context;
use super::current;
use super::open::Open;
use super::span::{Kind, Span};
use super::steps::store_name;
use super::tracer::Tracer;
use crate::error::CommandError;
use heck_core::id::Dot;
use heck_core::input::Command;

/// A command that a traced request asks for.
pub(crate) struct Write {
    context: Context,
    open: Open,
}

impl Write {
    /// Begins the span of a command, if this is part of a request that is traced.
    pub(crate) fn begin(tracer: Option<&Tracer>) -> Option<Self> {
        let (tracer, request) = (tracer?, current::request()?);
        let context = tracer.child(request);
        let span = Span::new("command", Kind::Producer, context, tracer.now_us()).within(request.span);
        Some(Self { context, open: Open::new(tracer, span) })
    }

    /// The context of its span.
    pub(crate) const fn context(&self) -> Context {
        self.context
    }

    /// How it ended.
    pub(crate) fn end(self, result: &Result<Option<Dot>, CommandError>) {
        self.open.end(|span| {
            span.error = result.as_ref().err().map(|error| error.to_string().into());
            if let Ok(Some(dot)) = result {
                span.name = "publish".into();
                span.attributes.push(("heck.store", store_name(dot.lane.store).into()));
            }
        });
    }

    /// Nothing was asked for after all.
    pub(crate) fn forget(self) {
        self.open.forget();
    }
}

/// The command with the context of its span, if it has one: it travels with what the command writes.
pub(crate) fn noted(write: Option<Context>, command: Command) -> Command {
    match write {
        Some(context) => command.with_note(&context.to_note()),
        None => command,
    }
}
