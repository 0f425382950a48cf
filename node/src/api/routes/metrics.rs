//! `/metrics`.

use super::life::phase_name;
use super::members::standing_name;
use crate::api::App;
use crate::api::problem::Problem;
use crate::metrics::{OriginSample, Sample, encode};
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use heck_core::entry::HealthState;
use heck_core::member::Standing;
use heck_core::node::View;
use heck_core::time::Time;

const STANDINGS: [Standing; 4] = [Standing::Alive, Standing::Suspect, Standing::Dead, Standing::Left];

/// What one brief look at the node tells.
fn look(view: View<'_>, now: Time) -> Sample {
    let members = view.members();
    let count = |standing| members.all().filter(|member| member.standing == standing).count() as u64;
    let (message_bytes, messages) = view.state().log_size();
    Sample {
        phase: phase_name(view.phase()),
        boot: view.writer().boot.0,
        members: STANDINGS.map(|standing| (standing_name(standing), count(standing))).to_vec(),
        members_counted: members.all().filter(|member| view.is_counted(member, now)).count() as u64,
        members_disagreeing: view.disagreeing().count() as u64,
        origins_checked: view.check_sizes()[0] as u64,
        messages: messages as u64,
        message_bytes,
        entries: view.state().live_len() as u64,
        delivery: view.delivery(),
        exchanges: view.exchanges(),
        heartbeats: view.heartbeats_said().into(),
        ..Sample::default()
    }
}

/// What the node says of itself, for Prometheus. REFERENCE.md lists what there is.
#[utoipa::path(
    get, path = "/metrics", tag = "node",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"))
)]
pub(crate) async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let mut sample = app.node.view(look).await?;
    let health = app.model.health.borrow().clone();
    let count = |state| health.after(None).filter(|(_, row)| row.value.state == state).count() as u64;
    sample.origins = HealthState::ALL.map(|state| (state.name(), count(state))).to_vec();
    sample.origins_stale = health.after(None).filter(|(_, row)| row.value.is_stale).count() as u64;
    sample.origins_owned = health.after(None).filter(|(_, row)| row.value.is_own).count() as u64;
    sample.keys = app.model.keys.borrow().len() as u64;
    sample.api_streams = (app.config.limits.streams - app.streams.available_permits()) as u64;
    sample.journal_busy = app.node.disk().busy();
    sample.probes = Some(app.node.probe_status());
    sample.traces = app.node.tracer().map(crate::trace::Tracer::status);
    sample.webhook = Some((app.outlook.webhook.waiting(), app.outlook.webhook.breaker()));
    if app.config.metrics_per_origin {
        let ages = app.model.ages();
        let each = health.after(None).map(|(name, row)| OriginSample {
            name: name.as_str().to_owned(),
            state: row.value.state.name(),
            is_healthy: row.value.state == HealthState::Healthy,
            is_stale: row.value.is_stale,
            age_ms: row.value.group.as_ref().and_then(|group| ages.age(group)).map(|age| age.age_ms),
        });
        sample.each = Some(each.collect());
    }
    let text = encode(app.node.counters(), &sample, &app.requests);
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
