//! What the rest of a node holds of its traces: it makes contexts, and takes the spans that have ended.

use super::changes::Changes;
use super::config::TraceConfig;
use super::context::{Context, TraceParent};
use super::exporter::{self, ExporterStatus, Queue};
use super::ids::Ids;
use super::share::Share;
use super::span::{Kind, Span};
use crate::clock::Clock;
use crate::counters::Counters;
use heck_core::entry::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::debug;

/// The traces of a node. Clones are the same; what waits is told when the last of them is gone.
#[derive(Clone)]
pub(crate) struct Tracer(Arc<Shared>);

struct Shared {
    config: TraceConfig,
    ids: Ids,
    clock: Clock,
    queue: Queue,
    changes: Mutex<Changes>,
}

/// The span of a request that is to be recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Begun {
    pub context: Context,
    /// The span of the client.
    pub parent: Option<u64>,
    pub begun_us: u64,
}

impl Tracer {
    /// Begins to tell a collector, in the current tokio runtime.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn start(
        config: TraceConfig,
        name: &str,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Result<Self, getrandom::Error> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed)?;
        let queue = exporter::start(&config, name, counters);
        let (ids, changes) = (Ids::new(seed), Mutex::default());
        Ok(Self(Arc::new(Shared { config, ids, clock, queue, changes })))
    }

    /// Microseconds since the Unix epoch, by the node's clock.
    pub(crate) fn now_us(&self) -> u64 {
        self.0.clock.now().0
    }

    /// A span in the trace of another.
    pub(crate) fn child(&self, of: Context) -> Context {
        Context { trace: of.trace, span: self.0.ids.span() }
    }

    fn root(&self, share: Share) -> Option<Context> {
        if share.is_none() {
            return None;
        }
        let trace = self.0.ids.trace();
        share.holds(trace).then(|| Context { trace, span: self.0.ids.span() })
    }

    /// The span of a request, if it is to be recorded: as its client says in `traceparent`, or else by chance where the request
    /// may begin a trace.
    pub(crate) fn request(&self, traceparent: Option<&str>, may_begin: bool) -> Option<Begun> {
        let begun_us = self.now_us();
        match traceparent.and_then(TraceParent::read) {
            Some(TraceParent { context, is_sampled: true }) => {
                let parent = Some(context.span);
                Some(Begun { context: self.child(context), parent, begun_us })
            }
            Some(_) => None,
            None if !may_begin => None,
            None => {
                self.root(self.0.config.requests).map(|context| Begun { context, parent: None, begun_us })
            }
        }
    }

    /// The span of a probe, if it is to be recorded.
    pub(crate) fn probe(&self) -> Option<Context> {
        self.root(self.0.config.probes)
    }

    /// Whether origins are told of the spans of their probes.
    pub(crate) fn tells_origins(&self) -> bool {
        self.0.config.tells_origins
    }

    /// The span of a step that no traced change has led to, if it is to be recorded.
    pub(crate) fn step(&self) -> Option<Context> {
        self.root(self.0.config.steps)
    }

    /// Takes a span that ends now. It never waits: where too many do, the span is dropped and counted.
    pub(crate) fn end(&self, mut span: Span) {
        span.ended_us = self.now_us();
        self.record(span);
    }

    /// Takes a span that has ended.
    pub(crate) fn record(&self, span: Span) {
        self.0.queue.push(span);
    }

    /// The traced changes that are under way here.
    pub(super) fn changes(&self) -> MutexGuard<'_, Changes> {
        // Nothing panics while the lock is held, and what it guards is whole at any time.
        self.0.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that readers of this node can see what an entry says. Nothing is to be told of entries without a note, and of those
    /// that were here before.
    pub(crate) fn delivered(&self, entry: &Entry) {
        if entry.note().is_empty() {
            return;
        }
        let Some(change) = self.changes().deliver(entry.dot) else { return };
        let context = self.child(change.context);
        let name = super::steps::name_of(entry).unwrap_or_default();
        debug!(trace_id = %context, span_id = format!("{:016x}", context.span), name, "a traced change can be seen here");
        let span =
            Span::new("delivery", Kind::Consumer, context, change.begun_us).within(change.context.span);
        self.end(super::steps::describe(span, entry));
    }

    /// How the collector does.
    pub(crate) fn status(&self) -> ExporterStatus {
        self.0.queue.status()
    }

    /// Tells what waits, for so long at most.
    pub(crate) async fn flush(&self, patience: Duration) {
        self.0.queue.flush(patience).await;
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("config", &self.0.config).finish_non_exhaustive()
    }
}
