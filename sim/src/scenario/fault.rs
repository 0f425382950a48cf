//! `[[fault]]` and `[churn]`: what goes wrong, and when.

use heck_core::time::Span;

use super::checks::OriginSet;
use super::network::Latency;
use super::node_set::NodeSet;
use super::read::{default, plain};
use super::section::{choice, one_of, section};
use crate::units::{EventRate, Fraction};

choice! {
    /// What a crash leaves on the disk.
    pub enum Disk {
        /// All that was written: the process was killed, and the system still writes what it was given.
        Kept = "kept",
        /// All that was safe on disk: the power failed.
        Synced = "synced",
        /// Nothing: the disk is gone.
        Lost = "lost",
    }
}

section! {
    "crash"
    /// The nodes stop at once. A node that is down already stays down.
    pub struct Crash {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// What is left on their disks.
        disk: Disk = default("synced"),
        /// When they restart by themselves; without it they stay down until a `restart`.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "restart"
    /// Crashed nodes start again, with what the crash left on their disks. A node that is up stays up.
    pub struct Restart {
        /// Which nodes.
        nodes: NodeSet = plain(),
    }
}

section! {
    "pause"
    /// The nodes stand still, as a suspended virtual machine does. What reaches them meanwhile waits for them.
    pub struct Pause {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// When they go on by themselves; without it they stand still until a `resume`.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "resume"
    /// Paused nodes go on.
    pub struct Resume {
        /// Which nodes.
        nodes: NodeSet = plain(),
    }
}

section! {
    "partition"
    /// Nodes on different sides cannot reach each other. Nodes on no side reach everyone. A node that several
    /// sides name is on the first of them; random sides are drawn from what the earlier ones left.
    pub struct Partition {
        /// The sides, two or more.
        sides: Vec<NodeSet> = plain(),
        /// Only what the first of two sides sends to the second is lost.
        one_way: bool = default("false"),
        /// When it heals; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "loss"
    /// Loss that comes on top of the network's.
    pub struct LossFault {
        /// How many datagrams it takes, each for itself.
        fraction: Fraction = plain(),
        /// Nodes whose datagrams it takes.
        from: NodeSet = default("all"),
        /// Nodes on the way to which it takes them.
        to: NodeSet = default("all"),
        /// Whether it also takes what goes from `to` to `from`.
        both: bool = default("true"),
        /// When it ends; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "cut_streams"
    /// All streams break that begin or end at the nodes.
    pub struct CutStreams {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// How long streams go on breaking.
        lasts: Span = default("0s"),
        /// How often those that have opened since break, within that time.
        every: Span = default("100ms").at_least("1ms"),
    }
}

section! {
    "slow_disk"
    /// The disks of the nodes become slow. Where several of these are in force at a node, the last one counts.
    pub struct SlowDisk {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// How long a record needs until it is safe, drawn anew for each write. Syncs of a node complete in the order
        /// of its writes.
        sync: Latency = plain(),
        /// When they are as before; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "drift: uniform"
    /// Every node has a drift of its own, and all between the bounds are equally likely.
    pub struct DriftRange {
        /// The least drift.
        min: i32 = plain().at_least("-999999").at_most("1000000"),
        /// The greatest drift.
        max: i32 = plain().at_least("-999999").at_most("1000000"),
    }
}

one_of! {
    "drift" or i32
    /// By how many parts per million clocks run too fast, or too slow where it is negative: the same for all, or a
    /// table with one of these.
    pub enum Drift {
        /// The same for all.
        Same(i32) = "same",
        /// Uniform between two bounds.
        Uniform(DriftRange) = "uniform",
    }
}

impl From<i32> for Drift {
    fn from(ppm: i32) -> Self {
        Self::Same(ppm)
    }
}

section! {
    "clock_drift"
    /// The clocks of the nodes run too fast or too slow; all that a node does follows its own clock. Where several of
    /// these are in force at a node, the last one counts. Answers may then be older than `clock_drift_ppm` of
    /// `[cluster.protocol]` allows for, and where they are, the run fails.
    pub struct ClockDrift {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// How much too fast, in parts per million; negative for too slow, above -1000000.
        ppm: Drift = plain(),
        /// When they run right again, without being set right; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "starve"
    /// The nodes get the processor in short bursts only and stand still in between, beginning with a stall (the anomaly
    /// of Dadgar, Phillips and Currey, "Lifeguard", 2018). What reaches them meanwhile waits. After a stall a node does
    /// what was due before it reads what waited, so that answers which came in time look late to it. Where several of
    /// these are in force at a node, the last one counts.
    pub struct Starve {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// How long a burst is.
        run: Span = default("10ms").at_least("1ms"),
        /// How long they stand still in between, drawn anew each time; with one time for all, they do so in step.
        stall: Latency = plain(),
        /// When it ends; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "join"
    /// Nodes join that are not there, be they spare, or gone because they left. A node that left does so with its disk.
    pub struct Join {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// Through whom: the addresses that each of them is given.
        through: NodeSet = default("[0]"),
        /// In what time they do so, one after the other in even steps; at once by default.
        over: Span = default("0s"),
    }
}

section! {
    "origin_down"
    /// Origins refuse connections at once.
    pub struct OriginDown {
        /// Which origins.
        origins: OriginSet = plain(),
        /// Nodes for which that is so; for the others the origins are as they were.
        from: NodeSet = default("all"),
        /// When it ends; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "leave"
    /// Nodes say that they leave, and stop a while later. They stay away until they join again.
    pub struct Leave {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// How long they go on before they stop.
        stops_after: Span = default("1s").at_least("1us"),
        /// In what time they begin to leave, one after the other in even steps; at once by default.
        over: Span = default("0s"),
    }
}

section! {
    "origin_black_hole"
    /// Origins do not answer at all, so that each probe lasts as long as it may.
    pub struct OriginBlackHole {
        /// Which origins.
        origins: OriginSet = plain(),
        /// Nodes for which that is so; for the others the origins are as they were.
        from: NodeSet = default("all"),
        /// When it ends; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "copy_disk"
    /// A node that is not there starts from a copy of another one's disk, under its name and at its own address: a virtual
    /// machine that was cloned or, where the other one is down, moved.
    pub struct CopyDisk {
        /// Whose disk.
        from: u32 = plain(),
        /// Which node starts from it.
        to: u32 = plain(),
    }
}

section! {
    "origin_slow"
    /// Origins answer as they should, but late.
    pub struct OriginSlow {
        /// Which origins.
        origins: OriginSet = plain(),
        /// How long they take.
        latency: Latency = plain(),
        /// When it ends; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "origin_flap"
    /// Origins refuse connections and answer again, in turn.
    pub struct OriginFlap {
        /// Which origins.
        origins: OriginSet = plain(),
        /// How long they refuse; that comes first.
        down: Span = plain().at_least("1ms"),
        /// How long they answer.
        up: Span = plain().at_least("1ms"),
        /// When it ends; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "probe_queue"
    /// The nodes carry out a few probes at a time, and the others wait for their turn: a checker that is overloaded.
    pub struct ProbeQueue {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// Probes at a time.
        at_once: u32 = default("1").at_least("1"),
        /// Time that each takes of the node, beside the origin's own.
        work: Span = default("0s"),
        /// When it ends; without it, never.
        lasts: Option<Span> = plain(),
    }
}

section! {
    "weigh"
    /// The nodes take another share of the work.
    pub struct Weigh {
        /// Which nodes.
        nodes: NodeSet = plain(),
        /// Their share; 100 is usual, and 0 takes none.
        weight: u32 = plain().at_most("65535"),
    }
}

section! {
    "[[fault]]"
    /// Something that goes wrong at a given time. Each entry names one kind of fault; several entries may overlap. A fault
    /// ends before the run does, or never: `lasts` that reaches to the end of the run or beyond is an error.
    pub struct Fault {
        /// When it begins, counted from the start of the run.
        at: Span = plain(),
        /// What plots call it; without it, its kind.
        label: Option<String> = plain(),
        /// Nodes stop.
        crash: Option<Crash> = plain(),
        /// Crashed nodes start again.
        restart: Option<Restart> = plain(),
        /// Nodes stand still.
        pause: Option<Pause> = plain(),
        /// Paused nodes go on.
        resume: Option<Resume> = plain(),
        /// Nodes cannot reach each other.
        partition: Option<Partition> = plain(),
        /// More loss than the network has.
        loss: Option<LossFault> = plain(),
        /// Streams break.
        cut_streams: Option<CutStreams> = plain(),
        /// Disks become slow; `cluster.disk_sync` sets the speed of all for the whole run.
        slow_disk: Option<SlowDisk> = plain(),
        /// Clocks run too fast or too slow.
        clock_drift: Option<ClockDrift> = plain(),
        /// Nodes read what reaches them too late.
        starve: Option<Starve> = plain(),
        /// Nodes join.
        join: Option<Join> = plain(),
        /// Nodes leave.
        leave: Option<Leave> = plain(),
        /// A node starts from a copy of another one's disk.
        copy_disk: Option<CopyDisk> = plain(),
        /// Origins refuse connections.
        origin_down: Option<OriginDown> = plain(),
        /// Origins do not answer.
        origin_black_hole: Option<OriginBlackHole> = plain(),
        /// Origins answer late.
        origin_slow: Option<OriginSlow> = plain(),
        /// Origins come and go.
        origin_flap: Option<OriginFlap> = plain(),
        /// Nodes are overloaded with probes.
        probe_queue: Option<ProbeQueue> = plain(),
        /// Nodes take another share of the work; no fault, but something that happens at a time.
        weigh: Option<Weigh> = plain(),
    }
}

section! {
    "[churn]"
    /// Nodes that crash and come back all the time, as a Poisson process: the next crash does not depend on the
    /// last one.
    pub struct Churn {
        /// Crashes in the whole fleet.
        crash: EventRate = plain(),
        /// Mean time until a crashed node restarts, exponentially distributed.
        down: Span = plain().at_least("1us"),
        /// What the crash leaves on its disk.
        disk: Disk = default("synced"),
        /// Which nodes crash.
        nodes: NodeSet = default("all"),
        /// When it begins, counted from the start of the run.
        from: Span = default("0s"),
        /// When the last node may crash; without it, at the start of the quiet time.
        until: Option<Span> = plain(),
        /// Spare nodes that join, each once, in their order.
        join: Option<EventRate> = plain(),
        /// Nodes that leave for good.
        leave: Option<EventRate> = plain(),
    }
}

impl Fault {
    /// The kinds of fault that an entry can name.
    pub const KINDS: &'static [&'static str] = &[
        "crash",
        "restart",
        "pause",
        "resume",
        "partition",
        "loss",
        "cut_streams",
        "slow_disk",
        "clock_drift",
        "starve",
        "join",
        "leave",
        "copy_disk",
        "origin_down",
        "origin_black_hole",
        "origin_slow",
        "origin_flap",
        "probe_queue",
        "weigh",
    ];

    /// For each fault of origins or of probing that this entry names: how long it lasts.
    pub fn origin_times(&self) -> impl Iterator<Item = Option<Span>> {
        let times = [
            self.origin_down.as_ref().map(|fault| fault.lasts),
            self.origin_black_hole.as_ref().map(|fault| fault.lasts),
            self.origin_slow.as_ref().map(|fault| fault.lasts),
            self.origin_flap.as_ref().map(|fault| fault.lasts),
            self.probe_queue.as_ref().map(|fault| fault.lasts),
        ];
        times.into_iter().flatten()
    }

    /// How long this entry's fault lasts, or takes until it has happened to the last node, with the key that says so.
    #[must_use]
    pub fn spans(&self) -> Vec<(&'static str, Span)> {
        let spans = [
            ("crash.lasts", self.crash.as_ref().and_then(|fault| fault.lasts)),
            ("pause.lasts", self.pause.as_ref().and_then(|fault| fault.lasts)),
            ("partition.lasts", self.partition.as_ref().and_then(|fault| fault.lasts)),
            ("loss.lasts", self.loss.as_ref().and_then(|fault| fault.lasts)),
            ("cut_streams.lasts", self.cut_streams.as_ref().map(|fault| fault.lasts)),
            ("slow_disk.lasts", self.slow_disk.as_ref().and_then(|fault| fault.lasts)),
            ("clock_drift.lasts", self.clock_drift.as_ref().and_then(|fault| fault.lasts)),
            ("starve.lasts", self.starve.as_ref().and_then(|fault| fault.lasts)),
            ("join.over", self.join.as_ref().map(|fault| fault.over)),
            ("leave.over", self.leave.as_ref().map(|fault| fault.over)),
            ("origin_down.lasts", self.origin_down.as_ref().and_then(|fault| fault.lasts)),
            ("origin_black_hole.lasts", self.origin_black_hole.as_ref().and_then(|fault| fault.lasts)),
            ("origin_slow.lasts", self.origin_slow.as_ref().and_then(|fault| fault.lasts)),
            ("origin_flap.lasts", self.origin_flap.as_ref().and_then(|fault| fault.lasts)),
            ("probe_queue.lasts", self.probe_queue.as_ref().and_then(|fault| fault.lasts)),
        ];
        spans.into_iter().filter_map(|(key, span)| Some((key, span?))).collect()
    }

    /// The kinds that this entry names; a checked one names exactly one.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        let named = [
            self.crash.is_some(),
            self.restart.is_some(),
            self.pause.is_some(),
            self.resume.is_some(),
            self.partition.is_some(),
            self.loss.is_some(),
            self.cut_streams.is_some(),
            self.slow_disk.is_some(),
            self.clock_drift.is_some(),
            self.starve.is_some(),
            self.join.is_some(),
            self.leave.is_some(),
            self.copy_disk.is_some(),
            self.origin_down.is_some(),
            self.origin_black_hole.is_some(),
            self.origin_slow.is_some(),
            self.origin_flap.is_some(),
            self.probe_queue.is_some(),
            self.weigh.is_some(),
        ];
        Self::KINDS.iter().zip(named).filter_map(|(kind, named)| named.then_some(*kind)).collect()
    }
}
