//! Connections to origins.

use super::guard::Guard;
use super::report::{Fault, has_no_own_address, is_out_of_means};
use heck_core::probe::Failure;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

/// Addresses of one name that a probe tries at most.
const ATTEMPTS: usize = 4;

/// The addresses among these that may be connected to.
///
/// # Errors
/// When there is none.
pub(super) fn permitted(ips: &[IpAddr], port: u16, guard: &Guard) -> Result<Vec<SocketAddr>, Fault> {
    let mut forbidden = None;
    let mut permitted = Vec::with_capacity(ips.len().min(ATTEMPTS));
    for &ip in ips {
        let addr = SocketAddr::new(ip, port);
        match guard.judge(addr) {
            Ok(()) if permitted.len() < ATTEMPTS => permitted.push(addr),
            Ok(()) => {}
            Err(reason) => forbidden = forbidden.or(Some(reason)),
        }
    }
    match forbidden {
        Some(reason) if permitted.is_empty() => Err(Fault::origin(Failure::Forbidden, &reason.to_string())),
        _ => Ok(permitted),
    }
}

/// Connects to the first address that takes the connection. Each has an equal part of the time that is left, so that
/// one which does not answer leaves some for the next; the last has as long as the caller waits.
///
/// # Errors
/// The fault of the last one; of an address of a kind that this machine cannot reach only when there is no other.
pub(super) async fn connect(
    addrs: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Fault> {
    first(addrs, deadline, |addr| connect_once(addr, false)).await
}

async fn first<T, F: Future<Output = io::Result<T>>>(
    addrs: &[SocketAddr],
    deadline: Instant,
    connect_once: impl Fn(SocketAddr) -> F,
) -> Result<(T, SocketAddr), Fault> {
    let (mut last, mut hindered) = (None, None);
    for (tried, &addr) in addrs.iter().enumerate() {
        let left = u32::try_from(addrs.len() - tried).unwrap_or(u32::MAX);
        let connected = if left == 1 {
            // Whoever waits for the probe ends it in time.
            Ok(connect_once(addr).await)
        } else {
            let now = Instant::now();
            timeout_at(now + deadline.saturating_duration_since(now) / left, connect_once(addr)).await
        };
        match connected {
            Ok(Ok(stream)) => return Ok((stream, addr)),
            Ok(Err(error)) if is_out_of_means(&error) => return Err(Fault::of_io(&error, Failure::Connect)),
            Ok(Err(error)) if has_no_own_address(&error) => {
                hindered = Some(Fault::of_io(&error, Failure::Connect));
            }
            Ok(Err(error)) => last = Some(Fault::origin(Failure::Connect, &format!("{addr}: {error}"))),
            Err(_) => {
                last = Some(Fault::origin(Failure::Timeout, &format!("{addr}: no connection in time")));
            }
        }
    }
    let without = || Fault::origin(Failure::Resolve, "the name has no address");
    Err(last.or(hindered).unwrap_or_else(without))
}

/// Whether anything takes connections at one of these addresses. Where the system allows it, the connection is taken
/// back at the moment in which it is accepted, before the server's program has to hear of it.
///
/// # Errors
/// As [`connect`].
pub(super) async fn knock(addrs: &[SocketAddr], deadline: Instant) -> Result<(), Fault> {
    first(addrs, deadline, |addr| connect_once(addr, true)).await.map(drop)
}

async fn connect_once(addr: SocketAddr, only_knocks: bool) -> io::Result<TcpStream> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Otherwise each check would leave a port of this machine waiting for a minute after it was closed.
    socket.set_zero_linger()?;
    #[cfg(target_os = "linux")]
    if only_knocks {
        // Linux then waits with the third packet of the handshake, and closing sends a reset in its place.
        socket2::SockRef::from(&socket).set_tcp_quickack(false)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = only_knocks;
    socket.connect(addr).await
}

#[cfg(test)]
mod tests {
    use super::super::guard::GuardConfig;
    use super::super::report::Hindrance;
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn only_permitted_addresses_of_a_name_are_tried_and_the_reason_is_kept_when_there_is_none() {
        let guard = Guard::new(GuardConfig::default());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let some = permitted(&[ip("127.0.0.1"), ip("10.0.0.7"), ip("169.254.169.254")], 80, &guard);
        assert_eq!(some, Ok(vec!["10.0.0.7:80".parse().unwrap()]));
        let none = permitted(&[ip("127.0.0.1"), ip("169.254.169.254")], 80, &guard);
        assert!(matches!(none, Err(Fault::Origin(Failure::Forbidden, text)) if text.contains("loopback")));
        let many: Vec<IpAddr> = (1..=9).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        assert_eq!(permitted(&many, 80, &guard).map(|some| some.len()), Ok(ATTEMPTS));
    }

    #[tokio::test]
    async fn a_connection_is_made_with_the_first_address_that_takes_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap();
        let (stream, addr) = connect(&[closed, open], soon()).await.unwrap();
        assert_eq!((stream.peer_addr().unwrap(), addr), (open, open));
        let refused = connect(&[closed], soon()).await.unwrap_err();
        assert!(matches!(refused, Fault::Origin(Failure::Connect, text) if text.contains("127.0.0.2")));
    }

    #[tokio::test]
    async fn an_address_that_this_machine_has_no_way_to_leaves_the_answer_to_the_others() {
        // As on a machine without IPv6.
        let connect_once = |addr: SocketAddr| async move {
            match addr.port() {
                1 => Err(io::Error::from_raw_os_error(99)),
                2 => Err(io::Error::from_raw_os_error(111)),
                3 => Err(io::Error::from_raw_os_error(24)),
                _ => Ok(()),
            }
        };
        let [none, refuses, no_files, open] =
            [1, 2, 3, 4].map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
        assert_eq!(first(&[none, open], soon(), connect_once).await, Ok(((), open)));
        for addrs in [[none, refuses], [refuses, none]] {
            let fault = first(&addrs, soon(), connect_once).await.unwrap_err();
            assert!(matches!(fault, Fault::Origin(Failure::Connect, _)), "{fault:?}");
        }
        for addrs in [[none, none], [no_files, open]] {
            let fault = first(&addrs, soon(), connect_once).await.unwrap_err();
            assert!(matches!(fault, Fault::Own(Hindrance::System, _)), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        // A listener whose backlog is full does not answer to more.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let silent = full.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(silent)).await
        {
            waiting.push(stream);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let deadline = Instant::now() + Duration::from_millis(400);
        let (_, addr) = connect(&[silent, open], deadline).await.unwrap();
        assert_eq!(addr, open);
    }
}
