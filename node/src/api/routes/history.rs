//! What changed of late.

use super::health::admin_name;
use super::members::standing_name;
use crate::api::App;
use crate::api::extract::{Params, name};
use crate::api::model::{Happened, What, reason, status_code};
use crate::api::page;
use crate::api::problem::{Kind, Problem};
use crate::api::time::Moment;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Changes told unless more are asked for.
const USUAL: usize = 100;

/// One change, as this node learned of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeView {
    /// Its place in the history of this process.
    id: String,
    /// When this node learned of it, by its clock.
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// `health`, `added`, `removed`, `edited` or `admin` of an origin, `member` or `restarted` of a member.
    kind: &'static str,
    /// The origin or the member.
    name: String,
    /// What it was before: a state of health, an `admin`, a standing. Null where there is none, as for `added`, or a
    /// member that was not known before.
    from: Option<&'static str>,
    /// What it is since; null where there is none, as for `removed`, or a member that is forgotten.
    to: Option<&'static str>,
    /// Who says so, of a state of health.
    by: Option<String>,
    /// Why the origin is unhealthy or degraded since, in a word.
    failure_reason: Option<&'static str>,
    /// The HTTP status that made it so.
    status_code: Option<u16>,
}

/// What changed of late.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryView {
    /// The newest first.
    history: Vec<ChangeView>,
    /// The place of the last change there was; `after` takes it.
    last: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Changes behind this place alone. The place of another process stands for the beginning.
    after: Option<String>,
    /// Changes of this origin or member alone.
    name: Option<String>,
    /// How many are told, the newest, 1 to 1,000; 100 unless set.
    limit: Option<usize>,
}

fn place(instance: u64, number: u64) -> String {
    format!("{instance:x}-{number}")
}

/// The number that a place stands for in this process.
fn number(instance: u64, place: &str) -> Result<u64, Problem> {
    let read = |(of, number): (&str, &str)| Some((u64::from_str_radix(of, 16).ok()?, number.parse().ok()?));
    let (of, number) = place.split_once('-').and_then(read).ok_or_else(|| {
        Problem::new(Kind::BadRequest, format!("`after` is `{place}`, which no history has given"))
            .next("Repeat `last` of an earlier answer as it is, or leave it out.")
    })?;
    Ok(if of == instance { number } else { 0 })
}

fn view(instance: u64, change: Happened) -> ChangeView {
    let mut view = ChangeView {
        id: place(instance, change.number),
        at: Moment(change.at),
        kind: "",
        name: change.name.as_str().to_owned(),
        from: None,
        to: None,
        by: None,
        failure_reason: None,
        status_code: None,
    };
    match change.what {
        What::Health { from, to, by, cause } => {
            view.kind = "health";
            (view.from, view.to) = (Some(from.name()), Some(to.name()));
            view.by = by.map(|by| by.as_str().to_owned());
            (view.failure_reason, view.status_code) = (reason(to, cause), status_code(cause));
        }
        What::Added => view.kind = "added",
        What::Removed => view.kind = "removed",
        What::Edited => view.kind = "edited",
        What::Admin { from, to } => {
            view.kind = "admin";
            (view.from, view.to) = (Some(admin_name(from)), Some(admin_name(to)));
        }
        What::Member { from, to } => {
            view.kind = "member";
            (view.from, view.to) = (from.map(standing_name), to.map(standing_name));
        }
        What::Restarted => view.kind = "restarted",
    }
    view
}

/// What changed of late, as this node learned of it since it started: the last thousand changes each of health, of
/// origins and of members. What changed and changed back within some milliseconds may be missing.
#[utoipa::path(
    get, path = "/v1/history", tag = "health", params(Query),
    responses((status = 200, body = HistoryView), (status = 400, body = Problem))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Params(query): Params<Query>,
) -> Result<Json<HistoryView>, Problem> {
    let instance = app.model.instance;
    let after = query.after.as_deref().map_or(Ok(0), |place| number(instance, place))?;
    let of = query.name.as_deref().map(name).transpose()?;
    let limit = page::limit(query.limit, USUAL)?;
    // What comes between the two is told twice rather than never.
    let last = place(instance, app.model.history.last());
    let changes = app.model.history.since(after, of.as_ref(), limit);
    Ok(Json(HistoryView {
        history: changes.into_iter().map(|change| view(instance, change)).collect(),
        last,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_and_one_of_another_process_is_the_beginning() {
        assert_eq!(number(7, &place(7, 12)).unwrap(), 12);
        assert_eq!(number(8, &place(7, 12)).unwrap(), 0);
        for wrong in ["", "7", "x-1", "7-x", "7--1"] {
            assert!(number(7, wrong).is_err(), "{wrong}");
        }
    }
}
