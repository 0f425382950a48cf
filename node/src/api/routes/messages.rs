//! Messages to everybody who listens, kept for as long as the log is.

use super::durable::expect_disk;
use super::keys::Value;
use super::spread::Spread;
use super::to_json;
use crate::api::App;
use crate::api::extract::{Named, Params, Raw, wait, wants_events};
use crate::api::log::{self, Gap, Item, Message};
use crate::api::model::Heard;
use crate::api::position::Position;
use crate::api::problem::{Kind, Problem};
use crate::api::tail;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use heck_core::entry::{Body, Entry};
use heck_core::input::Command;
use heck_core::interval::Range;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

/// How many messages one look describes.
const BATCH: usize = 64;

/// A message.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageView<'a> {
    id: String,
    topic: &'a str,
    /// The node that it was published on; null when that is no longer known.
    from: Option<&'a str>,
    /// How long ago, as far as this node knows.
    age_ms: u64,
    #[serde(flatten)]
    payload: Value<'a>,
}

/// Messages that expired before the subscriber had them: what they said has to be found out elsewhere.
#[derive(Serialize, ToSchema)]
pub(crate) struct GapView<'a> {
    /// The node that they were published on; null when that is no longer known.
    from: Option<&'a str>,
    /// The number of the first missing message of that node in that life.
    first: u64,
    /// The number of the last; null when nobody knows any more whether, and how many, there were.
    last: Option<u64>,
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Messages<'a> {
    messages: Vec<MessageView<'a>>,
    gaps: Vec<GapView<'a>>,
    /// Where to read on, on this node or any other.
    position: String,
    /// Whether there is more already.
    more: bool,
}

fn message(message: &Message) -> Option<MessageView<'_>> {
    let Body::Message { topic, payload } = &message.entry.body else { return None };
    Some(MessageView {
        id: log::id(&message.entry.dot),
        topic: topic.as_str(),
        from: message.writer_name.as_deref(),
        age_ms: message.age_ms,
        payload: Value::new(payload),
    })
}

fn gap(gap: &Gap) -> GapView<'_> {
    GapView { from: gap.writer_name.as_deref(), first: gap.first, last: gap.last }
}

/// Where a client begins that has no position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum From {
    /// With the oldest message that is kept.
    Start,
    /// Behind all that this node has heard of.
    Now,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Where to read on: `position` of the page before. A stream takes it from Last-Event-ID first.
    position: Option<String>,
    /// Where to begin without a position: `start` or `now`. A page begins at `start` unless set, a stream at `now`.
    #[param(inline)]
    from: Option<From>,
    /// Messages of this topic.
    topic: Option<String>,
    /// Long poll: waits for up to so long (`30s`) until there is a message.
    wait: Option<String>,
}

