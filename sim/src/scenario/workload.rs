//! `[workload]`: what the fleet is told while it is measured.

use heck_core::time::Span;

use super::expect::Limits;
use super::node_set::NodeSet;
use super::read::{default, plain};
use super::section::{choice, section};
use super::value::OneOrMore;
use crate::units::{Bytes, EventRate};

choice! {
    /// A kind of update that can be followed from the node where it happens to every other node.
    pub enum Kind {
        /// The health of an origin changes.
        HealthFlip = "health_flip",
        /// An origin is added.
        OriginAdded = "origin_added",
        /// An origin is removed.
        OriginRemoved = "origin_removed",
        /// A key is written.
        KeyWritten = "key_written",
        /// A message is published.
        MessagePublished = "message_published",
    }
}

section! {
    "[workload.background]"
    /// Updates that happen all the time at random nodes, each kind as a Poisson process over the whole fleet. They
    /// end when the quiet time begins.
    pub struct Background {
        /// Changes of the health of an origin.
        health_flips: EventRate = default("0/s"),
        /// Edits of an origin.
        origin_edits: EventRate = default("0/s"),
        /// Writes of a key.
        key_writes: EventRate = default("0/s"),
        /// Messages published.
        messages: EventRate = default("0/s"),
    }
}

section! {
    "[workload.follow]"
    /// Updates that are followed to every node, and make the curves. Several tables tell a story: what was written before,
    /// during and after a fault, on this side of it and on that.
    pub struct Follow {
        /// What their curves are called; without it, as the kinds are. With several kinds the kind is added to it.
        label: Option<String> = plain(),
        /// Kinds of updates; each happens once in each repetition, at a random node and a random moment of a round.
        kinds: Vec<Kind> = default(
            r#"["health_flip", "origin_added", "origin_removed", "key_written", "message_published"]"#
        ),
        /// When the first happen, counted from the start of the run; without it, at the end of the warm-up.
        at: Option<Span> = plain(),
        /// How often all of them happen.
        repeat: u32 = default("1").at_least("1").at_most("1000"),
        /// Time between two repetitions.
        every: Span = default("10s").at_least("1us"),
        /// Time between one kind and the next of the same repetition, in the order of `kinds`.
        apart: Span = default("0s"),
        /// Nodes where they may happen. A change of health happens at the owner of its origin if that is one of
        /// them, and otherwise at one of them which takes the origin over.
        from: NodeSet = default("all"),
        /// Nodes to which they are followed, beside the one where each happens; the others get them as well, but nobody
        /// looks when. Without it, all.
        to: Option<NodeSet> = plain(),
        /// Limits for these updates; what is not named here holds as in `[expect]`.
        limits: Option<Limits> = plain(),
    }
}

impl Follow {
    /// What the curve of one of its kinds is called.
    #[must_use]
    pub fn curve(&self, kind: Kind) -> String {
        let kind = kind.word().replace('_', " ");
        match &self.label {
            None => kind,
            Some(label) if self.kinds.len() == 1 => label.clone(),
            Some(label) => format!("{label}, {kind}"),
        }
    }
}

section! {
    "[workload]"
    /// What the fleet is told while it is measured.
    pub struct Workload {
        /// Time before anything is measured.
        warmup: Span = default("0s"),
        /// Size of the value of a key.
        value_size: Bytes = default("64B").at_most("64KiB"),
        /// Size of a message.
        message_size: Bytes = default("128B").at_most("64KiB"),
        /// Updates that happen all the time.
        background: Background = default("{}"),
        /// Updates that are followed; without it none are.
        follow: OneOrMore<Follow> = plain(),
    }
}
