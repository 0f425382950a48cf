//! A client of the HTTP API of a node: requests, and streams of server-sent events.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks a node.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where its API is.
    pub addr: SocketAddr,
    /// The token of its API.
    pub token: String,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// What the body is.
    pub content: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// What a node answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The tag of this version.
    pub etag: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// A connection that is kept for the next request.
pub type Kept = Option<SendRequest<Full<Bytes>>>;

impl Ask {
    /// A request to read.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), content: "", body: Vec::new() }
    }
}

impl Client {
    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = TcpStream::connect(self.addr).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // It ends when either side closes; whoever asked hears of that.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn send(
        &self,
        kept: &mut Kept,
        ask: &Ask,
        more: &[(header::HeaderName, &str)],
    ) -> Result<Response<Incoming>, String> {
        let mut sender = match kept.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.path)
            .header(header::HOST, self.addr.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if !ask.content.is_empty() {
            request = request.header(header::CONTENT_TYPE, ask.content);
        }
        for (name, value) in more {
            request = request.header(name, *value);
        }
        let request = request.body(Full::from(ask.body.clone())).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        *kept = Some(sender);
        Ok(response)
    }

    /// Asks once.
    ///
    /// # Errors
    /// When no whole answer comes in time.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        self.ask_over(&mut None, ask, None).await
    }

    /// The same over a connection that is kept, unless nothing has changed since this version.
    ///
    /// # Errors
    /// When no whole answer comes in time.
    pub async fn ask_over(&self, kept: &mut Kept, ask: &Ask, seen: Option<&str>) -> Result<Answer, String> {
        let more: Vec<_> = seen.map(|tag| (header::IF_NONE_MATCH, tag)).into_iter().collect();
        let whole = async {
            let response = self.send(kept, ask, &more).await?;
            let status = response.status();
            let etag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
            let etag = etag.map(str::to_owned);
            let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
            Ok(Answer { status, etag, body: body.to_bytes() })
        };
        timeout(PATIENCE, whole).await.unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}")))
    }

    /// Follows a list as events, each with its name and its data, until the stream ends.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn follow(&self, path: &str, mut on_event: impl FnMut(&str, &str)) -> Result<(), String> {
        let events = [(header::ACCEPT, "text/event-stream")];
        let response = self.send(&mut None, &Ask::get(path), &events).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("{path}: {}", response.status()));
        }
        let (mut body, mut parser) = (response.into_body(), Events::default());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            if let Some(data) = frame.data_ref() {
                parser.read(data, &mut on_event);
            }
        }
        Ok(())
    }
}

/// Reads server-sent events, as far as a node makes use of them: a name and one line of data.
#[derive(Debug, Default)]
struct Events {
    line: Vec<u8>,
    event: String,
    data: String,
}

impl Events {
    fn read(&mut self, bytes: &[u8], on_event: &mut impl FnMut(&str, &str)) {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
                Some(("event", name)) => name.clone_into(&mut self.event),
                Some(("data", data)) => data.clone_into(&mut self.data),
                None if line.is_empty() && !self.event.is_empty() => {
                    on_event(&std::mem::take(&mut self.event), &std::mem::take(&mut self.data));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = b"event: reset\ndata: {}\nretry: 1000\n\n: alive\n\nevent: set\ndata: {\"name\":\"a:b\"}\nid: 1-2\n\n";
        for cut in 0..text.len() {
            let (mut events, mut seen) = (Events::default(), Vec::new());
            for part in [&text[..cut], &text[cut..]] {
                events.read(part, &mut |name, data| seen.push(format!("{name} {data}")));
            }
            assert_eq!(seen, ["reset {}", "set {\"name\":\"a:b\"}"], "cut at {cut}");
        }
    }
}
