//! The HTTP API: any node answers for every origin from its own memory.
//!
//! [`serve`] opens it on a listener. Reads come from the read model (`model`), which follows the node's events, or
//! from brief looks at the node; writes are the node's commands. `routes` has one file for each kind of thing,
//! which OpenAPI describes from the same source; `dashboard` serves a page that lives off them. Around them, from the outside in: connections and their bounds
//! (`server`), its trace (`traced`), the deadline of a request (`deadline`), how often a client may ask (`rate`), and what it may do
//! (`auth`). Every error is a `problem`.

mod auth;
mod config;
mod dashboard;
mod deadline;
mod etag;
mod extract;
mod filter;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod log;
mod model;
mod page;
mod patience;
mod position;
mod problem;
mod rate;
mod routes;
mod schema;
mod server;
mod share;
mod tail;
mod time;
mod tls;
mod traced;
mod waiting;

pub use auth::{Token, TokenError, TokenScope};
pub use config::{ApiConfig, ApiLimits};
pub(crate) use model::{HealthRow, Model, OriginRow, Table, reason, status_code};
pub use rate::RequestRate;
pub(crate) use time::Moment;
pub use tls::{TlsError, TlsFiles};

use crate::handle::NodeHandle;
use crate::metrics::Requests;
use crate::output::Outlook;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use rate::Buckets;
use server::Door;
use share::Shares;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Why the API did not open.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The listener cannot be used.
    #[error("the API cannot be opened: {0}")]
    Listener(#[from] io::Error),
    /// TLS cannot be set up.
    #[error("TLS of the API: {0}")]
    Tls(#[from] TlsError),
}

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct App {
    node: NodeHandle,
    model: Model,
    outlook: Arc<Outlook>,
    config: Arc<ApiConfig>,
    buckets: Option<Arc<Buckets>>,
    /// One permit for each event stream.
    streams: Arc<Semaphore>,
    /// The event streams and long polls of each client.
    waiting: Arc<Shares>,
    closing: watch::Receiver<bool>,
    /// Whether a client has told the node to leave.
    leaving: Arc<watch::Sender<bool>>,
    openapi: Arc<str>,
    requests: Requests,
}

/// An open API. It closes when this is dropped.
#[derive(Debug)]
pub struct ApiServer {
    addr: SocketAddr,
    outlook: Arc<Outlook>,
    closing: watch::Sender<bool>,
    leaving: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl ApiServer {
    /// The address that it is bound to.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it reads, for outputs beside it.
    pub(crate) const fn outlook(&self) -> &Arc<Outlook> {
        &self.outlook
    }

    /// Waits until a client has made the node leave its cluster: the process is to end then.
    pub async fn left(&self) {
        let mut leaving = self.leaving.clone();
        if leaving.wait_for(|leaving| *leaving).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Closes: requests under way are answered, event streams end. Takes 2 s at most.
    pub async fn close(self) {
        self.closing.send_replace(true);
        // What went wrong in there was said to its client.
        let _ = self.task.await;
    }
}

/// Opens the API of a node in the current tokio runtime.
///
/// # Errors
/// When the listener cannot be used, or the files of TLS cannot be. Nothing is open then.
pub fn serve(
    listener: std::net::TcpListener,
    node: NodeHandle,
    config: ApiConfig,
) -> Result<ApiServer, ApiError> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let addr = listener.local_addr()?;
    let tls = config.tls.as_ref().map(tls::server_config).transpose()?.map(TlsAcceptor::from);
    let (closing_sender, closing) = watch::channel(false);
    let (leaving_sender, leaving) = watch::channel(false);
    let (router, document) = served(config.dashboard);
    let limits = config.limits.clone();
    let model = Model::start(node.clone());
    let outlook = Arc::new(Outlook::new(node.clone(), model.clone(), config.outputs.caution));
    let app = App {
        model: model.clone(),
        outlook: outlook.clone(),
        node,
        buckets: limits.rate.map(|rate| Arc::new(Buckets::new(rate))),
        streams: Arc::new(Semaphore::new(limits.streams)),
        waiting: Arc::new(Shares::new(limits.waiting_per_client)),
        closing: closing.clone(),
        leaving: Arc::new(leaving_sender),
        openapi: document.into(),
        requests: Requests::default(),
        config: Arc::new(config),
    };
    let router = finish(router, app, &limits);
    let door = Door { listener, tls, router, limits, closing };
    let task = tokio::spawn(async move {
        // What a restarted node holds must not look as if it were missing.
        model.catch_up().await;
        door.serve().await;
    });
    Ok(ApiServer { addr, outlook, closing: closing_sender, leaving, task })
}

/// All routes that are served, and the description of the interface.
fn served(dashboard: bool) -> (Router<App>, String) {
    let (router, document) = routes::all();
    (if dashboard { router.merge(dashboard::routes()) } else { router }, document)
}

/// The routes with all that stands before them, the outermost last.
fn finish(router: Router<App>, app: App, limits: &ApiLimits) -> Router {
    let is_traced = app.node.tracer().is_some();
    let router = router
        .route_layer(from_fn_with_state(app.clone(), waiting::hold))
        .route_layer(from_fn(deadline::note_route))
        .fallback(routes::no_such_route)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(from_fn_with_state(app.clone(), auth::check))
        .layer(from_fn_with_state(app.clone(), rate::check))
        .layer(from_fn_with_state(app.clone(), deadline::keep));
    let router =
        if is_traced { router.layer(from_fn_with_state(app.clone(), traced::follow)) } else { router };
    router.with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The paths of a router. Axum lists them nowhere but in what it prints for debugging.
    fn paths(router: &Router<App>) -> BTreeSet<String> {
        let printed = format!("{router:?}");
        let main = printed.split("fallback_router: ").next().unwrap_or_default();
        let listed = main.split("paths: {").nth(1).expect("axum prints the paths of a router");
        let listed = listed.split("} }").next().unwrap_or_default();
        listed.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn what_is_served_and_is_no_file_of_the_dashboard_is_described_and_the_other_way_round() {
        for dashboard in [true, false] {
            let (router, document) = served(dashboard);
            let document: serde_json::Value = serde_json::from_str(&document).unwrap();
            let described: BTreeSet<String> =
                document["paths"].as_object().unwrap().keys().cloned().collect();
            let (page, interface): (BTreeSet<String>, BTreeSet<String>) =
                paths(&router).into_iter().partition(|path| dashboard::is_path(path));
            assert_eq!(interface, described);
            assert!(described.len() >= 25, "{described:?}");
            assert_eq!(!page.is_empty(), dashboard, "{page:?}");
        }
    }
}
