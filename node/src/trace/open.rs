//! A span that has not ended yet. It ends when whoever is at it does, also where that is because nobody waits any more.

use super::span::Span;
use super::tracer::Tracer;

/// An open span, which ends when this is dropped.
pub(crate) struct Open {
    tracer: Tracer,
    span: Option<Span>,
}

impl Open {
    /// Opens a span, of which it is an error that nobody waited for its end, unless that is changed.
    pub(crate) fn new(tracer: &Tracer, mut span: Span) -> Self {
        span.error = Some("whoever asked went away before the answer".into());
        Self { tracer: tracer.clone(), span: Some(span) }
    }

    /// Ends it, with what is known of it by now.
    pub(crate) fn end(mut self, known: impl FnOnce(&mut Span)) {
        if let Some(span) = &mut self.span {
            span.error = None;
            known(span);
        }
    }

    /// It was none after all.
    pub(crate) fn forget(mut self) {
        self.span = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            self.tracer.end(span);
        }
    }
}
