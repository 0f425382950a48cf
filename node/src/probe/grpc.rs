//! gRPC checks: one call of `grpc.health.v1.Health/Check` over a connection of its own, by h2 alone.

use super::grpc_message::{ANSWER_LIMIT, HealthStatus, answer, code_name, request};
use super::http::{AGENT, own_headers};
use super::plan::{Exchange, Plan};
use super::prober::{Prober, Progress, Stage};
use super::report::{Fault, is_own};
use super::tcp;
use super::tls;
use crate::origin::{Host, Scheme};
use bytes::Bytes;
use h2::RecvStream;
use h2::client::{self, ResponseFuture};
use heck_core::probe::{Failure, Reply};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use rustls::pki_types::ServerName;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const METHOD: &str = "/grpc.health.v1.Health/Check";
/// Most bytes of the headers of an answer, and of its trailers.
const HEADERS_LIMIT: u32 = 16 * 1_024;

/// Carries out a check: connected where the service serves, otherwise the status that it says.
pub(super) async fn check(
    prober: &Prober,
    plan: &Plan,
    exchange: &Exchange,
    progress: &mut Progress,
    deadline: Instant,
) -> Result<Reply, Fault> {
    let endpoint = &plan.endpoint;
    let addrs = prober.addresses(endpoint, progress, deadline).await?;
    let request = head(prober, plan, exchange, deadline).await?;
    let service = request_body(plan);
    progress.enter(Stage::Connect);
    let (stream, _) = tcp::connect(&addrs, deadline).await?;
    let serving = if endpoint.scheme == Scheme::Grpcs {
        let stream = encrypt(prober, plan, exchange, stream, progress).await?;
        progress.phases.connect = Some(progress.lap());
        call(stream, request, service, progress).await
    } else {
        progress.phases.connect = Some(progress.lap());
        call(stream, request, service, progress).await
    };
    let serving = serving?;
    if serving == HealthStatus::Serving {
        return Ok(Reply::Connected);
    }
    let status = serving as u16;
    progress.status = Some(status);
    progress.remark = Some(format!("the service is {}", serving.name()).into());
    Ok(Reply::Status(status))
}

fn request_body(plan: &Plan) -> Bytes {
    request(plan.endpoint.path.trim_start_matches('/')).into()
}

/// The head of the request.
async fn head(
    prober: &Prober,
    plan: &Plan,
    exchange: &Exchange,
    deadline: Instant,
) -> Result<Request<()>, Fault> {
    let fault = |error: &dyn std::fmt::Display| Fault::origin(Failure::Protocol, &error.to_string());
    let scheme = if plan.endpoint.scheme == Scheme::Grpcs { "https" } else { "http" };
    let authority = exchange.authority.to_str().map_err(|error| fault(&error))?;
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(METHOD).build();
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.map_err(|error| fault(&error))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, AGENT);
    let left_ms = deadline.saturating_duration_since(Instant::now()).as_millis().clamp(1, 99_999_999);
    let left = HeaderValue::try_from(format!("{left_ms}m")).map_err(|error| fault(&error))?;
    headers.insert("grpc-timeout", left);
    own_headers(prober, exchange, headers).await?;
    Ok(request)
}

/// Speaks TLS over a connection.
async fn encrypt(
    prober: &Prober,
    plan: &Plan,
    exchange: &Exchange,
    stream: TcpStream,
    progress: &mut Progress,
) -> Result<TlsStream<TcpStream>, Fault> {
    let mut config = prober.tls.config(&exchange.trust, &prober.files).await?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = match (&exchange.server_name, &plan.endpoint.host) {
        (Some(name), _) => ServerName::try_from(name.to_string()).ok(),
        (None, Host::Name(name)) => ServerName::try_from(name.clone()).ok(),
        (None, Host::Ip(ip)) => Some(ServerName::from(*ip)),
    };
    let name = name.ok_or_else(|| Fault::origin(Failure::Tls, "its host is no name that TLS can ask for"))?;
    let encrypted = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
        let (fault, ended) = tls::fault(&error);
        progress.cert_not_after = ended;
        fault
    })?;
    let (_, session) = encrypted.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    progress.cert_not_after = certificate.and_then(|certificate| tls::not_after(certificate));
    match session.alpn_protocol() {
        None | Some(b"h2") => Ok(encrypted),
        Some(_) => Err(Fault::origin(Failure::Protocol, "it speaks no HTTP/2, which gRPC needs")),
    }
}

