//! A few replicas of the state with random histories: writes, deltas that are lost, late or doubled, partial
//! exchanges and restarts. Beside them stands the truth: every entry minted, and what its writer saw.

use heck_core::entry::{Body, Confirmation, Entry, HealthState, Hold, OriginSpec, Scope};
use heck_core::id::{Boot, Dot, Name, NodeId, Shard, Store, Writer};
use heck_core::mutant::Planted;
use heck_core::ownership::rendezvous_hash;
use heck_core::packet::Carried;
use heck_core::state::{Applied, Change, Finding, Retention, State, StateBase};
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// How many replicas a fleet has.
pub const REPLICAS: usize = 3;
/// Keeps every message of a history.
pub const KEEP_ALL: Retention = Retention { age: Span::from_secs(1_000_000), bytes: u64::MAX };

fn name(text: &str) -> Name {
    Name::new(text).expect("neither empty nor long")
}

/// The names that histories write to; the first two live in one shard.
pub static NAMES: LazyLock<[Name; 3]> = LazyLock::new(|| {
    let first = name("a");
    let is_neighbour = |other: &Name| Shard::of_name(other) == Shard::of_name(&first);
    let second = (0..).map(|n| name(&format!("b{n}"))).find(is_neighbour).expect("there are only 256 shards");
    [first, second, name("c")]
});

/// The name of a replica.
pub fn replica(index: usize) -> Name {
    name(&format!("replica-{index}"))
}

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Op {
    /// A replica adds or edits an origin.
    PutOrigin { at: u8, name: u8, value: u8 },
    /// A replica writes a key.
    PutKey { at: u8, name: u8, value: u8 },
    /// A replica removes an origin or deletes a key.
    Remove { at: u8, origin: bool, name: u8 },
    /// A replica says what it found.
    Claim { at: u8, name: u8, healthy: bool },
    /// A replica publishes a message.
    Publish { at: u8, bytes: u8 },
    /// An entry of anyone's reaches a replica, perhaps late and perhaps again.
    Deliver { to: u8, entry: u16 },
    /// A replica answers another's window; only so many of the entries arrive.
    Answer { from: u8, to: u8, shard: u8, arrive: u8 },
    /// A replica joins the whole of another's state.
    Join { from: u8, to: u8 },
    /// A replica begins a new life with what it has.
    Restart { at: u8 },
    /// A replica puts its past lives behind a fence.
    Fence { at: u8 },
    /// Time passes.
    Wait { ms: u16 },
}

/// An [`Op`] of any kind; what spreads entries is as likely as what writes them.
pub fn op() -> impl Strategy<Value = Op> {
    let at = || 0..REPLICAS as u8;
    let named = || 0..NAMES.len() as u8;
    prop_oneof![
        2 => (at(), named(), 0..3_u8).prop_map(|(at, name, value)| Op::PutOrigin { at, name, value }),
        2 => (at(), named(), 0..3_u8).prop_map(|(at, name, value)| Op::PutKey { at, name, value }),
        2 => (at(), any::<bool>(), named()).prop_map(|(at, origin, name)| Op::Remove { at, origin, name }),
        3 => (at(), named(), any::<bool>()).prop_map(|(at, name, healthy)| Op::Claim { at, name, healthy }),
        1 => (at(), 1..50_u8).prop_map(|(at, bytes)| Op::Publish { at, bytes }),
        6 => (at(), any::<u16>()).prop_map(|(to, entry)| Op::Deliver { to, entry }),
        4 => (at(), at(), any::<u8>(), prop_oneof![Just(u8::MAX), 0..4_u8])
            .prop_map(|(from, to, shard, arrive)| Op::Answer { from, to, shard, arrive }),
        1 => (at(), at()).prop_map(|(from, to)| Op::Join { from, to }),
        1 => at().prop_map(|at| Op::Restart { at }),
        1 => at().prop_map(|at| Op::Fence { at }),
        1 => (0..400_u16).prop_map(|ms| Op::Wait { ms }),
    ]
}

/// What the writers of one origin do to each other, and little else.
pub fn rivalry(longest: usize) -> impl Strategy<Value = Vec<Op>> {
    let at = || 0..REPLICAS as u8;
    let op = prop_oneof![
        1 => at().prop_map(|at| Op::PutOrigin { at, name: 0, value: 0 }),
        6 => (at(), any::<bool>()).prop_map(|(at, healthy)| Op::Claim { at, name: 0, healthy }),
        8 => (at(), any::<u16>()).prop_map(|(to, entry)| Op::Deliver { to, entry }),
        1 => (at(), at()).prop_map(|(from, to)| Op::Join { from, to }),
        1 => (0..400_u16).prop_map(|ms| Op::Wait { ms }),
    ];
    proptest::collection::vec(op, 0..longest)
}

/// A history of at most `longest` steps.
pub fn history(longest: usize) -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(op(), 0..longest)
}

