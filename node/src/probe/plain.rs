//! HTTP/1.1 over a connection of its own, by hyper's client connection alone: no pool, no task, no encryption.

use super::report::{Fault, is_own};
use bytes::Bytes;
use heck_core::probe::Failure;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use tokio::net::TcpStream;

/// Most of a body that is read, in bytes.
pub(super) const BODY_LIMIT: usize = 64 * 1_024;

type Connection = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// An exchange over one connection.
pub(super) struct Plain {
    connection: Connection,
    sender: http1::SendRequest<Full<Bytes>>,
    is_over: bool,
}

/// The head of an answer, its body still to come.
pub(super) type Head = Response<Incoming>;

impl Plain {
    /// Begins to speak over a connection.
    pub(super) async fn begin(stream: TcpStream) -> Result<Self, Fault> {
        let begun = http1::Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = begun.map_err(|error| fault(&error))?;
        Ok(Self { connection, sender, is_over: false })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Head, Fault> {
        let answer = self.sender.send_request(request);
        drive(&mut self.connection, &mut self.is_over, answer).await.map_err(|error| fault(&error))
    }

    /// Reads a body up to its end or to what is read at most; the second says whether it was the end.
    pub(super) async fn read(&mut self, head: Head) -> Result<(Vec<u8>, bool), Fault> {
        let body = collect(head.into_body());
        drive(&mut self.connection, &mut self.is_over, body).await.map_err(|error| fault(&error))
    }

    /// The connection, when both sides would go on to use it after an answer that was read to its end.
    pub(super) async fn keep(mut self) -> Option<TcpStream> {
        let ready = self.sender.ready();
        // Whether another request may follow is known at once.
        let is_ready = poll_fn(|context| {
            if !self.is_over && self.connection.poll_without_shutdown(context).is_ready() {
                self.is_over = true;
            }
            Poll::Ready(())
        });
        is_ready.await;
        let mut ready = pin!(ready);
        let is_ready =
            poll_fn(|context| Poll::Ready(matches!(ready.as_mut().poll(context), Poll::Ready(Ok(())))));
        if self.is_over || !is_ready.await {
            return None;
        }
        let parts = self.connection.into_parts();
        // What came unasked cannot be told from the next answer.
        parts.read_buf.is_empty().then(|| parts.io.into_inner())
    }
}

/// Whether a connection that was kept has not ended meanwhile and holds nothing that nobody asked for.
pub(super) fn is_usable(stream: &TcpStream) -> bool {
    let error = stream.try_read(&mut [0]).err();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Waits for what a connection brings while the connection itself goes on.
async fn drive<T>(
    connection: &mut Connection,
    is_over: &mut bool,
    wanted: impl Future<Output = Result<T, hyper::Error>>,
) -> Result<T, hyper::Error> {
    let mut wanted = pin!(wanted);
    poll_fn(|context| {
        if let done @ Poll::Ready(_) = wanted.as_mut().poll(context) {
            return done;
        }
        if !*is_over {
            // An error of the connection reaches whoever waits for the answer. To shut it down first would cost a packet
            // and a call: whoever is done with it drops it.
            *is_over = connection.poll_without_shutdown(context).is_ready();
        }
        wanted.as_mut().poll(context)
    })
    .await
}

async fn collect(mut body: Incoming) -> Result<(Vec<u8>, bool), hyper::Error> {
    let mut read = Vec::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let Ok(data) = frame?.into_data() else { continue };
        let room = BODY_LIMIT - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() >= room {
            return Ok((read, false));
        }
    }
    Ok((read, true))
}

fn fault(error: &hyper::Error) -> Fault {
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match io {
        Some(io) if is_own(io) => Fault::of_io(io, Failure::Protocol),
        Some(io) => Fault::origin(Failure::Protocol, &format!("{error}: {io}")),
        None => Fault::origin(Failure::Protocol, &error.to_string()),
    }
}
