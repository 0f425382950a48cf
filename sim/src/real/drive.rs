//! One run on real processes: the workload and the faults of the scenario at their times.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use heck_core::input::Command;
use heck_core::time::Time;
use hyper::Method;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::Trouble;
use super::client::Ask;
use super::cluster::{BYTES, Cluster, JSON};
use super::flags::document;
use super::measure::Record;
use super::network;
use super::rules::{self, Loss};
use super::traffic;
use super::web::{Web, url_of};
use crate::protocol::heck::HeckCommand;
use crate::run::faults::neighbours;
use crate::run::plan::{Plan, Planned};
use crate::scenario::{Checks, Disk, Event, EventKind, Scenario};

/// The run begins so long after everything is ready, so that nothing of it is late.
const NOTICE: Duration = Duration::from_millis(200);

/// Something that is to be done at a time.
enum Due<'a> {
    Fault(&'a Event),
    Command(&'a Planned),
}

/// A run under way.
pub struct Drive<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The nodes.
    pub cluster: Cluster<'a>,
    /// The origins.
    pub web: &'a Web,
    /// The namespace of the router.
    pub router: String,
    /// Losses in force, by the position of their fault; the network's own stands first.
    losses: BTreeMap<Option<usize>, Vec<Loss>>,
    /// Nodes that are not there, because they were never, or have left.
    away: Vec<bool>,
    faults: Vec<(Instant, EventKind)>,
    writes: JoinSet<Result<(), String>>,
}

impl<'a> Drive<'a> {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(scenario: &'a Scenario, cluster: Cluster<'a>, web: &'a Web, router: String) -> Self {
        let base = Loss { links: None, fraction: scenario.network.loss };
        let nodes = 0..scenario.cluster.nodes;
        Self {
            scenario,
            cluster,
            web,
            router,
            losses: BTreeMap::from([(None, vec![base])]),
            away: nodes.map(|node| node >= scenario.cluster.present()).collect(),
            faults: Vec::new(),
            writes: JoinSet::new(),
        }
    }

    /// Lets the router follow the losses in force.
    ///
    /// # Errors
    /// When nftables refuse them.
    pub async fn lose(&self) -> Result<(), Trouble> {
        let (router, rules) = (self.router.clone(), rules::losses(self.losses.values().flatten()));
        // What nodes say meanwhile is to be heard when they say it.
        let loaded = tokio::task::spawn_blocking(move || network::load(&router, &rules)).await;
        loaded.map_err(|error| Trouble::Failed(error.to_string())).flatten()
    }

