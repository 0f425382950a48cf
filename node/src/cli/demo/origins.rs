//! Origins of the demo: tiny web servers on loopback, each with a fate of its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(5);
/// How long the slow one thinks.
const THOUGHT: Duration = Duration::from_millis(400);

/// What becomes of an origin.
#[derive(Clone, Copy)]
enum Fate {
    /// It answers, always.
    Well,
    /// It answers, but late.
    Slow,
    /// It says 503 for a while, again and again.
    Fails(Outage),
    /// It hangs up without a word for a while, again and again.
    HangsUp(Outage),
}

/// When an origin is down: from `from_s` to `to_s` of each `every_s`, in seconds since the start.
#[derive(Clone, Copy)]
struct Outage {
    every_s: u64,
    from_s: u64,
    to_s: u64,
}

const FATES: [(&str, Fate); 5] = [
    ("shop", Fate::Fails(Outage { every_s: 30, from_s: 6, to_s: 18 })),
    ("search", Fate::HangsUp(Outage { every_s: 45, from_s: 20, to_s: 32 })),
    ("images", Fate::Well),
    ("login", Fate::Well),
    ("reports", Fate::Slow),
];

/// The servers. They stop when this is dropped.
pub(super) struct Origins {
    addrs: Vec<(&'static str, SocketAddr)>,
    _tasks: JoinSet<()>,
}

impl Origins {
    /// What each is like, for people.
    pub(super) const DESCRIBED: [(&str, &str); 5] = [
        ("shop", "answers 503 for 12 s of every 30"),
        ("search", "hangs up for 12 s of every 45"),
        ("images", "is well"),
        ("login", "is well"),
        ("reports", "is slow"),
    ];

    /// Starts all of them on ports of the system's choice.
    pub(super) async fn start() -> io::Result<Self> {
        let started = Instant::now();
        let (mut addrs, mut tasks) = (Vec::new(), JoinSet::new());
        for (name, fate) in FATES {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addrs.push((name, listener.local_addr()?));
            tasks.spawn(serve(listener, fate, started));
        }
        Ok(Self { addrs, _tasks: tasks })
    }

    /// Each by its name, and where it listens.
    pub(super) fn addrs(&self) -> &[(&'static str, SocketAddr)] {
        &self.addrs
    }
}

impl Outage {
    const fn is_on(self, elapsed: Duration) -> bool {
        let now_s = elapsed.as_secs() % self.every_s;
        self.from_s <= now_s && now_s < self.to_s
    }
}

async fn serve(listener: TcpListener, fate: Fate, started: Instant) {
    let mut requests = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((connection, _)) = accepted {
                    // A client that goes away is no matter of the server.
                    requests.spawn(async move { drop(answer(connection, fate, started.elapsed()).await) });
                }
            }
            Some(_) = requests.join_next() => {}
        }
    }
}

async fn answer(mut connection: TcpStream, fate: Fate, elapsed: Duration) -> io::Result<()> {
    let (mut request, mut buffer) = (Vec::new(), [0; 1_024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16_384 {
        match timeout(REQUEST, connection.read(&mut buffer)).await {
            Ok(Ok(len @ 1..)) => request.extend_from_slice(&buffer[..len]),
            _ => return Ok(()),
        }
    }
    let status = match fate {
        Fate::HangsUp(outage) if outage.is_on(elapsed) => return Ok(()),
        Fate::Fails(outage) if outage.is_on(elapsed) => "503 Service Unavailable",
        Fate::Slow => {
            sleep(THOUGHT).await;
            "200 OK"
        }
        _ => "200 OK",
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_origin_has_a_fate_and_a_description() {
        let names = |pairs: &[&str]| pairs.join(" ");
        assert_eq!(names(&FATES.map(|(name, _)| name)), names(&Origins::DESCRIBED.map(|(name, _)| name)));
    }

    #[test]
    fn an_outage_comes_again_and_again() {
        let outage = Outage { every_s: 30, from_s: 6, to_s: 18 };
        let on: Vec<u64> = (0..60).filter(|s| outage.is_on(Duration::from_secs(*s))).collect();
        assert_eq!(on, (6..18).chain(36..48).collect::<Vec<_>>());
    }
}
