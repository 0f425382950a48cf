//! The routes of the API, each with its description.

#![allow(unused_qualifications, reason = "the descriptions of parameters expand to qualified names")]

mod ages;
mod discovery;
mod durable;
mod health;
mod heirs;
mod history;
mod import;
mod keys;
mod life;
mod members;
mod messages;
mod metrics;
mod origins;
mod owner;
mod probe;
mod seal;
mod spread;

use super::App;
use super::problem::{Kind, Problem};
use axum::Router;
use axum::extract::State;
use axum::http::{Method, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "heck",
        description = "Is origin X healthy, who says so, and how old is that answer? Any node answers for every \
            origin from its own memory. Errors are RFC 9457 problems."
    ),
    components(schemas(Problem))
)]
struct Description;

/// Everything that OpenAPI describes.
fn described() -> OpenApiRouter<App> {
    let mut description = Description::openapi();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    description.components.get_or_insert_default().add_security_scheme("token", bearer);
    OpenApiRouter::with_openapi(description)
        .routes(routes!(origins::list))
        .routes(routes!(origins::get, origins::put, origins::patch, origins::delete))
        .routes(routes!(origins::drain))
        .routes(routes!(origins::maintenance))
        .routes(routes!(origins::enable))
        .routes(routes!(origins::check))
        .routes(routes!(import::import))
        .routes(routes!(health::list))
        .routes(routes!(health::get))
        .routes(routes!(ages::list))
        .routes(routes!(history::list))
        .routes(routes!(owner::get))
        .routes(routes!(members::list))
        .routes(routes!(heirs::get))
        .routes(routes!(members::join))
        .routes(routes!(members::leave))
        .routes(routes!(keys::list))
        .routes(routes!(keys::get, keys::put, keys::delete))
        .routes(routes!(messages::list))
        .routes(routes!(messages::publish))
        .routes(routes!(seal::list, seal::install))
        .routes(routes!(seal::use_key))
        .routes(routes!(seal::remove))
        .routes(routes!(life::livez))
        .routes(routes!(life::readyz))
        .routes(routes!(life::healthz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(probe::probe))
        .routes(routes!(discovery::prometheus))
        .routes(routes!(discovery::envoy))
        .routes(routes!(openapi))
}

/// All routes, and their description in JSON.
pub(super) fn all() -> (Router<App>, String) {
    let (router, description) = described().split_for_parts();
    (router, description.to_json().unwrap_or_default())
}

/// Reads the body of an import, for the fuzz targets.
#[cfg(any(fuzzing, test))]
pub(super) fn import_lines(bytes: &[u8]) -> usize {
    import::read(bytes).len()
}

/// Reads the query of every route that has one, for the fuzz targets.
#[cfg(any(fuzzing, test))]
pub(super) fn read_queries(uri: &Uri) {
    use axum::extract::Query;
    let _ = Query::<origins::Query>::try_from_uri(uri);
    let _ = Query::<health::Query>::try_from_uri(uri);
    let _ = Query::<history::Query>::try_from_uri(uri);
    let _ = Query::<keys::Query>::try_from_uri(uri);
    let _ = Query::<messages::Query>::try_from_uri(uri);
    let _ = Query::<discovery::Query>::try_from_uri(uri);
    let _ = Query::<import::Query>::try_from_uri(uri);
    let _ = Query::<probe::Query>::try_from_uri(uri);
    let _ = Query::<spread::Spread>::try_from_uri(uri);
}

/// An answer in JSON.
fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(answer).map_err(|error| Problem::new(Kind::Internal, format!("the answer: {error}")))
}

/// The description of this interface.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "node",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
async fn openapi(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], app.openapi.to_string())
}

pub(super) async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(Kind::NoSuchRoute, format!("`{}` is no path of this interface", uri.path()))
        .next("`GET /openapi.json` lists the paths.")
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    Problem::new(Kind::MethodNotAllowed, format!("`{}` does not take {method}", uri.path()))
        .next("The `Allow` header lists what it takes.")
        .into_response()
}
