//! One run: one scenario under one seed.

use heck_core::input::Command;
use heck_core::member::Members;
use heck_core::node::Node;
use heck_core::rng::Seed;
use heck_core::state::State;
use heck_core::time::{Span, Time};

use super::checks::CheckWatch;
use super::deaths::Deaths;
use super::extras::Extras;
use super::faults::{Begun, Faults, join_peers};
use super::origins::Origins;
use super::plan::{Followed, Plan};
use super::setup::{self, Setup};
use super::sides::Sides;
use super::watch::{Parts, Watch};
use super::{Options, RunError};
use crate::checker::{Beginning, Bounds, CheckBounds, Checkers, Effort, Hindrances, Now, lists_differ};
use crate::engine::disk::DiskConfig;
use crate::engine::latency::Latency;
use crate::engine::world::{Halt, World, WorldConfig};
use crate::protocol::heck::{Heck, HeckCommand};
use crate::report::outcome::{RunOutcome, Violation};
use crate::scenario::{Event, EventKind, Scenario, Start};

/// How often nodes are compared while they should come to agree, and some of them are visited.
const AGREEMENT_STEP: Span = Span::from_ms(100);
/// Of this many nodes one is visited in a step: a visit costs as much as hundreds of events.
const NODES_PER_VISIT: u32 = 1_024;
/// So many observers are asked in the end whom they count.
const OBSERVERS: usize = 101;
/// How long agreement must last before a run that has nothing else to wait for ends.
const AGREEMENT_LASTS: Span = Span::from_secs(1);

/// Runs a scenario under a seed.
///
/// # Errors
/// When the scenario cannot be run, or a message does not survive its encoding.
pub fn run(
    scenario: &Scenario,
    setup: &Setup,
    seed: Seed,
    options: &Options,
) -> Result<RunOutcome, RunError> {
    let schedule = scenario.schedule(seed);
    let plan = Plan::new(scenario, setup, seed).map_err(RunError::Impossible)?;
    let mut world = world(scenario, setup, seed, options, &schedule)?;
    for (token, planned) in (1..).zip(&plan.commands) {
        world.command_at(planned.at, planned.node, token, planned.command.clone());
    }
    let nodes = scenario.cluster.nodes;
    let checkers = Checkers::new(beginning(scenario, setup, &schedule));
    let warm = Time::ZERO + scenario.workload.warmup;
    let deaths = Deaths::new(&setup.names, scenario.cluster.present(), touched(&schedule, nodes));
    let deaths = if setup.config.membership.is_none() { deaths.of_a_given_list() } else { deaths };
    let origins = Origins::new(scenario, seed).map_err(RunError::Impossible)?;
    let checks = CheckWatch::new(scenario, origins, warm);
    let extras = Extras::new(options, &setup.names);
    let parts = Parts { deaths, checkers, checks, extras };
    let watch = Watch::new(plan.followed.clone(), nodes, setup.config.sealing_reserve, warm, parts);
    let faults = Faults::new(scenario, setup, seed).map_err(RunError::Impossible)?;
    let first_event = schedule.first().map_or(Time::ZERO, |event| event.at);
    let sides = Sides::new(scenario);
    let mut run = Run {
        scenario,
        world,
        watch,
        faults,
        sides,
        visited: 0,
        peak_overlay: 0,
        removed: None,
        first_event,
    };
    let end = Time::ZERO + scenario.run.duration;
    let quiet = end - scenario.measure.quiet;
    let agreement_us = match run.go(&schedule, plan.last, quiet, end) {
        Ok(agreement_us) => agreement_us,
        Err(Halt::Observer) => None,
        Err(Halt::Wire { time, node, problem }) => {
            return Err(RunError::Wire(format!(
                "seed {}: at {} us, node {node} received what does not survive its encoding: {problem}",
                seed.0, time.0
            )));
        }
    };
    Ok(run.outcome(seed, agreement_us, options))
}

