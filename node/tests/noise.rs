//! Whatever bytes arrive, the node counts them and goes on.

mod common;

use common::{Process, config, members, put_key, sockets, until, until_agreed};
use heck_core::codec::encode_packet;
use heck_core::id::NodeId;
use heck_core::packet::{Packet, PacketKind};
use heck_core::rng::{Seed, Stream};
use heck_node::{Count, NodeConfig, Start};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

fn noise(rng: &mut Stream, len: u32) -> Vec<u8> {
    (0..len).map(|_| rng.next_u32() as u8).collect()
}

fn sends_datagrams(to: SocketAddr, datagrams: impl Iterator<Item = Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for bytes in datagrams {
        socket.send_to(&bytes, to).unwrap();
        // Loopback drops what the receiver has no room for.
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn greeting() -> Vec<u8> {
    [b"HECK\x01".as_slice(), &[0; 16], &7_u16.to_le_bytes()].concat()
}

/// Opens a connection, sends the bytes, and waits until the node closes it.
fn is_closed_after(to: SocketAddr, bytes: &[u8]) {
    let mut connection = TcpStream::connect(to).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A connection with unread bytes in it is closed by a reset, which is an error here.
    match connection.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

fn node(dir: &std::path::Path, change: impl FnOnce(&mut NodeConfig)) -> Process {
    let mut settings = config("n", dir, 1);
    change(&mut settings);
    Process::start(sockets(), settings)
}

#[test]
fn garbage_datagrams_are_counted_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), |_| {});
    let mut rng = Stream::new(Seed(5), 0);
    let mut whole = Vec::new();
    encode_packet(&Packet { kind: PacketKind::Request, sender: NodeId(9), ..Packet::default() }, &mut whole);
    let cut = (0..whole.len()).map(|len| whole[..len].to_vec()).collect::<Vec<_>>();
    let mut garbage: Vec<Vec<u8>> = (0..100).map(|len| noise(&mut rng, len)).collect();
    garbage.push(noise(&mut rng, 60_000));
    garbage.extend(cut);
    let sent = garbage.len() as u64;
    sends_datagrams(node.handle.addr(), garbage.into_iter());
    let counted = || node.handle.counters().get(Count::DatagramsUndecodable);
    until("all garbage is counted", counted, |&count| count == sent);
    // What speaks another version is counted as such too.
    let of_others = || node.handle.counters().get(Count::DatagramsOfOtherVersions);
    let (noise_of_others, mut later) = (of_others(), whole.clone());
    later[0] += 1;
    sends_datagrams(node.handle.addr(), std::iter::once(later));
    until("it is counted", of_others, |&count| count == noise_of_others + 1);
    assert_eq!(counted(), sent + 1);
    // A packet that is whole but comes from a stranger is the protocol's to refuse.
    sends_datagrams(node.handle.addr(), std::iter::once(whole));
    until("the stranger is refused", || node.handle.counters().get(Count::Rejected), |&count| count == 1);
    node.command(put_key("k", b"v"));
}

#[test]
fn garbage_on_streams_is_counted_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), |config| config.limits.handshake = Duration::from_millis(200));
    let addr = node.handle.addr();
    let mut rng = Stream::new(Seed(6), 0);
    // No greeting, half of one, another version of one: the last two until the time is up or the end.
    for bytes in [noise(&mut rng, 500), greeting()[..9].to_vec(), b"HECK\x02".to_vec(), Vec::new()] {
        is_closed_after(addr, &bytes);
    }
    let counters = node.handle.counters();
    until("they are counted", || counters.get(Count::StreamsUnwelcome), |&count| count == 4);
    let frame = |len: u32, content: &[u8]| [&greeting()[..], &len.to_le_bytes(), content].concat();
    // A frame above the limit, one too short to be any, and one of noise.
    for bytes in [frame(u32::MAX, &[]), frame(3, &[1, 2, 3]), frame(300, &noise(&mut rng, 300))] {
        is_closed_after(addr, &bytes);
    }
    until("they are counted", || counters.get(Count::StreamsCut), |&count| count == 3);
    // A frame that was announced and never came to its end.
    drop(TcpStream::connect(addr).unwrap().write_all(&frame(1_000, &[0; 10])));
    until("it is counted", || counters.get(Count::StreamsCut), |&count| count == 4);
    node.command(put_key("k", b"v"));
}

#[test]
fn silent_streams_are_cut_and_too_many_are_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), |config| {
        config.limits.accepted_streams = 2;
        config.limits.stream_idle = Duration::from_millis(300);
    });
    let addr = node.handle.addr();
    let counters = node.handle.counters();
    let silent = || {
        let mut connection = TcpStream::connect(addr).unwrap();
        connection.write_all(&greeting()).unwrap();
        connection
    };
    let (_first, mut second) = (silent(), silent());
    until("both are accepted", || counters.get(Count::StreamsAccepted), |&count| count == 2);
    is_closed_after(addr, &[]);
    assert_eq!(counters.get(Count::StreamsTurnedAway), 1);
    second.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(second.read(&mut [0; 1]).unwrap(), 0, "the node closed it");
    until("both are cut", || counters.get(Count::StreamsCut), |&count| count == 2);
    let _third = silent();
    until("there is room again", || counters.get(Count::StreamsAccepted), |&count| count == 3);
}

#[test]
fn nodes_agree_while_garbage_rains_on_both_their_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let all = vec![sockets(), sockets()];
    let members = members(&["a", "b"], &all);
    let start = |(name, sockets)| {
        let mut settings = config(name, dir.path(), 3);
        settings.members = members.clone();
        settings.start = Start::Formed;
        Process::start(sockets, settings)
    };
    let nodes: Vec<Process> = ["a", "b"].into_iter().zip(all).map(start).collect();
    let mut rng = Stream::new(Seed(8), 0);
    for n in 0..20 {
        nodes[n % 2].command(put_key(&format!("k{n}"), b"v"));
        let addr = nodes[n % 2].handle.addr();
        sends_datagrams(addr, std::iter::once(noise(&mut rng, 700)));
        drop(TcpStream::connect(addr).unwrap().write_all(&noise(&mut rng, 700)));
    }
    until_agreed(&nodes, 20);
}
