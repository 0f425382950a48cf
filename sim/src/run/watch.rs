//! What is measured while a run goes on: who has which followed update since when, and what was sent meanwhile.

use std::ops::ControlFlow;

use heck_core::effects::Event;
use heck_core::id::Dot;
use heck_core::packet::PacketKind;
use heck_core::state::Change;
use heck_core::time::Time;

use super::plan::Followed;
use crate::checker::Checkers;
use crate::engine::observer::{Commands, Observer, Step};
use crate::protocol::heck::Heck;
use crate::report::outcome::{Sent, Traffic, UpdateOutcome};
use crate::scenario::Kind;

/// One followed update on its way.
struct Track {
    followed: Followed,
    /// Set when the update has happened.
    dot: Option<Dot>,
    happened: Time,
    reached: Vec<bool>,
    reached_us: Vec<u64>,
}

/// Follows updates, counts traffic and lets the checkers look on.
pub struct Watch {
    tracks: Vec<Track>,
    nodes: u32,
    sealing_bytes: u32,
    traffic: Traffic,
    /// When counting began and ended.
    from: Option<Time>,
    until: Option<Time>,
    missing: u64,
    /// The checkers.
    pub checkers: Checkers,
}

impl Watch {
    /// Follows `followed` among `nodes` nodes. `sealing_bytes` are added to each datagram's size.
    #[must_use]
    pub fn new(followed: Vec<Followed>, nodes: u32, sealing_bytes: u32, checkers: Checkers) -> Self {
        let track = |followed| Track {
            followed,
            dot: None,
            happened: Time::ZERO,
            reached: vec![false; nodes as usize],
            reached_us: Vec::new(),
        };
        let missing = followed.len() as u64 * u64::from(nodes);
        let tracks = followed.into_iter().map(track).collect();
        let traffic = Traffic::default();
        Self { tracks, nodes, sealing_bytes, traffic, from: None, until: None, missing, checkers }
    }

    /// Whether every node has every followed update.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// When counting traffic began and ended; `now` if it goes on.
    #[must_use]
    pub fn window(&self, now: Time) -> (Time, Time) {
        (self.from.unwrap_or(Time::ZERO), self.until.unwrap_or(now))
    }

    /// What was sent in that window.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// What became of the followed updates; `now` is the end of the run.
    #[must_use]
    pub fn updates(self, now: Time) -> Vec<UpdateOutcome> {
        let nodes = self.nodes;
        let outcome = |track: Track| UpdateOutcome {
            kind: track.followed.kind.word().replace('_', " "),
            node: track.followed.node,
            population: nodes - 1,
            reached_us: track.reached_us,
            observed_us: now.since(track.dot.map_or(track.followed.at, |_| track.happened)).as_us(),
            delivery_ratio_p95: None,
        };
        self.tracks.into_iter().map(outcome).collect()
    }

    fn track(&mut self, step: &Step<'_, Heck>) {
        let view = step.protocol.node().view();
        let events = step.outbox.reported();
        for track in &mut self.tracks {
            if track.dot.is_none() && step.node == track.followed.node && step.time >= track.followed.at {
                track.dot = events.iter().find_map(|event| written_dot(event, &track.followed));
                if track.dot.is_some() {
                    track.happened = step.time;
                    track.reached[step.node as usize] = true;
                    self.missing -= 1;
                    self.from.get_or_insert(step.time);
                }
            }
            let Some(dot) = track.dot else { continue };
            let reached = &mut track.reached[step.node as usize];
            let has_it = match track.followed.kind {
                // A message that expired on its way is seen, too; but it was not delivered.
                Kind::MessagePublished => events.iter().any(|event| is_learned(event, &dot)),
                _ => view.has_seen(&dot),
            };
            if !*reached && has_it {
                *reached = true;
                self.missing -= 1;
                track.reached_us.push(step.time.since(track.happened).as_us());
            }
        }
        if self.missing == 0 {
            self.until.get_or_insert(step.time);
        }
    }

    fn count(&mut self, step: &Step<'_, Heck>) {
        for sent in step.outbox.sent() {
            let copies = sent.destinations.len() as u64;
            let category = match sent.packet.kind {
                PacketKind::Push => &mut self.traffic.push,
                PacketKind::Request => &mut self.traffic.request,
                _ => &mut self.traffic.reply,
            };
            let bytes = copies * u64::from(sent.len_bytes + self.sealing_bytes);
            *category = Sent { count: category.count + copies, bytes: category.bytes + bytes };
        }
        for frame in step.outbox.frames_sent() {
            self.traffic.stream.count += 1;
            self.traffic.stream.bytes += u64::from(frame);
        }
    }
}

fn written_dot(event: &Event, followed: &Followed) -> Option<Dot> {
    match event {
        Event::Changed(Change::Learned(entry)) if followed.is_written_by(&entry.body) => Some(entry.dot),
        _ => None,
    }
}

fn is_learned(event: &Event, dot: &Dot) -> bool {
    matches!(event, Event::Changed(Change::Learned(entry)) if entry.dot == *dot)
}

impl Observer<Heck> for Watch {
    fn after_step(&mut self, step: &Step<'_, Heck>, _: &mut Commands<Heck>) -> ControlFlow<()> {
        let changed = step.outbox.reported().iter().any(|event| matches!(event, Event::Changed(_)));
        if changed {
            self.track(step);
        }
        if self.from.is_some() && self.until.is_none_or(|until| until == step.time) {
            self.count(step);
        }
        self.checkers.after_step(step, changed);
        if self.checkers.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
