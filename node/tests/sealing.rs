//! Gossip is sealed: what passes between nodes, who is listened to, and how keys change while the cluster works.

mod common;

use common::tap::Tap;
use common::{Process, config, members, name, put_key, sockets, until, until_agreed};
use heck_core::codec::encode_packet;
use heck_core::id::NodeId;
use heck_core::member::Member;
use heck_core::packet::{Packet, PacketKind};
use heck_node::seal::{Key, Keyring, Keys, Sealing};
use heck_node::{Count, NodeConfig, Start, to_core};
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

const MARKER: &str = "nobody-else-should-read-this";

fn keyring(key: &Key, label: &str) -> Keyring {
    Keyring::new(Keys::new(key.clone()), &name(label), None)
}

/// Nodes that begin together, each with its own keyring.
fn nodes(dir: &Path, keyrings: &[(&str, Keyring)]) -> Vec<Process> {
    let sockets: Vec<_> = keyrings.iter().map(|_| sockets()).collect();
    let names: Vec<&str> = keyrings.iter().map(|(name, _)| *name).collect();
    let members = members(&names, &sockets);
    let start = |((name, keyring), sockets): (&(&str, Keyring), _)| {
        let mut config = config(name, dir, 1);
        config.members = members.clone();
        config.start = Start::Formed;
        config.sealing = Sealing::Sealed(keyring.clone());
        Process::start(sockets, config)
    };
    keyrings.iter().zip(sockets).map(start).collect()
}

/// Two nodes that reach each other through taps, once they agree on a small and on a large entry.
fn tapped(dir: &Path, sealing: &Sealing) -> (Vec<Process>, [Tap; 2]) {
    let taps = [Tap::new(), Tap::new()];
    let sockets = [sockets(), sockets()];
    let real = [0, 1].map(|n: usize| sockets[n].addr());
    taps[0].between(real[0], real[1]);
    taps[1].between(real[1], real[0]);
    let names = ["a", "b"];
    let members: Vec<Member> =
        names.iter().zip(&taps).map(|(node, tap)| Member::new(name(node), to_core(tap.addr))).collect();
    let start = |((node, sockets), tap): ((&str, _), &Tap)| {
        let settings = NodeConfig {
            members: members.clone(),
            start: Start::Formed,
            advertise: Some(tap.addr),
            sealing: sealing.clone(),
            ..config(node, dir, 1)
        };
        Process::start(sockets, settings)
    };
    let nodes: Vec<Process> = names.into_iter().zip(sockets).zip(&taps).map(start).collect();
    nodes[0].command(put_key(MARKER, MARKER.as_bytes()));
    nodes[1].command(put_key("large", MARKER.repeat(500).as_bytes()));
    until_agreed(&nodes, 2);
    (nodes, taps)
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
}

#[test]
fn nothing_that_is_written_can_be_read_on_the_wire_unless_sealing_is_off() {
    for sealing in [Sealing::Sealed(keyring(&Key::generate().unwrap(), "c")), Sealing::Unsealed] {
        let dir = tempfile::tempdir().unwrap();
        let (_nodes, taps) = tapped(dir.path(), &sealing);
        let count = |taps: &[Tap; 2], wanted: bool| {
            let (mut datagrams, mut streams) = (0, 0);
            for tap in taps {
                tap.heard(|heard| {
                    datagrams += heard.datagrams.iter().filter(|bytes| !wanted || holds(bytes)).count();
                    streams +=
                        heard.connections.iter().flatten().filter(|bytes| !wanted || holds(bytes)).count();
                });
            }
            (datagrams, streams)
        };
        let ((datagrams, streams), readable) = (count(&taps, false), count(&taps, true));
        assert!(datagrams > 2 && streams >= 2, "{datagrams} datagrams and {streams} directions of streams");
        if sealing == Sealing::Unsealed {
            assert!(readable.0 > 0 && readable.1 > 0, "the tap would see what is not sealed: {readable:?}");
        } else {
            assert_eq!(readable, (0, 0));
        }
    }
}

