//! Hosts that reach each other through a router and nobody else: a network namespace each, so that nothing of it reaches
//! the machine. The router loses what it is told to lose. All of it is gone when the network is dropped.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Trouble;
use super::rules;
use super::stop::Stop;

/// Where clients of the nodes are: on the router itself, to which nothing is lost.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 1);
/// Where the origins are.
pub const WEB: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
/// The programs that it takes, with the arguments that let them tell their version.
const PROGRAMS: [(&str, &str); 2] = [("ip", "-V"), ("nft", "-v")];

/// The network of one run.
pub struct Network {
    prefix: String,
    /// Those that were made, the router's first.
    namespaces: Vec<String>,
}

/// Why this machine lends no network, if it does not.
#[must_use]
pub fn why_not() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, to make network namespaces".to_owned());
    }
    let is_missing = |(program, version): &&(&str, &str)| {
        let found = quiet(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
        !found.is_ok_and(|status| status.success())
    };
    let missing = PROGRAMS.iter().find(is_missing)?;
    Some(format!("the program `{}` is missing (Debian: iproute2, nftables)", missing.0))
}

/// A command that signals meant for this process do not reach: it is this one that ends what it began.
fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.process_group(0).stdin(Stdio::null());
    command
}

/// Runs a command with this input, and gives what it printed.
///
/// # Errors
/// What it complained of, when it does not succeed.
pub fn run(words: &[&str], input: &str) -> Result<String, Trouble> {
    let failed = |error: io::Error| Trouble::Failed(format!("`{}`: {error}", words.join(" ")));
    let mut command = quiet(words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Trouble::Failed(format!("`{}`: {}", words.join(" "), said.trim())));
    }
    written.map_err(failed)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Does something in a network namespace, where the sockets and threads that it makes belong.
///
/// # Errors
/// When the namespace cannot be entered.
pub fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let enter = || {
        let namespace = File::open(format!("/run/netns/{namespace}"))?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(work())
    };
    // The thread ends with the work, and with it its stay in the namespace.
    let end = thread::scope(|scope| scope.spawn(enter).join());
    end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Network {
    /// A router, a host for each of so many nodes, and one for the origins. Namespaces are called after the prefix.
    ///
    /// # Errors
    /// When a command fails, or the stop comes first. Nothing is left behind then.
    pub fn build(prefix: &str, nodes: u32, stop: &Stop) -> Result<Self, Trouble> {
        let mut network = Self { prefix: prefix.to_owned(), namespaces: Vec::new() };
        let router = network.namespace("router")?;
        // Sent whole to the router's own loopback, so that it has an address that is no node's.
        run(
            &["ip", "-n", &router, "-batch", "-"],
            &format!("addr add {CLIENT}/32 dev lo\nlink set lo up\n"),
        )?;
        run(&["ip", "netns", "exec", &router, "tee", "/proc/sys/net/ipv4/ip_forward"], "1")?;
        for node in 0..nodes {
            stop.check()?;
            network.host(&Self::name_of(node), rules::addr_of(node), node)?;
        }
        network.host("web", WEB, nodes)?;
        network.load(&rules::counters())?;
        Ok(network)
    }

    fn name_of(node: u32) -> String {
        format!("n{node}")
    }

    fn namespace(&mut self, name: &str) -> Result<String, Trouble> {
        let namespace = format!("{}-{name}", self.prefix);
        run(&["ip", "netns", "add", &namespace], "")?;
        self.namespaces.push(namespace.clone());
        Ok(namespace)
    }

    /// A host whose only way leads to the router. The router answers for whoever it asks for.
    fn host(&mut self, name: &str, addr: Ipv4Addr, port: u32) -> Result<(), Trouble> {
        let (namespace, router) = (self.namespace(name)?, self.router().to_owned());
        let port = format!("port{port}");
        run(
            &["ip", "-n", &router, "-batch", "-"],
            &format!(
                "link add {port} type veth peer name eth0 netns {namespace}\nlink set {port} up\nroute add \
                 {addr}/32 dev {port} src {CLIENT}\n"
            ),
        )?;
        run(
            &["ip", "-n", &namespace, "-batch", "-"],
            &format!(
                "addr add {addr}/32 dev eth0\nlink set lo up\nlink set eth0 up\nroute add {CLIENT}/32 dev eth0\nroute \
                 add default via {CLIENT} dev eth0\n"
            ),
        )?;
        Ok(())
    }

    /// The namespace of the router.
    #[must_use]
    pub fn router(&self) -> &str {
        &self.namespaces[0]
    }

    /// The namespace of a node.
    #[must_use]
    pub fn node(&self, node: u32) -> String {
        format!("{}-{}", self.prefix, Self::name_of(node))
    }

    /// The namespace of the origins.
    #[must_use]
    pub fn web(&self) -> String {
        format!("{}-web", self.prefix)
    }

    /// Lets the router follow these rules.
    ///
    /// # Errors
    /// When nftables refuse them.
    pub fn load(&self, rules: &str) -> Result<(), Trouble> {
        load(self.router(), rules)
    }

    /// How many packets nodes have sent each other, and how many of them passed.
    ///
    /// # Errors
    /// When nftables do not tell.
    pub fn counted(&self) -> Result<(u64, u64), Trouble> {
        Ok((count(self.router(), "sent")?.packets, count(self.router(), "passed")?.packets))
    }
}

/// What a counter of the router says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted {
    /// Packets.
    pub packets: u64,
    /// Their bytes, IP headers included.
    pub bytes: u64,
}

/// What the counter of this name says at the router in this namespace.
///
/// # Errors
/// When nftables do not tell.
pub fn count(router: &str, name: &str) -> Result<Counted, Trouble> {
    let text = run(&["ip", "netns", "exec", router, "nft", "list", "counter", "inet", "counts", name], "")?;
    let after = |word: &str| {
        let number = text.split(word).nth(1).and_then(|rest| rest.split_whitespace().next());
        let number = number.and_then(|number| number.parse().ok());
        number.ok_or_else(|| Trouble::Failed(format!("nftables count no packets: {text}")))
    };
    Ok(Counted { packets: after("packets ")?, bytes: after("bytes ")? })
}

/// Lets the router in this namespace follow these rules.
///
/// # Errors
/// When nftables refuse them.
pub fn load(router: &str, rules: &str) -> Result<(), Trouble> {
    run(&["ip", "netns", "exec", router, "nft", "-f", "-"], rules).map(drop)
}

impl Drop for Network {
    fn drop(&mut self) {
        // In one go: a namespace takes the kernel some hundredths of a second. What cannot be removed is found by the
        // next run.
        let lines: String =
            self.namespaces.iter().map(|namespace| format!("netns delete {namespace}\n")).collect();
        let _ = run(&["ip", "-force", "-batch", "-"], &lines);
    }
}
