//! What is due by time: rounds, broadcasts, heartbeats, expiry, streams, joining, fencing.

use super::{Join, Node, repair_local, sync_local};
use crate::codec::{SECTION_OVERHEAD, carried_len, packet_len};
use crate::config::Config;
use crate::effects::{Effects, Phase, Record};
use crate::heartbeat::Rhythm;
use crate::id::{Addr, NodeId, Store};
use crate::packet::{Beat, Carried, Packet, PacketKind};
use crate::recent::Recents;
use crate::repair::{Local, fill_request, is_current};
use crate::state::State;
use crate::sync;
use crate::time::{Span, Time};

/// How long a stream by which a node joins may make no progress; later for as long as the node has tried to join.
const JOIN_PATIENCE: Span = Span::from_secs(4);
/// How often a node that joins asks by datagram while streams stall, within the time between two attempts by stream.
const JOIN_ASKS: u64 = 4;
/// For how many times the mean time between two attempts a node that is turned away asks by stream alone.
const JOIN_REFUSALS: u64 = 8;

impl Join {
    /// A stream gets ahead: there is no need for datagrams yet.
    pub(super) fn note_progress(&mut self, config: &Config, now: Time) {
        if self.ask < Time::NEVER {
            self.ask = now + config.join_retry;
        }
    }

    /// A peer has turned a stream away, as one does that serves many others: the next stream shall have its time too,
    /// unless all turn away for long.
    pub(super) fn note_refusal(&mut self, config: &Config) {
        if self.ask < Time::NEVER {
            let latest = self.began + config.join_retry.times(JOIN_REFUSALS);
            self.ask = self.ask.max((self.next + config.join_retry).min(latest));
        }
    }
}

impl Node {
    pub(super) fn tick(&mut self, now: Time, effects: &mut Effects) {
        self.state.expire(now);
        self.join_tick(now, effects);
        let local = sync_local!(self, now);
        self.sync.tick(local, effects);
        self.membership_tick(now, effects);
        if self.phase == Phase::Synced {
            self.enter(Phase::Serving, effects);
        }
        self.checks_tick(now, effects);
        self.witnesses.tick(&self.members, self.me.node, now, &mut self.rng, effects);
        if self.phase == Phase::Serving {
            if self.vouches() {
                let (rhythm, context) = (self.rhythm(), self.state.context());
                let (fresh, rng) = (&mut self.freshness, &mut self.rng);
                self.heartbeats.tick(self.me, rhythm, now, context, fresh, rng);
            }
            if now >= self.fence_at {
                self.fence_past_lives(now, effects);
            }
        }
        self.outbox.flush(&self.config, &self.members, self.me.node, now, &mut self.rng, effects);
        if self.phase != Phase::Joining && now >= self.repair.next_round {
            self.repair.begin_round(&self.config, now);
            if let (Some(membership), Some(config)) = (&mut self.membership, &self.config.membership) {
                membership.round_begins(config, now);
            }
            for _ in 0..self.config.repair_fanout {
                let ahead = self.repair.take_ahead();
                let Some((node, peer)) = ahead.map(|addr| (None, addr)).or_else(|| self.next_peer()) else {
                    break;
                };
                let nonce = self.request(peer, false, now, effects);
                self.expect_answer(node, nonce, now);
            }
        } else if self.phase != Phase::Joining && self.repair.take_catch_up(&self.config, now) {
            self.catch_up(now, effects);
        }
    }

    /// Asks one more in this round. Whether members live is found out by the one request that begins it: its rate is what
    /// their silence is measured by.
    fn catch_up(&mut self, now: Time, effects: &mut Effects) {
        let ahead = self.repair.take_ahead_at_once();
        let any = || self.members.random_peer(self.me.node, &mut self.rng).map(|peer| peer.addr);
        if let Some(peer) = ahead.or_else(any) {
            self.request(peer, true, now, effects);
        }
    }

    /// Asks a peer for what is missing here, and brings it what is news.
    /// `is_further` where it does not begin a round.
    pub(super) fn request(&mut self, peer: Addr, is_further: bool, now: Time, effects: &mut Effects) -> u32 {
        let mut packet = effects.packet();
        packet.reset(PacketKind::Request, self.me.node);
        let local = repair_local!(self, now);
        fill_request(&mut self.repair, local, is_further, &mut self.rng, &mut packet);
        let nonce = packet.nonce;
        self.fill_news(now, &mut packet);
        let room = self.config.room() as usize;
        let limit = (self.config.rumour_bytes as usize)
            .min(room.saturating_sub(packet_len(&packet) + SECTION_OVERHEAD));
        fill_rumours(&mut self.recents, &self.state, &self.config, now, limit, &mut packet);
        self.fill_beats(now, &[], &mut packet);
        // Last, as news is worth more than the age of what is known.
        self.name_overdue(now, &mut packet);
        effects.send(peer, packet);
        nonce
    }

