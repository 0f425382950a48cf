//! Origins: what their operators say of them.

use super::durable::{expect_disk, once_durable, or_once_durable};
use super::spread::Spread;
use super::to_json;
use crate::api::App;
use crate::api::etag::{Conditions, Tag};
use crate::api::extract::{
    Named, Params, Raw, expect_type, json, name as to_name, value, wait, wants_events,
};
use crate::api::filter::Filter;
use crate::api::model::{OriginRow, Row, Table};
use crate::api::page;
use crate::api::problem::{Kind, Problem};
use crate::api::tail;
use crate::error::CommandError;
use crate::origin::OriginDocument;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use heck_core::effects::Refusal;
use heck_core::entry::{Admin, Body, Entry, OriginSpec};
use heck_core::id::{Dot, Name};
use heck_core::input::Command;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Rows of a page unless the client says otherwise.
const USUAL_PAGE: usize = 100;
/// How often a change is tried again that others overtake.
const TRIES: usize = 8;
/// Where origins come from that are put in through the API, unless the client names another source.
const SOURCE: &str = "api";

/// An origin as its operator describes it, and where it comes from.
#[derive(Serialize, ToSchema)]
pub(crate) struct Origin {
    #[serde(flatten)]
    document: OriginDocument,
    /// Which file or interface it came from. Reloading a source touches only its own.
    source: String,
    /// The tag of this version: the ETag, without quotes around it.
    etag: String,
}

/// A page of origins.
#[derive(Serialize, ToSchema)]
pub(crate) struct Origins {
    origins: Vec<Origin>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

fn shown(row: &OriginRow) -> Option<(Origin, Tag)> {
    let (document, source, tag) = row.document()?;
    let etag = tag.quoted().trim_matches('"').to_owned();
    Some((Origin { document, source: source.as_str().to_owned(), etag }, tag))
}

/// What a client gives: a document, beside which what this interface shows of it is let pass.
struct Given {
    name: Name,
    spec: OriginSpec,
    source: Option<Name>,
}

impl Given {
    fn read(document: Value, path: Option<&Name>) -> Result<Self, Problem> {
        let Value::Object(mut keys) = document else {
            return Err(Problem::new(Kind::Invalid, "an origin is a JSON object; nothing was changed"));
        };
        keys.remove("etag");
        let source = match keys.remove("source") {
            None | Some(Value::Null) => None,
            Some(Value::String(source)) => Some(to_name(&source)?),
            Some(other) => {
                return Err(Problem::new(
                    Kind::Invalid,
                    format!("`source` is {other}, allowed is a text; nothing was changed"),
                ));
            }
        };
        if let Some(path) = path {
            keys.entry("name").or_insert_with(|| path.as_str().into());
        }
        let document: OriginDocument = value(Value::Object(keys))?;
        let (name, spec) = document
            .to_spec()
            .map_err(|error| Problem::new(Kind::Invalid, format!("{error}; nothing was changed")))?;
        match path {
            Some(path) if *path != name => Err(Problem::new(
                Kind::Invalid,
                format!("`name` is `{name}`, the path says `{path}`; nothing was changed"),
            )
            .next("Origins are not renamed: add one of the new name, and remove the other.")),
            _ => Ok(Self { name, spec, source }),
        }
    }
}

/// What becomes of an origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It is new.
    Created,
    /// It was there and is another now.
    Updated,
    /// It was there and is the same.
    Unchanged,
}

enum Stop {
    /// Nothing has to be done, or nothing is to be; with what is there.
    Is(Outcome, Option<Dot>),
    Problem(Problem),
}

/// What would become of an origin that is put in, and the source that it has then: an edit keeps it where it names
/// none.
fn outcome(
    held: Option<&Arc<Entry>>,
    spec: &OriginSpec,
    source: Option<&Name>,
    usual: &Name,
) -> (Outcome, Name) {
    match held.map(|entry| &entry.body) {
        Some(Body::Origin { spec: old, source: from, .. }) => {
            let source = source.unwrap_or(from);
            let is_same = old == spec && source == from;
            (if is_same { Outcome::Unchanged } else { Outcome::Updated }, source.clone())
        }
        _ => (Outcome::Created, source.unwrap_or(usual).clone()),
    }
}