/// Reads the log from a position: what a subscriber missed, then what comes. With `Accept: text/event-stream` a stream
/// of events: `message`, `gap` where messages have expired, and `position` when something passed that is not asked
/// for; their ids are positions. Messages of one node come in their order.
#[utoipa::path(
    get, path = "/v1/messages", tag = "messages", params(Query),
    responses(
        (status = 200, content((Messages = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "The position is none that a node has given", body = Problem)
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let is_stream = wants_events(&headers);
    let last = headers.get("last-event-id").filter(|_| is_stream).and_then(|value| value.to_str().ok());
    let from = query.from.unwrap_or(if is_stream { From::Now } else { From::Start });
    // Whoever listens first and looks then misses nothing in between.
    let heard = app.model.messages();
    let position = match last.filter(|word| !word.is_empty()).or(query.position.as_deref()) {
        Some(word) => Position::decode(word)?,
        None if from == From::Now => app.node.view(|view, _| log::now(view)).await?,
        None => app.node.view(|view, _| log::start(view)).await?,
    };
    let reader = Reader { app: app.clone(), heard, position, topic: query.topic, look: true };
    if is_stream {
        let stream = stream::unfold((reader, VecDeque::new()), |(reader, queue)| next_event(reader, queue));
        return tail::events(&app, stream);
    }
    page(reader, wait(query.wait.as_deref())?).await
}

/// Somebody who reads the log.
struct Reader {
    app: App,
    heard: broadcast::Receiver<Heard>,
    position: Position,
    topic: Option<String>,
    /// Whether there may be more behind the position than what is heard of from now on.
    look: bool,
}

impl Reader {
    /// Reads on at once what is there.
    async fn look(&mut self) -> Result<Vec<Item>, Problem> {
        let (mut position, topic) = (std::mem::take(&mut self.position), self.topic.clone());
        let look = self.app.node.view(move |view, now| {
            let page = log::read(view, now, &mut position, topic.as_deref());
            (page, position)
        });
        let (page, position) = look.await?;
        (self.position, self.look) = (position, page.more);
        Ok(page.items)
    }

    /// Waits for something that the subscriber has not had; nothing when the node has stopped. It may be something
    /// that is not asked for: then only the position moves.
    async fn hear(&mut self) -> Result<Option<Vec<Item>>, Problem> {
        let mut fresh: Vec<Arc<Entry>> = Vec::new();
        loop {
            // What has come together is described together.
            let heard = if fresh.is_empty() {
                match self.heard.recv().await {
                    Ok(heard) => heard,
                    Err(RecvError::Lagged(_)) => Heard::Missed,
                    Err(RecvError::Closed) => return Ok(None),
                }
            } else {
                match self.heard.try_recv() {
                    Ok(heard) => heard,
                    Err(_) => break,
                }
            };
            match heard {
                Heard::Message(entry) => {
                    if self.position.insert(entry.dot.lane.writer, entry.dot.counter) {
                        fresh.push(entry);
                    }
                }
                Heard::Missed => {
                    self.look = true;
                    break;
                }
            }
            if fresh.len() >= BATCH {
                break;
            }
        }
        let topic = self.topic.clone();
        let look = self.app.node.view(move |view, now| {
            let wanted = fresh.into_iter().filter(|entry| log::is_of(entry, topic.as_deref()));
            wanted.map(|entry| Item::Message(log::message(view, now, entry))).collect()
        });
        look.await.map(Some).map_err(Problem::from)
    }

    /// What comes next, after whatever wait; nothing when the node has stopped.
    async fn next(&mut self) -> Result<Option<Vec<Item>>, Problem> {
        if self.look { self.look().await.map(Some) } else { self.hear().await }
    }
}

async fn page(mut reader: Reader, wait: Option<Duration>) -> Result<Response, Problem> {
    let deadline = Instant::now() + wait.unwrap_or_default();
    let mut items = reader.look().await?;
    while items.is_empty() {
        if reader.look {
            items = reader.look().await?;
            continue;
        }
        let before = reader.position.clone();
        match timeout_at(deadline, reader.hear()).await {
            Ok(Ok(Some(more))) => items = more,
            Ok(Ok(None)) => {
                return Err(Problem::new(Kind::Stopped, "the node stops").next("Ask another node."));
            }
            Ok(Err(problem)) => return Err(problem),
            Err(_) => {
                // What was heard and not handed over is not behind the client's position.
                reader.position = before;
                break;
            }
        }
    }
    let messages =
        items.iter().filter_map(|item| if let Item::Message(held) = item { message(held) } else { None });
    let gaps =
        items.iter().filter_map(|item| if let Item::Gap(held) = item { Some(gap(held)) } else { None });
    let answer = Messages {
        messages: messages.collect(),
        gaps: gaps.collect(),
        position: reader.position.encode(),
        more: reader.look,
    };
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], to_json(&answer)?)
        .into_response())
}

/// The next event of a stream.
async fn next_event(
    mut reader: Reader,
    mut queue: VecDeque<Event>,
) -> Option<(Event, (Reader, VecDeque<Event>))> {
    loop {
        if let Some(event) = queue.pop_front() {
            return Some((event, (reader, queue)));
        }
        let before = reader.position.clone();
        let items = reader.next().await.ok()??;
        queue.extend(events(before, &reader.position, &items));
    }
}

/// The events of what a reader got, each with the position behind it.
fn events(mut position: Position, behind: &Position, items: &[Item]) -> Vec<Event> {
    let mut events = Vec::new();
    for item in items {
        let (kind, data) = match item {
            Item::Message(held) => {
                position.insert(held.entry.dot.lane.writer, held.entry.dot.counter);
                ("message", message(held).and_then(|view| serde_json::to_string(&view).ok()))
            }
            Item::Gap(held) => {
                match held.last {
                    Some(last) => {
                        position.insert_range(held.writer, Range { first: held.first, last });
                    }
                    None => position.forget(held.writer),
                }
                ("gap", serde_json::to_string(&gap(held)).ok())
            }
        };
        let event = Event::default().event(kind).data(data.unwrap_or_default()).id(position.encode());
        events.push(event.retry(tail::RETRY));
    }
    if position != *behind {
        events.push(Event::default().event("position").data("{}").id(behind.encode()));
    }
    events
}

/// Where a message was published.
#[derive(Serialize, ToSchema)]
pub(crate) struct Published {
    id: String,
}

/// Publishes a message: the body is its payload, whatever it is, up to 64 KiB. It is on this node's disk when this is
/// answered, and reaches every node that can be reached.
#[utoipa::path(
    post, path = "/v1/messages/{topic}", tag = "messages", params(("topic" = String, Path), Spread), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Published), (status = 413, body = Problem))
)]
pub(crate) async fn publish(
    State(app): State<App>,
    Named(topic): Named,
    Params(spread): Params<Spread>,
    Raw(body): Raw,
) -> Result<(StatusCode, axum::Json<Published>), Problem> {
    expect_disk(&app)?;
    let payload: Arc<[u8]> = Arc::from(&*body);
    let dot = app.node.command(Command::Publish { topic, payload }).await?;
    spread.wait(&app, dot).await?;
    let id = dot.as_ref().map(log::id).unwrap_or_default();
    Ok((StatusCode::CREATED, axum::Json(Published { id })))
}
