//! Following a table: long polls on its fingerprint, and event streams that resume where they broke off.

use super::App;
use super::etag::{Conditions, Tag};
use super::model::{Change, Row, Table};
use super::problem::{Kind, Problem};
use super::server::closed;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use heck_core::id::Name;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Time between two signs of life on an event stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client should wait before it comes back to a stream that broke off.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The fingerprint of some rows: equal rows have equal ones.
pub(crate) fn print<'a, T: 'a>(rows: impl Iterator<Item = (&'a Name, &'a Row<T>)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, row) in rows {
        hasher.write_u64(name.hash());
        hasher.write_u64(row.print);
    }
    hasher.finish()
}

/// Waits until what `print` sees is not what the client has, and hands it over; none when it still is at the end of
/// the wait.
pub(crate) async fn changed<T>(
    mut rows: watch::Receiver<Arc<Table<T>>>,
    conditions: &Conditions,
    wait: Option<Duration>,
    print: impl Fn(&Table<T>) -> u64,
) -> Result<Option<(Tag, Arc<Table<T>>)>, Problem> {
    let deadline = Instant::now() + wait.unwrap_or_default();
    loop {
        let table = rows.borrow_and_update().clone();
        let tag = Tag::of_print(print(&table));
        if !conditions.has(&tag) {
            return Ok(Some((tag, table)));
        }
        drop(table);
        match timeout_at(deadline, rows.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Problem::new(Kind::Stopped, "the node stops").next("Ask another node.")),
            Err(_) => return Ok(None),
        }
    }
}

/// The answer to a client that has it all.
pub(crate) fn not_modified() -> Response {
    StatusCode::NOT_MODIFIED.into_response()
}

/// An answer in JSON with its tag.
pub(crate) fn tagged(tag: &Tag, json: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ETAG, tag.header()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, json).into_response()
}

/// Where a client's last stream of a table broke off: in which process, and at which version.
fn last_event(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (instance, version) = headers.get("last-event-id")?.to_str().ok()?.split_once('-')?;
    Some((u64::from_str_radix(instance, 16).ok()?, version.parse().ok()?))
}

enum Step {
    Reset,
    Ready,
    Set(Name),
    Removed(Name, u64),
}

/// One watcher of a table.
struct Watcher<T, W, R> {
    rows: watch::Receiver<Arc<Table<T>>>,
    instance: u64,
    /// What the queue refers to.
    table: Arc<Table<T>>,
    queue: VecDeque<Step>,
    wanted: W,
    render: R,
}

impl<T, W: Fn(&Name, &T) -> bool, R: Fn(&Name, &Row<T>) -> String> Watcher<T, W, R> {
    /// Queues what changed since a version; everything when that is no longer known.
    fn queue_since(&mut self, version: Option<u64>) {
        self.table = self.rows.borrow_and_update().clone();
        let step = |change: Change<'_, T>| match change {
            Change::Set(name, row) if (self.wanted)(name, &row.value) => Step::Set(name.clone()),
            // A row that a watcher no longer wants is gone for it.
            Change::Set(name, row) => Step::Removed(name.clone(), row.version),
            Change::Removed(name, version) => Step::Removed(name.clone(), version),
        };
        match version.and_then(|version| self.table.since(version)) {
            Some(changes) => self.queue.extend(changes.into_iter().map(step)),
            None => {
                let mut all: Vec<_> =
                    self.table.after(None).filter(|(name, row)| (self.wanted)(name, &row.value)).collect();
                all.sort_by_key(|(_, row)| row.version);
                self.queue.push_back(Step::Reset);
                self.queue.extend(all.into_iter().map(|(name, _)| Step::Set(name.clone())));
                self.queue.push_back(Step::Ready);
            }
        }
    }

    fn event(&self, step: Step) -> Option<Event> {
        let id = |version: u64| format!("{:x}-{version}", self.instance);
        Some(match step {
            Step::Reset => Event::default().event("reset").data("{}").retry(RETRY),
            Step::Ready => Event::default().event("ready").data("{}").id(id(self.table.version())),
            Step::Set(name) => {
                let row = self.table.get(&name)?;
                Event::default().event("set").data((self.render)(&name, row)).id(id(row.version))
            }
            Step::Removed(name, version) => {
                let data = serde_json::json!({ "name": name.as_str() }).to_string();
                Event::default().event("removed").data(data).id(id(version))
            }
        })
    }

    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            if let Some(step) = self.queue.pop_front() {
                if let Some(event) = self.event(step) {
                    return Some((event, self));
                }
                continue;
            }
            let seen = self.table.version();
            self.rows.changed().await.ok()?;
            self.queue_since(Some(seen));
        }
    }
}

/// Streams a table to a client: what it missed since its last event, or `reset` and everything and `ready`; then
/// each change as it comes.
pub(crate) fn watch<T: Send + Sync + 'static>(
    app: &App,
    rows: watch::Receiver<Arc<Table<T>>>,
    headers: &HeaderMap,
    wanted: impl Fn(&Name, &T) -> bool + Send + 'static,
    render: impl Fn(&Name, &Row<T>) -> String + Send + 'static,
) -> Result<Response, Problem> {
    let instance = app.model.instance;
    let version = last_event(headers).filter(|(of, _)| *of == instance).map(|(_, version)| version);
    let table = rows.borrow().clone();
    let mut watcher = Watcher { rows, instance, table, queue: VecDeque::new(), wanted, render };
    watcher.queue_since(version);
    events(app, stream::unfold(watcher, Watcher::next))
}

/// Answers with a stream of events, for as long as the client stays and the API is open.
pub(crate) fn events(
    app: &App,
    stream: impl Stream<Item = Event> + Send + 'static,
) -> Result<Response, Problem> {
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
        let limit = app.config.limits.streams;
        Problem::new(
            Kind::Busy,
            format!("{limit} event streams are open, which is as many as this node serves"),
        )
        .next("Close streams that nobody reads, or watch through another node.")
        .retry_after(Duration::from_secs(5))
    })?;
    let mut closing = app.closing.clone();
    let stream = stream.take_until(Box::pin(async move { closed(&mut closing).await }));
    let stream = stream.map(move |event| {
        let _held = &permit;
        Ok::<_, Infallible>(event)
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
