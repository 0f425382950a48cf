//! Reading a node without changing it.

use super::Node;
use super::checks::eligible;
use crate::check::Status;
use crate::effects::Phase;
use crate::entry::{Body, Claim, Confirmation, Entry, HealthState, Hold, Scope};
use crate::id::{Addr, Dot, Name, NodeId, Store, Writer};
use crate::member::{Member, Members};
use crate::membership::Membership;
use crate::ownership::Eligible;
use crate::probe::Reply;
use crate::state::{Fresh, State};
use crate::time::{Span, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A read-only view of one node.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    node: &'a Node,
}

/// The answer to heck's question: is the origin healthy, who says so, and how old is that answer?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Health {
    /// What was found.
    pub state: HealthState,
    /// What was found before.
    pub previous: HealthState,
    /// Who says so.
    pub writer: Writer,
    /// Whether it still vouches for it.
    pub hold: Hold,
    /// What others said when it became unhealthy; zeros in any other state.
    pub confirmation: Confirmation,
    /// The answer that made it so: the last bad one of an unhealthy origin, the last slow one of a degraded one.
    pub cause: Option<Reply>,
    /// When the state began, by the clock of the writer that saw it begin.
    pub since: Time,
    /// Who is to check it, as this node sees the members; not the writer while the origin changes hands.
    pub owner: Option<NodeId>,
    /// How old the answer is, without the time that it spent in transit; none when the writer's heartbeat has
    /// not arrived, or the writer no longer vouches for the answer.
    pub age: Option<Span>,
    /// The most by which `age` may understate. An origin whose checks are on time may have been checked up to two
    /// intervals, a timeout and the grace of its checker before that.
    pub age_bound: Span,
    /// Whether the answer is older than it should be: by more than three times the interval of checks and the period
    /// of heartbeats, or of unknown age. It says nothing of the origin.
    pub is_stale: bool,
}

/// How old an answer is, and whose it is. Its fields are those of [`Health`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnswerAge {
    /// Who says so.
    pub writer: Writer,
    /// Whether it still vouches for it.
    pub hold: Hold,
    /// How old the answer is, where that is known.
    pub age: Option<Span>,
    /// The most by which `age` may understate.
    pub age_bound: Span,
    /// Whether the answer is older than it should be.
    pub is_stale: bool,
}

impl<'a> View<'a> {
    pub(super) const fn new(node: &'a Node) -> Self {
        Self { node }
    }

