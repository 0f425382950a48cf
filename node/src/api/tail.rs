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

/// A table that a filter looks at besides the one that is followed.
pub(crate) type Beside<U> = Option<watch::Receiver<Arc<Table<U>>>>;

/// Waits for a change of either table.
async fn either<T, U>(
    rows: &mut watch::Receiver<Arc<Table<T>>>,
    beside: &mut Beside<U>,
) -> Result<(), watch::error::RecvError> {
    match beside {
        None => rows.changed().await,
        Some(beside) => tokio::select! {
            changed = rows.changed() => changed,
            changed = beside.changed() => changed,
        },
    }
}

/// Waits until what `print` sees is not what the client has, and hands it over; none when it still is at the end of
/// the wait.
pub(crate) async fn changed<T>(
    rows: watch::Receiver<Arc<Table<T>>>,
    conditions: &Conditions,
    wait: Option<Duration>,
    print: impl Fn(&Table<T>) -> u64,
) -> Result<Option<(Tag, Arc<Table<T>>)>, Problem> {
    changed_beside(rows, Beside::<()>::None, conditions, wait, print).await
}

/// As [`changed`], where what `print` sees depends on another table too.
pub(crate) async fn changed_beside<T, U>(
    mut rows: watch::Receiver<Arc<Table<T>>>,
    mut beside: Beside<U>,
    conditions: &Conditions,
    wait: Option<Duration>,
    print: impl Fn(&Table<T>) -> u64,
) -> Result<Option<(Tag, Arc<Table<T>>)>, Problem> {
    let deadline = Instant::now() + wait.unwrap_or_default();
    loop {
        if let Some(beside) = &mut beside {
            beside.mark_unchanged();
        }
        let table = rows.borrow_and_update().clone();
        let tag = Tag::of_print(print(&table));
        if !conditions.has(&tag) {
            return Ok(Some((tag, table)));
        }
        drop(table);
        match timeout_at(deadline, either(&mut rows, &mut beside)).await {
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

/// Versions of the table that is followed and of the one beside it, 0 where there is none.
#[derive(Clone, Copy)]
struct At {
    rows: u64,
    beside: u64,
}

/// Where a client's last stream of a table broke off: in which process, and at which versions.
fn last_event(headers: &HeaderMap) -> Option<(u64, At)> {
    let (instance, versions) = headers.get("last-event-id")?.to_str().ok()?.split_once('-')?;
    let (rows, beside) = versions.split_once('-').unwrap_or((versions, "0"));
    let at = At { rows: rows.parse().ok()?, beside: beside.parse().ok()? };
    Some((u64::from_str_radix(instance, 16).ok()?, at))
}

/// Reads where a stream broke off, for the fuzz targets.
#[cfg(any(fuzzing, test))]
pub(super) fn read_last_event(headers: &HeaderMap) {
    let _ = last_event(headers);
}

enum Step {
    Reset,
    Ready(At),
    Set(Name, At),
    Removed(Name, At),
}

/// One watcher of a table.
struct Watcher<T, U, W, R> {
    rows: watch::Receiver<Arc<Table<T>>>,
    beside: Beside<U>,
    /// Whether rows show something of the table beside, so that a change there is one of its row.
    is_beside_shown: bool,
    instance: u64,
    /// What rows were judged by; none before the first look.
    judged_by: Option<Arc<Table<U>>>,
    /// What the queue refers to.
    table: Arc<Table<T>>,
    queue: VecDeque<Step>,
    wanted: W,
    render: R,
}

impl<T, U, W, R> Watcher<T, U, W, R>
where
    W: Fn(&Name, &T, &Arc<Table<U>>) -> bool,
    R: Fn(&Name, &Row<T>) -> String,
{
    /// Queues what changed since these versions; everything when that is no longer known.
    fn queue_since(&mut self, seen: Option<At>) {
        let now = self.beside.as_mut().map(|beside| beside.borrow_and_update().clone()).unwrap_or_default();
        self.table = self.rows.borrow_and_update().clone();
        let steps = seen.and_then(|seen| self.changes(seen, &now));
        let at = At { rows: self.table.version(), beside: now.version() };
        if let Some(steps) = steps {
            self.queue.extend(steps);
        } else {
            let all = self.table.after(None);
            let mut all: Vec<_> = all.filter(|(name, row)| (self.wanted)(name, &row.value, &now)).collect();
            all.sort_by_key(|(_, row)| row.version);
            self.queue.push_back(Step::Reset);
            let set = |(name, row): (&Name, &Row<T>)| Step::Set(name.clone(), At { rows: row.version, ..at });
            self.queue.extend(all.into_iter().map(set));
            self.queue.push_back(Step::Ready(at));
        }
        self.judged_by = Some(now);
    }

    /// The steps from what a watcher has seen; none when they are no longer known.
    fn changes(&self, seen: At, now: &Arc<Table<U>>) -> Option<Vec<Step>> {
        let step = |name: &Name, row: &Row<T>, at| {
            // A row that a watcher no longer wants is gone for it.
            let is_wanted = (self.wanted)(name, &row.value, now);
            if is_wanted { Step::Set(name.clone(), at) } else { Step::Removed(name.clone(), at) }
        };
        let mut steps = Vec::new();
        for change in self.table.since(seen.rows)? {
            let at = At { rows: change.version(), beside: seen.beside };
            steps.push(match change {
                Change::Set(name, row) => step(name, row, at),
                Change::Removed(name, _) => Step::Removed(name.clone(), at),
            });
        }
        if self.beside.is_some() {
            for change in now.since(seen.beside)? {
                let (Change::Set(name, _) | Change::Removed(name, _)) = &change;
                let Some(row) = self.table.get(name).filter(|row| row.version <= seen.rows) else { continue };
                let wanted = |by| (self.wanted)(name, &row.value, by);
                // What a watcher that comes back was told is not known.
                let is_judged = |before| wanted(before) != wanted(now) || self.is_beside_shown && wanted(now);
                if self.judged_by.as_ref().is_none_or(is_judged) {
                    let at = At { rows: self.table.version(), beside: change.version() };
                    steps.push(step(name, row, at));
                }
            }
        }
        Some(steps)
    }

    fn event(&self, step: Step) -> Option<Event> {
        let id = |at: At| match self.beside {
            None => format!("{:x}-{}", self.instance, at.rows),
            Some(_) => format!("{:x}-{}-{}", self.instance, at.rows, at.beside),
        };
        Some(match step {
            Step::Reset => Event::default().event("reset").data("{}").retry(RETRY),
            Step::Ready(at) => Event::default().event("ready").data("{}").id(id(at)),
            Step::Set(name, at) => {
                let row = self.table.get(&name)?;
                Event::default().event("set").data((self.render)(&name, row)).id(id(at))
            }
            Step::Removed(name, at) => {
                let data = serde_json::json!({ "name": name.as_str() }).to_string();
                Event::default().event("removed").data(data).id(id(at))
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
            let beside = self.judged_by.as_ref().map_or(0, |table| table.version());
            let seen = At { rows: self.table.version(), beside };
            either(&mut self.rows, &mut self.beside).await.ok()?;
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
    let wanted = move |name: &Name, row: &T, _: &Arc<Table<()>>| wanted(name, row);
    watch_beside(app, (rows, None, false), headers, wanted, render)
}

/// As [`watch`], where what is wanted depends on another table too: a row whose part there changes comes or goes. Where
/// that part is shown as well, it is told anew with each change there.
pub(crate) fn watch_beside<T: Send + Sync + 'static, U: Send + Sync + 'static>(
    app: &App,
    (rows, beside, is_beside_shown): (watch::Receiver<Arc<Table<T>>>, Beside<U>, bool),
    headers: &HeaderMap,
    wanted: impl Fn(&Name, &T, &Arc<Table<U>>) -> bool + Send + 'static,
    render: impl Fn(&Name, &Row<T>) -> String + Send + 'static,
) -> Result<Response, Problem> {
    let instance = app.model.instance;
    let seen = last_event(headers).filter(|(of, _)| *of == instance).map(|(_, at)| at);
    let table = rows.borrow().clone();
    let queue = VecDeque::new();
    let judged_by = None;
    let mut watcher =
        Watcher { rows, beside, is_beside_shown, instance, judged_by, table, queue, wanted, render };
    watcher.queue_since(seen);
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
