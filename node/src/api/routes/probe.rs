//! `/probe`: a probe on request.

use crate::api::App;
use crate::api::extract::Params;
use crate::api::problem::{Kind, Problem};
use crate::counters::Count;
use crate::origin::{Endpoint, Target};
use crate::output::ProbeTargets;
use crate::output::probe::{hindered, text};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use heck_core::entry::{Admin, Body, OriginSpec, TARGET_LIMIT};
use heck_core::id::Name;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// Longest probe on request: below the deadline of any answer of the API.
const LONGEST: Duration = Duration::from_secs(9);
/// How long before Prometheus gives up it is answered.
const MARGIN: Duration = Duration::from_millis(500);
/// The header in which Prometheus says when it gives up.
const PATIENCE: &str = "x-prometheus-scrape-timeout-seconds";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// The name of an origin; a URL where `outputs.probe` is `any`.
    target: String,
    /// Passed over: how an origin is probed stands in its document.
    #[allow(
        dead_code,
        reason = "it is described, so that whoever has it in a configuration may leave it there"
    )]
    module: Option<String>,
}

/// Probes an origin now, from this node, and tells what was found in the words of the Blackbox exporter. Without effect on
/// the state that the cluster holds of it.
#[utoipa::path(
    get, path = "/probe", tag = "outputs", params(Query),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem),
    )
)]
pub(crate) async fn probe(
    State(app): State<App>,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let allowed = app.config.outputs.probe;
    if allowed == ProbeTargets::Off {
        return Err(Problem::new(Kind::NoSuchRoute, "this node does not probe on request")
            .next("`outputs.probe = \"origins\"` in its settings switches that on."));
    }
    let on_request = &app.outlook.on_request;
    if let Some(found) = on_request.recent(&query.target) {
        return Ok(answer(&found));
    }
    let spec = spec(&app, &query.target, allowed)?;
    let endpoint = Target::read(&spec.target)
        .ok()
        .and_then(|target| Endpoint::parse(&target.url).ok())
        .ok_or_else(|| Problem::new(Kind::Invalid, "this version does not understand the origin's target"))?;
    let Ok(_place) = on_request.places.clone().try_acquire_owned() else {
        return Err(Problem::new(Kind::Busy, "as many probes on request are under way as may be")
            .retry_after(Duration::from_secs(1)));
    };
    app.node.counters().bump(Count::ProbesOnRequest);
    let timeout = Duration::from_micros(spec.policy.timeout.as_us()).min(patience(&headers));
    let report = app.node.probe(&spec.target, timeout).await.map_err(|(hindrance, why)| {
        Problem::new(Kind::Busy, hindered(hindrance, &why)).retry_after(Duration::from_secs(1))
    })?;
    let found: Arc<str> = text(&report, endpoint.scheme, &spec.policy).into();
    on_request.keep(query.target, found.clone());
    Ok(answer(&found))
}

/// What a target stands for.
fn spec(app: &App, target: &str, allowed: ProbeTargets) -> Result<OriginSpec, Problem> {
    if target.len() > TARGET_LIMIT {
        return Err(Problem::new(Kind::Invalid, format!("`target` has more than {TARGET_LIMIT} bytes")));
    }
    let origins = app.model.origins.borrow().clone();
    if let Some(row) = Name::new(target).ok().as_ref().and_then(|name| origins.get(name))
        && let Body::Origin { spec, .. } = &row.value.entry.body
    {
        if spec.admin == Admin::Disabled {
            return Err(Problem::new(Kind::Invalid, "the origin is in maintenance: it is not probed"));
        }
        return Ok(spec.clone());
    }
    if allowed == ProbeTargets::Any && target.contains("://") {
        let invalid =
            |error: &dyn std::fmt::Display| Problem::new(Kind::Invalid, format!("`target`: {error}"));
        Target::of_url(target).validate().map_err(|error| invalid(&error))?;
        return Ok(OriginSpec::new(target));
    }
    let next = match allowed {
        ProbeTargets::Any => "A target is the name of an origin, or a URL.",
        _ => "A target is the name of an origin; `outputs.probe = \"any\"` allows URLs too.",
    };
    Err(Problem::missing("origin", target).next(next))
}

/// How long whoever asks will wait.
fn patience(headers: &HeaderMap) -> Duration {
    let said = headers.get(PATIENCE).and_then(|value| value.to_str().ok()?.parse().ok());
    let said = said.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    said.map_or(LONGEST, |said| said.saturating_sub(MARGIN).clamp(MARGIN, LONGEST))
}

fn answer(found: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, found.to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_is_answered_before_it_gives_up() {
        let of = |text: &'static str| {
            patience(&HeaderMap::from_iter([(
                axum::http::HeaderName::from_static(PATIENCE),
                HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(of("5"), Duration::from_millis(4_500));
        assert_eq!(of("0.1"), MARGIN);
        for text in ["60", "-1", "nan", "inf", "x", "1e300"] {
            assert_eq!(of(text), LONGEST, "{text}");
        }
        assert_eq!(patience(&HeaderMap::new()), LONGEST);
    }
}
