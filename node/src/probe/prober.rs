//! One probe, from its target to what it told.

use super::grpc;
use super::guard::{Guard, GuardConfig};
use super::http;
use super::https::Https;
use super::local_files::LocalFiles;
use super::plan::Plan;
use super::report::{Fault, Hindrance, Phases, Report, span};
use super::resolve::{LookupError, Resolver};
use super::tcp;
use super::tls::Tls;
use crate::origin::{Endpoint, Host};
use heck_core::probe::{Failure, Reply};
use heck_core::time::Span;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// A connection that waits for the next check of its origin.
#[derive(Debug)]
pub(super) enum Kept {
    /// Without encryption, to this address.
    Plain(TcpStream, SocketAddr),
    /// With it, held by its client.
    Https(Https),
}

/// What probes share: the guard, the resolver, TLS settings and files.
#[derive(Debug)]
pub struct Prober {
    guard: Guard,
    resolver: Resolver,
    pub(super) tls: Tls,
    pub(super) files: LocalFiles,
}

/// What a probe is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Prepare,
    Resolve,
    Connect,
    Answer,
    Body,
}

/// How far a probe has come; what is known of it when its time is over.
#[derive(Debug)]
pub(super) struct Progress {
    stage: Stage,
    lap: Instant,
    pub phases: Phases,
    pub status: Option<u16>,
    pub cert_not_after: Option<i64>,
    /// What an answer means, where its status does not say it all.
    pub remark: Option<Box<str>>,
}

impl Progress {
    fn new(start: Instant) -> Self {
        Self {
            stage: Stage::Prepare,
            lap: start,
            phases: Phases::default(),
            status: None,
            cert_not_after: None,
            remark: None,
        }
    }

    pub(super) const fn enter(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// The time since the last call.
    pub(super) fn lap(&mut self) -> Span {
        let now = Instant::now();
        span(now.saturating_duration_since(std::mem::replace(&mut self.lap, now)))
    }

    /// The fault of a probe whose time is over.
    fn late(&self, timeout: Duration) -> Fault {
        // A slow resolver may have left the origin too little time.
        let resolved = self.phases.resolve.unwrap_or(Span::ZERO);
        let stage = match self.stage {
            Stage::Resolve => return Fault::own(Hindrance::Resolver, "the resolver did not answer in time"),
            _ if resolved.as_us() > span(timeout).as_us() / 4 => {
                return Fault::own(Hindrance::Resolver, "the resolver left too little time");
            }
            Stage::Prepare => {
                return Fault::own(Hindrance::System, "a file of this node was not read in time");
            }
            Stage::Connect => "no connection",
            Stage::Answer => "no answer",
            Stage::Body => "no end of the answer",
        };
        Fault::origin(Failure::Timeout, &format!("{stage} within {}", crate::origin::Period(span(timeout))))
    }
}

impl Prober {
    /// A prober with these settings.
    #[must_use]
    pub fn new(guard: GuardConfig, resolver: Resolver, secrets_dir: Option<PathBuf>) -> Self {
        Self { guard: Guard::new(guard), resolver, tls: Tls::new(), files: LocalFiles::new(secrets_dir) }
    }

    /// Its resolver.
    #[must_use]
    pub const fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Probes a target, as [`heck_core::entry::OriginSpec::target`] holds it, once and over a new connection.
    ///
    /// # Errors
    /// When nothing was told of the origin, with what hindered it.
    pub async fn probe(&self, target: &str, timeout: Duration) -> Result<Report, (Hindrance, Box<str>)> {
        let plan = Plan::read(target).map_err(|text| (Hindrance::Settings, text.into_boxed_str()))?;
        self.carry_out(&plan, &mut None, timeout).await
    }

    /// Carries out a plan, over the connection that was kept where there is one, and leaves the one to keep.
    pub(super) async fn carry_out(
        &self,
        plan: &Plan,
        kept: &mut Option<Kept>,
        timeout: Duration,
    ) -> Result<Report, (Hindrance, Box<str>)> {
        let start = Instant::now();
        let deadline = start + timeout;
        let mut progress = Progress::new(start);
        let ended = timeout_at(deadline, self.run(plan, kept, &mut progress, deadline)).await;
        let ended = ended.unwrap_or_else(|_| Err(progress.late(timeout)));
        let (reply, failure) = match ended {
            Ok(reply) => (reply, progress.remark),
            Err(Fault::Origin(failure, text)) => (Reply::Failed(failure), Some(text)),
            Err(Fault::Own(hindrance, text)) => return Err((hindrance, text)),
        };
        Ok(Report {
            reply,
            took: span(start.elapsed()),
            phases: progress.phases,
            status: progress.status,
            failure,
            cert_not_after: progress.cert_not_after,
        })
    }

    async fn run(
        &self,
        plan: &Plan,
        kept: &mut Option<Kept>,
        progress: &mut Progress,
        deadline: Instant,
    ) -> Result<Reply, Fault> {
        if let Some(exchange) = plan.exchange.as_ref().filter(|_| plan.endpoint.is_grpc()) {
            // In a box, as what HTTPS needs.
            return Box::pin(grpc::check(self, plan, exchange, progress, deadline)).await;
        }
        if let Some(exchange) = &plan.exchange {
            return http::check(self, plan, exchange, kept, progress, deadline).await.map(Reply::Status);
        }
        let addrs = self.addresses(&plan.endpoint, progress, deadline).await?;
        progress.enter(Stage::Connect);
        tcp::knock(&addrs, deadline).await?;
        progress.phases.connect = Some(progress.lap());
        Ok(Reply::Connected)
    }

    /// The addresses that an endpoint has now and that may be connected to. What is connected to is one of these, so a
    /// name that has another address a moment later leads nowhere else.
    pub(super) async fn addresses(
        &self,
        endpoint: &Endpoint,
        progress: &mut Progress,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Fault> {
        let name = match &endpoint.host {
            Host::Ip(ip) => return tcp::permitted(&[*ip], endpoint.port, &self.guard),
            Host::Name(name) => name,
        };
        progress.enter(Stage::Resolve);
        let found = self.resolver.resolve(name, deadline).await;
        let took = progress.lap();
        progress.phases.resolve = Some(progress.phases.resolve.unwrap_or(Span::ZERO) + took);
        let ips = found.map_err(|error| match error {
            LookupError::NoAddress(text) => Fault::origin(Failure::Resolve, &text),
            LookupError::Unanswered(text) => Fault::own(Hindrance::Resolver, &text),
        })?;
        progress.enter(Stage::Prepare);
        tcp::permitted(&ips, endpoint.port, &self.guard)
    }
}