/// Which nodes some fault is about.
#[must_use]
pub fn touched(schedule: &[Event], nodes: u32) -> Vec<bool> {
    let mut touched = vec![false; nodes as usize];
    for event in schedule {
        event.kind.nodes().into_iter().for_each(|node| touched[node as usize] = true);
    }
    touched
}

/// From when to when links lose more than usual, nodes stand still, or two have one name.
fn hindered(schedule: &[Event]) -> Vec<(Time, Time)> {
    let end = |begun: &Event| {
        let is_end = |event: &&Event| match (&begun.kind, &event.kind) {
            (
                EventKind::Loss { rule, .. } | EventKind::Starve { rule, .. },
                EventKind::End { rule: ended },
            ) => rule == ended,
            (EventKind::Pause { nodes }, EventKind::Resume { nodes: resumed }) => {
                event.at >= begun.at && nodes.iter().any(|node| resumed.contains(node))
            }
            _ => false,
        };
        schedule.iter().find(is_end).map_or(Time::NEVER, |event| event.at)
    };
    let times = schedule.iter().filter_map(|event| match &event.kind {
        EventKind::Loss { .. } | EventKind::Pause { .. } | EventKind::Starve { .. } => {
            Some((event.at, end(event)))
        }
        EventKind::CopyDisk { .. } => Some((event.at, event.at)),
        _ => None,
    });
    times.collect()
}

/// What the checkers must know beforehand.
fn beginning(scenario: &Scenario, setup: &Setup, schedule: &[Event]) -> Beginning {
    let (cluster, config) = (&scenario.cluster, &setup.config);
    let bounds = Bounds {
        datagram_bytes: config.datagram_limit,
        sealing_bytes: config.sealing_reserve,
        recent_limit: config.recent_limit,
        log_bytes: config.retention.bytes,
        nodes: cluster.nodes,
        at_start: setup.base.state.len(),
    };
    // What waits for a paused node is as old as the pause when it is read, and nobody can tell; what waits for a
    // starved one, as old as a stall.
    let pauses = schedule.iter().any(|event| matches!(event.kind, EventKind::Pause { .. }));
    let stalls = scenario.fault.iter().filter_map(|fault| Some(fault.starve.as_ref()?.stall.greatest()));
    let transit = setup::greatest_transit(scenario) + stalls.max().unwrap_or_default();
    Beginning {
        names: setup.names.to_vec(),
        state: State::new(&setup.base.state, config.retention, config.planted),
        origins: (0..cluster.origins).map(setup::origin_name).collect(),
        bare: (0..cluster.nodes).map(|node| !setup.base_of(node, cluster).formed).collect(),
        bounds,
        transit_holds: !pauses && transit <= config.max_transit,
        checks: config.checks.as_ref().zip(scenario.checks.as_ref()).map(|(limits, checks)| {
            let lasts = checks.timeout + limits.grace;
            // Whoever vouches has checked within two intervals and the length of a check; and that check, that an outcome
            // is on its way to the node, and how often nodes are visited come on top.
            let patience = checks.interval.times(2) + lasts.times(2) + Span::from_secs(1);
            CheckBounds {
                probes_per_s: limits.probes_per_s,
                patience,
                lasts,
                fast_interval: checks.fast_interval.min(checks.interval),
                checkers_per_origin: limits.checkers_per_origin,
            }
        }),
        hindrances: Hindrances { times: hindered(schedule), loss: setup::worst_loss(scenario) },
    }
}

