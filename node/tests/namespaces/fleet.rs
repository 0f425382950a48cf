//! Nodes that are real processes, each on a host of its own, and a web server whose origins they check.

use crate::api::{Api, Said};
use crate::common::heck::{Ended, Heck, command, command_through, run};
use crate::network::{self, Host, Network};
use crate::web::Web;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// When set to 1, a machine without namespaces fails the tests instead of skipping them.
const REQUIRED: &str = "HECK_REQUIRE_NAMESPACES";
/// Why tests are skipped is said once.
static SKIPPED: Once = Once::new();
const GOSSIP_PORT: u16 = 7400;
/// The API is for the node's own host alone.
const HTTP: &str = "127.0.0.1:7401";
/// The file of the fleet's keys, and the label of its cluster.
pub const KEYS: &str = "keys";
pub const CLUSTER: &str = "heck";

/// How often the origins of a test are checked, and how.
pub const INTERVAL: Duration = Duration::from_secs(2);
pub const FAST_INTERVAL: Duration = Duration::from_secs(1);
pub const TIMEOUT: Duration = Duration::from_secs(1);
/// As it is unless set.
const FALL: u32 = 3;
/// For a question to confirmers, as `checks.transit` is unless set.
const TRANSIT: Duration = Duration::from_secs(1);
/// As `protocol.repair_interval` is unless set.
pub const ROUND: Duration = Duration::from_secs(1);
/// As `membership.heal_interval` is unless set.
const HEAL_INTERVAL: Duration = Duration::from_secs(5);
/// As `protocol.join_timeout` is unless set.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an update may take to everyone under any loss that the project aims at: 33 rounds.
pub const SPREAD: Duration = ROUND.saturating_mul(33);
/// How long it may take until a crash is known: what `scenarios/ownership/node-leave.toml` allows.
pub const DETECTION: Duration = Duration::from_secs(25);
/// How long until two sides that lost each other agree about everything again.
pub const HEALING: Duration = HEAL_INTERVAL.saturating_mul(2).saturating_add(SPREAD);
/// How long until an origin that is ill is known to be by its owner: up to an interval until it is asked, the other
/// checks of `fall`, the last of which may time out, and the confirmers.
pub const FALLING: Duration = INTERVAL
    .saturating_add(FAST_INTERVAL.saturating_mul(FALL - 1))
    .saturating_add(TIMEOUT.saturating_mul(2))
    .saturating_add(TRANSIT);
/// How long until a fleet has formed: twice the time after which a node that finds nobody serves alone, and what its
/// clusters of one then need to become one cluster.
const FORMING: Duration = JOIN_TIMEOUT.saturating_mul(2).saturating_add(HEALING);

/// Says something where it is seen although the test does not fail.
pub fn tell(what: std::fmt::Arguments<'_>) {
    // In one piece, as tests run side by side. Nobody to tell it to is no fault of the node.
    let _ = std::io::stderr().write_all(format!("{what}\n").as_bytes());
}

