//! Origins of tests: small servers on loopback that answer as they are told and remember what they were asked.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a server says to a request, as it goes over the wire; none closes the connection without a word.
pub type Answer = dyn Fn(&str) -> Option<String> + Send + Sync;

/// A server, which ends when this is dropped.
pub struct Origin {
    pub addr: SocketAddr,
    /// Every request, head and body.
    pub requests: Arc<Mutex<Vec<String>>>,
    /// Connections that were made.
    pub connections: Arc<AtomicUsize>,
    /// The server name that each TLS connection asked for.
    pub server_names: Arc<Mutex<Vec<Option<String>>>>,
    task: JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer with this status and body, over a connection that stays open unless the request asks to close it.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Some\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

impl Origin {
    /// A plain server.
    pub async fn start(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", None, Arc::new(answer)).await
    }

    /// A server that always says this.
    pub async fn saying(text: String) -> Self {
        Self::start(move |_| Some(text.clone())).await
    }

    /// A server behind TLS.
    pub async fn start_tls(
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
        answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self::start_at("127.0.0.1:0", Some(Arc::new(config).into()), Arc::new(answer)).await
    }

    /// A server at this address.
    pub async fn start_at(addr: &str, tls: Option<TlsAcceptor>, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let server_names = Arc::<Mutex<Vec<Option<String>>>>::default();
        let (heard, counted, names) = (requests.clone(), connections.clone(), server_names.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                let (heard, answer, tls, names) = (heard.clone(), answer.clone(), tls.clone(), names.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else { return serve(stream, &heard, &*answer).await };
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let name = stream.get_ref().1.server_name().map(str::to_owned);
                    names.lock().unwrap().push(name);
                    serve(stream, &heard, &*answer).await;
                });
            }
        });
        Self { addr, requests, connections, server_names, task }
    }

    /// The URL of a path here.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// How many requests came.
    pub fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The last request.
    pub fn last(&self) -> String {
        self.requests.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// Answers requests until one asks to close, or the answer is none.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, heard: &Mutex<Vec<String>>, answer: &Answer) {
    while let Some(request) = read_request(&mut stream).await {
        let closes = request.to_lowercase().contains("connection: close");
        heard.lock().unwrap().push(request.clone());
        let Some(answer) = answer(&request) else { return };
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() || closes {
            // To go at once would take back what was written.
            let _ = stream.shutdown().await;
            let mut rest = [0; 64];
            while matches!(stream.read(&mut rest).await, Ok(1..)) {}
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.to_lowercase().split("content-length: ").nth(1).map_or(0, |rest| {
                rest.split("\r\n").next().and_then(|length| length.parse().ok()).unwrap_or(0)
            });
            if text.len() >= end + 4 + length {
                return Some(text.into_owned());
            }
        }
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => read.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}
