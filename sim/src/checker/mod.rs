//! Checkers: invariants that every run is held against, apart from the simulator that runs it.
//!
//! Cheap ones look at each step; thorough ones visit nodes now and then and at the end. A violation names the
//! check, the time and the node; whoever runs adds the seed and the command that replays it.

mod agreement;
mod bounds;
mod changes;
mod checks;
mod departures;
mod freshness;
mod history;
mod members;
mod reason;
mod spacing;
mod visit;
mod witness;
mod words;

use heck_core::entry::Scope;
use heck_core::id::{Name, NodeId, Shard};
use heck_core::node::Node;
use heck_core::probe::{Probe, ProbeOutcome};
use heck_core::state::State;
use heck_core::time::Time;

pub use bounds::Bounds;
pub use checks::CheckBounds;
use checks::CheckRecord;
use departures::Departures;
pub use departures::Hindrances;
pub use freshness::Now;
pub use visit::Effort;

use crate::engine::disk::DiskLoss;
use crate::engine::observer::Step;
use crate::protocol::heck::Heck;
use freshness::Beats;
use history::History;
use members::Standings;
pub use members::lists_differ;
use visit::turns;
use witness::Witness;
pub use words::Names;

/// After this many violations a run is stopped: the first ones tell the story.
pub const VIOLATION_LIMIT: usize = 16;

/// An invariant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Check {
    /// No two entries have the same dot.
    UniqueDots,
    /// Whoever has seen a dot holds its entry, or what replaced it.
    NoOverClaim,
    /// What was removed, replaced or outlived its origin does not come back.
    NoResurrection,
    /// Nothing goes without a reason.
    NoVanishing,
    /// The claim for an origin's generation only rises in the order of ballots.
    NoRegress,
    /// Subscribers hear of each message once: of itself, or that it was missed.
    DeliveredOnce,
    /// What was acknowledged survives a crash that leaves the disk.
    Durable,
    /// The age of an answer and its bound do not understate.
    Fresh,
    /// The fingerprints that a node keeps are those of what it holds.
    Fingerprint,
    /// After quiet, all nodes hold the same.
    Agreement,
    /// What is held of a member never goes back: whoever died or left does not come back by old news.
    MemberOrder,
    /// Who says that it leaves is not taken for dead by anyone whom word of it can have reached.
    LeftNotDead,
    /// In the quiet time all lists of members come to hold the same, and exactly those who are up.
    ListsRight,
    /// Datagrams keep to their limit.
    DatagramSize,
    /// A node holds no more than what was written explains.
    MemoryBounded,
    /// After quiet, each origin has one owner in each scope, who alone checks it.
    OneOwner,
    /// A node starts no more probes than it may.
    ProbeBudget,
    /// A node that sees few of the members it knows checks no origin as often as if it saw all of them.
    OriginBudget,
    /// A node that vouches for an answer has checked on schedule.
    OnSchedule,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::UniqueDots,
        Self::NoOverClaim,
        Self::NoResurrection,
        Self::NoVanishing,
        Self::NoRegress,
        Self::DeliveredOnce,
        Self::Durable,
        Self::Fresh,
        Self::Fingerprint,
        Self::Agreement,
        Self::MemberOrder,
        Self::LeftNotDead,
        Self::ListsRight,
        Self::DatagramSize,
        Self::MemoryBounded,
        Self::OneOwner,
        Self::ProbeBudget,
        Self::OriginBudget,
        Self::OnSchedule,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UniqueDots => "dots unique",
            Self::NoOverClaim => "no over-claim",
            Self::NoResurrection => "no resurrection",
            Self::NoVanishing => "no vanishing",
            Self::NoRegress => "no regress",
            Self::DeliveredOnce => "delivered once",
            Self::Durable => "acknowledged is durable",
            Self::Fresh => "age not understated",
            Self::Fingerprint => "fingerprints true",
            Self::Agreement => "agreement after quiet",
            Self::MemberOrder => "members never go back",
            Self::LeftNotDead => "who left is not dead",
            Self::ListsRight => "lists right after quiet",
            Self::DatagramSize => "datagram size",
            Self::MemoryBounded => "memory bounded",
            Self::OneOwner => "one owner",
            Self::ProbeBudget => "probe budget",
            Self::OriginBudget => "origin budget",
            Self::OnSchedule => "checked on schedule",
        }
    }
}

/// A broken invariant, as a checker finds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which.
    pub check: Check,
    /// When.
    pub time: Time,
    /// Where.
    pub node: u32,
    /// What was seen and what should have been.
    pub detail: String,
}

