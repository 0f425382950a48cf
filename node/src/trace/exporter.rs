//! Tells a collector of spans, over OTLP: HTTP with protobuf.
//!
//! Nobody waits for it. Spans wait in a queue of fixed length, and those for which there is no room are dropped and counted.
//! One lane sends them in batches and is the circuit breaker at the same time, as that of the webhook is: when an attempt
//! fails nothing else is tried until its pause is over.

use super::config::TraceConfig;
use super::otlp;
use super::span::Span;
use crate::backoff::pause;
use crate::counters::{Count, Counters};
use crate::probe::resolve::BreakerState;
use crate::probe::{client_config, no_authorities};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, redirect};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{info, warn};

/// Spans that wait at most, those of a batch, and how long a batch is gathered: what OpenTelemetry's SDKs do by default, but
/// that they gather for 5 s.
const QUEUE: usize = 2_048;
const BATCH: usize = 512;
const GATHER: Duration = Duration::from_secs(1);
/// How long a batch is tried again.
const KEPT: Duration = Duration::from_secs(300);
/// The longest pause that a collector may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// Most bytes of an answer that are read.
const ANSWER_LIMIT: usize = 16 << 10;

/// How a collector does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ExporterStatus {
    /// Spans that wait, or are under way.
    pub waiting: usize,
    /// Whether it is told.
    pub breaker: BreakerState,
}

/// What the sender shows of itself.
#[derive(Debug)]
struct Shown {
    /// Spans that were taken from the queue and are not told yet.
    under_way: AtomicUsize,
    breaker: Mutex<BreakerState>,
}

enum Item {
    Span(Box<Span>),
    /// Tell what came before at once, and then this.
    Flush(oneshot::Sender<()>),
}

/// Where spans go.
pub(super) struct Queue {
    items: mpsc::Sender<Item>,
    counters: Arc<Counters>,
    shown: Arc<Shown>,
}

impl Queue {
    pub(super) fn push(&self, span: Span) {
        if self.items.try_send(Item::Span(Box::new(span))).is_err() {
            self.counters.bump(Count::SpansDropped);
        }
    }

