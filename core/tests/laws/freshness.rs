//! How old an answer is: never younger than stated, whatever overtakes what.

use crate::fleet::NAMES;
use crate::law::{Law, Trial};
use heck_core::entry::{Confirmation, Entry, HealthState, Hold, OriginSpec, Scope};
use heck_core::id::{Boot, Name, NodeId, Store, Writer};
use heck_core::mutant::Planted;
use heck_core::packet::{Beat, Carried};
use heck_core::state::{Change, Finding, Freshness, State, StateBase};
use heck_core::time::{Span, Time};
use proptest::prelude::*;
use std::sync::Arc;

const NODES: usize = 4;
const TRANSIT: Span = Span::from_secs(1);
const DRIFT_PPM: u64 = 500;

/// What happens. The first node writes, all others hear of it.
#[derive(Clone, Debug)]
enum Op {
    /// The writer changes its mind about an origin.
    Flip { origin: u8, healthy: bool },
    /// The writer says that all it holds is on schedule.
    Beat,
    /// The writer begins a new life.
    Restart,
    /// A claim reaches a node.
    Deliver { to: u8, entry: u16 },
    /// A node hands the writer's heartbeat on.
    Pass { from: u8, to: u8, transit_us: u32 },
    /// Time passes.
    Wait { us: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let node = || 0..NODES as u8;
    prop_oneof![
        3 => (0..3_u8, any::<bool>()).prop_map(|(origin, healthy)| Op::Flip { origin, healthy }),
        3 => Just(Op::Beat),
        1 => Just(Op::Restart),
        6 => (1..NODES as u8, any::<u16>()).prop_map(|(to, entry)| Op::Deliver { to, entry }),
        6 => (node(), node(), 0..=TRANSIT.as_us() as u32)
            .prop_map(|(from, to, transit_us)| Op::Pass { from, to, transit_us }),
        2 => prop_oneof![0..3_000_000_u64, 0..20_000_000_000_u64].prop_map(|us| Op::Wait { us }),
    ]
}

struct Said {
    number: u32,
    writer: Writer,
    at: Time,
    claims: usize,
}

/// Nodes with clocks that differ and drift.
struct Model {
    now: Time,
    states: Vec<State>,
    fresh: Vec<Freshness>,
    writer: Writer,
    claims: Vec<Arc<Entry>>,
    said: Vec<Said>,
    flying: Vec<(Time, usize, Beat)>,
    drifts_ppm: [i64; NODES],
}

impl Model {
    fn new(planted: Planted, drifts_ppm: [i64; NODES]) -> Self {
        let (base, retention) = (StateBase::default(), crate::fleet::KEEP_ALL);
        let mut origins = State::new(&base, retention, planted);
        let editor = Writer { node: NodeId(9), boot: Boot(1) };
        let spec = OriginSpec::new("http://a/");
        for name in &*NAMES {
            origins.put_origin(editor, name, spec.clone(), name.clone(), Time(1), &mut Vec::new());
        }
        Self {
            now: Time(1_000_000_000),
            states: vec![origins; NODES],
            fresh: vec![Freshness::new(Arc::default(), planted); NODES],
            writer: Writer { node: NodeId(1), boot: Boot(1) },
            claims: Vec::new(),
            said: Vec::new(),
            flying: Vec::new(),
            drifts_ppm,
        }
    }

    fn local(&self, at: usize) -> Time {
        let drift = i128::from(self.now.0) * i128::from(self.drifts_ppm[at]) / 1_000_000;
        Time((i128::from(self.now.0) + drift) as u64 + 1_000_000_000_000 * at as u64)
    }

    fn settle(&mut self, at: usize) {
        self.fresh[at].settle(self.states[at].context());
    }

    fn offer(&mut self, to: usize, beat: &Beat) {
        let now = self.local(to);
        self.fresh[to].offer(beat, now, self.states[to].context());
    }