/// Puts an origin in, where the conditions allow it; with `dry_run` says only what would become of it.
pub(super) async fn put_in(
    app: &App,
    document: Value,
    path: Option<&Name>,
    usual_source: Option<&Name>,
    conditions: Conditions,
    dry_run: bool,
) -> Result<(Name, Outcome, Option<Dot>), Problem> {
    let Given { name, spec, source } = Given::read(document, path)?;
    if !dry_run {
        expect_disk(app)?;
    }
    let usual = usual_source.map_or_else(|| to_name(SOURCE), |source| Ok(source.clone()))?;
    let of = name.clone();
    let (told, mut tell) = tokio::sync::oneshot::channel();
    let decided = app.node.decide(move |view, _| {
        let held = view.origin(&of);
        let tag = held.map(|entry| Tag::of_dot(&entry.dot));
        conditions.allow_write(tag.as_ref()).map_err(Stop::Problem)?;
        let (outcome, source) = outcome(held, &spec, source.as_ref(), &usual);
        if dry_run || outcome == Outcome::Unchanged {
            return Err(Stop::Is(outcome, held.map(|entry| entry.dot)));
        }
        // The client may have gone.
        let _ = told.send(outcome);
        Ok(Command::PutOrigin { name: of, spec, source })
    });
    match decided.await? {
        Ok(dot) => Ok((name, tell.try_recv().unwrap_or(Outcome::Updated), dot)),
        Err(Stop::Is(outcome, dot)) => {
            if !dry_run {
                // The write that it repeats may not be on disk yet.
                app.node.synced().await?;
            }
            Ok((name, outcome, dot))
        }
        Err(Stop::Problem(problem)) => Err(once_durable(app, problem).await),
    }
}

/// Answers with an origin as it is now.
async fn show(app: &App, name: &Name, status: StatusCode) -> Result<Response, Problem> {
    app.model.catch_up().await;
    let shown = app.model.origins.borrow().get(name).and_then(|row| shown(&row.value));
    let (origin, tag) = shown.ok_or_else(|| Problem::missing("origin", name.as_str()))?;
    let mut response = tail::tagged(&tag, to_json(&origin)?);
    *response.status_mut() = status;
    Ok(response)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Origins with this tag.
    tag: Option<String>,
    /// Origins in one of these states, separated by commas.
    state: Option<String>,
    /// Origins that this node is to check.
    owner: Option<String>,
    /// Origins that came from this source.
    source: Option<String>,
    /// Rows of a page, 1 to 1,000; 100 unless set.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Long poll: with the last ETag in If-None-Match, waits for up to so long (`30s`) until something changes.
    wait: Option<String>,
}

/// Origins by name, all or those that meet a filter. With `Accept: text/event-stream` a stream of events, as of
/// `/v1/health`.
#[utoipa::path(
    get, path = "/v1/origins", tag = "origins", params(Query),
    responses(
        (status = 200, content((Origins = "application/json"), (String = "text/event-stream")),
            headers(("ETag" = String))),
        (status = 304, description = "Unchanged since the ETag in If-None-Match")
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let filter = Filter::new(query.tag, query.state.as_deref(), query.owner, query.source)?;
    let (rows, health) = (app.model.origins.clone(), app.model.health.clone());
    let beside = filter.asks_of_health().then(|| health.clone());
    if wants_events(&headers) {
        let wanted = move |name: &Name, row: &OriginRow, health: &_| filter.wants_by(name, row, health);
        return tail::watch_beside(
            &app,
            (rows, beside, false),
            &headers,
            wanted,
            |_, row: &Row<OriginRow>| {
                shown(&row.value)
                    .and_then(|(origin, _)| serde_json::to_string(&origin).ok())
                    .unwrap_or_default()
            },
        );
    }
    let (limit, after) = (page::limit(query.limit, USUAL_PAGE)?, page::after(query.cursor.as_deref())?);
    let select = |table: &Table<OriginRow>| {
        let health = health.borrow().clone();
        let wanted =
            table.after(after.as_ref()).filter(|(name, row)| filter.wants_by(name, &row.value, &health));
        let rows = wanted.take(limit + 1).map(|(name, row)| (name.clone(), row.clone()));
        rows.collect::<Vec<_>>()
    };
    let print = |table: &Table<OriginRow>| tail::print(select(table).iter().map(|(name, row)| (name, row)));
    let (conditions, wait) = (Conditions::of(&headers)?, wait(query.wait.as_deref())?);
    let Some((tag, table)) = tail::changed_beside(rows, beside, &conditions, wait, print).await? else {
        return Ok(tail::not_modified());
    };
    let mut rows = select(&table);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(name, _)| page::cursor(name));
    let origins = rows.iter().filter_map(|(_, row)| shown(&row.value)).map(|(origin, _)| origin).collect();
    Ok(tail::tagged(&tag, to_json(&Origins { origins, next })?))
}