/// What the checkers must know of a run before it begins.
#[derive(Debug)]
pub struct Beginning {
    /// The names of all nodes, by index.
    pub names: Vec<Name>,
    /// What the cluster holds.
    pub state: State,
    /// The origins that it holds.
    pub origins: Vec<Name>,
    /// For each node, whether it begins with nothing instead.
    pub bare: Vec<bool>,
    /// Limits.
    pub bounds: Bounds,
    /// Whether datagrams keep to the greatest transit that ages are computed with, so that ages can be checked.
    pub transit_holds: bool,
    /// Limits of checks, if nodes check.
    pub checks: Option<CheckBounds>,
    /// What keeps words from getting through.
    pub hindrances: Hindrances,
}

/// All checkers of one run.
#[derive(Debug)]
pub struct Checkers {
    findings: Vec<Finding>,
    history: History,
    witnesses: Vec<Witness>,
    beats: Beats,
    standings: Standings,
    departures: Departures,
    origins: Vec<Name>,
    bounds: Bounds,
    transit_holds: bool,
    checks: Option<CheckRecord>,
    /// Counts visits, so that each looks elsewhere.
    turn: usize,
    /// How often each check had something to look at, in the order of [`Check::ALL`].
    looks: Looks,
}

/// A count for each check, in the order of [`Check::ALL`].
pub type Looks = [u64; Check::ALL.len()];

impl Checkers {
    /// Checkers for a run that begins like this.
    #[must_use]
    pub fn new(beginning: Beginning) -> Self {
        let Beginning { names, state, origins, bare, bounds, transit_holds, checks, hindrances } = beginning;
        let witness = |is_bare| Witness { is_bare, ..Witness::default() };
        Self {
            findings: Vec::new(),
            history: History::new(state, Names::new(&names)),
            witnesses: bare.into_iter().map(witness).collect(),
            beats: Beats::default(),
            standings: Standings::new(names.len()),
            departures: Departures::new(hindrances, names.len()),
            checks: checks.map(|bounds| CheckRecord::new(bounds, &origins, names.len())),
            origins,
            bounds,
            transit_holds,
            turn: 0,
            looks: Looks::default(),
        }
    }

    /// How often each check had something to look at.
    #[must_use]
    pub const fn looks(&self) -> &Looks {
        &self.looks
    }

    const fn looked(&mut self, check: Check) {
        self.looks[check as usize] += 1;
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether enough was found.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.findings.len() >= VIOLATION_LIMIT
    }

    fn note(&mut self, check: Check, time: Time, node: u32, broken: Option<String>) {
        self.looked(check);
        if let Some(detail) = broken
            && !self.is_full()
        {
            self.findings.push(Finding { check, time, node, detail });
        }
    }

    /// Looks at a step.
    #[inline]
    pub fn after_step(&mut self, step: &Step<'_, Heck>) {
        for sent in step.outbox.sent() {
            let broken = self.bounds.datagram(sent.len_bytes);
            self.note(Check::DatagramSize, step.time, step.node, broken);
        }
        self.beats.after_step(step.node, step.protocol.node(), step.time);
        if !step.outbox.reported().is_empty() {
            self.events(step);
            let (node, events) = (step.protocol.node(), step.outbox.reported());
            let broken = self.standings.after_step(self.history.names(), step.node, node, events);
            self.note(Check::MemberOrder, step.time, step.node, broken);
            let names = self.history.names();
            if let Some(broken) = self.departures.after_step(names, step.node, events, step.time) {
                self.note(Check::LeftNotDead, step.time, step.node, broken);
            }
        }
    }

    /// A node says that it leaves, and so many others are up.
    pub fn leaves(&mut self, index: u32, node: NodeId, others: u32, now: Time) {
        self.departures.leaves(index, node, others, now);
    }

    /// A node has a copy of another one's disk: what that one had acknowledged and seen, it has, too.
    pub fn copied(&mut self, index: u32, of: u32) {
        self.witnesses[index as usize] = self.witnesses[of as usize].clone();
    }

    /// Notes what is wrong with the lists of members after quiet, and where.
    pub fn note_lists(&mut self, time: Time, broken: Option<(u32, String)>) {
        self.looked(Check::ListsRight);
        if let Some((index, detail)) = broken {
            self.note(Check::ListsRight, time, index, Some(detail));
        }
    }