    fn flip(&mut self, origin: &Name, healthy: bool) {
        let state = if healthy { HealthState::Healthy } else { HealthState::Unhealthy };
        let (scope, hold) = (Scope::default(), Hold::Held);
        let finding = Finding {
            scope,
            origin: origin.clone(),
            rank: 1,
            state,
            hold,
            confirmation: Confirmation::default(),
            cause: None,
        };
        let (now, mut changes) = (self.local(0), Vec::new());
        self.states[0].claim_health(self.writer, &finding, now, &mut changes);
        self.claims.extend(changes.into_iter().filter_map(|change| match change {
            Change::Learned(entry) => Some(entry),
            _ => None,
        }));
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Flip { origin, healthy } => self.flip(&NAMES[usize::from(origin)], healthy),
            Op::Beat => {
                let (writer, number) = (self.writer, self.said.len() as u32 + 1);
                let serial = self.states[0].context().progress(writer, Store::Health).serial;
                self.said.push(Said { number, writer, at: self.now, claims: self.claims.len() });
                self.offer(0, &Beat { writer, number, serial, age: Span::ZERO, hops: 0 });
            }
            Op::Restart => self.writer.boot.0 += 1,
            Op::Deliver { to, entry } => {
                if let Some(at) = usize::from(entry).checked_rem(self.claims.len()) {
                    let carried = Carried { entry: self.claims[at].clone(), age: Span::ZERO };
                    let to = usize::from(to);
                    let now = self.local(to);
                    self.states[to].apply(&carried, now, &mut Vec::new());
                    self.settle(to);
                }
            }
            Op::Pass { from, to, transit_us } => {
                let from = usize::from(from);
                if let Some(beat) = self.fresh[from].beat(self.writer.node, self.local(from)) {
                    let arrival = self.now + Span(u64::from(transit_us));
                    self.flying.push((arrival, usize::from(to), beat));
                }
            }
            Op::Wait { us } => self.wait_until(self.now + Span(us)),
        }
        self.wait_until(self.now + Span(1));
    }

    fn wait_until(&mut self, until: Time) {
        self.flying.sort_by_key(|(arrival, to, _)| (*arrival, *to));
        let due = self.flying.partition_point(|(arrival, ..)| *arrival <= until);
        for (arrival, to, beat) in self.flying.drain(..due).collect::<Vec<_>>() {
            self.now = self.now.max(arrival);
            self.offer(to, &beat);
        }
        self.now = until;
    }

    /// The heartbeat that counts at a node, with the age that the node states for it.
    fn counted(&self, at: usize) -> Option<(&Said, Span, Span)> {
        let mut lives = self.said.iter().rev();
        lives.find_map(|said| {
            self.fresh[at].of(said.writer).filter(|fresh| fresh.number == said.number)?;
            let (age, bound) = self.fresh[at].age(said.writer, self.local(at), TRANSIT, DRIFT_PPM)?;
            Some((said, age, bound))
        })
    }
}

fn drifts() -> impl Strategy<Value = [i64; NODES]> {
    let most = DRIFT_PPM as i64;
    proptest::array::uniform4(prop_oneof![Just(-most), Just(most), -most..=most])
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(op(), 0..80)
}

pub const NO_OVERTAKING: Law = Law {
    name: "a heartbeat counts only where every claim made before it has arrived",
    seed: 41,
    cases: 300,
    check: no_overtaking,
};

fn no_overtaking(trial: &Trial) -> Result<(), String> {
    trial.for_all(&ops(), |ops, planted| {
        let mut model = Model::new(planted, [0; NODES]);
        for op in &ops {
            model.apply(op);
            for at in 0..NODES {
                let Some((said, ..)) = model.counted(at) else { continue };
                let claims = model.claims[..said.claims].iter();
                for claim in claims.filter(|claim| claim.dot.lane.writer == said.writer) {
                    let seen = model.states[at].context().has_seen(&claim.dot);
                    prop_assert!(seen, "node {} counts heartbeat {} without {:?}", at, said.number, claim);
                }
            }
        }
        Ok(())
    })
}

pub const AGE_NEVER_UNDERSTATES: Law = Law {
    name: "age and bound together are never less than the truth, under skew, drift and delay",
    seed: 42,
    cases: 300,
    check: age_never_understates,
};

fn age_never_understates(trial: &Trial) -> Result<(), String> {
    trial.for_all(&(ops(), drifts()), |(ops, drifts), planted| {
        let mut model = Model::new(planted, drifts);
        for op in &ops {
            model.apply(op);
            for at in 0..NODES {
                let Some((said, age, bound)) = model.counted(at) else { continue };
                let truth = model.now.since(said.at);
                prop_assert!(age + bound >= truth, "node {at}: {age:?} and {bound:?} for {truth:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_heartbeat_that_overtakes_a_flip_does_not_count() {
    NO_OVERTAKING.hold();
}

#[test]
fn an_age_with_its_bound_never_understates() {
    AGE_NEVER_UNDERSTATES.hold();
}
