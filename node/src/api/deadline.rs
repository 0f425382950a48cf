//! Each request has so much time, and a bug in one answer is no reason to break off the conversation.

use super::App;
use super::extract;
use super::problem::{Kind, Problem};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use heck_core::witness::WAIT_LIMIT;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The route that an answer came from.
#[derive(Clone)]
struct Route(MatchedPath);

/// Notes on the answer which route it came from: outside of the router nobody knows.
pub(super) async fn note_route(route: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Route(route));
    response
}

/// Answers in time, whatever happens, and counts the answer.
pub(super) async fn keep(State(app): State<App>, request: Request, next: Next) -> Response {
    let (started, method) = (Instant::now(), method_name(request.method()));
    // When the client goes away the server drops this future, and with it the handler and what that holds.
    let _open = app.requests.begin();
    let limit = app.config.limits.deadline + asked_to_wait(request.uri());
    let response = answer(&app, limit, request, next).await;
    app.requests.count(method, route(&response), response.status().as_u16(), started.elapsed());
    response
}

/// The route that an answer came from; whatever was asked for that is no route counts as one, so that strangers cannot make up
/// names.
pub(super) fn route(response: &Response) -> &str {
    response.extensions().get::<Route>().map_or("none", |Route(path)| path.as_str())
}

pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

async fn answer(app: &App, limit: Duration, request: Request, next: Next) -> Response {
    match timeout(limit, AssertUnwindSafe(next.run(request)).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            Problem::new(Kind::Internal, "the answer could not be made; a write may have been kept")
                .next("Look whether it was. The node's log has more: please report it as a bug.")
                .into_response()
        }
        Err(_) => late(app, limit).into_response(),
    }
}

/// What is said of a request whose time is over: how it ended is not known.
fn late(app: &App, limit: Duration) -> Problem {
    let problem = match app.node.disk().stalled() {
        Some(busy) => {
            let secs = busy.as_secs();
            let detail = format!(
                "no answer in {limit:?}, and the disk has not answered for {secs} s; a write will be kept once it does, unless \
                 the node stops before"
            );
            Problem::new(Kind::Timeout, detail)
                .next("Ask what became of it once the disk answers, and write it again if it is not there.")
        }
        None => Problem::new(Kind::Timeout, format!("no answer in {limit:?}; a write may still be kept")).next(
            "Try again. When it stays so, the node's disk or processor does not keep up: see `GET /metrics`.",
        ),
    };
    problem.retry_after(Duration::from_secs(1))
}

/// How long a long poll waits by itself, a write for other nodes, and how much longer an import may take.
fn asked_to_wait(uri: &Uri) -> Duration {
    let waits_for_peers = extract::parameter(uri, "wait_peers").is_some();
    let spread = if waits_for_peers { Duration::from_micros(WAIT_LIMIT.as_us()) } else { Duration::ZERO };
    if uri.path().ends_with(":import") {
        return extract::LONGEST_WAIT + spread;
    }
    if waits_for_peers {
        return spread;
    }
    let wait = extract::parameter(uri, "wait");
    extract::wait(wait.as_deref()).ok().flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_its_time_however_its_name_is_encoded() {
        let spread = Duration::from_micros(WAIT_LIMIT.as_us());
        for (uri, wait) in [
            ("/v1/health?%77ait=20s", Duration::from_secs(20)),
            ("/v1/kv/k?wait%5Fpeers=2", spread),
            ("/v1/origins:import?wait%5fpeers=2", extract::LONGEST_WAIT + spread),
            ("/v1/health?waited=20s", Duration::ZERO),
        ] {
            assert_eq!(asked_to_wait(&Uri::from_static(uri)), wait, "{uri}");
        }
    }
}
