//! Datagrams: sent once to each receiver, and received one at a time.

use crate::addr::{from_core, to_core};
use crate::counters::{Count, Counters};
use crate::loss::{InjectedLoss, LossFilter};
use crate::seal::{Datagrams, SealError, Sealers, Sealing};
use heck_core::id::Addr;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// The largest datagram that UDP can carry, rounded up.
const RECEIVE_BYTES: usize = 65_536;

/// The node's UDP socket, with the sealing of datagrams and the loss that tests inject.
pub(crate) struct Udp {
    socket: UdpSocket,
    seal: Option<Seal>,
    is_v6: bool,
    incoming: LossFilter,
    outgoing: LossFilter,
    buffer: Vec<u8>,
    /// Where in the buffer the packet stands that was received last.
    packet: Range<usize>,
    counters: Arc<Counters>,
}

/// What seals and opens.
struct Seal {
    keys: watch::Receiver<Sealers>,
    datagrams: Datagrams,
}

impl Udp {
    pub(crate) fn new(
        socket: std::net::UdpSocket,
        sealing: &Sealing,
        loss: &InjectedLoss,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let is_v6 = socket.local_addr()?.is_ipv6();
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            seal: match sealing {
                Sealing::Unsealed => None,
                Sealing::Sealed(keyring) => {
                    Some(Seal { keys: keyring.watch(), datagrams: Datagrams::default() })
                }
            },
            is_v6,
            incoming: LossFilter::incoming(loss),
            outgoing: LossFilter::outgoing(loss),
            buffer: vec![0; RECEIVE_BYTES],
            packet: 0..0,
            counters,
        })
    }

    /// Waits for a datagram that opens and says where it came from. Nothing is lost when the future is dropped.
    pub(crate) async fn receive(&mut self) -> Addr {
        loop {
            match self.socket.recv_from(&mut self.buffer).await {
                Ok(_) if self.incoming.loses() => self.counters.bump(Count::LostIncoming),
                Ok((len, from)) => {
                    self.counters.bump(Count::DatagramsReceived);
                    self.counters.add(Count::BytesReceived, len as u64);
                    if self.open(len) {
                        return to_core(from);
                    }
                }
                Err(_) => {
                    self.counters.bump(Count::ReceivesFailed);
                    // An error that stays must not keep the node's task from everything else.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Opens the datagram of this length that stands in the buffer; one that does not open is counted.
    fn open(&mut self, len: usize) -> bool {
        let Some(seal) = &self.seal else {
            self.packet = 0..len;
            return true;
        };
        let opened = seal.keys.borrow().open(&mut self.buffer[..len]);
        match opened {
            Ok(packet) => {
                self.packet = packet;
                return true;
            }
            Err(SealError::Unknown) => self.counters.bump(Count::SealsUnknown),
            Err(SealError::Broken) => self.counters.bump(Count::SealsBroken),
        }
        false
    }

    /// The packet that was received last.
    pub(crate) fn received(&self) -> &[u8] {
        &self.buffer[self.packet.clone()]
    }

    /// Makes `bytes` ready for a packet to be appended.
    pub(crate) fn begin(&self, bytes: &mut Vec<u8>) {
        match &self.seal {
            Some(_) => Datagrams::begin(bytes),
            None => bytes.clear(),
        }
    }

    /// Seals the packet that was appended since [`Self::begin`]; false when that cannot be, and nothing may be sent.
    pub(crate) fn seal(&mut self, bytes: &mut Vec<u8>) -> bool {
        let Some(Seal { keys, datagrams }) = &mut self.seal else { return true };
        let sealed = datagrams.seal(keys.borrow().first(), bytes).is_ok();
        if !sealed {
            self.counters.bump(Count::SendsFailed);
        }
        sealed
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
