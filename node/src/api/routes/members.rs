//! Who is in the cluster; joining and leaving it.

use super::life::phase_name;
use crate::addr::{from_core, to_core};
use crate::api::App;
use crate::api::etag::{Conditions, Tag};
use crate::api::extract::Json;
use crate::api::problem::{Kind, Problem};
use crate::api::tail;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use heck_core::effects::Phase;
use heck_core::entry::Scope;
use heck_core::id::Addr;
use heck_core::input::Command;
use heck_core::member::{Member, Standing};
use heck_core::node::View;
use heck_core::time::Time;
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;
use utoipa::ToSchema;

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(3);
/// Most addresses that one request to join may name.
const PEERS: usize = 64;

/// One member as this node knows it.
#[derive(Hash, Serialize, ToSchema)]
struct MemberView {
    name: String,
    #[schema(value_type = String)]
    address: SocketAddr,
    /// The hash of its zone's name in hex; null without a zone.
    zone: Option<String>,
    /// Its share of the work; 100 is usual.
    weight: u16,
    /// `alive`, `suspect`, `dead` or `left`.
    standing: &'static str,
    /// Whether it counts when owners are found: it takes part, and is not in quarantine for having come and gone.
    counted: bool,
    /// Its life; a restart begins a higher one.
    boot: u64,
    /// How often it refuted doubts in this life.
    incarnation: u32,
    /// Whether its settings of ownership are those of this node. Where they are not, the two disagree about owners.
    agrees: bool,
}

/// The members as one node knows them.
#[derive(Hash, Serialize, ToSchema)]
struct Members {
    /// The node that answers.
    node: String,
    /// Its phase: `joining`, `synced`, `serving` or `leaving`.
    phase: &'static str,
    members: Vec<MemberView>,
}

pub(crate) const fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Alive => "alive",
        Standing::Suspect => "suspect",
        Standing::Dead => "dead",
        Standing::Left => "left",
    }
}

fn member(view: View<'_>, now: Time, member: &Member, settings: Option<u64>) -> MemberView {
    let has_zone = member.zone != Scope::default() && member.zone != Scope::NO_ZONE;
    MemberView {
        name: member.name.as_str().to_owned(),
        address: from_core(member.addr),
        zone: has_zone.then(|| format!("{:016x}", member.zone.0)),
        weight: member.weight,
        standing: standing_name(member.standing),
        counted: view.is_counted(member, now),
        boot: member.life.boot.0,
        incarnation: member.life.incarnation,
        agrees: settings.is_none_or(|own| own == member.settings),
    }
}

/// All members that this node knows, those that are gone and not yet forgotten included.
#[utoipa::path(
    get, path = "/v1/members", tag = "cluster",
    responses(
        (status = 200, body = Members, headers(("ETag" = String))),
        (status = 304, description = "Unchanged since the ETag in If-None-Match")
    )
)]
pub(crate) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let conditions = Conditions::of(&headers)?;
    let look = app.node.view(|view, now| {
        let own = view.members().get(view.writer().node).map(|member| member.settings);
        let mut members: Vec<_> = view.members().all().map(|held| member(view, now, held, own)).collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Members { node: view.name().as_str().to_owned(), phase: phase_name(view.phase()), members }
    });
    let members = look.await?;
    let mut hasher = DefaultHasher::new();
    members.hash(&mut hasher);
    let tag = Tag::of_print(hasher.finish());
    if conditions.has(&tag) {
        return Ok(tail::not_modified());
    }
    Ok(tail::tagged(&tag, super::to_json(&members)?))
}

/// Where to find a cluster.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Join {
    /// Gossip addresses of some members, `host:port` each. They are resolved once; those given at the start of the
    /// node are resolved again each time.
    peers: Vec<String>,
}

/// Joins the cluster of these peers; a node that serves already joins the two clusters into one.
#[utoipa::path(
    post, path = "/v1/join", tag = "cluster", request_body = Join, security(("token" = [])),
    responses(
        (status = 202, description = "It has begun: `GET /readyz` and `GET /v1/members` tell how it went"),
        (status = 422, body = Problem)
    )
)]
pub(crate) async fn join(State(app): State<App>, Json(join): Json<Join>) -> Result<StatusCode, Problem> {
    if join.peers.is_empty() || join.peers.len() > PEERS {
        let count = join.peers.len();
        return Err(Problem::new(
            Kind::Invalid,
            format!("`peers` has {count} addresses, allowed are 1 to {PEERS}"),
        )
        .next("Name the gossip address of one member, `10.0.0.1:7400` say."));
    }
    let mut peers: Vec<Addr> = Vec::new();
    for peer in &join.peers {
        let found = timeout(RESOLVE, lookup_host(peer.as_str())).await;
        let reason = match found {
            Ok(Ok(addrs)) => {
                peers.extend(addrs.map(to_core));
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it was not resolved in {RESOLVE:?}"),
        };
        return Err(Problem::new(Kind::Invalid, format!("`{peer}`: {reason}; nothing was changed"))
            .next("Write `host:port`, such as `10.0.0.1:7400`."));
    }
    peers.sort_unstable();
    peers.dedup();
    app.node.command(Command::Join { peers: Arc::from(peers) }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Makes the node hand over what it owns and leave the cluster; then its process ends.
#[utoipa::path(
    post, path = "/v1/leave", tag = "cluster", security(("token" = [])),
    responses((status = 202, description = "It has said goodbye, and will end"), (status = 503, body = Problem))
)]
pub(crate) async fn leave(State(app): State<App>) -> Result<StatusCode, Problem> {
    let phase = app.node.view(|view, _| view.phase()).await?;
    if phase != Phase::Leaving {
        app.node.command(Command::Leave).await?;
    }
    app.leaving.send_replace(true);
    Ok(StatusCode::ACCEPTED)
}
