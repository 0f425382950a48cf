//! Taking requests apart: names, queries and bodies, with problems instead of plain text.

use super::problem::{Kind, Problem};
use crate::origin::Period;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use heck_core::id::Name;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::time::Duration;
use url::form_urlencoded;

/// The name in the path.
pub(crate) struct Named(pub Name);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| bad_path(&rejection))?;
        name(&text).map(Self)
    }
}

fn bad_path(rejection: &PathRejection) -> Problem {
    Problem::new(Kind::BadRequest, format!("the path: {}", rejection.body_text()))
        .next("Percent-encode what is no letter, digit, `-`, `.`, `_` or `~` in names, `/` too.")
}

/// A name that a client gave.
pub(crate) fn name(text: &str) -> Result<Name, Problem> {
    Name::new(text).map_err(|error| Problem::new(Kind::Invalid, format!("{error}; nothing was changed")))
}

/// The parameters of the query; unknown ones are refused where the type says so.
pub(crate) struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(value) =
            Query::<T>::from_request_parts(parts, state).await.map_err(|rejection| bad_query(&rejection))?;
        Ok(Self(value))
    }
}

fn bad_query(rejection: &QueryRejection) -> Problem {
    Problem::new(Kind::BadRequest, format!("the query: {}", rejection.body_text()))
        .next("`GET /openapi.json` lists the parameters of each path.")
}

/// A body of any type, up to the limit.
pub(crate) struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| bad_body(&rejection))
    }
}

fn bad_body(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(Kind::TooLarge, "the body is above the limit; nothing was changed")
            .next("A key's value and a message have at most 65536 bytes.");
    }
    Problem::new(Kind::BadRequest, format!("the body did not arrive: {}", rejection.body_text()))
}

/// A body in JSON.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        expect_type(request.headers(), &["application/json", "application/merge-patch+json"])?;
        let Raw(bytes) = Raw::from_request(request, state).await?;
        json(&bytes).map(Self)
    }
}

/// Reads a document. An error names the key, and line and column.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let kind = if error.inner().is_data() { Kind::Invalid } else { Kind::BadRequest };
        Problem::new(kind, format!("{}; nothing was changed", at(&error)))
    })?;
    reader.end().map_err(|error| Problem::new(Kind::BadRequest, format!("{error}; nothing was changed")))?;
    Ok(read)
}

/// Reads a value as a document. An error names the key.
pub(crate) fn value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| Problem::new(Kind::Invalid, format!("{}; nothing was changed", at(&error))))
}

/// An error with the key that it is about.
fn at(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("`{path}`: {}", error.inner()),
    }
}

/// Refuses a body that says it is something else.
pub(crate) fn expect_type(headers: &HeaderMap, wanted: &[&str]) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let kind = given.map(|given| given.split(';').next().unwrap_or_default().trim());
    if kind.is_some_and(|kind| wanted.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted))) {
        return Ok(());
    }
    let given = given.map_or_else(|| "nothing".to_owned(), |given| format!("`{given}`"));
    Err(Problem::new(Kind::UnsupportedMediaType, format!("Content-Type says {given}; nothing was changed"))
        .next(format!("Send it as `Content-Type: {}`.", wanted[0])))
}

/// Whether the client asks for a stream of server-sent events.
pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "text/event-stream"))
}

/// The first value of a parameter of the query, decoded as the routes decode it.
pub(crate) fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

/// The longest that a long poll waits.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How long a long poll may wait: `30s`, `500ms`, or whole seconds. None when it is not asked for.
pub(crate) fn wait(text: Option<&str>) -> Result<Option<Duration>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let secs = text.parse::<u64>().ok().map(Duration::from_secs);
    let period = text.parse::<Period>().ok().map(|period| Duration::from_micros(period.0.as_us()));
    match secs.or(period) {
        Some(wait) if wait <= LONGEST_WAIT => Ok(Some(wait)),
        _ => Err(Problem::new(Kind::Invalid, format!("`wait` is `{text}`, allowed are `0s` to `300s`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_wait_has_a_unit_or_is_in_seconds_and_is_bounded() {
        assert_eq!(wait(None).unwrap(), None);
        assert_eq!(wait(Some("30")).unwrap(), Some(Duration::from_secs(30)));
        assert_eq!(wait(Some("250ms")).unwrap(), Some(Duration::from_millis(250)));
        for wrong in ["301s", "-1", "soon", ""] {
            assert_eq!(wait(Some(wrong)).unwrap_err().status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
    }

    #[test]
    fn a_parameter_is_found_however_it_is_encoded() {
        for (uri, found) in [
            ("/?wait=30s", Some("30s")),
            ("/?%77ait=300s", Some("300s")),
            ("/?a=b&w%61it=30%73&wait=1s", Some("30s")),
            ("/?wait", Some("")),
            ("/?waits=1s&x=wait=1s", None),
            ("/", None),
        ] {
            assert_eq!(parameter(&Uri::from_static(uri), "wait").as_deref(), found, "{uri}");
        }
    }

    #[test]
    fn a_stream_of_events_is_asked_for_by_name() {
        let accepts = |value| HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
        assert!(wants_events(&accepts("text/html, text/event-stream;q=0.9")));
        assert!(!wants_events(&accepts("*/*")));
        assert!(!wants_events(&HeaderMap::new()));
    }
}
