//! Nodes on loopback come to agree, though their sockets lose datagrams.

mod common;

use common::{Process, config, members, name, put_key, sockets, until, until_agreed};
use heck_core::member::Member;
use heck_core::rng::Seed;
use heck_node::{Count, InjectedLoss, NodeConfig, Ratio, Sockets, Start, to_core};
use std::net::SocketAddr;
use std::path::Path;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three members that begin together, each of which loses this share of what it sends and of what it receives.
fn three_nodes(dir: &Path, outgoing: Ratio, incoming: Ratio) -> Vec<Process> {
    let sockets: Vec<_> = NAMES.iter().map(|_| sockets()).collect();
    let members = members(&NAMES, &sockets);
    let start = |(seed, (name, sockets))| {
        let mut config = config(name, dir, seed);
        config.members = members.clone();
        config.start = Start::Formed;
        config.loss = InjectedLoss { outgoing, incoming, seed: Seed(seed) };
        Process::start(sockets, config)
    };
    (1..).zip(NAMES.into_iter().zip(sockets)).map(start).collect()
}

fn total(nodes: &[Process], count: Count) -> u64 {
    nodes.iter().map(|node| node.handle.counters().get(count)).sum()
}

#[test]
fn three_nodes_agree_on_a_key_under_half_loss() {
    let dir = tempfile::tempdir().unwrap();
    let half = Ratio::percent(50);
    let nodes = three_nodes(dir.path(), half, Ratio::ZERO);
    nodes[0].command(put_key("answer", b"42"));
    until_agreed(&nodes, 1);
    for node in &nodes {
        assert_eq!(node.key("answer").as_deref(), Some(&b"42"[..]));
    }
    // More keys, so that for certain some of the broadcasts were lost, and all nodes wrote.
    for n in 0..30 {
        nodes[n % 3].command(put_key(&format!("k{n}"), &n.to_le_bytes()));
    }
    until_agreed(&nodes, 31);
    let sent_and_lost = || (total(&nodes, Count::DatagramsSent), total(&nodes, Count::LostOutgoing));
    let (sent, lost) = until("100 datagrams", sent_and_lost, |(sent, lost)| sent + lost >= 100);
    // Five standard deviations around the mean.
    assert!(lost * 3 > sent && sent * 3 > lost, "{sent} were sent and {lost} lost");
    assert_eq!(total(&nodes, Count::DatagramsUndecodable), 0);
    nodes.into_iter().for_each(Process::shut_down);
}

#[test]
fn three_nodes_agree_though_three_of_four_datagrams_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    let half = Ratio::percent(50);
    let nodes = three_nodes(dir.path(), half, half);
    for (n, node) in nodes.iter().enumerate() {
        node.command(put_key(&format!("k{n}"), b"v"));
    }
    until_agreed(&nodes, 3);
    until("datagrams are lost on arrival", || total(&nodes, Count::LostIncoming), |&lost| lost >= 3);
}

#[test]
fn a_key_too_large_for_a_datagram_reaches_all_nodes_by_stream_under_half_loss() {
    let dir = tempfile::tempdir().unwrap();
    let nodes = three_nodes(dir.path(), Ratio::percent(50), Ratio::ZERO);
    let value: Vec<u8> = (0..60 * 1024).map(|n: u32| (n / 7) as u8).collect();
    nodes[1].command(put_key("large", &value));
    until_agreed(&nodes, 1);
    for node in &nodes {
        assert_eq!(node.key("large").as_ref(), Some(&value));
    }
    let streams = total(&nodes, Count::StreamsOpened);
    assert!(streams >= 2, "two nodes had to fetch it, and {streams} streams were opened");
}

#[test]
fn a_node_on_both_kinds_of_ip_agrees_with_one_on_ipv4_alone() {
    let Ok(dual) = Sockets::bind("[::]:0".parse().unwrap()) else {
        eprintln!("this machine has no IPv6: nothing is tested");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let seen_as = SocketAddr::new([127, 0, 0, 1].into(), dual.addr().port());
    let plain = sockets();
    let members =
        vec![Member::new(name("dual"), to_core(seen_as)), Member::new(name("plain"), to_core(plain.addr()))];
    let settings = |node| NodeConfig {
        members: members.clone(),
        start: Start::Formed,
        advertise: (node == "dual").then_some(seen_as),
        ..config(node, dir.path(), 1)
    };
    let nodes = [Process::start(dual, settings("dual")), Process::start(plain, settings("plain"))];
    nodes[0].command(put_key("small", b"v"));
    nodes[0].command(put_key("large-there", &[1; 20_000]));
    nodes[1].command(put_key("large-back", &[2; 20_000]));
    until_agreed(&nodes, 3);
    assert_eq!(total(&nodes, Count::SendsFailed), 0);
}
