//! Datagrams: sent once to each receiver, and received one at a time.

use crate::addr::{from_core, to_core};
use crate::counters::{Count, Counters};
use crate::loss::{InjectedLoss, LossFilter};
use heck_core::id::Addr;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;

/// The largest datagram that UDP can carry, rounded up.
const RECEIVE_BYTES: usize = 65_536;

/// The node's UDP socket, with the loss that tests inject.
#[derive(Debug)]
pub(crate) struct Udp {
    socket: UdpSocket,
    is_v6: bool,
    incoming: LossFilter,
    outgoing: LossFilter,
    buffer: Vec<u8>,
    counters: Arc<Counters>,
}

impl Udp {
    pub(crate) fn new(
        socket: std::net::UdpSocket,
        loss: &InjectedLoss,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let is_v6 = socket.local_addr()?.is_ipv6();
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            is_v6,
            incoming: LossFilter::incoming(loss),
            outgoing: LossFilter::outgoing(loss),
            buffer: vec![0; RECEIVE_BYTES],
            counters,
        })
    }

    /// Waits for a datagram and says how long it is and where it came from. Nothing is lost when the future
    /// is dropped.
    pub(crate) async fn receive(&mut self) -> (usize, Addr) {
        loop {
            match self.socket.recv_from(&mut self.buffer).await {
                Ok(_) if self.incoming.loses() => self.counters.bump(Count::LostIncoming),
                Ok((len, from)) => {
                    self.counters.bump(Count::DatagramsReceived);
                    self.counters.add(Count::BytesReceived, len as u64);
                    return (len, to_core(from));
                }
                Err(_) => {
                    self.counters.bump(Count::ReceivesFailed);
                    // An error that stays must not keep the node's task from everything else.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// The first `len` bytes of the datagram that was received last.
    pub(crate) fn received(&self, len: usize) -> &[u8] {
        &self.buffer[..len]
    }

    /// Sends one datagram. A failure is counted: to the protocol it is a datagram that got lost.
    pub(crate) async fn send(&mut self, bytes: &[u8], to: Addr) {
        if self.outgoing.loses() {
            self.counters.bump(Count::LostOutgoing);
            return;
        }
        match self.socket.send_to(bytes, self.reachable(to)).await {
            Ok(_) => {
                self.counters.bump(Count::DatagramsSent);
                self.counters.add(Count::BytesSent, bytes.len() as u64);
            }
            Err(_) => self.counters.bump(Count::SendsFailed),
        }
    }

    /// The address in the form that this socket can send to.
    fn reachable(&self, to: Addr) -> SocketAddr {
        match from_core(to) {
            SocketAddr::V4(to) if self.is_v6 => {
                SocketAddr::new(IpAddr::V6(to.ip().to_ipv6_mapped()), to.port())
            }
            to => to,
        }
    }
}
