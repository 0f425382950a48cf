//! One node: the only place where the mechanisms meet.

#[cfg(feature = "recording")]
mod checkpoint;
mod checks;
mod claims;
mod command;
mod confirm;
mod fence;
mod learn;
mod membership;
mod receive;
mod restore;
mod tick;
mod view;
mod witness;

#[cfg(feature = "recording")]
pub use checkpoint::{CHECKPOINT_LAYOUT, CheckpointError};
pub use view::{AnswerAge, Health, View};

use self::checks::Checks;
use self::fence::EarlyFence;
use crate::broadcast::Outbox;
use crate::config::Config;
use crate::effects::{Effects, Event, Phase};
use crate::entry::Scope;
use crate::heartbeat::Heartbeats;
use crate::id::{Addr, Boot, Name, NodeId, Store, Writer};
use crate::input::Input;
use crate::journal::{Journal, Snapshot};
use crate::member::{Member, Members};
use crate::membership::Membership;
use crate::overlay::Shared;
use crate::ownership::{Eligible, Owners};
use crate::recent::Recents;
use crate::repair::{Repair, ReplyScratch};
use crate::rng::{Seed, Stream};
use crate::settings::{Scoping, Settings};
use crate::state::{Change, Fresh, Freshness, State, StateBase};
use crate::sync::Sync;
use crate::time::Time;
use crate::witness::Witnesses;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Who a node is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Identity {
    /// Its name, unique in the cluster.
    pub name: Name,
    /// This life: max(stored + 1, Unix milliseconds), never one that was used before.
    pub boot: Boot,
    /// Where peers reach it.
    pub addr: Addr,
    /// Its zone; the default is none.
    pub zone: Scope,
    /// Its share of the work; 100 is usual.
    pub weight: u16,
}

impl Identity {
    /// A node without a zone, of the usual weight.
    #[must_use]
    pub const fn new(name: Name, boot: Boot, addr: Addr) -> Self {
        Self { name, boot, addr, zone: Scope(0), weight: 100 }
    }
}

/// What many simulated nodes share. A real node's base holds the list of members alone.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// The members.
    pub members: Members,
    /// The replicated state that nodes start from.
    pub state: StateBase,
    /// The heartbeats that nodes start from.
    pub freshness: Shared<NodeId, Fresh>,
    /// The owners of the origins of that state, in each scope in which there are some.
    pub owners: BTreeMap<Scope, Owners>,
    /// Whether nodes on this base begin as members of a formed cluster instead of joining.
    pub formed: bool,
}

impl Base {
    /// Finds the owners of all its origins, in every scope in which a member owns, so that nodes on this base need not.
    pub fn assign(&mut self, settings: &Settings) {
        let names: BTreeSet<Name> = self
            .state
            .entries_of(Store::Registry)
            .filter_map(|entry| entry.body.map_name().cloned())
            .collect();
        let names: Vec<Name> = names.into_iter().collect();
        let zone = |zone| if zone == Scope::CLUSTER { Scope::NO_ZONE } else { zone };
        let scopes: BTreeSet<Scope> = match settings.scoping {
            Scoping::Cluster => [Scope::CLUSTER].into(),
            Scoping::Zones => self.members.iter().map(|member| zone(member.zone)).collect(),
        };
        let counts = |member: &Member| member.standing.is_live();
        let eligible = Eligible { members: &self.members, counts: &counts };
        self.owners = scopes.into_iter().map(|scope| (scope, eligible.owners(&names, scope))).collect();
    }
}

/// A node's protocol. See [`Node::step`] for the driver's duties.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Node {
    identity: Identity,
    me: Writer,
    config: Arc<Config>,
    members: Members,
    membership: Option<Membership>,
    phase: Phase,
    state: State,
    freshness: Freshness,
    rng: Stream,
    recents: Recents,
    outbox: Outbox,
    repair: Repair,
    heartbeats: Heartbeats,
    journal: Journal,
    witnesses: Witnesses,
    sync: Sync,
    join: Join,
    fence_at: Time,
    fence_delays: u32,
    /// Fences that do not count here yet, by the node that they are about.
    early_fences: BTreeMap<NodeId, EarlyFence>,
    changes: Vec<Change>,
    #[cfg_attr(feature = "recording", serde(skip))]
    scratch: ReplyScratch,
    /// None where nobody checks, and once the node leaves.
    checks: Option<Box<Checks>>,
}

