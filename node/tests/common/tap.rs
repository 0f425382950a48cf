//! Listens in on two nodes: each reaches the other through a tap that keeps all bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// Bytes that passed: each datagram, and of each connection what the opener and what the other end sent.
#[derive(Default)]
pub struct Heard {
    pub datagrams: Vec<Vec<u8>>,
    pub connections: Vec<[Vec<u8>; 2]>,
}

/// The address under which one node is known, and the wire behind it.
pub struct Tap {
    pub addr: SocketAddr,
    ends: Arc<OnceLock<[SocketAddr; 2]>>,
    heard: Arc<Mutex<Heard>>,
    stop: Arc<AtomicBool>,
}

const PAUSE: Duration = Duration::from_millis(20);

impl Tap {
    /// A tap on a port of the system's choice; nothing passes before [`Self::between`].
    pub fn new() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let tap = Self {
            addr: udp.local_addr().unwrap(),
            ends: Arc::default(),
            heard: Arc::default(),
            stop: Arc::default(),
        };
        udp.set_read_timeout(Some(PAUSE)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let (ends, heard, stop) = (tap.ends.clone(), tap.heard.clone(), tap.stop.clone());
        thread::spawn(move || datagrams(&udp, &ends, &heard, &stop));
        let (ends, heard, stop) = (tap.ends.clone(), tap.heard.clone(), tap.stop.clone());
        thread::spawn(move || connections(&tcp, &ends, &heard, &stop));
        tap
    }

    /// The real addresses of the node that this tap stands for, and of its only peer.
    pub fn between(&self, node: SocketAddr, peer: SocketAddr) {
        self.ends.set([node, peer]).expect("it is said once");
    }

    /// Looks at what passed.
    pub fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap())
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn datagrams(udp: &UdpSocket, ends: &OnceLock<[SocketAddr; 2]>, heard: &Mutex<Heard>, stop: &AtomicBool) {
    let mut buffer = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let Ok((len, from)) = udp.recv_from(&mut buffer) else { continue };
        let Some(&[node, peer]) = ends.get() else { continue };
        heard.lock().unwrap().datagrams.push(buffer[..len].to_vec());
        // A peer that is gone is no matter of the wire.
        let _ = udp.send_to(&buffer[..len], if from == node { peer } else { node });
    }
}

fn connections(
    tcp: &TcpListener,
    ends: &OnceLock<[SocketAddr; 2]>,
    heard: &Arc<Mutex<Heard>>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        let (opener, _) = match tcp.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(PAUSE);
                continue;
            }
            Err(_) => continue,
        };
        let Some(Ok(other)) = ends.get().map(|ends| TcpStream::connect(ends[0])) else { continue };
        opener.set_nonblocking(false).unwrap();
        let number = {
            let mut heard = heard.lock().unwrap();
            heard.connections.push(Default::default());
            heard.connections.len() - 1
        };
        let (back_from, back_to) = (other.try_clone().unwrap(), opener.try_clone().unwrap());
        let (there, back) = (heard.clone(), heard.clone());
        thread::spawn(move || {
            pipe(opener, other, |bytes| there.lock().unwrap().connections[number][0].extend(bytes));
        });
        thread::spawn(move || {
            pipe(back_from, back_to, |bytes| back.lock().unwrap().connections[number][1].extend(bytes));
        });
    }
}

fn pipe(mut from: TcpStream, mut to: TcpStream, note: impl Fn(&[u8])) {
    let mut buffer = [0; 65_536];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        note(&buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    // One end may have closed both ways already.
    let _ = to.shutdown(Shutdown::Write);
}
