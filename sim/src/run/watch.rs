//! What is measured while a run goes on: who has which followed update since when, and what was sent meanwhile.

use std::ops::ControlFlow;

use heck_core::codec::freshness_len;
use heck_core::effects::Event;
use heck_core::id::Dot;
use heck_core::node::Node;
use heck_core::packet::PacketKind;
use heck_core::state::Change;
use heck_core::time::Time;

use super::checks::CheckWatch;
use super::deaths::Deaths;
use super::extras::Extras;
use super::plan::Followed;
use crate::checker::Checkers;
use crate::engine::observer::{Commands, Observer, Step};
use crate::protocol::heck::{Heck, HeckCommand};
use crate::report::answers::Answers;
use crate::report::outcome::{CheckOutcome, Opinions, Sent, Traffic, UpdateOutcome};
use crate::scenario::Kind;

/// One followed update on its way.
struct Track {
    followed: Followed,
    /// Set when the update has happened.
    dot: Option<Dot>,
    happened: Time,
    /// The nodes that have it, and those that are not asked.
    reached: Vec<bool>,
    reached_us: Vec<u64>,
}

/// Follows updates, counts traffic and lets the checkers look on.
pub struct Watch {
    tracks: Vec<Track>,
    sealing_bytes: u32,
    traffic: Traffic,
    /// When counting began and ended.
    from: Option<Time>,
    until: Option<Time>,
    missing: u64,
    /// The hash of each node's state after its last step.
    hashes: Vec<u64>,
    /// Who is held dead by whom.
    pub deaths: Deaths,
    /// The checkers.
    pub checkers: Checkers,
    /// How origins are checked.
    checks: Option<CheckWatch>,
    /// What is kept beside the measures.
    pub extras: Extras,
}

/// What looks on beside the curves.
pub struct Parts {
    /// Who is held dead by whom.
    pub deaths: Deaths,
    /// The checkers.
    pub checkers: Checkers,
    /// How origins are checked, where they are.
    pub checks: Option<CheckWatch>,
    /// What is kept beside the measures.
    pub extras: Extras,
}

impl Track {
    /// How many nodes it is followed to, the one where it happens not counted.
    fn others(&self) -> u32 {
        let Followed { to, node, .. } = &self.followed;
        (to.len() - usize::from(to.binary_search(node).is_ok())) as u32
    }
}

