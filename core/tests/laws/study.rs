//! What fences cost: random clusters with restarts, lost disks and cuts longer and shorter than a fence waits,
//! under loss, doubling, reordering and truncation. Beside each run stands the truth: who wrote what, and what
//! the writer saw.
//!
//! `HECK_STUDY_RUNS=8000 cargo test --release -p heck-core --test laws study -- --nocapture` runs more of it and
//! prints the counts.

use crate::common::{Cluster, Weather, name};
use heck_core::config::Config;
use heck_core::effects::{Event, Phase};
use heck_core::entry::{Body, Entry, HealthState, Hold, OriginSpec, Scope};
use heck_core::id::{Boot, Dot, Name, NodeId, Shard, Store};
use heck_core::input::{Command, Verdict};
use heck_core::mutant::Planted;
use heck_core::node::View;
use heck_core::policy::Rule;
use heck_core::rng::{Seed, Stream};
use heck_core::state::{Retention, State};
use heck_core::time::Span;
use std::collections::{BTreeMap, BTreeSet};

const FENCE_AFTER: Span = Span::from_secs(30);
const NAMES: u32 = 6;

/// What a run may meet with.
#[derive(Clone, Copy, Debug)]
pub struct Climate {
    /// Cuts last at most so long.
    pub longest_cut: Span,
    /// Nodes can come back without their disks.
    pub lost_disks: bool,
    /// Such nodes can come back in a life below one that was fenced.
    pub low_boots: bool,
}

/// One write, and what its writer saw.
struct Write {
    id: u32,
    node: usize,
    store: Store,
    name: Name,
    saw: BTreeSet<u32>,
    adds: bool,
    dot: Option<Dot>,
    /// On disk, and not lost with it before anyone else had it.
    certain: bool,
}

/// What became of a run.
#[derive(Default, Debug)]
pub struct Outcome {
    /// The nodes did not come to agree.
    pub diverged: bool,
    /// Writes that are gone although no later write saw them.
    pub lost: Vec<u32>,
    /// Writes that are shown although a later write replaced them.
    pub revived: Vec<u32>,
    /// Origins whose health is gone.
    pub unhealthy: usize,
    /// Lives that are over and still have contexts.
    pub leftover_lives: usize,
    /// Fences that were written.
    pub fences: usize,
}

struct Run {
    cluster: Cluster,
    climate: Climate,
    rng: Stream,
    writes: Vec<Write>,
    claimed: BTreeSet<u32>,
    /// The last life of each node. They begin far above `low_boot`.
    boots: Vec<u64>,
    low_boot: u64,
    count: usize,
    /// Whether each step looks at what a restart would forget, and what it found.
    restarts_are_checked: bool,
    forgotten: Vec<String>,
}

fn id_of(entry: &Entry) -> Option<u32> {
    match &entry.body {
        Body::Origin { spec, .. } => match spec.policy.rule {
            Rule::Streaks { fall, .. } => Some(fall.into()),
            Rule::Window { .. } => None,
        },
        Body::Key { value, .. } => value[..].try_into().ok().map(u32::from_le_bytes),
        _ => None,
    }
}

fn shown(state: &State, store: Store, name: &Name) -> BTreeSet<u32> {
    state.versions(store, name).filter_map(|entry| id_of(entry)).collect()
}

fn config(rng: &mut Stream, planted: Planted) -> Config {
    let reply_bytes = [200, 400, 1_352][rng.below(3) as usize];
    Config {
        checks: None,
        reply_bytes,
        entry_datagram_limit: (reply_bytes - 100).min(1_100),
        rumour_bytes: [0, 200, 600][rng.below(3) as usize],
        fence_after: FENCE_AFTER,
        retention: Retention { age: Span::from_secs(3), bytes: 10_000 },
        join_timeout: Span::from_secs(3),
        join_retry: Span::from_ms(300),
        stream_timeout: Span::from_secs(2),
        heartbeat: Some(Span::from_secs(2)),
        // The study is about what is repaired, not about who is asked; and its rare cases are known by their seeds.
        membership: None,
        planted,
        ..Config::default()
    }
}

