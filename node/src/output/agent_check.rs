//! HAProxy's agent check: a connection brings the name of an origin, and gets in one line what to do with it.
//!
//! The words are HAProxy's (`agent-check` in its configuration manual, and what 2.6 was seen to do with them): `ready`,
//! `drain` and `maint` are what the operator wants, `up` and `down` whether the origin works, and what follows `#` is
//! shown to people. Both are said each time, because HAProxy keeps what an answer does not mention. A line without any
//! word changes nothing. The reason stands behind a blank: HAProxy passes over `down#reason`.

use super::connections::{self, Bound};
use super::{Outlook, Verdict};
use crate::counters::Count;
use heck_core::id::Name;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Connections at once.
const CONNECTIONS: usize = 1_024;
/// How long a line may take to arrive. Shorter than HAProxy's own patience, so that whoever leaves out the end of the
/// line is answered all the same.
const LINE_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long a client may take to take the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Most bytes of a line: the longest name and its end.
const LINE_LIMIT: usize = 257;

/// Answers until the task is ended.
pub(super) async fn serve(listener: std::net::TcpListener, outlook: Arc<Outlook>) {
    let bound = Bound { most: CONNECTIONS, turned_away: Count::AgentChecksTurnedAway };
    connections::serve(listener, bound, outlook, converse).await;
}

async fn converse(mut stream: TcpStream, outlook: Arc<Outlook>) {
    let line = read_line(&mut stream).await;
    let answer = answer(&outlook, line.as_deref()).await;
    outlook.node.counters().bump(Count::AgentChecks);
    let say = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // Who does not take its answer asks again.
    let _ = timeout(ANSWER_TIMEOUT, say).await;
}

/// The line of a client without its end; none when it is too long for a name.
async fn read_line(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let deadline = Instant::now() + LINE_TIMEOUT;
    let mut line = Vec::with_capacity(64);
    let mut part = [0; 64];
    loop {
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            break;
        }
        if line.len() > LINE_LIMIT {
            return None;
        }
        match timeout_at(deadline, stream.read(&mut part)).await {
            Ok(Ok(count)) if count > 0 => line.extend_from_slice(&part[..count]),
            // What came until now is all there is.
            _ => break,
        }
    }
    Some(line)
}

async fn answer(outlook: &Outlook, line: Option<&[u8]>) -> String {
    if !outlook.ready.is_ready().await {
        return "#the node has not joined its cluster yet\n".to_owned();
    }
    let name = line.and_then(|line| Name::new(std::str::from_utf8(line).ok()?.trim()).ok());
    let health = outlook.model.health.borrow().clone();
    let row = name.as_ref().and_then(|name| health.get(name)).map(|row| &row.value);
    words(outlook.caution.judge(row))
}

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Up | Verdict::Degraded | Verdict::Untested => "ready up\n".to_owned(),
        Verdict::Draining => "drain up\n".to_owned(),
        Verdict::Maintenance => "maint\n".to_owned(),
        Verdict::Down(reason) => format!("ready down #{reason}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_says_what_the_operator_wants_and_whether_the_origin_works() {
        assert_eq!(words(Verdict::Up), "ready up\n");
        assert_eq!(words(Verdict::Degraded), "ready up\n");
        assert_eq!(words(Verdict::Untested), "ready up\n");
        assert_eq!(words(Verdict::Draining), "drain up\n");
        assert_eq!(words(Verdict::Maintenance), "maint\n");
        assert_eq!(words(Verdict::Down("timeout")), "ready down #timeout\n");
    }

    /// What a client that writes this hears to be read.
    async fn heard(written: &[u8], is_closed: bool) -> Option<Vec<u8>> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        client.write_all(written).await.unwrap();
        if is_closed {
            client.shutdown().await.unwrap();
        }
        read_line(&mut stream).await
    }

    #[tokio::test]
    async fn a_line_ends_with_its_end_with_the_connection_or_with_patience_and_is_bounded() {
        assert_eq!(heard(b"web\nrest", false).await.unwrap(), b"web");
        assert_eq!(heard(b"web", true).await.unwrap(), b"web");
        let start = Instant::now();
        assert_eq!(heard(b"web", false).await.unwrap(), b"web");
        assert!(start.elapsed() >= LINE_TIMEOUT);
        assert_eq!(heard(b"", true).await.unwrap(), b"");
        let longest = [b'x'; 255];
        assert_eq!(heard(&[&longest[..], b"\r\n"].concat(), false).await.unwrap().len(), 256);
        assert_eq!(heard(&[b'x'; 4_000], false).await, None);
    }
}
