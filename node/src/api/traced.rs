//! The span of a request: the part of its client's trace that this node is, or the begin of one.

use super::App;
use super::deadline::{method_name, route};
use crate::trace::{Kind, Open, Span, current};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::net::SocketAddr;
use tracing::{Instrument as _, debug, info_span};

/// Answers a request within its span, if it is to have one. What is logged meanwhile bears the identity of its trace.
pub(super) async fn follow(
    State(app): State<App>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let Some(tracer) = app.node.tracer() else { return next.run(request).await };
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let path = request.uri().path();
    let Some(begun) = tracer.request(traceparent, may_begin(path)) else {
        return next.run(request).await;
    };
    let (context, method, path) = (begun.context, method_name(request.method()), path.to_owned());
    let span_id = format!("{:016x}", context.span);
    let log = info_span!("request", trace_id = %context, span_id);
    let mut span = Span::new(method, Kind::Server, context, begun.begun_us)
        .with("http.request.method", method)
        .with("url.path", path)
        .with("client.address", client.ip().to_string());
    if let Some(parent) = begun.parent {
        span = span.within_remote(parent);
    }
    let open = Open::new(tracer, span);
    let answer = async {
        let response = next.run(request).await;
        let (route, status) = (route(&response), response.status().as_u16());
        debug!(trace_id = %context, span_id, method, route, status, "a traced request is answered");
        response
    };
    let response = current::within(context, answer).instrument(log).await;
    open.end(|span| {
        let (route, status) = (route(&response).to_owned(), response.status());
        span.name = format!("{method} {route}").into();
        span.attributes.push(("http.route", route.into()));
        span.attributes.push(("http.response.status_code", status.as_u16().into()));
        if status.is_server_error() {
            span.error = Some(status.to_string().into());
        }
    });
    response
}

/// Whether a request for a path may begin a trace of its own: what is asked for all the time by machines, and the files of
/// pages, are not worth one unless a client wants it.
fn may_begin(path: &str) -> bool {
    !matches!(path, "/livez" | "/readyz" | "/healthz" | "/metrics" | "/openapi.json" | "/")
        && !path.starts_with("/ui")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_metrics_and_pages_begin_no_traces() {
        for path in ["/livez", "/metrics", "/ui/", "/ui/main.js"] {
            assert!(!may_begin(path), "{path}");
        }
        assert!(may_begin("/v1/health") && may_begin("/v1/kv/metrics"));
    }
}
