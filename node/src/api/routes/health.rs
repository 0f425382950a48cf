//! Is an origin healthy, who says so, and how old is that answer?

use super::to_json;
use crate::api::App;
use crate::api::etag::Conditions;
use crate::api::extract::{Named, Params, wait, wants_events};
use crate::api::filter::Filter;
use crate::api::model::{Age, Ages, HealthRow, OriginRow, Row, Table, status_code};
use crate::api::page;
use crate::api::problem::{Kind, Problem};
use crate::api::tail;
use crate::api::time::Moment;
use crate::origin::OriginDocument;
use crate::probe::{LastProbe, Report};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use heck_core::check::Status;
use heck_core::entry::{Admin, Body, HealthState, Hold, Scope};
use heck_core::id::Name;
use heck_core::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Origins whose last check is looked up in one brief look at the node.
const PAGE: usize = 512;

/// The health of one origin, as lists have it.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthSummary<'a> {
    name: &'a str,
    /// `healthy`, `unhealthy`, `degraded`, `draining` or `unknown`.
    state: &'static str,
    /// When the state began, by the clock of the node that saw it begin; null while the state is unknown.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Moment>,
    /// How old the answer is; null when nobody vouches for it. One second more than it is, at most.
    age_ms: Option<u64>,
    /// The most by which `age_ms` may understate.
    age_bound_ms: Option<u64>,
    /// Who is to check it, as this node sees the members.
    owner: Option<&'a str>,
    /// Whether the answer is older than it should be. It says nothing of the origin: the checker is late or out of
    /// reach, or the origin is in maintenance.
    stale: bool,
    /// `held` while who said it goes on checking, `late` when it is behind, `released` when it has stopped.
    hold: &'static str,
    /// What the operator wants: `enabled`, `draining` or `maintenance`.
    admin: &'static str,
}

/// A row of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthItem<'a> {
    #[serde(flatten)]
    summary: HealthSummary<'a>,
    /// Why it is unhealthy or degraded, in a word; missing otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'static str>,
    /// The HTTP status that made it so; missing otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// With `describe=true`: what its document says, and who says so.
    #[serde(flatten)]
    description: Option<Description<'a>>,
}

/// What a list shows of the document of an origin where that is asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct Description<'a> {
    /// Where it is checked.
    #[schema(value_type = String)]
    url: Cow<'a, str>,
    /// What it can be found by.
    tags: &'a BTreeSet<String>,
    /// Where it came from.
    source: &'a str,
    /// Time between two checks.
    interval_ms: u64,
    /// Who says so: another than `owner` while the origin changes hands.
    said_by: Option<&'a str>,
}

/// How long the parts of the last check took, in milliseconds; null for parts that there were not.
#[derive(Serialize, ToSchema)]
pub(crate) struct Latency {
    total: f64,
    /// Until the name had an address.
    resolve: Option<f64>,
    /// Until the connection stood; with TLS the client does not say.
    connect: Option<f64>,
    /// From the connection to the head of the answer.
    answer: Option<f64>,
    /// From there to the end of the body, where that had to match.
    body: Option<f64>,
}

/// What there is beside: some of it only its owner knows, and it is null elsewhere.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthDetails<'a> {
    /// Why it is unhealthy or degraded, in a word (`timeout`, `resolve`, `connect`, `tls`, `protocol`, `forbidden`,
    /// `status`, `slow`); null otherwise.
    failure_reason: Option<&'static str>,
    /// The HTTP status: that of the last check at the owner, elsewhere the one that made it unhealthy or degraded.
    status_code: Option<u16>,
    /// Only the owner knows: what was wrong with the last check, in words.
    last_failure: Option<Box<str>>,
    /// Only the owner knows: why its last check could not be made, which is no fault of the origin.
    hindrance: Option<Box<str>>,
    /// Only the owner knows: how long the last check took.
    latency_ms: Option<Latency>,
    /// Only the owner knows: when the certificate ends that the origin showed.
    #[schema(value_type = Option<String>, format = DateTime)]
    cert_not_after: Option<Moment>,
    /// Who says so: another than `owner` while the origin changes hands.
    said_by: Option<&'a str>,
    /// What others said when it became unhealthy; null in any other state.
    confirmation: Option<ConfirmationView>,
    /// Only the owner knows: when a check last told something.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_check: Option<Moment>,
    /// Only the owner knows: how many checks running have said the same.
    consecutive: Option<u16>,
}

