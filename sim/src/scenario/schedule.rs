//! From faults and churn to a list of events with concrete nodes: everything random is drawn here, from the seed
//! of the run, so that the engine has nothing left to choose.

use heck_core::rng::{Seed, Stream};
use heck_core::time::{Span, Time};

use super::Scenario;
use super::fault::{Churn, Disk, Drift, Fault, Partition};
use super::node_set::NodeSet;
use crate::units::{EventRate, Fraction};

/// Names of the random streams of a schedule, far from those of nodes, which count up from 0.
const FAULT_STREAM: u64 = u64::from_be_bytes(*b"\0\0faults");
const CHURN_STREAM: u64 = u64::from_be_bytes(*b"\0\0\0churn");
const GROUP_STREAM: u64 = u64::from_be_bytes(*b"\0\0groups");

/// A fault that begins or ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// When.
    pub at: Time,
    /// What.
    pub kind: EventKind,
}

/// What happens. `rule` is the position of the fault in the file, and joins a beginning with its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// The nodes stop. Nothing happens to one that is down.
    Crash {
        /// Which nodes.
        nodes: Vec<u32>,
        /// What is left on their disks.
        disk: Disk,
    },
    /// The nodes start again. Nothing happens to one that is up.
    Restart {
        /// Which nodes.
        nodes: Vec<u32>,
    },
    /// The nodes stand still; what reaches them waits.
    Pause {
        /// Which nodes.
        nodes: Vec<u32>,
    },
    /// The nodes go on.
    Resume {
        /// Which nodes.
        nodes: Vec<u32>,
    },
    /// From now on, datagrams on these links are lost with this probability, on top of all other loss. A
    /// partition is a loss of 100 %.
    Loss {
        /// Position of the fault.
        rule: usize,
        /// Senders and receivers. No pair of nodes is in two of them.
        links: Vec<(Vec<u32>, Vec<u32>)>,
        /// How many are lost.
        fraction: Fraction,
    },
    /// The disks of the nodes are slow from now on, as the fault says.
    SlowDisk {
        /// Position of the fault.
        rule: usize,
        /// Which nodes.
        nodes: Vec<u32>,
    },
    /// The clocks of nodes run fast by so many parts per million from now on.
    ClockDrift {
        /// Position of the fault.
        rule: usize,
        /// Which nodes, each with its drift.
        clocks: Vec<(u32, i32)>,
    },
    /// The nodes get the processor in short bursts only, as the fault says.
    Starve {
        /// Position of the fault.
        rule: usize,
        /// Which nodes.
        nodes: Vec<u32>,
    },
    /// Origins, or how nodes probe them, are from now on as the fault says.
    Origins {
        /// Position of the fault.
        rule: usize,
    },
    /// The nodes take another share of the work.
    Weigh {
        /// Which nodes.
        nodes: Vec<u32>,
        /// Their share.
        weight: u16,
    },
    /// The fault that began as a loss or partition, a slow disk, a drift or starvation is over.
    End {
        /// Position of the fault.
        rule: usize,
    },
    /// All streams break that begin or end at the nodes.
    CutStreams {
        /// Which nodes.
        nodes: Vec<u32>,
    },
    /// A node starts that was not there, and joins. Nothing happens to one that is up, or that crashed.
    Join {
        /// Which node.
        node: u32,
        /// Through whom.
        through: Vec<u32>,
    },
    /// A node says that it leaves.
    Leave {
        /// Which node.
        node: u32,
    },
    /// A node that said that it leaves stops.
    Stop {
        /// Which node.
        node: u32,
    },
    /// A node that was not there starts from a copy of another one's disk, under its name.
    CopyDisk {
        /// Whose disk.
        from: u32,
        /// Which node.
        to: u32,
    },
}

impl EventKind {
    /// The nodes that it is about. Of a loss between a few and many, those are the few.
    #[must_use]
    pub fn nodes(&self) -> Vec<u32> {
        match self {
            Self::Crash { nodes, .. }
            | Self::Restart { nodes }
            | Self::Pause { nodes }
            | Self::Resume { nodes }
            | Self::SlowDisk { nodes, .. }
            | Self::Starve { nodes, .. }
            | Self::Weigh { nodes, .. }
            | Self::CutStreams { nodes } => nodes.clone(),
            Self::Join { node, .. } | Self::Leave { node } | Self::Stop { node } => vec![*node],
            Self::CopyDisk { from, to } => vec![*from, *to],
            Self::ClockDrift { clocks, .. } => clocks.iter().map(|(node, _)| *node).collect(),
            Self::Loss { links, .. } => {
                let few = links.iter().map(|(from, to)| if from.len() <= to.len() { from } else { to });
                few.flatten().copied().collect()
            }
            Self::Origins { .. } | Self::End { .. } => Vec::new(),
        }
    }
}

