//! Single probes of gRPC servers on loopback, which speak HTTP/2 by h2.

#[path = "common/authority.rs"]
mod authority;

use authority::Authority;
use bytes::Bytes;
use h2::server;
use heck_core::probe::{Failure, Reply};
use heck_node::probe::guard::GuardConfig;
use heck_node::probe::resolve::{LookUp, Resolver, ResolverConfig};
use heck_node::probe::{Hindrance, Prober, Report};
use hyper::{HeaderMap, Request, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a server says.
#[derive(Clone, Debug)]
enum Says {
    /// A message, then trailers with this status of gRPC.
    Message(Vec<u8>, &'static str),
    /// Trailers in place of an answer, with a message.
    Error(&'static str, &'static str),
    /// A message and no trailers.
    NoTrailers,
    /// What a web server says.
    Web(u16),
    /// Nothing.
    Nothing,
}

fn health(status: u8) -> Says {
    Says::Message(vec![0, 0, 0, 0, 2, 8, status], "0")
}

/// A request as it arrived, with its body.
type Heard = Arc<Mutex<Option<(Request<()>, Vec<u8>)>>>;

/// A server that ends with the test.
struct Server {
    addr: SocketAddr,
    heard: Heard,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(says: Says, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Heard::default();
        let noted = heard.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (says, noted) = (says.clone(), noted.clone());
                match &tls {
                    None => converse(stream, says, noted).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            converse(stream, says, noted).await;
                        }
                    }
                }
            }
        });
        Self { addr, heard, task }
    }

    fn heard(&self) -> (Request<()>, Vec<u8>) {
        self.heard.lock().unwrap().take().expect("a request came")
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, says: Says, heard: Heard) {
    let Ok(mut connection) = server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (head, mut body) = request.into_parts();
        let (says, heard) = (says.clone(), heard.clone());
        // The connection has to go on for the body to come.
        tokio::spawn(async move {
            let mut read = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                read.extend_from_slice(&data);
            }
            *heard.lock().unwrap() = Some((Request::from_parts(head, ()), read));
            let grpc = || Response::builder().header("content-type", "application/grpc");
            match says {
                Says::Message(message, status) => {
                    let mut stream = respond.send_response(grpc().body(()).unwrap(), false).unwrap();
                    stream.send_data(Bytes::from(message), false).unwrap();
                    let trailers =
                        HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
                    stream.send_trailers(trailers).unwrap();
                }
                Says::Error(status, message) => {
                    let head = grpc().header("grpc-status", status).header("grpc-message", message);
                    respond.send_response(head.body(()).unwrap(), true).unwrap();
                }
                Says::NoTrailers => {
                    let mut stream = respond.send_response(grpc().body(()).unwrap(), false).unwrap();
                    stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]), true).unwrap();
                }
                Says::Web(status) => {
                    let head = Response::builder().status(status).header("content-type", "text/html");
                    respond.send_response(head.body(()).unwrap(), true).unwrap();
                }
                Says::Nothing => std::future::pending().await,
            }
        });
    }
}

fn prober() -> Prober {
    let look_up: LookUp = Arc::new(|_: &str| Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }));
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    Prober::new(GuardConfig { loopback: true, ..GuardConfig::default() }, resolver, None)
}

async fn probe(target: &str) -> Report {
    let ended = prober().probe(target, PATIENCE).await;
    ended.unwrap_or_else(|hindrance| panic!("{target}: {hindrance:?}"))
}

#[track_caller]
fn assert_failed(report: &Report, failure: Failure, text: &str) {
    assert_eq!(report.reply, Reply::Failed(failure), "{report:?}");
    assert!(report.failure.as_ref().is_some_and(|said| said.contains(text)), "{report:?}");
}

#[tokio::test]
async fn a_service_that_serves_is_connected_and_is_asked_as_grpc_has_it() {
    let server = Server::start(health(1), None).await;
    let addr = server.addr;
    let report = probe(&format!("grpc://{addr}/shop.v1.Cart")).await;
    assert_eq!((report.reply, &report.failure, report.status), (Reply::Connected, &None, None));
    let parts = [report.phases.connect, report.phases.answer];
    assert!(parts.iter().all(|part| part.is_some_and(|part| part <= report.took)), "{report:?}");
    let (request, body) = server.heard();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri().to_string(), format!("http://{addr}/grpc.health.v1.Health/Check"));
    let header = |name| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(["content-type", "te"].map(header), ["application/grpc", "trailers"]);
    assert!(header("grpc-timeout").ends_with('m') && header("user-agent").starts_with("heck/"));
    assert_eq!(body, [&[0, 0, 0, 0, 14, 0x0a, 12], b"shop.v1.Cart".as_slice()].concat());
    let target =
        format!(r#"{{"url":"grpc://{addr}","host":"shop.example","headers":{{"x-tenant":"blue"}}}}"#);
    assert_eq!(probe(&target).await.reply, Reply::Connected);
    let (request, body) = server.heard();
    assert_eq!(request.uri().authority().unwrap(), "shop.example");
    assert_eq!((request.headers()["x-tenant"].to_str().unwrap(), body.as_slice()), ("blue", &[0; 5][..]));
}

#[tokio::test]
async fn another_health_status_is_the_cause() {
    for (status, name) in [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN")] {
        let server = Server::start(health(status), None).await;
        let report = probe(&format!("grpc://{}", server.addr)).await;
        assert_eq!((report.reply, report.status), (Reply::Status(status.into()), Some(status.into())));
        assert!(report.failure.as_ref().is_some_and(|text| text.contains(name)), "{report:?}");
    }
}