/// What confirmers said of an origin that is unhealthy.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfirmationView {
    /// How many were asked.
    asked: u8,
    /// How many answered in time.
    answered: u8,
    /// How many of those found it down as well.
    agreed: u8,
}

/// The health of one origin.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health<'a> {
    #[serde(flatten)]
    summary: HealthSummary<'a>,
    #[serde(flatten)]
    details: HealthDetails<'a>,
}

/// A page of rows.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthList<'a, T> {
    health: Vec<T>,
    /// The cursor of the next page; null on the last.
    next: Option<&'a str>,
}

const fn hold_name(hold: Hold) -> &'static str {
    match hold {
        Hold::Held => "held",
        Hold::Late => "late",
        Hold::Released => "released",
    }
}

pub(crate) const fn admin_name(admin: Admin) -> &'static str {
    match admin {
        Admin::Enabled => "enabled",
        Admin::Draining => "draining",
        Admin::Disabled => "maintenance",
    }
}

fn age(row: &HealthRow, ages: &Ages) -> Option<Age> {
    row.group.as_ref().and_then(|group| ages.age(group))
}

fn summary<'a>(name: &'a Name, row: &'a HealthRow, age: Option<Age>) -> HealthSummary<'a> {
    HealthSummary {
        name: name.as_str(),
        state: row.state.name(),
        since: row.since.map(Moment),
        age_ms: age.map(|age| age.age_ms),
        age_bound_ms: age.map(|age| age.bound_ms),
        owner: row.owner.as_ref().map(Name::as_str),
        stale: row.is_stale,
        hold: hold_name(row.hold),
        admin: admin_name(row.admin),
    }
}

fn description<'a>(
    name: &Name,
    row: &'a HealthRow,
    origins: &'a Table<OriginRow>,
) -> Option<Description<'a>> {
    let origin = &origins.get(name)?.value;
    let Body::Origin { spec, source, .. } = &origin.entry.body else { return None };
    Some(Description {
        // Nearly all targets are but a URL.
        url: if spec.target.starts_with('{') {
            OriginDocument::from_spec(name, spec).url.into()
        } else {
            Cow::Borrowed(&spec.target)
        },
        tags: &origin.tags,
        source: source.as_str(),
        interval_ms: spec.policy.interval.as_us() / 1_000,
        said_by: row.said_by.as_ref().map(Name::as_str),
    })
}

/// A row of a list; with the origins, described.
fn item<'a>(
    name: &'a Name,
    row: &'a HealthRow,
    ages: &Ages,
    origins: Option<&'a Table<OriginRow>>,
) -> HealthItem<'a> {
    HealthItem {
        description: origins.and_then(|origins| description(name, row, origins)),
        summary: summary(name, row, age(row, ages)),
        failure_reason: row.reason(),
        status_code: status_code(row.cause),
    }
}

fn latency(report: &Report) -> Latency {
    let ms = |span: Span| span.as_us() as f64 / 1_000.0;
    let phases = report.phases;
    Latency {
        total: ms(report.took),
        resolve: phases.resolve.map(ms),
        connect: phases.connect.map(ms),
        answer: phases.answer.map(ms),
        body: phases.body.map(ms),
    }
}

/// What this node knows of the checks of an origin that it owns.
#[derive(Default)]
struct Check {
    status: Option<Status>,
    last: LastProbe,
}

fn health<'a>(name: &'a Name, row: &'a HealthRow, age: Option<Age>, check: &Check) -> Health<'a> {
    let report = check.last.report.as_ref().map(|(_, report)| report);
    let not_after = report.and_then(|report| u64::try_from(report.cert_not_after?).ok());
    let asked = row.confirmation;
    let is_down = row.state == HealthState::Unhealthy;
    let details = HealthDetails {
        failure_reason: row.reason(),
        status_code: report.and_then(|report| report.status).or(status_code(row.cause)),
        last_failure: report.and_then(|report| report.failure.clone()),
        latency_ms: report.map(latency),
        cert_not_after: not_after.map(|secs| Moment(Time(secs.saturating_mul(1_000_000)))),
        hindrance: check.last.hindered.as_ref().map(|(_, _, why)| why.clone()),
        said_by: row.said_by.as_ref().map(Name::as_str),
        confirmation: is_down.then_some(ConfirmationView {
            asked: asked.asked,
            answered: asked.answered,
            agreed: asked.agreed,
        }),
        last_check: check.status.filter(|status| status.consecutive > 0).map(|status| Moment(status.told)),
        consecutive: check.status.map(|status| status.consecutive),
    };
    Health { summary: summary(name, row, age), details }
}

