//! What fuzz targets reach of the API.

use super::etag::Conditions;
use super::position::Position;
use super::routes;
use super::{extract, filter, page, tail};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use heck_core::id::Name;

/// Reads bytes as the body of an import, and says how many lines it has.
pub fn import(bytes: &[u8]) -> usize {
    routes::import_lines(bytes)
}

/// Reads a text as the query of a request, and as whatever else clients send in texts: cursors, positions, waits, tags,
/// filters, places in a stream.
///
/// # Panics
/// When what can be read is another when it is written and read again.
pub fn query(text: &str) {
    if let Ok(uri) = Uri::try_from(format!("/v1/x?{text}")) {
        routes::read_queries(&uri);
    }
    if let Ok(position) = Position::decode(text) {
        assert!(Position::decode(&position.encode()).is_ok_and(|again| again == position));
    }
    if let Ok(Some(name)) = page::after(Some(text)) {
        assert!(page::after(Some(&page::cursor(&name))).is_ok_and(|again| again == Some(name)));
    }
    let _ = extract::wait(Some(text));
    let _ = extract::json::<serde_json::Value>(text.as_bytes());
    let some = || Some(text.to_owned());
    let _ = filter::Filter::new(some(), Some(text), some(), some());
    let _ = Name::new(text);
    if let Ok(value) = HeaderValue::from_str(text) {
        let names = [header::IF_MATCH, header::IF_NONE_MATCH, header::ACCEPT, header::CONTENT_TYPE];
        let mut headers: HeaderMap = names.into_iter().map(|name| (name, value.clone())).collect();
        headers.insert("last-event-id", value);
        let _ = Conditions::of(&headers);
        let _ = extract::wants_events(&headers);
        let _ = extract::expect_type(&headers, &["application/json"]);
        tail::read_last_event(&headers);
    }
}
