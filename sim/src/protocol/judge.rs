//! Health checks without anybody to agree with: a node that probes some origins on schedule and believes what it sees.

use std::collections::BTreeSet;

use heck_core::hash::mix;
use heck_core::rng::Stream;
use heck_core::time::{Span, Time};

use super::baseline::{Event, Gauge, RECORD_BYTES, Start};

/// What a node holds of an origin.
#[derive(Clone, Copy, Debug)]
struct Origin {
    well: bool,
    /// Outcomes in a row that speak against what is held.
    against: u32,
    /// When it is probed next.
    due: Time,
}

/// Probes a list of origins, each at a moment of its own within the interval.
#[derive(Clone, Debug)]
pub struct Judge {
    interval: Span,
    fast_interval: Span,
    fall: u32,
    rise: u32,
    origins: Vec<Origin>,
    due: BTreeSet<(Time, u32)>,
}

impl Judge {
    /// Probes all origins of the run.
    #[must_use]
    pub fn of_all(start: &Start, stream: &mut Stream) -> Self {
        let settings = &start.settings;
        let interval = settings.check_interval;
        let offset = stream.next_u64();
        let mut judge = Self {
            interval,
            fast_interval: settings.fast_interval,
            fall: settings.fall,
            rise: settings.rise,
            origins: vec![Origin { well: true, against: 0, due: start.now }; settings.origins as usize],
            due: BTreeSet::new(),
        };
        for origin in 0..settings.origins {
            let phase = mix(offset, u64::from(origin)) % interval.as_us().max(1);
            judge.schedule(origin, start.now + Span(phase));
        }
        judge
    }

    /// When the next probe is due.
    #[must_use]
    pub fn next(&self) -> Time {
        self.due.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    /// The origins that are due, each probed again an interval later.
    pub fn due(&mut self, now: Time) -> Vec<Event> {
        let mut probes = Vec::new();
        while let Some(&(at, origin)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, origin));
            self.schedule(origin, at + self.interval);
            probes.push(Event::Probe { origin });
        }
        probes
    }

    fn schedule(&mut self, origin: u32, at: Time) {
        self.due.insert((at, origin));
        self.origins[origin as usize].due = at;
    }

    /// A probe has ended; whether the node answers something else from now on. While the state is changing the next probe
    /// comes sooner.
    pub fn probed(&mut self, origin: u32, well: bool, now: Time) -> Option<Event> {
        let (fall, rise) = (self.fall, self.rise);
        let held = self.origins.get_mut(origin as usize)?;
        if held.well == well {
            held.against = 0;
            return None;
        }
        held.against += 1;
        if held.against < if well { rise } else { fall } {
            let (planned, soon) = (held.due, now + self.fast_interval);
            if soon < planned && self.due.remove(&(planned, origin)) {
                self.schedule(origin, soon);
            }
            return None;
        }
        (held.well, held.against) = (well, 0);
        Some(Event::Found { origin, well })
    }

    /// What is measured.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge { queue: 0, memory_bytes: RECORD_BYTES * self.origins.len() as u64 }
    }
}
