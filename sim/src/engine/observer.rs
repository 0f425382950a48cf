//! Observers: checkers, measures and closed-loop workloads, called after each step.

use std::ops::ControlFlow;

use heck_core::time::Time;

use super::outbox::Outbox;
use super::protocol::Protocol;
use super::trace::TraceEvent;

/// One step of a node, after it was taken and before its effects leave the node.
pub struct Step<'a, P: Protocol> {
    /// World time.
    pub time: Time,
    /// The node's index.
    pub node: u32,
    /// What woke it.
    pub cause: &'a TraceEvent,
    /// Its state after the step.
    pub protocol: &'a P,
    /// What it wants done: datagrams with sizes and destinations, records, events.
    pub outbox: &'a Outbox<P>,
}

/// Watches a run. Its type is known where the world runs, so a hook that does nothing costs nothing.
pub trait Observer<P: Protocol> {
    /// A node took a step. [`ControlFlow::Break`] halts the run after it, with its effects in flight.
    fn after_step(&mut self, step: &Step<'_, P>, commands: &mut Commands<P>) -> ControlFlow<()>;
}

/// Watches nothing.
impl<P: Protocol> Observer<P> for () {
    #[inline]
    fn after_step(&mut self, _: &Step<'_, P>, _: &mut Commands<P>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Commands that an observer wants given to nodes.
pub struct Commands<P: Protocol> {
    pub(super) waiting: Vec<Scheduled<P>>,
}

/// A command, for a node, at a time.
pub(super) struct Scheduled<P: Protocol> {
    pub time: Time,
    pub node: u32,
    pub token: u64,
    pub command: P::Command,
}

impl<P: Protocol> Default for Commands<P> {
    fn default() -> Self {
        Self { waiting: Vec::new() }
    }
}

impl<P: Protocol> Commands<P> {
    /// Gives a node a command at a world time, or now if that has passed.
    pub fn at(&mut self, time: Time, node: u32, token: u64, command: P::Command) {
        self.waiting.push(Scheduled { time, node, token, command });
    }
}
