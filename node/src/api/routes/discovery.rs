//! Lists for programs that discover what to use: Prometheus and Envoy.

use super::to_json;
use crate::api::App;
use crate::api::etag::{Conditions, Tag};
use crate::api::extract::{Params, Raw, json};
use crate::api::problem::{Kind, Problem};
use crate::api::tail;
use crate::output::envoy::{self, DiscoveryResponse};
use crate::output::prometheus::{TargetGroup, targets};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use xxhash_rust::xxh3::xxh3_64;

/// Most clusters that one question may name.
const CLUSTERS: usize = 10_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Only origins with this tag.
    tag: Option<String>,
}

/// What Envoy asks with: `envoy.service.discovery.v3.DiscoveryRequest`. Its other fields are passed over.
#[derive(Deserialize, ToSchema)]
pub(crate) struct DiscoveryRequest {
    /// The version that it has.
    #[serde(default, alias = "versionInfo")]
    version_info: String,
    /// The clusters that it asks for, by tag; all when there are none.
    #[serde(default, alias = "resourceNames")]
    resource_names: Vec<String>,
    /// What it asks for.
    #[serde(default, alias = "typeUrl")]
    type_url: String,
}

/// Refuses where these lists are switched off, and where the node does not know enough to speak for its cluster.
async fn expect_ready(app: &App) -> Result<(), Problem> {
    if !app.config.outputs.discovery {
        let problem = Problem::new(Kind::NoSuchRoute, "this node does not serve lists for discovery");
        return Err(problem.next("`outputs.discovery = true` in its settings switches them on."));
    }
    if !app.outlook.ready.is_ready().await {
        // Whoever asks keeps what it has; with an empty list it would drop everything.
        return Err(Problem::new(Kind::NotServing, "the node has not joined its cluster yet")
            .next("Ask again, or ask another node.")
            .retry_after(Duration::from_secs(1)));
    }
    Ok(())
}

/// All origins as targets for Prometheus (`http_sd_configs`), those that are down too: which to scrape is for
/// relabelling to say.
#[utoipa::path(
    get, path = "/v1/sd/prometheus", tag = "outputs", params(Query),
    responses(
        (status = 200, body = Vec<TargetGroup>),
        (status = 304, description = "nothing has changed since `If-None-Match`"),
        (status = 503, body = Problem),
    )
)]
pub(crate) async fn prometheus(
    State(app): State<App>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    expect_ready(&app).await?;
    let conditions = Conditions::of(&headers)?;
    let (origins, health) = (app.model.origins.borrow().clone(), app.model.health.borrow().clone());
    let places = app.outlook.directory.places();
    let body = to_json(&targets(&origins, &health, &places, app.outlook.caution, query.tag.as_deref()))?;
    let tag = Tag::of_print(xxh3_64(&body));
    if conditions.has(&tag) {
        return Ok(tail::not_modified());
    }
    Ok(tail::tagged(&tag, body))
}

/// The endpoints of clusters for Envoy (EDS over REST). A cluster is a tag. 304 when Envoy has this version.
#[utoipa::path(
    post, path = "/v3/discovery:endpoints", tag = "outputs",
    request_body = DiscoveryRequest,
    responses(
        (status = 200, body = DiscoveryResponse),
        (status = 304, description = "Envoy has this version"),
        (status = 422, body = Problem),
        (status = 503, body = Problem),
    )
)]
pub(crate) async fn envoy(State(app): State<App>, Raw(body): Raw) -> Result<Response, Problem> {
    expect_ready(&app).await?;
    let request: DiscoveryRequest = json(&body)?;
    if !request.type_url.is_empty() && request.type_url != envoy::TYPE_URL {
        let what = format!("`type_url` is {:?}, allowed is {:?}", request.type_url, envoy::TYPE_URL);
        return Err(Problem::new(Kind::Invalid, what));
    }
    if request.resource_names.len() > CLUSTERS {
        let count = request.resource_names.len();
        return Err(Problem::new(
            Kind::Invalid,
            format!("`resource_names` has {count}, allowed are {CLUSTERS}"),
        ));
    }
    let response = DiscoveryResponse::of(&app.outlook, &request.resource_names);
    if response.version_info == request.version_info {
        return Ok(tail::not_modified());
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, to_json(&response)?).into_response())
}
