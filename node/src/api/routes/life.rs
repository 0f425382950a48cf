//! Signs of life, for whoever starts and stops nodes.

use crate::api::App;
use crate::api::problem::{Kind, Problem};
use axum::Json;
use axum::extract::State;
use heck_core::effects::Phase;
use serde::Serialize;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;

/// How long the node's task may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the node is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Life {
    /// Its name.
    node: String,
    /// `joining`, `synced`, `serving` or `leaving`.
    phase: &'static str,
    /// How many members take part, this node included.
    members: usize,
    /// How many origins it knows.
    origins: usize,
}

pub(crate) const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Joining => "joining",
        Phase::Synced => "synced",
        Phase::Serving => "serving",
        Phase::Leaving => "leaving",
    }
}

async fn look(app: &App) -> Result<(Life, Phase), Problem> {
    let look = app.node.view(|view, _| (view.name().as_str().to_owned(), view.phase(), view.members().len()));
    let (node, phase, members) = timeout(PATIENCE, look).await.map_err(|_| {
        Problem::new(Kind::Timeout, format!("the node's task did not answer in {PATIENCE:?}"))
            .next("When it stays so, restart the node and report its log as a bug.")
    })??;
    let origins = app.model.origins.borrow().len();
    Ok((Life { node, phase: phase_name(phase), members, origins }, phase))
}

/// Whether the process works: restart it when it does not.
#[utoipa::path(
    get, path = "/livez", tag = "node",
    responses((status = 200, body = Life), (status = 503, body = Problem))
)]
pub(crate) async fn livez(State(app): State<App>) -> Result<Json<Life>, Problem> {
    look(&app).await.map(|(life, _)| Json(life))
}

/// Whether the node takes part, is heard by its peers, and can be asked and written to.
#[utoipa::path(
    get, path = "/readyz", tag = "node",
    responses((status = 200, body = Life), (status = 503, body = Problem))
)]
pub(crate) async fn readyz(State(app): State<App>) -> Result<Json<Life>, Problem> {
    let (life, phase) = look(&app).await?;
    if phase != Phase::Serving {
        return Err(Problem::new(Kind::NotServing, format!("the node is {}", life.phase))
            .next("It is ready once it has the state of a peer, or has waited for one for long enough."));
    }
    if app.node.is_mute() {
        return Err(Problem::new(
            Kind::NotServing,
            "peers hear nothing of the node: it has begun a new life, and the disk does not take its name",
        )
        .next("Make room on the disk, or mend it: the node is heard again by itself."));
    }
    Ok(Json(life))
}

/// The same as `/readyz`.
#[utoipa::path(
    get, path = "/healthz", tag = "node",
    responses((status = 200, body = Life), (status = 503, body = Problem))
)]
pub(crate) async fn healthz(state: State<App>) -> Result<Json<Life>, Problem> {
    readyz(state).await
}
