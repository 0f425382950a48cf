//! Many origins at once: one JSON document on each line, and one result.

use super::origins::{Outcome, put_in};
use crate::api::App;
use crate::api::etag::Conditions;
use crate::api::extract::{Params, expect_type, json, name as to_name};
use crate::api::problem::{Kind, Problem};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use heck_core::id::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Lines under way at once: what waits for the disk waits together.
const AT_ONCE: usize = 64;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Says only what would become of each line; not unless set.
    dry_run: Option<bool>,
    /// The source of origins that are new and name none; `api` unless set.
    source: Option<String>,
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
    /// Why it was refused.
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
    let results = stream::iter(lines)
        .map(|(line, read)| one(&app, line, read, source.as_ref(), dry_run))
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    app.model.catch_up().await;
    let mut answer = Vec::new();
    for result in &results {
        answer.extend(super::to_json(result)?);
        answer.push(b'\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], answer).into_response())
}

/// What a line holds.
type Line = Result<(Option<String>, Value), Problem>;

/// The lines that are not empty. Of two with one name only the first counts.
fn read(bytes: &[u8]) -> Vec<(usize, Line)> {
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

async fn one(app: &App, line: usize, read: Line, source: Option<&Name>, dry_run: bool) -> LineResult {
    let (name, result) = match read {
        Ok((name, value)) => (name, put_in(app, value, None, source, Conditions::none(), dry_run).await),
        Err(problem) => (None, Err(problem)),
    };
    match result {
        Ok((name, outcome, _)) => {
            let result = match outcome {
                Outcome::Created => "created",
                Outcome::Updated => "updated",
                Outcome::Unchanged => "unchanged",
            };
            LineResult { line, name: Some(name.as_str().to_owned()), result, detail: None }
        }
        Err(problem) => LineResult { line, name, result: "refused", detail: Some(problem.detail) },
    }
}