/// An entry that was minted, with what its writer saw then.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The entry.
    pub entry: Arc<Entry>,
    /// The writes of the same name that the writer saw when it wrote: what it replaces.
    pub saw: Vec<Dot>,
    /// When, in the world's time.
    pub at: Time,
}

/// Replicas and the truth about them.
#[derive(Clone)]
pub struct Fleet {
    /// The replicas' states.
    pub states: Vec<State>,
    /// Their lives.
    pub writers: Vec<Writer>,
    /// Every entry minted, in order.
    pub minted: Vec<Minted>,
    /// What happened to each replica, in order.
    pub changes: Vec<Vec<Change>>,
    /// The world's time.
    pub now: Time,
    /// How far each replica's clock is ahead.
    skews: Option<[Span; REPLICAS]>,
    planted: Planted,
    retention: Retention,
}

impl Fleet {
    /// Empty replicas.
    pub fn new(planted: Planted, retention: Retention) -> Self {
        let writer = |index| Writer { node: NodeId::of(&replica(index)), boot: Boot(1) };
        Self {
            states: vec![State::new(&StateBase::default(), retention, planted); REPLICAS],
            writers: (0..REPLICAS).map(writer).collect(),
            minted: Vec::new(),
            changes: vec![Vec::new(); REPLICAS],
            now: Time(1_000_000),
            skews: None,
            planted,
            retention,
        }
    }

    /// Empty replicas whose clocks are ahead by so much.
    pub fn skewed(planted: Planted, retention: Retention, skews: [u64; REPLICAS]) -> Self {
        Self { skews: Some(skews.map(Span::from_us)), ..Self::new(planted, retention) }
    }

    /// The fleet after a history.
    pub fn after(history: &[Op], planted: Planted) -> Self {
        let mut fleet = Self::new(planted, KEEP_ALL);
        history.iter().for_each(|op| fleet.apply(op));
        fleet
    }

    /// A replica that has seen nothing.
    pub fn empty(&self) -> State {
        State::new(&StateBase::default(), self.retention, self.planted)
    }

    /// A replica's time.
    pub fn local(&self, at: usize) -> Time {
        self.now + self.skews.map_or(Span::ZERO, |skews| skews[at])
    }

    /// Lets one thing happen.
    pub fn apply(&mut self, op: &Op) {
        self.now += Span::from_ms(1);
        let index = |at: u8| usize::from(at) % REPLICAS;
        let named = |name: u8| &NAMES[usize::from(name) % NAMES.len()];
        match *op {
            Op::PutOrigin { at, name, value } => {
                let spec = OriginSpec::new("http://a/")
                    .with(|policy| policy.interval = Span::from_secs(5 + u64::from(u32::from(value))));
                let source = replica(0);
                self.write(index(at), Some((Store::Registry, named(name))), |state, me, now, changes| {
                    state.put_origin(me, named(name), spec, source, now, changes);
                });
            }
            Op::PutKey { at, name, value } => {
                self.write(index(at), Some((Store::Keys, named(name))), |state, me, now, changes| {
                    state.put_key(me, named(name), [value].as_slice().into(), now, changes);
                });
            }
            Op::Remove { at, origin, name } => {
                let store = if origin { Store::Registry } else { Store::Keys };
                self.write(index(at), Some((store, named(name))), |state, me, now, changes| {
                    state.remove(me, store, named(name), now, changes);
                });
            }
            Op::Claim { at, name, healthy } => {
                let state = if healthy { HealthState::Healthy } else { HealthState::Unhealthy };
                self.claim(index(at), named(name), state);
            }
            Op::Publish { at, bytes } => {
                let payload = vec![0; usize::from(bytes)];
                self.write(index(at), None, |state, me, now, changes| {
                    state.publish(me, NAMES[0].clone(), payload.into(), now, changes);
                });
            }
            Op::Deliver { to, entry } => {
                if let Some(at) = usize::from(entry).checked_rem(self.minted.len()) {
                    self.deliver(index(to), at);
                }
            }
            Op::Answer { from, to, shard, arrive } => {
                let shards = self.shards();
                let shard = shards[usize::from(shard) % shards.len()];
                self.answer(index(from), index(to), shard, usize::from(arrive));
            }
            Op::Join { from, to } => self.join(index(from), index(to)),
            Op::Restart { at } => self.writers[index(at)].boot.0 += 1,
            Op::Fence { at } => self.write(index(at), None, |state, me, now, changes| {
                state.fence_past_lives(me, now, changes);
            }),
            Op::Wait { ms } => {
                self.now += Span::from_ms(u64::from(ms));
                for at in 0..REPLICAS {
                    let now = self.local(at);
                    self.states[at].expire(now);
                }
            }
        }
    }