    /// The node's name.
    #[must_use]
    pub const fn name(&self) -> &'a Name {
        &self.node.identity.name
    }

    /// Who mints the node's dots.
    #[must_use]
    pub const fn writer(&self) -> Writer {
        self.node.me
    }

    /// Its phase.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.node.phase
    }

    /// The members.
    #[must_use]
    pub const fn members(&self) -> &'a Members {
        &self.node.members
    }

    /// Whether a member counts: it takes part, and is not in quarantine for having come and gone.
    #[must_use]
    pub fn is_counted(&self, member: &Member, now: Time) -> bool {
        let membership = self.node.membership.as_ref();
        membership.map_or(member.standing.is_live(), |membership| membership.is_counted(member, now))
    }

    /// How many members this node doubts, waits for, has news of, and remembers as gone.
    #[must_use]
    pub fn membership_sizes(&self) -> [usize; 4] {
        self.node.membership.as_ref().map_or([0; 4], Membership::sizes)
    }

    /// The share of exchanges with members that get through, in parts of 65,536.
    #[must_use]
    pub fn exchanges(&self) -> Option<u32> {
        self.node.membership.as_ref().map(|membership| membership.baseline().share())
    }

    /// The replicated state.
    #[must_use]
    pub const fn state(&self) -> &'a State {
        &self.node.state
    }

    /// Fingerprint of the replicated state.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.node.state.hash()
    }

    /// Whether a dot was seen.
    #[must_use]
    pub fn has_seen(&self, dot: &Dot) -> bool {
        self.node.state.context().has_seen(dot)
    }

    /// An origin's entry.
    #[must_use]
    pub fn origin(&self, name: &Name) -> Option<&'a Arc<Entry>> {
        self.node.state.read(Store::Registry, name)
    }

    /// A key's entry.
    #[must_use]
    pub fn key(&self, name: &Name) -> Option<&'a Arc<Entry>> {
        self.node.state.read(Store::Keys, name)
    }

    /// The claim that counts for an origin.
    #[must_use]
    pub fn claim(&self, scope: Scope, origin: &Name) -> Option<&'a Claim> {
        self.node.state.claim(scope, origin)
    }

    /// The health of an origin at `now`; none when the origin or any claim for it is unknown.
    #[must_use]
    pub fn health(&self, scope: Scope, origin: &Name, now: Time) -> Option<Health> {
        let claim = self.claim(scope, origin)?;
        let AnswerAge { writer, hold, age, age_bound, is_stale } = self.age_of(claim, scope, origin, now)?;
        Some(Health {
            confirmation: claim.confirmation,
            cause: claim.cause,
            since: claim.since,
            owner: self.owner(scope, origin, now),
            state: claim.state,
            previous: claim.previous,
            writer,
            hold,
            age,
            age_bound,
            is_stale,
        })
    }

    /// The part of [`View::health`] that changes while nothing happens, at a fraction of its cost.
    #[must_use]
    pub fn answer_age(&self, scope: Scope, origin: &Name, now: Time) -> Option<AnswerAge> {
        self.age_of(self.claim(scope, origin)?, scope, origin, now)
    }

    fn age_of(&self, claim: &Claim, scope: Scope, origin: &Name, now: Time) -> Option<AnswerAge> {
        let config = &self.node.config;
        let writer = claim.ballot.writer;
        let drift_ppm = config.clock_drift_ppm.into();
        // A heartbeat vouches for what its writer holds and checks on schedule, and for nothing else.
        let vouched = claim.hold == Hold::Held;
        // What this node checks itself is as old as its last check, once it was checked since it was gained.
        let is_own = writer == self.writer() && scope == self.own_scope();
        let checked = is_own.then(|| self.check(origin)).flatten().filter(|status| status.claimed.is_some());
        let age = match checked {
            Some(status) => Some((now.since(status.told), Span::ZERO)),
            None => self.node.freshness.age(writer, now, config.max_transit, drift_ppm),
        };
        let age = age.filter(|_| vouched);
        let interval = match &self.origin(origin)?.body {
            Body::Origin { spec, .. } => spec.policy.interval,
            _ => Span::ZERO,
        };
        let patience = (interval + config.heartbeat_period(self.node.members.len())).times(3);
        Some(AnswerAge {
            writer,
            hold: claim.hold,
            age: age.map(|(age, _)| age),
            age_bound: age.map_or(Span::ZERO, |(_, bound)| bound),
            is_stale: age.is_none_or(|(age, _)| age > patience),
        })
    }

    /// The scope in which this node owns.
    #[must_use]
    pub fn own_scope(&self) -> Scope {
        self.node.own_scope()
    }

    /// The owner of an origin in a scope, as this node sees the members.
    #[must_use]
    pub fn owner(&self, scope: Scope, origin: &Name, now: Time) -> Option<NodeId> {
        let node = self.node;
        let table = node.checks.as_ref().map(|checks| &checks.assignment);
        match table.filter(|table| table.scope() == scope && table.contains(origin)) {
            Some(table) => table.owner(origin),
            None => eligible!(node, now).owner(origin, scope),
        }
    }

    /// All who may own an origin in a scope, in the order in which they are to: the owner, who confirms what it
    /// finds, and who takes over when it goes.
    #[must_use]
    pub fn priority(&self, scope: Scope, origin: &Name, now: Time) -> Vec<NodeId> {
        eligible!(self.node, now).order(origin, scope)
    }

    /// What this node knows of an origin that it checks.
    #[must_use]
    pub fn check(&self, origin: &Name) -> Option<Status> {
        self.node.checks.as_ref()?.checker.status(origin)
    }

    /// How many origins this node checks, how many of them others own by now, how many owners it holds for itself, and
    /// how many of its claims gave way, to others or to an edit or
    /// a removal, without a word.
    #[must_use]
    pub fn check_sizes(&self) -> [usize; 4] {
        self.node.checks.as_ref().map_or([0; 4], |checks| checks.sizes())
    }

    /// The live members that have other settings of ownership: this node does not agree with them about owners.
    pub fn disagreeing(&self) -> impl Iterator<Item = &'a Member> {
        let settings = self.node.config.ownership.fingerprint([]);
        self.node.members.iter().filter(move |member| member.settings != settings)
    }

    /// The newest heartbeat of a writer that counts here: what the age of all its claims is measured from.
    #[must_use]
    pub fn fresh(&self, writer: Writer) -> Option<&'a Fresh> {
        self.node.freshness.of(writer)
    }

    /// How many heartbeats this node has said in this life.
    #[must_use]
    pub const fn heartbeats_said(&self) -> u32 {
        self.node.heartbeats.number()
    }

    /// The address of a member.
    #[must_use]
    pub fn addr_of(&self, node: NodeId) -> Option<Addr> {
        self.node.members.get(node).map(|member| member.addr)
    }

    /// How many entries, lanes, heartbeats, recent entries, streams, waiting commands and members this node holds for
    /// itself, beyond its base. What a checker bounds.
    #[must_use]
    pub fn private_sizes(&self) -> [usize; 7] {
        let node = self.node;
        [
            node.state.private_entries(),
            node.state.context().private_lanes(),
            node.freshness.private_len(),
            node.recents.len(),
            node.sync.open_streams(),
            node.journal.waiting(),
            node.members.diff_len(),
        ]
    }

    /// The share of single datagrams that arrive, as the node measures it, in parts of 65,536.
    #[must_use]
    pub const fn delivery(&self) -> u32 {
        self.node.repair.loss.delivery()
    }
}
