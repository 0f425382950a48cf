//! The two naive health checkers of the posts: one process that checks everything, and all that do.
//!
//! [`SingleProcess`] is the post's version 1: one process, on node 0, probes every origin on schedule, and whoever wants
//! to know asks it. Its crash stops everything. [`AllCheckAll`] is what "one naive way" does: every node probes every
//! origin and believes what it sees; nothing is exchanged, and the load on an origin grows with the fleet ("that is called
//! DDoS"). Both get heck's intervals, rise and fall; nobody is asked to confirm what they see.

use heck_core::time::Time;

use super::baseline::{Baseline, Command, Event, Gauge, Start};
use super::judge::Judge;
use crate::engine::outbox::Outbox;
use crate::engine::protocol::{Input, Never, Protocol};

/// Who probes.
pub trait Who: 'static {
    /// Whether this node does.
    fn probes(node: u32) -> bool;
}

/// Node 0 does.
#[derive(Debug)]
pub enum One {}

/// All do.
#[derive(Debug)]
pub enum All {}

/// One process checks all origins.
pub type SingleProcess = Checks<One>;
/// Every node checks all origins.
pub type AllCheckAll = Checks<All>;

/// A node. See the module's text.
#[derive(Clone, Debug)]
pub struct Checks<W> {
    judge: Option<Judge>,
    who: std::marker::PhantomData<W>,
}

impl Who for One {
    fn probes(node: u32) -> bool {
        node == 0
    }
}

impl Who for All {
    fn probes(_: u32) -> bool {
        true
    }
}

impl<W: Who> Protocol for Checks<W> {
    type Packet = Never;
    type Frame = Never;
    type Record = ();
    type Command = Command;
    type Event = Event;
    type Scratch = ();

    fn step(&mut self, now: Time, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        let Some(judge) = &mut self.judge else { return };
        match input {
            Input::Timeout => judge.due(now).into_iter().for_each(|probe| out.report(probe)),
            Input::Command { command: Command::Probed { origin, well }, .. } => {
                judge.probed(origin, well, now).into_iter().for_each(|found| out.report(found));
            }
            _ => {}
        }
    }

    fn next_wake(&self) -> Time {
        self.judge.as_ref().map_or(Time::NEVER, Judge::next)
    }
}

impl<W: Who> Baseline for Checks<W> {
    fn begin(start: &Start) -> Self {
        let judge = W::probes(start.node).then(|| Judge::of_all(start, &mut start.stream()));
        Self { judge, who: std::marker::PhantomData }
    }

    fn answers(node: u32) -> bool {
        W::probes(node)
    }

    fn gauge(&self) -> Gauge {
        self.judge.as_ref().map_or_else(Gauge::default, Judge::gauge)
    }
}
