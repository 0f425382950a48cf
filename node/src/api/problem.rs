//! Errors as RFC 9457 problems: what was wrong, whose fault it is, and what to do next.

use crate::error::{CommandError, NodeError};
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use heck_core::effects::{Phase, Refusal};
use heck_core::entry::VALUE_LIMIT;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The kinds of problems. Their names are part of the interface and never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    NoSuchRoute,
    MethodNotAllowed,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    Internal,
    NotServing,
    Stopped,
    Timeout,
    Busy,
    DiskStalled,
    NotSpread,
}

impl Kind {
    const fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::BadRequest => ("bad-request", "The request makes no sense", StatusCode::BAD_REQUEST),
            Self::Unauthorized => ("unauthorized", "A token is needed", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("forbidden", "The token does not allow this", StatusCode::FORBIDDEN),
            Self::NotFound => ("not-found", "There is no such thing here", StatusCode::NOT_FOUND),
            Self::NoSuchRoute => ("no-such-route", "There is no such path", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => {
                ("method-not-allowed", "The path does not do this", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::PreconditionFailed => {
                ("precondition-failed", "It is not what you expect", StatusCode::PRECONDITION_FAILED)
            }
            Self::TooLarge => ("too-large", "That is too large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", "The body is of another type", StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Self::Invalid => ("invalid", "A value is not allowed", StatusCode::UNPROCESSABLE_ENTITY),
            Self::TooManyRequests => {
                ("too-many-requests", "Too many requests", StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Internal => ("internal", "A bug of this node", StatusCode::INTERNAL_SERVER_ERROR),
            Self::NotServing => {
                ("not-serving", "The node takes no writes now", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Stopped => ("stopped", "The node stops", StatusCode::SERVICE_UNAVAILABLE),
            Self::Timeout => ("timeout", "It took too long", StatusCode::SERVICE_UNAVAILABLE),
            Self::NotSpread => {
                ("not-spread", "Fewer nodes than asked for have the write", StatusCode::GATEWAY_TIMEOUT)
            }
            Self::DiskStalled => {
                ("disk-stalled", "The disk does not answer", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Busy => ("busy", "The node is busy", StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// An error as clients get it, with `application/problem+json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// A URN that names the kind of problem and never changes.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong this time.
    pub(crate) detail: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem with what was wrong.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (name, title, status) = kind.parts();
        Self {
            kind: format!("urn:heck:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            next: None,
            retry_after: None,
        }
    }

    /// The same with what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The same, to be tried again after this time.
    pub(crate) const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// There is no entry of that name.
    pub(crate) fn missing(what: &str, name: &str) -> Self {
        Self::new(Kind::NotFound, format!("this node knows no {what} `{name}`"))
            .next("Names are case-sensitive. A write elsewhere arrives here within seconds.")
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"heck\""));
        }
        if let Some(wait) = self.retry_after {
            let secs = wait.as_millis().div_ceil(1_000).max(1) as u64;
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Stopped => stopped(),
            CommandError::Refused(Refusal::NotServing(phase)) => {
                let (doing, next) = match phase {
                    Phase::Leaving => ("is leaving the cluster", "Write to another node."),
                    _ => (
                        "has not joined its cluster yet",
                        "Try again in a second, or write to another node. `GET /readyz` says when this one is ready.",
                    ),
                };
                Self::new(Kind::NotServing, format!("the node {doing}; nothing was changed"))
                    .next(next)
                    .retry_after(Duration::from_secs(1))
            }
            CommandError::Refused(Refusal::TooLarge(bytes)) => Self::new(
                Kind::TooLarge,
                format!("{bytes} bytes were given, at most {VALUE_LIMIT} are allowed; nothing was changed"),
            ),
            CommandError::Refused(Refusal::Missing) => {
                Self::new(Kind::NotFound, "there is nothing of that name; nothing was changed")
            }
            CommandError::Refused(Refusal::TooManyWait) => Self::new(
                Kind::Busy,
                "the write is kept here, but too many clients wait for others to have theirs",
            )
            .next("It spreads by itself; waiting again is of use in a second.")
            .retry_after(Duration::from_secs(1)),
            CommandError::Refused(Refusal::NotSpread(count)) => Self::new(
                Kind::NotSpread,
                format!("the write is kept here, and so far by {count} others"),
            )
            .next("It goes on spreading; do not write it again. `GET /v1/members` says who can be reached."),
            CommandError::Refused(Refusal::OutOfRange(error)) => {
                Self::new(Kind::Invalid, format!("{error}; nothing was changed"))
            }
        }
    }
}

impl From<NodeError> for Problem {
    fn from(_: NodeError) -> Self {
        stopped()
    }
}

fn stopped() -> Problem {
    Problem::new(Kind::Stopped, "the node stopped before it answered; a write may or may not have been kept")
        .next("Ask another node, or this one again once it runs.")
        .retry_after(Duration::from_secs(1))
}