/// How a node looks for its cluster.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Join {
    peers: Option<Arc<[Addr]>>,
    began: Time,
    /// How many peers were asked by stream and by datagram.
    tried: usize,
    asked: usize,
    /// When to ask next by stream, and by datagram while streams stall.
    next: Time,
    ask: Time,
    give_up: Time,
}

/// Why a node wants to be stepped at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Wake {
    /// A round of repair.
    Repair,
    /// Entries wait to be broadcast.
    Broadcast,
    /// The own heartbeat.
    Heartbeat,
    /// An origin is to be checked, or something is to be said of one.
    Check,
    /// Somebody is to be asked whether it has a write.
    Witness,
    /// A message expires.
    Expiry,
    /// A member is to be asked, or told of.
    Membership,
    /// Frames wait to be sent, or a stream to be given up.
    Stream,
    /// Another attempt to join.
    Join,
    /// The past lives can be fenced.
    Fence,
    /// Nothing at all.
    Never,
}

/// What the node lends to repair; a macro, because the borrow must not hold the rest of the node.
macro_rules! repair_local {
    ($node:expr, $now:expr) => {
        Local {
            state: &$node.state,
            recents: &$node.recents,
            config: &$node.config,
            members: &$node.members,
            now: $now,
        }
    };
}

/// What the node lends to its streams.
macro_rules! sync_local {
    ($node:expr, $now:expr) => {
        sync::Local {
            me: $node.me.node,
            state: &$node.state,
            config: &$node.config,
            members: &$node.members,
            now: $now,
        }
    };
}

use {repair_local, sync_local};

impl Node {
    /// A node in the life that `identity` names. `base` is shared and immutable; `snapshot` is what an earlier
    /// life left on disk. `seed` is the run's: the node draws from a stream of its own, named after it.
    #[must_use]
    pub fn new(
        identity: Identity,
        config: Arc<Config>,
        base: &Arc<Base>,
        snapshot: Option<Snapshot>,
        seed: Seed,
        now: Time,
    ) -> Self {
        let node = NodeId::of(&identity.name);
        let me = Writer { node, boot: identity.boot };
        let mut rng = Stream::new(seed, node.0 ^ identity.boot.0.rotate_left(32));
        let membership = config.membership.as_ref().map(|config| Membership::new(config, now, &mut rng));
        let mut this = Self {
            me,
            members: base.members.clone(),
            membership,
            phase: if base.formed { Phase::Serving } else { Phase::Joining },
            state: State::new(&base.state, config.retention, config.planted),
            freshness: Freshness::new(base.freshness.clone(), config.planted),
            recents: Recents::new(config.recent_limit as usize),
            outbox: Outbox::default(),
            repair: Repair::new(&config, now, &mut rng),
            heartbeats: Heartbeats::new(&config, now, &mut rng),
            journal: Journal::default(),
            witnesses: Witnesses::default(),
            sync: Sync::default(),
            join: Join { next: Time::NEVER, ask: Time::NEVER, give_up: Time::NEVER, ..Join::default() },
            fence_at: now + config.fence_after,
            fence_delays: 0,
            early_fences: BTreeMap::new(),
            changes: Vec::new(),
            scratch: ReplyScratch::default(),
            checks: None,
            rng,
            identity,
            config,
        };
        if this.config.checks.is_some() {
            this.members.note_touched();
        }
        if let Some(snapshot) = snapshot {
            this.restore(snapshot, now);
        }
        this.enter_own_life(now);
        let owners = base.owners.get(&this.own_scope()).cloned().unwrap_or_default();
        this.checks = this.new_checks(owners, now);
        this
    }