/// One call over a connection, from its beginning to the status at its end.
async fn call(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<()>,
    body: Bytes,
    progress: &mut Progress,
) -> Result<HealthStatus, Fault> {
    progress.enter(Stage::Answer);
    let begun = client::Builder::new()
        .enable_push(false)
        .max_header_list_size(HEADERS_LIMIT)
        .max_concurrent_reset_streams(1)
        .handshake(stream)
        .await;
    let (sender, mut connection) = begun.map_err(|error| fault(&error))?;
    let exchange = async {
        let mut sender = sender.ready().await?;
        let (answer, mut sending) = sender.send_request(request, false)?;
        sending.send_data(body, true)?;
        receive(answer).await
    };
    let mut exchange = pin!(exchange);
    // The connection goes on for as long as something is wanted of it, and in no task of its own.
    let received = poll_fn(|context| {
        if let Poll::Ready(done) = exchange.as_mut().poll(context) {
            return Poll::Ready(done.map_err(|error| fault(&error)));
        }
        let ended = pin!(&mut connection).poll(context);
        if let Poll::Ready(done) = exchange.as_mut().poll(context) {
            return Poll::Ready(done.map_err(|error| fault(&error)));
        }
        ended.map(|ended| match ended {
            Ok(()) => Err(Fault::origin(Failure::Protocol, "it hung up before it answered")),
            Err(error) => Err(fault(&error)),
        })
    });
    let received = received.await?;
    progress.phases.answer = Some(progress.lap());
    received.judge()
}

/// What a server answered.
struct Received {
    head: Response<()>,
    message: Vec<u8>,
    trailers: Option<HeaderMap>,
}

async fn receive(answer: ResponseFuture) -> Result<Received, h2::Error> {
    let (head, mut body) = answer.await?.into_parts();
    let mut message = Vec::new();
    while let Some(data) = next_data(&mut body, message.len()).await? {
        message.extend_from_slice(&data);
    }
    // Whoever says more than a message has is not waited for.
    let trailers = if message.len() > ANSWER_LIMIT { None } else { body.trailers().await? };
    Ok(Received { head: Response::from_parts(head, ()), message, trailers })
}

async fn next_data(body: &mut RecvStream, read: usize) -> Result<Option<Bytes>, h2::Error> {
    if read > ANSWER_LIMIT {
        return Ok(None);
    }
    let Some(data) = body.data().await.transpose()? else { return Ok(None) };
    body.flow_control().release_capacity(data.len())?;
    Ok(Some(data))
}

impl Received {
    fn judge(&self) -> Result<HealthStatus, Fault> {
        let fault = |text: &str| Err(Fault::origin(Failure::Protocol, text));
        let (status, headers) = (self.head.status(), self.head.headers());
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if status != StatusCode::OK || !kind.starts_with("application/grpc") {
            return fault(&format!("it answers {status} with {kind:?}, which is no gRPC"));
        }
        // An answer that is all error has its status in the head.
        let of = |name| self.trailers.as_ref().and_then(|trailers| trailers.get(name)).or(headers.get(name));
        let code = of("grpc-status").and_then(|code| code.to_str().ok()?.parse::<u16>().ok());
        match code {
            Some(0) if self.message.len() > ANSWER_LIMIT => {
                fault("its answer is longer than a health status")
            }
            Some(0) => answer(&self.message).or_else(fault),
            Some(code) => {
                let message = of("grpc-message").map(|text| String::from_utf8_lossy(text.as_bytes()));
                let message = message.map_or_else(String::new, |text| format!(": {text}"));
                fault(&format!("it answers with the gRPC status {code} ({}){message}", code_name(code)))
            }
            None => fault("its answer ends without a gRPC status"),
        }
    }
}

fn fault(error: &h2::Error) -> Fault {
    match error.get_io() {
        Some(io) if is_own(io) => Fault::of_io(io, Failure::Protocol),
        _ => Fault::origin(Failure::Protocol, &error.to_string()),
    }
}
