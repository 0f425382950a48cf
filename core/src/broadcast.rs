//! New entries go out at once, to everyone or to a few; in large clusters through relays.

use crate::codec::{HEADER_LEN, SECTION_OVERHEAD, carried_len};
use crate::config::{Broadcast, Config};
use crate::effects::Effects;
use crate::entry::Entry;
use crate::id::NodeId;
use crate::member::Members;
use crate::packet::{Carried, Packet, PacketKind, Relay};
use crate::rng::Stream;
use crate::time::{Span, Time};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What was written here and has not been sent yet.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Outbox {
    pending: Vec<Arc<Entry>>,
    not_before: Time,
}

/// The bytes that a relay section takes.
const RELAY_LEN: usize = SECTION_OVERHEAD + 4;

impl Outbox {
    /// Wants `entry` sent. Entries too large for a datagram are left to streams.
    pub fn push(&mut self, entry: &Arc<Entry>, config: &Config) {
        if config.broadcast != Broadcast::None && entry.wire_len() <= config.entry_datagram_limit {
            self.pending.push(entry.clone());
        }
    }

    /// When the next broadcast is due.
    #[must_use]
    pub const fn next_wake(&self) -> Time {
        if self.pending.is_empty() { Time::NEVER } else { self.not_before }
    }

    /// Sends what is pending, packed into as few datagrams as it takes, unless it is too early.
    pub fn flush(
        &mut self,
        config: &Config,
        members: &Members,
        me: NodeId,
        now: Time,
        rng: &mut Stream,
        effects: &mut Effects,
    ) {
        if self.pending.is_empty() || now < self.not_before {
            return;
        }
        self.not_before = now + config.broadcast_spacing;
        let room = config.room() as usize - HEADER_LEN - SECTION_OVERHEAD - RELAY_LEN;
        let mut pending = self.pending.drain(..).peekable();
        let mut batch: Vec<Carried> = Vec::new();
        while pending.peek().is_some() {
            let mut left = room;
            while let Some(entry) = pending.next_if(|entry| entry_len(entry) <= left) {
                left -= entry_len(&entry);
                batch.push(Carried { entry, age: Span::ZERO });
            }
            for _ in 0..config.broadcast_copies {
                let fill = |packet: &mut Packet| packet.entries.extend_from_slice(&batch);
                spread(config.broadcast, fill, config, members, me, rng, effects);
            }
            batch.clear();
        }
    }
}

fn entry_len(entry: &Arc<Entry>) -> usize {
    carried_len(&Carried { entry: entry.clone(), age: Span::ZERO })
}

fn push_packet(fill: impl Fn(&mut Packet), me: NodeId, effects: &mut Effects) -> Packet {
    let mut packet = effects.packet();
    packet.reset(PacketKind::Push, me);
    fill(&mut packet);
    packet
}

/// Sends a packet that `fill` makes to everyone, or to a few.
pub fn spread(
    broadcast: Broadcast,
    fill: impl Fn(&mut Packet),
    config: &Config,
    members: &Members,
    me: NodeId,
    rng: &mut Stream,
    effects: &mut Effects,
) {
    let start = effects.targets.len();
    match broadcast {
        Broadcast::None => return,
        Broadcast::Some(count) => {
            let few = (0..count).filter_map(|_| members.random_peer(me, rng));
            effects.targets.extend(few.map(|member| member.addr));
        }
        Broadcast::All if members.len() > config.relay_above as usize => {
            return send_by_relays(fill, config, members, me, rng, effects);
        }
        Broadcast::All => effects.targets.extend(members.others(me).map(|member| member.addr)),
    }
    let packet = push_packet(fill, me, effects);
    effects.send_to_pushed(start, packet);
}

/// Cuts the members into about √N slices and asks a few members of each to pass the packet on within it.
fn send_by_relays(
    fill: impl Fn(&mut Packet),
    config: &Config,
    members: &Members,
    me: NodeId,
    rng: &mut Stream,
    effects: &mut Effects,
) {
    let of = members.len().isqrt().clamp(1, usize::from(u16::MAX)) as u16;
    for slice in 0..of {
        let start = effects.targets.len();
        let count = members.slice(Relay { slice, of }).count();
        for _ in 0..config.relay_copies {
            let drawn = rng.below(count as u32) as usize;
            let Some(relay) = members.slice(Relay { slice, of }).nth(drawn) else { break };
            if relay.node != me {
                effects.targets.push(relay.addr);
            }
        }
        let mut packet = push_packet(&fill, me, effects);
        packet.relay = Some(Relay { slice, of });
        effects.send_to_pushed(start, packet);
    }
}

/// Passes a packet on to the slice of members that its sender asked for.
pub fn relay(packet: &Packet, relay: Relay, members: &Members, me: NodeId, effects: &mut Effects) {
    let start = effects.targets.len();
    let slice = members.slice(relay);
    let others = slice.filter(|member| member.node != me && member.node != packet.sender);
    effects.targets.extend(others.map(|member| member.addr));
    let mut copy = effects.packet();
    copy.reset(PacketKind::Push, packet.sender);
    copy.entries.extend_from_slice(&packet.entries);
    copy.members.extend_from_slice(&packet.members);
    effects.send_to_pushed(start, copy);
}