/// The world of a run at its start, without any command given: what benchmarks drive by hand.
///
/// # Errors
/// When a distribution of the scenario has no values.
pub fn world(
    scenario: &Scenario,
    setup: &Setup,
    seed: Seed,
    options: &Options,
    schedule: &[Event],
) -> Result<World<Heck>, RunError> {
    let (network, zones) = setup::network(scenario).map_err(RunError::Impossible)?;
    let mut config = WorldConfig::new(seed, network);
    config.wire = options.wire;
    config.disk = DiskConfig {
        sync: Latency::Constant { us: scenario.cluster.disk_sync.as_us() },
        stored: schedule.iter().any(|event| {
            matches!(
                event.kind,
                EventKind::Restart { .. } | EventKind::Join { .. } | EventKind::CopyDisk { .. }
            )
        }),
    };
    let mut world = World::new(config);
    let start = scenario.cluster.start;
    for (node, zone) in (0..).zip(zones) {
        if node >= scenario.cluster.present() {
            world.add_absent_node(zone);
            continue;
        }
        let identity = setup.identity(node, node, setup.boot(1));
        let base = setup.base_of(node, &scenario.cluster);
        let built = Node::new(identity, setup.config.clone(), base, None, seed, Time::ZERO);
        world.add_node(zone, Heck::new(built));
        if start == Start::Cold && node != 0 {
            let peers = join_peers(node, scenario.cluster.present());
            world.command_at(Time::ZERO, node, 0, HeckCommand::Client(Command::Join { peers }));
        }
    }
    Ok(world)
}

struct Run<'a> {
    scenario: &'a Scenario,
    world: World<Heck>,
    watch: Watch,
    faults: Faults<'a>,
    sides: Option<Sides>,
    /// The node that was visited last.
    visited: u32,
    /// The most that a node was seen to hold for itself.
    peak_overlay: u64,
    /// How many of those who are up most others do not count, and since when; where a limit asks for it.
    removed: Option<(u32, Time)>,
    /// When the first fault or other event of the schedule came.
    first_event: Time,
}

