//! What goes to disk, and which answers wait for it.

use crate::effects::{Effects, Event, Record};
use crate::id::{Boot, Dot};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What outlives a restart: records in the order in which they were written. Any prefix is a valid state, and
/// so is any order, since applying a record is a join.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// The records.
    pub records: Vec<Record>,
}

impl Snapshot {
    /// The last life that the records tell of.
    #[must_use]
    pub fn boot(&self) -> Option<Boot> {
        self.records
            .iter()
            .filter_map(|record| if let Record::Boot(boot) = record { Some(*boot) } else { None })
            .max()
    }
}

/// The numbers of records, and the commands whose answer waits until theirs are on disk.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Journal {
    written: u64,
    synced: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Waiting {
    record: u64,
    token: u64,
    dot: Option<Dot>,
}

impl Journal {
    /// Wants a record on disk.
    pub fn write(&mut self, record: Record, effects: &mut Effects) {
        self.written += 1;
        effects.records.push((self.written, record));
    }

    /// Answers a command once everything written so far is on disk: also a command that had nothing to write,
    /// for what it asked may be there only since the write before it.
    pub fn answer_when_synced(&mut self, token: u64, dot: Option<Dot>, effects: &mut Effects) {
        self.waiting.push_back(Waiting { record: self.written, token, dot });
        self.persisted(self.synced, effects);
    }

    /// Everything up to this record is on disk.
    pub fn persisted(&mut self, up_to: u64, effects: &mut Effects) {
        self.synced = self.synced.max(up_to);
        while self.waiting.front().is_some_and(|waiting| waiting.record <= up_to) {
            if let Some(Waiting { token, dot, .. }) = self.waiting.pop_front() {
                effects.events.push(Event::Done { token, dot });
            }
        }
    }

    /// The number of the last record.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// The number of the last record that is on disk.
    #[must_use]
    pub const fn synced(&self) -> u64 {
        self.synced
    }

    /// How many commands wait for the disk.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
