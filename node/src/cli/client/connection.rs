//! Speaking with the API of a node.

use super::{ClientArgs, Output};
use crate::cli::Exit;
use reqwest::header::HeaderValue;
use reqwest::{Certificate, Client, Identity, Method, RequestBuilder, Response, Url};
use serde_json::Value;
use std::error::Error;
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// How long it may take to connect, and for a whole answer to come where nothing is waited for.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(45);

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments, files or the token are wrong.
    Usage(String),
    /// The node cannot be reached, or cannot answer now.
    Unreachable(String),
    /// The node refused.
    Refused { status: u16, text: String },
}

impl Failure {
    /// How the process ends for it.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Refused { status, .. } => {
                if *status >= 500 {
                    Exit::Unreachable
                } else {
                    Exit::Usage
                }
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Unreachable(text) | Self::Refused { text, .. } => f.write_str(text),
        }
    }
}

/// A node that can be asked.
pub(super) struct Connection {
    base: Url,
    client: Client,
    token: Option<String>,
    wait_peers: Option<u16>,
    traceparent: Option<HeaderValue>,
    pub output: Output,
}

impl Connection {
    pub(super) fn new(args: &ClientArgs) -> Result<Self, Failure> {
        let base = address(&args.addr)?;
        // A second one changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().connect_timeout(CONNECT).no_proxy();
        if base.scheme() == "http" {
            // Plain HTTP needs no certificates, and a machine without any is fine.
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = &args.server_ca {
            let read = Certificate::from_pem_bundle(&read(path)?);
            builder = builder.tls_certs_only(read.map_err(|error| unusable(path, "certificates", &error))?);
        }
        if let Some(path) = &args.client_certificate {
            let read = Identity::from_pem(&read(path)?);
            builder =
                builder.identity(read.map_err(|error| unusable(path, "a certificate and its key", &error))?);
        }
        let client = builder.build().map_err(|error| Failure::Usage(format!("TLS: {}", causes(&error))))?;
        let token = args.token.clone().filter(|token| !token.is_empty());
        let token = token.or_else(|| local_token(&base, &args.data_dir));
        // What stands in the environment for other programs is no reason to refuse a command.
        let traceparent = args.traceparent.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        Ok(Self { base, client, token, wait_peers: args.wait_peers, traceparent, output: args.output })
    }

    /// A request for a path, whose parts are encoded as needed.
    pub(super) fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, Failure> {
        if let Some(part) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(Failure::Usage(format!(
                "`{part}` cannot be asked for by name: URLs have another use for it"
            )));
        }
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        if let Some(count) = self.wait_peers.filter(|_| method != Method::GET) {
            url.query_pairs_mut().append_pair("wait_peers", &count.to_string());
        }
        let mut request = self.client.request(method, url);
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Sends a request, and takes an answer that is no refusal. The whole of it has to come in time.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        self.open(request.timeout(ANSWER)).await
    }

    /// The same with an answer that may go on for ever.
    pub(super) async fn open(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let detail =
            problem["detail"].as_str().map_or_else(|| format!("the node answers {status}"), str::to_owned);
        let next = problem["next"].as_str().map_or_else(String::new, |next| format!("\n  help: {next}"));
        Err(Failure::Refused { status: status.as_u16(), text: format!("{detail}{next}") })
    }

    /// Sends a request whose answer is JSON.
    pub(super) async fn json(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|error| {
            let addr = &self.base;
            Failure::Unreachable(format!("{addr} does not answer as a node does: {error}\n  help: is it the API (`api` in the node's greeting)?"))
        })
    }

    /// Gets something in JSON.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.json(self.request(Method::GET, path, query)?).await
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let addr = &self.base;
        Failure::Unreachable(format!(
            "cannot reach a node at {addr}: {}\n  help: start one with `heck node`, or say with `--addr URL` or HECK_ADDR where one is",
            causes(error)
        ))
    }
}

/// Where the API is: a URL, or just `host:port`.
fn address(text: &str) -> Result<Url, Failure> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| {
        Failure::Usage(format!(
            "`{text}` is no address of an API: write `http://HOST:PORT` or `https://HOST:PORT`"
        ))
    })
}

/// The token of the node on this machine. It is for that node alone: it is not sent to another machine.
fn local_token(base: &Url, data_dir: &Path) -> Option<String> {
    let host = base.host_str()?.trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let text = fs::read_to_string(data_dir.join("api-token")).ok().filter(|_| is_local)?;
    Some(text.trim().to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| unusable(path, "a PEM file", &error))
}

fn unusable(path: &Path, wanted: &str, error: &dyn fmt::Display) -> Failure {
    Failure::Usage(format!("{}: {error}; expected is {wanted}", path.display()))
}

/// An error with what is behind it: the last cause is mostly the one that helps.
fn causes(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next: Option<&dyn Error> = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.dedup();
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_do_without_a_scheme_and_what_is_none_is_refused() {
        assert_eq!(address("10.0.0.7:7401").unwrap().as_str(), "http://10.0.0.7:7401/");
        assert_eq!(address("https://edge.example/").unwrap().scheme(), "https");
        for wrong in ["", "ftp://a", "http://", "a b"] {
            assert!(matches!(address(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn the_token_of_this_machine_goes_to_this_machine_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("api-token"), "0123456789abcdef\n").unwrap();
        let token = |addr: &str| local_token(&address(addr).unwrap(), dir.path());
        for local in ["127.0.0.1:7401", "http://[::1]:7401", "localhost:1"] {
            assert_eq!(token(local).as_deref(), Some("0123456789abcdef"), "{local}");
        }
        for other in ["10.0.0.7:7401", "localhost.example:1", "[2001:db8::1]:1"] {
            assert_eq!(token(other), None, "{other}");
        }
    }
}