impl Run {
    fn new(seed: u64, climate: Climate, planted: Planted) -> Self {
        let mut rng = Stream::new(Seed(seed), 1);
        let count = 3 + rng.below(5) as usize;
        let weather = Weather {
            loss_permille: rng.below(701),
            duplicate_permille: rng.below(300),
            latency_us: (1_000, [20_000, 300_000, 450_000][rng.below(3) as usize]),
            ..Weather::default()
        };
        let cluster = Cluster::formed(count, config(&mut rng, planted), weather, seed);
        let boots = vec![1_000; count];
        Self {
            cluster,
            climate,
            rng,
            writes: Vec::new(),
            claimed: BTreeSet::new(),
            boots,
            low_boot: 1,
            count,
            restarts_are_checked: false,
            forgotten: Vec::new(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u32) as usize
    }

    fn wait(&mut self, longest: Span) {
        let span = Span(u64::from(self.rng.below(longest.as_us() as u32)));
        self.cluster.run_for(span);
    }

    fn write(&mut self) {
        let (node, number) = (self.below(self.count), self.rng.below(NAMES));
        if self.cluster.node(node).view().phase() != Phase::Serving {
            return;
        }
        let (name, id) = (name(&format!("name-{number}")), self.writes.len() as u32 + 1);
        let store = if self.rng.below(2) == 0 { Store::Registry } else { Store::Keys };
        let saw = shown(self.cluster.node(node).view().state(), store, &name);
        let adds = saw.is_empty() || self.rng.below(3) > 0;
        let fall = u16::try_from(id).expect("few writes");
        let spec = OriginSpec::new("http://a/").with(|policy| policy.rule = Rule::Streaks { rise: 2, fall });
        let command = match (store, adds) {
            (Store::Registry, true) => Command::PutOrigin { name: name.clone(), spec, source: name.clone() },
            (Store::Registry, false) => Command::RemoveOrigin { name: name.clone() },
            (_, true) => Command::PutKey { name: name.clone(), value: id.to_le_bytes().as_slice().into() },
            (_, false) => Command::DeleteKey { name: name.clone() },
        };
        self.writes.push(Write { id, node, store, name, saw, adds, dot: None, certain: false });
        self.cluster.command_as(node, u64::from(id), &command);
    }

    fn check(&mut self) {
        let (node, number) = (self.below(self.count), self.rng.below(NAMES));
        let origin = name(&format!("name-{number}"));
        let state = [HealthState::Healthy, HealthState::Unhealthy][self.below(2)];
        let outcome = Verdict { scope: Scope::default(), origin, state, hold: Hold::Held };
        self.cluster.tell(node, &outcome);
    }

    /// The writes that are live at a node.
    fn held_by(&self, node: usize) -> BTreeSet<u32> {
        self.cluster.node(node).view().state().entries().filter_map(|entry| id_of(entry)).collect()
    }

    /// Learns which writes were acknowledged.
    fn read_answers(&mut self) {
        for (_, node, event) in self.cluster.events.drain(..) {
            let Event::Done { token, dot } = event else { continue };
            let write = self.writes.iter_mut().find(|write| u64::from(write.id) == token);
            if let Some(write) = write.filter(|write| write.node == node) {
                (write.dot, write.certain) = (dot, true);
            }
        }
    }

    fn restart(&mut self) {
        let node = self.below(self.count);
        self.read_answers();
        let held = self.held_by(node);
        self.cluster.crash(node);
        if self.rng.below(2) == 0 {
            self.wait(Span::from_secs(4));
        }
        let last = self.boots[node];
        self.boots[node] = last + 1_000;
        if !self.climate.lost_disks || self.rng.below(2) == 0 {
            self.cluster.start_as(node, true, Boot(last + 1_000));
            return;
        }
        // What only this node had seen is gone with its disk.
        let others = (0..self.count).filter(|&other| other != node);
        let others: Vec<_> = others.map(|other| self.cluster.node(other).view()).collect();
        let held_elsewhere: BTreeSet<u32> =
            (0..self.count).filter(|&other| other != node).flat_map(|other| self.held_by(other)).collect();
        let replaced: BTreeSet<u32> = self.writes.iter().flat_map(|write| write.saw.clone()).collect();
        for write in &mut self.writes {
            // Someone else has it whole: the write itself and what it replaced.
            let has_whole = |view: &View<'_>| {
                write.dot.is_some_and(|dot| view.has_seen(&dot))
                    && shown(view.state(), write.store, &write.name).is_disjoint(&write.saw)
            };
            write.certain &= others.iter().any(has_whole);
            // Where a fence counts, dots count as seen of which only the lost disk had the entries.
            let id = &write.id;
            write.certain &= !held.contains(id) || held_elsewhere.contains(id) || replaced.contains(id);
        }
        let is_low = self.climate.low_boots && self.rng.below(2) == 0;
        self.low_boot += 1;
        let boot = if is_low { self.low_boot } else { last + 1_000 };
        self.cluster.start_empty(node, Boot(boot));
    }