    /// Takes one input and says what is to be done. It cannot fail.
    ///
    /// The driver's duties:
    /// 1. `now` never goes back.
    /// 2. `effects` comes in empty; what it holds afterwards is carried out before the next step.
    /// 3. Records are written in order; `Persisted` follows once they are synced.
    /// 4. The step `Timeout` follows at [`Node::next_wake`], asked for after each step.
    /// 5. Bytes are decoded, and limits checked, before they become an input.
    pub fn step(&mut self, now: Time, input: Input<'_>, effects: &mut Effects) {
        match input {
            Input::Timeout => {}
            Input::Datagram { from, packet } => self.datagram(from, packet, now, effects),
            Input::StreamOpened { stream, peer, ours } => {
                self.stream_opened(stream, peer, ours, now, effects);
            }
            Input::StreamRefused { peer } => self.stream_ended(|sync| sync.refused(peer)),
            Input::StreamFrame { stream, packet } => self.stream_frame(stream, packet, now, effects),
            Input::StreamClosed { stream } => self.stream_ended(|sync| sync.closed(stream)),
            Input::Probe(outcome) => self.probed(outcome, now),
            Input::Verdict(verdict) => self.told(verdict, now, effects),
            Input::Persisted { up_to } => self.persisted(up_to, effects),
            Input::Command { token, command } => self.command(token, command, now, effects),
        }
        self.tick(now, effects);
    }

    /// When to step with `Timeout`, and why.
    #[must_use]
    pub fn next_wake(&self) -> (Time, Wake) {
        let repair = if self.phase == Phase::Joining {
            Time::NEVER
        } else {
            self.repair.next_round.min(self.repair.next_catch_up())
        };
        let serving = |wake| if self.phase == Phase::Serving { wake } else { Time::NEVER };
        let wakes = [
            (repair, Wake::Repair),
            (self.outbox.next_wake(), Wake::Broadcast),
            (
                serving(if self.vouches() { self.heartbeats.next_wake() } else { Time::NEVER }),
                Wake::Heartbeat,
            ),
            (self.next_check_wake(), Wake::Check),
            (self.witnesses.next_wake(), Wake::Witness),
            (self.next_membership_wake(), Wake::Membership),
            (self.state.next_expiry().unwrap_or(Time::NEVER), Wake::Expiry),
            (self.sync.next_wake(&self.config), Wake::Stream),
            (self.join.next.min(self.join.ask).min(self.join.give_up), Wake::Join),
            (serving(self.fence_at), Wake::Fence),
        ];
        wakes.into_iter().min().filter(|(time, _)| *time < Time::NEVER).unwrap_or((Time::NEVER, Wake::Never))
    }

    /// What the node knows, to read.
    #[must_use]
    pub const fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// Keeps all that is visible and changes what it is a difference of. Nodes that have come to agree on much
    /// that is new give back the memory of it.
    pub fn rebase(&mut self, base: &Arc<Base>) {
        self.members.rebase(&base.members);
        self.state.rebase(&base.state);
        self.freshness.rebase(base.freshness.clone());
        if let Some(checks) = &mut self.checks
            && let Some(owners) = base.owners.get(&checks.assignment.scope())
        {
            checks.assignment.rebase(owners.clone());
        }
    }

    /// Everything that this node knows as a base for others.
    #[must_use]
    pub fn to_base(&self) -> Base {
        Base {
            members: self.members.to_base(),
            state: self.state.to_base(),
            freshness: self.freshness.to_shared(),
            owners: self
                .checks
                .iter()
                .map(|checks| (checks.assignment.scope(), checks.assignment.to_shared()))
                .collect(),
            formed: true,
        }
    }

    fn enter(&mut self, phase: Phase, effects: &mut Effects) {
        if self.phase != phase {
            self.phase = phase;
            effects.events.push(Event::Phase(phase));
        }
    }
}
