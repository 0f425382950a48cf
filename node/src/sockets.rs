//! The two sockets of a node: UDP for datagrams and TCP for streams, on the same port.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// How many ports are tried when the system may choose one: its choice for UDP can be taken for TCP.
const ATTEMPTS: u32 = 32;

/// A UDP socket and a TCP listener bound to one address. They are bound before the node starts, so that a
/// group of nodes on ports of the system's choice can be told each other's addresses.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
    addr: SocketAddr,
}

impl Sockets {
    /// Binds to `addr`; port 0 lets the system choose a port that is free for both.
    ///
    /// # Errors
    /// When the address is not this machine's or the port is taken.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::bind_once(addr) {
                Err(error)
                    if error.kind() == ErrorKind::AddrInUse && addr.port() == 0 && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    fn bind_once(addr: SocketAddr) -> io::Result<Self> {
        let udp = UdpSocket::bind(addr)?;
        let addr = udp.local_addr()?;
        let tcp = TcpListener::bind(addr)?;
        // Tokio takes over sockets only in this mode.
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok(Self { udp, tcp, addr })
    }

    /// The address that both are bound to.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sockets_share_the_port_that_the_system_chose() {
        let sockets = Sockets::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(sockets.addr().port(), 0);
        assert_eq!(sockets.tcp.local_addr().unwrap(), sockets.addr());
        assert_eq!(Sockets::bind(sockets.addr()).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
