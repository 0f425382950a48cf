//! A collector of traces that speaks OTLP over HTTP, and notes whatever is not as the protocol wants it.

use crate::common::until;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span as Told;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// How a collector answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// It takes everything.
    Takes,
    /// It takes all spans of a request but so many.
    Refuses(i64),
    /// It answers with this status.
    Says(u16),
    /// It does not answer.
    Hangs,
}

/// A span as it was told, with what its node is.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    pub name: String,
    /// By the number of OTLP.
    pub kind: i32,
    pub trace: String,
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    pub links: Vec<String>,
    pub is_parent_remote: bool,
    pub begun_ns: u64,
    pub ended_ns: u64,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    pub is_error: bool,
}

impl Span {
    /// The name of its node.
    pub fn node(&self) -> &str {
        &self.resource["service.instance.id"]
    }
}

#[derive(Default)]
struct Heard {
    spans: Vec<Span>,
    requests: usize,
    headers: Vec<BTreeMap<String, String>>,
    wrong: Vec<String>,
}

/// A collector that runs until it is dropped.
pub struct Collector {
    pub addr: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    mood: Arc<Mutex<Mood>>,
    _runtime: Runtime,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|any| any.value.clone()) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?} of {}", pair.key),
    };
    let read: BTreeMap<_, _> = pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect();
    assert_eq!(read.len(), pairs.len(), "an attribute stands twice: {pairs:?}");
    read
}

fn span(told: &Told, resource: &BTreeMap<String, String>) -> Span {
    assert_eq!((told.trace_id.len(), told.span_id.len()), (16, 8));
    assert!(matches!(told.parent_span_id.len(), 0 | 8));
    assert!(told.links.iter().all(|link| link.trace_id == told.trace_id && link.span_id.len() == 8));
    assert!(told.end_time_unix_nano >= told.start_time_unix_nano && told.flags & 1 == 1);
    Span {
        name: told.name.clone(),
        kind: told.kind,
        trace: hex(&told.trace_id),
        id: hex(&told.span_id),
        parent: hex(&told.parent_span_id),
        links: told.links.iter().map(|link| hex(&link.span_id)).collect(),
        is_parent_remote: told.flags & 0x300 == 0x300,
        begun_ns: told.start_time_unix_nano,
        ended_ns: told.end_time_unix_nano,
        attributes: attributes(&told.attributes),
        resource: resource.clone(),
        is_error: told.status.as_ref().is_some_and(|status| status.code == 2),
    }
}

impl Heard {
    fn hear(&mut self, head: &hyper::http::request::Parts, body: &[u8], takes: bool) {
        self.requests += 1;
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers: BTreeMap<_, _> =
            head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let is_right = head.method == Method::POST
            && head.uri.path() == "/v1/traces"
            && headers.get("content-type").is_some_and(|kind| kind == "application/x-protobuf")
            && !headers.contains_key("content-encoding");
        if !is_right {
            self.wrong.push(format!("{head:?}"));
        }
        self.headers.push(headers);
        match ExportTraceServiceRequest::decode(body) {
            Ok(request) if request.encoded_len() != body.len() => {
                self.wrong.push(format!("fields that nobody knows: {}", hex(body)));
            }
            Ok(request) if takes => self.take(&request),
            Ok(_) => {}
            Err(error) => self.wrong.push(format!("{error}: {}", hex(body))),
        }
    }

    fn take(&mut self, request: &ExportTraceServiceRequest) {
        for of_resource in &request.resource_spans {
            let resource = attributes(&of_resource.resource.as_ref().expect("a resource").attributes);
            for of_scope in &of_resource.scope_spans {
                self.spans.extend(of_scope.spans.iter().map(|told| span(told, &resource)));
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    heard: Arc<Mutex<Heard>>,
    mood: Mood,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    heard.lock().unwrap().hear(&head, &body, matches!(mood, Mood::Takes | Mood::Refuses(_)));
    let (status, rejected) = match mood {
        Mood::Takes => (200, None),
        Mood::Refuses(rejected_spans) => {
            (200, Some(ExportTracePartialSuccess { rejected_spans, error_message: "too old".into() }))
        }
        Mood::Says(status) => (status, None),
        Mood::Hangs => pending().await,
    };
    let body = ExportTraceServiceResponse { partial_success: rejected }.encode_to_vec();
    Ok(Response::builder().status(status).body(Full::new(body.into())).expect("an answer"))
}

impl Collector {
    pub fn start(mood: Mood) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        let (heard, mood) = (Arc::<Mutex<Heard>>::default(), Arc::new(Mutex::new(mood)));
        let (for_task, its_mood) = (heard.clone(), mood.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heard, mood) = (for_task.clone(), its_mood.clone());
                let service = service_fn(move |request| {
                    let mood = *mood.lock().unwrap();
                    answer(request, heard.clone(), mood)
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { addr, heard, mood, _runtime: runtime }
    }

    /// Where nodes find it.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What it was told so far. Fails the test when any of it was not as it should be.
    pub fn spans(&self) -> Vec<Span> {
        let heard = self.heard.lock().unwrap();
        assert!(heard.wrong.is_empty(), "{:?}", heard.wrong);
        let ids: BTreeSet<_> = heard.spans.iter().map(|span| (&span.trace, &span.id)).collect();
        assert_eq!(ids.len(), heard.spans.len(), "two spans have one identity: {:?}", heard.spans);
        heard.spans.clone()
    }

    /// The spans of a trace.
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }

    /// Waits until a trace is as it should be.
    pub fn until_trace(&self, what: &str, trace: &str, wanted: impl Fn(&Vec<Span>) -> bool) -> Vec<Span> {
        until(what, || self.trace(trace), wanted)
    }

    pub fn requests(&self) -> usize {
        self.heard.lock().unwrap().requests
    }

    /// The headers of the last request.
    pub fn headers(&self) -> BTreeMap<String, String> {
        self.heard.lock().unwrap().headers.last().cloned().unwrap_or_default()
    }
}
