//! A node whose API is open, and a client of it.

use crate::common::{Process, config, sockets, wait};
use heck_node::api::{ApiConfig, ApiServer, Token, TokenScope, serve};
use heck_node::{NodeConfig, Sockets};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use std::net::TcpListener;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

pub const WRITE: &str = "write-0123456789abcdef";
pub const READ: &str = "read-0123456789abcdef";

/// The API's settings for a test: both kinds of tokens, and reading without one.
pub fn api_config() -> ApiConfig {
    let token = |secret, scope| Token::new(secret, scope).expect("a test uses valid tokens");
    ApiConfig {
        tokens: vec![token(WRITE, TokenScope::Write), token(READ, TokenScope::Read)],
        open_reads: true,
        ..ApiConfig::default()
    }
}

/// A client of plain HTTP, which looks for no certificates.
pub fn plain_client() -> Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().tls_certs_only([]).no_proxy().build().expect("a client of plain HTTP")
}

/// What a client got.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }

    pub fn etag(&self) -> &str {
        self.header("etag")
    }

    /// Holds an answer to its status, and shows it otherwise.
    pub fn is(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        if status >= 400 {
            assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
            let problem = self.json();
            assert_eq!(problem["status"], status, "{text}");
            assert!(
                problem["type"].as_str().is_some_and(|kind| kind.starts_with("urn:heck:problem:")),
                "{text}"
            );
        }
        self
    }
}

/// A node with its API open.
pub struct Served {
    pub node: Process,
    pub server: ApiServer,
    pub client: Client,
    runtime: Runtime,
    _dir: Option<TempDir>,
}

impl Served {
    /// A cluster of one.
    pub fn new() -> Self {
        Self::with(api_config())
    }

    /// A cluster of one, whose API has these settings.
    pub fn with(api: ApiConfig) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the test");
        let mut served = Self::start(sockets(), config("n", dir.path(), 1), api);
        served._dir = Some(dir);
        served
    }

    /// A node on these sockets.
    pub fn start(sockets: Sockets, config: NodeConfig, api: ApiConfig) -> Self {
        let node = Process::start(sockets, config);
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime starts");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let server = {
            let _entered = runtime.enter();
            serve(listener, node.handle.clone(), api).expect("the API opens")
        };
        let client = plain_client();
        Self { node, server, client, runtime, _dir: None }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.addr())
    }

    pub fn block_on<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        self.block_on_for(Duration::from_secs(30), what, future)
    }

    pub fn block_on_for<T>(&self, patience: Duration, what: &str, future: impl Future<Output = T>) -> T {
        let bounded = async { tokio::time::timeout(patience, future).await };
        self.runtime.block_on(bounded).unwrap_or_else(|_| panic!("{what} took longer than {patience:?}"))
    }

    /// A request that may write.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(WRITE)
    }

    pub fn send(&self, request: RequestBuilder) -> Answer {
        self.block_on("an answer", async {
            let response = request.send().await.expect("the API answers");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Answer { status, headers, body: response.bytes().await.expect("a whole answer").to_vec() }
        })
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path)))
    }

    /// Gets something again that was got before.
    pub fn get_again(&self, path: &str, etag: &str) -> Answer {
        self.send(self.client.get(self.url(path)).header("if-none-match", etag))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(
            self.request(Method::PUT, path).header("content-type", "application/json").body(body.to_string()),
        )
    }

    pub fn post(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path))
    }

    /// Adds origins that nobody checks.
    pub fn put_origins(&self, count: usize) {
        for n in 0..count {
            let body = serde_json::json!({ "url": "http://127.0.0.1:9/", "admin": "maintenance" });
            self.put(&format!("/v1/origins/o{n}"), &body).is(201);
        }
    }

    /// Opens a stream of events, behind an event if one is named.
    pub fn events(&self, path: &str, last: Option<&str>) -> EventStream<'_> {
        let mut request = self.client.get(self.url(path)).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self.block_on("a stream", request.send()).expect("the API answers");
        assert_eq!(response.status(), 200);
        EventStream { served: self, response, text: String::new() }
    }

    /// Closes the API and stops the node.
    pub fn end(self) {
        self.runtime.block_on(self.server.close());
        self.node.shut_down();
    }
}

/// One server-sent event.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Event {
    pub kind: String,
    pub id: String,
    pub data: Value,
}

/// An open stream of events.
pub struct EventStream<'a> {
    served: &'a Served,
    response: Response,
    text: String,
}

impl EventStream<'_> {
    /// The next event; none when the stream has ended. Comments are passed over.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("event", kind)) => event.kind = kind.to_owned(),
                        Some(("id", id)) => event.id = id.to_owned(),
                        Some(("data", data)) => {
                            event.data = serde_json::from_str(data).expect("data in JSON");
                        }
                        _ => {}
                    }
                }
                if !event.kind.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let chunk = self.served.block_on("an event", self.response.chunk()).ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).expect("events are text"));
        }
    }

    /// The next event, which has to be of this kind.
    pub fn expect(&mut self, kind: &str) -> Event {
        let event = self.next().expect("the stream goes on");
        assert_eq!(event.kind, kind, "{event:?}");
        event
    }

    /// Everything up to `ready`.
    pub fn until_ready(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.next().filter(|event| event.kind != "ready")).collect()
    }
}

/// Waits for a future on the node's side.
pub fn block<T>(what: &str, future: impl Future<Output = T>) -> T {
    wait(what, future)
}