/// What this node knows of the last checks of its own origins among these.
async fn checks(app: &App, names: Vec<Name>) -> Result<BTreeMap<Name, Check>, Problem> {
    let mut known = BTreeMap::new();
    for page in names.chunks(PAGE) {
        let page = page.to_vec();
        let look = app.node.view(move |view, _| {
            page.into_iter()
                .filter_map(|name| view.check(&name).map(|status| (name, status)))
                .collect::<Vec<_>>()
        });
        known.extend(look.await?.into_iter().map(|(name, status)| {
            let last = app.node.last_probe(&name).unwrap_or_default();
            (name, Check { status: Some(status), last })
        }));
    }
    Ok(known)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Origins with this tag.
    tag: Option<String>,
    /// Origins in one of these states, separated by commas.
    state: Option<String>,
    /// Origins that this node is to check.
    owner: Option<String>,
    /// Origins that came from this source.
    source: Option<String>,
    /// All that is known of each, as for a single origin; not unless set, and not in streams.
    details: Option<bool>,
    /// Rows say what the origin's document does too: `url`, `tags`, `source`, `interval_ms`; and `said_by`. Not with
    /// `details`, and not unless set. A change of the document counts as one of its row then.
    describe: Option<bool>,
    /// Rows of a page, 1 to 1,000; everything unless set.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Long poll: with the last ETag in If-None-Match, waits for up to so long (`30s`) until something changes. Ages
    /// and details of checks do not count as changes.
    wait: Option<String>,
}

/// The health of all origins, or of those that meet a filter. With `Accept: text/event-stream` a stream of events:
/// `set` with a row that is new or changed, `removed` with a name; a stream that cannot resume behind its
/// Last-Event-ID begins with `reset`, everything and `ready`.
#[utoipa::path(
    get, path = "/v1/health", tag = "health", params(Query),
    responses(
        (status = 200, content(
            (HealthList<HealthItem> = "application/json"), (String = "text/event-stream")
        ), headers(("ETag" = String))),
        (status = 304, description = "Unchanged since the ETag in If-None-Match")
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let filter = Filter::new(query.tag, query.state.as_deref(), query.owner, query.source)?;
    let (rows, origins) = (app.model.health.clone(), app.model.origins.clone());
    let is_described = query.describe.unwrap_or(false);
    let beside = (filter.asks_of_origins() || is_described).then(|| origins.clone());
    if wants_events(&headers) {
        let (ages, described) = (app.model.clone(), is_described.then_some(origins));
        let wanted = move |name: &Name, row: &HealthRow, origins: &_| filter.wants(name, row, origins);
        return tail::watch_beside(&app, (rows, beside, is_described), &headers, wanted, move |name, row| {
            let origins = described.as_ref().map(|origins| origins.borrow().clone());
            let item = item(name, &row.value, &ages.ages(), origins.as_deref());
            serde_json::to_string(&item).unwrap_or_default()
        });
    }
    let select = Select {
        filter,
        after: page::after(query.cursor.as_deref())?,
        // One row more shows whether there is another page.
        limit: page::limit(query.limit, usize::MAX - 1)?,
    };
    let (conditions, wait) = (Conditions::of(&headers)?, wait(query.wait.as_deref())?);
    let print = |table: &Table<HealthRow>| {
        let origins = origins.borrow();
        let print = tail::print(select.rows(table, &origins).take(select.limit + 1));
        let rows = select.rows(table, &origins).take(if is_described { select.limit + 1 } else { 0 });
        let described = tail::print(rows.filter_map(|(name, _)| Some((name, origins.get(name)?))));
        print ^ described
    };
    let Some((tag, table)) = tail::changed_beside(rows, beside, &conditions, wait, print).await? else {
        return Ok(tail::not_modified());
    };
    let origins = origins.borrow().clone();
    let mut rows: Vec<_> = select.rows(&table, &origins).take(select.limit + 1).collect();
    let more = rows.len() > select.limit;
    rows.truncate(select.limit);
    let next = rows.last().filter(|_| more).map(|(name, _)| page::cursor(name));
    let (ages, next) = (app.model.ages(), next.as_deref());
    if !query.details.unwrap_or(false) {
        let described = is_described.then_some(&*origins);
        let health = rows.iter().map(|(name, row)| item(name, &row.value, &ages, described)).collect();
        return Ok(tail::tagged(&tag, to_json(&HealthList { health, next })?));
    }
    let own = rows.iter().filter(|(_, row)| row.value.is_own).map(|(name, _)| (*name).clone());
    let (checks, none) = (checks(&app, own.collect()).await?, Check::default());
    let health = rows
        .iter()
        .map(|(name, row)| {
            let age = age(&row.value, &ages);
            health(name, &row.value, age, checks.get(*name).unwrap_or(&none))
        })
        .collect();
    Ok(tail::tagged(&tag, to_json(&HealthList { health, next })?))
}

