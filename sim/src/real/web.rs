//! The origins of a run: small web servers on a host of their own, each at a port of its own, that refuse connections or
//! stay silent when the scenario says so.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use heck_core::time::{Span, Time};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::Trouble;
use super::network::{WEB, inside};
use crate::run::origins::{Condition, Spell};

/// The port of the first origin.
const FIRST_PORT: u16 = 8_000;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";
/// A longer request is none that a node makes.
const LONGEST: usize = 4_096;

/// What the origins of a run do.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How many there are, those that come to be included.
    pub origins: u32,
    /// How long they take to answer.
    pub latency: Span,
    /// When some of them behave otherwise.
    pub spells: Vec<Spell>,
}

/// The servers; they end when this is dropped.
#[derive(Debug)]
pub struct Web {
    begin: watch::Sender<Option<Instant>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How an origin is from some moment on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Well,
    Refuses,
    Silent,
}

/// Where an origin is checked.
#[must_use]
pub fn url_of(origin: u32) -> String {
    format!("http://{}/healthz", addr_of(origin))
}

fn addr_of(origin: u32) -> SocketAddr {
    let port = u16::try_from(origin).map_or(u16::MAX, |number| FIRST_PORT.saturating_add(number));
    SocketAddr::from((WEB, port))
}

impl Web {
    /// Starts the servers of a run in a namespace. All is well until [`Web::begin`].
    ///
    /// # Errors
    /// When the namespace cannot be entered, or a port is taken.
    pub fn start(namespace: &str, behaviour: Behaviour) -> Result<Self, Trouble> {
        let (begin, begun) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let start = move || -> io::Result<JoinHandle<()>> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let listening = (0..behaviour.origins).map(|origin| TcpListener::bind(addr_of(origin)));
            let listeners = runtime.block_on(async {
                let mut listeners = Vec::new();
                for listener in listening {
                    listeners.push(listener.await?);
                }
                io::Result::Ok(listeners)
            })?;
            let all = async move {
                for (origin, listener) in (0..).zip(listeners) {
                    let moods = moods(origin, &behaviour.spells);
                    tokio::spawn(origin_life(origin, listener, behaviour.latency, moods, begun.clone()));
                }
                // Whoever holds the other end says that it is over by letting go of it.
                let _ = ended.await;
            };
            thread::Builder::new().name("origins".to_owned()).spawn(move || runtime.block_on(all))
        };
        let started = inside(namespace, start).and_then(|started| started);
        let thread = started.map_err(|error| Trouble::Failed(format!("the origins' web server: {error}")))?;
        Ok(Self { begin, end: Some(end), thread: Some(thread) })
    }

    /// The run begins at this moment: from it on origins behave as the scenario says.
    pub fn begin(&self, at: Instant) {
        self.begin.send_replace(Some(at));
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How an origin is from when on, in the order of time. Of two spells at once the later of the file counts.
fn moods(origin: u32, spells: &[Spell]) -> Vec<(Time, Mood)> {
    let of = |spell: &&Spell| spell.origins.binary_search(&origin).is_ok();
    let mut times: Vec<Time> = spells.iter().filter(of).flat_map(|spell| [spell.from, spell.until]).collect();
    times.sort_unstable();
    times.dedup();
    let mood_at = |at: Time| {
        let now = spells.iter().filter(of).rev().find(|spell| spell.from <= at && at < spell.until);
        match now.map(|spell| &spell.condition) {
            Some(Condition::Refuses) => Mood::Refuses,
            Some(Condition::Silent) => Mood::Silent,
            _ => Mood::Well,
        }
    };
    times.into_iter().map(|at| (at, mood_at(at))).collect()
}

async fn origin_life(
    origin: u32,
    listener: TcpListener,
    latency: Span,
    moods: Vec<(Time, Mood)>,
    mut begun: watch::Receiver<Option<Instant>>,
) {
    let latency = Duration::from_micros(latency.as_us());
    let mut serving = tokio::spawn(serve(Some(listener), origin, Mood::Well, latency));
    let Ok(start) = begun.wait_for(Option::is_some).await.map(|start| *start) else { return };
    for (at, mood) in moods {
        sleep_until(start.unwrap_or_else(Instant::now) + Duration::from_micros(at.0)).await;
        serving.abort();
        // The port is free once the server before has let go of it.
        let _ = serving.await;
        serving = tokio::spawn(serve(None, origin, mood, latency));
    }
    let _ = serving.await;
}

async fn serve(listener: Option<TcpListener>, origin: u32, mood: Mood, latency: Duration) {
    if mood == Mood::Refuses {
        return;
    }
    let listener = match listener {
        Some(listener) => listener,
        None => match TcpListener::bind(addr_of(origin)).await {
            Ok(listener) => listener,
            // Nothing else is on this host that could have taken it.
            Err(_) => return,
        },
    };
    let mut unanswered = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        match mood {
            Mood::Silent => unanswered.push(stream),
            _ => _ = tokio::spawn(answer(stream, latency)),
        }
    }
}

async fn answer(mut stream: TcpStream, latency: Duration) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < LONGEST {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    sleep(latency).await;
    stream.write_all(ANSWER).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_as_the_last_spell_that_is_about_it_says() {
        let spell = |origins: &[u32], from: u64, until: u64, condition| Spell {
            origins: origins.to_vec(),
            seen_by: None,
            from: Time(from),
            until: Time(until),
            condition,
        };
        let spells = [
            spell(&[1, 2], 10, 40, Condition::Refuses),
            spell(&[2], 20, 30, Condition::Silent),
            spell(&[3], 0, 99, Condition::Refuses),
        ];
        assert_eq!(
            moods(2, &spells),
            [
                (Time(10), Mood::Refuses),
                (Time(20), Mood::Silent),
                (Time(30), Mood::Refuses),
                (Time(40), Mood::Well)
            ]
        );
        assert_eq!(moods(0, &spells), []);
    }
}
