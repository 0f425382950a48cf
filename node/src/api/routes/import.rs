//! Many origins at once: one JSON document on each line, and one result.

use super::origins::{Outcome, put_in};
use super::spread::Spread;
use crate::api::App;
use crate::api::etag::Conditions;
use crate::api::extract::{Params, expect_type, json, name as to_name};
use crate::api::problem::{Kind, Problem};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use heck_core::id::{Dot, Name};
use heck_core::witness::WAIT_LIMIT;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

/// Lines under way at once: what waits for the disk waits together.
const AT_ONCE: usize = 64;
/// Lines at once that wait for other nodes: an eighth of what the node has room for, so that others can wait too.
const WAITING_AT_ONCE: usize = 32;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Says only what would become of each line; not unless set.
    dry_run: Option<bool>,
    /// The source of origins that are new and name none; `api` unless set.
    source: Option<String>,
    /// Answers once so many other nodes have all lines on disk too, or 30 s after they are on this node's: `spread` of
    /// each result tells. The answer comes from this node's disk alone unless set.
    wait_peers: Option<u16>,
}

/// What became of one line.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineResult {
    /// The line, from 1. Empty lines are counted and have no result.
    line: usize,
    /// The origin's name, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// `created`, `updated`, `unchanged` or `refused`.
    result: &'static str,
    /// Whether as many others have it on disk as `wait_peers` asks for; missing where nobody waits for them. A line that
    /// has not spread stays, and goes on spreading.
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<bool>,
    /// Why it was refused, or has not spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Adds or replaces the origins of a document with one JSON object on each line. Each line stands for itself: one that
/// is refused keeps none of the others back. The answer has a result on each line, in their order.
#[utoipa::path(
    post, path = "/v1/origins:import", tag = "origins", params(Query), security(("token" = [])),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 200, body = LineResult, content_type = "application/x-ndjson"),
        (status = 413, body = Problem), (status = 415, body = Problem)
    )
)]
pub(crate) async fn import(
    State(app): State<App>,
    headers: HeaderMap,
    Params(query): Params<Query>,
    body: Body,
) -> Result<Response, Problem> {
    expect_type(&headers, &["application/x-ndjson", "application/jsonl", "application/json"])?;
    let source = query.source.as_deref().map(to_name).transpose()?;
    let limit = app.config.limits.import_bytes;
    let bytes = to_bytes(body, limit).await.map_err(|_| {
        Problem::new(
            Kind::TooLarge,
            format!("the body is above {limit} bytes or broke off; nothing was changed"),
        )
        .next("Import it in several parts.")
    })?;
    let dry_run = query.dry_run.unwrap_or(false);
    let lines = read(&bytes);
    let mut results = stream::iter(lines)
        .map(|(line, read)| one(&app, line, read, source.as_ref(), dry_run))
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let spread = Spread::to(query.wait_peers);
    if spread.is_asked_for() && !dry_run {
        wait_for_peers(&app, &spread, &mut results).await;
    }
    app.model.catch_up().await;
    let mut answer = Vec::new();
    for (result, _) in &results {
        answer.extend(super::to_json(result)?);
        answer.push(b'\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], answer).into_response())
}

/// What a line holds.
pub(super) type Line = Result<(Option<String>, Value), Problem>;

/// The lines that are not empty. Of two with one name only the first counts.
pub(super) fn read(bytes: &[u8]) -> Vec<(usize, Line)> {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let read = lines.map(|(at, line)| {
        let number = at + 1;
        let read = json::<Value>(line).and_then(|value| {
            let name = value.get("name").and_then(Value::as_str).map(str::to_owned);
            if let Some(name) = &name {
                if let Some(before) = first.get(name) {
                    return Err(Problem::new(
                        Kind::Invalid,
                        format!("`{name}` stands in line {before} already"),
                    ));
                }
                first.insert(name.clone(), number);
            }
            Ok((name, value))
        });
        (number, read)
    });
    read.collect()
}

/// What became of a line, and the dot of what it wrote or found.
type Done = (LineResult, Option<Dot>);

async fn one(app: &App, line: usize, read: Line, source: Option<&Name>, dry_run: bool) -> Done {
    let (name, result) = match read {
        Ok((name, value)) => (name, put_in(app, value, None, source, Conditions::none(), dry_run).await),
        Err(problem) => (None, Err(problem)),
    };
    match result {
        Ok((name, outcome, dot)) => {
            let result = match outcome {
                Outcome::Created => "created",
                Outcome::Updated => "updated",
                Outcome::Unchanged => "unchanged",
            };
            let name = Some(name.as_str().to_owned());
            (LineResult { line, name, result, spread: None, detail: None }, dot)
        }
        Err(problem) => {
            let detail = Some(problem.detail);
            (LineResult { line, name, result: "refused", spread: None, detail }, None)
        }
    }
}

/// Waits until others have what is on this node's disk, for all lines together as long as for a single write.
async fn wait_for_peers(app: &App, spread: &Spread, results: &mut [Done]) {
    // A wait that began at once ends a little earlier, and says how far its line has spread.
    let deadline = Instant::now() + Duration::from_micros(WAIT_LIMIT.as_us()) + Duration::from_secs(1);
    let written = results.iter_mut().filter_map(|(result, dot)| dot.map(|dot| (result, dot)));
    stream::iter(written)
        .for_each_concurrent(WAITING_AT_ONCE, |(result, dot)| async move {
            // Whoever has no turn in time has not been asked about, which is no more than that.
            let detail = match begun_by(deadline, spread.wait(app, Some(dot))).await {
                Some(Ok(())) => None,
                Some(Err(problem)) => Some(problem.detail),
                None => Some("the write is kept here; by how many others is not known so far".to_owned()),
            };
            (result.spread, result.detail) = (Some(detail.is_none()), detail);
        })
        .await;
}

/// What comes of it by the deadline. After that it is not even begun: a timeout polls what it bounds before it looks at
/// the time, and the node would go on waiting for a client who does not.
async fn begun_by<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    if Instant::now() >= deadline {
        return None;
    }
    timeout_at(deadline, work).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::pending;

    #[tokio::test(start_paused = true)]
    async fn a_wait_whose_turn_comes_too_late_is_not_begun() {
        let begun = Cell::new(0);
        let wait = || async {
            begun.set(begun.get() + 1);
            pending::<()>().await;
        };
        let deadline = Instant::now() + Duration::from_secs(1);
        stream::iter(0..3)
            .for_each_concurrent(2, |_| async {
                assert_eq!(begun_by(deadline, wait()).await, None);
            })
            .await;
        assert_eq!(begun.get(), 2, "the third has its turn when the time is over");
    }
}