/// Which rows a client wants.
struct Select {
    filter: Filter,
    after: Option<Name>,
    limit: usize,
}

impl Select {
    fn rows<'a>(
        &'a self,
        health: &'a Table<HealthRow>,
        origins: &'a Arc<Table<OriginRow>>,
    ) -> impl Iterator<Item = (&'a Name, &'a Row<HealthRow>)> {
        let rows = health.after(self.after.as_ref());
        rows.filter(|(name, row)| self.filter.wants(name, &row.value, origins))
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct One {
    /// Long poll: with the last ETag in If-None-Match, waits for up to so long (`30s`) until something changes.
    wait: Option<String>,
    /// The zone to answer for, where each zone has an owner; that of the node unless set. Of another zone there is no
    /// ETag and no long poll. Where the cluster has one owner, its answer is that of every zone.
    zone: Option<String>,
}

/// The health of one origin, with all that this node knows of it.
#[utoipa::path(
    get, path = "/v1/health/{name}", tag = "health", params(("name" = String, Path), One),
    responses(
        (status = 200, body = Health, headers(("ETag" = String))),
        (status = 304, description = "Unchanged since the ETag in If-None-Match"),
        (status = 404, body = Problem)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    Named(name): Named,
    Params(query): Params<One>,
) -> Result<Response, Problem> {
    if let Some(zone) = &query.zone {
        let asked = Scope::of_zone(&crate::api::extract::name(zone)?);
        let own = app.node.view(|view, _| view.own_scope()).await?;
        if own != Scope::CLUSTER && own != asked {
            if query.wait.is_some() {
                let detail =
                    format!("`wait` goes with the node's own zone, not with `{zone}`; nothing was changed");
                return Err(Problem::new(Kind::Invalid, detail));
            }
            return elsewhere(&app, &name, asked).await;
        }
    }
    let (conditions, wait) = (Conditions::of(&headers)?, wait(query.wait.as_deref())?);
    let print = |table: &Table<HealthRow>| tail::print(table.get(&name).map(|row| (&name, row)).into_iter());
    let Some((tag, table)) = tail::changed(app.model.health.clone(), &conditions, wait, print).await? else {
        return Ok(tail::not_modified());
    };
    let row = table.get(&name).ok_or_else(|| Problem::missing("origin", name.as_str()))?;
    let own = row.value.is_own.then(|| name.clone());
    let (checks, none) = (checks(&app, own.into_iter().collect()).await?, Check::default());
    let age = age(&row.value, &app.model.ages());
    Ok(tail::tagged(&tag, to_json(&health(&name, &row.value, age, checks.get(&name).unwrap_or(&none)))?))
}

/// What another zone than the node's says of an origin, read from the replicated state as it is now.
async fn elsewhere(app: &App, origin: &Name, zone: Scope) -> Result<Response, Problem> {
    let name = origin.clone();
    let look = app.node.view(move |view, now| {
        let row = HealthRow::read(view, zone, &name, now)?;
        Some((row, view.answer_age(zone, &name, now)))
    });
    let (row, answer) = look.await?.ok_or_else(|| Problem::missing("origin", origin.as_str()))?;
    let body = health(origin, &row, answer.as_ref().and_then(Age::of), &Check::default());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, to_json(&body)?).into_response())
}
