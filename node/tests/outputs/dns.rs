//! DNS, as `dig` sees it.

use crate::common::heck::{Heck, command};
use crate::common::until;
use crate::node::{Node, Web};
use crate::peer::find;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const SEED: u64 = 0x00D1_6000;

struct Dig {
    program: PathBuf,
    addr: String,
}

impl Dig {
    fn new(addr: &str) -> Option<Self> {
        Some(Self { program: find("dig", "Debian: bind9-dnsutils")?, addr: addr.to_owned() })
    }

    /// All that it prints.
    fn all(&self, args: &str) -> String {
        let (host, port) = self.addr.rsplit_once(':').expect("an address and a port");
        let mut command = Command::new(&self.program);
        command.args([&format!("@{host}"), "-p", port, "+tries=2", "+time=3", "+nocookie"]);
        let output = command.args(args.split(' ')).output().expect("dig runs");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The data of the records that answer, sorted.
    fn short(&self, args: &str) -> Vec<String> {
        let all = self.all(&format!("{args} +short"));
        let mut lines: Vec<String> = all.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Holds an answer to its code and the number of its answers and of records of the authority.
    fn expect(&self, args: &str, code: &str, answers: usize, authority: usize) -> String {
        let all = self.all(args);
        assert!(all.contains(&format!("status: {code},")), "{code} for {args}: {all}");
        let counts = format!("ANSWER: {answers}, AUTHORITY: {authority},");
        assert!(all.contains(&counts), "{counts} for {args}: {all}");
        all
    }
}

#[test]
fn a_tag_has_the_addresses_and_services_of_its_usable_origins() {
    let web = Web::new(3);
    let mut node = Node::start(&["--outputs-dns", "127.0.0.1:0", "--outputs-dns-ttl", "3s"]);
    let Some(dig) = Dig::new(&node.output("dns")) else { return };
    let ports = [0, 1, 2].map(|number| web.addr(number).port());
    node.put("web0", &web.url(0), r#", "tags": ["Web", "one"]"#);
    node.put("web1", &format!("http://127.0.0.2:{}/", ports[1]), r#", "tags": ["Web"]"#);
    node.put("named", &format!("http://localhost:{}/", ports[2]), r#", "tags": ["Web"]"#);
    // The server of the second origin is at another address, where nobody is.
    node.until_state("web0", "healthy");
    node.until_state("named", "healthy");
    node.until_state("web1", "unhealthy");
    assert_eq!(dig.short("web.tag.heck.internal A"), ["127.0.0.1"]);
    assert_eq!(dig.short("WEB.Tag.Heck.Internal A +tcp"), ["127.0.0.1"]);
    let services =
        [format!("0 1 {} 7f000001.addr.heck.internal.", ports[0]), format!("0 1 {} localhost.", ports[2])];
    let mut expected = services.to_vec();
    expected.sort();
    assert_eq!(dig.short("web.tag.heck.internal SRV"), expected);
    let all = dig.expect("_http._tcp.web.tag.heck.internal SRV", "NOERROR", 2, 0);
    let line =
        |parts: [&str; 5]| all.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == parts);
    assert!(line(["7f000001.addr.heck.internal.", "3", "IN", "A", "127.0.0.1"]), "{all}");
    assert!(all.contains(" aa"), "with authority: {all}");
    assert_eq!(dig.short("7f000001.addr.heck.internal A"), ["127.0.0.1"]);
    assert_eq!(dig.short("web0.origin.heck.internal A"), ["127.0.0.1"]);
    assert_eq!(dig.short("named.origin.heck.internal AAAA"), ["localhost."], "a name leads to a name");
    dig.expect("web1.origin.heck.internal A", "NOERROR", 0, 1);

    web.set(0, false);
    node.until_state("web0", "unhealthy");
    let all = dig.expect("one.tag.heck.internal A", "NOERROR", 0, 1);
    assert!(all.contains("SOA") && all.contains("hostmaster.heck.internal."), "{all}");
    web.set(0, true);
    node.until_state("web0", "healthy");
    assert_eq!(dig.short("one.tag.heck.internal A"), ["127.0.0.1"]);
    node.ask("POST", "/v1/origins/web0/drain", "");
    until("what drains is gone", || dig.short("one.tag.heck.internal A"), Vec::is_empty);
    node.ask("DELETE", "/v1/origins/web0", "");
    until(
        "what is removed is no name",
        || dig.all("one.tag.heck.internal A"),
        |all| all.contains("NXDOMAIN"),
    );
    let metrics = node.get("/metrics").body;
    assert!(!metrics.contains("heck_dns_answers_total 0"), "{metrics}");
}

#[test]
fn what_is_not_there_not_asked_well_or_not_ours_is_said_with_its_code() {
    let mut node = Node::start(&["--outputs-dns", "127.0.0.1:0", "--outputs-dns-zone", "Fleet.Example."]);
    let Some(dig) = Dig::new(&node.output("dns")) else { return };
    let web = Web::new(1);
    node.put("a.b", &web.url(0), r#", "tags": ["eu.web"]"#);
    node.until_state("a.b", "healthy");
    dig.expect("none.tag.fleet.example A", "NXDOMAIN", 0, 1);
    dig.expect("none.fleet.example A", "NXDOMAIN", 0, 1);
    dig.expect("tag.fleet.example A", "NOERROR", 0, 1);
    dig.expect("web.tag.fleet.example A", "NOERROR", 0, 1);
    dig.expect("eu.web.tag.fleet.example A", "NOERROR", 1, 0);
    dig.expect("eu.web.tag.fleet.example AAAA", "NOERROR", 0, 1);
    dig.expect("eu.web.tag.fleet.example TXT", "NOERROR", 0, 1);
    dig.expect("a.b.origin.fleet.example A", "NOERROR", 1, 0);
    dig.expect("fleet.example SOA", "NOERROR", 1, 0);
    assert_eq!(dig.short("fleet.example NS"), ["ns.fleet.example."]);
    assert_eq!(dig.short("ns.fleet.example A"), ["127.0.0.1"]);
    dig.expect("01020304.addr.fleet.example A", "NXDOMAIN", 0, 1);
    dig.expect("example.com A", "REFUSED", 0, 0);
    dig.expect("otherfleet.example A", "REFUSED", 0, 0);
    assert!(dig.all("fleet.example AXFR").contains("Transfer failed"));
    dig.expect("fleet.example A -c CH", "REFUSED", 0, 0);
    dig.expect("fleet.example A +opcode=notify", "NOTIMP", 0, 0);
    dig.expect("fleet.example A +edns=7 +noednsnegotiation", "BADVERS", 0, 0);
    let plain = dig.expect("eu.web.tag.fleet.example A +noedns", "NOERROR", 1, 0);
    assert!(!plain.contains("EDNS"), "{plain}");
    let edns = dig.expect("eu.web.tag.fleet.example A +bufsize=4096", "NOERROR", 1, 0);
    assert!(edns.contains("udp: 1232"), "{edns}");
}

#[test]
fn a_long_answer_is_cut_over_udp_and_whole_over_tcp() {
    let mut node = Node::start(&["--outputs-dns", "127.0.0.1:0"]);
    let Some(dig) = Dig::new(&node.output("dns")) else { return };
    // Whoever connects is served by the system already.
    let servers: Vec<TcpListener> =
        (1..=140).map(|last| TcpListener::bind(format!("127.0.9.{last}:0")).unwrap()).collect();
    for (number, server) in servers.iter().enumerate() {
        node.put(
            &format!("o{number}"),
            &format!("tcp://{}", server.local_addr().unwrap()),
            r#", "tags": ["many"]"#,
        );
    }
    let usable = || dig.short("many.tag.heck.internal A +tcp").len();
    until("as many as an answer may have", usable, |count| *count == 128);
    let health = || node.get("/v1/health").body.matches(r#""state":"healthy""#).count();
    until("all are healthy", health, |count| *count == 140);
    let cut = dig.expect("many.tag.heck.internal A +ignore", "NOERROR", 0, 0);
    assert!(cut.contains(" tc"), "{cut}");
    dig.expect("many.tag.heck.internal A +noedns +ignore", "NOERROR", 0, 0);
    dig.expect("many.tag.heck.internal A", "NOERROR", 128, 0);
    let services = dig.expect("many.tag.heck.internal SRV", "NOERROR", 128, 0);
    assert!(services.contains("SERVER") && services.contains("(TCP)"), "{services}");
    let others = (0..20).map(|_| dig.short("many.tag.heck.internal A +tcp"));
    let seen: std::collections::BTreeSet<String> = others.flatten().collect();
    assert_eq!(seen.len(), 140, "each question gets others");
}

#[test]
fn whatever_arrives_the_server_goes_on_answering() {
    let mut node = Node::start(&["--outputs-dns", "127.0.0.1:0"]);
    let addr = node.output("dns");
    let Some(dig) = Dig::new(&addr) else { return };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03web\x03tag\x04heck\x08internal\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
    let mut state = SEED;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..20_000 {
        let mut bytes = question.to_vec();
        for _ in 0..=next() % 4 {
            let at = next() % bytes.len();
            bytes[at] = next() as u8;
        }
        bytes.truncate(1 + next() % (2 * bytes.len()));
        socket.send_to(&bytes, &addr).unwrap();
    }
    dig.expect("heck.internal SOA", "NOERROR", 1, 0);
    dig.expect("heck.internal SOA +tcp", "NOERROR", 1, 0);
}

#[test]
fn a_node_that_has_not_joined_sends_clients_to_another_server() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["node", "--seal=false", "--join", "127.0.0.1:9", "--outputs-dns", "127.0.0.1:0"];
    let mut node = Heck::spawn(&mut command(dir.path(), &args));
    let addr = node.says("dns").split_whitespace().last().unwrap().to_owned();
    let Some(dig) = Dig::new(&addr) else { return };
    dig.expect("web.tag.heck.internal A +tries=1", "SERVFAIL", 0, 0);
}