    pub(super) fn status(&self) -> ExporterStatus {
        let queued = self.items.max_capacity() - self.items.capacity();
        ExporterStatus {
            waiting: queued + self.shown.under_way.load(Ordering::Relaxed),
            breaker: *self.shown.breaker.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    pub(super) async fn flush(&self, patience: Duration) {
        let flush = async {
            let (told, wait) = oneshot::channel();
            if self.items.send(Item::Flush(told)).await.is_ok() {
                let _ = wait.await;
            }
        };
        if timeout(patience, flush).await.is_err() {
            let count = self.status().waiting;
            warn!(count, "the node ends before the collector has taken these spans");
        }
    }
}

/// Starts the task that tells the collector; it ends when the queue is gone.
pub(super) fn start(config: &TraceConfig, name: &str, counters: Arc<Counters>) -> Queue {
    let (items, received) = mpsc::channel(QUEUE);
    let shown = Arc::new(Shown { under_way: AtomicUsize::new(0), breaker: Mutex::new(BreakerState::Closed) });
    let mut resource = config.resource.clone();
    if !resource.iter().any(|(key, _)| key == "service.instance.id") {
        resource.push(("service.instance.id".to_owned(), name.to_owned()));
    }
    let exporter = Exporter {
        config: config.clone(),
        name: name.to_owned(),
        resource,
        client: None,
        received,
        counters: counters.clone(),
        shown: shown.clone(),
        failures: 0,
    };
    tokio::spawn(exporter.run());
    Queue { items, counters, shown }
}

/// What became of an attempt.
enum End {
    /// The collector has it, but for so many spans.
    Taken(u64),
    /// The collector does not want it, and will not.
    Refused(String),
    /// Not now.
    Failed(String, Option<Duration>),
}

struct Exporter {
    config: TraceConfig,
    name: String,
    resource: Vec<(String, String)>,
    /// None until it is needed, and after a failure: authorities may be others then.
    client: Option<Client>,
    received: mpsc::Receiver<Item>,
    counters: Arc<Counters>,
    shown: Arc<Shown>,
    /// Attempts in a row that failed.
    failures: u32,
}

impl Exporter {
    async fn run(mut self) {
        while let Some(first) = self.received.recv().await {
            let (spans, flushed) = self.gather(first).await;
            self.shown.under_way.store(spans.len(), Ordering::Relaxed);
            if !spans.is_empty() {
                self.tell(&spans).await;
            }
            self.shown.under_way.store(0, Ordering::Relaxed);
            if let Some(flushed) = flushed {
                // Whoever asked may have stopped waiting.
                let _ = flushed.send(());
            }
        }
    }

    /// A batch of spans, and who waits for it.
    async fn gather(&mut self, first: Item) -> (Vec<Span>, Option<oneshot::Sender<()>>) {
        let (mut spans, until) = (Vec::new(), Instant::now() + GATHER);
        let mut next = Some(first);
        loop {
            match next {
                Some(Item::Span(span)) => spans.push(*span),
                Some(Item::Flush(flushed)) => return (spans, Some(flushed)),
                None => return (spans, None),
            }
            if spans.len() >= BATCH {
                return (spans, None);
            }
            next = timeout_at(until, self.received.recv()).await.ok().flatten();
        }
    }

    /// Tells of a batch until that has come to an end.
    async fn tell(&mut self, spans: &[Span]) {
        let request = bytes::Bytes::from(otlp::request(&self.resource, spans));
        let (count, began) = (spans.len() as u64, Instant::now());
        loop {
            self.show_breaker(BreakerState::HalfOpen);
            let end = timeout(self.config.timeout, self.attempt(request.clone())).await;
            let end = end.unwrap_or_else(|_| End::Failed("no answer in time".to_owned(), None));
            let (why, retry_after) = match end {
                End::Taken(refused) => {
                    let refused = refused.min(count);
                    self.counters.add(Count::SpansExported, count - refused);
                    self.counters.add(Count::SpansDropped, refused);
                    self.answered();
                    return;
                }
                End::Refused(why) => {
                    self.answered();
                    self.counters.bump(Count::SpanExportsFailed);
                    self.counters.add(Count::SpansDropped, count);
                    warn!(why, count, "the collector of traces refuses spans: they are dropped");
                    return;
                }
                End::Failed(why, retry_after) => (why, retry_after),
            };
            self.counters.bump(Count::SpanExportsFailed);
            if self.failures == 0 {
                warn!(
                    why,
                    "the collector of traces does not take spans: they wait, and are dropped when there are too many"
                );
            }
            self.failures = self.failures.saturating_add(1);
            self.client = None;
            if began.elapsed() > KEPT || self.received.is_closed() {
                self.counters.add(Count::SpansDropped, count);
                return;
            }
            self.show_breaker(BreakerState::Open);
            sleep(retry_after.unwrap_or_else(|| pause(self.failures, &self.name))).await;
        }
    }

    fn answered(&mut self) {
        if self.failures > 0 {
            info!(failures = self.failures, "the collector of traces answers again");
        }
        self.failures = 0;
        self.show_breaker(BreakerState::Closed);
    }

    /// Shows this state, or that all is well.
    fn show_breaker(&self, otherwise: BreakerState) {
        let state = if self.failures == 0 { BreakerState::Closed } else { otherwise };
        *self.shown.breaker.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    async fn attempt(&mut self, body: bytes::Bytes) -> End {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => match client(&self.config).await {
                Ok(client) => self.client.insert(client).clone(),
                Err(text) => return End::Failed(text, None),
            },
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.config.headers {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let sent = client.post(self.config.url.clone()).headers(headers).body(body).send().await;
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(error) => return End::Failed(root_text(&error), None),
        };
        let status = answer.status();
        match status {
            status if status.is_success() => {}
            // Those that OTLP names as passing.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                return End::Failed(format!("it answered {status}"), retry_after(answer.headers()));
            }
            status => return End::Refused(format!("it answered {status}")),
        }
        let mut read = Vec::new();
        while let Ok(Some(part)) = answer.chunk().await {
            read.extend_from_slice(&part);
            if read.len() > ANSWER_LIMIT {
                break;
            }
        }
        End::Taken(otlp::refused(&read))
    }
}

async fn client(config: &TraceConfig) -> Result<Client, String> {
    let tls = if config.url.scheme() == "https" {
        client_config(config.ca.as_deref()).await?
    } else {
        no_authorities()?
    };
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|error| root_text(&error))
}

/// How long a collector asks to be left alone, in the form of seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

/// What the innermost error says: those around it only say that something failed.
fn root_text(error: &reqwest::Error) -> String {
    let mut root: &dyn Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
