//! Building a request: what this node has, in as many bytes as it is worth.

use super::member_list::member_groups;
use super::{Local, Repair, groups};
use crate::codec::{SECTION_OVERHEAD, WINDOW_LEN, lane_seen_len, packet_len};
use crate::id::{SHARDS, Shard};
use crate::mutant::Mutant;
use crate::packet::{Packet, group_of};
use crate::recent::filter_hash;
use crate::rng::Stream;
use crate::state::State;

/// How many of the entries learned last a filter names.
const FILTER_LIMIT: usize = 96;
/// How many entries that came too early a filter names.
const EARLY_LIMIT: usize = 16;
/// Bytes of exact windows in a request.
const WINDOW_BYTES: usize = 700;

/// Makes `packet` the request of this moment: of a round, or a further one. With the same hash as at the last agreement it is
/// the hash alone.
pub fn fill_request(
    repair: &mut Repair,
    local: Local<'_>,
    is_further: bool,
    rng: &mut Stream,
    packet: &mut Packet,
) {
    let Local { state, recents, config, members, .. } = local;
    packet.nonce = rng.next_u32();
    packet.hash = local.hash();
    if is_further {
        repair.catch_up.sent(packet.nonce, config);
    } else {
        repair.is_settled = repair.asked_hash == packet.hash;
        repair.asked_hash = packet.hash;
        repair.awaited.push(packet.nonce);
    }
    repair.has_unlisted = false;
    packet.agrees = repair.agreed_hash == Some(packet.hash);
    if packet.agrees || !config.digest {
        return;
    }
    packet.has_digest = true;
    packet.groups = groups(state, packet.nonce);
    packet.member_groups = member_groups(members, packet.nonce);
    let known = recents.newest_first(packet.nonce).take(FILTER_LIMIT);
    packet.filter.extend(known.map(|(_, hash)| hash));
    let early = repair.early.iter().take(EARLY_LIMIT);
    packet.filter.extend(early.map(|dot| filter_hash(dot, packet.nonce)));
    repair.members.list(members, config, packet);
    if repair.suspects != 0 {
        let room = config.room() as usize;
        let left = room.saturating_sub(packet_len(packet) + SECTION_OVERHEAD);
        fill_windows(repair, state, left.min(WINDOW_BYTES), packet);
    }
}

/// Lists suspect shards from a rotating start, whole shards only, as many as fit.
fn fill_windows(repair: &mut Repair, state: &State, bytes: usize, packet: &mut Packet) {
    let (start, first) = (repair.window_start, repair.first_window.take());
    let mut unlisted = false;
    let mut left = bytes;
    if let Some(shard) = first {
        match add_window(shard, state, left, packet) {
            Some(len) => left -= len,
            None => repair.too_large = !repair.planted.is(Mutant::NoStreamForLargeShard),
        }
    }
    for step in 0..SHARDS as u32 {
        let shard = Shard(start.wrapping_add(step as u8));
        if repair.suspects & (1 << group_of(shard)) == 0 || first == Some(shard) {
            continue;
        }
        let Some(len) = add_window(shard, state, left, packet) else {
            if packet.windows.is_empty() {
                // This shard fits no request at all: a stream will bring it, and the next request starts
                // behind it.
                repair.too_large = !repair.planted.is(Mutant::NoStreamForLargeShard);
                repair.window_start = shard.0.wrapping_add(1);
            }
            unlisted = true;
            break;
        };
        left -= len;
        if !repair.planted.is(Mutant::StuckWindow) {
            repair.window_start = shard.0.wrapping_add(1);
        }
    }
    repair.has_unlisted = unlisted;
}

/// Lists a shard if it takes at most `room` bytes; gives the bytes that it takes.
fn add_window(shard: Shard, state: &State, room: usize, packet: &mut Packet) -> Option<usize> {
    let start = packet.window_lanes.len();
    let window = state.window(shard, &mut packet.window_lanes);
    let lanes = packet.window_lanes[start..].iter();
    let len = WINDOW_LEN + lanes.map(|seen| lane_seen_len(&seen.lane, &seen.seen)).sum::<usize>();
    if len > room {
        packet.window_lanes.truncate(start);
        return None;
    }
    packet.windows.push(window);
    Some(len)
}
