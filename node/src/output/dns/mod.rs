//! DNS: the usable origins of a tag as addresses and services, over UDP and TCP.
//!
//! An authority for one small zone and no resolver: `index` says what a name stands for, `answer` makes an answer of a
//! question, and here are the sockets. What is parsed and written is hickory's.

mod answer;
mod index;

use super::connections::{self, Bound};
use super::{Outlook, OutputError};
use crate::counters::Count;
use crate::settings::Outputs as Settings;
use answer::Zone;
use hickory_proto::rr::Name;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Longest question, in bytes: one name, and what EDNS adds.
const QUESTION_LIMIT: usize = 1_024;
/// TCP connections at once.
const CONNECTIONS: usize = 128;
/// How long a TCP connection may wait for a question, and for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions that one TCP connection may ask.
const QUESTIONS: usize = 64;
/// Ports that are tried where any will do, until one is free for UDP and TCP alike.
const TRIES: usize = 16;

/// Sockets on one address, and the zone that is answered for.
#[derive(Debug)]
pub(super) struct Dns {
    udp: StdSocket,
    tcp: StdListener,
    zone: Zone,
}

impl Dns {
    /// Takes the address; none where there is none in the settings.
    pub(super) fn bind(settings: &Settings) -> Result<Option<Self>, OutputError> {
        let Some(addr) = settings.dns else { return Ok(None) };
        let wrong = |key, what: String| OutputError::Setting { key, what };
        let mut name = Name::from_ascii(&settings.dns_zone)
            .map_err(|error| wrong("dns_zone", format!("{:?} is no name: {error}", settings.dns_zone)))?
            .to_lowercase();
        name.set_fqdn(true);
        // The longest label of an origin and what stands behind it have to fit.
        if name.is_root() || name.len() > 128 {
            return Err(wrong("dns_zone", "allowed are names of up to 128 bytes".to_owned()));
        }
        let ttl_s = settings.dns_ttl.as_secs();
        if ttl_s > 3_600 {
            let what = format!("it is {ttl_s}s, allowed are \"0s\" to \"1h\"");
            return Err(wrong("dns_ttl", what));
        }
        let (udp, tcp) = bind(addr).map_err(|source| OutputError::Listen { key: "dns", addr, source })?;
        let server = tcp.local_addr().map_or(addr.ip(), |addr| addr.ip());
        Ok(Some(Self { udp, tcp, zone: Zone::new(name, ttl_s as u32, server) }))
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Begins to answer.
    pub(super) fn open(self, outlook: &Arc<Outlook>, tasks: &mut JoinSet<()>) {
        let zone = Arc::new(self.zone);
        tasks.spawn(serve_udp(self.udp, outlook.clone(), zone.clone()));
        tasks.spawn(serve_tcp(self.tcp, outlook.clone(), zone));
    }
}

fn bind(addr: SocketAddr) -> io::Result<(StdSocket, StdListener)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let tcp = StdListener::bind(addr)?;
        match StdSocket::bind(tcp.local_addr()?) {
            Err(error) if addr.port() != 0 || tries >= TRIES => return Err(error),
            Err(_) => {}
            Ok(udp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
        }
    }
}

async fn serve_udp(socket: StdSocket, outlook: Arc<Outlook>, zone: Arc<Zone>) {
    let Ok(socket) = UdpSocket::from_std(socket) else { return };
    let mut question = [0; QUESTION_LIMIT];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut question).await else {
            // An error that belongs to an answer of before, as when a client has gone.
            sleep(Duration::from_millis(1)).await;
            continue;
        };
        let is_ready = outlook.ready.is_ready().await;
        if let Some(answer) = zone.answer(&question[..length], &outlook, is_ready, true) {
            outlook.node.counters().bump(Count::DnsAnswers);
            // A client that did not get it asks again.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

async fn serve_tcp(listener: StdListener, outlook: Arc<Outlook>, zone: Arc<Zone>) {
    let bound = Bound { most: CONNECTIONS, turned_away: Count::DnsTurnedAway };
    let answer = |stream, outlook: Arc<Outlook>| {
        let zone = zone.clone();
        async move {
            // How a conversation ends is the client's business.
            let _ = converse(stream, &outlook, &zone).await;
        }
    };
    connections::serve(listener, bound, outlook, answer).await;
}

/// Answers the questions of one TCP connection, each behind its length.
async fn converse(mut stream: TcpStream, outlook: &Outlook, zone: &Zone) -> io::Result<()> {
    let mut question = [0; QUESTION_LIMIT];
    for _ in 0..QUESTIONS {
        let read = async {
            let length = usize::from(stream.read_u16().await?);
            let Some(question) = question.get_mut(..length) else { return Ok(0) };
            stream.read_exact(question).await
        };
        let length = timeout(PATIENCE, read).await??;
        let is_ready = outlook.ready.is_ready().await;
        let Some(answer) = zone.answer(&question[..length], outlook, is_ready, false) else { return Ok(()) };
        outlook.node.counters().bump(Count::DnsAnswers);
        let Ok(length) = u16::try_from(answer.len()) else { return Ok(()) };
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        timeout(PATIENCE, stream.write_all(&framed)).await??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_name_of_bounded_length_and_its_time_to_live_is_bounded() {
        let settings = |zone: &str, ttl_s| Settings {
            dns: Some("127.0.0.1:0".parse().unwrap()),
            dns_zone: zone.to_owned(),
            dns_ttl: Duration::from_secs(ttl_s),
            ..Settings::default()
        };
        let bound = Dns::bind(&settings("Heck.Example", 5)).unwrap().unwrap();
        assert_eq!(bound.udp.local_addr().unwrap(), bound.addr().unwrap());
        let long = format!("{0}.{0}.{0}", "x".repeat(60));
        for (zone, ttl_s, wrong) in [
            (".", 5, "dns_zone"),
            (&long, 5, "dns_zone"),
            ("a..b", 5, "dns_zone"),
            ("heck", 3_601, "dns_ttl"),
        ] {
            let error = Dns::bind(&settings(zone, ttl_s)).unwrap_err().to_string();
            assert!(error.contains(wrong), "{zone}: {error}");
        }
        assert!(Dns::bind(&Settings::default()).unwrap().is_none());
    }
}