/// One origin.
#[utoipa::path(
    get, path = "/v1/origins/{name}", tag = "origins", params(("name" = String, Path)),
    responses(
        (status = 200, body = Origin, headers(("ETag" = String))),
        (status = 304, description = "Unchanged since the ETag in If-None-Match"),
        (status = 404, body = Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
) -> Result<Response, Problem> {
    let conditions = Conditions::of(&headers)?;
    let shown = app.model.origins.borrow().get(&name).and_then(|row| shown(&row.value));
    let (origin, tag) = shown.ok_or_else(|| Problem::missing("origin", name.as_str()))?;
    if conditions.has(&tag) {
        return Ok(tail::not_modified());
    }
    Ok(tail::tagged(&tag, to_json(&origin)?))
}

/// Adds an origin or replaces it whole. `name` may be left out of the body. With If-Match only that version is
/// replaced, with `If-None-Match: *` only a new one is added; a write on another node at the same time is not seen.
#[utoipa::path(
    put, path = "/v1/origins/{name}", tag = "origins", params(("name" = String, Path), Spread),
    request_body = OriginDocument, security(("token" = [])),
    responses(
        (status = 200, description = "Replaced, or the same already", body = Origin, headers(("ETag" = String))),
        (status = 201, description = "Added", body = Origin, headers(("ETag" = String))),
        (status = 412, body = Problem), (status = 422, body = Problem)
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(spread): Params<Spread>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    expect_type(&headers, &["application/json"])?;
    let conditions = Conditions::of(&headers)?;
    let (name, outcome, dot) = put_in(&app, json(&body)?, Some(&name), None, conditions, false).await?;
    spread.wait(&app, dot).await?;
    let status = if outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
    show(&app, &name, status).await
}

/// RFC 7396: null removes a key, an object is merged, anything else replaces.
fn merge(held: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *held = patch;
        return;
    };
    if !held.is_object() {
        *held = Value::Object(Map::new());
    }
    if let Value::Object(held) = held {
        for (key, value) in patch {
            if value.is_null() {
                held.remove(&key);
            } else {
                merge(held.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}

/// Changes an origin as it is read, and tries again when somebody else was faster.
async fn change(
    app: &App,
    name: &Name,
    (conditions, spread): (&Conditions, &Spread),
    change: impl Fn(&OriginSpec, &Name) -> Result<(OriginSpec, Name), Problem>,
) -> Result<Response, Problem> {
    expect_disk(app)?;
    for _ in 0..TRIES {
        let of = name.clone();
        let held = app.node.view(move |view, _| view.origin(&of).cloned()).await?;
        let missing = || Problem::missing("origin", name.as_str());
        let Some(held) = held else { return Err(once_durable(app, missing()).await) };
        let Body::Origin { spec, source, .. } = &held.body else { return Err(missing()) };
        if let Err(problem) = conditions.allow_write(Some(&Tag::of_dot(&held.dot))) {
            return Err(once_durable(app, problem).await);
        }
        let (of, (spec, source)) = (name.clone(), change(spec, source)?);
        let decided = app.node.decide(move |view, _| {
            if view.origin(&of).is_none_or(|now| now.dot != held.dot) {
                return Err(());
            }
            Ok(Command::PutOrigin { name: of, spec, source })
        });
        if let Ok(dot) = decided.await? {
            spread.wait(app, dot).await?;
            return show(app, name, StatusCode::OK).await;
        }
    }
    Err(Problem::new(Kind::Busy, format!("`{name}` is being changed all the time; nothing was changed"))
        .next("Try again."))
}

/// Changes keys of an origin: a JSON merge patch (RFC 7396), in which null makes a key as usual again.
#[utoipa::path(
    patch, path = "/v1/origins/{name}", tag = "origins", params(("name" = String, Path), Spread),
    request_body(content = Object, content_type = "application/merge-patch+json"), security(("token" = [])),
    responses(
        (status = 200, body = Origin, headers(("ETag" = String))),
        (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)
    )
)]
pub(crate) async fn patch(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(spread): Params<Spread>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    expect_type(&headers, &["application/merge-patch+json", "application/json"])?;
    let (conditions, patch) = (Conditions::of(&headers)?, json::<Value>(&body)?);
    if !patch.is_object() {
        return Err(Problem::new(
            Kind::Invalid,
            "a patch of an origin is a JSON object; nothing was changed",
        ));
    }
    change(&app, &name, (&conditions, &spread), |spec, source| {
        let document = OriginDocument::from_spec(&name, spec);
        let internal = |error: serde_json::Error| Problem::new(Kind::Internal, error.to_string());
        let mut held = serde_json::to_value(document).map_err(internal)?;
        merge(&mut held, patch.clone());
        let given = Given::read(held, Some(&name))?;
        Ok((given.spec, given.source.unwrap_or_else(|| source.clone())))
    })
    .await
}

/// Removes an origin.
#[utoipa::path(
    delete, path = "/v1/origins/{name}", tag = "origins", params(("name" = String, Path), Spread), security(("token" = [])),
    responses((status = 204), (status = 404, body = Problem), (status = 412, body = Problem))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(spread): Params<Spread>,
) -> Result<Response, Problem> {
    let conditions = Conditions::of(&headers)?;
    expect_disk(&app)?;
    let of = name.clone();
    let decided = app.node.decide(move |view, _| {
        let held = view.origin(&of).ok_or_else(|| Problem::missing("origin", of.as_str()))?;
        conditions.allow_write(Some(&Tag::of_dot(&held.dot)))?;
        Ok::<_, Problem>(Command::RemoveOrigin { name: of })
    });
    let dot = or_once_durable(&app, decided.await?).await?;
    app.model.catch_up().await;
    spread.wait(&app, dot).await?;
    Ok((StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response())
}

async fn set_admin(
    app: &App,
    headers: &HeaderMap,
    name: &Name,
    spread: &Spread,
    admin: Admin,
) -> Result<Response, Problem> {
    let conditions = Conditions::of(headers)?;
    let set = |spec: &OriginSpec, source: &Name| Ok((OriginSpec { admin, ..spec.clone() }, source.clone()));
    change(app, name, (&conditions, spread), set).await
}

/// New traffic should go elsewhere: the origin is checked on, and shown as draining.
#[utoipa::path(
    post, path = "/v1/origins/{name}/drain", tag = "origins", params(("name" = String, Path), Spread),
    security(("token" = [])),
    responses((status = 200, body = Origin), (status = 404, body = Problem), (status = 412, body = Problem))
)]
pub(crate) async fn drain(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(spread): Params<Spread>,
) -> Result<Response, Problem> {
    set_admin(&app, &headers, &name, &spread, Admin::Draining).await
}

