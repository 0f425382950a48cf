//! Faults that a driver injects between two calls of [`World::run_until`]: they happen at the present time.

use heck_core::time::Time;

use super::disk::DiskLoss;
use super::event::{Event, Kind, NEVER_US};
use super::node::Condition;
use super::observer::Observer;
use super::protocol::Protocol;
use super::queue::EventQueue;
use super::stalls::{Stalls, Starvation};
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
    Feed = 8,
    Copy = 9,
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
        self.fold_fault(node, Fault::Crash);
        self.with_streams(|streams, around| streams.crash(around, node));
        self.disks.crash(node, loss);
        for event in self.held.remove(&node).unwrap_or_default().events {
            self.discard(event);
        }
        true
    }

    /// Starts a node that is down, with the protocol that `build` makes from the records on its disk; starved, if it
    /// was or has become so meanwhile. False if it is not down or does not exist.
    pub fn restart(&mut self, node: u32, build: impl FnOnce(&[(u64, P::Record)]) -> P) -> bool {
        if self.condition(node) != Some(Condition::Crashed) {
            return false;
        }
        self.protocols[node as usize] = Some(build(self.disks.records(node)));
        self.nodes[node as usize].condition = self.condition_unpaused(node);
        self.fold_fault(node, Fault::Restart);
        self.arm(node, self.now);
        true
    }

    /// Gives a node that is down a copy of what is safe on another one's disk, in the place of what its own held. False
    /// if it is not down.
    pub fn copy_disk(&mut self, from: u32, to: u32) -> bool {
        if self.condition(to) != Some(Condition::Crashed) {
            return false;
        }
        self.disks.copy(from, to);
        self.fold_fault(to, Fault::Copy);
        true
    }

    /// Stops a node's process; its kernel goes on receiving and retransmitting. False unless it runs.
    pub fn pause(&mut self, node: u32) -> bool {
        self.change(node, &[Condition::Running, Condition::Starved], Condition::Paused, Fault::Pause)
    }

    /// Lets a paused node run again, starved if it was; it takes what waited in the order of arrival. False unless
    /// it is paused.
    pub fn resume(&mut self, node: u32) -> bool {
        let to = self.condition_unpaused(node);
        if !self.change(node, &[Condition::Paused], to, Fault::Resume) {
            return false;
        }
        self.release(node);
        self.arm(node, self.now);
        true
    }

    /// Lets a node have the processor in short bursts only, from now on, beginning with a stall; `None` ends it.
    /// What reaches it in a stall waits as for a paused node. A node that is down or paused is starved when it is
    /// back. False if it does not exist, or is not starved and should no longer be.
    pub fn starve(&mut self, node: u32, how: Option<Starvation>) -> bool {
        if node as usize >= self.nodes.len() {
            return false;
        }
        let fault = if how.is_some() { Fault::Starve } else { Fault::Feed };
        let was_starved = match how {
            Some(how) => self.starved.insert(node, Stalls::new(how, self.dice, node, self.now.0)).is_some(),
            None => self.starved.remove(&node).is_some(),
        };
        if !was_starved && !self.starved.contains_key(&node) {
            return false;
        }
        self.fold_fault(node, fault);
        let condition = self.nodes[node as usize].condition;
        if matches!(condition, Condition::Running | Condition::Starved) {
            self.nodes[node as usize].condition = self.condition_unpaused(node);
            // What waited is looked at once more, and waits on if it must.
            self.release(node);
            self.arm(node, self.now);
        }
        true
    }

    /// What a node is when it is neither down nor paused.
    fn condition_unpaused(&self, node: u32) -> Condition {
        if self.starved.contains_key(&node) { Condition::Starved } else { Condition::Running }
    }

    /// Lets what waited for a node happen now, in the order of arrival.
    fn release(&mut self, node: u32) {
        for event in self.held.remove(&node).unwrap_or_default().events {
            self.queue.push(Event { time_us: self.now.0, ..event });
        }
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

    /// From now on a node's clock runs `drift_ppm` parts per million fast (slow if negative), from what it shows.
    pub fn set_drift(&mut self, node: u32, drift_ppm: i32) {
        if node as usize >= self.nodes.len() {
            return;
        }
        self.clocks.set_drift(node, self.now, drift_ppm);
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
        if event.kind() == Kind::Turn {
            return self.is_expected(event);
        }
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
            Condition::Starved => self.is_at_work(event),
        }
    }

    /// Keeps an event for a paused or stalled node.
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

    /// Whether a starved node has the processor now; if not, the event is kept until it has.
    fn is_at_work(&mut self, event: Event) -> bool {
        let node = event.target;
        let Some(stalls) = self.starved.get_mut(&node) else { return true };
        let stalled_until_us = stalls.stalled_until_us(self.dice, node, event.time_us);
        // What comes in the moment in which a stall ends waits behind what came before.
        let turn_us = match stalled_until_us {
            Some(until_us) => until_us,
            None if self.held.contains_key(&node) => event.time_us,
            None => return true,
        };
        if stalls.turn_us != turn_us {
            stalls.turn_us = turn_us;
            self.queue.push(Event::new(turn_us, node, Kind::Turn, 0));
        }
        self.hold(event);
        false
    }

    /// Whether a turn is that of the stall which the node is in, and not of an earlier starvation.
    fn is_expected(&self, turn: Event) -> bool {
        self.condition(turn.target) == Some(Condition::Starved)
            && self.starved.get(&turn.target).is_some_and(|stalls| stalls.turn_us == turn.time_us)
    }

    /// A stall is over. What was due meanwhile is done first, and what waited is read after that: an answer that
    /// came in time looks late to the node, and that is what starvation does to those who wait for answers.
    pub(super) fn take_turn<O: Observer<P>>(&mut self, turn: Event, observer: &mut O) {
        let node = turn.target;
        let timer_us = &mut self.nodes[node as usize].timer_us;
        if *timer_us == NEVER_US {
            *timer_us = turn.time_us;
            self.fire_timer(Event::new(turn.time_us, node, Kind::Timer, 0), observer);
        }
        for event in self.held.remove(&node).unwrap_or_default().events {
            self.dispatch(Event { time_us: turn.time_us, ..event }, observer);
        }
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
            Kind::Timer | Kind::Fault | Kind::Turn => {}
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