#[tokio::test]
async fn errors_of_grpc_and_what_is_no_grpc_are_failures_that_say_why() {
    for (says, why) in [
        (Says::Error("5", "unknown service"), "status 5 (NOT_FOUND): unknown service"),
        (Says::Error("12", ""), "status 12 (UNIMPLEMENTED)"),
        (Says::Message(vec![0, 0, 0, 0, 2, 8, 1], "14"), "status 14 (UNAVAILABLE)"),
        (Says::NoTrailers, "without a gRPC status"),
        (Says::Web(404), "404 Not Found"),
        (Says::Message(Vec::new(), "0"), "no message"),
        (Says::Message(vec![1, 0, 0, 0, 2, 8, 1], "0"), "compressed"),
        (Says::Message(vec![0; 100_000], "0"), "gRPC status"),
        (health(4), "none that the protocol has"),
        // As a status of HTTP it would be a healthy one.
        (Says::Message(vec![0, 0, 0, 0, 3, 8, 0xc8, 1], "0"), "none that the protocol has"),
    ] {
        let server = Server::start(says, None).await;
        let report = probe(&format!("grpc://{}", server.addr)).await;
        assert_failed(&report, Failure::Protocol, why);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_late_one_that_hangs_up_or_speaks_otherwise_speaks_no_grpc() {
    let server = Server::start(Says::Nothing, None).await;
    let report =
        prober().probe(&format!("grpc://{}", server.addr), Duration::from_millis(300)).await.unwrap();
    assert_failed(&report, Failure::Timeout, "no answer within 300ms");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = closed.local_addr().unwrap();
    let hangs_up = tokio::spawn(async move { drop(closed.accept().await) });
    let report = probe(&format!("grpc://{addr}")).await;
    assert!(matches!(report.reply, Reply::Failed(Failure::Protocol)), "{report:?}");
    hangs_up.await.unwrap();
    let report = probe(&format!("grpc://{addr}")).await;
    assert!(matches!(report.reply, Reply::Failed(Failure::Connect)), "{report:?}");
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = other.local_addr().unwrap();
    let speaks = tokio::spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    });
    let report = probe(&format!("grpc://{addr}")).await;
    assert!(matches!(report.reply, Reply::Failed(Failure::Protocol)), "{report:?}");
    drop(speaks.await.unwrap());
}

fn acceptor(authority: &Authority, name: &str, end: i32, protocols: &[&[u8]]) -> TlsAcceptor {
    let (certificate, key) = authority.certificate(name, end);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn over_tls_the_certificate_is_verified_and_its_end_is_told() {
    let authority = Authority::new();
    let h2: &[&[u8]] = &[b"h2"];
    let server = Server::start(health(1), Some(acceptor(&authority, "shop.example", 2_090, h2))).await;
    let port = server.addr.port();
    let ca = authority.path().display().to_string();
    let report = probe(&format!(r#"{{"url":"grpcs://shop.example:{port}","ca":"{ca}"}}"#)).await;
    assert_eq!((report.reply, &report.failure), (Reply::Connected, &None));
    // 1 January 2090.
    assert_eq!(report.cert_not_after, Some(3_786_912_000));
    assert!(report.phases.connect.is_some() && report.phases.answer.is_some(), "{report:?}");
    assert_eq!(server.heard().0.uri().scheme_str(), Some("https"));
    let elsewhere = format!(r#"{{"url":"grpcs://127.0.0.1:{port}","host":"shop.example","ca":"{ca}"}}"#);
    assert_eq!(probe(&elsewhere).await.reply, Reply::Connected);
    let report = probe(&format!(r#"{{"url":"grpcs://other.example:{port}","ca":"{ca}"}}"#)).await;
    assert_failed(&report, Failure::Tls, "other.example");
    let anyone = probe(&format!(r#"{{"url":"grpcs://other.example:{port}","insecure":true}}"#)).await;
    assert_eq!(anyone.reply, Reply::Connected);
    let old = Server::start(health(1), Some(acceptor(&authority, "old.example", 2_001, h2))).await;
    let report = probe(&format!(r#"{{"url":"grpcs://old.example:{}","ca":"{ca}"}}"#, old.addr.port())).await;
    assert_failed(&report, Failure::Tls, "expired");
    // 2 January 2001.
    assert_eq!(report.cert_not_after, Some(978_393_600));
}

#[tokio::test]
async fn addresses_that_must_not_be_probed_are_not() {
    let server = Server::start(health(1), None).await;
    let look_up: LookUp = Arc::new(|_: &str| Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }));
    let resolver = Resolver::new(ResolverConfig::default(), look_up);
    let guarded = Prober::new(GuardConfig::default(), resolver, None);
    for host in ["127.0.0.1", "localhost.example"] {
        let target = format!("grpc://{host}:{}", server.addr.port());
        assert_failed(&guarded.probe(&target, PATIENCE).await.unwrap(), Failure::Forbidden, "loopback");
    }
    assert!(server.heard.lock().unwrap().is_none());
    let secret =
        format!(r#"{{"url":"grpc://{}","headers":{{"authorization":{{"secret":"k"}}}}}}"#, server.addr);
    let (hindrance, _) = prober().probe(&secret, PATIENCE).await.unwrap_err();
    assert_eq!(hindrance, Hindrance::Settings, "what this node lacks is no fault of the origin");
}
