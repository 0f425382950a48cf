//! HAProxy and its agent checks.

use crate::common::until;
use crate::node::{Node, Web};
use crate::peer::{Peer, find, free_port, get};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What an agent check gets that sends this.
fn check(addr: &str, line: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(line.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The state of each server of the backend, as HAProxy shows it.
fn states(socket: &Path) -> Vec<String> {
    let mut text = String::new();
    let mut ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(b"show stat\n")?;
        stream.read_to_string(&mut text)
    };
    // It may not have begun to listen.
    let _ = ask();
    let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    rows.filter(|row| row.len() > 17 && row[0] == "web" && row[1] != "BACKEND")
        .map(|row| format!("{} {}", row[1], row[17]))
        .collect()
}

#[test]
fn an_agent_check_is_answered_in_one_line_whatever_it_sends() {
    let web = Web::new(1);
    let mut node = Node::start(&["--outputs-agent-check", "127.0.0.1:0"]);
    let addr = node.output("agent checks");
    node.put("web", &web.url(0), "");
    node.until_state("web", "healthy");
    assert_eq!(check(&addr, "web\n"), "ready up\n");
    assert_eq!(check(&addr, "web\r\n"), "ready up\n");
    assert_eq!(check(&addr, "web"), "ready up\n", "an end of the line that is missing costs patience only");
    for line in ["none\n", "\n", "\u{0}\n", &"x".repeat(5_000)] {
        assert_eq!(check(&addr, line), "ready down #no such origin\n", "{line:?}");
    }
    web.set(0, false);
    node.until_state("web", "unhealthy");
    assert_eq!(check(&addr, "web\n"), "ready down #status\n");
    let metrics = node.get("/metrics").body;
    assert!(metrics.lines().any(|line| line == "heck_agent_checks_total 8"), "{metrics}");
    let open =
        Node::start(&["--outputs-agent-check", "127.0.0.1:0", "--outputs-unknown", "up"]).output("agent");
    assert!(TcpStream::connect(open).is_err(), "the port ends with its node");
}

#[test]
fn haproxy_takes_a_server_out_and_in_as_its_origin_flips() {
    let Some(haproxy) = find("haproxy", "Debian: haproxy") else { return };
    let web = Web::new(2);
    let mut node = Node::start(&["--outputs-agent-check", "127.0.0.1:0"]);
    let agent = node.output("agent checks");
    let (socket, port) = (node.path().join("stats"), free_port());
    let mut config = format!(
        "global\n  stats socket {} level admin\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 2s\n  \
         timeout server 2s\nfrontend in\n  bind 127.0.0.1:{port}\n  default_backend web\nbackend web\n",
        socket.display()
    );
    let (host, agent_port) = agent.rsplit_once(':').unwrap();
    for number in 0..2 {
        let addr = web.addr(number);
        node.put(&format!("web{number}"), &web.url(number), "");
        node.until_state(&format!("web{number}"), "healthy");
        let _ = writeln!(
            config,
            "  server web{number} {addr} agent-check agent-addr {host} agent-port {agent_port} agent-inter 100ms \
             agent-send \"web{number}\\n\""
        );
    }
    std::fs::write(node.path().join("haproxy.cfg"), config).unwrap();
    let _peer = Peer::start(&haproxy, &["-f", "haproxy.cfg", "-db"], node.path());
    let becomes = |wanted: [&str; 2]| {
        until(&format!("{wanted:?}"), || states(&socket), |states| *states == wanted);
    };
    // A server that HAProxy itself does not check is up without a word.
    becomes(["web0 no check", "web1 no check"]);
    web.set(0, false);
    becomes(["web0 DOWN (agent)", "web1 no check"]);
    let before = web.requests(0);
    for _ in 0..4 {
        let answer = get(port, "/through");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(web.requests(0), before, "none went to the server that is down");
    web.set(0, true);
    becomes(["web0 no check", "web1 no check"]);
    node.ask("POST", "/v1/origins/web0/drain", "");
    becomes(["web0 DRAIN (agent)", "web1 no check"]);
    node.ask("POST", "/v1/origins/web0/maintenance", "");
    becomes(["web0 MAINT", "web1 no check"]);
    node.ask("POST", "/v1/origins/web0/enable", "");
    becomes(["web0 no check", "web1 no check"]);
    node.ask("DELETE", "/v1/origins/web1", "");
    becomes(["web0 no check", "web1 DOWN (agent)"]);
    // Without a node HAProxy keeps what it was told.
    drop(node.heck);
    std::thread::sleep(std::time::Duration::from_millis(500));
    becomes(["web0 no check", "web1 DOWN (agent)"]);
}
