//! An origin to be checked: a process of its own, so that its work does not count as the checker's.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The argument that makes this program the origin.
pub const SERVE: &str = "--serve-until-stdin-ends";

/// A running origin; it ends when this is dropped, and also when this program dies.
pub struct Origin {
    pub addr: SocketAddr,
    child: Child,
}

impl Origin {
    pub fn start() -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(out).read_line(&mut line)?;
        let addr = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { addr, child })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers every request on all of loopback's IPv4 addresses until standard input ends.
pub async fn serve() -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind("0.0.0.0:0".parse().map_err(io::Error::other)?)?;
    let listener: TcpListener = socket.listen(16_384)?;
    println!("127.0.0.1:{}", listener.local_addr()?.port());
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            if peer.ip().is_loopback() {
                tokio::spawn(answer(stream));
            }
        }
    });
    let mut rest = Vec::new();
    tokio::task::spawn_blocking(move || io::Read::read_to_end(&mut io::stdin(), &mut rest)).await??;
    Ok(())
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut request = vec![0; 2_048];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut request[filled..]).await?;
        filled += read;
        if read == 0 || filled == request.len() {
            return Ok(());
        }
        let Some(end) = request[..filled].windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        let closes = request[..end].windows(6).any(|part| part == b" close");
        let connection = if closes { "close" } else { "keep-alive" };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: {connection}\r\n\r\nok");
        stream.write_all(head.as_bytes()).await?;
        if closes {
            return Ok(());
        }
        request.copy_within(end + 4..filled, 0);
        filled -= end + 4;
    }
}