#[test]
fn a_stream_that_is_played_again_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let (nodes, taps) = tapped(dir.path(), &Sealing::Sealed(keyring(&Key::generate().unwrap(), "c")));
    // Node a fetched the large entry from b, which is behind the second tap.
    let opener = taps[1].heard(|heard| heard.connections.first().map(|[opener, _]| opener.clone()));
    let counters = nodes[1].handle.counters();
    let before = [Count::StreamsUnwelcome, Count::SealsBroken].map(|count| counters.get(count));
    let mut connection = TcpStream::connect(nodes[1].handle.addr()).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.write_all(&opener.expect("a stream was opened")).unwrap();
    let mut answer = Vec::new();
    // A connection with unread bytes in it is closed by a reset.
    let _ = connection.read_to_end(&mut answer);
    assert!(answer.len() <= 24, "nothing but a salt is answered");
    let after = || [Count::StreamsUnwelcome, Count::SealsBroken].map(|count| counters.get(count));
    until("it is counted", after, |after| after[0] > before[0] && after[1] > before[1]);
}

#[test]
fn keys_rotate_while_three_nodes_work_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let rings = ["a", "b", "c"].map(|name| (name, keyring(&old, "c")));
    let nodes = nodes(dir.path(), &rings);
    let unknown = || nodes.iter().map(|node| node.handle.counters().get(Count::SealsUnknown)).sum::<u64>();
    let mut written = 0;
    let mut write = |count: usize| {
        for _ in 0..count {
            // Some are too large for a datagram, so that streams are opened all the time too.
            let value = vec![written as u8; if written % 5 == 0 { 3_000 } else { 20 }];
            nodes[written % 3].command(put_key(&format!("k{written}"), &value));
            written += 1;
        }
    };
    write(10);
    for (_, ring) in &rings {
        ring.install(new.clone()).unwrap();
        write(10);
    }
    for (_, ring) in &rings {
        ring.use_key(new.id()).unwrap();
        write(10);
    }
    assert_eq!(unknown(), 0, "every node can open what any of them seals");
    for (_, ring) in &rings {
        ring.remove(old.id()).unwrap();
        write(10);
    }
    until_agreed(&nodes, 100);
    for (_, ring) in &rings {
        assert_eq!(ring.ids(), [new.id()]);
    }
    // What the new key alone seals arrives too.
    nodes[0].command(put_key("after", b"v"));
    until_agreed(&nodes, 101);
}

#[test]
fn a_node_with_another_key_or_another_label_is_counted_and_not_listened_to() {
    let key = Key::generate().unwrap();
    for (stranger, count) in [
        (keyring(&Key::generate().unwrap(), "c"), Count::SealsUnknown),
        (keyring(&key, "another"), Count::SealsBroken),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let rings = [("a", keyring(&key, "c")), ("b", keyring(&key, "c")), ("stranger", stranger)];
        let mut nodes = nodes(dir.path(), &rings);
        let stranger = nodes.pop().unwrap();
        stranger.command(put_key("theirs", b"v"));
        nodes[0].command(put_key("ours", b"v"));
        until_agreed(&nodes, 1);
        until(
            "both sides hear what they cannot open",
            || [&nodes[0], &nodes[1], &stranger].map(|node| node.handle.counters().get(count)),
            |counts| counts.iter().all(|&count| count > 2),
        );
        assert_eq!((nodes[1].key("theirs"), stranger.key("ours")), (None, None));
        let decoded = nodes[0].handle.counters().get(Count::DatagramsUndecodable);
        assert_eq!(decoded, 0, "what does not open goes no further");
    }
}

#[test]
fn what_is_not_sealed_is_counted_and_goes_no_further() {
    let dir = tempfile::tempdir().unwrap();
    let nodes = nodes(dir.path(), &[("a", keyring(&Key::generate().unwrap(), "c"))]);
    let mut packet = Vec::new();
    encode_packet(&Packet { kind: PacketKind::Request, sender: NodeId(9), ..Packet::default() }, &mut packet);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for bytes in [packet.as_slice(), b"", &[1; 48], &[0; 1_400]] {
        socket.send_to(bytes, nodes[0].handle.addr()).unwrap();
    }
    let counters = nodes[0].handle.counters();
    until("all are counted", || counters.get(Count::SealsUnknown), |&count| count == 4);
    assert_eq!([Count::DatagramsUndecodable, Count::Rejected].map(|count| counters.get(count)), [0, 0]);
}
