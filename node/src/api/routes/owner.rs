//! Who checks an origin.

use crate::api::App;
use crate::api::extract::{Named, Params};
use crate::api::page;
use crate::api::problem::Problem;
use axum::Json;
use axum::extract::State;
use heck_core::entry::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Members named unless more are asked for: the owner, its confirmers and who takes over.
const USUAL: usize = 16;

/// Who checks an origin, as the node that answers sees the members.
#[derive(Serialize, ToSchema)]
pub(crate) struct Owner {
    name: String,
    /// Who is to check it; null when there is nobody.
    owner: Option<String>,
    /// Who says so at present: another node while the origin changes hands. Null before the first check.
    said_by: Option<String>,
    /// The members in the order in which they are to own it: the owner, who confirms what it finds, and who takes over
    /// when it goes.
    priority: Vec<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// How many members of the order are named, 1 to 1,000; 16 unless set.
    limit: Option<usize>,
    /// The zone to answer for, where each zone has an owner; that of the node unless set.
    zone: Option<String>,
}

/// Who checks an origin, and who comes next.
#[utoipa::path(
    get, path = "/v1/owner/{name}", tag = "health", params(("name" = String, Path), Query),
    responses((status = 200, body = Owner), (status = 404, body = Problem))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Named(name): Named,
    Params(query): Params<Query>,
) -> Result<Json<Owner>, Problem> {
    let limit = page::limit(query.limit, USUAL)?;
    let zone = query.zone.as_deref().map(crate::api::extract::name).transpose()?;
    let missing = Problem::missing("origin", name.as_str());
    let look = app.node.view(move |view, now| {
        view.origin(&name)?;
        let scope = zone.as_ref().map_or(view.own_scope(), Scope::of_zone);
        let member = |node| view.members().get(node).map(|member| member.name.as_str().to_owned());
        Some(Owner {
            owner: view.owner(scope, &name, now).and_then(member),
            said_by: view.claim(scope, &name).and_then(|claim| member(claim.ballot.writer.node)),
            priority: view.priority(scope, &name, now).into_iter().take(limit).filter_map(member).collect(),
            name: name.as_str().to_owned(),
        })
    });
    look.await?.map(Json).ok_or(missing)
}
