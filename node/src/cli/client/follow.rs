//! Reading streams of server-sent events, for as long as it takes: one that breaks off is opened again behind the
//! last event.

use super::connection::{Connection, Failure};
use crate::cli::complain;
use reqwest::{Method, Response};
use std::time::Duration;
use tokio::time::sleep;

/// How long to wait before a stream is opened again.
const AGAIN: Duration = Duration::from_secs(1);
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
    mut take: impl FnMut(Event) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut last = begin;
    let mut was_open = false;
    loop {
        let mut request = connection.request(Method::GET, path, query)?.header("accept", "text/event-stream");
        if let Some(last) = &last {
            request = request.header("last-event-id", last);
        }
        match connection.open(request).await {
            Ok(response) => {
                was_open = true;
                let mut stream = Stream { response, held: Vec::new() };
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
    held: Vec<u8>,
}

impl Stream {
    /// The next event; none when the stream has ended or is none.
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
            self.held.extend(self.response.chunk().await.ok()??);
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
    use super::*;

    #[test]
    fn an_event_is_read_and_a_comment_is_none() {
        let read = event("event: set\ndata: {\"a\":1}\ndata: x\nid: 7-1\nretry: 5\n\n");
        assert_eq!(read, Some(Event { kind: "set".into(), data: "{\"a\":1}\nx".into(), id: "7-1".into() }));
        assert_eq!(event(": still here\n\n"), None);
    }
}