impl Watch {
    /// Follows `followed` among `nodes` nodes. `sealing_bytes` are added to each datagram's size. When nothing is
    /// followed, traffic counts from `warm`, the end of the warm-up.
    #[must_use]
    pub fn new(
        followed: Vec<Followed>,
        nodes: u32,
        sealing_bytes: u32,
        warm: Time,
        Parts { deaths, checkers, checks, extras }: Parts,
    ) -> Self {
        let track = |followed: Followed| {
            let mut reached = vec![true; nodes as usize];
            followed.to.iter().for_each(|&node| reached[node as usize] = false);
            reached[followed.node as usize] = false;
            Track { followed, dot: None, happened: Time::ZERO, reached, reached_us: Vec::new() }
        };
        let from = followed.is_empty().then_some(warm);
        let tracks: Vec<Track> = followed.into_iter().map(track).collect();
        let missing = tracks.iter().map(|track| 1 + track.others() as u64).sum();
        let traffic = Traffic::default();
        let hashes = vec![0; nodes as usize];
        Self {
            tracks,
            sealing_bytes,
            traffic,
            from,
            until: None,
            missing,
            hashes,
            deaths,
            checkers,
            checks,
            extras,
        }
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

    /// What became of the followed updates; `now` is the end of the run, and `latency_p95_us` the 95th percentile
    /// of the one-way latency from where one happened to where it is followed.
    #[must_use]
    pub fn updates(
        self,
        now: Time,
        latency_p95_us: impl Fn(&Followed) -> Option<u64>,
    ) -> (Vec<UpdateOutcome>, Opinions, Option<(CheckOutcome, Answers)>) {
        let outcome = |track: Track| {
            let population = track.others();
            let latency_us = latency_p95_us(&track.followed);
            UpdateOutcome {
                delivery_ratio_p95: latency_us.map(|us| delivery_ratio(&track.reached_us, population, us)),
                kind: track.followed.curve,
                node: track.followed.node,
                population,
                reached_us: track.reached_us,
                observed_us: now.since(track.dot.map_or(track.followed.at, |_| track.happened)).as_us(),
            }
        };
        let (crashes, opinions) = self.deaths.outcome(now);
        let checks = self.checks.map(|checks| checks.outcome(now));
        let (turns, checks) = checks.map(|(turns, checks, answers)| (turns, (checks, answers))).unzip();
        let turns = turns.into_iter().flatten();
        (self.tracks.into_iter().map(outcome).chain(crashes).chain(turns).collect(), opinions, checks)
    }

    /// Nodes have crashed.
    pub fn crashed(&mut self, nodes: &[u32], now: Time) {
        self.deaths.crashed(nodes, now);
        if let Some(checks) = &mut self.checks {
            nodes.iter().for_each(|&node| checks.crashed(node));
        }
    }

    /// Looks at some of the answers that nodes give now. `node` gives a node that is up with what its clock shows.
    pub fn sample<'a>(&mut self, node: impl Fn(u32) -> Option<(&'a Node, Time)>, now: Time) {
        if let Some(checks) = &mut self.checks {
            checks.sample(node, self.deaths.up(), now);
        }
    }

    /// Lets origins answer what a node probes, and notes what it learned.
    fn check(&mut self, step: &Step<'_, Heck>, commands: &mut Commands<Heck>) {
        let Some(checks) = &mut self.checks else { return };
        let view = step.protocol.node().view();
        for probe in &step.outbox.scratch.probes {
            checks.started(step.node, view.own_scope(), probe, step.time);
            let (end, outcome) = checks.origins.probe(step.node, probe, step.time);
            self.checkers.probed(step, probe, &outcome, end);
            let command = HeckCommand::Probe { outcome, boot: view.writer().boot };
            commands.at(end, step.node, probe.probe.0, command);
        }
        checks.stepped(step.node, view, step.outbox.reported(), self.deaths.up(), step.time);
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
        if self.missing == 0 && !self.tracks.is_empty() {
            self.until.get_or_insert(step.time);
        }
    }

    fn count(&mut self, step: &Step<'_, Heck>) {
        for sent in step.outbox.sent() {
            let copies = sent.destinations.len() as u64;
            let category = match sent.packet.kind {
                PacketKind::Push => &mut self.traffic.push,
                PacketKind::Request => &mut self.traffic.request,
                PacketKind::Ping | PacketKind::Ack => &mut self.traffic.probe,
                _ => &mut self.traffic.reply,
            };
            // Heartbeats ride on packets that would be sent anyway: they are bytes, and no datagrams.
            let beats = freshness_len(sent.packet) as u32;
            let bytes = copies * u64::from(sent.len_bytes - beats + self.sealing_bytes);
            *category = Sent { count: category.count + copies, bytes: category.bytes + bytes };
            self.traffic.beat.bytes += copies * u64::from(beats);
        }
        for frame in step.outbox.frames_sent() {
            self.traffic.stream.count += 1;
            self.traffic.stream.bytes += u64::from(frame);
        }
    }
}

/// The 95th percentile of delivery over the other nodes (the nearest rank; infinite when so many never got it),
/// divided by that of the latency.
fn delivery_ratio(reached_us: &[u64], others: u32, latency_p95_us: u64) -> f64 {
    let rank = (u64::from(others) * 95).div_ceil(100) as usize;
    match rank.checked_sub(1) {
        None => 0.0,
        Some(index) => {
            reached_us.get(index).map_or(f64::INFINITY, |&us| us as f64 / latency_p95_us.max(1) as f64)
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
    fn after_step(&mut self, step: &Step<'_, Heck>, commands: &mut Commands<Heck>) -> ControlFlow<()> {
        // A removal that came with the answer for a whole shard changes what was seen, and may be no event: of
        // an entry that this node never had there is nothing to drop.
        let hash = step.protocol.node().view().hash();
        let before = std::mem::replace(&mut self.hashes[step.node as usize], hash);
        if hash != before || !step.outbox.reported().is_empty() {
            self.track(step);
            self.deaths.heard(step.node, step.outbox.reported(), step.time);
        }
        if self.from.is_some_and(|from| step.time >= from)
            && self.until.is_none_or(|until| until == step.time)
        {
            self.count(step);
        }
        self.check(step, commands);
        self.checkers.after_step(step);
        self.extras.after_step(step, hash);
        let is_enough = self.extras.end_with_finding() && !self.checkers.findings().is_empty();
        if is_enough || self.checkers.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_of_delivery_is_that_of_the_95th_percentiles() {
        let reached_us: Vec<u64> = (1..=100).map(|node| node * 10).collect();
        assert_eq!(delivery_ratio(&reached_us, 100, 475), 2.0, "the 95th of 100 nodes");
        assert_eq!(
            delivery_ratio(&reached_us[..95], 100, 950),
            1.0,
            "those that never got it are the slowest"
        );
        assert_eq!(delivery_ratio(&reached_us[..94], 100, 950), f64::INFINITY);
        assert_eq!(delivery_ratio(&[], 0, 950), 0.0, "a lone node has nobody to reach");
    }
}