    /// Asks in a request for the heartbeats that have not come.
    fn name_overdue(&mut self, now: Time, packet: &mut Packet) {
        let room = (self.config.room() as usize).saturating_sub(packet_len(packet) + SECTION_OVERHEAD);
        let (rhythm, fresh) = (self.rhythm(), &self.freshness);
        let limit = room / size_of::<NodeId>();
        self.heartbeats.name_overdue(&self.members, fresh, rhythm, now, limit, &mut packet.overdue);
        packet.overdue.retain(|&node| node != self.me.node);
    }

    /// How heartbeats go in a cluster of this size and in this weather.
    pub(super) fn rhythm(&self) -> Rhythm {
        Rhythm::new(&self.config, self.members.len(), self.repair.loss.scale(16))
    }

    /// Adds heartbeats to a packet that is about to leave for one who has `brought` some itself.
    pub(super) fn fill_beats(&mut self, now: Time, brought: &[Beat], packet: &mut Packet) {
        let room = (self.config.room() as usize).saturating_sub(packet_len(packet) + SECTION_OVERHEAD);
        let bytes = room.min(self.config.beat_bytes as usize);
        self.heartbeats.fill(&self.freshness, now, bytes, brought, &mut packet.beats);
    }

    /// How often a new entry is passed on from here: about the logarithm of the cluster's size, and more under
    /// loss, so that as many copies arrive.
    pub(super) fn rumour_sends(&self) -> u32 {
        let doublings = usize::BITS - self.members.len().leading_zeros();
        self.repair.loss.scale((doublings * self.config.rumour_sends).div_ceil(16))
    }

    fn join_tick(&mut self, now: Time, effects: &mut Effects) {
        if self.phase != Phase::Joining {
            return;
        }
        if now >= self.join.give_up {
            self.finish_join(Phase::Serving, now, effects);
            return;
        }
        if now < self.join.next.min(self.join.ask) {
            return;
        }
        let Some(peers) = self.join.peers.clone().filter(|peers| !peers.is_empty()) else { return };
        if now >= self.join.next {
            self.join_by_stream(&peers, now, effects);
        }
        if now >= self.join.ask {
            self.join_by_datagram(&peers, now, effects);
        }
    }

    fn join_by_stream(&mut self, peers: &[Addr], now: Time, effects: &mut Effects) {
        if !self.sync.is_fetching() {
            let peer = self.host(peers, self.join.tried);
            self.join.tried += 1;
            // Another stream is better than one that stalls, unless all are slow: then patience grows with time.
            let joining = now.since(self.join.began).max(JOIN_PATIENCE);
            self.sync.open(peer, joining.min(self.config.stream_timeout), now, effects);
        }
        // Between half and one and a half times the setting, so that a fleet that starts at once does not knock at
        // once. It does not grow: where all start together, most peers refuse for the first seconds, and a node
        // that backed off would serve alone before it asked again.
        let retry_us = self.config.join_retry.as_us();
        let spread_us = self.rng.below(retry_us.min(u64::from(u32::MAX)) as u32);
        self.join.next = now + Span(retry_us / 2 + u64::from(spread_us));
    }

    /// Asks for what is missing here as the members among themselves do: where half of all packets are lost, streams
    /// stall for longer than anybody should wait.
    fn join_by_datagram(&mut self, peers: &[Addr], now: Time, effects: &mut Effects) {
        let peer = self.host(peers, self.join.asked);
        self.join.asked += 1;
        let mut packet = effects.packet();
        packet.reset(PacketKind::Request, self.me.node);
        fill_request(&mut self.repair, repair_local!(self, now), false, &mut self.rng, &mut packet);
        packet.joins = true;
        packet.hash = self.state.hash();
        effects.send(peer, packet);
        self.join.ask = now + Span(self.config.join_retry.as_us() / JOIN_ASKS);
    }

    pub(super) fn finish_join(&mut self, phase: Phase, now: Time, effects: &mut Effects) {
        if self.phase == Phase::Joining && phase != Phase::Leaving {
            self.journal.write(Record::Member, effects);
        }
        (self.join.next, self.join.ask, self.join.give_up) = (Time::NEVER, Time::NEVER, Time::NEVER);
        self.repair.forget_awaited();
        self.enter(phase, effects);
        if phase != Phase::Leaving {
            self.say_hello(now);
        }
    }
}

/// Puts entries that are to be passed on into a request, in at most `bytes`.
fn fill_rumours(
    recents: &mut Recents,
    state: &State,
    config: &Config,
    now: Time,
    bytes: usize,
    packet: &mut Packet,
) {
    let mut left = bytes;
    recents.rumours(
        |entry| is_current(state, entry),
        |entry| {
            if entry.wire_len() > config.entry_datagram_limit {
                return false;
            }
            let is_message = entry.dot.lane.store == Store::Log;
            let age = if is_message { state.message_age(&entry.dot, now) } else { Span::ZERO };
            let carried = Carried { entry: entry.clone(), age };
            let len = carried_len(&carried);
            let fits = len <= left;
            if fits {
                left -= len;
                packet.entries.push(carried);
            }
            fits
        },
    );
}