    fn write(
        &mut self,
        at: usize,
        target: Option<(Store, &Name)>,
        act: impl FnOnce(&mut State, Writer, Time, &mut Vec<Change>),
    ) {
        let now = self.local(at);
        let saw = target.map(|(store, name)| self.shown(at, store, name)).unwrap_or_default();
        let (state, me) = (&mut self.states[at], self.writers[at]);
        let mut changes = Vec::new();
        act(state, me, now, &mut changes);
        let learned = changes.iter().filter_map(|change| match change {
            Change::Learned(entry) if entry.dot.lane.writer == me => Some(entry.clone()),
            _ => None,
        });
        let learned: Vec<Arc<Entry>> = learned.collect();
        for entry in learned {
            let is_write = target.is_some() && entry.body.map_name().is_some();
            let saw = if is_write { saw.clone() } else { Vec::new() };
            self.minted.push(Minted { entry, saw, at: self.now });
        }
        self.changes[at].append(&mut changes);
    }

    /// The writes that a replica shows for a name.
    pub fn shown(&self, at: usize, store: Store, name: &Name) -> Vec<Dot> {
        self.states[at].versions(store, name).map(|held| held.dot).collect()
    }

    /// A replica makes a claim.
    pub fn claim(&mut self, at: usize, origin: &Name, state: HealthState) {
        let rank = rendezvous_hash(origin, &replica(at));
        let finding = Finding {
            scope: Scope::default(),
            origin: origin.clone(),
            rank,
            state,
            hold: Hold::Held,
            confirmation: Confirmation::default(),
            cause: None,
        };
        self.write(at, None, |state, me, now, changes| {
            state.claim_health(me, &finding, now, changes);
        });
    }

    /// Offers an entry to a replica.
    pub fn deliver(&mut self, to: usize, minted: usize) -> Applied {
        let Minted { entry, at, .. } = &self.minted[minted];
        let carried = Carried { entry: entry.clone(), age: self.now.since(*at) };
        let now = self.local(to);
        self.states[to].apply(&carried, now, &mut self.changes[to])
    }

    /// `to` asks `from` for a shard; the first `arrive` entries of the answer arrive.
    pub fn answer(&mut self, from: usize, to: usize, shard: Shard, arrive: usize) {
        let (mut window, mut entries, mut lanes) = (Vec::new(), Vec::new(), Vec::new());
        let asked = self.states[to].window(shard, &mut window);
        self.states[from].answer(asked, &window, self.local(from), &mut entries, &mut lanes);
        entries.truncate(arrive);
        let now = self.local(to);
        let (state, changes) = (&mut self.states[to], &mut self.changes[to]);
        state.apply_all(&entries, now, changes);
        state.adopt(&lanes, changes);
    }

    /// `to` joins the whole of `from`. Two states can be joined directly when they are kept by one clock.
    pub fn join(&mut self, from: usize, to: usize) {
        if self.skews.is_some() {
            self.shards().into_iter().for_each(|shard| self.answer(from, to, shard, usize::MAX));
            let fences: Vec<Arc<Entry>> = self.states[from].entries_of(Store::Fence).cloned().collect();
            for entry in fences {
                let Body::Fence(fence) = &entry.body else { continue };
                if !self.states[to].context().has_seen(&entry.dot) {
                    self.states[to].adopt_fence(&entry, fence, &mut self.changes[to]);
                }
            }
            return;
        }
        let other = self.states[from].clone();
        let now = self.local(to);
        self.states[to].join(&other, now, &mut self.changes[to]);
    }

    /// The shards that histories touch.
    pub fn shards(&self) -> Vec<Shard> {
        let mut shards: Vec<Shard> = NAMES.iter().map(Shard::of_name).collect();
        shards.extend(self.writers.iter().map(|writer| Shard::of_node(writer.node)));
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// Nothing new is written, and every replica asks every other, shard by shard and, for the sake of fences, by
    /// stream, until all agree.
    pub fn quiet(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..10 {
            for (from, to) in (0..REPLICAS).flat_map(|a| (0..REPLICAS).map(move |b| (a, b))) {
                for shard in self.shards() {
                    self.answer(from, to, shard, usize::MAX);
                }
                self.join(from, to);
            }
            if self.states.iter().all(|state| state.hash() == self.states[0].hash()) {
                return Ok(());
            }
        }
        Err(TestCaseError::fail("the replicas still differ after ten rounds of exact repair"))
    }
}

/// Everything that two equal states have in common.
pub fn content(state: &State) -> impl PartialEq + std::fmt::Debug + use<> {
    let shards = || (0..=u8::MAX).map(Shard);
    let seen: Vec<_> = shards()
        .flat_map(|shard| state.context().lanes_of(shard))
        .map(|(lane, seen)| (*lane, seen.clone()))
        .collect();
    let live: BTreeMap<Dot, Arc<Entry>> = state.entries().map(|entry| (entry.dot, entry.clone())).collect();
    (seen, live, state.hash())
}

/// Checks that the fingerprints that are kept are those of the content.
pub fn fingerprints_fit(state: &State) -> Result<(), TestCaseError> {
    for shard in (0..=u8::MAX).map(Shard) {
        prop_assert_eq!(state.context().shard_hash(shard), state.recomputed_shard_hash(shard), "{:?}", shard);
    }
    Ok(())
}
