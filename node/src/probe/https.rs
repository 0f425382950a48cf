//! HTTPS by reqwest: a client for each check, that knows only the addresses which the guard let pass.

use super::plain::BODY_LIMIT;
use super::report::{Fault, Hindrance};
use super::tls;
use bytes::Bytes;
use heck_core::probe::Failure;
use hyper::{HeaderMap, Method};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::tls::TlsInfo;
use reqwest::{Client, redirect};
use rustls::ClientConfig;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may wait for the next check.
const IDLE: Duration = Duration::from_secs(120);

/// A client that connects to these addresses and nowhere else, whatever a URL says.
#[derive(Clone, Debug)]
pub(super) struct Https {
    client: Client,
    addrs: Arc<[SocketAddr]>,
}

/// Knows one answer, for whatever name.
struct Pinned(Arc<[SocketAddr]>);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addrs: Addrs = Box::new(Vec::from(&*self.0).into_iter());
        Box::pin(async move { Ok(addrs) })
    }
}

/// What is asked for.
pub(super) struct Ask {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer whose body is still to come.
pub(super) struct Head {
    pub response: reqwest::Response,
    pub cert_not_after: Option<i64>,
}

impl Https {
    /// A client for these addresses.
    pub(super) fn new(addrs: Vec<SocketAddr>, config: ClientConfig, keep_alive: bool) -> Result<Self, Fault> {
        let addrs: Arc<[SocketAddr]> = addrs.into();
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .dns_resolver(Arc::new(Pinned(addrs.clone())))
            .pool_max_idle_per_host(usize::from(keep_alive))
            .pool_idle_timeout(IDLE)
            .tls_backend_preconfigured(config)
            .tls_info(true)
            .build()
            .map_err(|error| Fault::own(Hindrance::System, &root_text(&error)))?;
        Ok(Self { client, addrs })
    }

    /// Whether it would connect to these addresses.
    pub(super) fn is_for(&self, addrs: &[SocketAddr]) -> bool {
        *self.addrs == *addrs
    }

    /// Connects, asks, and waits for the head of the answer. With a fault comes when the certificate ended, if that is
    /// the fault.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Head, (Fault, Option<i64>)> {
        let request = self.client.request(ask.method, ask.url).headers(ask.headers).body(ask.body);
        let response = request.send().await.map_err(|error| fault(&error))?;
        let info = response.extensions().get::<TlsInfo>();
        let cert_not_after = info.and_then(TlsInfo::peer_certificate).and_then(tls::not_after);
        Ok(Head { response, cert_not_after })
    }
}

impl Head {
    /// Reads the body up to its end or to what is read at most.
    pub(super) async fn read(mut self) -> Result<Vec<u8>, Fault> {
        let mut read = Vec::new();
        while let Some(data) = self.response.chunk().await.map_err(|error| fault(&error).0)? {
            let room = BODY_LIMIT - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() >= room {
                break;
            }
        }
        Ok(read)
    }
}

/// Whose fault an error is, and when the certificate ended, if that is it.
fn fault(error: &reqwest::Error) -> (Fault, Option<i64>) {
    let failure = if error.is_connect() { Failure::Connect } else { Failure::Protocol };
    tls::fault_within(error).unwrap_or_else(|| (Fault::origin(failure, &root_text(error)), None))
}

/// What the innermost error says: those around it only say that something failed.
fn root_text(error: &reqwest::Error) -> String {
    let mut root: &dyn Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
