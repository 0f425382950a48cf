//! How old all answers are, in few words.

use crate::api::App;
use crate::api::model::Group;
use axum::Json;
use axum::extract::State;
use heck_core::id::Name;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The ages of all answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgeList {
    /// What others say: a member's heartbeats vouch for all its answers, so those for origins of one interval are of
    /// one age.
    groups: Vec<GroupAge>,
    /// What this node says itself: by origin, how long ago it was checked, in milliseconds.
    own: BTreeMap<String, u64>,
}

/// The age of what one member says of its origins of one interval.
#[derive(Serialize, ToSchema)]
pub(crate) struct GroupAge {
    /// Who says it.
    said_by: String,
    /// Time between two checks.
    interval_ms: u64,
    age_ms: u64,
    /// The most by which `age_ms` may understate.
    age_bound_ms: u64,
}

/// How old all answers are. It goes with `GET /v1/health?describe=true`, whose rows and events come when something
/// changes: ages do all the time. An answer whose `hold` is not `held` has none, as nobody vouches for it.
#[utoipa::path(get, path = "/v1/ages", tag = "health", responses((status = 200, body = AgeList)))]
pub(crate) async fn list(State(app): State<App>) -> Json<AgeList> {
    let (health, ages) = (app.model.health.borrow().clone(), app.model.ages());
    let mut own = BTreeMap::new();
    let mut groups: BTreeMap<&Group, &Name> = BTreeMap::new();
    for (name, row) in health.after(None) {
        let Some(group) = &row.value.group else { continue };
        if group.origin.is_some() {
            own.extend(ages.age(group).map(|age| (name.as_str().to_owned(), age.age_ms)));
        } else if let Some(said_by) = &row.value.said_by {
            groups.entry(group).or_insert(said_by);
        }
    }
    let group = |(group, said_by): (&Group, &Name)| {
        let age = ages.age(group)?;
        Some(GroupAge {
            said_by: said_by.as_str().to_owned(),
            interval_ms: group.interval.as_us() / 1_000,
            age_ms: age.age_ms,
            age_bound_ms: age.bound_ms,
        })
    };
    let groups = groups.into_iter().filter_map(group).collect();
    Json(AgeList { groups, own })
}