    /// A node starts a probe now, whose outcome reaches it at `end`.
    pub fn probed(&mut self, step: &Step<'_, Heck>, probe: &Probe, outcome: &ProbeOutcome, end: Time) {
        if let Some(record) = &mut self.checks {
            let node = (step.node, step.protocol.node());
            let broken = record.probed(node, probe, outcome, (step.time, end));
            self.note(Check::ProbeBudget, step.time, step.node, broken);
        }
        if let Some(record) = &mut self.checks
            && !probe.probe.is_favour()
        {
            let broken = record.spaced((step.node, step.protocol.node()), probe, step.time);
            self.note(Check::OriginBudget, step.time, step.node, broken);
        }
    }

    /// Looks who owns and checks what, once nodes have had time to agree.
    pub fn owners<'a>(
        &mut self,
        time: Time,
        clock: impl Fn(u32) -> Time,
        nodes: impl Iterator<Item = (u32, &'a Node)>,
    ) {
        let Some(record) = &self.checks else { return };
        let broken = record.disputed(self.history.names(), clock, nodes);
        self.looked(Check::OneOwner);
        if let Some((index, detail)) = broken {
            self.note(Check::OneOwner, time, index, Some(detail));
        }
    }

    /// A node begins a new life with what a crash left on its disk. Whatever was there stays as it was.
    pub fn restarted(&mut self, time: Time, index: u32, node: &Node, loss: DiskLoss) {
        self.beats.restarted(index);
        self.standings.restarted(index);
        self.departures.started(index, time);
        let state = node.view().state();
        let (history, witness) = (&self.history, &mut self.witnesses[index as usize]);
        let is_live = |dot| state.entry(&dot).is_some();
        match loss {
            DiskLoss::Nothing => {}
            DiskLoss::Unsynced => {
                let is_back = |number| state.context().has_seen(&history.dot(number));
                witness.learned.retain(is_back);
                witness.dead.retain(|number| is_back(number) && !is_live(history.dot(number)));
            }
            DiskLoss::Everything => {
                witness.learned.retain(|_| false);
                witness.dead.retain(|_| false);
                witness.acknowledged.clear();
                witness.is_bare = true;
            }
        }
        let lost = witness.acknowledged.iter().find(|dot| !state.context().has_seen(dot));
        let lost = lost
            .map(|dot| format!("acknowledged {}, and does not have it after a restart", history.say(dot)));
        self.note(Check::Durable, time, index, lost);
    }

    /// Visits a node thoroughly.
    pub fn visit(&mut self, now: Now, index: u32, node: &Node, effort: Effort) {
        self.turn = self.turn.wrapping_add(1);
        if !self.history.minted().is_empty() {
            self.looked(Check::NoOverClaim);
            self.looked(Check::NoVanishing);
        }
        if let Some((check, detail)) = self.holdings(index, node, effort.entries) {
            self.note(check, now.world, index, Some(detail));
        }
        let broken = self.fingerprints(node, effort.shards);
        self.note(Check::Fingerprint, now.world, index, broken);
        let is_bare = self.witnesses[index as usize].is_bare;
        let broken = self.bounds.memory(node, self.history.minted().len(), is_bare);
        self.note(Check::MemoryBounded, now.world, index, broken);
        if self.transit_holds {
            let broken = self.understated(now, node, effort.origins);
            self.note(Check::Fresh, now.world, index, broken);
            if let Some(record) = &self.checks {
                let origins = turns(record.len(), effort.origins, self.turn).map(|origin| origin as u32);
                let broken = record.understated(self.history.names(), now, node, origins);
                self.note(Check::OnSchedule, now.world, index, broken);
            }
        }
    }

    fn understated(&self, now: Now, node: &Node, effort: usize) -> Option<String> {
        let claimed = self.history.claimed();
        let changed =
            turns(claimed.len(), effort, self.turn).map(|index| (claimed[index].0, &claimed[index].1));
        let others = turns(self.origins.len(), effort, self.turn);
        let others = others.map(|index| (Scope::default(), &self.origins[index]));
        changed.chain(others).find_map(|(scope, origin)| {
            freshness::understated(&self.beats, &self.history, node, now, scope, origin)
        })
    }

    /// Compares nodes that have had time to agree.
    pub fn compare<'a>(
        &mut self,
        time: Time,
        mut nodes: impl Iterator<Item = (u32, &'a Node)>,
        effort: Effort,
    ) {
        let Some((_, first)) = nodes.next() else { return };
        for (index, node) in nodes {
            self.turn = self.turn.wrapping_add(1);
            let touched = self.history.touched();
            let changed = turns(touched.len(), effort.shards, self.turn).map(|index| touched[index]);
            let others = turns(256, effort.shards, self.turn).map(|shard| Shard(shard as u8));
            let broken = agreement::difference(self.history.names(), first, node, changed.chain(others));
            self.note(Check::Agreement, time, index, broken);
        }
    }
}
