//! Faults that a driver injects between two calls of [`World::run_until`]: they happen at the present time.

use heck_core::time::Time;

use super::disk::DiskLoss;
use super::event::{Event, Kind, NEVER_US};
use super::node::Condition;
use super::protocol::Protocol;
use super::queue::EventQueue;
use super::world::World;

/// The number under which a fault enters the trace.
#[derive(Clone, Copy)]
enum Fault {
    Crash = 1,
    Restart = 2,
    Pause = 3,
    Resume = 4,
    Starve = 5,
    Clock = 6,
    Cut = 7,
}

impl<P: Protocol, Q: EventQueue> World<P, Q> {
    /// Takes a node down. Its state is gone; its disk keeps what `loss` leaves; its streams are cut. False if
    /// it was down already or does not exist.
    pub fn crash(&mut self, node: u32, loss: DiskLoss) -> bool {
        let Some(state) = self.nodes.get_mut(node as usize) else { return false };
        if state.condition == Condition::Crashed {
            return false;
        }
        state.condition = Condition::Crashed;
        state.life += 1;
        state.timer_us = NEVER_US;
        self.protocols[node as usize] = None;
        self.starved.remove(&node);
        self.fold_fault(node, Fault::Crash);
        self.with_streams(|streams, around| streams.crash(around, node));
        self.disks.crash(node, loss);
        for event in self.held.remove(&node).unwrap_or_default().events {
            self.discard(event);
        }
        true
    }

    /// Starts a node that is down, with the protocol that `build` makes from the records on its disk. False if
    /// it is not down or does not exist.
    pub fn restart(&mut self, node: u32, build: impl FnOnce(&[(u64, P::Record)]) -> P) -> bool {
        if self.condition(node) != Some(Condition::Crashed) {
            return false;
        }
        self.protocols[node as usize] = Some(build(self.disks.records(node)));
        self.nodes[node as usize].condition = Condition::Running;
        self.fold_fault(node, Fault::Restart);
        self.arm(node, self.now);
        true
    }

    /// Stops a node's process; its kernel goes on receiving and retransmitting. False unless it runs.
    pub fn pause(&mut self, node: u32) -> bool {
        self.change(node, &[Condition::Running, Condition::Starved], Condition::Paused, Fault::Pause)
    }

    /// Lets a paused or starved node run again; it takes what waited in the order of arrival. False if it is
    /// neither.
    pub fn resume(&mut self, node: u32) -> bool {
        let from = [Condition::Paused, Condition::Starved];
        if !self.change(node, &from, Condition::Running, Fault::Resume) {
            return false;
        }
        self.starved.remove(&node);
        for event in self.held.remove(&node).unwrap_or_default().events {
            self.queue.push(Event { time_us: self.now.0, ..event });
        }
        self.arm(node, self.now);
        true
    }

    /// Lets a node have the processor only every `every_us` microseconds of world time; until then its inputs
    /// wait. False unless it runs or is starved already.
    pub fn starve(&mut self, node: u32, every_us: u64) -> bool {
        let from = [Condition::Running, Condition::Starved];
        if !self.change(node, &from, Condition::Starved, Fault::Starve) {
            return false;
        }
        self.starved.insert(node, every_us.max(1));
        true
    }

    /// Sets a node's clock; from there it runs `drift_ppm` parts per million fast, or slow if negative.
    pub fn set_clock(&mut self, node: u32, shows: Time, drift_ppm: i32) {
        if node as usize >= self.nodes.len() {
            return;
        }
        self.clocks.set(node, self.now, shows, drift_ppm);
        self.fold_fault(node, Fault::Clock);
        self.arm(node, self.now);
    }

    /// What a node's clock shows.
    #[must_use]
    pub fn clock(&self, node: u32) -> Time {
        self.clocks.local(node, self.now)
    }

    /// Cuts a stream; both ends hear of it. False if there is no such stream.
    pub fn cut_stream(&mut self, stream: u64) -> bool {
        let now_us = self.now.0;
        let cut = self.with_streams(|streams, _| streams.cut(now_us, stream));
        if cut {
            self.fold_fault((stream >> 32) as u32, Fault::Cut);
        }
        cut
    }

    /// Cuts all streams of a node; while `broken`, those that it opens or accepts break at once.
    pub fn break_streams(&mut self, node: u32, broken: bool) {
        let now_us = self.now.0;
        self.with_streams(|streams, _| streams.break_all(now_us, node, broken));
        self.fold_fault(node, Fault::Cut);
    }

    /// Whether a node that does not simply run takes an event now. If not, the event is kept, put off or lost.
    #[cold]
    pub(super) fn admits(&mut self, event: Event) -> bool {
        if event.kind() == Kind::Stream && self.streams.is_retransmission(event.slot()) {
            return true;
        }
        match self.nodes[event.target as usize].condition {
            Condition::Running => true,
            Condition::Crashed => {
                self.discard(event);
                false
            }
            Condition::Paused => {
                self.hold(event);
                false
            }
            Condition::Starved => self.is_turn(event),
        }
    }

    /// Keeps an event for a paused node.
    fn hold(&mut self, event: Event) {
        if event.kind() == Kind::Timer {
            let timer_us = &mut self.nodes[event.target as usize].timer_us;
            if *timer_us == event.time_us {
                *timer_us = NEVER_US;
            }
            return;
        }
        let held = self.held.entry(event.target).or_default();
        if event.kind() == Kind::Datagram {
            if held.datagrams >= self.receive_queue {
                return self.discard(event);
            }
            held.datagrams += 1;
        }
        held.events.push(event);
    }

    /// Whether a starved node has the processor now; if not, the event is put off until it has.
    fn is_turn(&mut self, event: Event) -> bool {
        let every_us = self.starved.get(&event.target).copied().unwrap_or(1);
        let turn_us = event.time_us.next_multiple_of(every_us);
        if turn_us == event.time_us {
            return true;
        }
        if event.kind() == Kind::Timer {
            let timer_us = &mut self.nodes[event.target as usize].timer_us;
            if *timer_us != event.time_us {
                return false;
            }
            *timer_us = turn_us;
        }
        self.queue.push(Event { time_us: turn_us, ..event });
        false
    }

    /// Lets go of what an event holds.
    fn discard(&mut self, event: Event) {
        match event.kind() {
            Kind::Datagram => self.land(event.slot()),
            Kind::Command => drop(self.commands.remove(event.slot())),
            Kind::Persisted => drop(self.disks.sync(event.target, u32::MAX, event.slot())),
            Kind::Stream => {
                self.with_streams(|streams, around| streams.happen(around, event.slot(), u32::MAX));
            }
            Kind::Timer | Kind::Fault => {}
        }
    }

    fn change(&mut self, node: u32, from: &[Condition], to: Condition, fault: Fault) -> bool {
        let Some(state) = self.nodes.get_mut(node as usize) else { return false };
        if !from.contains(&state.condition) {
            return false;
        }
        state.condition = to;
        self.fold_fault(node, fault);
        true
    }

    fn fold_fault(&mut self, node: u32, fault: Fault) {
        self.trace.fold(self.now.0, node, Kind::Fault, 0, fault as u64);
    }
}
