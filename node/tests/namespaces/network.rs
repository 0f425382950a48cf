//! Hosts on one wire: a network namespace each, joined by a bridge in another one, so that nothing of it reaches the
//! machine. Packets are lost and links are cut by nftables at the receiving host.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Numbers the networks of this process, which tests build side by side.
static BUILT: AtomicU32 = AtomicU32::new(0);
/// The first namespace of a machine makes the folder of all: two at once get in each other's way.
static SETUP: Mutex<()> = Mutex::new(());

/// What each host does with what arrives. The counters show that loss is what was asked for.
const RULES: &str = "
table inet heck {
    set apart { type ipv4_addr; }
    set lossy { type ipv4_addr; }
    set leaky { type ipv4_addr; }
    counter arrived { }
    counter lost { }
    chain arrival {
        type filter hook input priority filter; policy accept;
        ip saddr @apart drop
        ip saddr @leaky numgen random mod 100 < 20 drop
        ip saddr @lossy counter name arrived
        ip saddr @lossy numgen random mod 100 < 50 counter name lost drop
    }
}
";

/// Hosts that reach each other and nobody else. Gone, with all that it made, when this is dropped.
pub struct Network {
    prefix: String,
    namespaces: Vec<String>,
    hosts: u8,
}

/// One host of a network.
#[derive(Clone, Debug)]
pub struct Host {
    pub name: String,
    namespace: String,
    pub addr: Ipv4Addr,
}

/// Why this machine lends no namespaces, if it does not.
pub fn why_not() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("they need root".to_owned());
    }
    let missing = |program: &&str| {
        let found = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        !found.is_ok_and(|status| status.success())
    };
    if let Some(program) = ["ip", "nft"].iter().find(|program| missing(program)) {
        return Some(format!("the program `{program}` is missing (Debian: iproute2, nftables)"));
    }
    let mut network = Network { prefix: prefix(), namespaces: Vec::new(), hosts: 0 };
    network.try_namespace("probe").and_then(|namespace| load(&namespace, RULES)).err()
}

/// Unique to this process and this network.
fn prefix() -> String {
    format!("heck-{}-{}", process::id(), BUILT.fetch_add(1, Ordering::SeqCst))
}

/// Runs a command that has to succeed, and gives what it printed.
fn try_run(words: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| format!("`{}`: {error}", words.join(" "));
    let mut child = command.spawn().map_err(failed)?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        return Err(format!("`{}`: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()));
    }
    written.map_err(failed)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn run(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    try_run(&words, "").unwrap_or_else(|error| panic!("{error}"))
}

fn load(namespace: &str, rules: &str) -> Result<(), String> {
    try_run(&["ip", "netns", "exec", namespace, "nft", "-f", "-"], rules).map(drop)
}

impl Network {
    /// A wire without hosts.
    pub fn new() -> Self {
        let mut network = Self { prefix: prefix(), namespaces: Vec::new(), hosts: 0 };
        let hub = network.namespace("hub");
        run(&format!("ip -n {hub} link add bridge type bridge"));
        run(&format!("ip -n {hub} link set bridge up"));
        network
    }

    fn try_namespace(&mut self, name: &str) -> Result<String, String> {
        let namespace = format!("{}-{name}", self.prefix);
        let _setup = SETUP.lock().unwrap_or_else(PoisonError::into_inner);
        try_run(&["ip", "netns", "add", &namespace], "")?;
        self.namespaces.push(namespace.clone());
        Ok(namespace)
    }

    fn namespace(&mut self, name: &str) -> String {
        self.try_namespace(name).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A new host on the wire.
    pub fn host(&mut self, name: &str) -> Host {
        self.hosts += 1;
        let (hub, addr) = (self.namespaces[0].clone(), Ipv4Addr::new(10, 77, 0, self.hosts));
        let namespace = self.namespace(name);
        let port = format!("port{}", self.hosts);
        run(&format!("ip -n {namespace} link add eth0 type veth peer name {port} netns {hub}"));
        run(&format!("ip -n {hub} link set {port} master bridge up"));
        run(&format!("ip -n {namespace} addr add {addr}/24 dev eth0"));
        run(&format!("ip -n {namespace} link set eth0 up"));
        run(&format!("ip -n {namespace} link set lo up"));
        let host = Host { name: name.to_owned(), namespace, addr };
        host.load(RULES);
        host
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            if let Err(error) = try_run(&["ip", "netns", "delete", namespace], "") {
                crate::tell(format_args!("a namespace was left behind: {error}"));
            }
        }
    }
}

impl Host {
    /// The command that starts another one on this host, in words.
    pub fn launcher(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.namespace]
    }

    fn load(&self, rules: &str) {
        load(&self.namespace, rules).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Does something on this host, where sockets are made that belong to it.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let namespace = File::open(format!("/run/netns/{}", self.namespace)).expect("it was made");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter it");
            work()
        };
        // The thread ends with the work, and with it its stay in the namespace.
        let end = thread::scope(|scope| scope.spawn(enter).join());
        end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn add(&self, set: &str, hosts: &[&Self]) {
        let addrs: Vec<String> = hosts.iter().map(|host| host.addr.to_string()).collect();
        if !addrs.is_empty() {
            self.load(&format!("add element inet heck {set} {{ {} }}", addrs.join(", ")));
        }
    }

    /// From now on half of what comes from these hosts is lost.
    pub fn lose_half_from(&self, hosts: &[&Self]) {
        self.add("lossy", hosts);
    }

    /// From now on a fifth of what comes from these hosts is lost.
    pub fn lose_a_fifth_from(&self, hosts: &[&Self]) {
        self.add("leaky", hosts);
    }

    /// From now on nothing comes from these hosts.
    pub fn cut_off_from(&self, hosts: &[&Self]) {
        self.add("apart", hosts);
    }

    /// Mends all cuts.
    pub fn mend(&self) {
        self.load("flush set inet heck apart");
    }

    /// How many packets came from hosts of which half is lost, and how many of those were lost.
    pub fn losses(&self) -> (u64, u64) {
        let count = |name: &str| {
            let line = format!("ip netns exec {} nft list counter inet heck {name}", self.namespace);
            let text = run(&line);
            let packets = text.split("packets ").nth(1).and_then(|rest| rest.split_whitespace().next());
            packets.and_then(|packets| packets.parse().ok()).unwrap_or_else(|| panic!("{text}"))
        };
        (count("arrived"), count("lost"))
    }
}
