//! The dashboard: a page of a few fixed files, which reads the API and writes through it like any other client.
//!
//! Nothing of the cluster stands in the files, so they need no token. The page may run its own scripts alone, talk to
//! this node alone, and be framed by nobody.

use super::App;
use super::etag::{Conditions, Tag};
use super::problem::{Kind, Problem};
use super::tail::not_modified;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use xxhash_rust::xxh3::xxh3_64;

/// Where the page is.
const HOME: &str = "/ui/";

/// What a browser lets the page do, should a text of the cluster ever become a script: nothing. What the page is made
/// of comes from this node, and so does all that it asks.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// One file of the page.
struct File {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

macro_rules! file {
    ($name:literal, $kind:expr) => {
        File {
            name: $name,
            kind: $kind,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/dashboard/", $name)),
        }
    };
}

const INDEX: File = file!("index.html", HTML);
const ICON: File = file!("icon.svg", PICTURE);
const FILES: &[File] = &[
    ICON,
    file!("actions.js", SCRIPT),
    file!("ages.js", SCRIPT),
    file!("api.js", SCRIPT),
    file!("banner.js", SCRIPT),
    file!("base.css", STYLE),
    file!("chooser.js", SCRIPT),
    file!("detail.js", SCRIPT),
    file!("dialog.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("feed.js", SCRIPT),
    file!("filter.js", SCRIPT),
    file!("format.js", SCRIPT),
    file!("help.js", SCRIPT),
    file!("history.js", SCRIPT),
    file!("layout.css", STYLE),
    file!("main.js", SCRIPT),
    file!("member.js", SCRIPT),
    file!("members.js", SCRIPT),
    file!("order.js", SCRIPT),
    file!("panels.css", STYLE),
    file!("shortcuts.js", SCRIPT),
    file!("sse.js", SCRIPT),
    file!("state.js", SCRIPT),
    file!("store.js", SCRIPT),
    file!("summary.js", SCRIPT),
    file!("table.css", STYLE),
    file!("table.js", SCRIPT),
    file!("theme.js", SCRIPT),
    file!("token.js", SCRIPT),
];

/// Whether a path is one of the dashboard.
pub(super) fn is_path(path: &str) -> bool {
    path == "/" || path == "/favicon.ico" || path == "/ui" || path.starts_with(HOME)
}

/// The routes of the page. They are no part of the interface that OpenAPI describes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { Redirect::temporary(HOME) }))
        .route("/ui", get(|| async { Redirect::permanent(HOME) }))
        .route(HOME, get(|headers: HeaderMap| async move { serve(&INDEX, &headers) }))
        .route("/favicon.ico", get(|headers: HeaderMap| async move { serve(&ICON, &headers) }))
        .route("/ui/{file}", get(file))
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let found = FILES.iter().find(|file| file.name == name).ok_or_else(|| {
        Problem::new(Kind::NotFound, format!("the dashboard has no file `{name}`"))
            .next("The dashboard is at `/ui/`.")
    })?;
    serve(found, &headers)
}

/// Answers with a file, which the browser keeps and asks after each time: another version of the node brings others.
fn serve(file: &File, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = Tag::of_print(xxh3_64(file.bytes));
    let mut response = if Conditions::of(headers)?.has(&tag) {
        not_modified()
    } else {
        ([(header::CONTENT_TYPE, file.kind)], file.bytes).into_response()
    };
    let answer = response.headers_mut();
    answer.insert(header::ETAG, tag.header());
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        answer.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