    fn cut(&mut self) {
        let sides: Vec<bool> = (0..self.count).map(|_| self.rng.below(2) == 0).collect();
        self.cluster.reachable = Box::new(move |a, b| sides[a] == sides[b]);
        self.cluster.cut_streams();
        let (steps, longest) = (3 + self.below(8), self.climate.longest_cut);
        for _ in 0..steps {
            self.step();
            self.wait(Span(longest.as_us() / steps as u64));
        }
        self.cluster.reachable = Box::new(|_, _| true);
    }

    fn step(&mut self) {
        match self.below(10) {
            0..5 => self.write(),
            5..8 => self.check(),
            8 => {
                let node = self.below(self.count);
                let command = Command::Publish { topic: name("t"), payload: [1, 2, 3].as_slice().into() };
                self.cluster.command(node, &command);
            }
            _ => self.restart(),
        }
        self.read_answers();
        if self.restarts_are_checked {
            let each = (0..self.count).flat_map(|node| [(node, false), (node, true)]);
            self.forgotten
                .extend(each.filter_map(|(node, by_snapshot)| self.cluster.forgets(node, by_snapshot)));
        }
    }

    fn play(&mut self) {
        for _ in 0..3 + self.below(4) {
            for _ in 0..self.below(6) {
                self.step();
                self.wait(Span::from_secs(2));
            }
            self.cut();
            self.wait(Span::from_secs(4));
        }
        let origins: BTreeSet<Name> = (0..NAMES).map(|number| name(&format!("name-{number}"))).collect();
        // One last claim for whatever everyone knows, so that there is health to lose.
        let _ = self.cluster.run_until_agreed(Span::from_secs(200));
        for origin in &origins {
            let node = self.below(self.count);
            let outcome = Verdict {
                scope: Scope::default(),
                origin: origin.clone(),
                state: HealthState::Degraded,
                hold: Hold::Held,
            };
            self.cluster.tell(node, &outcome);
            let known = shown(self.cluster.node(node).view().state(), Store::Registry, origin);
            self.claimed.extend(known);
        }
        // Long enough for every fence that is still to come.
        self.cluster.run_for(FENCE_AFTER.times(6));
    }

