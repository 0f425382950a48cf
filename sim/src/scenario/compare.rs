//! `[compare]`: several systems under the same network, faults and seeds.

use heck_core::time::Span;

use super::node_set::NodeSet;
use super::read::{default, plain};
use super::section::{choice, section};
use crate::units::Number;

choice! {
    /// A system.
    pub enum System {
        /// heck's own node, unmodified, with membership, and with checks where the scenario has any.
        Heck = "heck",
        /// One process, on node 0, checks all origins.
        SingleProcess = "single-process",
        /// Every node checks all origins.
        AllCheckAll = "all-check-all",
        /// Everything goes by TCP through node 0.
        CentralBroker = "central-broker",
        /// UDP to all, confirmations and reminders along a graph.
        ResponsibilityGraph = "responsibility-graph",
        /// Bimodal Multicast with a list as digest and messages dropped after 10 rounds.
        BimodalList = "bimodal-list",
        /// Bimodal Multicast with ranges as digest and a day of messages.
        BimodalRanges = "bimodal-ranges",
        /// Consensus among five voters.
        TotalOrder = "total-order",
        /// A store that broadcasts each write, and no more.
        BroadcastKv = "broadcast-kv",
        /// A store of sets where the greatest wall clock wins.
        Roshi = "roshi",
        /// The greatest version of each source is compared.
        Scuttlebutt = "scuttlebutt",
        /// Queued broadcasts and full state, as in memberlist.
        PushPull = "push-pull",
    }
}

choice! {
    /// How the graph of responsibility is made.
    pub enum GraphShape {
        /// In the order of nodes, each is responsible for the next ones, around: the graph of the slides, completed.
        Slides = "slides",
        /// Random circles through all nodes.
        Random = "random",
        /// One within the zone, the others in the next zones.
        Zones = "zones",
    }
}

choice! {
    /// What is measured of a system. Columns of `systems.csv`.
    pub enum Column {
        /// Seconds until every node that is up in the end has a message, mean over messages.
        AllS = "all_s",
        /// Median seconds from publishing to delivery.
        P50S = "p50_s",
        /// 95th percentile of the same.
        P95S = "p95_s",
        /// The share of deliveries that happened.
        Delivered = "delivered",
        /// Messages whose publisher did not know within 5 s that they are out.
        Refused = "refused",
        /// Milliseconds that all deliveries together were later than the network.
        WaitMs = "wait_ms",
        /// Bytes that a node sends in a second.
        BytesPerNodeS = "bytes_per_node_s",
        /// The same of the node that sends most.
        BusiestBytesS = "busiest_bytes_s",
        /// The longest datagram.
        DatagramMax = "datagram_max",
        /// The longest queue of any node, in messages.
        QueueMax = "queue_max",
        /// The most that any node held, in bytes.
        MemoryMax = "memory_max",
        /// Keys of which two nodes hold different values in the end.
        Diverged = "diverged",
        /// Keys that hold something else in the end than what was written last.
        Overruled = "overruled",
        /// Probes of an origin in an interval of checks.
        ProbesPerInterval = "probes_per_interval",
        /// Seconds until all who answer know of an origin that goes down, mean over origins.
        KnownS = "known_s",
        /// Paths that have to fail before the graph of responsibility falls apart.
        GraphCut = "graph_cut",
        /// Parts into which the first partition of the scenario cuts the graph of responsibility.
        GraphParts = "graph_parts",
    }
}

section! {
    "[[compare.expect]]"
    /// What makes the comparison pass.
    pub struct CompareExpect {
        /// Of which system.
        system: System = plain(),
        /// At which point of the sweep; without it, at each, and that is all there is where nothing is swept.
        point: Option<String> = plain(),
        /// Which measure: the median over runs.
        measure: Column = plain(),
        /// It must not be less.
        least: Option<Number> = plain(),
        /// It must not be more.
        most: Option<Number> = plain(),
    }
}

section! {
    "[compare]"
    /// Several systems under the same network, faults and seeds. Only `[run]`, `[cluster]`, `[network]`, `[checks]`,
    /// `workload.warmup`, `workload.message_size`, `[[fault]]` and `[sweep]` count beside it, a round is
    /// `cluster.protocol.repair_interval`, and results are those of `sim/COMPARE.md`.
    pub struct Compare {
        /// Which, in the order of the tables.
        systems: Vec<System> = plain(),
        /// Messages that are published, from the end of the warm-up on; times the nodes at most 50000000.
        messages: u32 = default("100").at_most("1000000"),
        /// Time between two of them.
        every: Span = default("100ms").at_least("1us"),
        /// Nodes that publish, each message at one of them at random.
        from: NodeSet = default("all"),
        /// With this, messages are writes of so many keys in turn, and are compared as such.
        keys: u32 = default("0").at_most("1000000"),
        /// With `keys`: of the writes of a key, every so-manieth takes it out again, and what is compared of values is whether
        /// they are there; without it, none does.
        remove_every: Option<u32> = plain().at_least("2").at_most("1000"),
        /// Clients of `roshi` round their clock down to a multiple of this for the score of a write; without it, to 1 us.
        stamps: Option<Span> = plain().at_least("1us").at_most("1h"),
        /// Time between two looks at queues and memory.
        sample: Span = default("1s").at_least("1ms"),
        /// Whether `bimodal-list` and `bimodal-ranges` send what is published to all at once; otherwise they gossip alone. For
        /// heck that is `cluster.protocol.broadcast`.
        broadcast: bool = default("true"),
        /// Whether the talk's recurrence is tabulated and drawn beside, with one, two and three lossy messages a contact.
        theory: bool = default("false"),
        /// The graph of `responsibility-graph`.
        graph: GraphShape = default("slides"),
        /// For how many others a node is responsible there.
        responsible: u32 = default("2").at_least("1").at_most("100"),
        /// So many later segments tell a sender of `central-broker` of a loss.
        duplicate_acks: u32 = default("3").at_least("1").at_most("10"),
        /// What makes the comparison pass.
        expect: Vec<CompareExpect> = plain(),
    }
}
