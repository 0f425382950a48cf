//! Who would check what, if a member went.

use crate::api::App;
use crate::api::extract::Named;
use crate::api::problem::Problem;
use axum::Json;
use axum::extract::State;
use heck_core::id::Name;
use heck_core::node::View;
use heck_core::time::Time;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Origins whose order is found in one brief look at the node.
const PAGE: usize = 64;

/// What a member owns, and who takes over when it goes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Heirs {
    name: String,
    /// How many origins it owns.
    owned: usize,
    /// Who would own them, by name.
    heirs: Vec<Heir>,
    /// Origins that nobody would own.
    orphans: Vec<String>,
}

/// A member that takes over.
#[derive(Serialize, ToSchema)]
pub(crate) struct Heir {
    name: String,
    /// The origins that it would own as well.
    origins: Vec<String>,
}

/// The first in the order of each origin that is not the member that goes.
fn next(view: View<'_>, now: Time, origins: Vec<Name>, gone: &Name) -> Vec<(Name, Option<Name>)> {
    let (scope, members) = (view.own_scope(), view.members());
    let heir = |origin: &Name| {
        let order = view.priority(scope, origin, now).into_iter();
        let mut names = order.filter_map(|node| members.get(node)).map(|member| &member.name);
        names.find(|name| *name != gone).cloned()
    };
    origins.into_iter().map(|origin| (origin.clone(), heir(&origin))).collect()
}

/// Which origins a member owns, and who would own each of them if it went, as the node that answers sees the members.
#[utoipa::path(
    get, path = "/v1/members/{name}/heirs", tag = "cluster", params(("name" = String, Path)),
    responses((status = 200, body = Heirs), (status = 404, body = Problem))
)]
pub(crate) async fn get(State(app): State<App>, Named(name): Named) -> Result<Json<Heirs>, Problem> {
    let of = name.clone();
    let is_known = app.node.view(move |view, _| view.members().all().any(|member| member.name == of));
    if !is_known.await? {
        return Err(Problem::missing("member", name.as_str()));
    }
    let health = app.model.health.borrow().clone();
    let owned = health.after(None).filter(|(_, row)| row.value.owner.as_ref() == Some(&name));
    let owned: Vec<Name> = owned.map(|(origin, _)| origin.clone()).collect();
    drop(health);
    let (mut heirs, mut orphans) = (BTreeMap::<Name, Vec<String>>::new(), Vec::new());
    for page in owned.chunks(PAGE) {
        let (page, gone) = (page.to_vec(), name.clone());
        for (origin, heir) in app.node.view(move |view, now| next(view, now, page, &gone)).await? {
            let origin = origin.as_str().to_owned();
            match heir {
                Some(heir) => heirs.entry(heir).or_default().push(origin),
                None => orphans.push(origin),
            }
        }
    }
    let heirs = heirs.into_iter().map(|(name, origins)| Heir { name: name.as_str().to_owned(), origins });
    Ok(Json(Heirs { owned: owned.len(), heirs: heirs.collect(), orphans, name: name.as_str().to_owned() }))
}
