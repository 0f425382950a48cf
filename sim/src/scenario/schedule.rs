//! From faults and churn to a list of events with concrete nodes: everything random is drawn here, from the seed
//! of the run, so that the engine has nothing left to choose.

use heck_core::rng::{Seed, Stream};
use heck_core::time::{Span, Time};

use super::Scenario;
use super::fault::{Churn, Disk, Fault};
use super::node_set::NodeSet;
use crate::units::Fraction;

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
    /// The nodes stop; records that are not yet safe on disk are lost. Nothing happens to one that is down.
    Crash {
        /// Which nodes.
        nodes: Vec<u32>,
    },
    /// The nodes start again. Nothing happens to one that is up.
    Restart {
        /// Which nodes.
        nodes: Vec<u32>,
        /// What they find on disk.
        disk: Disk,
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
    /// From now on, nothing passes between nodes of different sides; if `one_way`, nothing passes from the first
    /// side to the second.
    Partition {
        /// Position of the fault.
        rule: usize,
        /// The sides, disjoint.
        sides: Vec<Vec<u32>>,
        /// Whether the way back is open.
        one_way: bool,
    },
    /// From now on, datagrams from `from` to `to` are lost with this probability, on top of all other loss.
    Loss {
        /// Position of the fault.
        rule: usize,
        /// Senders.
        from: Vec<u32>,
        /// Receivers.
        to: Vec<u32>,
        /// Whether the same holds from `to` to `from`. A datagram to which both directions apply is tried once.
        both: bool,
        /// How many are lost.
        fraction: Fraction,
    },
    /// Streams of the nodes break, and until the end of this rule those that open break too.
    CutStreams {
        /// Position of the fault.
        rule: usize,
        /// Which nodes.
        nodes: Vec<u32>,
    },
    /// From now on, a record of these nodes needs this long until it is safe on disk.
    SlowDisk {
        /// Position of the fault.
        rule: usize,
        /// Which nodes.
        nodes: Vec<u32>,
        /// How long.
        sync: Span,
    },
    /// A partition, loss, cut of streams or slow disk is over.
    End {
        /// Position of the fault that is over.
        rule: usize,
    },
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
                self.some(free(&mut all.clone()), count)
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
                self.some(free(&mut { range }), count)
            }
            NodeSet::Group(name) => {
                let group = self.groups.iter().find(|(group, _)| group == name);
                free(&mut group.map_or(&[][..], |(_, nodes)| nodes).iter().copied())
            }
        }
    }

    /// `count` of `nodes` by a partial Fisher-Yates shuffle, ascending.
    fn some(&mut self, mut nodes: Vec<u32>, count: u32) -> Vec<u32> {
        let count = (count as usize).min(nodes.len());
        for index in 0..count {
            let left = u32::try_from(nodes.len() - index).unwrap_or(u32::MAX);
            nodes.swap(index, index + self.random.below(left) as usize);
        }
        nodes.truncate(count);
        nodes.sort_unstable();
        nodes
    }

    fn fault(&mut self, rule: usize, fault: &Fault, events: &mut Vec<Event>) {
        let at = Time::ZERO + fault.at;
        let mut begin_end = |begin: EventKind, lasts: Option<Span>, end: Option<EventKind>| {
            events.push(Event { at, kind: begin });
            if let Some((lasts, end)) = lasts.zip(end) {
                events.push(Event { at: at + lasts, kind: end });
            }
        };
        let over = Some(EventKind::End { rule });
        if let Some(crash) = &fault.crash {
            let nodes = self.nodes(&crash.nodes, &[]);
            let restart = EventKind::Restart { nodes: nodes.clone(), disk: crash.disk };
            begin_end(EventKind::Crash { nodes }, crash.lasts, Some(restart));
        } else if let Some(restart) = &fault.restart {
            let nodes = self.nodes(&restart.nodes, &[]);
            begin_end(EventKind::Restart { nodes, disk: restart.disk }, None, None);
        } else if let Some(pause) = &fault.pause {
            let nodes = self.nodes(&pause.nodes, &[]);
            let resume = EventKind::Resume { nodes: nodes.clone() };
            begin_end(EventKind::Pause { nodes }, pause.lasts, Some(resume));
        } else if let Some(resume) = &fault.resume {
            begin_end(EventKind::Resume { nodes: self.nodes(&resume.nodes, &[]) }, None, None);
        } else if let Some(partition) = &fault.partition {
            let sides = self.sides(&partition.sides);
            let cut = EventKind::Partition { rule, sides, one_way: partition.one_way };
            begin_end(cut, partition.lasts, over);
        } else if let Some(loss) = &fault.loss {
            let (from, to) = (self.nodes(&loss.from, &[]), self.nodes(&loss.to, &[]));
            let more = EventKind::Loss { rule, from, to, both: loss.both, fraction: loss.fraction };
            begin_end(more, loss.lasts, over);
        } else if let Some(cut) = &fault.cut_streams {
            let nodes = self.nodes(&cut.nodes, &[]);
            begin_end(EventKind::CutStreams { rule, nodes }, Some(cut.lasts), over);
        } else if let Some(slow) = &fault.slow_disk {
            let nodes = self.nodes(&slow.nodes, &[]);
            begin_end(EventKind::SlowDisk { rule, nodes, sync: slow.sync }, slow.lasts, over);
        }
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
        let Some(mean_gap_us) = churn.crash.mean_gap_us() else { return };
        let Ok(count) = u32::try_from(nodes.len()) else { return };
        let quiet =
            Span(self.scenario.run.duration.as_us().saturating_sub(self.scenario.measure.quiet.as_us()));
        let until = Time::ZERO + churn.until.unwrap_or(quiet);
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
            events.push(Event { at, kind: EventKind::Crash { nodes: nodes.clone() } });
            events.push(Event { at: back[index], kind: EventKind::Restart { nodes, disk: churn.disk } });
        }
    }

    /// An exponentially distributed time with this mean, at least 1 µs.
    fn exponential(&mut self, mean_us: f64) -> Span {
        let uniform = ((self.random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        Span(((-libm::log(uniform) * mean_us) as u64).max(1))
    }
}
