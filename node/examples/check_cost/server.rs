//! An origin to be checked, with TLS for those who begin with it. It counts what arrives, in bins of 10 ms, and tells on
//! request.

use crate::authority::Authority;
use rustls::ServerConfig;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The name in the certificate.
pub const NAME: &str = "origin.test";
/// The first byte of whoever begins with TLS: a record of a handshake.
const HANDSHAKE: u8 = 0x16;

/// The bins that are kept: ten minutes.
const BINS: usize = 60_000;
/// The gaps that are kept.
const GAPS: usize = 1_000_000;

/// When checks arrived: connections, and requests beyond the first of a connection.
struct Arrivals {
    start: Instant,
    bins: Vec<u32>,
    /// The last connection to each address.
    last: HashMap<IpAddr, Instant>,
    /// Time between two connections to one address, in microseconds.
    gaps_us: Vec<u128>,
}

impl Arrivals {
    fn new() -> Self {
        Self { start: Instant::now(), bins: Vec::new(), last: HashMap::new(), gaps_us: Vec::new() }
    }

    fn note(&mut self, at: IpAddr) {
        let now = Instant::now();
        if let Some(before) = self.last.insert(at, now).filter(|_| self.gaps_us.len() < GAPS) {
            self.gaps_us.push(now.duration_since(before).as_micros());
        }
    }

    fn count(&mut self) {
        let bin = (self.start.elapsed().as_millis() / 10) as usize;
        if bin < BINS {
            self.bins.resize(self.bins.len().max(bin + 1), 0);
            self.bins[bin] += 1;
        }
    }
}

/// Serves on all of loopback's IPv4 addresses until standard input ends, after it has said on which port, and where the
/// certificate of its authority is.
pub async fn serve() -> io::Result<()> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| io::ErrorKind::AlreadyExists)?;
    let authority = Authority::new();
    let (certificate, key) = authority.certificate(NAME, 2_100);
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let tls = TlsAcceptor::from(Arc::new(tls.map_err(io::Error::other)?));
    let arrivals = Arc::new(Mutex::new(Arrivals::new()));
    let socket = TcpSocket::new_v4()?;
    socket.bind("0.0.0.0:0".parse().map_err(io::Error::other)?)?;
    let listener: TcpListener = socket.listen(16_384)?;
    println!("127.0.0.1:{} {}", listener.local_addr()?.port(), authority.path().display());
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) if peer.ip().is_loopback() => {
                    let mut arrived = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                    arrived.count();
                    if let Ok(addr) = stream.local_addr() {
                        arrived.note(addr.ip());
                    }
                    drop(arrived);
                    tokio::spawn(welcome(stream, tls.clone(), arrivals.clone()));
                }
                _ => tokio::task::yield_now().await,
            }
        }
    });
    let mut rest = Vec::new();
    tokio::task::spawn_blocking(move || io::Read::read_to_end(&mut io::stdin(), &mut rest)).await??;
    Ok(())
}

async fn welcome(stream: TcpStream, tls: TlsAcceptor, arrivals: Arc<Mutex<Arrivals>>) -> io::Result<()> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first == [HANDSHAKE] {
        return answer(tls.accept(stream).await?, arrivals).await;
    }
    answer(stream, arrivals).await
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    arrivals: Arc<Mutex<Arrivals>>,
) -> io::Result<()> {
    let mut request = vec![0; 1_024];
    let (mut filled, mut is_first) = (0, true);
    loop {
        let read = stream.read(&mut request[filled..]).await?;
        filled += read;
        if read == 0 || filled == request.len() {
            return Ok(());
        }
        let Some(end) = request[..filled].windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let body = {
            let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_first {
                arrivals.count();
            }
            if head.starts_with("get /bins") {
                let bins = std::mem::take(&mut arrivals.bins);
                arrivals.start = Instant::now();
                bins.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
            } else if head.starts_with("get /gaps") {
                arrivals.last.clear();
                let gaps = std::mem::take(&mut arrivals.gaps_us);
                gaps.iter().map(u128::to_string).collect::<Vec<_>>().join(" ")
            } else {
                "ok".to_owned()
            }
        };
        is_first = false;
        let closes = head.contains("connection: close") || head.contains("http/1.0");
        let connection = if closes { "close" } else { "keep-alive" };
        let length = body.len();
        let text =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await?;
        if closes {
            return Ok(());
        }
        request.copy_within(end + 4..filled, 0);
        filled -= end + 4;
    }
}

/// The bins since the last call, which begins anew.
pub async fn bins(addr: SocketAddr) -> io::Result<Vec<u32>> {
    numbers(addr, "/bins").await
}

/// Microseconds between the connections to each address since the last call, which begins anew.
pub async fn gaps_us(addr: SocketAddr) -> io::Result<Vec<u32>> {
    numbers(addr, "/gaps").await
}

async fn numbers(addr: SocketAddr, path: &str) -> io::Result<Vec<u32>> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.split_whitespace().filter_map(|count| count.parse().ok()).collect())
}
