//! The last moments of a run, kept for the picture of what broke.

use std::collections::VecDeque;

use heck_core::effects::Event;
use heck_core::packet::{Packet, PacketKind};
use heck_core::state::Change;

use crate::checker::Names;
use crate::engine::event::Kind;
use crate::engine::observer::Step;
use crate::engine::protocol::Message as _;
use crate::protocol::heck::Heck;
use crate::report::outcome::{Letter, Moment};

/// So many steps are kept.
const KEPT: usize = 512;

/// The last steps of a run, in their order.
#[derive(Debug)]
pub struct Tape {
    names: Names,
    moments: VecDeque<Moment>,
}

impl Tape {
    /// An empty tape of nodes with these names.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self { names, moments: VecDeque::with_capacity(KEPT) }
    }

    /// What is on it, the oldest first.
    #[must_use]
    pub fn into_moments(self) -> Vec<Moment> {
        self.moments.into()
    }

    /// Keeps a step. One in which nothing is sent, heard or reported is none worth keeping.
    pub fn after_step(&mut self, step: &Step<'_, Heck>) {
        let heard = (step.cause.kind == Kind::Datagram).then_some(step.cause.content);
        let letters = step.outbox.sent().map(|sent| Letter {
            content: sent.packet.content_word(),
            what: what(sent.packet),
            to: sent.destinations.to_vec(),
        });
        let letters: Vec<Letter> = letters.collect();
        let reports = step.outbox.reported().iter().filter_map(|event| self.say(event));
        let reports: Vec<String> = reports.collect();
        if heard.is_none() && letters.is_empty() && reports.is_empty() {
            return;
        }
        if self.moments.len() == KEPT {
            self.moments.pop_front();
        }
        self.moments.push_back(Moment { time_us: step.time.0, node: step.node, heard, letters, reports });
    }

    fn say(&self, event: &Event) -> Option<String> {
        let names = &self.names;
        Some(match event {
            Event::Changed(Change::Learned(entry)) => format!("learns {}", names.entry(entry)),
            Event::Changed(Change::Dropped(entry)) => format!("lets go {}", names.entry(entry)),
            Event::Changed(Change::Gap { lane, first, last }) => {
                format!("missed no. {first} to {last} of {}", names.lane(lane))
            }
            Event::Phase(phase) => format!("is {}", format!("{phase:?}").to_lowercase()),
            Event::Failed { .. } => "refuses a command".to_owned(),
            Event::NewBoot(boot) => format!("takes life {}", boot.0),
            Event::Renamed(name) => format!("is {name} from now on"),
            Event::Member { node, standing } => {
                format!("holds {} {}", names.node(*node), format!("{standing:?}").to_lowercase())
            }
            Event::Refuted(_) => "says that it lives".to_owned(),
            Event::Disagrees { node, .. } => format!("has other settings than {}", names.node(*node)),
            Event::Done { .. } | Event::Rejected(_) => return None,
        })
    }
}

/// What a packet is, in a few words.
fn what(packet: &Packet) -> String {
    let kind = match packet.kind {
        PacketKind::Push => "push",
        PacketKind::Request => "request",
        PacketKind::Reply => "reply",
        PacketKind::SyncRequest => "sync request",
        PacketKind::SyncAnswer => "sync answer",
        PacketKind::SyncDone => "sync done",
        PacketKind::Ping => "ping",
        PacketKind::Ack => "ack",
        PacketKind::Confirm => "is it down?",
        PacketKind::Confirmed => "what I found",
        PacketKind::Hurry => "check it now",
        PacketKind::Have => "have you it?",
        PacketKind::Has => "I have",
    };
    let parts = [
        (packet.entries.len(), "entry", "entries"),
        (packet.answers.len(), "shard", "shards"),
        (packet.members.len(), "member", "members"),
        (packet.beats.len(), "beat", "beats"),
    ];
    let parts = parts.iter().filter(|(count, ..)| *count > 0);
    let parts = parts.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { kind.to_owned() } else { format!("{kind}: {}", parts.join(", ")) }
}