impl Scenario {
    /// The events of the run with this seed, in the order of time, those of one moment in the order of the file.
    /// Events at or after the end of the run are left out.
    #[must_use]
    pub fn schedule(&self, seed: Seed) -> Vec<Event> {
        let groups = self.groups(seed);
        let mut draw = Draw { scenario: self, groups: &groups, random: Stream::new(seed, FAULT_STREAM) };
        let mut events = Vec::new();
        for (rule, fault) in self.fault.iter().enumerate() {
            draw.fault(rule, fault, &mut events);
        }
        if let Some(churn) = &self.churn {
            draw.random = Stream::new(seed, CHURN_STREAM);
            draw.churn(churn, &mut events);
        }
        let end = Time::ZERO + self.run.duration;
        events.retain(|event| event.at < end);
        events.sort_by_key(|event| event.at);
        events
    }

    /// The nodes that `set` means in the run with this seed, ascending. `stream` names the random stream to draw
    /// from, and belongs to the caller.
    #[must_use]
    pub fn nodes_of(&self, set: &NodeSet, seed: Seed, stream: u64) -> Vec<u32> {
        let groups = self.groups(seed);
        let mut draw = Draw { scenario: self, groups: &groups, random: Stream::new(seed, stream) };
        draw.nodes(set, &[])
    }

    fn groups(&self, seed: Seed) -> Vec<(String, Vec<u32>)> {
        let mut draw = Draw { scenario: self, groups: &[], random: Stream::new(seed, GROUP_STREAM) };
        let groups = self.cluster.group.iter();
        groups.map(|group| (group.name.clone(), draw.nodes(&group.nodes, &[]))).collect()
    }
}

struct Draw<'a> {
    scenario: &'a Scenario,
    groups: &'a [(String, Vec<u32>)],
    random: Stream,
}

