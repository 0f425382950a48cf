//! Taking connections in: as many as are allowed, each with its deadlines, until the API closes.

use super::config::ApiLimits;
use super::patience::Patient;
use super::share::Shares;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// How long to wait when the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(100);
/// How long connections may take to finish what they are at when the API closes.
const GRACE: Duration = Duration::from_secs(2);
/// What a client hears that is one too many.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/problem+json\r\ncontent-length: 121\r\n\r\n\
    {\"type\":\"urn:heck:problem:busy\",\"title\":\"The node is busy\",\"status\":503,\"detail\":\"too many connections are open already\"}";

/// A door of the API.
pub(super) struct Door {
    pub listener: TcpListener,
    pub tls: Option<TlsAcceptor>,
    pub router: Router,
    pub limits: ApiLimits,
    pub closing: watch::Receiver<bool>,
}

impl Door {
    /// Serves until the API closes.
    pub(super) async fn serve(self) {
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let shares = Shares::new((self.limits.connections / 2).max(1));
        let mut connections = JoinSet::new();
        let mut closing = self.closing.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = closed(&mut closing) => break,
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, client)) = accepted else {
                // Without file descriptors every attempt fails at once.
                sleep(NO_ROOM).await;
                continue;
            };
            let share = shares.take(client.ip());
            let (Some(share), Ok(permit)) = (share, permits.clone().try_acquire_owned()) else {
                turn_away(&stream, self.tls.is_some());
                continue;
            };
            let (tls, router) = (self.tls.clone(), self.router.clone());
            let (limits, closing) = (self.limits.clone(), self.closing.clone());
            connections.spawn(async move {
                // Answers are short and wait for nobody.
                let _ = stream.set_nodelay(true);
                let stream = Patient::new(stream, limits.write_timeout);
                match tls {
                    None => converse(stream, client, router, &limits, closing).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = timeout(limits.handshake, tls.accept(stream)).await {
                            converse(stream, client, router, &limits, closing).await;
                        }
                    }
                }
                drop((permit, share));
            });
        }
        drop(self.listener);
        let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    }
}

/// Waits until the API closes; it has when nobody holds it any more.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Says that there is no room, if that can be said without waiting.
fn turn_away(stream: &TcpStream, is_tls: bool) {
    if !is_tls {
        let _ = stream.try_write(TURNED_AWAY);
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    client: SocketAddr,
    router: Router,
    limits: &ApiLimits,
    mut closing: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // How a conversation ends is the client's business: what matters was said in an answer.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_who_is_turned_away_have_the_length_that_they_say() {
        let text = std::str::from_utf8(TURNED_AWAY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len()))
                || head.ends_with(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
