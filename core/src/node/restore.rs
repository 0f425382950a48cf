//! From disk and to disk.

use super::Node;
use crate::effects::{Phase, Record};
use crate::entry::Body;
use crate::id::{NodeId, Shard, Store};
use crate::journal::Snapshot;
use crate::member::Member;
use crate::packet::{Carried, Window};
use crate::time::{Span, Time};
use alloc::boxed::Box;
use alloc::vec::Vec;

impl Node {
    /// Takes in what an earlier life left on disk. A node that has been a member goes on as one: its peers
    /// repair what it missed. One that crashed before its first join was complete has only a part of the state,
    /// and joins again. A message went on ageing while the node was down.
    pub(super) fn restore(&mut self, snapshot: Snapshot, now: Time) {
        for record in snapshot.records {
            match record {
                Record::Boot(_) => {}
                Record::Member => self.phase = Phase::Serving,
                Record::Known(member) => {
                    let held = self.members.get(member.node).map(Member::opinion);
                    if held.is_none_or(|held| held < member.opinion()) {
                        self.members.put(*member);
                    }
                }
                Record::Named(name) => {
                    self.me.node = NodeId::of(&name);
                    self.identity.name = name;
                }
                Record::Entry { at, carried } => {
                    if let Body::Fence(fence) = &carried.entry.body {
                        // It is on disk because it counted, and whatever it covers comes before it.
                        self.state.adopt_fence(&carried.entry, fence, &mut self.changes);
                        continue;
                    }
                    let age = Span(carried.age.as_us().saturating_add(now.since(at).as_us()));
                    self.state.apply(&Carried { age, ..carried }, now, &mut self.changes);
                }
                Record::Joined(lanes) => {
                    self.state.adopt(&lanes, &mut self.changes);
                }
            }
        }
        // Subscribers heard of all this in the earlier life.
        self.changes.clear();
    }

    /// The whole state as records: a driver writes it to replace a long journal.
    #[must_use]
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let mut records = Vec::from([Record::Boot(self.me.boot)]);
        let (mut entries, mut lanes) = (Vec::new(), Vec::new());
        let (mut fences, mut fence_lanes) = (Vec::new(), Vec::new());
        for shard in (0..=u8::MAX).map(Shard) {
            let nothing = Window { shard, live: 0 };
            self.state.answer(nothing, &[], now, &mut entries, &mut lanes);
            let is_fence = |store| store == Store::Fence;
            fences.extend(entries.extract_if(.., |carried| is_fence(carried.entry.dot.lane.store)));
            fence_lanes.extend(lanes.extract_if(.., |answer| is_fence(answer.lane.store)));
            records.extend(entries.drain(..).map(|carried| Record::Entry { at: now, carried }));
            if !lanes.is_empty() {
                records.push(Record::Joined(core::mem::take(&mut lanes)));
            }
        }
        // Behind a fence no entry is taken in any more, so the fences come last.
        records.extend(fences.into_iter().map(|carried| Record::Entry { at: now, carried }));
        let by_shard = fence_lanes.chunk_by(|a, b| a.lane.shard == b.lane.shard);
        records.extend(by_shard.map(|lanes| Record::Joined(lanes.to_vec())));
        records.extend(self.members.all().cloned().map(|member| Record::Known(Box::new(member))));
        records.push(Record::Named(self.identity.name.clone()));
        if self.phase != Phase::Joining {
            records.push(Record::Member);
        }
        Snapshot { records }
    }
}
