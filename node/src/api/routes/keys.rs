//! The key-value store: values that every node holds.

use super::durable::{expect_disk, or_once_durable};
use super::spread::Spread;
use super::to_json;
use crate::api::App;
use crate::api::etag::{Conditions, Tag};
use crate::api::extract::{Named, Params, Raw, wait, wants_events};
use crate::api::model::{Row, Table};
use crate::api::page;
use crate::api::problem::Problem;
use crate::api::tail;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heck_core::entry::{Body, Entry};
use heck_core::id::Name;
use heck_core::input::Command;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Rows of a page unless the client says otherwise.
const USUAL_PAGE: usize = 100;

/// A value: as text where it is text, otherwise in base64.
#[derive(Serialize, ToSchema)]
pub(crate) struct Value<'a> {
    /// The value, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    /// The value in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl<'a> Value<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { value: Some(text), value_base64: None },
            Err(_) => Self { value: None, value_base64: Some(STANDARD.encode(bytes)) },
        }
    }
}

/// A key.
#[derive(Serialize, ToSchema)]
pub(crate) struct Key<'a> {
    name: &'a str,
    /// The length of its value.
    bytes: usize,
    /// The tag of this version: the ETag, without quotes around it.
    etag: String,
    #[serde(flatten)]
    value: Option<Value<'a>>,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct Keys<'a> {
    keys: Vec<Key<'a>>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

fn bytes(entry: &Entry) -> &[u8] {
    match &entry.body {
        Body::Key { value, .. } => value,
        _ => &[],
    }
}

fn key<'a>(name: &'a Name, entry: &'a Entry, with_value: bool) -> Key<'a> {
    let bytes = bytes(entry);
    Key {
        name: name.as_str(),
        bytes: bytes.len(),
        etag: Tag::of_dot(&entry.dot).quoted().trim_matches('"').to_owned(),
        value: with_value.then(|| Value::new(bytes)),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Keys that begin with this.
    prefix: Option<String>,
    /// The values too; not unless set, but always in a stream of events.
    values: Option<bool>,
    /// Rows of a page, 1 to 1,000; 100 unless set.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Long poll: with the last ETag in If-None-Match, waits for up to so long (`30s`) until something changes.
    wait: Option<String>,
}

/// Keys by name. With `Accept: text/event-stream` a stream of events, as of `/v1/health`.
#[utoipa::path(
    get, path = "/v1/kv", tag = "keys", params(Query),
    responses(
        (status = 200, content((Keys = "application/json"), (String = "text/event-stream")),
            headers(("ETag" = String))),
        (status = 304, description = "Unchanged since the ETag in If-None-Match")
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let prefix = query.prefix.unwrap_or_default();
    let rows = app.model.keys.clone();
    if wants_events(&headers) {
        let wanted = move |name: &Name, _: &Arc<Entry>| name.as_str().starts_with(&prefix);
        return tail::watch(&app, rows, &headers, wanted, |name, row: &Row<Arc<Entry>>| {
            serde_json::to_string(&key(name, &row.value, true)).unwrap_or_default()
        });
    }
    let (limit, after) = (page::limit(query.limit, USUAL_PAGE)?, page::after(query.cursor.as_deref())?);
    let select = |table: &Table<Arc<Entry>>| {
        let wanted = table.after(after.as_ref()).filter(|(name, _)| name.as_str().starts_with(&prefix));
        wanted.take(limit + 1).map(|(name, row)| (name.clone(), row.clone())).collect::<Vec<_>>()
    };
    let print = |table: &Table<Arc<Entry>>| tail::print(select(table).iter().map(|(name, row)| (name, row)));
    let (conditions, wait) = (Conditions::of(&headers)?, wait(query.wait.as_deref())?);
    let Some((tag, table)) = tail::changed(rows, &conditions, wait, print).await? else {
        return Ok(tail::not_modified());
    };
    let mut rows = select(&table);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(name, _)| page::cursor(name));
    let with_values = query.values.unwrap_or(false);
    let keys = rows.iter().map(|(name, row)| key(name, &row.value, with_values)).collect();
    Ok(tail::tagged(&tag, to_json(&Keys { keys, next })?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct One {
    /// Long poll: with the last ETag in If-None-Match, waits for up to so long (`30s`) until something changes.
    wait: Option<String>,
}

/// The value of a key, as it was written.
#[utoipa::path(
    get, path = "/v1/kv/{name}", tag = "keys", params(("name" = String, Path), One),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream", headers(("ETag" = String))),
        (status = 304, description = "Unchanged since the ETag in If-None-Match"),
        (status = 404, body = Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(query): Params<One>,
) -> Result<Response, Problem> {
    let (conditions, deadline) = (Conditions::of(&headers)?, wait(query.wait.as_deref())?);
    let mut rows = app.model.keys.clone();
    let deadline = tokio::time::Instant::now() + deadline.unwrap_or_default();
    loop {
        let entry = rows.borrow_and_update().get(&name).map(|row| row.value.clone());
        let entry = entry.ok_or_else(|| Problem::missing("key", name.as_str()))?;
        let tag = Tag::of_dot(&entry.dot);
        if !conditions.has(&tag) {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
                (header::ETAG, tag.header()),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            ];
            return Ok((headers, bytes(&entry).to_vec()).into_response());
        }
        if !matches!(tokio::time::timeout_at(deadline, rows.changed()).await, Ok(Ok(()))) {
            return Ok(tail::not_modified());
        }
    }
}

/// Writes a key: the body is the value, whatever it is, up to 64 KiB. With If-Match only that version is replaced,
/// with `If-None-Match: *` only a new key is written; a write on another node at the same time is not seen.
#[utoipa::path(
    put, path = "/v1/kv/{name}", tag = "keys", params(("name" = String, Path), Spread), security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "It is on this node's disk", headers(("ETag" = String))),
        (status = 412, body = Problem), (status = 413, body = Problem)
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(spread): Params<Spread>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let conditions = Conditions::of(&headers)?;
    expect_disk(&app)?;
    let (of, value): (_, Arc<[u8]>) = (name, Arc::from(&*body));
    let decided = app.node.decide(move |view, _| {
        let held = view.key(&of);
        let tag = held.map(|entry| Tag::of_dot(&entry.dot));
        conditions.allow_write(tag.as_ref()).map_err(Err)?;
        // What is there already need not go to every node again.
        match held.filter(|entry| *bytes(entry) == *value) {
            Some(entry) => Err(Ok(entry.dot)),
            None => Ok(Command::PutKey { name: of, value }),
        }
    });
    let dot = match decided.await? {
        Ok(dot) => dot,
        Err(kept) => {
            let dot = or_once_durable(&app, kept).await?;
            // The write that it repeats may not be on disk yet.
            app.node.synced().await?;
            Some(dot)
        }
    };
    app.model.catch_up().await;
    spread.wait(&app, dot).await?;
    let tag = dot.map(|dot| Tag::of_dot(&dot));
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag.header());
    }
    Ok(response)
}

/// Deletes a key.
#[utoipa::path(
    delete, path = "/v1/kv/{name}", tag = "keys", params(("name" = String, Path), Spread), security(("token" = [])),
    responses((status = 204), (status = 404, body = Problem), (status = 412, body = Problem))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(spread): Params<Spread>,
) -> Result<StatusCode, Problem> {
    let conditions = Conditions::of(&headers)?;
    expect_disk(&app)?;
    let decided = app.node.decide(move |view, _| {
        let held = view.key(&name).ok_or_else(|| Problem::missing("key", name.as_str()))?;
        conditions.allow_write(Some(&Tag::of_dot(&held.dot)))?;
        Ok::<_, Problem>(Command::DeleteKey { name })
    });
    let dot = or_once_durable(&app, decided.await?).await?;
    app.model.catch_up().await;
    spread.wait(&app, dot).await?;
    Ok(StatusCode::NO_CONTENT)
}