    /// Lets the whole run happen, and gives what came of it with the writes that nodes did not take.
    ///
    /// # Errors
    /// When a node ends by itself, or the system does not do as it is told.
    pub async fn go(mut self, plan: &Plan, schedule: &[Event]) -> Result<(Record, u32), Trouble> {
        let mut due: Vec<(Time, Due<'_>)> =
            schedule.iter().map(|event| (event.at, Due::Fault(event))).collect();
        due.extend(plan.commands.iter().map(|planned| (planned.at, Due::Command(planned))));
        // Of one moment, faults come first.
        due.sort_by_key(|(at, _)| *at);
        let at_start = self.cluster.rows();
        let traffic = traffic::Watch::begin(self.router.clone());
        let begin = tokio::time::Instant::now() + NOTICE;
        let moment = |at: Time| begin + Duration::from_micros(at.0);
        self.web.begin(begin);
        for (at, due) in due {
            sleep_until(moment(at)).await;
            match due {
                Due::Fault(event) => self.happen(&event.kind).await?,
                Due::Command(planned) => self.command(planned),
            }
            self.cluster.check()?;
        }
        let end = Time::ZERO + self.scenario.run.duration;
        sleep_until(moment(end)).await;
        self.cluster.check()?;
        let mut refused = 0;
        while let Some(written) = self.writes.try_join_next() {
            refused += u32::from(!matches!(written, Ok(Ok(()))));
        }
        // Those that are still under way have not been taken.
        refused += self.writes.len() as u32;
        let seen = std::mem::take(&mut self.cluster.observer.book().seen);
        let traffic = traffic.end().await?;
        Ok((Record { begin: begin.into_std(), end, faults: self.faults, seen, at_start, traffic }, refused))
    }

    fn command(&mut self, planned: &Planned) {
        if let Some(ask) = ask_of(&planned.command, self.scenario.checks.as_ref()) {
            self.ask(planned.node, ask);
        }
    }

    /// Asks a node while time goes on.
    fn ask(&mut self, node: u32, ask: Ask) {
        let program = self.cluster.program.clone();
        self.writes.spawn(async move {
            let answer = Cluster::ask(&program, node, &ask).await?;
            if answer.status.is_success() { Ok(()) } else { Err(answer.status.to_string()) }
        });
    }

    fn note(&mut self, kind: EventKind) {
        self.faults.push((Instant::now(), kind));
    }

    async fn happen(&mut self, kind: &EventKind) -> Result<(), Trouble> {
        match kind {
            EventKind::Crash { nodes, disk } => self.crash(nodes, *disk),
            EventKind::Restart { nodes } => self.restart(nodes),
            EventKind::Pause { nodes } => {
                nodes.iter().for_each(|&node| self.cluster.processes[node as usize].pause());
                Ok(())
            }
            EventKind::Resume { nodes } => {
                nodes.iter().for_each(|&node| self.cluster.processes[node as usize].resume());
                Ok(())
            }
            EventKind::Loss { rule, links, fraction } => {
                let loss =
                    |link: &(Vec<u32>, Vec<u32>)| Loss { links: Some(link.clone()), fraction: *fraction };
                self.losses.insert(Some(*rule), links.iter().map(loss).collect());
                self.lose().await?;
                self.note(kind.clone());
                Ok(())
            }
            EventKind::End { rule } => {
                // The end of what is true of origins is theirs.
                let Some(_) = self.losses.remove(&Some(*rule)) else { return Ok(()) };
                self.lose().await?;
                self.note(kind.clone());
                Ok(())
            }
            EventKind::Join { node, through } => self.join(*node, through),
            EventKind::Leave { node } => {
                self.leave(*node);
                Ok(())
            }
            EventKind::Stop { node } => {
                self.stop(*node);
                Ok(())
            }
            // Origins follow the scenario by themselves, and the rest was refused before anything was started.
            _ => Ok(()),
        }
    }

    fn restart(&mut self, nodes: &[u32]) -> Result<(), Trouble> {
        let present = self.scenario.cluster.present();
        for &node in nodes {
            // Whoever left stays away.
            if !self.away[node as usize] && !self.cluster.processes[node as usize].is_up() {
                self.cluster.start(node, &neighbours(node, present))?;
                self.note(EventKind::Restart { nodes: vec![node] });
            }
        }
        Ok(())
    }

    fn join(&mut self, node: u32, through: &[u32]) -> Result<(), Trouble> {
        if std::mem::take(&mut self.away[node as usize]) {
            self.cluster.start(node, through)?;
            self.note(EventKind::Join { node, through: through.to_vec() });
        }
        Ok(())
    }

    fn leave(&mut self, node: u32) {
        let process = &mut self.cluster.processes[node as usize];
        if process.is_up() {
            process.may_end();
            self.note(EventKind::Leave { node });
            let path = "/v1/leave".to_owned();
            self.ask(node, Ask { method: Method::POST, path, content: JSON, body: Vec::new() });
        }
    }

    fn stop(&mut self, node: u32) {
        if self.cluster.processes[node as usize].kill() {
            self.away[node as usize] = true;
            self.note(EventKind::Stop { node });
        }
    }

    fn crash(&mut self, nodes: &[u32], disk: Disk) -> Result<(), Trouble> {
        let up = nodes.iter().copied().filter(|&node| self.cluster.processes[node as usize].is_up());
        let up: Vec<u32> = up.collect();
        self.note(EventKind::Crash { nodes: up.clone(), disk });
        for node in up {
            self.cluster.processes[node as usize].kill();
            if disk == Disk::Lost {
                self.cluster.program.lose_disk(node)?;
            }
        }
        Ok(())
    }
}

/// The number of an origin, by its name.
#[must_use]
pub fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix("origin-")?.parse().ok()
}

/// What a client asks for that gives this command; none where no client can.
fn ask_of(command: &HeckCommand, checks: Option<&Checks>) -> Option<Ask> {
    let HeckCommand::Client(command) = command else { return None };
    let ask = |method, path, content, body| Some(Ask { method, path, content, body });
    match command {
        Command::PutKey { name, value } => ask(Method::PUT, format!("/v1/kv/{name}"), BYTES, value.to_vec()),
        Command::Publish { topic, payload } => {
            ask(Method::POST, format!("/v1/messages/{topic}"), BYTES, payload.to_vec())
        }
        Command::PutOrigin { name, spec, .. } => {
            let edit = spec.target.split_once('?').map_or_else(String::new, |(_, edit)| format!("?{edit}"));
            let url = format!("{}{edit}", url_of(number_of(name.as_str())?));
            let document = document(checks?, &url).to_string();
            ask(Method::PUT, format!("/v1/origins/{name}"), JSON, document.into_bytes())
        }
        Command::RemoveOrigin { name } => ask(Method::DELETE, format!("/v1/origins/{name}"), "", Vec::new()),
        _ => None,
    }
}
