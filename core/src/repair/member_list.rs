//! Comparing lists of members: which groups differ, and exactly what of a group is known.
//!
//! Fingerprints of 64 groups find the difference, but in a fleet of thousands a group has dozens of members and a reply
//! has room for ten. So a request lists, of groups in which a difference has lasted, a short fingerprint of each
//! member; the reply then brings what is not among them, instead of ten at random.

use super::unequal;
use crate::codec::{SECTION_OVERHEAD, packet_len};
use crate::config::Config;
use crate::hash::mix;
use crate::member::Members;
use crate::mutant::Mutant;
use crate::packet::{GROUPS, Groups, Packet};

/// Bytes that the listed members may take in a request: a group of up to 200 fits, as in a fleet of ten thousand.
const LIST_BYTES: usize = 400;
/// Bytes of a fingerprint of one member, and of the mask of groups.
const PRINT_BYTES: usize = 2;
const MASK_BYTES: usize = 8;

/// What this node remembers of how its list compared with those of others.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct MemberRepair {
    last_mismatch: u64,
    /// Groups that differed in two replies in a row, or in one while nothing was learned.
    suspects: u64,
    /// The group at which the next list starts.
    start: u32,
}

impl MemberRepair {
    /// Notes a reply, and whether anything was learned since the request before it.
    pub fn replied(&mut self, reply: &Packet, members: &Members, is_news: bool) {
        // Where states agree the mask is empty, unless the asker joins and they agree on all but the members.
        let mismatch = if reply.has_digest { differing_members(reply, members) } else { reply.member_mask };
        self.suspects = if is_news { mismatch & self.last_mismatch } else { mismatch };
        self.last_mismatch = mismatch;
    }

    /// Lists the members of suspect groups in a request, whole groups only, as many as fit, from a rotating start.
    pub fn list(&mut self, members: &Members, config: &Config, request: &mut Packet) {
        if self.suspects == 0 || config.planted.is(Mutant::ListNoMembers) {
            return;
        }
        let room = (config.room() as usize).saturating_sub(packet_len(request) + SECTION_OVERHEAD);
        let mut left = room.min(LIST_BYTES).saturating_sub(MASK_BYTES) / PRINT_BYTES;
        let start = self.start;
        for group in (0..GROUPS as u32).map(|step| (start + step) % GROUPS as u32) {
            if self.suspects & (1 << group) == 0 {
                continue;
            }
            let count = members.group(group as usize).count();
            if count > left {
                // The next request starts with it, unless it would fit none.
                if request.member_mask != 0 {
                    break;
                }
                continue;
            }
            left -= count;
            request.member_mask |= 1 << group;
            let prints = members.group(group as usize).map(|member| member.short_print(request.nonce));
            request.member_filter.extend(prints);
            self.start = group + 1;
        }
    }
}

/// The groups of members that differ from the digest of a packet, a bit each.
#[must_use]
pub fn differing_members(packet: &Packet, members: &Members) -> u64 {
    unequal(&member_groups(members, packet.nonce), &packet.member_groups)
}

/// The salted fingerprints of all groups of members.
pub(super) fn member_groups(members: &Members, salt: u32) -> Groups {
    core::array::from_fn(|group| (mix(members.group_hash(group), u64::from(salt)) >> 48) as u16)
}