impl Run<'_> {
    /// Lets the whole run happen; gives the time from the last write until all nodes agreed, if they did.
    fn go(
        &mut self,
        schedule: &[Event],
        last_write: Time,
        quiet: Time,
        end: Time,
    ) -> Result<Option<u64>, Halt> {
        let mut events = schedule.iter().peekable();
        let mut now = Time::ZERO;
        let mut agreed: Option<Time> = None;
        while now < end {
            let step_end = (now + AGREEMENT_STEP).min(end);
            while let Some(event) = events.next_if(|event| event.at <= step_end) {
                self.world.run_until(event.at, &mut self.watch)?;
                self.happen(event);
            }
            self.world.run_until(step_end, &mut self.watch)?;
            now = step_end;
            let world = &self.world;
            self.watch.sample(|node| Some((world.node(node)?.node(), world.clock(node))), now);
            self.visit_some();
            self.look_at_lists();
            self.look_at_removed();
            self.look_at_owners();
            if self.scenario.measure.quiet == Span::ZERO || now < last_write || !self.agrees() {
                agreed = None;
                continue;
            }
            let since = *agreed.get_or_insert(now);
            // What is left of the quiet time is the same second over and over, except where origins are still handed over.
            let is_still = self.scenario.checks.is_none();
            let is_over = is_still && now >= quiet && self.watch.is_complete() && events.peek().is_none();
            if is_over && now >= since + AGREEMENT_LASTS {
                break;
            }
        }
        self.visit_all(end > quiet);
        Ok(agreed.map(|agreed| agreed.since(last_write).as_us()))
    }

    fn happen(&mut self, event: &Event) {
        if let Some(sides) = &mut self.sides {
            sides.happened(event);
        }
        match &event.kind {
            EventKind::Crash { nodes, .. } => self.gone(nodes, event.at),
            EventKind::Leave { node } if self.world.node(*node).is_some() => {
                self.leaves(*node, event.at);
            }
            EventKind::Stop { node } if !self.watch.deaths.stays(*node) => self.gone(&[*node], event.at),
            // Who can reach whom decides who should be in whose list.
            EventKind::Loss { .. } | EventKind::End { .. } => self.watch.deaths.changed(event.at),
            _ => {}
        }
        for Begun { node, loss, copy_of } in self.faults.apply(event, &mut self.world) {
            let now = self.world.now();
            let is_new = matches!(event.kind, EventKind::Join { .. });
            self.watch.deaths.started(node, is_new, now);
            if let Some(heck) = self.world.node(node) {
                if let Some(of) = copy_of {
                    self.watch.checkers.copied(node, of);
                    self.watch.deaths.copied(of);
                }
                self.watch.checkers.restarted(now, node, heck.node(), loss);
            }
        }
    }

    /// A node that is up says that it leaves; to a protocol that gives its members once and for all that is nothing.
    fn leaves(&mut self, node: u32, at: Time) {
        if self.watch.deaths.stays(node)
            && !self.faults.is_fixed()
            && let Some(heck) = self.world.node(node)
        {
            let others = self.watch.deaths.staying() as u32 - 1;
            let known_as = heck.node().view().writer().node;
            self.watch.checkers.leaves(node, known_as, others, at);
        }
        self.watch.deaths.leaves(node, at);
    }

    fn gone(&mut self, nodes: &[u32], at: Time) {
        let up = nodes.iter().copied().filter(|&node| self.world.node(node).is_some());
        let up: Vec<u32> = up.collect();
        self.watch.crashed(&up, at);
    }

    /// Whether every node that is up and stays lists exactly those who do.
    fn look_at_lists(&mut self) {
        if !self.watch.deaths.is_unsettled() || self.faults.is_fixed() {
            return;
        }
        let lengths: Vec<u32> = self.lists().map(|(_, members)| members.len() as u32).collect();
        let (are_right, now) = (self.are_lists_right(), self.world.now());
        self.watch.deaths.settle(lengths.into_iter(), are_right, now);
    }

    /// Each side of a partition, and a whole fleet, has one owner for each origin once that had its time.
    fn look_at_owners(&mut self) {
        let Some(sides) = &mut self.sides else { return };
        let (now, world) = (self.world.now(), &self.world);
        for side in sides.due(now, |index| world.node(index).is_some()) {
            let nodes = side.iter().filter_map(|&index| Some((index, world.node(index)?.node())));
            self.watch.checkers.owners(now, |index| world.clock(index), nodes);
        }
    }

    /// What those list who are up and stay.
    fn lists(&self) -> impl Iterator<Item = (u32, &Members)> {
        let staying = self.world.running().filter(|(index, _)| self.watch.deaths.stays(*index));
        staying.map(|(index, heck)| (index, heck.node().view().members()))
    }

    fn are_lists_right(&self) -> bool {
        let staying = self.watch.deaths.staying();
        if self.lists().any(|(_, members)| members.len() != staying) {
            return false;
        }
        lists_differ(&self.lists().collect::<Vec<_>>(), staying).is_none()
    }

    /// Notes since when as many are not counted as now.
    fn look_at_removed(&mut self) {
        if self.scenario.expect.removed_since_max.is_none() {
            return;
        }
        let count = self.count_removed();
        if self.removed.is_none_or(|(held, _)| held != count) {
            self.removed = Some((count, self.world.now()));
        }
    }

    /// How many of those who are up most others do not count.
    fn count_removed(&self) -> u32 {
        let staying = || self.world.running().filter(|(index, _)| self.watch.deaths.stays(*index));
        let nodes: Vec<&Node> = staying().map(|(_, heck)| heck.node()).collect();
        let counts = |observer: &Node, node: &Node| {
            let view = observer.view();
            let held = view.members().get(node.view().writer().node);
            held.is_some_and(|held| view.is_counted(held, self.world.now()))
        };
        // In a large fleet some observers are asked.
        let asked = || nodes.iter().step_by(nodes.len().div_ceil(OBSERVERS).max(1));
        let is_removed = |node: &&&Node| {
            let others = asked().filter(|other| !std::ptr::eq(**other, **node));
            let counted = others.clone().filter(|other| counts(other, node)).count();
            2 * counted < others.count()
        };
        nodes.iter().filter(is_removed).count() as u32
    }

    fn agrees(&self) -> bool {
        // Where much is lost someone refutes something all the time; the lists have to have been right once.
        if !self.faults.is_fixed() && self.watch.deaths.is_unsettled() {
            return false;
        }
        let mut hashes = self.world.running().map(|(_, heck)| heck.node().view().hash());
        hashes.next().is_none_or(|first| hashes.all(|hash| hash == first))
    }

    fn visit_some(&mut self) {
        let nodes = self.scenario.cluster.nodes;
        for _ in 0..nodes.div_ceil(NODES_PER_VISIT) {
            self.visited = (self.visited + 1) % nodes;
            self.visit(self.visited, Effort::BRIEF);
        }
    }

    /// Visits a node unless it is down.
    fn visit(&mut self, index: u32, effort: Effort) {
        let now = Now { world: self.world.now(), local: self.world.clock(index) };
        if let Some(heck) = self.world.node(index) {
            let [entries, lanes, beats, .., members] = heck.node().view().private_sizes();
            self.peak_overlay = self.peak_overlay.max((entries + lanes + beats + members) as u64);
            self.watch.checkers.visit(now, index, heck.node(), effort);
        }
    }

    fn visit_all(&mut self, had_quiet: bool) {
        let nodes = self.scenario.cluster.nodes;
        let effort = Effort::last(nodes);
        for index in 0..nodes {
            self.visit(index, effort);
        }
        if had_quiet {
            self.compare_lists();
            let nodes = self.world.running().map(|(index, heck)| (index, heck.node()));
            self.watch.checkers.compare(self.world.now(), nodes, effort);
            let nodes = self.world.running().map(|(index, heck)| (index, heck.node()));
            self.watch.checkers.owners(self.world.now(), |index| self.world.clock(index), nodes);
        }
    }

    /// After quiet, all lists have come to hold the same, and exactly those who are up.
    fn compare_lists(&mut self) {
        if self.faults.is_fixed() {
            return;
        }
        // They have to have been right once: where much is lost somebody refutes something all the time.
        let lists: Vec<_> = self.lists().collect();
        let is_wrong = self.watch.deaths.is_unsettled();
        let broken = is_wrong.then(|| lists_differ(&lists, self.watch.deaths.staying())).flatten();
        self.watch.checkers.note_lists(self.world.now(), broken);
    }

    fn outcome(mut self, seed: Seed, agreement_us: Option<u64>, options: &Options) -> RunOutcome {
        let now = self.world.now();
        let (from, until) = self.watch.window(now);
        let traffic = self.watch.traffic();
        let measured = until.since(from);
        let nodes = f64::from(self.scenario.cluster.nodes);
        let rounds = measured.as_us() as f64 / self.scenario.cluster.protocol.repair_interval.as_us() as f64;
        let latency_p95_us = |of: &Followed| setup::latency_p95_us(self.scenario, of.node, &of.to);
        let sealing = self.scenario.cluster.protocol.sealing_reserve.as_u64() as u32;
        let largest = self.world.total_traffic().largest_bytes;
        let violations = self.watch.checkers.findings().iter().map(|finding| Violation {
            check: finding.check.name().to_owned(),
            time_us: finding.time.0,
            node: Some(finding.node),
            detail: finding.detail.clone(),
            replay: format!("{} --seed {} --runs 1", options.replay, seed.0),
        });
        let violations = violations.collect();
        let (lists_right_us, list_lengths) =
            (self.watch.deaths.right_us(), self.watch.deaths.distinct_sizes());
        let removed = self.count_removed();
        let met = self.watch.extras.met(self.watch.checkers.looks());
        let (steps, last) = self.watch.extras.take();
        let (updates, opinions, checks) = self.watch.updates(now, latency_p95_us);
        let (checks, answers) = checks.unzip();
        RunOutcome {
            seed: seed.0,
            trace_hash: self.world.trace().hash(),
            events: self.world.trace().count(),
            measured_us: measured.as_us(),
            traffic,
            largest_datagram: if largest == 0 { 0 } else { largest + sealing },
            datagrams_per_node_round: if rounds > 0.0 {
                traffic.datagrams() as f64 / nodes / rounds
            } else {
                0.0
            },
            agreement_us,
            violations,
            opinions,
            lists_right_us: if self.faults.is_fixed() { Some(0) } else { lists_right_us },
            list_lengths,
            peak_overlay: self.peak_overlay,
            removed,
            removed_since_us: self.removed.map(|(_, since)| since.since(self.first_event).as_us()),
            checks,
            answers: answers.unwrap_or_default(),
            met,
            steps,
            last,
            updates,
        }
    }
}
