//! Reading streams of server-sent events, for as long as it takes: one that breaks off is opened again behind the
//! last event.

use super::connection::{Connection, Failure};
use crate::cli::complain;
use reqwest::{Method, Response};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long to wait before a stream is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a stream may be silent: a node says something every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// Most bytes of one event: a message of 64 KiB in base64, with a long position.
const EVENT_LIMIT: usize = 4 << 20;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Event {
    pub kind: String,
    pub data: String,
    /// Where to go on behind it; empty when the event does not say.
    pub id: String,
}

/// Hands each event of a stream to `take`, until that has had enough and says false.
pub(super) async fn follow(
    connection: &Connection,
    path: &[&str],
    query: &[(&str, &str)],
    begin: Option<String>,
    take: impl FnMut(Event) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    follow_for(SILENCE, connection, (path, query), begin, take).await
}

async fn follow_for(
    silence: Duration,
    connection: &Connection,
    (path, query): (&[&str], &[(&str, &str)]),
    begin: Option<String>,
    mut take: impl FnMut(Event) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut last = begin;
    let mut was_open = false;
    loop {
        let mut request = connection.request(Method::GET, path, query)?.header("accept", "text/event-stream");
        if let Some(last) = &last {
            request = request.header("last-event-id", last);
        }
        let silent = |_| Failure::Unreachable(format!("the node does not answer within {silence:?}"));
        match timeout(silence, connection.open(request)).await.unwrap_or_else(|late| Err(silent(late))) {
            Ok(response) => {
                was_open = true;
                let mut stream = Stream { response, silence, held: Vec::new() };
                while let Some(event) = stream.next().await {
                    if !event.id.is_empty() {
                        last = Some(event.id.clone());
                    }
                    if !take(event)? {
                        return Ok(());
                    }
                }
                complain("the stream broke off; it is opened again");
            }
            // What was open once may be so again.
            Err(Failure::Unreachable(_)) if was_open => {}
            Err(Failure::Refused { status: 500.., .. }) if was_open => {}
            Err(failure) => return Err(failure),
        }
        sleep(AGAIN).await;
    }
}

struct Stream {
    response: Response,
    silence: Duration,
    held: Vec<u8>,
}

impl Stream {
    /// The next event; none when the stream has ended, is silent for too long, or is none.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.held.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.held.drain(..end + 2).collect();
                if let Some(event) = event(&String::from_utf8_lossy(&block)) {
                    return Some(event);
                }
                continue;
            }
            if self.held.len() > EVENT_LIMIT {
                return None;
            }
            let chunk = timeout(self.silence, self.response.chunk()).await.ok()?;
            self.held.extend(chunk.ok()??);
        }
    }
}

/// The event of a block of lines; none when it is a comment.
fn event(block: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.kind = value.to_owned(),
            "id" => event.id = value.to_owned(),
            "data" if event.data.is_empty() => event.data = value.to_owned(),
            "data" => event.data = format!("{}\n{value}", event.data),
            _ => {}
        }
    }
    (!event.kind.is_empty()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::super::{ClientArgs, Output};
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn an_event_is_read_and_a_comment_is_none() {
        let read = event("event: set\ndata: {\"a\":1}\ndata: x\nid: 7-1\nretry: 5\n\n");
        assert_eq!(read, Some(Event { kind: "set".into(), data: "{\"a\":1}\nx".into(), id: "7-1".into() }));
        assert_eq!(event(": still here\n\n"), None);
    }

    #[tokio::test]
    async fn a_stream_that_has_gone_silent_is_opened_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let node = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
                let event = format!("event: set\ndata: {}\n\n", held.len());
                stream.write_all(format!("{head}{event}").as_bytes()).await.unwrap();
                held.push(stream);
            }
        });
        let connection = Connection::new(&ClientArgs {
            addr: addr.to_string(),
            token: None,
            data_dir: "none".into(),
            server_ca: None,
            client_certificate: None,
            wait_peers: None,
            traceparent: None,
            output: Output::Json,
        })
        .unwrap();
        let (mut heard, silence) = (Vec::new(), Duration::from_millis(200));
        let take = |event: Event| {
            heard.push(event.data);
            Ok(heard.len() < 2)
        };
        let followed = follow_for(silence, &connection, (&["v1", "health"], &[]), None, take);
        let in_time = timeout(Duration::from_secs(20), followed).await;
        assert!(in_time.expect("it does not hang").is_ok());
        assert_eq!(heard, ["0", "1"]);
        node.abort();
    }
}
