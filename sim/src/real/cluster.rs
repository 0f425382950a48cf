//! A cluster of real nodes: processes on their hosts, formed and filled as the scenario has it when its run begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use heck_core::entry::HealthState;
use heck_core::member::Standing;
use hyper::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Trouble;
use super::client::{Answer, Ask, Client};
use super::flags::document;
use super::observe::{List, Observer, Watching};
use super::process::{Process, Program, api_of};
use super::web::url_of;
use crate::run::faults::neighbours;
use crate::run::setup::{Setup, key_name, origin_name};
use crate::scenario::Scenario;

/// How long a cluster may take to form, and how long to hold what it begins with.
const FORMING: Duration = Duration::from_secs(180);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);
/// How often a write of the beginning is tried again that a node does not take yet.
const TRIES: u32 = 40;
/// The type of bodies that are any bytes.
pub const BYTES: &str = "application/octet-stream";
/// The type of documents.
pub const JSON: &str = "application/json";

/// Nodes with all that watches them. Processes end when this is dropped.
pub struct Cluster<'a> {
    /// What is watched of whom; ends first.
    watching: Vec<Watching>,
    /// The processes, by node.
    pub processes: Vec<Process>,
    /// What they are started with.
    pub program: Arc<Program>,
    /// What was seen of them.
    pub observer: Observer,
    scenario: &'a Scenario,
    setup: &'a Setup,
}

impl<'a> Cluster<'a> {
    /// Nodes that are all down, on the hosts of these namespaces.
    #[must_use]
    pub fn new(
        scenario: &'a Scenario,
        setup: &'a Setup,
        program: Program,
        namespaces: impl Iterator<Item = String>,
    ) -> Self {
        let processes =
            (0..).zip(namespaces).map(|(node, namespace)| Process::new(node, namespace)).collect();
        let (program, observer) = (Arc::new(program), Observer::default());
        Self { watching: Vec::new(), processes, program, observer, scenario, setup }
    }

    /// Starts a node, to join through these.
    ///
    /// # Errors
    /// When the system starts no process.
    pub fn start(&mut self, node: u32, through: &[u32]) -> Result<(), Trouble> {
        let name = self.setup.names[node as usize].clone();
        self.processes[node as usize].start(&self.program, name.as_str(), through)
    }