/// The origin is neither checked nor used.
#[utoipa::path(
    post, path = "/v1/origins/{name}/maintenance", tag = "origins", params(("name" = String, Path), Spread),
    security(("token" = [])),
    responses((status = 200, body = Origin), (status = 404, body = Problem), (status = 412, body = Problem))
)]
pub(crate) async fn maintenance(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(spread): Params<Spread>,
) -> Result<Response, Problem> {
    set_admin(&app, &headers, &name, &spread, Admin::Disabled).await
}

/// The origin is checked and used again.
#[utoipa::path(
    post, path = "/v1/origins/{name}/enable", tag = "origins", params(("name" = String, Path), Spread),
    security(("token" = [])),
    responses((status = 200, body = Origin), (status = 404, body = Problem), (status = 412, body = Problem))
)]
pub(crate) async fn enable(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(spread): Params<Spread>,
) -> Result<Response, Problem> {
    set_admin(&app, &headers, &name, &spread, Admin::Enabled).await
}

/// Has the origin checked now, by whichever node owns it. `GET /v1/health/{name}` tells what came of it.
#[utoipa::path(
    post, path = "/v1/origins/{name}/check", tag = "origins", params(("name" = String, Path)),
    security(("token" = [])),
    responses((status = 202, description = "It is asked for"), (status = 404, body = Problem))
)]
pub(crate) async fn check(State(app): State<App>, Named(name): Named) -> Result<StatusCode, Problem> {
    let missing = Problem::missing("origin", name.as_str());
    match app.node.command(Command::CheckNow { name }).await {
        Ok(_) => Ok(StatusCode::ACCEPTED),
        Err(CommandError::Refused(Refusal::Missing)) => Err(missing),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_does_what_rfc_7396_says() {
        for (held, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut value = held;
            merge(&mut value, patch);
            assert_eq!(value, merged);
        }
    }
}
