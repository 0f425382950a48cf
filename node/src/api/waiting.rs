//! How many event streams and long polls one client may have open: a stranger must not take what all have to share.

use super::App;
use super::extract;
use super::problem::{Kind, Problem};
use crate::counters::Count;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use std::net::SocketAddr;
use std::time::Duration;

/// Whether an answer to this may take its time.
fn waits(request: &Request) -> bool {
    let wait = extract::parameter(request.uri(), "wait");
    // A wait that makes no sense is refused by its route.
    let is_poll = extract::wait(wait.as_deref()).ok().flatten().is_some_and(|wait| !wait.is_zero());
    is_poll || extract::wants_events(request.headers())
}

/// Lets a request pass whose client does not have as many answers open as it may. It counts until its answer has ended.
pub(super) async fn hold(
    State(app): State<App>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !waits(&request) {
        return Ok(next.run(request).await);
    }
    let Some(share) = app.waiting.take(client.ip()) else {
        app.node.counters().bump(Count::WaitingRefused);
        let limit = app.config.limits.waiting_per_client;
        let client = client.ip();
        return Err(Problem::new(
            Kind::TooManyRequests,
            format!("{limit} event streams and long polls of {client} are open, which is as many as one client may have"),
        )
        .next("Close streams that nobody reads, or share one. The setting is `api.waiting_per_client`.")
        .retry_after(Duration::from_secs(5)));
    };
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "text/event-stream") {
        return Ok(response);
    }
    // A stream has only begun.
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &share;
            frame
        }))
    }))
}