    /// Asks a node once.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(program: &Program, node: u32, ask: &Ask) -> Result<Answer, String> {
        let token = program.token(node).ok_or("it has not started")?;
        Client { addr: api_of(node), token }.ask(ask).await
    }

    /// Starts all that are there in the beginning, and waits until all know all.
    ///
    /// # Errors
    /// When one of them ends, or they form no cluster in time.
    pub async fn form(&mut self) -> Result<(), Trouble> {
        let present = self.scenario.cluster.present();
        for node in 0..self.scenario.cluster.nodes {
            self.watching.push(self.observer.watch(node, &self.program));
        }
        for node in 0..present {
            // The first one founds the cluster.
            let through = if node == 0 { Vec::new() } else { neighbours(node, present) };
            self.start(node, &through)?;
            if node == 0 {
                self.until("the first node serves", async |cluster| {
                    let ready = Self::ask(&cluster.program, 0, &Ask::get("/readyz")).await;
                    ready.is_ok_and(|answer| answer.status.is_success())
                })
                .await?;
            }
        }
        let names: Vec<String> = self.setup.names.iter().map(|name| name.as_str().to_owned()).collect();
        self.until("all nodes know all as alive", async |cluster| {
            let book = cluster.observer.book();
            (0..present).all(|node| {
                let held = book.held(node).members;
                let is_alive = |name: &String| held.get(name) == Some(&Standing::Alive);
                names.iter().take(present as usize).all(is_alive)
            })
        })
        .await
    }

    /// Writes what the cluster has in the beginning, each by the node that has written it in the simulator, and waits
    /// until all nodes have it.
    ///
    /// # Errors
    /// When a write is refused, or does not reach everyone in time.
    pub async fn fill(&mut self) -> Result<(), Trouble> {
        let cluster = &self.scenario.cluster;
        let size = self.scenario.workload.value_size.as_u64() as usize;
        let writer = |number: u32| number % cluster.present();
        let mut writes = Vec::new();
        for number in 0..cluster.origins {
            let Some(checks) = &self.scenario.checks else { break };
            let (path, url) = (format!("/v1/origins/{}", origin_name(number)), url_of(number));
            let body = document(checks, &url).to_string().into_bytes();
            let ask = Ask { method: Method::PUT, path, content: JSON, body };
            writes.push((writer(number.wrapping_mul(7_919)), ask));
        }
        for number in 0..cluster.keys {
            let path = format!("/v1/kv/{}", key_name(number));
            // None that an update writes: a node writes nothing where the value is there already.
            let body = vec![u8::MAX; size];
            let ask = Ask { method: Method::PUT, path, content: BYTES, body };
            writes.push((writer(number.wrapping_mul(104_729)), ask));
        }
        let mut writing = JoinSet::new();
        for (node, ask) in writes {
            writing.spawn(insist(self.program.clone(), node, ask));
        }
        while let Some(written) = writing.join_next().await {
            written.map_err(|error| Trouble::Failed(error.to_string())).flatten()?;
        }
        let (origins, keys) = (cluster.origins, cluster.keys);
        let rows: BTreeSet<(List, String)> = (0..origins)
            .map(|number| (List::Origins, origin_name(number).as_str().to_owned()))
            .chain((0..keys).map(|number| (List::Keys, key_name(number).as_str().to_owned())))
            .collect();
        let present = cluster.present();
        self.until("all nodes hold what was written, and all origins to be healthy", async |cluster| {
            let book = cluster.observer.book();
            (0..present).all(|node| {
                let held = book.held(node);
                rows.iter().all(|row| {
                    let (list, name) = row;
                    let is_healthy = held.health.get(name) == Some(&HealthState::Healthy);
                    held.rows.contains_key(row) && (*list == List::Keys || is_healthy)
                })
            })
        })
        .await
    }

    /// The versions of the rows that there are now.
    #[must_use]
    pub fn rows(&self) -> BTreeMap<(List, String), String> {
        self.observer.book().held(0).rows
    }

    async fn until(&mut self, what: &str, is_so: impl AsyncFn(&Self) -> bool) -> Result<(), Trouble> {
        let start = Instant::now();
        while !is_so(self).await {
            self.check()?;
            if start.elapsed() > FORMING {
                let last = self.program.last_words(0);
                return Err(Trouble::Failed(format!(
                    "not in {FORMING:?}: {what}; the first node's log ends:\n{last}"
                )));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Goes on if no process has ended that nobody ended.
    ///
    /// # Errors
    /// When one has.
    pub fn check(&mut self) -> Result<(), Trouble> {
        let Some(failed) =
            self.processes.iter_mut().find_map(|process| process.has_failed().then_some(process.node))
        else {
            return Ok(());
        };
        let (name, last) = (&self.setup.names[failed as usize], self.program.last_words(failed));
        Err(Trouble::Failed(format!("{name} ended by itself; its log ends:\n{last}")))
    }
}

/// Asks until the node does as it is asked.
async fn insist(program: Arc<Program>, node: u32, ask: Ask) -> Result<(), Trouble> {
    let mut last = String::new();
    for _ in 0..TRIES {
        last = match Cluster::ask(&program, node, &ask).await {
            Ok(answer) if answer.status.is_success() => return Ok(()),
            Ok(answer) => format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)),
            Err(error) => error,
        };
        sleep(LOOK).await;
    }
    Err(Trouble::Failed(format!("node {node} does not take {} {}: {last}", ask.method, ask.path)))
}
