//! Each request has so much time, and a bug in one answer is no reason to break off the conversation.

use super::App;
use super::extract;
use super::problem::{Kind, Problem};
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::timeout;

/// Answers in time, whatever happens.
pub(super) async fn keep(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit = app.config.limits.deadline + asked_to_wait(request.uri());
    match timeout(limit, AssertUnwindSafe(next.run(request)).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::new(Kind::Internal, "the answer could not be made; a write may have been kept")
            .next("Look whether it was. The node's log has more: please report it as a bug.")
            .into_response(),
        Err(_) => Problem::new(Kind::Timeout, format!("no answer in {limit:?}; a write may still be kept"))
            .next("Try again. When it stays so, the node's disk or processor does not keep up: see `GET /metrics`.")
            .retry_after(Duration::from_secs(1))
            .into_response(),
    }
}

/// How long a long poll waits by itself, and how much longer an import may take.
fn asked_to_wait(uri: &Uri) -> Duration {
    if uri.path().ends_with(":import") {
        return extract::LONGEST_WAIT;
    }
    let wait = uri.query().unwrap_or_default().split('&').find_map(|part| part.strip_prefix("wait="));
    extract::wait(wait).ok().flatten().unwrap_or_default()
}