impl Draw<'_> {
    /// The nodes of `set`, ascending, without those in `taken`.
    fn nodes(&mut self, set: &NodeSet, taken: &[u32]) -> Vec<u32> {
        let all = 0..self.scenario.cluster.nodes;
        let free = |nodes: &mut dyn Iterator<Item = u32>| -> Vec<u32> {
            nodes.filter(|node| taken.binary_search(node).is_err()).collect()
        };
        let zone = |name: &str| {
            let zones = self.scenario.cluster.zones();
            zones.into_iter().find(|zone| zone.name == name).map_or(0..0, |zone| zone.nodes)
        };
        match set {
            NodeSet::All | NodeSet::Rest => free(&mut all.clone()),
            NodeSet::Random(share) => {
                let count = share.of(all.end);
                some(free(&mut all.clone()), count, &mut self.random)
            }
            NodeSet::Indices(indices) => {
                let mut nodes = free(&mut indices.iter().copied().filter(|index| all.contains(index)));
                nodes.sort_unstable();
                nodes.dedup();
                nodes
            }
            NodeSet::Range(range) => free(&mut range.clone().filter(|index| all.contains(index))),
            NodeSet::Zone(name) => free(&mut zone(name)),
            NodeSet::RandomOfZone(name, share) => {
                let range = zone(name);
                let count = share.of(range.end.saturating_sub(range.start));
                some(free(&mut { range }), count, &mut self.random)
            }
            NodeSet::Group(name) => {
                let group = self.groups.iter().find(|(group, _)| group == name);
                free(&mut group.map_or(&[][..], |(_, nodes)| nodes).iter().copied())
            }
        }
    }

    fn fault(&mut self, rule: usize, fault: &Fault, events: &mut Vec<Event>) {
        let at = Time::ZERO + fault.at;
        let mut begin_end = |begin: EventKind, lasts: Option<Span>, end: EventKind| {
            events.push(Event { at, kind: begin });
            events.extend(lasts.map(|lasts| Event { at: at + lasts, kind: end }));
        };
        if let Some(crash) = &fault.crash {
            let nodes = self.nodes(&crash.nodes, &[]);
            let restart = EventKind::Restart { nodes: nodes.clone() };
            begin_end(EventKind::Crash { nodes, disk: crash.disk }, crash.lasts, restart);
        }
        if let Some(pause) = &fault.pause {
            let nodes = self.nodes(&pause.nodes, &[]);
            let resume = EventKind::Resume { nodes: nodes.clone() };
            begin_end(EventKind::Pause { nodes }, pause.lasts, resume);
        }
        if let Some(partition) = &fault.partition {
            let links = self.partition(partition);
            let cut = EventKind::Loss { rule, links, fraction: Fraction::ONE };
            begin_end(cut, partition.lasts, EventKind::End { rule });
        }
        if let Some(loss) = &fault.loss {
            let (from, to) = (self.nodes(&loss.from, &[]), self.nodes(&loss.to, &[]));
            let links = if loss.both { both_ways(from, to) } else { vec![(from, to)] };
            let more = EventKind::Loss { rule, links, fraction: loss.fraction };
            begin_end(more, loss.lasts, EventKind::End { rule });
        }
        if let Some(slow) = &fault.slow_disk {
            let nodes = self.nodes(&slow.nodes, &[]);
            begin_end(EventKind::SlowDisk { rule, nodes }, slow.lasts, EventKind::End { rule });
        }
        if let Some(drift) = &fault.clock_drift {
            let clocks = self.nodes(&drift.nodes, &[]).into_iter().map(|node| (node, self.drift(&drift.ppm)));
            let clocks = clocks.collect();
            begin_end(EventKind::ClockDrift { rule, clocks }, drift.lasts, EventKind::End { rule });
        }
        if let Some(starve) = &fault.starve {
            let nodes = self.nodes(&starve.nodes, &[]);
            begin_end(EventKind::Starve { rule, nodes }, starve.lasts, EventKind::End { rule });
        }
        for lasts in fault.origin_times() {
            begin_end(EventKind::Origins { rule }, lasts, EventKind::End { rule });
        }
        if let Some(weigh) = &fault.weigh {
            let weight = u16::try_from(weigh.weight).unwrap_or(u16::MAX);
            events
                .push(Event { at, kind: EventKind::Weigh { nodes: self.nodes(&weigh.nodes, &[]), weight } });
        }
        if let Some(restart) = &fault.restart {
            events.push(Event { at, kind: EventKind::Restart { nodes: self.nodes(&restart.nodes, &[]) } });
        }
        if let Some(resume) = &fault.resume {
            events.push(Event { at, kind: EventKind::Resume { nodes: self.nodes(&resume.nodes, &[]) } });
        }
        self.comings_and_goings(fault, events);
        if let Some(cut) = &fault.cut_streams {
            let nodes = self.nodes(&cut.nodes, &[]);
            let times = cut.lasts.as_us() / cut.every.as_us().max(1);
            events.extend((0..=times).map(|time| Event {
                at: at + cut.every.times(time),
                kind: EventKind::CutStreams { nodes: nodes.clone() },
            }));
        }
    }

    fn comings_and_goings(&mut self, fault: &Fault, events: &mut Vec<Event>) {
        let at = Time::ZERO + fault.at;
        let in_turn = |nodes: &[u32], over: Span, turn: usize| {
            at + Span(over.as_us() * turn as u64 / (nodes.len() as u64).max(1))
        };
        if let Some(join) = &fault.join {
            let (nodes, through) = (self.nodes(&join.nodes, &[]), self.nodes(&join.through, &[]));
            events.extend(nodes.iter().enumerate().map(|(turn, &node)| Event {
                at: in_turn(&nodes, join.over, turn),
                kind: EventKind::Join { node, through: through.clone() },
            }));
        }
        if let Some(leave) = &fault.leave {
            let nodes = self.nodes(&leave.nodes, &[]);
            for (turn, &node) in nodes.iter().enumerate() {
                leave_and_stop(node, in_turn(&nodes, leave.over, turn), leave.stops_after, events);
            }
        }
        if let Some(copy) = &fault.copy_disk {
            events.push(Event { at, kind: EventKind::CopyDisk { from: copy.from, to: copy.to } });
        }
    }

    /// The drift of one clock, in parts per million.
    fn drift(&mut self, drift: &Drift) -> i32 {
        match drift {
            Drift::Same(ppm) => *ppm,
            Drift::Uniform(range) => {
                let width = range.max.abs_diff(range.min).saturating_add(1);
                range.min.saturating_add_unsigned(self.random.below(width))
            }
        }
    }

    /// What each side sends to all others; if one way, what the first sends to the second.
    fn partition(&mut self, partition: &Partition) -> Vec<(Vec<u32>, Vec<u32>)> {
        let sides = self.sides(&partition.sides);
        let others = |index: usize| {
            let others = sides.iter().enumerate().filter(|(other, _)| *other != index);
            let mut nodes: Vec<u32> = others.flat_map(|(_, side)| side).copied().collect();
            nodes.sort_unstable();
            nodes
        };
        let mut links: Vec<_> =
            sides.iter().enumerate().map(|(index, side)| (side.clone(), others(index))).collect();
        if partition.one_way {
            links.truncate(1);
        }
        links
    }

    fn sides(&mut self, sets: &[NodeSet]) -> Vec<Vec<u32>> {
        let mut taken: Vec<u32> = Vec::new();
        let mut sides = Vec::with_capacity(sets.len());
        for set in sets {
            let side = self.nodes(set, &taken);
            taken.extend(&side);
            taken.sort_unstable();
            sides.push(side);
        }
        sides
    }

    /// A Poisson process of crashes. A node that it has crashed and that is not back yet is drawn again, so that
    /// the rate holds as long as half of the nodes are up; after 32 vain draws the crash falls out.
    fn churn(&mut self, churn: &Churn, events: &mut Vec<Event>) {
        let nodes = self.nodes(&churn.nodes, &[]);
        let quiet =
            Span(self.scenario.run.duration.as_us().saturating_sub(self.scenario.measure.quiet.as_us()));
        let until = Time::ZERO + churn.until.unwrap_or(quiet);
        self.crashes(churn, &nodes, until, events);
        self.joins(churn, until, events);
        self.leaves(churn, &nodes, until, events);
    }

    fn crashes(&mut self, churn: &Churn, nodes: &[u32], until: Time, events: &mut Vec<Event>) {
        let Some(mean_gap_us) = churn.crash.mean_gap_us() else { return };
        let Ok(count) = u32::try_from(nodes.len()) else { return };
        let mut back = vec![Time::ZERO; nodes.len()];
        let mut at = Time::ZERO + churn.from;
        loop {
            at += self.exponential(mean_gap_us);
            if at >= until || count == 0 {
                return;
            }
            let down = self.exponential(churn.down.as_us() as f64);
            let up = (0..32).map(|_| self.random.below(count) as usize).find(|&index| back[index] <= at);
            let Some(index) = up else { continue };
            back[index] = at + down;
            let nodes = vec![nodes[index]];
            events.push(Event { at, kind: EventKind::Crash { nodes: nodes.clone(), disk: churn.disk } });
            events.push(Event { at: back[index], kind: EventKind::Restart { nodes } });
        }
    }

    /// A Poisson process of spare nodes that join through the first three, until there are no more.
    fn joins(&mut self, churn: &Churn, until: Time, events: &mut Vec<Event>) {
        let Some(mean_gap_us) = churn.join.and_then(EventRate::mean_gap_us) else { return };
        let cluster = &self.scenario.cluster;
        let through: Vec<u32> = (0..cluster.present().min(3)).collect();
        let mut at = Time::ZERO + churn.from;
        for node in cluster.present()..cluster.nodes {
            at += self.exponential(mean_gap_us);
            if at >= until {
                return;
            }
            events.push(Event { at, kind: EventKind::Join { node, through: through.clone() } });
        }
    }

    /// A Poisson process of nodes that leave, each once.
    fn leaves(&mut self, churn: &Churn, nodes: &[u32], until: Time, events: &mut Vec<Event>) {
        let Some(mean_gap_us) = churn.leave.and_then(EventRate::mean_gap_us) else { return };
        let mut left = nodes.to_vec();
        let mut at = Time::ZERO + churn.from;
        loop {
            at += self.exponential(mean_gap_us);
            if at >= until || left.is_empty() {
                return;
            }
            let node = left.swap_remove(self.random.below(left.len() as u32) as usize);
            leave_and_stop(node, at, Span::from_secs(1), events);
        }
    }

    /// An exponentially distributed time with this mean, at least 1 µs.
    fn exponential(&mut self, mean_us: f64) -> Span {
        let uniform = ((self.random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        Span(((-libm::log(uniform) * mean_us) as u64).max(1))
    }
}

fn leave_and_stop(node: u32, at: Time, stops_after: Span, events: &mut Vec<Event>) {
    events.push(Event { at, kind: EventKind::Leave { node } });
    events.push(Event { at: at + stops_after, kind: EventKind::Stop { node } });
}

/// The links from `from` to `to` and back, as products of which no two share a pair of nodes. Both are ascending.
fn both_ways(from: Vec<u32>, to: Vec<u32>) -> Vec<(Vec<u32>, Vec<u32>)> {
    let split = |nodes: &[u32], other: &[u32]| -> (Vec<u32>, Vec<u32>) {
        nodes.iter().partition(|node| other.binary_search(node).is_ok())
    };
    let (in_both, only_to) = split(&to, &from);
    let (_, only_from) = split(&from, &to);
    // A pair of the way back is one of the way out as well if its sender is in `from` and its receiver in `to`.
    let links = [(only_to, from.clone()), (in_both, only_from), (from, to)];
    links.into_iter().filter(|(from, to)| !from.is_empty() && !to.is_empty()).collect()
}
/// `count` of `all` by a partial Fisher-Yates shuffle, ascending.
pub fn some(mut all: Vec<u32>, count: u32, random: &mut Stream) -> Vec<u32> {
    let count = (count as usize).min(all.len());
    for index in 0..count {
        let left = u32::try_from(all.len() - index).unwrap_or(u32::MAX);
        all.swap(index, index + random.below(left) as usize);
    }
    all.truncate(count);
    all.sort_unstable();
    all
}