    fn judge(mut self) -> Outcome {
        let agreed = self.cluster.run_until_agreed(Span::from_secs(300)).is_some();
        self.read_answers();
        let mut outcome = Outcome::default();
        let live = |state: &State| -> Vec<Dot> {
            state.entries().map(|entry| entry.dot).filter(|dot| dot.lane.store != Store::Log).collect()
        };
        let first = self.cluster.node(0).view().state();
        outcome.diverged =
            !agreed || self.cluster.running().any(|node| live(node.view().state()) != live(first));
        for write in &self.writes {
            let shown = shown(first, write.store, &write.name);
            let later = || {
                self.writes.iter().filter(|later| {
                    (later.store, &later.name) == (write.store, &write.name) && later.saw.contains(&write.id)
                })
            };
            if write.adds && write.certain && later().next().is_none() && !shown.contains(&write.id) {
                outcome.lost.push(write.id);
            }
            if shown.contains(&write.id) && later().any(|later| later.certain) {
                outcome.revived.push(write.id);
            }
        }
        for entry in first.entries_of(Store::Registry) {
            let Body::Origin { name, .. } = &entry.body else { continue };
            let is_read = first.read(Store::Registry, name).is_some_and(|read| read.dot == entry.dot);
            let was_claimed = id_of(entry).is_some_and(|id| self.claimed.contains(&id));
            outcome.unhealthy +=
                usize::from(is_read && was_claimed && first.claim(Scope::default(), name).is_none());
        }
        outcome.fences = first.entries_of(Store::Fence).count();
        let mut lives: BTreeMap<NodeId, BTreeSet<Boot>> = BTreeMap::new();
        for (lane, _) in (0..=u8::MAX).flat_map(|shard| first.context().lanes_of(Shard(shard))) {
            lives.entry(lane.writer.node).or_default().insert(lane.writer.boot);
        }
        outcome.leftover_lives = lives.values().map(|boots| boots.len() - 1).sum();
        outcome
    }
}

/// Plays one run and gives back what restarts at any time of it would have forgotten.
pub fn forgotten(seed: u64, climate: Climate, planted: Planted) -> Vec<String> {
    let mut run = Run::new(seed, climate, planted);
    run.restarts_are_checked = true;
    run.play();
    run.forgotten
}

/// Plays one run.
pub fn run(seed: u64, climate: Climate, planted: Planted) -> Outcome {
    let mut run = Run::new(seed, climate, planted);
    run.play();
    run.judge()
}

/// Cuts heal long before a fence is written.
pub const SHORT_CUTS: Climate =
    Climate { longest_cut: Span::from_secs(10), lost_disks: false, low_boots: false };
/// Cuts last up to four times as long as a fence waits.
pub const LONG_CUTS: Climate = Climate { longest_cut: Span::from_secs(120), ..SHORT_CUTS };
/// The same, and nodes come back without their disks.
pub const LOST_DISKS: Climate = Climate { lost_disks: true, ..LONG_CUTS };
/// The same, and in lives below one that was fenced.
pub const LOW_BOOTS: Climate = Climate { low_boots: true, ..LOST_DISKS };

#[test]
fn the_study_of_fences_finds_no_divergence_and_no_loss() {
    let runs = std::env::var("HECK_STUDY_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(15_u64);
    for (name, climate) in [
        ("short cuts", SHORT_CUTS),
        ("long cuts", LONG_CUTS),
        ("lost disks", LOST_DISKS),
        ("low boots", LOW_BOOTS),
    ] {
        let mut total = [0_usize; 6];
        for seed in 0..runs {
            let outcome = run(seed, climate, Planted::NONE);
            let counts = [
                outcome.diverged,
                !outcome.lost.is_empty(),
                !outcome.revived.is_empty(),
                outcome.unhealthy > 0,
                outcome.leftover_lives > 0,
                outcome.fences > 0,
            ];
            if counts[..3].contains(&true) {
                println!("{name}, seed {seed}: {outcome:?}");
            }
            total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += usize::from(count));
        }
        let [diverged, lost, revived, unhealthy, leftover, fences] = total;
        println!(
            "{name}: {runs} runs, {fences} with fences: {diverged} diverge, {lost} lose writes, {revived} bring \
             writes back, {unhealthy} wait for a check, {leftover} keep contexts of past lives"
        );
        assert_eq!((diverged, lost, leftover), (0, 0, 0), "{name}");
        // With disks lost while the cluster is cut, nobody may know any more what a write had replaced.
        assert!(climate.lost_disks || revived == 0, "{name}");
    }
}