/// Asks again and again until the answer is the one wanted, and gives it with the time that took. Fails the test with
/// the last answer otherwise.
pub fn within<T: Debug>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> (T, Duration) {
    let start = Instant::now();
    loop {
        let answer = ask();
        let took = start.elapsed();
        if wanted(&answer) {
            return (answer, took);
        }
        assert!(took < limit, "not in {limit:?}: {what}; at last {answer:#?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A process on a host.
pub struct Node {
    pub api: Api,
    heck: Option<Heck>,
}

impl Node {
    fn heck(&mut self) -> &mut Heck {
        self.heck.as_mut().expect("the test has not ended it")
    }

    /// Sends it a signal, by its name.
    pub fn signal(&mut self, name: &str) {
        self.heck().signal(name);
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.heck.as_ref().expect("the test has not ended it").pid()
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.heck.take().expect("the test has not ended it").kill();
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> Ended {
        self.heck.take().expect("the test has not ended it").wait()
    }

    /// Who it has held dead so far.
    pub fn buried(&mut self) -> Vec<String> {
        let dead = |line: &str| {
            let name = line.split("a member is dead name=\"").nth(1)?.split('"').next()?;
            Some(name.to_owned())
        };
        self.heck().logged().lines().filter_map(dead).collect()
    }
}

/// Nodes on one wire.
pub struct Fleet {
    test: &'static str,
    pub nodes: Vec<Node>,
    pub web: Web,
    /// What nodes are told beside what all are.
    flags: &'static [&'static str],
    network: Network,
    pub dir: TempDir,
}

impl Fleet {
    /// As many nodes, called n1 and so on, which know each other. None where the machine lends no namespaces.
    pub fn start(test: &'static str, count: usize) -> Option<Self> {
        let (mut fleet, hosts) = Self::build(test, count)?;
        fleet.run(&hosts);
        Some(fleet)
    }

    /// The same with these flags.
    pub fn start_with(test: &'static str, count: usize, flags: &'static [&'static str]) -> Option<Self> {
        let (mut fleet, hosts) = Self::build(test, count)?;
        fleet.flags = flags;
        fleet.run(&hosts);
        Some(fleet)
    }

    /// The same with half of all packets between nodes lost from the beginning.
    pub fn start_in_loss(test: &'static str, count: usize) -> Option<Self> {
        let (mut fleet, hosts) = Self::build(test, count)?;
        for host in &hosts {
            let others: Vec<&Host> = hosts.iter().filter(|other| other.addr != host.addr).collect();
            host.lose_half_from(&others);
        }
        fleet.run(&hosts);
        Some(fleet)
    }

    fn build(test: &'static str, count: usize) -> Option<(Self, Vec<Host>)> {
        if let Some(why) = network::why_not() {
            let required = std::env::var(REQUIRED).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRED}=1, and this machine lends no network namespaces: {why}");
            SKIPPED.call_once(|| tell(format_args!("SKIPPED all tests in namespaces: {why}")));
            return None;
        }
        let dir = tempfile::tempdir().expect("a folder for the test");
        fs::write(dir.path().join(KEYS), new_key(dir.path())).expect("the folder takes a file");
        let mut network = Network::new();
        let web = Web::start(&mut network);
        let hosts = (1..=count).map(|number| network.host(&format!("n{number}"))).collect();
        Some((Self { test, nodes: Vec::new(), web, flags: &[], network, dir }, hosts))
    }

    fn run(&mut self, hosts: &[Host]) {
        let start = Instant::now();
        for host in hosts {
            let node = self.spawn(host, KEYS, CLUSTER);
            self.nodes.push(node);
        }
        self.until_all_alive(FORMING);
        let count = hosts.len();
        tell(format_args!("{}: {count} nodes formed a fleet in {:.1?}", self.test, start.elapsed()));
    }

    /// Starts the process of a node, which joins through the first two others.
    fn spawn(&self, host: &Host, keys: &str, cluster: &str) -> Node {
        let (name, addr) = (&host.name, host.addr);
        let mut args = vec!["node".to_owned(), format!("--name={name}"), format!("--data-dir={name}")];
        args.push(format!("--bind={addr}:{GOSSIP_PORT}"));
        args.push(format!("--http={HTTP}"));
        args.push(format!("--key-file={keys}"));
        args.push(format!("--cluster={cluster}"));
        let others = self.nodes.iter().map(|node| node.api.host.addr).filter(|other| *other != addr);
        args.extend(others.take(2).map(|other| format!("--join={other}:{GOSSIP_PORT}")));
        let args: Vec<&str> = args.iter().map(String::as_str).chain(self.flags.iter().copied()).collect();
        let mut heck = Heck::spawn(&mut command_through(&host.launcher(), self.dir.path(), &args));
        let client = heck.api(&self.dir.path().join(name));
        Node { api: Api { node: name.clone(), host: host.clone(), client }, heck: Some(heck) }
    }

    /// Starts a node again that has ended.
    pub fn restart(&mut self, at: usize) {
        self.nodes[at] = self.spawn(&self.nodes[at].api.host, KEYS, CLUSTER);
    }

    /// One more node, with keys from a file of the test's folder and a label of a cluster, which tries to join.
    pub fn add(&mut self, name: &str, keys: &str, cluster: &str) -> Api {
        let host = self.network.host(name);
        let node = self.spawn(&host, keys, cluster);
        let api = node.api.clone();
        self.nodes.push(node);
        api
    }

    /// From now on a fifth of all packets between the nodes that there are is lost.
    pub fn lose_a_fifth(&self) {
        let hosts: Vec<&Host> = self.nodes.iter().map(|node| &node.api.host).collect();
        for host in &hosts {
            let others: Vec<&Host> = hosts.iter().copied().filter(|other| other.addr != host.addr).collect();
            host.lose_a_fifth_from(&others);
        }
    }

    /// The APIs of the nodes that run.
    pub fn apis(&self) -> Vec<Api> {
        self.nodes.iter().filter(|node| node.heck.is_some()).map(|node| node.api.clone()).collect()
    }

    /// Waits until every running node knows all running ones as alive.
    pub fn until_all_alive(&self, limit: Duration) -> Duration {
        let apis = self.apis();
        let lists = || apis.iter().map(Api::members).collect::<Vec<_>>();
        let is_alive = |list: &BTreeMap<String, String>| {
            apis.iter().all(|api| list.get(&api.node).is_some_and(|standing| standing == "alive"))
        };
        within(limit, "all know all as alive", lists, |lists| lists.iter().all(is_alive)).1
    }

    /// Lets the fleet check as many origins, called o1 and so on, and waits until every node knows all as healthy.
    pub fn check_origins(&self, count: usize) -> Vec<String> {
        let origins: Vec<String> = (1..=count).map(|number| format!("o{number}")).collect();
        let apis = self.apis();
        for (origin, api) in origins.iter().zip(apis.iter().cycle()) {
            let document = serde_json::json!({
                "url": format!("http://{}/{origin}", self.web.host.addr),
                "interval": format!("{}ms", INTERVAL.as_millis()),
                "fast_interval": format!("{}ms", FAST_INTERVAL.as_millis()),
                "timeout": format!("{}ms", TIMEOUT.as_millis()),
            });
            api.send("PUT", &format!("/v1/origins/{origin}"), &document.to_string(), 201);
        }
        until_said(&apis, &origins, FALLING + SPREAD, "healthy");
        until_owned(&apis, &origins, SPREAD);
        origins
    }

    /// Sets an origin well or ill, and measures how long it takes until these nodes know.
    pub fn flip(&self, origin: &str, is_well: bool, apis: &[Api]) -> Duration {
        self.web.set(origin, is_well);
        let state = if is_well { "healthy" } else { "unhealthy" };
        until_said(apis, &[origin.to_owned()], FALLING + SPREAD, state)
    }

    /// Sums up what the test measured.
    pub fn sum_up(&self, what: std::fmt::Arguments<'_>) {
        tell(format_args!("{}: {what}", self.test));
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if thread::panicking() {
            for node in &mut self.nodes {
                let log = node.heck.as_mut().map_or("", Heck::logged);
                tell(format_args!("---- {} of {} logged ----\n{log}", node.api.node, self.test));
            }
        }
        // Processes go before the namespaces that they are in.
        self.nodes.clear();
    }
}

/// A key for a cluster, as `heck keys generate` prints it.
pub fn new_key(folder: &Path) -> String {
    run(command(folder, &["keys", "generate"])).out
}

/// What these nodes say of all origins.
pub fn health_of(apis: &[Api]) -> Vec<BTreeMap<String, Said>> {
    apis.iter().map(Api::health).collect()
}

/// Waits until these nodes all say this of these origins.
pub fn until_said(apis: &[Api], origins: &[String], limit: Duration, state: &str) -> Duration {
    let what = format!("{origins:?} are {state} everywhere");
    let said = |health: &BTreeMap<String, Said>| {
        origins.iter().all(|origin| health.get(origin).is_some_and(|said| said.state == state))
    };
    within(limit, &what, || health_of(apis), |all| all.iter().all(said)).1
}

/// Waits until these origins are checked by owners about which these nodes agree, and who are among them.
pub fn until_owned(apis: &[Api], origins: &[String], limit: Duration) -> Duration {
    let are_owned = |all: &Vec<BTreeMap<String, Said>>| {
        origins.iter().all(|origin| {
            let said = |health: &BTreeMap<String, Said>| health.get(origin).cloned();
            let first = all.first().and_then(said);
            let is_ours = first.as_ref().is_some_and(|said| apis.iter().any(|api| api.node == said.by));
            is_ours
                && all.iter().all(|health| {
                    said(health).is_some_and(|said| said.is_checked_by_owner() && Some(said) == first)
                })
        })
    };
    within(limit, "every origin is checked by one of these nodes", || health_of(apis), are_owned).1
}

/// Waits until these nodes hold the same standing of these members.
pub fn until_standing(apis: &[Api], members: &[&str], standing: &str, limit: Duration) -> Duration {
    let what = format!("{members:?} are {standing} everywhere");
    let lists = || apis.iter().map(Api::members).collect::<Vec<_>>();
    let holds = |list: &BTreeMap<String, String>| {
        members.iter().all(|member| list.get(*member).is_some_and(|held| held == standing))
    };
    within(limit, &what, lists, |lists| lists.iter().all(holds)).1
}

/// Waits until these nodes hold these keys with these values.
pub fn until_written(apis: &[Api], keys: &BTreeMap<String, String>, limit: Duration) -> Duration {
    let missing = || {
        let missing_of = |api: &Api| {
            let held = api.keys();
            keys.iter().filter(|(key, value)| held.get(*key) != Some(value)).count()
        };
        apis.iter().map(missing_of).collect::<Vec<_>>()
    };
    within(limit, "every write is everywhere", missing, |missing| missing.iter().all(|count| *count == 0)).1
}
